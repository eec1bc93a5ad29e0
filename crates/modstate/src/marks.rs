//! What one pass of autoclean notes for the next: which load of a module was found idle, and since when; and
//! which aliases are in its file, or which of them spoke against it, so that the file need not be read again.
//!
//! One file, `/run/modutils/marks`; a line of it is `NAME INODE idle MILLISECONDS ALIAS...` or
//! `NAME INODE alias ALIAS`.
//! The first line that says anything names the boot. A line that is damaged says nothing.

use std::collections::BTreeMap;

use modfile::ModuleName;

use crate::boot_time::BootTime;
use crate::fields;
use crate::identity::{BootId, Identity};

/// What was noted of one load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It has been idle in every pass since this time.
    Idle {
        /// When the first of these passes began.
        since: BootTime,
        /// The aliases in its file, which were all trusted.
        aliases: Vec<Vec<u8>>,
    },
    /// This alias stands in its file and belongs to no class whose use counts can be trusted.
    Alias(Vec<u8>),
}

/// The notes of a pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    boot: Option<BootId>,
    loads: BTreeMap<ModuleName, (u64, Mark)>,
}

impl Marks {
    /// Whether nothing is noted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.loads.is_empty()
    }

    /// What is noted of this load.
    #[must_use]
    pub fn of(&self, module: &ModuleName, identity: &Identity) -> Option<&Mark> {
        let (inode, mark) = self.loads.get(module)?;
        (*inode == identity.inode && self.boot.as_ref() == Some(&identity.boot)).then_some(mark)
    }

    /// Notes something of a load; a note of another boot goes.
    pub fn set(&mut self, module: &ModuleName, identity: &Identity, mark: Mark) {
        if self.boot.as_ref() != Some(&identity.boot) {
            self.loads.clear();
            self.boot = Some(identity.boot.clone());
        }
        self.loads.insert(module.clone(), (identity.inode, mark));
    }

    /// Takes the note of a module out.
    pub fn clear(&mut self, module: &ModuleName) {
        self.loads.remove(module);
    }

    /// Keeps the notes of modules for which `stays` holds.
    pub fn retain(&mut self, stays: impl Fn(&ModuleName) -> bool) {
        self.loads.retain(|module, _| stays(module));
    }

    /// The text of the file.
    #[must_use]
    pub fn format(&self) -> Vec<u8> {
        let Some(boot) = &self.boot else { return Vec::new() };
        let mut text = [b"boot ", boot.as_bytes(), b"\n"].concat();
        for (module, (inode, mark)) in &self.loads {
            text.extend(fields::escape_word(module.as_bytes()));
            let aliases = match mark {
                Mark::Idle { since: BootTime(since), aliases } => {
                    text.extend(format!(" {inode} idle {since}").into_bytes());
                    aliases.as_slice()
                }
                Mark::Alias(alias) => {
                    text.extend(format!(" {inode} alias").into_bytes());
                    std::slice::from_ref(alias)
                }
            };
            for alias in aliases {
                text.push(b' ');
                text.extend(fields::escape_word(alias));
            }
            text.push(b'\n');
        }
        text
    }

    /// Reads the text of a file.
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        let mut lines = text.split(|&byte| byte == b'\n');
        let boot = lines.next().and_then(|line| BootId::parse(line.strip_prefix(b"boot ")?));
        if boot.is_none() {
            return Self::default();
        }
        Self { boot, loads: lines.filter_map(parse_line).collect() }
    }
}

fn parse_line(line: &[u8]) -> Option<(ModuleName, (u64, Mark))> {
    let mut words = line.split(|&byte| byte == b' ');
    let module = ModuleName::new(&fields::unescape(words.next()?)?);
    let inode = fields::number(words.next()?)?;
    let mark = match (words.next()?, words.next()?) {
        (b"idle", since) => {
            let since = BootTime(fields::number(since)?);
            let aliases = words.map(|word| fields::unescape(word).filter(|alias| !alias.is_empty()));
            Mark::Idle { since, aliases: aliases.collect::<Option<_>>()? }
        }
        (b"alias", alias) if words.next().is_none() => Mark::Alias(fields::unescape(alias)?),
        _ => return None,
    };
    Some((module, (inode, mark)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::identity::tests::boot;

    fn idle(since: u64) -> Mark {
        Mark::Idle { since: BootTime(since), aliases: vec![b"fs-a".to_vec(), b"x y\\".to_vec()] }
    }

    fn load(inode: u64) -> Identity {
        Identity { inode, boot: boot(b'b') }
    }

    #[test]
    fn a_mark_counts_for_its_own_load_only() {
        let mut marks = Marks::default();
        marks.set(&"a".into(), &load(1), idle(5));
        assert_eq!(marks.of(&"a".into(), &load(1)), Some(&idle(5)));
        assert_eq!(marks.of(&"a".into(), &load(2)), None);
        assert_eq!(marks.of(&"a".into(), &Identity { inode: 1, boot: boot(b'c') }), None);
        assert_eq!(marks.of(&"b".into(), &load(1)), None);
    }

    #[test]
    fn a_mark_of_another_boot_goes_with_the_first_of_this() {
        let mut marks = Marks::default();
        marks.set(&"a".into(), &load(1), idle(5));
        let now = Identity { inode: 1, boot: boot(b'c') };
        marks.set(&"b".into(), &now, idle(1));
        assert_eq!(marks.of(&"a".into(), &now), None);
    }

    #[test]
    fn a_damaged_line_says_nothing_and_the_others_count() {
        let mut marks = Marks::default();
        marks.set(&"a".into(), &load(1), idle(5));
        let mut text = marks.format();
        text.extend(
            b"b x idle 3\nc 1 idle\nd 1 idle 3 \ne 1 gone 3\n\\x 1 idle 3\nf 1 idle 1 fs-a x\\x20y\\x5c",
        );
        let read = Marks::parse(&text);
        assert_eq!(read.of(&"a".into(), &load(1)), Some(&idle(5)));
        assert_eq!(read.of(&"f".into(), &load(1)), Some(&idle(1)));
        assert_eq!(read.loads.len(), 2);
        assert!(Marks::parse(b"a 1 idle 3\n").is_empty());
    }

    proptest! {
        #[test]
        fn marks_come_back(alias in prop::collection::vec(any::<u8>(), 1..40), since in any::<u64>()) {
            let mut marks = Marks::default();
            marks.set(&"a".into(), &load(1), Mark::Alias(alias));
            marks.set(&"b".into(), &load(2), idle(since));
            prop_assert_eq!(Marks::parse(&marks.format()), marks);
        }

        #[test]
        fn no_bytes_make_the_parser_panic(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Marks::parse(&[b"boot aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", text.as_slice()].concat());
        }
    }
}
