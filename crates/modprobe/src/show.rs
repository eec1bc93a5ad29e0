//! The lines that say what is done, for `-v`, `-n` and `-D`.

use std::os::unix::ffi::OsStrExt;

use modfile::ModuleName;
use modload::plan::{Action, Step};

/// The line for a step of loading; a module that is only a name has no line.
// compat: a space follows the path or command even when no parameters do (case modprobe/install-shown).
#[must_use]
pub fn insertion(step: &Step) -> Option<Vec<u8>> {
    match &step.action {
        Action::File(path) => Some(words(&[b"insmod", path.as_os_str().as_bytes(), &step.params])),
        Action::Command { line, .. } => Some(words(&[b"install", line, &step.params])),
        Action::Builtin => Some(words(&[b"builtin", step.module.as_bytes()])),
        Action::NoFile => None,
    }
}

/// The line for an unloading.
#[must_use]
pub fn removal(module: &ModuleName) -> Vec<u8> {
    words(&[b"rmmod", module.as_bytes()])
}

/// The line for a remove command.
#[must_use]
pub fn remove_command(line: &[u8]) -> Vec<u8> {
    words(&[b"remove", line])
}

fn words(words: &[&[u8]]) -> Vec<u8> {
    words.join(&b' ')
}
