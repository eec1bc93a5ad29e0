//! By whom a module is used, as far as can be found: what is mounted, which devices and interfaces it drives,
//! which processes have its device nodes open. Only looked for when somebody reads it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use modfile::ModuleName;

use crate::autoclean::aliases;
use crate::autoclean::evidence::{self, Sign, Sources, Subject};
use crate::places::Places;

/// More processes than this are counted, not named.
const NAMED: usize = 5;

/// What uses a module, a line each.
pub(crate) fn hints(places: &Places, module: &ModuleName) -> Vec<String> {
    let aliases = aliases::of_module(places, module).unwrap_or_default();
    let subject = Subject { name: module.clone(), aliases };
    let sources = Sources::new(&places.sys, &places.proc);
    let mounts = evidence::all_mounts(&sources, &subject);
    let mut hints = Vec::new();
    if !mounts.is_empty() {
        hints.push(format!("mounted: {}", mounts.join(", ")));
    }
    for sign in evidence::all(&sources, &subject) {
        match sign {
            Sign::Mounted { .. } | Sign::OutOfTree | Sign::Unreadable(_) => {}
            sign => hints.push(sign.to_string()),
        }
    }
    let processes = with_open_nodes(places, &subject);
    if !processes.is_empty() {
        hints.push(format!("open: {}", in_words(&processes)));
    }
    hints
}

/// A process and the device node that it has open.
type Open = (u32, String, String);

fn in_words(processes: &[Open]) -> String {
    let named = processes.iter().take(NAMED).map(|(id, name, node)| format!("{node} by {name} ({id})"));
    let mut words: Vec<_> = named.collect();
    if let Some(more) = processes.len().checked_sub(NAMED).filter(|&more| more > 0) {
        words.push(format!("and {more} more"));
    }
    words.join(", ")
}

/// Processes that have a node of one of the module's devices open. Those of other users only root can see.
fn with_open_nodes(places: &Places, subject: &Subject) -> Vec<Open> {
    let mut found = BTreeMap::new();
    for process in fs::read_dir(&places.proc).into_iter().flatten().flatten() {
        let name = process.file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        for descriptor in fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten() {
            let Ok(node) = fs::read_link(descriptor.path()) else { continue };
            if node.starts_with("/dev") && is_of(places, subject, &descriptor.path()) {
                let command = fs::read(process.path().join("comm")).unwrap_or_default();
                let command = String::from_utf8_lossy(command.trim_ascii()).into_owned();
                found.insert((id, node.display().to_string()), command);
            }
        }
    }
    found.into_iter().map(|((id, node), command)| (id, command, node)).collect()
}

/// Whether an open file is a device node of the module: by the driver of the device, or by an alias that names
/// its numbers.
fn is_of(places: &Places, subject: &Subject, open: &Path) -> bool {
    let Ok(metadata) = fs::metadata(open) else { return false };
    let kind = metadata.file_type();
    let kind = match (kind.is_char_device(), kind.is_block_device()) {
        (true, _) => "char",
        (_, true) => "block",
        _ => return false,
    };
    let (major, minor) = (rustix::fs::major(metadata.rdev()), rustix::fs::minor(metadata.rdev()));
    let device = places.sys.join("dev").join(kind).join(format!("{major}:{minor}"));
    let driver = fs::read_link(device.join("device/driver/module")).ok();
    let of_driver = driver.is_some_and(|target| {
        ModuleName::of_path(target.file_name().unwrap_or(OsStr::new("")).as_bytes()) == subject.name
    });
    let named = [format!("{kind}-major-{major}-{minor}"), format!("{kind}-major-{major}-*")];
    of_driver || subject.aliases.iter().any(|alias| named.iter().any(|name| name.as_bytes() == alias))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_named_up_to_a_number() {
        let process = |id| (id, "cat".to_owned(), "/dev/x".to_owned());
        assert_eq!(in_words(&[process(1)]), "/dev/x by cat (1)");
        let many: Vec<_> = (1..=7).map(process).collect();
        assert!(in_words(&many).ends_with("/dev/x by cat (5), and 2 more"));
    }

    #[test]
    fn an_open_node_is_known_by_the_alias_that_names_its_numbers() {
        let places = Places { sys: "/nonexistent".into(), ..Places::of_system() };
        let subject = |alias: &str| Subject { name: "m".into(), aliases: vec![alias.as_bytes().to_vec()] };
        assert!(is_of(&places, &subject("char-major-1-3"), Path::new("/dev/null")));
        assert!(is_of(&places, &subject("char-major-1-*"), Path::new("/dev/null")));
        assert!(!is_of(&places, &subject("char-major-1-4"), Path::new("/dev/null")));
        assert!(!is_of(&places, &subject("block-major-1-3"), Path::new("/dev/null")));
        assert!(!is_of(&places, &subject("char-major-1-3"), Path::new("/proc/self/exe")));
    }

    #[test]
    fn a_process_with_an_open_node_is_found() {
        let open = fs::File::open("/dev/null").unwrap();
        let root = tempfile::tempdir().unwrap();
        let fd = root.path().join("42/fd");
        fs::create_dir_all(&fd).unwrap();
        std::os::unix::fs::symlink("/dev/null", fd.join("7")).unwrap();
        fs::write(root.path().join("42/comm"), "reader\n").unwrap();
        drop(open);
        let places = Places { proc: root.path().into(), sys: root.path().into(), ..Places::of_system() };
        let subject = Subject { name: "m".into(), aliases: vec![b"char-major-1-3".to_vec()] };
        assert_eq!(with_open_nodes(&places, &subject), [(42, "reader".into(), "/dev/null".into())]);
    }
}
