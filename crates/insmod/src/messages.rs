//! Every sentence that insmod says. First lines are worded as kmod words them, because scripts match them.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use modcli::errno;
use modfile::ModuleName;
use modstate::rules::Forbidden;
use rustix::io::Errno;

use crate::request::Problem;

pub(crate) fn problem(problem: Problem) -> &'static str {
    match problem {
        Problem::NoFile => "missing filename.",
        Problem::Stdin => "this tool does not support loading from stdin!",
    }
}

pub(crate) fn could_not_load(file: &OsStr, number: Errno) -> Vec<u8> {
    let reason = errno::text(number.raw_os_error());
    [b"could not load module ", file.as_bytes(), b": ", reason.as_bytes()].concat()
}

pub(crate) fn could_not_insert(file: &OsStr, number: i32) -> Vec<u8> {
    [b"could not insert module ", file.as_bytes(), b": ", refusal(number).as_bytes()].concat()
}

pub(crate) fn forbidden(file: &OsStr, module: &ModuleName, by: &Forbidden) -> Vec<u8> {
    let line = by.line.to_string();
    let reason = by.reason.as_ref().map(|reason| [b": ", reason.as_slice()].concat()).unwrap_or_default();
    let what = [line.as_bytes(), b" forbids ", module.as_bytes(), &reason].concat();
    [b"could not insert module ", file.as_bytes(), b": ", &what].concat()
}

/// What an error number means when a module is refused.
fn refusal(number: i32) -> Cow<'static, str> {
    match Errno::from_raw_os_error(number) {
        Errno::NOEXEC => "Invalid module format".into(),
        Errno::NOENT => "Unknown symbol in module".into(),
        Errno::SRCH => "Module has wrong symbol version".into(),
        Errno::INVAL => "Invalid parameters".into(),
        _ => errno::text(number),
    }
}

pub(crate) fn nothing_to_strip(number: i32) -> String {
    format!("Failed to strip version information: {}", errno::text(number))
}

pub(crate) fn refused(path: &Path, number: i32) -> Vec<u8> {
    let reason = errno::text(number);
    [b"Failed to insert module '", path.as_os_str().as_bytes(), b"': ", reason.as_bytes()].concat()
}
