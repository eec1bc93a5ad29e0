//! What several tools report of configuration, of the database's files and of settings: the sentences of the
//! libraries, with the system's reason from [`errno`] behind them and with their severity.
//!
//! What a tool says about its own work is in the tool.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use moddb::TableProblem;
use moddb::config::files::FileProblem;
use moddb::config::{ConfigProblem, depmod::DepmodProblem};
use moddb::index::IndexError;
use modfile::ModuleName;
use modstate::settings::Notice;

use crate::errno::{self, because};
use crate::severity::Severity;

/// Something in modprobe.d or on the kernel's command line.
#[must_use]
pub fn config(problem: &ConfigProblem) -> (Severity, Vec<u8>) {
    (problem.severity().into(), because(problem.sentence(), problem.reason()))
}

/// Something in depmod.d.
#[must_use]
pub fn depmod_config(problem: &DepmodProblem) -> (Severity, Vec<u8>) {
    (problem.severity().into(), because(problem.sentence(), problem.reason()))
}

/// A configuration file or directory of any tool.
#[must_use]
pub fn config_file(problem: &FileProblem) -> Vec<u8> {
    because(problem.sentence(), problem.reason())
}

/// A line of a file of modutils.d.
#[must_use]
pub fn modutils(file: &Path, problem: &modstate::config::Problem) -> Vec<u8> {
    [bytes(file), format!(" {problem}").as_bytes()].concat()
}

/// A file of the database that cannot be used.
#[must_use]
pub fn table(problem: &TableProblem) -> (Severity, Vec<u8>) {
    let text = match problem {
        TableProblem::Unusable { index, error, .. } => {
            [bytes(index), b": ", self::index(error).as_bytes()].concat()
        }
        TableProblem::TextInstead { index, error, text, .. } => {
            let (reason, after) = (self::index(error), b", run depmod to write it anew");
            [bytes(index), b": ", reason.as_bytes(), b"; using ", bytes(text), after].concat()
        }
    };
    (problem.severity().into(), text)
}

/// Why an index cannot be used.
#[must_use]
pub fn index(error: &IndexError) -> String {
    errno::chain(error)
}

/// What became of the settings of a module.
#[must_use]
pub fn setting(module: &ModuleName, notice: &Notice) -> Vec<u8> {
    notice.sentence(module, |error| errno::reason(error).into_owned()).into()
}

/// A record that modules are wanted cannot be written.
#[must_use]
pub fn not_remembered(modules: &[ModuleName], error: &io::Error) -> Vec<u8> {
    let names: Vec<_> = modules.iter().map(ModuleName::as_bytes).collect();
    let reason = errno::reason(error);
    [
        b"cannot remember that ",
        names.join(&b' ').as_slice(),
        b" is wanted, so rmmod -a may unload it: ",
        reason.as_bytes(),
        b"; name it in a keep line of modutils.d",
    ]
    .concat()
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}
