//! This process may not load modules, or nobody may.

use rustix::io::Errno;

use crate::facts::{FileFacts, Privilege, SystemFacts};

pub(super) fn hint(file: &FileFacts, system: &SystemFacts) -> Option<String> {
    match Errno::from_raw_os_error(file.errno) {
        Errno::PERM => of_refusal(system),
        Errno::NOSYS if system.has_modules == Some(false) => {
            Some("this kernel was built without loadable modules".to_owned())
        }
        _ => None,
    }
}

/// Why the kernel lets this process neither load nor unload anything.
#[must_use]
pub fn of_refusal(system: &SystemFacts) -> Option<String> {
    if system.modules_disabled == Some(true) {
        return Some(
            "kernel.modules_disabled is set: until the next boot nothing is loaded or unloaded".to_owned(),
        );
    }
    Some(match system.privilege? {
        Privilege::May => return None,
        Privilege::NotRoot => "only root may load and unload modules".to_owned(),
        Privilege::NoCapability => {
            let host = if system.in_container == Some(true) {
                ", as is usual in a container: have the host load it"
            } else {
                ""
            };
            format!("this process does not have the capability CAP_SYS_MODULE{host}")
        }
        Privilege::UserNamespace => {
            "this process is root in a user namespace only, where no module can be loaded: have the host load it"
                .to_owned()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(errno: Errno, system: SystemFacts) -> String {
        let file = FileFacts { errno: errno.raw_os_error(), ..FileFacts::default() };
        hint(&file, &system).unwrap_or_default()
    }

    #[test]
    fn who_may_not_is_told_why() {
        let system = |privilege| SystemFacts { privilege: Some(privilege), ..SystemFacts::default() };
        assert_eq!(told(Errno::PERM, system(Privilege::NotRoot)), "only root may load and unload modules");
        assert!(told(Errno::PERM, system(Privilege::NoCapability)).ends_with("capability CAP_SYS_MODULE"));
        let contained = SystemFacts { in_container: Some(true), ..system(Privilege::NoCapability) };
        assert!(told(Errno::PERM, contained).ends_with("have the host load it"));
        assert!(told(Errno::PERM, system(Privilege::UserNamespace)).contains("in a user namespace only"));
        let disabled = SystemFacts { modules_disabled: Some(true), ..system(Privilege::May) };
        assert!(told(Errno::PERM, disabled).starts_with("kernel.modules_disabled is set"));
        // Whoever may is refused for another reason.
        assert_eq!(told(Errno::PERM, system(Privilege::May)), "");
        assert_eq!(told(Errno::PERM, SystemFacts::default()), "");
        assert_eq!(told(Errno::INVAL, system(Privilege::NotRoot)), "");
    }

    #[test]
    fn a_kernel_without_modules_is_told_from_one_that_lacks_a_call() {
        let system = |has| SystemFacts { has_modules: Some(has), ..SystemFacts::default() };
        assert_eq!(told(Errno::NOSYS, system(false)), "this kernel was built without loadable modules");
        assert_eq!(told(Errno::NOSYS, system(true)), "");
        assert_eq!(told(Errno::INVAL, system(false)), "");
    }
}
