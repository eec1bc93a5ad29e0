//! Files that the kernel's build left beside the modules.

use std::path::Path;
use std::sync::Arc;

use crate::tree::{Absolute, OpenError, Tree};
use crate::walk::Faults;

/// The longest file of the kernel's build that is read, in bytes. Those of real kernels have some hundred thousand.
pub(crate) const LONGEST_INPUT: usize = 64 << 20;

/// The contents of a file that the kernel's build left beside the modules.
pub(crate) fn read_input(input: &Arc<Tree>, name: &str, faults: &mut Faults) -> Result<Vec<u8>, OpenError> {
    input.read(Path::new(name), Absolute::System, LONGEST_INPUT).inspect_err(|error| match error {
        OpenError::Leaves { .. } => faults.refused = true,
        error => faults.unlisted |= !error.is_nothing(),
    })
}
