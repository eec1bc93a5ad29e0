//! Why something failed, found from local facts.
//!
//! One file per cause. Each is a pure function from facts to a hint or to nothing: an error number has many
//! causes, so the number alone never makes a hint. [`facts`] gathers what they look at, and only when hints are
//! wanted.

pub(crate) mod blacklist;
pub(crate) mod builtin;
pub(crate) mod command;
pub(crate) mod directory;
pub(crate) mod facts;
pub(crate) mod kernel_blacklist;
pub(crate) mod machine;
pub(crate) mod present;
pub(crate) mod signature;
pub(crate) mod symbol;
pub(crate) mod vermagic;

use facts::{FileFacts, SystemFacts};

/// A cause of the kernel's refusing a module file.
type Cause = fn(&FileFacts, &SystemFacts) -> Option<String>;

/// The causes in the order in which the kernel looks for them.
const CAUSES: [Cause; 5] =
    [kernel_blacklist::hint, signature::hint, machine::hint, vermagic::hint, symbol::hint];

/// The hints about a module file that the kernel refused.
pub(crate) fn refused_file(file: &FileFacts, system: &SystemFacts) -> Vec<String> {
    CAUSES.iter().filter_map(|cause| cause(file, system)).collect()
}
