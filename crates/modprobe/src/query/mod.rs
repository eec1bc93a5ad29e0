//! What modprobe prints without touching the kernel.

mod config;
mod list;
mod symbols;

use std::cell::RefCell;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use modaudit::{check, explain};
use modcli::{Ended, Exit};
use moddb::paths::{Table, modprobe_d};
use modfile::{ModuleName, ReadError};
use modhint::facts::kernel_command_line;
use modkernel::KernelOps;
use modload::{Event, Observer};
use rustix::io::Errno;

use crate::context::Run;
use crate::find::{find, is_unknown, refuse_unknown};
use crate::observer::Teller;
use crate::request::{AfterFailure, Format, Symbols};
use crate::{hints, messages, report, show};

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

/// Prints what names mean and what would be done. The kernel is only looked at.
pub(crate) fn explain(
    run: &Run<'_>,
    names: &[OsString],
    format: Format,
    kernel: &dyn KernelOps,
) -> Result<Exit, Ended> {
    let around = explain::Around {
        db: &run.db,
        modutils: run.modutils.config(&Teller::of_query(run)),
        kernel,
        sysfs: &run.sysfs(),
        places: run.places,
        command_line: &kernel_command_line(run.places),
        shown: show::insertion,
    };
    let after_failure = if names.len() > 1 { AfterFailure::GoOn } else { AfterFailure::Stop };
    let (mut explained, mut unknown, mut exit) = (Vec::new(), Vec::new(), Exit::Success);
    for name in names {
        if is_unknown(run, name) {
            let of_lines = explain::of_nothing(&around, name.as_bytes());
            if !of_lines.as_ref().is_some_and(explain::Explained::is_answered) {
                unknown.push(name);
            }
            explained.extend(of_lines);
            continue;
        }
        match find(run, name, after_failure)? {
            Some(found) => explained.extend(explain::explain(&around, name.as_bytes(), &found)),
            None => exit = Exit::Failure,
        }
    }
    // Of one name that means nothing, and for which no line stands, there is only that to say.
    if names.len() > 1 || !explained.is_empty() {
        run.session.output.print(match format {
            Format::Text => explain::as_text(&explained),
            Format::Json => explain::as_json(&explained),
        })?;
    }
    for name in unknown {
        refuse_unknown(run, name, after_failure)?;
        exit = Exit::Failure;
    }
    Ok(exit)
}

/// Collects what is wrong with modutils.d.
#[derive(Default)]
struct Problems(RefCell<Vec<check::Finding>>);

impl Observer for Problems {
    fn event(&self, event: &Event<'_>) {
        if let Event::Modutils(problem) = event {
            self.0.borrow_mut().push(check::modutils_problem(problem));
        }
    }
}

/// Prints what in the configuration is wrong or has no effect; fails if there are errors.
pub(crate) fn check(run: &Run<'_>, names: &[OsString], format: Format) -> Result<Exit, Ended> {
    let directories = if run.config_places.is_empty() { modprobe_d() } else { run.config_places.clone() };
    let command_line = kernel_command_line(run.places);
    let modules: Vec<_> = names.iter().flat_map(|name| run.db.resolve(name.as_bytes())).collect();
    let problems = Problems::default();
    let config = run.modutils.config(&problems);
    let modutils = check::Modutils {
        config,
        problems: problems.0.take(),
        directories: &run.places.modutils_d,
        owner: run.places.owner,
        programs: modload::paths::COMMANDS,
    };
    let mut findings = check::check(&run.db, &run.problems, &directories, &command_line, &modutils);
    if !names.is_empty() {
        let written: Vec<_> = names.iter().map(|name| ModuleName::new(name.as_bytes())).collect();
        findings.retain(|finding| {
            let is_meant = |module: &ModuleName| {
                written.contains(module) || modules.iter().any(|entry| entry.name == *module)
            };
            finding.module.as_ref().is_none_or(is_meant)
        });
    }
    run.session.output.print(match format {
        Format::Text => check::as_text(&findings),
        Format::Json => check::as_json(&findings),
    })?;
    Ok(Exit::failed_if(findings.iter().any(|finding| finding.level == check::Level::Error)))
}

/// Prints symbols of the modules that a name means, or of the one in a file.
pub(crate) fn show_symbols(run: &Run<'_>, which: Symbols, module: &OsStr) -> Result<Exit, Ended> {
    let given = Path::new(module);
    let paths: Vec<PathBuf> = if given.exists() {
        vec![given.to_owned()]
    } else {
        run.db.resolve(module.as_bytes()).into_iter().filter_map(|entry| entry.path).collect()
    };
    if paths.is_empty() {
        report::refuse(run, AfterFailure::Stop, messages::not_found(module), || {
            hints::about_unknown(run, module)
        })?;
        return Ok(Exit::Failure);
    }
    let mut exit = Exit::Success;
    for path in &paths {
        if show_symbols_of(run, which, module, path)? == Exit::Failure {
            exit = Exit::Failure;
        }
    }
    Ok(exit)
}

fn show_symbols_of(run: &Run<'_>, which: Symbols, module: &OsStr, path: &Path) -> Result<Exit, Ended> {
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
