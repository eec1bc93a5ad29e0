//! Open sockets of a module's protocols.

use super::{Sign, Sources, Subject};

/// A protocol of the module that has sockets.
pub(super) fn open(sources: &Sources, subject: &Subject) -> Option<Sign> {
    let text = match sources.protocols() {
        Ok(text) => text.unwrap_or_default(),
        Err(unreadable) => return Some(unreadable),
    };
    text.split(|&byte| byte == b'\n').skip(1).find_map(|line| {
        // protocol size sockets memory press maxhdr slab module ... (net/core/sock.c of the kernel)
        let mut fields = line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
        let protocol = fields.next()?;
        let sockets = fields.nth(1)?;
        let module = fields.nth(4)?;
        // Protocols that do not count say -1.
        let count: u64 = std::str::from_utf8(sockets).ok()?.parse().ok()?;
        (module == subject.name.as_bytes() && count > 0)
            .then(|| Sign::Sockets { protocol: protocol.to_vec(), count })
    })
}
