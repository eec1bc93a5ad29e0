//! Parameters that modules do not have, or do not take so.

use std::collections::BTreeMap;

use moddb::ModuleDb;
use moddb::config::{OptionsRule, Origin};
use modfile::{ModuleName, parameters};
use modhint::causes::parameter;
use modhint::declared::Declared;

use super::known::{Known, Meaning};
use super::names::meant;
use super::{Finding, Level};
use crate::text;

pub(super) fn check(db: &ModuleDb, known: &Known) -> Vec<Finding> {
    let mut declared = BTreeMap::new();
    let mut findings = Vec::new();
    for line in &db.config().options {
        let name = text(&line.module);
        let modules = match known.meaning(db, &line.module) {
            // The kernel reads its own command line by itself.
            Meaning::BuiltIn if line.origin == Origin::KernelCommandLine => continue,
            Meaning::BuiltIn => {
                findings.extend(built_in(line));
                continue;
            }
            // On the kernel's command line `NAME.X=` may well be for the kernel itself.
            Meaning::Nothing(_) if line.origin == Origin::KernelCommandLine => continue,
            Meaning::Nothing(nearest) => {
                let what = if modfile::wildcard::is_literal(&line.module) {
                    format!("there is no module or alias {name} here{}", meant(nearest))
                } else {
                    format!("options knows no patterns, so {name} means nothing")
                };
                findings.push(Finding::new(Level::Warning, &line.origin, &line.module, what));
                continue;
            }
            Meaning::Alias(modules) => modules,
            Meaning::Module if !modfile::wildcard::is_literal(&line.module) => {
                let what = format!("options knows no patterns, so {name} means nothing");
                findings.push(Finding::new(Level::Error, &line.origin, &line.module, what));
                continue;
            }
            Meaning::Module => vec![ModuleName::new(&line.module)],
        };
        for module in modules {
            let read = || db.installed(&module).and_then(|line| Declared::of_file(&line.path).ok());
            let declared = declared.entry(module.clone()).or_insert_with(read);
            if let Some(declared) = declared {
                findings.extend(of_module(db, line, &module, declared));
            }
        }
    }
    findings
}

fn built_in(line: &OptionsRule) -> Vec<Finding> {
    let module = ModuleName::new(&line.module);
    let (items, comment): (Vec<_>, Vec<_>) = {
        let mut in_comment = false;
        parameters::given(&line.text).partition(|given| {
            in_comment |= given.name.starts_with(b"#");
            !in_comment
        })
    };
    let items: Vec<_> =
        items.iter().map(|given| text(&given.for_kernel_command_line(module.as_bytes()))).collect();
    let what = format!(
        "options for {module} are without effect: it is built in; kernel command line: {}",
        items.join(" ")
    );
    let mut findings = vec![Finding::new(Level::Warning, &line.origin, &line.module, what)];
    findings.extend(comment.first().map(|word| {
        let what = parameter::comment(&module, word.name);
        Finding::new(Level::Error, &line.origin, &line.module, what)
    }));
    findings
}

fn of_module(db: &ModuleDb, line: &OptionsRule, module: &ModuleName, declared: &Declared) -> Vec<Finding> {
    let is_module = |name: &[u8]| db.resolve(name).iter().any(|entry| entry.path.is_some());
    let unknown = parameter::unknown(module, &line.text, declared, &is_module).into_iter();
    let misfits = parameters::given(&line.text).filter_map(|given| {
        let reason = parameter::misfit(&given, declared)?;
        Some(format!("{module} does not take {}: {reason}", text(given.text)))
    });
    let found = unknown.chain(misfits);
    found.map(|what| Finding::new(Level::Error, &line.origin, module.as_bytes(), what)).collect()
}
