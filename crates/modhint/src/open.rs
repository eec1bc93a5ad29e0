//! Which processes have device nodes of a module open. What cannot be read is skipped: this is for people who ask why
//! a module stays, and an empty answer proves nothing.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use modfile::ModuleName;
use modstate::Places;

/// Whether a module has an alias.
pub type HasAlias<'a> = &'a dyn Fn(&str) -> bool;

/// A device node that a process has open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenNode {
    /// The process.
    pub process: u32,
    /// Its command's name.
    pub command: String,
    /// The node.
    pub node: String,
}

impl fmt::Display for OpenNode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} by {} ({})", self.node, self.command, self.process)
    }
}

/// The device nodes of the module that processes have open, by process. Those of other users' processes only
/// root can see.
#[must_use]
pub fn nodes(places: &Places, module: &ModuleName, has_alias: HasAlias<'_>) -> Vec<OpenNode> {
    let mut found = BTreeMap::new();
    for process in fs::read_dir(&places.proc).into_iter().flatten().flatten() {
        let name = process.file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        for descriptor in fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten() {
            let Ok(node) = fs::read_link(descriptor.path()) else { continue };
            if node.starts_with(&places.dev) && is_node_of(places, module, has_alias, &descriptor.path()) {
                let command = fs::read(process.path().join("comm")).unwrap_or_default();
                let command = String::from_utf8_lossy(command.trim_ascii()).into_owned();
                found.insert((id, node.display().to_string()), command);
            }
        }
    }
    let found = found.into_iter();
    found.map(|((process, node), command)| OpenNode { process, command, node }).collect()
}

/// Whether an open file is a device node of the module: by the driver of the device, or by an alias that names
/// its numbers.
fn is_node_of(places: &Places, module: &ModuleName, has_alias: HasAlias<'_>, open: &Path) -> bool {
    let Ok(metadata) = fs::metadata(open) else { return false };
    let kind = metadata.file_type();
    let kind = match (kind.is_char_device(), kind.is_block_device()) {
        (true, _) => "char",
        (_, true) => "block",
        _ => return false,
    };
    let (major, minor) = (rustix::fs::major(metadata.rdev()), rustix::fs::minor(metadata.rdev()));
    let device = places.sys.join("dev").join(kind).join(format!("{major}:{minor}"));
    is_driver(module, &device.join("device")) || has_alias(&format!("{kind}-major-{major}-{minor}"))
}

/// Whether a device is bound to a driver of the module.
fn is_driver(module: &ModuleName, device: &Path) -> bool {
    fs::read_link(device.join("driver/module")).is_ok_and(|target| {
        ModuleName::of_path(target.file_name().unwrap_or(OsStr::new("")).as_bytes()) == *module
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn places(root: &Path) -> Places {
        Places { sys: root.into(), proc: root.into(), ..Places::of_system() }
    }

    #[test]
    fn an_open_node_is_known_by_the_alias_that_names_its_numbers() {
        let places = places(Path::new("/nonexistent"));
        let is_of = |alias: &str, file: &str| {
            is_node_of(&places, &"m".into(), &|wanted: &str| wanted == alias, Path::new(file))
        };
        assert!(is_of("char-major-1-3", "/dev/null"));
        assert!(!is_of("char-major-1-4", "/dev/null"));
        assert!(!is_of("block-major-1-3", "/dev/null"));
        assert!(!is_of("char-major-1-3", "/proc/self/exe"));
    }

    #[test]
    fn a_process_with_an_open_node_is_found() {
        let root = tempfile::tempdir().unwrap();
        let fd = root.path().join("42/fd");
        fs::create_dir_all(&fd).unwrap();
        symlink("/dev/null", fd.join("7")).unwrap();
        symlink("/nonexistent", fd.join("8")).unwrap();
        fs::write(root.path().join("42/comm"), "reader\n").unwrap();
        let is_null = |alias: &str| alias == "char-major-1-3";
        let found = nodes(&places(root.path()), &"m".into(), &is_null);
        assert_eq!(found.iter().map(OpenNode::to_string).collect::<Vec<_>>(), ["/dev/null by reader (42)"]);
        assert_eq!(nodes(&places(root.path()), &"m".into(), &|_| false), []);
    }
}
