//! Unloading one idle module, by the kernel or by its remove command.

use moddb::config::Config as ModprobeConfig;
use modkernel::{KernelOps, ModuleState, RemoveFlags};
use modload::command::Command;
use rustix::io::Errno;

use super::pass::Pass;
use super::records::Recorded;
use crate::messages;

/// How a removal ended.
pub(super) enum Removal {
    Done,
    /// Somebody uses it, or it went by itself.
    NotNow,
    /// An error was reported; the pass fails.
    Failed,
}

/// Unloads a module; the kernel it is asked of keeps its settings. Never forces, never waits.
pub(super) fn remove(
    pass: &Pass<'_>,
    recorded: &Recorded,
    commands: &ModprobeConfig,
    kernel: &mut dyn KernelOps,
) -> Removal {
    let Recorded { module, record } = recorded;
    let reporter = &pass.session.reporter;
    if let Some(command) = commands.remove_command(module.as_bytes()) {
        // The observer reports the failure.
        if Command::remove(module, &command.line).run(kernel, pass.commands, pass.observer).is_err() {
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
