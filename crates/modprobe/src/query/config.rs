//! `-c`: the whole configuration in its own syntax, then every alias of the database.

use moddb::ModuleDb;
use moddb::config::Config;

const DATABASE: &[u8] = b"\n# End of configuration files. Dumping indexes now:\n\n";

/// The text of `-c`: one line for each directive, by kind and in the order in which they were read.
#[must_use]
pub(crate) fn text(db: &ModuleDb) -> Vec<u8> {
    let mut text = directives(db.config());
    text.extend_from_slice(DATABASE);
    text.extend(db.alias_lines());
    text
}

fn directives(config: &Config) -> Vec<u8> {
    let mut text = Vec::new();
    let mut line = |words: &[&[u8]]| {
        text.extend(words.join(&b' '));
        text.push(b'\n');
    };
    for blacklist in &config.blacklist {
        line(&[b"blacklist", &blacklist.module]);
    }
    for install in &config.installs {
        line(&[b"install", &install.pattern, &install.line]);
    }
    for remove in &config.removes {
        line(&[b"remove", &remove.pattern, &remove.line]);
    }
    for alias in &config.aliases {
        line(&[b"alias", &alias.pattern, &alias.module]);
    }
    for options in &config.options {
        line(&[b"options", &options.module, &options.text]);
    }
    for softdep in &config.softdeps {
        let mut lists = Vec::new();
        for (word, names) in [(b"pre:".as_slice(), &softdep.pre), (b"post:", &softdep.post)] {
            if !names.is_empty() {
                lists.push([word, &names.join(&b' ')].join(&b' '));
            }
        }
        // kmod forgets the space between the lists, so that its output cannot be read back.
        line(&[b"softdep", &softdep.pattern, &lists.join(&b' ')]);
    }
    for weakdep in &config.weakdeps {
        line(&[b"weakdep", &weakdep.pattern, &weakdep.modules.join(&b' ')]);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn what_is_printed_says_the_same_when_it_is_read_again() {
        let source = "softdep x-* post: c pre: a pre: b-c\noptions m  a=1  b\ninstall i /bin/x  $CMDLINE_OPTS\n\
                      alias a-b m-m\nremove r true\nblacklist z-z\nweakdep w a b\nsoftdep e foo\n";
        let mut config = Config::default();
        assert_eq!(config.parse(Path::new("a.conf"), source.as_bytes()), []);
        let printed = directives(&config);
        let expected = "blacklist z_z\ninstall i /bin/x  $CMDLINE_OPTS\nremove r true\nalias a_b m_m\n\
                        options m  a=1  b\nsoftdep x_* pre: a b-c post: c\nsoftdep e \nweakdep w a b\n";
        assert_eq!(String::from_utf8_lossy(&printed), expected);
        let mut again = Config::default();
        again.parse(Path::new("b.conf"), &printed);
        // The one directive without a list is not one in kmod's syntax; all others come back.
        let expected = expected.replace("softdep e \n", "");
        assert_eq!(String::from_utf8_lossy(&directives(&again)), expected);
    }
}
