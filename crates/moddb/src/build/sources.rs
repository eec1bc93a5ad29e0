//! What the files of the database are made from.

use std::sync::OnceLock;

use modfile::Strings;
use modfile::list::append;

use crate::build::catalog::Catalog;
use crate::build::graph::DependencyGraph;
use crate::build::symbols::SymbolTable;

/// What the database is made from.
#[derive(Debug)]
pub struct Sources<'a> {
    /// The modules.
    pub catalog: &'a Catalog<'a>,
    /// Who provides which symbol.
    pub symbols: &'a SymbolTable<'a>,
    graph: &'a DependencyGraph,
    dependencies: OnceLock<Strings>,
    /// Contents of `modules.builtin`, if there is one.
    pub builtin: Option<&'a [u8]>,
    /// Contents of `modules.builtin.modinfo`, if there is one.
    pub builtin_modinfo: Option<&'a [u8]>,
    /// Whether aliases that a module gives twice are noted.
    pub note_duplicates: bool,
}

impl<'a> Sources<'a> {
    /// What is made of modules, without anything built in.
    #[must_use]
    pub fn new(catalog: &'a Catalog<'a>, symbols: &'a SymbolTable<'a>, graph: &'a DependencyGraph) -> Self {
        Self {
            catalog,
            symbols,
            graph,
            dependencies: OnceLock::new(),
            builtin: None,
            builtin_modinfo: None,
            note_duplicates: false,
        }
    }

    /// Lines of `modules.dep` without newline, one for each module.
    pub(super) fn dependencies(&self) -> &Strings {
        self.dependencies.get_or_init(|| {
            let mut dependencies = Strings::default();
            for (module, closure) in self.catalog.modules().iter().zip(self.graph.closures()) {
                dependencies.push_with(|line| {
                    append(line, &module.path);
                    line.push(b':');
                    for dependency in closure.iter().filter_map(|&index| self.catalog.module(index)) {
                        line.push(b' ');
                        append(line, &dependency.path);
                    }
                });
            }
            dependencies
        })
    }
}
