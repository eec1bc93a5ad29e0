//! Unloading one idle module, by the kernel or by its remove command.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use moddb::config::Config as ModprobeConfig;
use modfile::ModuleName;
use modkernel::{KernelOps, ModuleState, RemoveFlags};
use rustix::io::Errno;

use super::pass::Pass;
use super::records::Recorded;
use crate::request::Settings;
use crate::{messages, settings};

/// How a removal ended.
pub(super) enum Removal {
    Done,
    /// Somebody uses it, or it went by itself.
    NotNow,
    /// An error was reported; the pass fails.
    Failed,
}

/// Saves the settings of a module and unloads it. Never forces, never waits.
pub(super) fn remove(
    pass: &Pass<'_>,
    recorded: &Recorded,
    commands: &ModprobeConfig,
    kernel: &mut dyn KernelOps,
) -> Removal {
    let Recorded { module, record } = recorded;
    let reporter = &pass.session.reporter;
    if pass.request.settings == Settings::Save {
        settings::save(pass.places, pass.config, module, reporter);
    }
    if let Some(command) = commands.remove_command(module.as_bytes()) {
        if !run_command(pass, module, &command.line, kernel) {
            return Removal::Failed;
        }
        // The command decides; one that leaves the module where it is has its reasons.
        if !matches!(kernel.state(module), Ok(ModuleState::Absent)) {
            return Removal::NotNow;
        }
    } else if let Err(error) = kernel.remove(module, RemoveFlags { force: false }) {
        return match Errno::from_io_error(&error) {
            Some(Errno::AGAIN | Errno::BUSY | Errno::NOENT) => Removal::NotNow,
            _ => {
                reporter.error(messages::cannot_remove(module, &error));
                Removal::Failed
            }
        };
    }
    if pass.request.logged {
        reporter.insist(modcli::Severity::Info, messages::removed(module, &record.request));
    }
    Removal::Done
}

/// Runs a remove command as modprobe does; says whether it succeeded.
fn run_command(pass: &Pass<'_>, module: &ModuleName, line: &[u8], kernel: &mut dyn KernelOps) -> bool {
    let reporter = &pass.session.reporter;
    let line = without_options(line);
    let environment = [("MODPROBE_MODULE", OsStr::from_bytes(module.as_bytes()))];
    pass.session.output.flush();
    match kernel.run_shell(OsStr::from_bytes(&line), &environment) {
        Ok(status) if status.success() => true,
        Ok(status) => {
            reporter.error(messages::command_failed(module, status.code()));
            false
        }
        Err(error) => {
            reporter.error(messages::command_not_started(module, &error));
            false
        }
    }
}

/// A command may ask for the options of modprobe's command line; there are none.
fn without_options(line: &[u8]) -> Vec<u8> {
    const OPTIONS: &[u8] = b"$CMDLINE_OPTS";
    let mut left = line;
    let mut out = Vec::with_capacity(line.len());
    while let Some((&byte, rest)) = left.split_first() {
        match left.strip_prefix(OPTIONS) {
            Some(after) => left = after,
            None => {
                out.push(byte);
                left = rest;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_gets_no_options() {
        assert_eq!(without_options(b"a $CMDLINE_OPTS b$CMDLINE_OPTS $CMDLINE"), b"a  b $CMDLINE");
    }
}
