//! What the database knows: names of modules, which of them are built in, who depends on whom, and who has aliases.

use std::collections::{BTreeMap, BTreeSet};

use moddb::ModuleDb;
use moddb::paths::Table;
use modfile::name::normalize_alias;
use modfile::wildcard::{is_literal, matches};
use modfile::{ModuleName, regular};
use modhint::nearest::nearest;

/// A table in text form is not longer, in bytes.
const LONGEST_TABLE: usize = 64 << 20;

/// The modules of a database.
#[derive(Debug, Default)]
pub(super) struct Known {
    installed: BTreeSet<ModuleName>,
    built_in: BTreeSet<ModuleName>,
    /// For each module some others that depend on it.
    dependents: BTreeMap<ModuleName, Vec<ModuleName>>,
}

/// What a name in a line means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// An installed module, or several for a pattern.
    Module,
    /// What is part of the kernel.
    BuiltIn,
    /// An alias of these modules.
    Alias(Vec<ModuleName>),
    /// Nothing; perhaps this name was meant.
    Nothing(Option<String>),
}

impl Known {
    pub fn of(db: &ModuleDb) -> Self {
        let read = |table| regular::read(&db.directory().text(table), LONGEST_TABLE).unwrap_or_default();
        let mut known = Self::default();
        for line in read(Table::Dependencies).split(|&byte| byte == b'\n') {
            let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
            let (path, needed) = line.split_at(colon);
            let module = ModuleName::of_path(path);
            for path in needed.split(|byte| b": ".contains(byte)).filter(|path| !path.is_empty()) {
                known.dependents.entry(ModuleName::of_path(path)).or_default().push(module.clone());
            }
            known.installed.insert(module);
        }
        let built_in = read(Table::Builtin);
        let lines = built_in.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        known.built_in.extend(lines.map(ModuleName::of_path));
        known
    }

    pub fn is_empty(&self) -> bool {
        self.installed.is_empty() && self.built_in.is_empty()
    }

    /// Whether there is a module of exactly this name.
    pub fn has(&self, name: &[u8]) -> bool {
        let name = ModuleName::new(name);
        self.installed.contains(&name) || self.built_in.contains(&name)
    }

    pub fn is_built_in(&self, name: &[u8]) -> bool {
        self.built_in.contains(&ModuleName::new(name))
    }

    /// One module that depends on this one.
    pub fn dependent(&self, name: &[u8]) -> Option<&ModuleName> {
        self.dependents.get(&ModuleName::new(name))?.first()
    }

    /// What a name or pattern of a line means.
    pub fn meaning(&self, db: &ModuleDb, name: &[u8]) -> Meaning {
        if !is_literal(name) {
            let is_any = |modules: &BTreeSet<ModuleName>| {
                modules.iter().any(|module| matches(name, module.as_bytes()))
            };
            return match (is_any(&self.installed), is_any(&self.built_in)) {
                (true, _) => Meaning::Module,
                (false, true) => Meaning::BuiltIn,
                (false, false) => Meaning::Nothing(None),
            };
        }
        if self.installed.contains(&ModuleName::new(name)) {
            return Meaning::Module;
        }
        if self.is_built_in(name) {
            return Meaning::BuiltIn;
        }
        // A name that only an install line knows is not a module yet.
        let of_alias = db.resolve(name).into_iter().filter(|entry| entry.alias.is_some());
        let modules: Vec<_> =
            of_alias.map(|entry| entry.name).filter(|module| self.has(module.as_bytes())).collect();
        if !modules.is_empty() {
            return Meaning::Alias(modules);
        }
        Meaning::Nothing(self.nearest(name))
    }

    /// The module that somebody who wrote this name may have meant.
    pub fn nearest(&self, name: &[u8]) -> Option<String> {
        let names = self.installed.iter().chain(&self.built_in).map(ModuleName::as_bytes);
        nearest(name, names).map(crate::text)
    }

    /// The first installed module whose name matches a pattern and that `is_meant`.
    pub fn first_matching(
        &self,
        pattern: &[u8],
        is_meant: impl Fn(&ModuleName) -> bool,
    ) -> Option<&ModuleName> {
        self.installed.iter().find(|module| matches(pattern, module.as_bytes()) && is_meant(module))
    }

    /// The first module whose name matches a pattern among those that are built in.
    pub fn first_built_in(&self, pattern: &[u8]) -> Option<&ModuleName> {
        self.built_in.iter().find(|module| matches(pattern, module.as_bytes()))
    }

    /// The aliases that installed modules and lines of the configuration bring, in the form in which they are compared.
    pub fn aliases(&self, db: &ModuleDb) -> Vec<Vec<u8>> {
        let of_lines = db.config().aliases.iter().map(|alias| alias.pattern.clone());
        self.module_aliases(db).into_iter().map(|(alias, _)| alias).chain(of_lines).collect()
    }

    /// The modules to which an alias leads.
    pub fn aliased(&self, db: &ModuleDb) -> BTreeSet<ModuleName> {
        let of_lines = db.config().aliases.iter().map(|alias| ModuleName::new(&alias.module));
        self.module_aliases(db).into_iter().map(|(_, module)| module).chain(of_lines).collect()
    }

    /// The lines `alias ALIAS MODULE` of the database.
    pub fn module_aliases(&self, db: &ModuleDb) -> Vec<(Vec<u8>, ModuleName)> {
        let text = regular::read(&db.directory().text(Table::Aliases), LONGEST_TABLE).unwrap_or_default();
        let lines = text.split(|&byte| byte == b'\n').filter_map(|line| line.strip_prefix(b"alias "));
        lines
            .filter_map(|line| {
                let space = line.iter().rposition(|&byte| byte == b' ')?;
                let (alias, module) = line.split_at(space);
                let alias = normalize_alias(alias).ok()?.into_owned();
                Some((alias, ModuleName::new(module.trim_ascii_start())))
            })
            .collect()
    }
}
