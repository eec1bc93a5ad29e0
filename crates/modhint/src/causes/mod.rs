//! Why something failed, found from local facts.
//!
//! One file per cause. Each is a pure function from facts to a hint or to nothing: an error number has many causes,
//! so the number alone never makes a hint. [`facts`](crate::facts) gathers what they look at.

pub mod blacklist;
pub mod builtin;
pub mod command;
pub mod directory;
pub mod interrupted;
pub mod kernel_blacklist;
mod machine;
mod missing_file;
pub mod present;
mod signature;
mod symbol;
mod vermagic;

use std::path::Path;

use moddb::ModuleDb;
use modfile::ModuleName;
use modstate::Places;

use crate::facts::{FileFacts, SystemFacts};

/// A cause of the kernel's refusing a module file.
type Cause = fn(&FileFacts, &SystemFacts) -> Option<String>;

/// The causes in the order in which the kernel looks for them.
const CAUSES: [Cause; 5] =
    [kernel_blacklist::hint, signature::hint, machine::hint, vermagic::hint, symbol::hint];

/// The hints about a module file that could not be read or that the kernel refused with this error number.
#[must_use]
pub fn refused(errno: i32, module: &ModuleName, path: &Path, places: &Places, db: &ModuleDb) -> Vec<String> {
    if let Some(hint) = missing_file::hint(path, errno) {
        return vec![hint];
    }
    let file = FileFacts::gather(errno, module, path, db, places);
    let system = SystemFacts::gather(places);
    CAUSES.iter().filter_map(|cause| cause(&file, &system)).collect()
}
