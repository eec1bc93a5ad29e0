//! What the kernel's command line forbids, and lines of files that are in vain because of it.

use moddb::ModuleDb;
use moddb::config::Origin;
use modfile::{ModuleName, parameters};

use super::known::Known;
use super::names::meant;
use super::{Finding, Level};
use crate::text;

/// The names in `module_blacklist=`, which the kernel compares byte by byte.
pub(super) fn check(db: &ModuleDb, known: &Known, kernel_command_line: &[u8]) -> Vec<Finding> {
    let list = parameters::of_kernel(kernel_command_line, b"module_blacklist").unwrap_or_default();
    let mut findings = Vec::new();
    for name in list.split(|&byte| byte == b',').filter(|name| !name.is_empty()) {
        let shown = text(name);
        let mut add =
            |level, what| findings.push(Finding::new(level, &Origin::KernelCommandLine, name, what));
        if name.contains(&b'-') {
            let right = shown.replace('-', "_");
            add(
                Level::Error,
                format!("module_blacklist={shown} forbids nothing, names are compared as written: {right}"),
            );
        } else if known.is_built_in(name) {
            add(Level::Warning, format!("module_blacklist={shown} has no effect: it is built in"));
        } else if known.is_empty() {
            continue;
        } else if !known.has(name) {
            let nearest = meant(known.nearest(name));
            add(
                Level::Note,
                format!("module_blacklist={shown}: there is no module of that name here{nearest}"),
            );
        } else {
            if let Some(other) = known.dependent(name) {
                let what =
                    format!("module_blacklist={shown} also keeps out what depends on it, such as {other}");
                add(Level::Note, what);
            }
            findings.extend(in_vain(db, name));
        }
    }
    findings
}

/// Lines of files about a module that the kernel never takes.
fn in_vain(db: &ModuleDb, forbidden: &[u8]) -> Vec<Finding> {
    let config = db.config();
    let module = ModuleName::new(forbidden);
    let why = format!("module_blacklist= on the kernel command line forbids {module}");
    let options = config.options.iter().filter(|line| ModuleName::new(&line.module) == module);
    let mut findings: Vec<Finding> = options
        .filter(|line| line.origin != Origin::KernelCommandLine)
        .map(|line| {
            let what = format!("{why}, so these options have no effect");
            Finding::new(Level::Warning, &line.origin, forbidden, what)
        })
        .collect();
    for softdep in &config.softdeps {
        let mut wished = softdep.pre.iter().chain(&softdep.post);
        if wished.any(|name| ModuleName::new(name) == module) {
            let what = format!("{why}, so {} does without it", text(&softdep.pattern));
            findings.push(Finding::new(Level::Warning, &softdep.origin, &softdep.pattern, what));
        }
    }
    findings
}
