//! What modprobe prints without touching the kernel.

mod config;
mod explain;
mod list;
mod symbols;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::Context;
use modcli::{Ended, Exit};
use moddb::paths::Table;
use modfile::ReadError;
use modhint::facts::kernel_command_line;
use modkernel::KernelOps;
use rustix::io::Errno;

use crate::context::Run;
use crate::find::find;
use crate::observer::Teller;
use crate::request::{AfterFailure, Format, Symbols};
use crate::{messages, report};

/// Prints the configuration and all aliases.
pub(crate) fn show_config(run: &Run<'_>) -> Result<Exit, Ended> {
    run.session.output.print(config::text(&run.db))?;
    Ok(Exit::Success)
}

/// Prints the modules that names mean.
pub(crate) fn show_names(
    run: &Run<'_>,
    names: &[OsString],
    after_failure: AfterFailure,
) -> Result<Exit, Ended> {
    let mut exit = Exit::Success;
    for name in names {
        let Some(found) = find(run, name, after_failure)? else {
            exit = Exit::Failure;
            continue;
        };
        for entry in &found {
            run.session.output.print_line(entry.name.as_bytes())?;
        }
    }
    Ok(exit)
}

/// Prints the files of modules.
pub(crate) fn list(run: &Run<'_>, pattern: Option<&OsStr>, below: Option<&OsStr>) -> anyhow::Result<Exit> {
    let path = run.db.directory().text(Table::Dependencies);
    let text = std::fs::read(&path).with_context(|| format!("could not read {}", path.display()))?;
    for file in list::files(&text, pattern, below) {
        run.session.output.print_line(file)?;
    }
    Ok(Exit::Success)
}

/// Prints what a name means and what would be done. The kernel is only looked at.
pub(crate) fn explain(
    run: &Run<'_>,
    name: &OsStr,
    format: Format,
    kernel: &dyn KernelOps,
) -> Result<Exit, Ended> {
    let command_line = kernel_command_line(run.places);
    let rules = run.modutils.config(&Teller::of_query(run)).rules();
    let explained = explain::explain(&run.db, name.as_bytes(), kernel, &command_line, rules);
    if explained.is_empty() && find(run, name, AfterFailure::Stop)?.is_none() {
        return Ok(Exit::Failure);
    }
    run.session.output.print(match format {
        Format::Text => explain::as_text(&explained),
        Format::Json => explain::as_json(&explained),
    })?;
    Ok(Exit::Success)
}

/// Prints symbols of a module.
pub(crate) fn show_symbols(run: &Run<'_>, which: Symbols, module: &OsStr) -> Result<Exit, Ended> {
    let given = Path::new(module);
    let found = run.db.resolve(module.as_bytes());
    let path =
        if given.exists() { Some(given) } else { found.first().and_then(|entry| entry.path.as_deref()) };
    let Some(path) = path else {
        report::refuse(run, AfterFailure::Stop, messages::not_found(module))?;
        return Ok(Exit::Failure);
    };
    let word = match which {
        Symbols::Needed => "modversions",
        Symbols::Exported => "symbols",
    };
    let errno = match symbols::lines(path, which) {
        Ok(Some(lines)) => {
            run.session.output.print(lines)?;
            return Ok(Exit::Success);
        }
        Ok(None) => Errno::NODATA.raw_os_error(),
        Err(error) => ReadError::errno(&error),
    };
    run.session.reporter.fatal(messages::no_symbols(word, module, errno))?;
    Ok(Exit::Failure)
}
