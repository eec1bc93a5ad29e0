//! The configuration of modprobe: its lists, and what they say about one module.
//!
//! Every directive stands in a list of its kind, in the order in which it was read; nothing overrides anything
//! there. What a module gets of it is decided when it is asked for.

use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::cmdline;
use super::directives::{Alias, Blacklist, CommandRule, OptionsRule, Softdep, Weakdep};
use super::files::{self, FileProblem};
use super::problem::ConfigProblem;
use modfile::wildcard::matches;

/// What modprobe.d, the module directory and the kernel's command line say. Lists are in reading order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// `alias` lines.
    pub aliases: Vec<Alias>,
    /// `blacklist` lines.
    pub blacklist: Vec<Blacklist>,
    /// `options` lines.
    pub options: Vec<OptionsRule>,
    /// `install` lines.
    pub installs: Vec<CommandRule>,
    /// `remove` lines.
    pub removes: Vec<CommandRule>,
    /// `softdep` lines.
    pub softdeps: Vec<Softdep>,
    /// `weakdep` lines.
    pub weakdeps: Vec<Weakdep>,
}

impl Config {
    /// Reads the configuration files of `paths`, directories or single files, with the files of the module
    /// directory in `beside` sorted among them, and then the kernel's command line, which may be missing. In the files
    /// of `beside` only `softdep` and `weakdep` lines count.
    #[must_use]
    pub fn load(
        paths: &[PathBuf],
        beside: &[PathBuf],
        kernel_command_line: Option<&Path>,
    ) -> (Self, Vec<ConfigProblem>) {
        let mut config = Self::default();
        let mut problems = files::parse_all(paths, beside, ConfigProblem::File, |file, text| {
            if beside.iter().any(|made| made == file) {
                config.parse_beside_modules(file, text)
            } else {
                config.parse(file, text)
            }
        });
        if let Some(path) = kernel_command_line {
            match files::read_beginning(path, cmdline::LONGEST) {
                Ok(text) => problems.extend(config.parse_kernel_command_line(&text)),
                Err(Errno::NOENT) => {}
                Err(errno) => {
                    let path = path.to_owned();
                    problems.push(ConfigProblem::File(FileProblem::CannotRead { path, errno }));
                }
            }
        }
        (config, problems)
    }

    /// The `alias` lines that a name matches.
    pub fn aliases_of<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a Alias> {
        self.aliases.iter().filter(move |alias| matches(&alias.pattern, name))
    }

