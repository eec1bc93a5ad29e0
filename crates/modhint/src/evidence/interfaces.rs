//! Network interfaces of a module: those of its driver, and virtual ones of its kind as far as sysfs shows it
//! (for dummy, veth and macvlan it does not: such modules are never trusted in the first place).

use modfile::ModuleName;

use super::{Sign, Sources, Subject};

/// The network interfaces that the module drives or provides.
pub(super) fn own(sources: &Sources, subject: &Subject) -> Result<Vec<Sign>, Sign> {
    let kinds = subject.names_in_class("rtnl_link_");
    let interfaces = sources.interfaces()?.iter();
    let own = interfaces.filter(|interface| {
        let of_kind = |kind: &Vec<u8>| kinds.iter().any(|own| *own == ModuleName::new(kind).as_bytes());
        interface.driver.as_ref() == Some(&subject.name) || interface.kind.as_ref().is_some_and(of_kind)
    });
    Ok(own.map(|interface| Sign::Interface(interface.name.clone())).collect())
}
