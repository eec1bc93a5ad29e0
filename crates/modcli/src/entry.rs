//! The entry of every program: C's `main` instead of Rust's, for one tool or for several in one file.
//!
//! Rust's runtime prepares for what these tools do not need, a message when a stack overflows, and looks once more
//! at the descriptors that [`startup`](crate::startup) has repaired: a dozen system calls before `main` and two
//! after it. What remains of its work is done here: the arguments are kept, and a closed pipe is an error to be
//! handled instead of a signal.

#![allow(
    unsafe_code,
    reason = "the arguments of C's main are pointers, which C promises to be valid while the process lives; \
              signal(2) is called where a tool begins"
)]

use std::ffi::{CStr, OsStr, OsString, c_char, c_int};
use std::os::unix::ffi::OsStrExt;

use rustix::process::{Resource, getrlimit};

use crate::ended::Exit;
use crate::memory;
use crate::session::Session;

/// The same on every architecture of Linux.
const SIGPIPE: c_int = 13;
const SIG_IGN: usize = 1;
/// A file may not grow any more (RLIMIT_FSIZE).
const SIGXFSZ: c_int = if cfg!(any(target_arch = "mips", target_arch = "mips64")) { 31 } else { 25 };
/// The time that the process may compute is over (RLIMIT_CPU).
const SIGXCPU: c_int = if cfg!(any(target_arch = "mips", target_arch = "mips64")) { 30 } else { 24 };

unsafe extern "C" {
    fn signal(number: c_int, handler: usize) -> usize;
}

/// A tool: its name, and the function that runs it.
#[derive(Clone, Copy)]
pub struct Tool {
    /// The name under which it is called, and which stands before its messages.
    pub name: &'static str,
    /// Runs it.
    pub run: fn(&Session) -> anyhow::Result<Exit>,
}

/// Runs one of `tools` with the arguments of C's `main`; returns the exit status. [`main!`](crate::main) calls it.
///
/// # Safety
/// `arguments` points to `count` strings of C, which live as long as the process does.
pub unsafe fn enter(count: c_int, arguments: *const *const c_char, tools: &[Tool]) -> c_int {
    let count = if arguments.is_null() { 0 } else { usize::try_from(count).unwrap_or(0) };
    let words = (0..count).map(|number| {
        // SAFETY: the caller promises `count` strings.
        let word = unsafe { CStr::from_ptr(*arguments.add(number)) };
        OsStr::from_bytes(word.to_bytes()).to_owned()
    });
    let argv: Vec<OsString> = words.collect();
    // SAFETY: to ignore a signal installs no handler.
    unsafe { signal(SIGPIPE, SIG_IGN) };
    // Whoever limits the size of files gets an error instead of a signal in the middle of the work. A handler, since
    // unlike an ignored signal it is not inherited by commands of the configuration.
    if getrlimit(Resource::Fsize).current.is_some() {
        // SAFETY: the handler does nothing.
        unsafe { signal(SIGXFSZ, file_too_large as extern "C" fn(c_int) as usize) };
    }
    let Some(tool) = called(tools, argv.first()) else { return Exit::Failure.status().into() };
    memory::name_program(tool.name);
    let session = Session::of_system(tool.name, argv);
    let result = (tool.run)(&session);
    session.finish(result).status().into()
}

/// Where processor time is limited, ends the program with a status and a reason when it is over, not by a signal. To be
/// called by every tool, except where the kernel does: what it starts has no limits, and somebody waits for each system
/// call.
pub fn heed_time_limit() {
    if getrlimit(Resource::Cpu).current.is_some() {
        // SAFETY: the handler writes and ends the process, and nothing else.
        unsafe { signal(SIGXCPU, out_of_time as extern "C" fn(c_int) as usize) };
    }
}

/// The write that was too much fails with an error.
extern "C" fn file_too_large(_: c_int) {}

/// A second later the process would be killed: there is no time to do anything else.
extern "C" fn out_of_time(_: c_int) {
    memory::end("CPU time limit exceeded")
}

/// The tool that a program is to be, from the name by which it was called. A program of one tool is that tool under
/// any name.
///
/// compat: a program of several tools that is called by another name fails silently, as kmod does (test
/// `a_program_of_several_tools_is_the_one_by_whose_name_it_is_called`).
fn called<'tools>(tools: &'tools [Tool], program: Option<&OsString>) -> Option<&'tools Tool> {
    if let [only] = tools {
        return Some(only);
    }
    let name = program?.as_bytes().rsplit(|&byte| byte == b'/').next()?;
    tools.iter().find(|tool| name == tool.name.as_bytes())
}

/// The `main` of a program: the name of its tool and the function that runs it, or several of them, of which the
/// program is the one by whose name it is called. The program needs `#![no_main]`, except when it is built as a
/// test of itself.
///
/// ```ignore
/// modcli::main!("modprobe", modprobe::run);
/// modcli::main!("kmod", kmod::run; "modprobe", modprobe::run; "rmmod", rmmod::run);
/// ```
#[macro_export]
macro_rules! main {
    ($($name:literal, $run:path);+ $(;)?) => {
        #[cfg(not(test))]
        #[allow(unsafe_code, reason = "C's main has this name and is handed pointers")]
        // SAFETY: no other function of the program is named so.
        #[unsafe(no_mangle)]
        extern "C" fn main(
            count: ::std::ffi::c_int,
            arguments: *const *const ::std::ffi::c_char,
        ) -> ::std::ffi::c_int {
            const TOOLS: &[$crate::entry::Tool] = &[$($crate::entry::Tool { name: $name, run: $run }),+];
            // SAFETY: these are what C hands to main.
            unsafe { $crate::entry::enter(count, arguments, TOOLS) }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: &Session) -> anyhow::Result<Exit> {
        Ok(Exit::Success)
    }

    const TOOLS: [Tool; 2] = [Tool { name: "kmod", run: nothing }, Tool { name: "rmmod", run: nothing }];

    fn name(tools: &[Tool], program: Option<&str>) -> Option<&'static str> {
        called(tools, program.map(OsString::from).as_ref()).map(|tool| tool.name)
    }

    #[test]
    fn a_program_of_several_tools_is_the_one_by_whose_name_it_is_called() {
        for (program, expected) in [
            ("rmmod", Some("rmmod")),
            ("/sbin/rmmod", Some("rmmod")),
            ("./kmod", Some("kmod")),
            ("kmod.old", None),
            ("rmmod-", None),
            ("rmmod/", None),
            ("/", None),
            ("", None),
        ] {
            assert_eq!(name(&TOOLS, Some(program)), expected, "{program}");
        }
        assert_eq!(name(&TOOLS, None), None);
    }

    #[test]
    fn a_program_of_one_tool_is_that_tool_under_any_name() {
        for program in [Some("modprobe"), Some("/sbin/rmmod"), Some(""), None] {
            assert_eq!(name(&TOOLS[..1], program), Some("kmod"));
        }
    }
}
