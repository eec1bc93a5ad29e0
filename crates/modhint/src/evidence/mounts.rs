//! Mounted file systems of a module's types.

use modfile::ModuleName;

use super::{Sign, Sources, Subject};

/// The mounts of file systems that the module provides.
pub(super) fn own(sources: &Sources, subject: &Subject) -> Result<Vec<Sign>, Sign> {
    let types = subject.names_in_class("fs_");
    let mounts = sources.mounts()?.split(|&byte| byte == b'\n').filter_map(|line| {
        let mut fields = line.split(|&byte| byte == b' ');
        let (device, place, kind) = (fields.next()?, fields.next()?, fields.next()?);
        // `fuse.sshfs` is of the type `fuse`; the name ends at the dot.
        let is_own = types.iter().any(|own| *own == ModuleName::new(kind).as_bytes());
        is_own.then(|| Sign::Mounted {
            device: unescape(device),
            place: unescape(place),
            kind: kind.to_vec(),
        })
    });
    Ok(mounts.collect())
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
