//! Runs the tools on a real kernel: Debian's stock one, in QEMU without KVM.
//!
//! For each group of scenarios: [`modules`] finds the module files that it needs, [`database`] has depmod make
//! the indexes of the whole tree, [`form`] packs or signs modules, [`image`] puts all with the [`subject`]'s tools and the guest's init into an
//! initramfs ([`cpio`]), [`machine`] boots the [`kernel`] and listens, [`verdict`] turns what was heard into
//! results. What the scenarios do is the business of the guest's crate.
//!
//! Nothing here needs root, a network or hardware virtualisation.

pub mod cli;
pub mod console;
pub mod cpio;
pub mod database;
pub mod form;
pub mod guest;
pub mod image;
pub mod kernel;
pub mod machine;
pub mod modules;
pub mod run;
pub mod subject;
pub mod verdict;

use std::process::ExitCode;

/// Runs what the command line asks for; the status is 1 if a scenario failed and 2 if none could be run.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    if let Some(status) = machine::become_qemu(&arguments) {
        return status;
    }
    match run::run(&cli::parse(arguments)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            run::complain(&error);
            ExitCode::from(2)
        }
    }
}
