//! What uses a module beside other modules, in a few words.

use std::collections::BTreeMap;

use moddb::ModuleDb;
use modhint::aliases;
use modhint::evidence::{self, Sign, Sources, Subject};
use modstate::Places;

use crate::modules::Module;

/// More of a kind than this are counted, not named.
const NAMED: usize = 2;

/// Finds users; what it has read of the system serves for the next module, too.
pub(crate) struct Users<'a> {
    places: &'a Places,
    db: &'a ModuleDb,
    sources: Sources,
}

impl<'a> Users<'a> {
    pub fn new(places: &'a Places, db: &'a ModuleDb) -> Self {
        Self { places, db, sources: Sources::new(&places.sys, &places.proc) }
    }

    /// Every sign that somebody uses the module.
    pub fn signs(&self, module: &Module) -> Vec<Sign> {
        let aliases =
            aliases::of_loaded(&self.places.sys_module(), self.db, &module.name).unwrap_or_default();
        let subject = Subject { name: module.name.clone(), aliases };
        let mut signs = evidence::all(&self.sources, &subject);
        signs.retain(Sign::is_use);
        signs
    }
}

/// Users that are not modules, such as `2 mounts, eth0`; empty if there are none. Those that the kernel counts and
/// nobody finds are a number.
pub(crate) fn in_words(module: &Module, signs: &[Sign]) -> String {
    let mut kinds: BTreeMap<Kind, Vec<String>> = BTreeMap::new();
    for sign in signs {
        if let Some((kind, name)) = named(sign) {
            kinds.entry(kind).or_default().push(name);
        }
    }
    let words: Vec<String> = kinds.into_iter().map(|(kind, names)| kind.in_words(&names)).collect();
    let uncounted = usize::try_from(module.use_count).unwrap_or(0).saturating_sub(module.holders.len());
    match (words.is_empty(), uncounted) {
        (true, 0) => String::new(),
        (true, 1) => "1 user".to_owned(),
        (true, more) => format!("{more} users"),
        (false, _) => words.join(", "),
    }
}

/// Kinds of users in the order in which they are named.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Mount,
    Swap,
    Interface,
    BlockDevice,
    Device,
    Table,
    Socket,
    Selection,
}

impl Kind {
    fn in_words(self, names: &[String]) -> String {
        let (one, many) = match self {
            Self::Mount if names.len() == 1 => return "1 mount".to_owned(),
            Self::Mount => return format!("{} mounts", names.len()),
            Self::Swap => ("swap on ", "swap devices"),
            Self::Interface => ("", "network interfaces"),
            Self::BlockDevice => ("", "block devices"),
            Self::Device => ("device ", "devices"),
            Self::Table => ("table ", "tables"),
            Self::Socket => ("", "kinds of sockets"),
            Self::Selection => ("chosen in ", "choices in /proc/sys"),
        };
        if names.len() > NAMED {
            format!("{} {many}", names.len())
        } else {
            format!("{one}{}", names.join(", "))
        }
    }
}

fn named(sign: &Sign) -> Option<(Kind, String)> {
    let plain = modcli::table::plain;
    Some(match sign {
        Sign::Mounted { place, .. } => (Kind::Mount, plain(place)),
        Sign::Swap(name) => (Kind::Swap, plain(name)),
        Sign::Interface(name) => (Kind::Interface, plain(name)),
        Sign::BlockDevice(name) => (Kind::BlockDevice, plain(name)),
        Sign::Device(name) => (Kind::Device, plain(name)),
        Sign::Table(name) => (Kind::Table, plain(name)),
        Sign::Sockets { protocol, count } => (Kind::Socket, format!("{count} {} sockets", plain(protocol))),
        Sign::Selected(path) => (Kind::Selection, path.display().to_string()),
        Sign::OutOfTree | Sign::Unreadable(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_users_are_named_and_many_are_counted() {
        let module = |use_count, holders: &[&str]| Module {
            name: "m".into(),
            size: 1,
            use_count,
            holders: holders.iter().map(|&holder| holder.into()).collect(),
        };
        let mount = |place: &str| Sign::Mounted {
            device: b"/dev/a".to_vec(),
            place: place.into(),
            kind: b"m".to_vec(),
        };
        let eth = |name: &str| Sign::Interface(name.into());
        for (module, signs, words) in [
            (module(2, &[]), vec![eth("eth0"), mount("/a"), mount("/b")], "2 mounts, eth0"),
            (module(0, &[]), vec![eth("a"), eth("b"), eth("c")], "3 network interfaces"),
            (module(3, &["x"]), vec![], "2 users"),
            (module(1, &["x"]), vec![], ""),
            (module(-1, &[]), vec![], ""),
        ] {
            assert_eq!(in_words(&module, &signs), words);
        }
    }
}
