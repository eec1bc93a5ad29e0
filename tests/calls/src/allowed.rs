//! What a modprobe that the kernel called may ask of the kernel. What is not in the list could make the kernel
//! call a modprobe again, wait for somebody who waits for this one, or depend on what an early boot lacks.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

use crate::trace::Call;

/// Directories that may be read, and single files.
const READABLE: [&str; 8] = [
    "/lib/modules/",
    "/lib/modprobe.d",
    "/usr/lib/modprobe.d",
    "/usr/local/lib/modprobe.d",
    "/run/modprobe.d",
    "/etc/modprobe.d",
    "/proc",
    "/sys/module/",
];
/// The same, for the project's own configuration.
const READABLE_OWN: [&str; 4] =
    ["/usr/lib/modutils.d", "/usr/local/lib/modutils.d", "/run/modutils.d", "/etc/modutils.d"];
/// Where it may write.
const OWN: &str = "/run/modutils";

/// Whether a socket may be used: where a log daemon provably listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sockets {
    /// None at all.
    Never,
    /// One, of Unix datagrams, to the daemon.
    ToTheLog,
}

/// Fails for the first call that is not allowed.
///
/// # Errors
/// Names it.
pub fn check(calls: &[Call], sockets: Sockets) -> Result<()> {
    let Some((start, calls)) = calls.split_first() else { return Ok(()) };
    ensure!(start.name == "execve", "the run begins with {start}");
    let mut opened = Opened::default();
    for call in calls {
        let path = opened.path_of(call);
        ensure!(
            is_allowed(call, path.as_deref()) || sockets == Sockets::ToTheLog && is_to_the_log(call),
            "not allowed for a modprobe that the kernel called: {call}"
        );
        opened.note(call, path);
    }
    Ok(())
}

/// The paths of open descriptors: names are given relative to directories.
#[derive(Default)]
struct Opened(BTreeMap<i64, String>);

impl Opened {
    /// The path that a call names, in full.
    fn path_of(&self, call: &Call) -> Option<String> {
        let path = call.path()?;
        let directory = call.arguments.split(',').next().and_then(|first| first.trim().parse().ok());
        match directory.and_then(|directory: i64| self.0.get(&directory)) {
            Some(directory) if !path.starts_with('/') => Some(format!("{directory}/{path}")),
            _ => Some(path.to_owned()),
        }
    }

    fn note(&mut self, call: &Call, path: Option<String>) {
        if let (true, Some(descriptor @ 0..), Some(path)) = (call.opens(), call.result, path) {
            self.0.insert(descriptor, path);
        }
    }
}

fn is_allowed(call: &Call, path: Option<&str>) -> bool {
    let arguments = call.arguments.as_str();
    match call.name.as_str() {
        // The process itself.
        "arch_prctl" | "set_tid_address" | "brk" | "munmap" | "mremap" | "madvise" | "rt_sigaction"
        | "rt_sigprocmask" | "sigaltstack" | "getpid" | "getppid" | "geteuid" | "uname" | "exit_group"
        | "prlimit64" | "clock_gettime" => true,
        // Where the kernel put what every program is handed. Older releases of strace do not know the name.
        "prctl" => ["0x41555856", "PR_GET_AUXV,"].iter().any(|request| arguments.starts_with(request)),
        // A lock that is not waited for.
        "flock" => arguments.contains("LOCK_NB") || arguments.contains("LOCK_UN"),
        // No code but its own: no library.
        "mmap" | "mprotect" => !arguments.contains("PROT_EXEC"),
        // Looks, and does not wait.
        "poll" => arguments.ends_with(", 0"),
        // No locks.
        "fcntl" => arguments.contains("F_GETFD") || arguments.contains("F_SETFD"),
        // What is open already; nothing that is opened can make a reader wait.
        "read" | "readv" | "pread64" | "lseek" | "fstat" | "getdents64" | "close" | "write" | "writev"
        | "pwrite64" => true,
        // Only looked at; that starts nothing, whatever it is.
        "stat" | "lstat" | "newfstatat" | "statx" | "readlink" | "readlinkat" | "access" | "faccessat" => {
            true
        }
        "open" | "openat" => path.is_some_and(|path| may_open(path, arguments)),
        "mkdir" | "mkdirat" | "rename" | "renameat" | "renameat2" | "unlink" | "unlinkat" | "utimensat" => {
            path.is_some_and(|path| path.starts_with(OWN))
        }
        // What all this is for.
        "finit_module" | "init_module" => true,
        _ => false,
    }
}

