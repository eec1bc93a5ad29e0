//! Who called: the kernel, or anyone else.
//!
//! When the kernel calls, modprobe is part of somebody's system call. It then accepts the one name and nothing else,
//! and must not do anything that could make the kernel call it again.

use std::ffi::{OsStr, OsString};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use clap::Id;
use modcli::common::{QUIET, SYSLOG};
use modcli::getopt::{Occurrence, Parsed};
use rustix::fs::{CWD, Mode, OFlags};

use crate::cli;

/// Who called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A kernel thread, on behalf of some process.
    Kernel,
    /// A person or a program.
    Anyone,
}

/// The flag of a kernel thread in its `stat` (`PF_KTHREAD` of the kernel's `linux/sched.h`).
const KERNEL_THREAD: u64 = 0x0020_0000;
/// Where the flags stand, counted from the field after the name (proc_pid_stat(5)).
const FLAGS_FIELD: usize = 6;

/// All that the kernel puts into the environment of what it calls.
const ENVIRONMENT: [(&str, &str); 3] =
    [("HOME", "/"), ("TERM", "linux"), ("PATH", "/sbin:/usr/sbin:/bin:/usr/bin")];

impl Caller {
    /// Who called this process. Where `/proc` does not show it, the exact forms of arguments and environment do.
    #[must_use]
    pub fn of_process(proc: &Path, argv: &[OsString]) -> Self {
        // The kernel always puts two dashes before the name, and a script in between hands them on.
        if !argv.iter().any(|word| word == "--") {
            return Self::Anyone;
        }
        // A process in a PID namespace of its own may still see the host's /proc, in which its parent's number is
        // somebody else's: 2 is a kernel thread there. The kernel's own calls are in the first namespace.
        if !is_own_proc(proc) {
            return Self::Anyone;
        }
        // A parent in another PID namespace is shown as 0; the kernel's threads are in the first one.
        let Some(parent) = rustix::process::getppid() else { return Self::Anyone };
        let stat = proc.join(parent.as_raw_pid().to_string()).join("stat");
        let is_kernel = match beginning(&stat) {
            Some(stat) => is_kernel_thread(&stat),
            None => recognise(argv).is_some() && is_kernels_environment(std::env::vars_os()),
        };
        if is_kernel { Self::Kernel } else { Self::Anyone }
    }
}

/// Whether the numbers of processes in `/proc` are those of our own PID namespace, or there is no `/proc`.
fn is_own_proc(proc: &Path) -> bool {
    let mut text = [MaybeUninit::uninit(); 32];
    match rustix::fs::readlinkat_raw(CWD, proc.join("self"), text.as_mut_slice()) {
        Ok((target, _)) => *target == *rustix::process::getpid().as_raw_nonzero().to_string().as_bytes(),
        Err(_) => true,
    }
}

/// As much of a file of `/proc` as one read returns, which is enough for the first fields of a `stat`.
fn beginning(path: &Path) -> Option<[u8; 512]> {
    let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut text = [0; 512];
    let len = rustix::io::read(&file, &mut text).ok()?;
    (len > 0).then_some(text)
}

/// Whether the text of a `stat` is that of a kernel thread. The name may contain anything but ends at the last
/// parenthesis.
fn is_kernel_thread(stat: &[u8]) -> bool {
    let Some(end) = stat.iter().rposition(|&byte| byte == b')') else { return false };
    let fields = stat.get(end.saturating_add(1)..).unwrap_or_default();
    let flags = fields.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty()).nth(FLAGS_FIELD);
    let flags = flags.and_then(|flags| std::str::from_utf8(flags).ok()?.parse::<u64>().ok());
    flags.is_some_and(|flags| flags & KERNEL_THREAD != 0)
}

fn is_kernels_environment(variables: impl Iterator<Item = (OsString, OsString)>) -> bool {
    let mut count = 0;
    for (name, value) in variables {
        let is_known = ENVIRONMENT.iter().any(|(known, expected)| name == *known && value == *expected);
        if !is_known {
            return false;
        }
        count += 1;
    }
    count == ENVIRONMENT.len()
}

/// The two forms in which kernels have called modprobe, without the cost of building the definition of all
/// options: `-q -- NAME`, and `-s -k -- NAME` up to Linux 2.4. The result is the same as that of parsing them.
#[must_use]
pub fn recognise(argv: &[OsString]) -> Option<Parsed> {
    let [_, options @ .., end, name] = argv else { return None };
    if end != "--" {
        return None;
    }
    let options: &[&'static str] = match options {
        [quiet] if quiet == "-q" => &[QUIET],
        [syslog, autoclean] if syslog == "-s" && autoclean == "-k" => &[SYSLOG, cli::AUTOCLEAN],
        _ => return None,
    };
    let event = |&id: &&'static str| Occurrence { id: Id::from(id), value: None };
    Some(Parsed { events: options.iter().map(event).collect(), operands: vec![name.clone()] })
}

