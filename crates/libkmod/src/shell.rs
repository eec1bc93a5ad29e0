//! Starts the shell of commands, by posix_spawn(3) itself. The standard library's `Command`, with its maps of
//! variables and its second way to start a process, would be a twentieth of the library.

use std::ffi::{CStr, CString, OsStr, c_char, c_int};
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::ptr;

use modkernel::Meanwhile;
use modkernel::script::{self, Running};
use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, waitpid};

use crate::paths::{NOTHING, SHELL};

unsafe extern "C" {
    /// The environment of the process, environ(7).
    static environ: *const *const c_char;
}

/// Runs a line of shell with these additions to the environment, and waits for its end.
///
/// # Errors
/// The shell could not be started.
pub(crate) fn run(line: &OsStr, environment: &[(&str, &OsStr)]) -> io::Result<ExitStatus> {
    let added = variables(environment)?;
    let pointers = inherited(environment).into_iter().chain(added.iter().map(|variable| variable.as_ptr()));
    start(line, pointers.collect(), &Surroundings::Inherited)?.wait()
}

/// Runs a line of shell with this environment and no other, as
/// [`KernelOps::run_script`](modkernel::KernelOps::run_script) says.
///
/// # Errors
/// The shell could not be started.
pub(crate) fn run_script(
    line: &OsStr,
    environment: &[(&str, &OsStr)],
    meanwhile: Meanwhile<'_>,
) -> io::Result<Option<ExitStatus>> {
    let variables = variables(environment)?;
    let pointers = variables.iter().map(|variable| variable.as_ptr());
    let mut child = start(line, pointers.collect(), &Surroundings::Own(Streams::look()))?;
    script::watch(&mut child, meanwhile)
}

/// Directory, process group and standard streams of a command.
enum Surroundings {
    /// The caller's.
    Inherited,
    /// The root, a group of its own, and these streams.
    Own(Streams),
}

/// Standard streams that lead somewhere, whatever the caller has closed.
struct Streams {
    /// For standard input and for what is closed. Before there are devices, what is there is inherited.
    nothing: Option<File>,
    /// Whether the caller has the other two.
    are_open: [bool; 2],
}

impl Streams {
    fn look() -> Self {
        let are_open = [rustix::stdio::stdout(), rustix::stdio::stderr()].map(is_open);
        // Opened last, since it gets the first number that is free.
        Self { nothing: File::options().read(true).write(true).open(NOTHING).ok(), are_open }
    }
}

/// `NAME=VALUE` for each variable.
fn variables(environment: &[(&str, &OsStr)]) -> io::Result<Vec<CString>> {
    let variable = |(name, value): &(&str, &OsStr)| {
        Ok(CString::new([name.as_bytes(), b"=", value.as_bytes()].concat())?)
    };
    environment.iter().map(variable).collect()
}

/// The variables of the process, without those that are given anew.
fn inherited(given: &[(&str, &OsStr)]) -> Vec<*const c_char> {
    let mut found = Vec::new();
    // SAFETY: of the environment system(3) reads as much, and it is under the same condition: no thread changes it
    // meanwhile. It is NULL, or an array that ends with NULL.
    unsafe {
        let mut place = environ;
        while !place.is_null() && !(*place).is_null() {
            let variable = CStr::from_ptr(*place).to_bytes();
            let is_given = |(name, _): &(&str, &OsStr)| {
                variable.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"="))
            };
            if !given.iter().any(is_given) {
                found.push(*place);
            }
            place = place.add(1);
        }
    }
    found
}

/// Starts the shell on a line. `variables` point to texts that live during the call.
fn start(line: &OsStr, mut variables: Vec<*const c_char>, surroundings: &Surroundings) -> io::Result<Child> {
    let line = CString::new(line.as_bytes())?;
    // Named as system(3) does: the shell puts its name before its messages.
    let words = [c"sh".as_ptr(), c"-c".as_ptr(), line.as_ptr(), ptr::null()];
    variables.push(ptr::null());
    let (mut actions, mut attributes) = (MaybeUninit::uninit(), MaybeUninit::uninit());
    let mut pid = 0;
    let unheard = Unheard::begin()?;
    // SAFETY: actions and attributes are made before they are used, stay in their place, and are destroyed once, at
    // the end. All texts outlive the call, and both arrays end with NULL. posix_spawn writes neither to them, which
    // is why they are constant in spite of its type, nor to anything but the number.
    unsafe {
        succeeds(libc::posix_spawn_file_actions_init(actions.as_mut_ptr()))?;
        succeeds(libc::posix_spawnattr_init(attributes.as_mut_ptr()))?;
        let result =
            describe(&mut *actions.as_mut_ptr(), &mut *attributes.as_mut_ptr(), surroundings, &unheard);
        let result = result.and_then(|()| {
            succeeds(libc::posix_spawn(
                &raw mut pid,
                SHELL.as_ptr(),
                actions.as_ptr(),
                attributes.as_ptr(),
                words.as_ptr().cast(),
                variables.as_ptr().cast(),
            ))
        });
        libc::posix_spawnattr_destroy(attributes.as_mut_ptr());
        libc::posix_spawn_file_actions_destroy(actions.as_mut_ptr());
        result?;
    }
    Ok(Child { pid: Pid::from_raw(pid).ok_or(Errno::CHILD)?, ended: None, _unheard: unheard })
}

