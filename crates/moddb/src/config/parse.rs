//! The syntax of modprobe.d: bytes in, directives and complaints out.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use modfile::name::normalize_alias;

use super::directives::{Alias, Blacklist, CommandRule, OptionsRule, Origin, Softdep, Weakdep};
use super::lines::{logical_lines, split_word, words};
use super::problem::ConfigProblem;
use super::{Config, Location};

/// The line is incomplete or has an unmatched bracket in a name.
struct Bad;

impl Config {
    /// Appends what the bytes of `file` say; returns what is ignored and why.
    pub fn parse(&mut self, file: &Path, text: &[u8]) -> Vec<ConfigProblem> {
        self.parse_lines(file, text, |_| true)
    }

    /// [`parse`](Self::parse) for a file that depmod made of what modules say: nobody decided what is in it, so only
    /// `softdep` and `weakdep` lines count. A depmod before this one, or kmod's, copied whatever stands in a module's
    /// strings into it, also newlines, and so whole `install` lines.
    pub fn parse_beside_modules(&mut self, file: &Path, text: &[u8]) -> Vec<ConfigProblem> {
        self.parse_lines(file, text, |word| matches!(word, b"softdep" | b"weakdep"))
    }

    fn parse_lines(
        &mut self,
        file: &Path,
        text: &[u8],
        may_stand: impl Fn(&[u8]) -> bool,
    ) -> Vec<ConfigProblem> {
        let file: Arc<Path> = file.into();
        let mut problems = Vec::new();
        for line in logical_lines(text) {
            let Some((word, rest)) = split_word(&line.text) else { continue };
            if !may_stand(word) {
                let location = Location { file: Arc::clone(&file), line: line.number };
                problems.push(ConfigProblem::BesideModules { location, word: word.to_vec() });
                continue;
            }
            if matches!(word, b"include" | b"config") {
                problems.push(ConfigProblem::Deprecated { file: Arc::clone(&file), word: word.to_vec() });
                continue;
            }
            let location = Location { file: Arc::clone(&file), line: line.number };
            if let Err(Bad) = self.add(word, rest.unwrap_or_default(), Origin::File(location.clone())) {
                problems.push(ConfigProblem::BadLine { location, word: word.to_vec() });
            }
        }
        problems
    }

    fn add(&mut self, word: &[u8], rest: &[u8], origin: Origin) -> Result<(), Bad> {
        match word {
            b"alias" => {
                let mut names = words(rest).map(name);
                let (pattern, module) = (names.next().ok_or(Bad)??, names.next().ok_or(Bad)??);
                self.aliases.push(Alias { pattern, module, origin });
            }
            b"blacklist" => {
                let module = name(words(rest).next().ok_or(Bad)?)?;
                self.blacklist.push(Blacklist { module, origin });
            }
            b"options" => {
                let (module, text) = name_and_text(rest)?;
                let text = text.iter().map(|&byte| if byte == b'\t' { b' ' } else { byte }).collect();
                self.options.push(OptionsRule { module, text, origin });
            }
            b"install" | b"remove" => {
                let (pattern, line) = name_and_text(rest)?;
                let commands = if word == b"install" { &mut self.installs } else { &mut self.removes };
                commands.push(CommandRule { pattern, line: line.to_vec(), origin });
            }
            b"softdep" => {
                let (pattern, text) = name_and_text(rest)?;
                let (pre, post) = softdep_lists(text);
                self.softdeps.push(Softdep { pattern, pre, post, origin });
            }
            b"weakdep" => {
                let (pattern, text) = name_and_text(rest)?;
                let modules = words(text).map(<[u8]>::to_vec).collect();
                self.weakdeps.push(Weakdep { pattern, modules, origin });
            }
            _ => return Err(Bad),
        }
        Ok(())
    }
}

/// A name, and the text behind the one separator after it, which must not be empty.
fn name_and_text(rest: &[u8]) -> Result<(Vec<u8>, &[u8]), Bad> {
    match split_word(rest) {
        Some((word, Some(text))) if !text.is_empty() => Ok((name(word)?, text)),
        _ => Err(Bad),
    }
}

