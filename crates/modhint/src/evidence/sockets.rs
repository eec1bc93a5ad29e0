//! Open sockets of a module's protocols.

use super::{Sign, Sources, Subject};

/// The protocols of the module that have sockets.
pub(super) fn open(sources: &Sources, subject: &Subject) -> Result<Vec<Sign>, Sign> {
    let text = sources.protocols()?.unwrap_or_default();
    let protocols = text.split(|&byte| byte == b'\n').skip(1).filter_map(|line| {
        // protocol size sockets memory press maxhdr slab module ... (net/core/sock.c of the kernel)
        let mut fields = line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
        let protocol = fields.next()?;
        let sockets = fields.nth(1)?;
        let module = fields.nth(4)?;
        // Protocols that do not count say -1.
        let count: u64 = std::str::from_utf8(sockets).ok()?.parse().ok()?;
        (module == subject.name.as_bytes() && count > 0)
            .then(|| Sign::Sockets { protocol: protocol.to_vec(), count })
    });
    Ok(protocols.collect())
}
