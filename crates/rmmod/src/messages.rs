//! Every sentence that rmmod says. First lines are worded as kmod words them, because scripts match them.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use modcli::errno;
use modfile::ModuleName;

use crate::request::Problem;

pub(crate) fn problem(problem: Problem) -> &'static str {
    match problem {
        Problem::NoModule => "missing module name.",
        Problem::AutocleanForced => "-a never forces: what is in use stays. Leave out -f.",
        Problem::JsonWithoutAutoclean => "--json describes what -a finds: it needs -a.",
    }
}

pub(crate) fn no_name(operand: &OsStr) -> Vec<u8> {
    join(&[b"could not use module ", operand.as_bytes(), b": No such file or directory"])
}

pub(crate) fn is_builtin(module: &ModuleName) -> Vec<u8> {
    join(&[b"Module ", module.as_bytes(), b" is builtin."])
}

pub(crate) fn not_loaded(module: &ModuleName) -> Vec<u8> {
    join(&[b"Module ", module.as_bytes(), b" is not currently loaded"])
}

pub(crate) fn is_going(module: &ModuleName) -> Vec<u8> {
    join(&[b"Module ", module.as_bytes(), b" is being unloaded already"])
}

pub(crate) fn in_use(module: &ModuleName) -> Vec<u8> {
    join(&[b"Module ", module.as_bytes(), b" is in use"])
}

pub(crate) fn in_use_by(module: &ModuleName, holders: &[ModuleName]) -> Vec<u8> {
    let mut text = join(&[b"Module ", module.as_bytes(), b" is in use by:"]);
    for holder in holders {
        text.push(b' ');
        text.extend_from_slice(holder.as_bytes());
    }
    text
}

pub(crate) const CANNOT_UNLOAD: &str = "Module unloading is not supported";

pub(crate) fn cannot_open(path: &Path, error: &io::Error) -> Vec<u8> {
    let reason = errno::reason(error);
    join(&[b"could not open '", path.as_os_str().as_bytes(), b"': ", reason.as_bytes()])
}

pub(crate) fn cannot_read_state(path: &Path, error: &io::Error) -> Vec<u8> {
    let reason = errno::reason(error);
    join(&[b"could not read '", path.as_os_str().as_bytes(), b"': ", reason.as_bytes()])
}

pub(crate) fn no_number(path: &Path) -> Vec<u8> {
    join(&[b"could not read integer from '", path.as_os_str().as_bytes(), b"': 'Invalid argument'"])
}

pub(crate) fn cannot_remove(module: &ModuleName, error: &io::Error) -> Vec<u8> {
    join(&[b"could not remove '", module.as_bytes(), b"': ", errno::reason(error).as_bytes()])
}

pub(crate) fn cannot_remove_operand(operand: &OsStr, error: &io::Error) -> Vec<u8> {
    join(&[b"could not remove module ", operand.as_bytes(), b": ", errno::reason(error).as_bytes()])
}

pub(crate) fn would_remove(module: &ModuleName) -> Vec<u8> {
    join(&[b"rmmod ", module.as_bytes()])
}

pub(crate) fn removed(module: &ModuleName, request: &[u8]) -> Vec<u8> {
    join(&[b"unloaded ", module.as_bytes(), b", which ", request, b" had brought in: nobody uses it"])
}

pub(crate) fn command_failed(module: &ModuleName, code: i32) -> Vec<u8> {
    join(&[b"the remove command for ", module.as_bytes(), format!(" ended with status {code}").as_bytes()])
}

pub(crate) fn command_not_started(module: &ModuleName, error: &io::Error) -> Vec<u8> {
    let reason = errno::reason(error);
    join(&[b"could not run the remove command for ", module.as_bytes(), b": ", reason.as_bytes()])
}

pub(crate) fn cannot_work_in(directory: &Path, error: &io::Error) -> Vec<u8> {
    let reason = errno::reason(error);
    join(&[b"cannot use ", directory.as_os_str().as_bytes(), b": ", reason.as_bytes()])
}

pub(crate) fn cannot_know(what: &str, error: &io::Error) -> Vec<u8> {
    format!("cannot read {what}, so nothing is unloaded: {}", errno::reason(error)).into()
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}
