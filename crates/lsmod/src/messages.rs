//! Every sentence that lsmod says. First lines are worded as kmod words them, because scripts match them.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use modcli::errno;
use modfile::ModuleName;

use crate::request::Problem;

pub(crate) fn problem(problem: Problem) -> &'static str {
    match problem {
        Problem::Operands => "too many arguments provided.",
        Problem::TwoForms => "only one of --json, --tree and --why can be shown.",
    }
}

pub(crate) fn cannot_open_list(path: &Path, error: &io::Error) -> Vec<u8> {
    [b"could not open ", bytes(path), b": ", errno::reason(error).as_bytes()].concat()
}

pub(crate) fn cannot_get_list(error: &io::Error) -> Vec<u8> {
    format!("could not get list of modules: {}", errno::reason(error)).into()
}

pub(crate) fn bad_size(directory: &Path) -> Vec<u8> {
    [b"failed to read coresize from ", bytes(directory)].concat()
}

pub(crate) fn bad_line(path: &Path, line: usize) -> Vec<u8> {
    [b"invalid line format at ", bytes(path), format!(":{line}").as_bytes()].concat()
}

pub(crate) fn no_number(path: &Path) -> Vec<u8> {
    [b"could not read integer from '", bytes(path), b"': 'Invalid argument'"].concat()
}

pub(crate) fn cannot_open(path: &Path, error: &io::Error) -> Vec<u8> {
    [b"could not open '", bytes(path), b"': ", errno::reason(error).as_bytes()].concat()
}

pub(crate) fn not_loaded(module: &ModuleName) -> Vec<u8> {
    [b"Module ", module.as_bytes(), b" is not currently loaded"].concat()
}

pub(crate) fn cannot_read_records(directory: &Path, reason: &str) -> String {
    format!("{}: {reason}; what came in on demand is not known", directory.display())
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}
