//! `-l` and `-t`: the files of installed modules, as older modprobes listed them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use modfile::ModuleName;
use modfile::name::normalize_alias;
use modfile::wildcard::{is_wild, matches};

/// The lines of `modules.dep` whose module matches a shell pattern and lies below a directory of a name: the
/// file of each, relative to the module directory.
pub(crate) fn files<'a>(
    modules_dep: &'a [u8],
    pattern: Option<&OsStr>,
    below: Option<&OsStr>,
) -> impl Iterator<Item = &'a [u8]> {
    let pattern = pattern.map(|pattern| {
        let pattern = pattern.as_bytes();
        // A plain name may be a file's name, with its suffix.
        let name = if pattern.iter().copied().any(is_wild) {
            normalize_alias(pattern).unwrap_or_else(|_| pattern.into())
        } else {
            ModuleName::new(pattern).as_bytes().to_vec().into()
        };
        name.strip_suffix(b".ko").unwrap_or(&name).to_vec()
    });
    let below = below.map(|below| below.as_bytes().trim_ascii().to_vec());
    modules_dep.split(|&byte| byte == b'\n').filter_map(move |line| {
        let colon = line.iter().position(|&byte| byte == b':')?;
        let file = line.get(..colon)?;
        let name = ModuleName::of_path(file);
        let is_named = pattern.as_ref().is_none_or(|pattern| matches(pattern, name.as_bytes()));
        let is_below = below.as_ref().is_none_or(|below| has_directory(file, below));
        (is_named && is_below).then_some(file)
    })
}

/// Whether the directories on the way to a file contain these, one after the other.
fn has_directory(file: &[u8], below: &[u8]) -> bool {
    let wanted: Vec<&[u8]> = components(below).collect();
    let mut directories: Vec<&[u8]> = components(file).collect();
    directories.pop();
    wanted.is_empty() || directories.windows(wanted.len()).any(|window| window == wanted)
}

fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/').filter(|component| !component.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEP: &[u8] = b"kernel/net/can/can-raw.ko: kernel/net/can/can.ko\nkernel/net/can/can.ko:\n\
                         kernel/drivers/net/dummy.ko.xz:\nupdates/netx/foo.ko:\n/opt/own.ko:\n";

    fn listed(pattern: Option<&str>, below: Option<&str>) -> Vec<String> {
        files(DEP, pattern.map(OsStr::new), below.map(OsStr::new))
            .map(|file| String::from_utf8_lossy(file).into_owned())
            .collect()
    }

    #[test]
    fn modules_are_listed_by_pattern_and_directory() {
        assert_eq!(listed(None, None).len(), 5);
        assert_eq!(listed(Some("can*"), None), ["kernel/net/can/can-raw.ko", "kernel/net/can/can.ko"]);
        for name in ["can-raw", "can_raw", "can-raw.ko", "can-r?w", "*raw.ko"] {
            assert_eq!(listed(Some(name), None), ["kernel/net/can/can-raw.ko"], "{name}");
        }
        assert_eq!(listed(Some("*"), Some("drivers/net")), ["kernel/drivers/net/dummy.ko.xz"]);
        assert_eq!(listed(None, Some("net")).len(), 3);
        assert_eq!(listed(Some("d*"), Some("/net/")), ["kernel/drivers/net/dummy.ko.xz"]);
        assert_eq!(listed(Some("none"), None).len(), 0);
        assert_eq!(listed(None, Some("dummy.ko.xz")).len(), 0);
    }
}
