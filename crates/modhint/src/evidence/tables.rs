//! Tables of the older packet filter: once registered they filter, whatever the use count of their module.

use super::sources::read_if_there;
use super::{Sign, Sources, Subject};

/// Beginnings of modules' names, and the files that list the tables that are registered.
const FAMILIES: [(&str, &str); 3] = [
    ("iptable_", "net/ip_tables_names"),
    ("ip6table_", "net/ip6_tables_names"),
    ("arptable_", "net/arp_tables_names"),
];

/// The packet filter table of the module, if it is registered, once for each family that lists it.
pub(super) fn registered(sources: &Sources, subject: &Subject) -> Result<Vec<Sign>, Sign> {
    let mut registered = Vec::new();
    for (beginning, file) in FAMILIES {
        let Some(table) = subject.name.as_bytes().strip_prefix(beginning.as_bytes()) else { continue };
        let text = read_if_there(&sources.proc.join(file))?.unwrap_or_default();
        if text.split(|&byte| byte == b'\n').any(|line| line == table) {
            registered.push(Sign::Table(table.to_vec()));
        }
    }
    Ok(registered)
}
