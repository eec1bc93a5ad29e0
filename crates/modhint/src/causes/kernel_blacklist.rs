//! `module_blacklist=` on the kernel's command line forbids the module.

use modfile::parameters;
use rustix::io::Errno;

use crate::facts::{FileFacts, SystemFacts};

/// Whether a kernel with this command line forbids a module of this name. It compares byte by byte with the name that
/// the module itself has, in which no `-` stands.
#[must_use]
pub fn forbids(command_line: &[u8], module: &[u8]) -> bool {
    let list = parameters::of_kernel(command_line, b"module_blacklist").unwrap_or_default();
    !module.is_empty() && list.split(|&byte| byte == b',').any(|name| name == module)
}

pub(super) fn hint(file: &FileFacts, system: &SystemFacts) -> Option<String> {
    let is_forbidden = file.errno == Errno::PERM.raw_os_error()
        && forbids(&system.kernel_command_line, file.module.as_bytes());
    is_forbidden.then(|| {
        format!(
            "module_blacklist= on the kernel command line forbids {}; remove it there and reboot",
            file.module
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_module_on_the_list_is_forbidden() {
        let told = |errno: Errno, module: &str, command_line: &str| {
            let file =
                FileFacts { errno: errno.raw_os_error(), module: module.into(), ..FileFacts::default() };
            let system = SystemFacts { kernel_command_line: command_line.into(), ..SystemFacts::default() };
            hint(&file, &system).is_some()
        };
        assert!(told(Errno::PERM, "snd_hda", "quiet module_blacklist=a,snd_hda ro"));
        assert!(told(Errno::PERM, "tun", "module_blacklist=\"dummy,tun\" ro"));
        // The kernel compares exactly: this forbids nothing.
        assert!(!told(Errno::PERM, "nls_ascii", "module_blacklist=dummy,nls-ascii"));
        // Not being root, or signatures, fail with the same number.
        assert!(!told(Errno::PERM, "snd_hda", "quiet module_blacklist=a,snd_hda_intel"));
        assert!(!told(Errno::PERM, "snd_hda", "modprobe.blacklist=snd_hda"));
        assert!(!told(Errno::NOEXEC, "a", "module_blacklist=a"));
        assert!(!told(Errno::PERM, "a", "module_blacklist=a module_blacklist=b"));
        assert!(!told(Errno::PERM, "a", "quiet -- module_blacklist=a"));
        assert!(!told(Errno::PERM, "", "module_blacklist"));
    }
}
