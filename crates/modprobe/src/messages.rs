//! Every sentence that modprobe says, except hints. First lines are worded as kmod words them, because scripts
//! match them.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use modcli::{Severity, errno, words};
use moddb::TableProblem;
use moddb::paths::Table;
use modfile::ModuleName;
use modload::Refusal;
use modload::command::Verb;
use modload::plan::PlanNote;
use modload::record::NotRemembered;
use modstate::LogKind;
use modstate::rules::{Forbidden, Line};
use modstate::settings::Notice;
use rustix::io::Errno;

use crate::request::Problem;
use crate::requester::Requester;

pub(crate) use modcli::words::{config, modutils, setting, table};

pub(crate) fn problem(problem: &Problem) -> Vec<u8> {
    match problem {
        Problem::NoOperands => b"missing parameters. See -h.".to_vec(),
        Problem::BadWait(text) => join(&[b"unexpected wait value '", text.as_bytes(), b"'."]),
        Problem::TypeWithoutList => b"-t limits the list of -l; give both".to_vec(),
        Problem::JsonWithoutExplain => b"--json is for --explain and --check; give one of them".to_vec(),
        Problem::RestoreDry => {
            b"--restore-settings cannot be tried; --show-settings prints what there is to put back".to_vec()
        }
        Problem::SaveDry => {
            b"--save-settings cannot be tried; --show-settings prints what there is to save".to_vec()
        }
    }
}

pub(crate) fn not_found_in(operand: &OsStr, directory: &Path) -> Vec<u8> {
    join(&[b"Module ", operand.as_bytes(), b" not found in directory ", bytes(directory)])
}

pub(crate) fn not_found(operand: &OsStr) -> Vec<u8> {
    join(&[b"Module ", operand.as_bytes(), b" not found."])
}

pub(crate) fn no_such_path(operand: &OsStr, error: &io::Error) -> Vec<u8> {
    let reason = errno::reason(error);
    join(&[b"Failed to get module from path ", operand.as_bytes(), b": ", reason.as_bytes()])
}

pub(crate) fn could_not_insert(module: &ModuleName, errno: i32) -> Vec<u8> {
    let reason = match Errno::from_raw_os_error(errno) {
        Errno::EXIST => "Module already in kernel".into(),
        Errno::NOENT => "Unknown symbol in module, or unknown parameter (see dmesg)".into(),
        _ => errno::text(errno),
    };
    join(&[b"could not insert '", module.as_bytes(), b"': ", reason.as_bytes()])
}

/// A module that is not loaded because it, or one that it needs, is forbidden.
pub(crate) fn forbidden(wanted: &ModuleName, forbidden: &ModuleName, by: &Forbidden) -> Vec<u8> {
    let what = match wanted == forbidden {
        true => join(&[by.line.to_string().as_bytes(), b" forbids it"]),
        false => join(&[
            b"it needs ",
            forbidden.as_bytes(),
            b", which ",
            by.line.to_string().as_bytes(),
            b" forbids",
        ]),
    };
    let reason = by.reason.as_ref().map(|reason| join(&[b": ", reason])).unwrap_or_default();
    join(&[b"could not insert '", wanted.as_bytes(), b"': ", &what, &reason])
}

/// A module that is not loaded because commands of modutils.d for it, or for one that it needs, failed.
pub(crate) fn stopped(wanted: &ModuleName, stopped: &ModuleName) -> Vec<u8> {
    let whose = match wanted == stopped {
        true => b"its commands".to_vec(),
        false => join(&[b"the commands for ", stopped.as_bytes()]),
    };
    join(&[b"could not insert '", wanted.as_bytes(), b"': ", &whose, b" in modutils.d failed"])
}

/// What is to be remembered until the next boot has no place.
pub(crate) fn cannot_note(directory: &Path, error: &io::Error) -> Vec<u8> {
    join(&[b"cannot use ", bytes(directory), b": ", errno::reason(error).as_bytes()])
}

/// A name for which the kernel may not ask.
pub(crate) fn denied(name: &OsStr, line: &Line) -> Vec<u8> {
    join(&[b"request for '", name.as_bytes(), b"' denied by ", line.to_string().as_bytes()])
}

pub(crate) fn no_file(module: &ModuleName) -> Vec<u8> {
    join(&[b"could not find module by name='", module.as_bytes(), b"'"])
}

pub(crate) fn command_failed(command: &[u8], module: &ModuleName, code: i32) -> Vec<u8> {
    join(&[
        b"Error running install command '",
        command,
        b"' for module ",
        module.as_bytes(),
        format!(": retcode {code}").as_bytes(),
    ])
}

pub(crate) fn command_not_started(
    verb: Verb,
    command: &[u8],
    module: &ModuleName,
    error: &io::Error,
) -> Vec<u8> {
    let verb = match verb {
        Verb::Install => "install",
        Verb::Remove => "remove",
    };
    join(&[
        format!("Could not run {verb} command '").as_bytes(),
        command,
        b"' for module ",
        module.as_bytes(),
        b": ",
        errno::reason(error).as_bytes(),
    ])
}

