//! What lies below a directory, and what a run changed there.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

/// Something in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A regular file: permission bits and content.
    File(u32, Vec<u8>),
    /// A symbolic link and its target.
    Link(Vec<u8>),
    /// A directory: permission bits.
    Directory(u32),
    /// Anything else.
    Special,
}

/// Nodes by path relative to the directory.
pub type Snapshot = BTreeMap<Vec<u8>, Node>;

/// Paths whose node is new or other than before; `None` where it is gone.
pub type Changes = BTreeMap<Vec<u8>, Option<Node>>;

/// Everything below `directory`; links are not followed.
pub fn take(directory: &Path) -> io::Result<Snapshot> {
    let mut nodes = Snapshot::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(current) = waiting.pop() {
        for entry in fs::read_dir(&current)? {
            let entry = entry?;
            let path = entry.path();
            let kind = entry.file_type()?;
            let mode = || Ok::<_, io::Error>(entry.metadata()?.permissions().mode() & 0o7777);
            let node = if kind.is_dir() {
                waiting.push(path.clone());
                Node::Directory(mode()?)
            } else if kind.is_symlink() {
                Node::Link(fs::read_link(&path)?.as_os_str().as_bytes().to_vec())
            } else if kind.is_file() {
                Node::File(mode()?, fs::read(&path)?)
            } else {
                debug_assert!(
                    kind.is_fifo() || kind.is_char_device() || kind.is_block_device() || kind.is_socket()
                );
                Node::Special
            };
            let relative = path.strip_prefix(directory).unwrap_or(&path);
            nodes.insert(relative.as_os_str().as_bytes().to_vec(), node);
        }
    }
    Ok(nodes)
}

/// What became of `before`.
pub fn changes(before: &Snapshot, after: Snapshot) -> Changes {
    let gone = before.keys().filter(|path| !after.contains_key(*path));
    let mut changes: Changes = gone.map(|path| (path.clone(), None)).collect();
    for (path, node) in after {
        if before.get(&path) != Some(&node) {
            changes.insert(path, Some(node));
        }
    }
    changes
}
