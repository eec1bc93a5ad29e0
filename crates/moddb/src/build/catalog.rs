//! Every module of a kernel with what its file says, in the order of the database.

use modfile::{ModuleInfo, ModuleName};

use crate::build::order::Located;
use crate::build::refuse::{self, Reason};

/// A module's place in the catalog.
pub type ModuleIndex = usize;

/// A module in the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module<'a> {
    /// Its name.
    pub name: ModuleName,
    /// Its file's path as the database records it.
    pub path: Vec<u8>,
    /// What the file says; empty for a file that could not be read.
    pub info: ModuleInfo<'a>,
}

/// The modules of a kernel. A module's place in the list is its index and its priority.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog<'a> {
    modules: Vec<Module<'a>>,
    refused: Vec<(Located, Reason)>,
}

/// There is more than a database can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooMuch {
    /// More modules than the index format's users can number.
    #[error("{0} modules: at most {max} can be indexed", max = Catalog::MAX_MODULES)]
    Modules(usize),
    /// The modules say more than [`Catalog::MAX_BYTES`], or more than [`Catalog::MAX_ENTRIES`] aliases and symbols.
    #[error(
        "the modules say more than a database can hold, which is {} MiB and {} aliases and symbols",
        Catalog::MAX_BYTES >> 20,
        Catalog::MAX_ENTRIES
    )]
    Said,
}

impl<'a> Catalog<'a> {
    /// kmod numbers modules in 16 bits.
    pub const MAX_MODULES: usize = 65_534;

    /// The most that all modules of a database may say together, in bytes: the symbols that they provide and need,
    /// aliases and soft dependencies. A distribution's kernel has some ten million, in four thousand modules.
    pub const MAX_BYTES: usize = 128 << 20;

    /// The most aliases and provided symbols. A distribution's kernel has some sixty thousand.
    pub const MAX_ENTRIES: usize = 1 << 20;

    /// Joins module files, in database order, with what was read from each. One whose path cannot be recorded is
    /// left out.
    ///
    /// # Errors
    /// [`TooMuch`].
    pub fn new(modules: impl IntoIterator<Item = (Located, ModuleInfo<'a>)>) -> Result<Self, TooMuch> {
        let modules = modules.into_iter();
        let mut catalog = Self::default();
        catalog.modules.reserve(modules.size_hint().1.unwrap_or_default().min(Self::MAX_MODULES));
        for (located, info) in modules {
            match refuse::path(&located.path).or_else(|| refuse::path(located.name.as_bytes())) {
                Some(reason) => catalog.refused.push((located, reason)),
                None => {
                    catalog.modules.push(Module { name: located.name, path: located.path, info });
                }
            }
        }
        if catalog.modules.len() > Self::MAX_MODULES {
            return Err(TooMuch::Modules(catalog.modules.len()));
        }
        let infos = || catalog.modules.iter().map(|module| &module.info);
        let bytes: usize = infos().map(|info| info.as_bytes().len()).sum();
        let entries: usize = infos().map(|info| info.alias_count() + info.export_count()).sum();
        if bytes > Self::MAX_BYTES || entries > Self::MAX_ENTRIES {
            return Err(TooMuch::Said);
        }
        Ok(catalog)
    }

    /// The same without the modules at some places, which are in ascending order.
    #[must_use]
    pub fn without(mut self, places: &[usize]) -> Self {
        let mut place = 0;
        self.modules.retain(|_| {
            place += 1;
            places.binary_search(&(place - 1)).is_err()
        });
        self
    }

    /// The modules that were left out, and why.
    #[must_use]
    pub fn refused(&self) -> &[(Located, Reason)] {
        &self.refused
    }

    /// The modules in database order.
    #[must_use]
    pub fn modules(&self) -> &[Module<'a>] {
        &self.modules
    }

    /// The module at a place.
    #[must_use]
    pub fn module(&self, index: usize) -> Option<&Module<'a>> {
        self.modules.get(index)
    }
}
