//! Every sentence that modinfo says. First lines are worded as kmod words them, because scripts match them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use modcli::errno;
use modfile::ModuleName;

use crate::find::NotFound;
use crate::request::Problem;

pub(crate) fn problem(problem: &Problem) -> Vec<u8> {
    match problem {
        Problem::NoOperand => b"missing module or filename.".to_vec(),
        Problem::PathTooLong(path) => {
            [b"bad directory ", path.as_os_str().as_bytes(), b": path too long"].concat()
        }
        Problem::TwoForms => {
            b"--json and --params show all fields: leave out -F, -a, -d, -l, -p and -n.".to_vec()
        }
    }
}

pub(crate) fn not_found(operand: &OsStr, what: NotFound) -> Vec<u8> {
    let what: &[u8] = match what {
        NotFound::Module => b"Module ",
        NotFound::Alias => b"Module alias ",
        NotFound::Name => b"Module name ",
    };
    [what, operand.as_bytes(), b" not found."].concat()
}

pub(crate) fn unreadable(module: &ModuleName, errno: i32) -> Vec<u8> {
    [b"could not get modinfo from '", module.as_bytes(), b"': ", errno::text(errno).as_bytes()].concat()
}

pub(crate) fn nameless_parameter(key: &[u8], value: &[u8]) -> Vec<u8> {
    [b"Found invalid \"", key, b"=", value, b"\": missing ':'"].concat()
}

pub(crate) fn reason(path: &Path, reason: &str) -> Vec<u8> {
    [path.as_os_str().as_bytes(), b": ", reason.as_bytes()].concat()
}
