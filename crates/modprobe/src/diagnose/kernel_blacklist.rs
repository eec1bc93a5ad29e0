//! `module_blacklist=` on the kernel's command line forbids the module.

use modfile::ModuleName;
use rustix::io::Errno;

use super::facts::{FileFacts, SystemFacts};

pub(crate) fn hint(file: &FileFacts, system: &SystemFacts) -> Option<String> {
    if file.errno != Errno::PERM.raw_os_error() {
        return None;
    }
    // The last one counts for the kernel; it compares without regard to `-` and `_`.
    let list = system
        .kernel_command_line
        .split_ascii_whitespace()
        .filter_map(|item| item.strip_prefix("module_blacklist="))
        .next_back()?;
    let module = ModuleName::from(file.module.as_str());
    list.split(',').any(|name| ModuleName::from(name) == module).then(|| {
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
        assert!(told(Errno::PERM, "snd_hda", "quiet module_blacklist=a,snd-hda ro"));
        // Not being root, or signatures, fail with the same number.
        assert!(!told(Errno::PERM, "snd_hda", "quiet module_blacklist=a,snd-hda-intel"));
        assert!(!told(Errno::PERM, "snd_hda", "modprobe.blacklist=snd-hda"));
        assert!(!told(Errno::NOEXEC, "a", "module_blacklist=a"));
        assert!(!told(Errno::PERM, "a", "module_blacklist=a module_blacklist=b"));
    }
}