pub(crate) fn command_within_itself(module: &ModuleName, command: &[u8]) -> Vec<u8> {
    join(&[
        b"The install command '",
        command,
        b"' for module ",
        module.as_bytes(),
        b" calls modprobe for that module again; let it call modprobe --ignore-install",
    ])
}

pub(crate) fn refused(module: &ModuleName, refusal: Refusal) -> Vec<u8> {
    let name = module.as_bytes();
    match refusal {
        Refusal::Builtin => join(&[b"Module ", name, b" is builtin."]),
        Refusal::Absent => join(&[b"Module ", name, b" is not in kernel."]),
        Refusal::InUse => join(&[b"Module ", name, b" is in use."]),
        Refusal::Command => join(&[b"Error running remove command for ", name]),
    }
}

pub(crate) fn could_not_remove(module: &ModuleName, error: &io::Error) -> Vec<u8> {
    join(&[b"could not remove '", module.as_bytes(), b"': ", errno::reason(error).as_bytes()])
}

pub(crate) fn no_symbols(which: &str, operand: &OsStr, errno: i32) -> Vec<u8> {
    let reason = errno::text(errno);
    join(&[format!("could not get {which} of ").as_bytes(), operand.as_bytes(), b": ", reason.as_bytes()])
}

pub(crate) fn requested(name: &OsStr, requester: &Requester) -> Vec<u8> {
    // Quoted: whoever makes the kernel ask chooses the name.
    format!("the kernel asked for {:?}; {requester}", name.to_string_lossy()).into()
}

pub(crate) fn not_logged(kind: LogKind, count: u64) -> Vec<u8> {
    let what = match kind {
        LogKind::Requests => "requests",
        LogKind::Refusals => "refusals",
        LogKind::Commands => "failures of commands",
    };
    format!("{count} more {what} were not logged").into()
}

/// A message to be logged although the kernel calls quietly.
pub(crate) struct ForTheKernel {
    /// A short name for what is wrong, the same each time.
    pub cause: String,
    pub severity: Severity,
    pub text: Vec<u8>,
}

/// What is logged of a table when the kernel calls; `None` for one that may well be missing.
pub(crate) fn for_the_kernel(problem: &TableProblem, release: &OsStr) -> Option<ForTheKernel> {
    let (TableProblem::Unusable { table, index, error }
    | TableProblem::TextInstead { table, index, error, .. }) = problem;
    if *table == Table::BuiltinAliases {
        return None;
    }
    let state = if error.is_missing() { "missing" } else { "damaged" };
    let cause = format!("{}-{state}", table.index_name());
    let reason = if error.is_missing() {
        "is missing".to_owned()
    } else {
        format!("cannot be used ({})", words::index(error))
    };
    let severity = match problem {
        TableProblem::Unusable { .. } => Severity::Error,
        TableProblem::TextInstead { .. } => Severity::Warning,
    };
    let text = join(&[bytes(index), format!(" {reason}: run depmod -a ").as_bytes(), release.as_bytes()]);
    Some(ForTheKernel { cause, severity, text })
}

pub(crate) fn note(note: &PlanNote) -> Vec<u8> {
    match note {
        PlanNote::MissingDependency(missing) => join(&[
            b"path=",
            bytes(&missing.path),
            b" error=",
            errno::text(missing.errno.raw_os_error()).as_bytes(),
        ]),
        PlanNote::NoName(name) => join(&[b"failed to lookup dependency '", name, b"', continuing anyway."]),
        PlanNote::TooDeep(module) => {
            join(&[b"softdeps around ", module.as_bytes(), b" are nested without end; the rest is left out"])
        }
    }
}

pub(crate) fn not_remembered(failed: &NotRemembered) -> Vec<u8> {
    words::not_remembered(&failed.modules, &failed.error)
}

pub(crate) fn saved(module: &ModuleName, file: &Path) -> Vec<u8> {
    join(&[b"settings of ", module.as_bytes(), b": saved in ", bytes(file)])
}

pub(crate) fn not_persistent(module: &ModuleName) -> Vec<u8> {
    let name = module.as_bytes();
    join(&[
        b"no persist line in modutils.d names ",
        name,
        b"; one such as 'persist ",
        name,
        b"' has its settings saved and put back",
    ])
}

pub(crate) fn neither_loaded_nor_saved(module: &ModuleName) -> Vec<u8> {
    join(&[b"Module ", module.as_bytes(), b" is not in kernel, and no settings of it are saved."])
}

pub(crate) fn no_baselines(modules: &[&ModuleName]) -> Vec<u8> {
    let names: Vec<&[u8]> = modules.iter().map(|module| module.as_bytes()).collect();
    join(&[
        b"settings are not saved of modules whose values right after the load are not known: ",
        &names.join(&b", "[..]),
        b"; they are noted if modprobe loads a module while a persist line names it",
    ])
}

pub(crate) fn cannot_list(directory: &Path, error: &io::Error) -> Vec<u8> {
    join(&[b"could not list ", bytes(directory), b": ", errno::reason(error).as_bytes()])
}

pub(crate) fn settings_unknown(notice: &Notice) -> Vec<u8> {
    let reason = notice.error().map(|error| format!(": {}", errno::reason(error))).unwrap_or_default();
    format!("saved settings: {notice}{reason}").into()
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}