fn may_open(path: &str, arguments: &str) -> bool {
    let writes = ["O_WRONLY", "O_RDWR", "O_CREAT"].iter().any(|flag| arguments.contains(flag));
    match path {
        "/dev/null" => true,
        // Whoever reads the log slowly must not hold it up.
        "/dev/kmsg" => arguments.contains("O_WRONLY") && arguments.contains("O_NONBLOCK"),
        // What fills closed descriptors where there is no /dev/null, and the directory above ours.
        "/" | "/run" => !writes,
        path if path == OWN || path.starts_with("/run/modutils/") => true,
        path => {
            let below = |start: &&str| path.starts_with(*start);
            !writes && (READABLE.iter().any(below) || READABLE_OWN.iter().any(below))
        }
    }
}

fn is_to_the_log(call: &Call) -> bool {
    let arguments = call.arguments.as_str();
    match call.name.as_str() {
        "socket" => arguments.starts_with("AF_UNIX, SOCK_DGRAM"),
        "ioctl" => arguments.contains("FIONBIO"),
        "connect" => arguments.contains("sun_path=\"/dev/log\""),
        "sendto" => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(text: &str) -> Call {
        let (name, rest) = text.split_once('(').unwrap();
        Call { name: name.into(), arguments: rest.trim_end_matches(')').into(), result: Some(0) }
    }

    #[test]
    fn names_are_judged_where_they_lead() {
        let opened = |text: &str, result| Call { result: Some(result), ..call(text) };
        for (directory, name, is_right) in [
            ("/run/modutils", "told-x", true),
            ("/run", "modutils", true),
            ("/run", "lock", false),
            ("/etc/modprobe.d", "x", false),
        ] {
            let calls = [
                call("execve()"),
                opened(&format!("open(\"{directory}\", O_RDONLY|O_DIRECTORY)"), 5),
                opened(&format!("openat(5, \"{name}\", O_WRONLY|O_CREAT)"), 6),
            ];
            assert_eq!(check(&calls, Sockets::Never).is_ok(), is_right, "{directory}/{name}");
        }
    }

    #[test]
    fn what_could_recurse_wait_or_lock_is_not_allowed() {
        for text in [
            "socket(AF_UNIX, SOCK_DGRAM|SOCK_CLOEXEC, 0)",
            "socket(AF_NETLINK, SOCK_RAW, 0)",
            "execve(\"/bin/sh\", [])",
            "clone(child_stack=NULL)",
            "fork()",
            "flock(3, LOCK_EX)",
            "fcntl(3, F_SETLKW, {})",
            "futex(0x7f, FUTEX_WAIT, 0)",
            "open(\"/dev/console\", O_WRONLY)",
            "open(\"/dev/log\", O_WRONLY)",
            "open(\"/etc/passwd\", O_RDONLY)",
            "open(\"/dev/kmsg\", O_WRONLY)",
            "open(\"/lib/modules/x\", O_RDWR)",
            "open(\"/usr/lib/libc.so.6\", O_RDONLY|O_CLOEXEC)",
            "mmap(NULL, 9, PROT_READ|PROT_EXEC, MAP_PRIVATE, 3, 0)",
            "poll([{fd=0}], 1, -1)",
            "mount(\"none\", \"/mnt\")",
            "getrandom(0x7f, 8, 0)",
            "ioctl(0, TCGETS, 0x7f)",
            "nanosleep({})",
        ] {
            assert!(check(&[call("execve()"), call(text)], Sockets::Never).is_err(), "{text}");
        }
    }

    #[test]
    fn what_every_program_is_handed_may_be_asked_for_whatever_strace_calls_it() {
        for (request, is_right) in [("0x41555856", true), ("PR_GET_AUXV", true), ("PR_SET_DUMPABLE", false)] {
            let asked = call(&format!("prctl({request}, 0x7f, 0x200, 0, 0)"));
            assert_eq!(check(&[call("execve()"), asked], Sockets::Never).is_ok(), is_right, "{request}");
        }
    }

    #[test]
    fn the_log_may_be_told_over_one_kind_of_socket() {
        let told = call("socket(AF_UNIX, SOCK_DGRAM|SOCK_CLOEXEC, 0)");
        assert!(check(&[call("execve()"), told], Sockets::ToTheLog).is_ok());
        let other = call("socket(AF_INET, SOCK_DGRAM|SOCK_CLOEXEC, 0)");
        assert!(check(&[call("execve()"), other], Sockets::ToTheLog).is_err());
    }
}
