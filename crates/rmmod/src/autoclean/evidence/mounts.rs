//! Mounted file systems of a module's types.

use modfile::ModuleName;

use super::{Sign, Sources, Subject};

/// A mount of a file system that the module provides.
pub(super) fn mounted(sources: &Sources, subject: &Subject) -> Option<Sign> {
    match own(sources, subject) {
        Ok(mut mounts) => mounts.next().map(|mount| Sign::Mounted { place: mount.place, kind: mount.kind }),
        Err(unreadable) => Some(unreadable),
    }
}

/// All mounts of file systems that the module provides, as `PLACE (TYPE on DEVICE)`.
pub(crate) fn all(sources: &Sources, subject: &Subject) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let shown =
        |mount: Mount| format!("{} ({} on {})", text(&mount.place), text(&mount.kind), text(&mount.device));
    own(sources, subject).map(|mounts| mounts.map(shown).collect()).unwrap_or_default()
}

struct Mount {
    device: Vec<u8>,
    place: Vec<u8>,
    kind: Vec<u8>,
}

fn own<'a>(sources: &'a Sources, subject: &Subject) -> Result<impl Iterator<Item = Mount> + use<'a>, Sign> {
    let types = subject.names_in_class("fs_");
    Ok(sources.mounts()?.split(|&byte| byte == b'\n').filter_map(move |line| {
        let mut fields = line.split(|&byte| byte == b' ');
        let (device, place, kind) = (fields.next()?, fields.next()?, fields.next()?);
        // `fuse.sshfs` is of the type `fuse`; the name ends at the dot.
        let is_own = types.iter().any(|own| *own == ModuleName::new(kind).as_bytes());
        is_own.then(|| Mount { device: unescape(device), place: unescape(place), kind: kind.to_vec() })
    }))
}

/// The kernel writes blanks and the like as a backslash and three octal digits.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let code = match (byte, after) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', later @ ..]) => {
                rest = later;
                (a - b'0') << 6 | (b - b'0') << 3 | (c - b'0')
            }
            _ => byte,
        };
        bytes.push(code);
    }
    bytes
}
