//! Algorithms that an administrator chose by name: the choice stands though nothing may use it at the moment.

use super::sources::read_if_there;
use super::{Sign, Sources, Subject};

/// Beginnings of modules' names, and the files that name what is chosen.
const CHOICES: [(&str, &str); 2] =
    [("tcp_", "sys/net/ipv4/tcp_congestion_control"), ("sch_", "sys/net/core/default_qdisc")];

/// A file that names what the module provides.
pub(super) fn chosen(sources: &Sources, subject: &Subject) -> Option<Sign> {
    CHOICES.iter().find_map(|(beginning, file)| {
        let own = subject.name.as_bytes().strip_prefix(beginning.as_bytes())?;
        let path = sources.proc.join(file);
        match read_if_there(&path) {
            Ok(text) => (text.unwrap_or_default().trim_ascii() == own).then_some(Sign::Selected(path)),
            Err(unreadable) => Some(unreadable),
        }
    })
}
