//! Runs a line of shell that must not outlive its time, whoever called: the kernel, sudo, or a daemon that uses the C
//! library. Nothing of the caller's environment and directory reaches it, and descriptors 0 to 2 lead somewhere.

use std::ffi::OsStr;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};

use super::SHELL;
use crate::ops::Meanwhile;

/// See [`KernelOps::run_script`](crate::KernelOps::run_script).
pub(super) fn run(
    line: &OsStr,
    environment: &[(&str, &OsStr)],
    meanwhile: Meanwhile<'_>,
) -> io::Result<Option<ExitStatus>> {
    let mut command = Command::new(SHELL);
    command.arg0("sh").arg("-c").arg(line).env_clear().envs(environment.iter().copied());
    command.current_dir("/").process_group(0);
    // Looked at before anything is opened, which may get their numbers.
    let [has_out, has_error] = [rustix::stdio::stdout(), rustix::stdio::stderr()].map(is_open);
    // What a person types is not for a command of the configuration, which would be stopped for reading it.
    command.stdin(nothing());
    if !has_out {
        command.stdout(nothing());
    }
    if !has_error {
        command.stderr(nothing());
    }
    watch(&mut command.spawn()?, meanwhile)
}

/// A process that was started in a group of its own.
pub trait Running {
    /// Its number and its group's.
    fn id(&self) -> u32;

    /// How it ended, if it has.
    ///
    /// # Errors
    /// It is no child of this process, or somebody else has waited for it.
    fn ended(&mut self) -> io::Result<Option<ExitStatus>>;

    /// Waits for its end.
    ///
    /// # Errors
    /// As of [`Running::ended`].
    fn wait(&mut self) -> io::Result<ExitStatus>;
}

impl Running for Child {
    fn id(&self) -> u32 {
        Self::id(self)
    }

    fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.try_wait()
    }

    fn wait(&mut self) -> io::Result<ExitStatus> {
        Self::wait(self)
    }
}

/// Waits for the end of a process, as [`KernelOps::run_script`](crate::KernelOps::run_script) says.
///
/// # Errors
/// How it ended cannot be known: the caller has somebody else wait for its children, or nobody. Then nothing is killed,
/// for the number of the group may be another's by now.
pub fn watch(child: &mut dyn Running, meanwhile: Meanwhile<'_>) -> io::Result<Option<ExitStatus>> {
    loop {
        let is_over = meanwhile(child.id()).is_break();
        // One that ended in its last moment has ended.
        if let Some(status) = child.ended()? {
            return Ok(Some(status));
        }
        if is_over {
            end(child);
            return Ok(None);
        }
    }
}

/// Kills the whole group; its number is nobody else's before the child is waited for.
fn end(child: &mut dyn Running) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // It may have ended by itself.
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
}

/// Where reading ends at once; before there are devices, whatever is there.
fn nothing() -> Stdio {
    let opened = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null");
    opened.map_or_else(|_| Stdio::inherit(), Stdio::from)
}

fn is_open(descriptor: BorrowedFd<'_>) -> bool {
    rustix::io::fcntl_getfd(descriptor).is_ok()
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;

    /// Runs a line, however long it takes.
    fn outcome(line: &str, environment: &[(&str, &OsStr)]) -> Option<Option<i32>> {
        let ended = run(OsStr::new(line), environment, &mut |_| {
            std::thread::yield_now();
            ControlFlow::Continue(())
        });
        ended.unwrap().map(|status| status.code())
    }

    #[test]
    fn nothing_but_what_is_given_is_in_its_environment_and_its_directory_is_the_root() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("out");
        let environment = [("OUT", file.as_os_str()), ("PATH", OsStr::new("/usr/bin:/bin"))];
        let line = "{ env | cut -d= -f1; pwd; cat; } >\"$OUT\"";
        assert_eq!(outcome(line, &environment), Some(Some(0)));
        let text = std::fs::read_to_string(file).unwrap();
        let mut lines: Vec<_> = text.lines().filter(|line| !["PWD", "_", "SHLVL"].contains(line)).collect();
        lines.sort_unstable();
        assert_eq!(lines, ["/", "OUT", "PATH"]);
    }

    /// A process of this number of which nobody can learn how it ended: the system forgot it at once.
    struct Forgotten(u32);

    impl Running for Forgotten {
        fn id(&self) -> u32 {
            self.0
        }

        fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
            Err(rustix::io::Errno::CHILD.into())
        }

        fn wait(&mut self) -> io::Result<ExitStatus> {
            self.ended().map(Option::unwrap_or_default)
        }
    }

    #[test]
    fn the_group_that_has_the_number_of_a_process_that_was_forgotten_is_not_killed() {
        let mut other = Command::new(SHELL);
        let other = other.args(["-c", "read line"]).process_group(0).stdin(Stdio::piped());
        for flow in [ControlFlow::Continue(()), ControlFlow::Break(())] {
            let mut other = other.spawn().unwrap();
            let error = watch(&mut Forgotten(other.id()), &mut |_| flow).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::CHILD.raw_os_error()));
            io::Write::write_all(&mut other.stdin.take().unwrap(), b"line\n").unwrap();
            assert!(other.wait().unwrap().success());
        }
    }

    #[test]
    fn its_status_is_what_it_ends_with() {
        assert_eq!(outcome("exit 7", &[]), Some(Some(7)));
        assert_eq!(outcome("kill -9 $$", &[]), Some(None));
    }

    #[test]
    fn when_its_time_is_up_all_of_its_group_are_killed() {
        let root = tempfile::tempdir().unwrap();
        let pipe = root.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        // Open for both, so that opening waits for nobody; the processes below hold it open as well.
        let mut ours = std::fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
        let line = "exec 3>\"$PIPE\"; (trap '' TERM INT HUP; echo a >&3; while :; do sleep 1000; done) & \
                    while :; do sleep 1000; done";
        let environment = [("PIPE", pipe.as_os_str()), ("PATH", OsStr::new("/usr/bin:/bin"))];
        let (mut group, mut begun) = (0, false);
        let ended = run(OsStr::new(line), &environment, &mut |running| {
            group = running;
            if begun {
                return ControlFlow::Break(());
            }
            // Waits for the one in the background.
            begun = io::Read::read(&mut ours, &mut [0; 2]).is_ok();
            ControlFlow::Continue(())
        });
        assert_eq!(ended.unwrap(), None);
        let group = Pid::from_raw(group.try_into().unwrap()).unwrap();
        // Those in the background are waited for by the first process.
        while rustix::process::test_kill_process_group(group).is_ok() {
            let state = |pid: &std::path::Path| std::fs::read_to_string(pid.join("stat")).unwrap_or_default();
            let lives = std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
                let stat = state(&entry.path());
                let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
                fields.get(2) == Some(&group.as_raw_nonzero().to_string().as_str()) && fields[0] != "Z"
            });
            if !lives {
                break;
            }
            std::thread::yield_now();
        }
    }
}
