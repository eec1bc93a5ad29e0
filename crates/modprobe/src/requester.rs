//! Which processes wait for a module while modprobe answers the kernel's request for it.
//!
//! The kernel does not say on whose behalf it calls. But the process that made it call mostly sleeps, while we run, in
//! the function that waits for us, and `/proc` shows in which function a process sleeps. That is a hint, not proof:
//! programs for other purposes are waited for in the same function, and whoever asked may be gone. So what is logged
//! says who waits, not who asked.

use std::fmt;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The function of the kernel in which a process waits for a program that the kernel started.
const WAITS_IN: &[u8] = b"call_usermodehelper_exec";

/// Who waits, as far as it can be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Requester {
    /// This process and no other waits for a program of the kernel's.
    Process { name: String, pid: u32 },
    /// This many wait.
    Several(usize),
    /// No process: the kernel asked without waiting, or the process that waited has gone.
    Nobody,
    /// The processes, or what they wait in, cannot be seen.
    Hidden,
}

impl fmt::Display for Requester {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Quoted: whoever runs a program chooses its name.
            Self::Process { name, pid } => write!(formatter, "waiting: {name:?} (pid {pid})"),
            Self::Several(count) => write!(formatter, "waiting: {count} processes"),
            Self::Nobody => formatter.write_str("waiting: nobody"),
            Self::Hidden => formatter.write_str("/proc does not show who waits"),
        }
    }
}

/// Finds out who waits.
pub(crate) fn find(proc: &Path) -> Requester {
    let Ok(processes) = fs::read_dir(proc) else { return Requester::Hidden };
    let mut waiting: Vec<u32> = Vec::new();
    let mut can_see = false;
    for process in processes.flatten() {
        let Some(pid) = number(process.file_name().as_bytes()) else { continue };
        let threads = fs::read_dir(process.path().join("task")).into_iter().flatten().flatten();
        for thread in threads {
            // A running thread shows "0"; without the right to look, all threads do.
            let Ok(function) = fs::read(thread.path().join("wchan")) else { continue };
            can_see |= !matches!(function.as_slice(), b"" | b"0");
            if function.as_slice() == WAITS_IN {
                waiting.push(pid);
            }
        }
    }
    match waiting.as_slice() {
        [] if can_see => Requester::Nobody,
        [] => Requester::Hidden,
        &[pid] => Requester::Process { name: name(proc, pid), pid },
        several => Requester::Several(several.len()),
    }
}

fn number(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn name(proc: &Path, pid: u32) -> String {
    let comm = fs::read(proc.join(pid.to_string()).join("comm")).unwrap_or_default();
    String::from_utf8_lossy(comm.trim_ascii_end()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proc(processes: &[(u32, &str, &[&str])]) -> tempfile::TempDir {
        let proc = tempfile::tempdir().unwrap();
        for (pid, name, threads) in processes {
            let process = proc.path().join(pid.to_string());
            for (number, function) in threads.iter().enumerate() {
                let thread = process.join("task").join(number.to_string());
                fs::create_dir_all(&thread).unwrap();
                fs::write(thread.join("wchan"), function).unwrap();
            }
            fs::write(process.join("comm"), format!("{name}\n")).unwrap();
        }
        fs::create_dir(proc.path().join("sys")).unwrap();
        proc
    }

    const WAITS: &str = "call_usermodehelper_exec";

    #[test]
    fn the_one_that_waits_is_named() {
        let proc =
            proc(&[(1, "init", &["do_wait"]), (811, "candump", &["futex_wait", WAITS]), (9, "x", &["0"])]);
        assert_eq!(find(proc.path()).to_string(), "waiting: \"candump\" (pid 811)");
    }

    #[test]
    fn a_name_cannot_pass_for_something_else() {
        let proc = proc(&[(811, "x\" (pid 1)\n\u{1b}[2J", &[WAITS])]);
        assert_eq!(find(proc.path()).to_string(), r#"waiting: "x\" (pid 1)\n\u{1b}[2J" (pid 811)"#);
    }

    #[test]
    fn several_or_none_are_not_guessed_at() {
        let two = proc(&[(1, "a", &[WAITS]), (2, "b", &[WAITS])]);
        assert_eq!(find(two.path()), Requester::Several(2));
        assert_eq!(find(proc(&[(1, "a", &["do_wait"])]).path()), Requester::Nobody);
        // Hidden is not the same as nobody.
        assert_eq!(find(proc(&[(1, "a", &["0"]), (2, "b", &[""])]).path()), Requester::Hidden);
        assert_eq!(find(Path::new("/nonexistent/proc")), Requester::Hidden);
    }
}
