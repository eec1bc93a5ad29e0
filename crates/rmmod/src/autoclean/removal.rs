//! Unloading one idle module, by the kernel or by its remove command.

use moddb::config::Config as ModprobeConfig;
use modfile::ModuleName;
use modkernel::{KernelOps, ModuleState, RemoveFlags};
use modload::command::Command;
use modload::{CommandEnvironment, Event, Observer};
use modstate::Unloading;
use rustix::io::Errno;

/// How a removal ended.
pub(super) enum Removal {
    Done,
    /// Somebody uses it, or it went by itself.
    NotNow,
    /// The observer knows why; the pass fails.
    Failed,
}

/// Unloads a module; `kernel` saves its settings before. Never forces, never waits.
pub(super) fn remove(
    module: &ModuleName,
    config: &ModprobeConfig,
    environment: &CommandEnvironment,
    observer: &dyn Observer,
    unloading: Unloading,
    kernel: &mut dyn KernelOps,
) -> Removal {
    if let Some(command) = config.remove_command(module.as_bytes()) {
        // It may load modules itself, which would wait for us.
        drop(unloading);
        if Command::remove(module, &command.line).run(kernel, environment, observer).is_err() {
            return Removal::Failed;
        }
        // The command decides; one that leaves the module where it is has its reasons.
        return match kernel.state(module) {
            Ok(ModuleState::Absent) => Removal::Done,
            _ => Removal::NotNow,
        };
    }
    match kernel.remove(module, RemoveFlags { force: false }) {
        Ok(()) => Removal::Done,
        Err(error) => match Errno::from_io_error(&error) {
            Some(Errno::AGAIN | Errno::BUSY | Errno::NOENT) => Removal::NotNow,
            _ => {
                observer.event(&Event::NotRemoved { module, error: &error });
                Removal::Failed
            }
        },
    }
}
