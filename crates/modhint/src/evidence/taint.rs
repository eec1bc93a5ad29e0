//! Modules from outside the kernel's tree. Some of them give out device nodes without counting who has them open,
//! and unloading one then leaves a process that never ends.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::sources::read_if_there;
use super::{Sign, Sources, Subject};

/// Whether the kernel marks the module as one from outside.
pub(super) fn out_of_tree(sources: &Sources, subject: &Subject) -> Result<Vec<Sign>, Sign> {
    let name = OsStr::from_bytes(subject.name.as_bytes());
    let taint = read_if_there(&sources.sys.join("module").join(name).join("taint"))?.unwrap_or_default();
    Ok(if taint.contains(&b'O') { vec![Sign::OutOfTree] } else { Vec::new() })
}
