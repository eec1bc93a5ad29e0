//! Every module of a kernel with what its file says, in the order of the database.

use modfile::{ModuleInfo, ModuleName};

use crate::build::order::Located;
use crate::build::refuse::{self, Reason};

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

/// More modules than the index format's users can number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} modules: at most {max} can be indexed", max = Catalog::MAX_MODULES)]
pub struct TooManyModules(pub usize);

impl<'a> Catalog<'a> {
    /// kmod numbers modules in 16 bits.
    pub const MAX_MODULES: usize = 65_534;

    /// Joins module files, in database order, with what was read from each. One whose path cannot be recorded is
    /// left out.
    ///
    /// # Errors
    /// [`TooManyModules`].
    pub fn new(modules: impl IntoIterator<Item = (Located, ModuleInfo<'a>)>) -> Result<Self, TooManyModules> {
        let mut catalog = Self::default();
        for (located, info) in modules {
            match refuse::path(&located.path).or_else(|| refuse::path(located.name.as_bytes())) {
                Some(reason) => catalog.refused.push((located, reason)),
                None => {
                    catalog.modules.push(Module { name: located.name, path: located.path, info });
                }
            }
        }
        if catalog.modules.len() > Self::MAX_MODULES {
            return Err(TooManyModules(catalog.modules.len()));
        }
        Ok(catalog)
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