/// Whether what the kernel asks for can be a name: the kernel passes on what users give it, and that must not
/// become a path, an option or a parameter.
#[must_use]
pub fn is_safe(name: &OsStr) -> bool {
    let name = name.as_bytes();
    !matches!(name.first(), None | Some(b'/' | b'.' | b'-')) && !name.contains(&b'=')
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use modcli::getopt::{self, Options, Order};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_proc_of_another_pid_namespace_says_nothing_of_our_parent() {
        let proc = tempfile::tempdir().unwrap();
        let parent = proc.path().join(rustix::process::getppid().unwrap().as_raw_nonzero().to_string());
        fs::create_dir(&parent).unwrap();
        fs::write(parent.join("stat"), "2 (kthreadd) S 0 0 0 0 -1 2129984 0 0\n").unwrap();
        let argv: Vec<OsString> = ["modprobe", "-q", "--", "x"].map(OsString::from).into();
        let own = std::process::id();
        symlink(own.to_string(), proc.path().join("self")).unwrap();
        assert_eq!(Caller::of_process(proc.path(), &argv), Caller::Kernel);
        for other in [(own + 1).to_string(), format!("{own}1"), "1".to_owned()] {
            fs::remove_file(proc.path().join("self")).unwrap();
            symlink(&other, proc.path().join("self")).unwrap();
            assert_eq!(Caller::of_process(proc.path(), &argv), Caller::Anyone, "{other}");
        }
    }

    #[test]
    fn a_kernel_thread_is_known_by_its_flags_whatever_its_name() {
        for (stat, expected) in [
            ("12 (kworker/u4:1) S 2 0 0 0 -1 69238880 0 0", true),
            ("12 (a) b) (c) S 2 0 0 0 -1 2097152 0", true),
            ("700 (bash) S 699 700 700 34816 710 4194304 1", false),
            ("700 (x) 2097152 2097152) S 2 0 0 0 -1 0 0", false),
            ("12 (kworker) S 2", false),
            ("12 (kworker", false),
            ("", false),
        ] {
            assert_eq!(is_kernel_thread(stat.as_bytes()), expected, "{stat}");
        }
    }

    #[test]
    fn the_kernels_environment_is_exactly_its_three_variables() {
        let environment = |variables: &[(&str, &str)]| {
            is_kernels_environment(variables.iter().map(|(name, value)| (name.into(), value.into())))
        };
        assert!(environment(&ENVIRONMENT));
        assert!(!environment(&ENVIRONMENT[..2]));
        assert!(!environment(&[ENVIRONMENT[0], ENVIRONMENT[1], ENVIRONMENT[2], ("LANG", "C")]));
        assert!(!environment(&[ENVIRONMENT[0], ENVIRONMENT[1], ("PATH", "/bin")]));
    }

    #[test]
    fn only_plain_names_are_safe() {
        for (name, expected) in [
            ("net-pf-1", true),
            ("char-major-10-229", true),
            ("symbol:x", true),
            ("/tmp/x.ko", false),
            ("./x", false),
            ("../x", false),
            ("-r", false),
            ("x=1", false),
            ("", false),
        ] {
            assert_eq!(is_safe(OsStr::new(name)), expected, "{name}");
        }
    }

    #[test]
    fn other_forms_are_not_recognised() {
        for arguments in
            [&["-q", "x"][..], &["-s", "--", "x"], &["--", "x"], &["-q", "--"], &["-q", "--", "x", "y"]]
        {
            let argv: Vec<OsString> =
                std::iter::once("modprobe").chain(arguments.iter().copied()).map(OsString::from).collect();
            assert_eq!(recognise(&argv), None, "{arguments:?}");
        }
        assert_eq!(recognise(&[]), None);
    }

    proptest! {
        #[test]
        fn a_recognised_form_is_what_the_parse_of_it_says(name in any::<Vec<u8>>(), old in any::<bool>()) {
            let name = std::os::unix::ffi::OsStringExt::from_vec(name);
            let options: &[&str] = if old { &["-s", "-k"] } else { &["-q"] };
            let mut argv = vec![OsString::from("modprobe")];
            argv.extend(options.iter().map(OsString::from));
            argv.extend([OsString::from("--"), name]);
            let command = cli::command();
            let parsed = getopt::parse(&Options::of(&command, cli::DEFINITION.added), &argv, Order::Permuted);
            prop_assert_eq!(recognise(&argv), parsed.ok());
        }
    }
}