fn name(word: &[u8]) -> Result<Vec<u8>, Bad> {
    normalize_alias(word).map(Cow::into_owned).map_err(|_| Bad)
}

/// The names behind all `pre:` and behind all `post:`. What stands before the first of either is dropped.
fn softdep_lists(text: &[u8]) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let (mut pre, mut post, mut dropped) = (Vec::new(), Vec::new(), Vec::new());
    let mut list = &mut dropped;
    for word in words(text) {
        match word {
            b"pre:" => list = &mut pre,
            b"post:" => list = &mut post,
            _ => list.push(word.to_vec()),
        }
    }
    (pre, post)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &[u8]) -> (Config, Vec<String>) {
        let mut config = Config::default();
        let problems = config.parse(Path::new("d/t.conf"), text);
        (config, problems.iter().map(ToString::to_string).collect())
    }

    fn text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    #[test]
    fn options_keep_their_text_behind_one_separator() {
        for (line, expected) in [
            ("options  a   b\tc  ", Some("  b c  ")),
            ("options a  ", Some(" ")),
            ("options a\t\tb", Some(" b")),
            ("options a ", None),
            ("options a", None),
            ("options a b\\\n\\\nc", Some("bc")),
            ("options [a b", None),
        ] {
            let (config, problems) = parse(line.as_bytes());
            assert_eq!(config.options.first().map(|o| text(&o.text)).as_deref(), expected, "{line}");
            assert_eq!(problems.is_empty(), expected.is_some(), "{line}");
        }
    }

    #[test]
    fn commands_are_verbatim_and_their_names_normalized() {
        let (config, problems) = parse(b"install a-[b-c]-* /bin/x \t -y\nremove x-y true\ninstall a]  b\n");
        assert_eq!(config.installs.len(), 1);
        assert_eq!(config.installs.first().map(|c| text(&c.pattern)).as_deref(), Some("a_[b-c]_*"));
        assert_eq!(config.installs.first().map(|c| text(&c.line)).as_deref(), Some("/bin/x \t -y"));
        assert_eq!(config.removes.first().map(|c| text(&c.pattern)).as_deref(), Some("x_y"));
        assert_eq!(problems, ["d/t.conf line 3: ignoring bad line starting with 'install'"]);
    }

    #[test]
    fn sections_of_a_softdep_accumulate() {
        for (line, pre, post) in [
            ("softdep a foo", "", ""),
            ("softdep a  ", "", ""),
            ("softdep a pre: b-c d post: e pre: f", "b-c d f", "e"),
            ("softdep a x pre: pre: b", "b", ""),
            ("softdep a pre:b post: c", "", "c"),
        ] {
            let (config, problems) = parse(line.as_bytes());
            let softdep = config.softdeps.first().expect(line);
            assert_eq!(
                (text(&softdep.pre.join(&b' ')), text(&softdep.post.join(&b' '))),
                (pre.into(), post.into())
            );
            assert_eq!(problems, [""; 0], "{line}");
        }
        assert_eq!(parse(b"softdep a\nsoftdep a \nweakdep a\n").1.len(), 3);
    }

    #[test]
    fn bad_lines_are_named_and_the_others_count() {
        let (config, problems) = parse(
            b" # x\nfoo \\\n\\\n bar\ninclude x\nconfig\nalias a\nalias a b]\nblacklist\nblacklist a.b-c d\nal\0ias\n",
        );
        assert_eq!(config.blacklist.first().map(|b| text(&b.module)).as_deref(), Some("a.b_c"));
        assert_eq!(
            problems,
            [
                "d/t.conf line 1: ignoring bad line starting with '#'",
                "d/t.conf line 4: ignoring bad line starting with 'foo'",
                "d/t.conf: command include is deprecated and not parsed anymore",
                "d/t.conf: command config is deprecated and not parsed anymore",
                "d/t.conf line 7: ignoring bad line starting with 'alias'",
                "d/t.conf line 8: ignoring bad line starting with 'alias'",
                "d/t.conf line 9: ignoring bad line starting with 'blacklist'",
                "d/t.conf line 11: ignoring bad line starting with 'al'",
            ]
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed(text in proptest::collection::vec(any::<u8>(), 0..300)) {
            parse(&text);
        }
    }
}
