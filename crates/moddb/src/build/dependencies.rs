//! The lines of `modules.dep`: each module's path and the paths of all that it depends on.
//!
//! Their length grows with the square of the number of modules that need each other in a row, so they are made where
//! they are written, never kept, and measured first.

use modfile::list::append;

use crate::build::catalog::{Catalog, ModuleIndex};
use crate::build::graph::{Closures, DependencyGraph};
use crate::index::format::{LONGEST_VALUE, OFFSET_MASK};

/// The most dependencies that are looked at to measure all lines. Those of real kernels have some hundred thousand.
const MOST_STEPS: u64 = 1 << 28;

/// The lines have more bytes than an index can hold, or take too long to be found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the modules depend on each other in more ways than can be written down")]
pub(super) struct TooLong;

/// Makes lines.
pub(super) struct Lines<'a> {
    catalog: &'a Catalog<'a>,
    closures: Closures<'a>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(catalog: &'a Catalog<'a>, graph: &'a DependencyGraph) -> Self {
        Self { catalog, closures: Closures::new(graph) }
    }

    /// The length of each line without its newline.
    pub(super) fn measure(mut self) -> Result<Vec<usize>, TooLong> {
        let mut total = 0;
        let mut lens = Vec::with_capacity(self.catalog.modules().len());
        for (place, module) in self.catalog.modules().iter().enumerate() {
            let closure = self.closures.of(place).iter();
            let paths = closure.filter_map(|&dependency| self.catalog.module(dependency));
            let len = module.path.len() + 1 + paths.map(|module| module.path.len() + 1).sum::<usize>();
            total += len + 1;
            if len > LONGEST_VALUE || total > OFFSET_MASK as usize || self.closures.steps() > MOST_STEPS {
                return Err(TooLong);
            }
            lens.push(len);
        }
        Ok(lens)
    }

    /// Puts a module's line at the end of text.
    pub(super) fn append(&mut self, place: ModuleIndex, text: &mut Vec<u8>) {
        let Some(module) = self.catalog.module(place) else { return };
        append(text, &module.path);
        text.push(b':');
        let closure = self.closures.of(place).iter();
        for dependency in closure.filter_map(|&dependency| self.catalog.module(dependency)) {
            text.push(b' ');
            append(text, &dependency.path);
        }
    }
}
