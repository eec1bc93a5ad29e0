//! Algorithms that an administrator chose by name: the choice stands though nothing may use it at the moment. One
//! that everybody may choose counts, too: only the privileged can have it loaded anew.

use super::sources::read_if_there;
use super::{Sign, Sources, Subject};

/// Beginnings of modules' names, and the files that name what is chosen, separated by blanks.
const CHOICES: [(&str, &str); 3] = [
    ("tcp_", "sys/net/ipv4/tcp_congestion_control"),
    ("tcp_", "sys/net/ipv4/tcp_allowed_congestion_control"),
    ("sch_", "sys/net/core/default_qdisc"),
];

/// The files that name what the module provides.
pub(super) fn chosen(sources: &Sources, subject: &Subject) -> Result<Vec<Sign>, Sign> {
    let mut chosen = Vec::new();
    for (beginning, file) in CHOICES {
        let Some(own) = subject.name.as_bytes().strip_prefix(beginning.as_bytes()) else { continue };
        let path = sources.proc.join(file);
        let text = read_if_there(&path)?.unwrap_or_default();
        if text.split(u8::is_ascii_whitespace).any(|name| name == own) {
            chosen.push(Sign::Selected(path));
        }
    }
    Ok(chosen)
}
