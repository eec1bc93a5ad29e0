//! Recognises in the kernel's own words that it is in trouble.

/// What the kernel says when something is wrong with it, not with a program. The text is a part of a line.
const TROUBLE: [&str; 15] = [
    "Kernel panic",
    "Oops:",
    "BUG:",
    "kernel BUG at",
    "Unable to handle kernel",
    "unable to handle page fault",
    "general protection fault",
    "soft lockup",
    "hard LOCKUP",
    "self-detected stall",
    "detected stalls on CPUs",
    "blocked for more than",
    "WARNING: CPU:",
    "Out of memory:",
    "possible recursive locking",
];

/// Whether the line says that the kernel is in trouble.
#[must_use]
pub fn is_trouble(line: &str) -> bool {
    TROUBLE.iter().any(|sign| line.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_recognised_in_lines_of_real_kernels() {
        for line in [
            "[    2.1] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100",
            "[    2.1] Oops: 0002 [#1] PREEMPT SMP NOPTI",
            "[   26.1] watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [modprobe:71]",
            "[   60.0] rcu: INFO: rcu_preempt self-detected stall on CPU",
            "[   60.0] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks: { 0-...!: }",
            "[  242.0] INFO: task vm-guest:61 blocked for more than 120 seconds.",
            "[    3.0] WARNING: CPU: 0 PID: 61 at fs/filesystems.c:276 get_fs_type+0xd5/0xf0",
            "[    3.0] BUG: kernel NULL pointer dereference, address: 0000000000000000",
        ] {
            assert!(is_trouble(line), "{line}");
        }
    }

    #[test]
    fn ordinary_lines_are_no_trouble() {
        for line in [
            "",
            "[    0.9] acpi PNP0A03:00: fail to add MMCONFIG information",
            "[    3.0] minix: bad option",
            "[    3.0] request_module: modprobe net-pf-28 cannot be processed, kmod busy",
            "[    4.0] debug: nothing",
        ] {
            assert!(!is_trouble(line), "{line}");
        }
    }
}
