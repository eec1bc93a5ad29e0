//! What several tools report of configuration, of the database's files and of settings: the sentences of the
//! libraries, with the system's reason from [`errno`] behind them and with their severity.
//!
//! What a tool says about its own work is in the tool.

use std::error::Error;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use moddb::TableProblem;
use moddb::config::files::FileProblem;
use moddb::config::{ConfigProblem, depmod::DepmodProblem};
use moddb::index::IndexError;
use modfile::ModuleName;
use modfile::regular::RegularError;
use modstate::modules_conf::OldLine;
use modstate::scripts::Script;
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

/// Commands in a file of modutils.d, or in `/etc/modules.conf`, that do not count.
#[must_use]
pub fn distrusted(file: &Path, path: &Path, reason: &RegularError) -> Vec<u8> {
    let reason = errno::chain(reason);
    let why = [bytes(path), b": ", reason.as_bytes()].concat();
    [b"commands in ", bytes(file), b" do not count: ", &why].concat()
}

/// `/etc/modules.conf` cannot be read.
#[must_use]
pub fn old_file(file: &Path, error: &RegularError) -> Vec<u8> {
    [b"could not read ", bytes(file), b": ", errno::chain(error).as_bytes()].concat()
}

/// Something in `/etc/modules.conf`.
#[must_use]
pub fn old_line(file: &Path, line: &OldLine) -> Vec<u8> {
    [bytes(file), format!(" {line}").as_bytes()].concat()
}

/// A command of modutils.d for a module, or for a requested name, that failed.
#[must_use]
pub fn script_failed(script: &Script, about: &[u8], error: &(dyn Error + 'static)) -> Vec<u8> {
    let (line, word) = (script.line.to_string(), script.moment.word());
    let what = [line.as_bytes(), b": ", word.as_bytes(), b" command '", &script.command].concat();
    [what.as_slice(), b"' for ", about, b" failed: ", errno::chain(error).as_bytes()].concat()
}

/// Commands of modutils.d for a module, or for a requested name, that are not run.
#[must_use]
pub fn scripts_not_run(about: &[u8], reason: &(dyn Error + 'static)) -> Vec<u8> {
    [b"could not run the commands of modutils.d for ", about, b": ", errno::chain(reason).as_bytes()].concat()
}

/// A line that shows a command of modutils.d.
#[must_use]
pub fn script(script: &Script) -> Vec<u8> {
    [script.moment.word().as_bytes(), b" ", &script.command].concat()
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
