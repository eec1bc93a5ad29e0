//! Network interfaces of a module: those of its driver, and virtual ones of its kind as far as sysfs tells their
//! kind (of dummy, veth and macvlan it does not: such modules are never trusted in the first place).

use modfile::ModuleName;

use super::{Sign, Sources, Subject};

/// A network interface that the module drives or provides.
pub(super) fn own(sources: &Sources, subject: &Subject) -> Option<Sign> {
    let interfaces = match sources.interfaces() {
        Ok(interfaces) => interfaces,
        Err(unreadable) => return Some(unreadable),
    };
    let kinds = subject.names_in_class("rtnl_link_");
    interfaces
        .iter()
        .find(|interface| {
            let of_kind = |kind: &Vec<u8>| kinds.iter().any(|own| *own == ModuleName::new(kind).as_bytes());
            interface.driver.as_ref() == Some(&subject.name) || interface.kind.as_ref().is_some_and(of_kind)
        })
        .map(|interface| Sign::Interface(interface.name.clone()))
}
