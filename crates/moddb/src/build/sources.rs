//! What the files of the database are made from.

use std::sync::{Arc, OnceLock};

use crate::build::bytes::DependencyIndex;
use crate::build::catalog::Catalog;
use crate::build::dependencies::{Lines, TooLong};
use crate::build::graph::DependencyGraph;
use crate::build::symbols::SymbolOwners;

/// What the database is made from.
#[derive(Debug)]
pub struct Sources<'a> {
    /// The modules.
    pub catalog: &'a Catalog<'a>,
    /// Who provides which symbol.
    pub symbols: &'a SymbolOwners<'a>,
    graph: &'a DependencyGraph,
    dependency_lens: OnceLock<Result<Vec<usize>, TooLong>>,
    dependency_index: OnceLock<Arc<DependencyIndex>>,
    /// Contents of `modules.builtin`, if there is one.
    pub builtin: Option<&'a [u8]>,
    /// Contents of `modules.builtin.modinfo`, if there is one.
    pub builtin_modinfo: Option<&'a [u8]>,
    /// Whether an alias that stands twice in a module is noted.
    pub note_duplicates: bool,
}

impl<'a> Sources<'a> {
    /// What is made of modules, without anything built in.
    #[must_use]
    pub fn new(catalog: &'a Catalog<'a>, symbols: &'a SymbolOwners<'a>, graph: &'a DependencyGraph) -> Self {
        Self {
            catalog,
            symbols,
            graph,
            dependency_lens: OnceLock::new(),
            dependency_index: OnceLock::new(),
            builtin: None,
            builtin_modinfo: None,
            note_duplicates: false,
        }
    }

    /// Makes lines of `modules.dep`.
    pub(super) fn dependency_lines(&self) -> Lines<'_> {
        Lines::new(self.catalog, self.graph)
    }

    /// The length of each line of `modules.dep`, without its newline.
    pub(super) fn dependency_lens(&self) -> Result<&[usize], TooLong> {
        let measured = self.dependency_lens.get_or_init(|| self.dependency_lines().measure());
        measured.as_deref().map_err(|&error| error)
    }
    /// `modules.dep.bin`, which `make` makes when it is first asked for.
    pub(super) fn dependency_index(
        &self,
        make: impl FnOnce(&Self) -> DependencyIndex,
    ) -> &Arc<DependencyIndex> {
        self.dependency_index.get_or_init(|| Arc::new(make(self)))
    }
}