    /// The `options` lines for a module that was found by its own name or through an alias.
    pub fn options_of<'a>(
        &'a self,
        module: &'a [u8],
        alias: Option<&'a [u8]>,
    ) -> impl Iterator<Item = &'a OptionsRule> {
        self.options.iter().filter(move |line| line.module == module || Some(line.module.as_slice()) == alias)
    }

    /// The texts of [`Config::options_of`], joined by single spaces.
    #[must_use]
    pub fn options_for(&self, module: &[u8], alias: Option<&[u8]>) -> Vec<u8> {
        let texts = self.options_of(module, alias).map(|line| line.text.as_slice());
        // The kernel's command line may give an empty parameter.
        let texts: Vec<_> = texts.filter(|text| !text.is_empty()).collect();
        texts.join(&b' ')
    }

    /// The first line that blacklists a module.
    #[must_use]
    pub fn blacklisted(&self, module: &[u8]) -> Option<&Blacklist> {
        self.blacklist.iter().find(|line| line.module == module)
    }

    /// The command to run instead of inserting a module.
    #[must_use]
    pub fn install_command(&self, module: &[u8]) -> Option<&CommandRule> {
        self.installs.iter().find(|command| matches(&command.pattern, module))
    }

    /// The command to run instead of removing a module.
    #[must_use]
    pub fn remove_command(&self, module: &[u8]) -> Option<&CommandRule> {
        self.removes.iter().find(|command| matches(&command.pattern, module))
    }

    /// The lines that say what to load before and after a module, in order. All of them count together.
    // compat: kmod takes the first line alone (case modprobe/softdep-lines-add-up).
    pub fn softdeps_of<'a>(&'a self, module: &[u8]) -> impl Iterator<Item = &'a Softdep> {
        self.softdeps.iter().filter(move |softdep| matches(&softdep.pattern, module))
    }

    /// The one line that says what a module may use: the first that matches.
    #[must_use]
    pub fn weakdeps(&self, module: &[u8]) -> Option<&Weakdep> {
        self.weakdeps.iter().find(|weakdep| matches(&weakdep.pattern, module))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        let mut config = Config::default();
        assert_eq!(config.parse(Path::new("t.conf"), text.as_bytes()), []);
        config
    }

    #[test]
    fn options_of_name_and_alias_are_joined_in_order() {
        let mut config = config("options a x=1\noptions net-pf-1 y=2\noptions a*  z\noptions a w=4\n");
        assert_eq!(config.parse_kernel_command_line(b"a. a.v=5"), []);
        assert_eq!(config.options_for(b"a", Some(b"net_pf_1")), b"x=1 y=2 w=4 v=5");
        assert_eq!(config.options_for(b"a", None), b"x=1 w=4 v=5");
        assert_eq!(config.options_for(b"b", None), b"");
    }

    #[test]
    fn the_first_matching_command_counts_and_all_softdeps_do() {
        let config = config(
            "install a* one\ninstall ab two\nremove [!a]* three\nsoftdep a? pre: p\nsoftdep ab post: q\nweakdep ab w\n",
        );
        assert_eq!(config.install_command(b"ab").map(|command| command.line.as_slice()), Some(&b"one"[..]));
        assert_eq!(config.remove_command(b"ab"), None);
        assert_eq!(config.remove_command(b"b").map(|command| command.line.as_slice()), Some(&b"three"[..]));
        let lists: Vec<_> = config.softdeps_of(b"ab").map(|line| (line.pre.len(), line.post.len())).collect();
        assert_eq!(lists, [(1, 0), (0, 1)]);
        assert_eq!(config.weakdeps(b"ab").map(|weakdep| weakdep.modules.len()), Some(1));
    }

    #[test]
    fn aliases_match_as_patterns_and_blacklists_exactly() {
        let config = config("alias x-* a\nalias x_1 b\nalias y c\nblacklist a*\nblacklist b-b\n");
        let targets: Vec<_> = config.aliases_of(b"x_1").map(|alias| alias.module.as_slice()).collect();
        assert_eq!(targets, [b"a", b"b"]);
        assert_eq!(config.blacklisted(b"ab"), None);
        assert!(config.blacklisted(b"b_b").is_some());
    }

    #[test]
    fn beside_the_modules_nothing_counts_but_soft_and_weak_dependencies()
    -> Result<(), Box<dyn std::error::Error>> {
        let root = tempfile::tempdir()?;
        let beside = root.path().join("modules.softdep");
        let hostile = "softdep a pre: b\ninstall * id\nremove * id\nalias x y\noptions a z=1\nblacklist a\n\
                       include x\n\\\ninstall q id\nweakdep a c\n";
        std::fs::write(&beside, hostile)?;
        let (config, problems) = Config::load(&[], std::slice::from_ref(&beside), None);
        let expected = Config {
            softdeps: config.softdeps.clone(),
            weakdeps: config.weakdeps.clone(),
            ..Config::default()
        };
        assert_eq!(config, expected);
        assert_eq!((config.softdeps.len(), config.weakdeps.len()), (1, 1));
        assert_eq!(problems.len(), 7, "{problems:?}");
        // Whoever names the file with -C as configuration means it.
        let (config, _) = Config::load(&[beside], &[], None);
        assert_eq!(config.installs.len(), 2);
        Ok(())
    }

    #[test]
    fn softdeps_of_the_module_directory_stand_among_the_files() -> Result<(), Box<dyn std::error::Error>> {
        let root = tempfile::tempdir()?;
        let path = |name: &str| root.path().join(name);
        std::fs::create_dir(path("d"))?;
        std::fs::write(path("d/n.conf"), "softdep a pre: from-n\nfoo\n")?;
        std::fs::write(path("d/a.conf"), "softdep b pre: from-a\n")?;
        std::fs::write(
            path("modules.softdep"),
            "# generated\nsoftdep a pre: from-modules\nsoftdep b pre: late\n",
        )?;
        std::fs::write(path("cmdline"), "quiet a.x=1\n")?;
        let (config, problems) = Config::load(
            &[path("d")],
            &[path("modules.softdep"), path("modules.weakdep")],
            Some(&path("cmdline")),
        );
        let pre = |name: &[u8]| config.softdeps_of(name).map(|line| line.pre.concat()).collect::<Vec<_>>();
        assert_eq!(pre(b"a"), [b"from-modules", &b"from-n"[..]]);
        assert_eq!(pre(b"b"), [&b"from-a"[..], b"late"]);
        assert_eq!(config.options_for(b"a", None), b"x=1");
        assert_eq!(problems.len(), 1, "{problems:?}");
        Ok(())
    }
}