/// What is done between the start of the process and that of the shell.
fn describe(
    actions: &mut libc::posix_spawn_file_actions_t,
    attributes: &mut libc::posix_spawnattr_t,
    surroundings: &Surroundings,
    unheard: &Unheard,
) -> io::Result<()> {
    let mut flags = libc::POSIX_SPAWN_SETSIGDEF | libc::POSIX_SPAWN_SETSIGMASK;
    let mut signals = MaybeUninit::uninit();
    // SAFETY: actions and attributes are made; the set is by sigemptyset. Descriptors are numbers here.
    unsafe {
        // A command ends when nobody reads what it writes, whatever its caller does then.
        libc::sigemptyset(signals.as_mut_ptr());
        libc::sigaddset(signals.as_mut_ptr(), libc::SIGPIPE);
        succeeds(libc::posix_spawnattr_setsigdefault(attributes, signals.as_ptr()))?;
        succeeds(libc::posix_spawnattr_setsigmask(attributes, &raw const unheard.before))?;
        if let Surroundings::Own(Streams { nothing, are_open }) = surroundings {
            // The group of number 0 is one of its own, which is where attributes begin.
            flags |= libc::POSIX_SPAWN_SETPGROUP;
            succeeds(libc::posix_spawn_file_actions_addchdir_np(actions, c"/".as_ptr()))?;
            let [out, error] = *are_open;
            for (descriptor, is_kept) in (0..).zip([false, out, error]) {
                if let Some(nothing) = nothing.as_ref().filter(|_| !is_kept) {
                    let nothing = nothing.as_raw_fd();
                    succeeds(libc::posix_spawn_file_actions_adddup2(actions, nothing, descriptor))?;
                }
            }
        }
        succeeds(libc::posix_spawnattr_setflags(attributes, flags.try_into().unwrap_or_default()))
    }
}

/// Of functions that return an error number.
fn succeeds(answer: c_int) -> io::Result<()> {
    if answer == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(answer)) }
}

fn is_open(descriptor: BorrowedFd<'_>) -> bool {
    rustix::io::fcntl_getfd(descriptor).is_ok()
}

/// As long as this lives, the thread hears of no child's end, as in system(3): the caller's handler of SIGCHLD may wait
/// for whichever child has ended, and then nobody else would learn how that was. It runs afterwards.
struct Unheard {
    before: libc::sigset_t,
}

impl Unheard {
    fn begin() -> io::Result<Self> {
        let (mut signals, mut before) = (MaybeUninit::uninit(), MaybeUninit::uninit());
        // SAFETY: one set is by sigemptyset, the other one by pthread_sigmask, if that succeeds.
        unsafe {
            libc::sigemptyset(signals.as_mut_ptr());
            libc::sigaddset(signals.as_mut_ptr(), libc::SIGCHLD);
            succeeds(libc::pthread_sigmask(libc::SIG_BLOCK, signals.as_ptr(), before.as_mut_ptr()))?;
            Ok(Self { before: before.assume_init() })
        }
    }
}

impl Drop for Unheard {
    fn drop(&mut self) {
        // SAFETY: the set is one that the system gave. All of this is in the thread that began it.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, ptr::null_mut()) };
    }
}

/// A shell that was started.
struct Child {
    pid: Pid,
    ended: Option<ExitStatus>,
    _unheard: Unheard,
}

impl Child {
    fn waited(&mut self, options: WaitOptions) -> io::Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            let found = rustix::io::retry_on_intr(|| waitpid(Some(self.pid), options))?;
            self.ended = found.map(|(_, status)| ExitStatus::from_raw(status.as_raw()));
        }
        Ok(self.ended)
    }
}

