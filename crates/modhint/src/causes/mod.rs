//! Why something failed, found from local facts.
//!
//! One file per cause. Each is a pure function from facts to a hint or to nothing: an error number has many causes,
//! so the number alone never makes a hint. [`facts`](crate::facts) gathers what they look at.

pub mod blacklist;
pub mod builtin;
pub mod command;
mod damage;
pub mod directory;
pub mod interrupted;
pub mod kernel_blacklist;
mod machine;
mod missing_file;
pub mod parameter;
pub mod present;
pub mod privilege;
mod signature;
mod symbol;
pub mod unknown;
mod vermagic;

use moddb::ModuleDb;
use modstate::Places;

use crate::facts::{FileFacts, Refused, SystemFacts};

/// A reason why the kernel refuses a module file.
type Cause = fn(&FileFacts, &SystemFacts) -> Option<String>;

/// The causes in the order in which the kernel looks for them. The first one that holds has kept the kernel from
/// looking further.
const CAUSES: [Cause; 9] = [
    privilege::hint,
    damage::hint,
    signature::hint,
    kernel_blacklist::hint,
    machine::hint,
    vermagic::hint,
    symbol::hint,
    parameter::hint,
    damage::firmware,
];

/// The hint about a module file that could not be read or that the kernel refused.
#[must_use]
pub fn refused(refused: &Refused<'_>, places: &Places, db: &ModuleDb) -> Option<String> {
    if let Some(hint) = missing_file::hint(refused.path, refused.errno) {
        return Some(hint);
    }
    let system = SystemFacts::gather(places);
    let file = FileFacts::gather(refused, db, places, &system.release);
    CAUSES.iter().find_map(|cause| cause(&file, &system))
}
