//! The file was built for another processor.

use rustix::io::Errno;

use crate::facts::{FileFacts, SystemFacts};

/// Names of uname(2), with what `e_machine` says of their modules and what people call them (elf.h).
const MACHINES: [(&str, u16); 16] = [
    ("i386", 3),
    ("i686", 3),
    ("x86_64", 62),
    ("aarch64", 183),
    ("armv6l", 40),
    ("armv7l", 40),
    ("riscv64", 243),
    ("ppc", 20),
    ("ppc64", 21),
    ("ppc64le", 21),
    ("s390x", 22),
    ("loongarch64", 258),
    ("m68k", 4),
    ("mips64", 8),
    ("parisc64", 15),
    ("sparc64", 43),
];

pub(super) fn hint(file: &FileFacts, system: &SystemFacts) -> Option<String> {
    if file.errno != Errno::NOEXEC.raw_os_error() {
        return None;
    }
    let machine = file.machine?;
    let &(_, expected) = MACHINES.iter().find(|(name, _)| *name == system.machine)?;
    if machine == expected {
        return None;
    }
    let built_for = MACHINES.iter().rev().find(|&&(_, known)| known == machine);
    let built_for = built_for.map_or_else(|| format!("machine {machine}"), |(name, _)| (*name).to_owned());
    Some(format!("{} was built for {built_for}, this kernel runs on {}", file.shown, system.machine))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_processor_is_named_and_the_same_one_is_no_cause() {
        let system = SystemFacts { machine: "x86_64".into(), ..SystemFacts::default() };
        let file = |machine| FileFacts {
            errno: Errno::NOEXEC.raw_os_error(),
            shown: "a.ko".into(),
            machine,
            ..FileFacts::default()
        };
        let told = |machine| hint(&file(machine), &system);
        assert_eq!(
            told(Some(183)).as_deref(),
            Some("a.ko was built for aarch64, this kernel runs on x86_64")
        );
        assert_eq!(
            told(Some(999)).as_deref(),
            Some("a.ko was built for machine 999, this kernel runs on x86_64")
        );
        assert_eq!(told(Some(62)), None);
        assert_eq!(told(None), None);
        let unknown = SystemFacts { machine: "vax".into(), ..SystemFacts::default() };
        assert_eq!(hint(&file(Some(183)), &unknown), None);
    }
}