impl Running for Child {
    fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().cast_unsigned()
    }

    fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.waited(WaitOptions::NOHANG)
    }

    fn wait(&mut self) -> io::Result<ExitStatus> {
        self.waited(WaitOptions::empty())?.ok_or_else(|| Errno::CHILD.into())
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;

    fn script(line: &str, environment: &[(&str, &OsStr)]) -> Option<Option<i32>> {
        let ended = run_script(OsStr::new(line), environment, &mut |_| {
            std::thread::yield_now();
            ControlFlow::Continue(())
        });
        ended.unwrap().map(|status| status.code())
    }

    #[test]
    #[cfg_attr(miri, ignore = "starts processes")]
    fn a_line_runs_with_additions_to_the_environment_of_the_process() {
        let code =
            |line: &str, environment: &[(&str, &OsStr)]| run(OsStr::new(line), environment).unwrap().code();
        let cargo = std::env::var_os("CARGO_PKG_NAME").unwrap();
        assert_eq!(cargo, "libkmod");
        let line = "test \"$WORD $CARGO_PKG_NAME\" = 'a b libkmod' && exit 7";
        assert_eq!(code(line, &[("WORD", OsStr::new("a b"))]), Some(7));
        assert_eq!(
            code("test $CARGO_PKG_NAME = other && exit 8", &[("CARGO_PKG_NAME", OsStr::new("other"))]),
            Some(8)
        );
        // One variable, and not the old one behind the new one.
        let line = "test $(env | grep -c ^CARGO_PKG_NAME=) = 1 && exit 9";
        assert_eq!(code(line, &[("CARGO_PKG_NAME", OsStr::new("other"))]), Some(9));
        assert_eq!(code("kill -9 $$", &[]), None);
    }

    #[test]
    #[cfg_attr(miri, ignore = "starts processes")]
    fn nothing_but_what_is_given_is_in_the_environment_of_a_script_and_its_directory_is_the_root() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("out");
        let environment = [("OUT", file.as_os_str()), ("PATH", OsStr::new("/usr/bin:/bin"))];
        let line = "{ env | cut -d= -f1; pwd; cat; test $(cut -d' ' -f5 /proc/$$/stat) = $$ && echo group; } >\"$OUT\"";
        assert_eq!(script(line, &environment), Some(Some(0)));
        let text = std::fs::read_to_string(file).unwrap();
        let mut lines: Vec<_> = text.lines().filter(|line| !["PWD", "_", "SHLVL"].contains(line)).collect();
        lines.sort_unstable();
        assert_eq!(lines, ["/", "OUT", "PATH", "group"]);
    }

    #[test]
    #[cfg_attr(miri, ignore = "starts processes")]
    fn what_the_caller_has_closed_is_open_in_a_script() {
        const NAME: &str = "shell::tests::what_the_caller_has_closed_is_open_in_a_script";
        let Some(closed) = std::env::var("CLOSED").ok() else {
            // Only another process can do without its streams.
            for closed in ["0", "1", "2", "01", "12", "02", "012"] {
                let mut other = std::process::Command::new(std::env::current_exe().unwrap());
                let other = other.args([NAME, "--exact"]).env("CLOSED", closed).output().unwrap();
                assert_eq!(other.status.code(), Some(7), "{closed}");
            }
            return;
        };
        for descriptor in closed.bytes().map(|digit| i32::from(digit - b'0')) {
            // SAFETY: the process ends without a use of it.
            drop(unsafe { <std::os::fd::OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(descriptor) });
        }
        let status = script("for d in 0 1 2; do test -e /proc/self/fd/$d || exit 8; done; exit 7", &[]);
        std::process::exit(status.flatten().unwrap_or(9));
    }

    #[test]
    #[cfg_attr(miri, ignore = "starts processes")]
    fn a_script_whose_time_is_up_is_killed() {
        let mut looks = 0;
        let ended = run_script(OsStr::new("while :; do sleep 1000; done"), &[], &mut |_| {
            looks += 1;
            if looks > 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(ended.unwrap(), None);
    }

    #[test]
    #[cfg_attr(miri, ignore = "starts processes")]
    fn what_c_cannot_say_starts_no_shell() {
        assert_eq!(run(OsStr::new("a\0b"), &[]).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(
            run(OsStr::new("a"), &[("A", OsStr::new("\0"))]).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
    }
}
