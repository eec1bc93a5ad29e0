//! A module directory with its text tables, from a few lines.

#![allow(clippy::unwrap_used, clippy::expect_used, dead_code, missing_docs)]

use std::fs;
use std::path::Path;

use moddb::config::Config;
use moddb::paths::ModuleDir;
use moddb::{ModuleDb, ModuleEntry};
use modload::plan::{Action, LoadPlan, Target};
use modstate::config;
use modstate::rules::Rules;

pub struct World {
    root: tempfile::TempDir,
    pub db: ModuleDb,
    pub rules: Rules,
}

/// `dep` has one line `NAME: DEPENDENCY...` for each module, dependencies as in `modules.dep`: the complete
/// closure, each before what it needs itself. Files are `NAME.ko`.
pub fn world(dep: &[&str], aliases: &str, builtin: &[&str], config: &str) -> World {
    let root = tempfile::tempdir().unwrap();
    let mut text = String::new();
    for line in dep {
        let (name, needs) = line.split_once(':').unwrap();
        fs::write(root.path().join(format!("{name}.ko")), "not looked at").unwrap();
        let needs: String = needs.split_whitespace().map(|need| format!(" {need}.ko")).collect();
        text.push_str(&format!("{name}.ko:{needs}\n"));
    }
    fs::write(root.path().join("modules.dep"), text).unwrap();
    fs::write(root.path().join("modules.alias"), aliases).unwrap();
    fs::write(root.path().join("modules.symbols"), "").unwrap();
    let builtin: String = builtin.iter().map(|name| format!("kernel/{name}.ko\n")).collect();
    fs::write(root.path().join("modules.builtin"), builtin).unwrap();
    let mut parsed = Config::default();
    assert_eq!(parsed.parse(Path::new("test.conf"), config.as_bytes()), []);
    let db = ModuleDb::new(ModuleDir::at(root.path().into()), parsed);
    World { root, db, rules: Rules::default() }
}

impl World {
    pub fn path(&self, file: &str) -> String {
        self.root.path().join(file).to_str().unwrap().to_owned()
    }

    pub fn entry(&self, name: &str) -> ModuleEntry {
        self.db.resolve(name.as_bytes()).into_iter().next().expect(name)
    }

    /// With these lines of modutils.d.
    pub fn with_rules(mut self, lines: &str) -> Self {
        let mut config = config::ModutilsConfig::default();
        assert_eq!(config.add(Path::new("rules.conf"), lines.as_bytes()), []);
        self.rules = config.rules().clone();
        self
    }

    pub fn plan(&self, name: &str, params: &str) -> LoadPlan {
        self.plan_with(name, params, false)
    }

    pub fn plan_with(&self, name: &str, params: &str, ignore_commands: bool) -> LoadPlan {
        let entry = self.entry(name);
        modload::plan::load(
            &self.db,
            &Target { entry: &entry, params: params.as_bytes(), ignore_commands, rules: &self.rules },
        )
    }
}

/// The steps of a plan in short: names, with what is not a file in brackets.
pub fn steps(plan: &LoadPlan) -> Vec<String> {
    plan.steps
        .iter()
        .map(|step| match &step.action {
            Action::File(_) => step.module.to_text().into_owned(),
            Action::Command { line, .. } => {
                format!("{} [{}]", step.module, String::from_utf8_lossy(line))
            }
            Action::Builtin => format!("{} [builtin]", step.module),
            Action::NoFile => format!("{} [nothing]", step.module),
        })
        .collect()
}
