//! The initramfs of one boot: the guest's init, the tools, the modules that the group needs, the whole database,
//! a shell for install commands, and the plan.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use vm_guest::catalog::{Group, Scenario};
use vm_guest::world::{PLAN, Plan, SUBJECT_LINKS};

use crate::cpio::Archive;
use crate::database;
use crate::form;
use crate::kernel::Kernel;
use crate::modules::Tree;
use crate::subject::Subject;

/// What every boot of a run has in common.
pub struct Parts {
    /// The kernel.
    pub kernel: Kernel,
    /// Its module files.
    pub tree: Tree,
    /// The directory of the database.
    pub database: PathBuf,
    /// The guest's init.
    pub init: PathBuf,
    /// A static program that is a shell when called `sh`.
    pub shell: PathBuf,
    /// The sets of tools; the first one is under test.
    pub subjects: Vec<Subject>,
    /// Whether the first one is ours.
    pub kind: vm_guest::world::Subject,
}

/// The archive for these scenarios of a group.
///
/// # Errors
/// When a file cannot be read or a module is missing.
pub fn build(parts: &Parts, group: &Group, scenarios: &[&Scenario]) -> Result<Vec<u8>> {
    let mut archive = Archive::new();
    for directory in
        ["/proc", "/sys", "/run", "/tmp", "/etc/modprobe.d", "/usr", "/vm/work", "/vm/proc", "/vm/sys"]
    {
        archive.directory(directory)?;
    }
    // What the init needs before anything is mounted: its console, and the port of its reports.
    archive.character_device("/dev/console", 5, 1)?;
    archive.character_device("/dev/ttyS1", 4, 65)?;
    archive.file("/init", 0o755, &read(&parts.init)?)?;
    archive.file("/bin/sh", 0o755, &read(&parts.shell)?)?;
    for (index, subject) in parts.subjects.iter().enumerate() {
        add_subject(&mut archive, index, subject)?;
    }
    for (link, directory) in SUBJECT_LINKS {
        archive.link(link, &format!("/subjects/0/{directory}"))?;
    }
    for directory in ["bin", "sbin", "lib", "lib64"] {
        archive.link(&format!("/usr/{directory}"), &format!("/{directory}"))?;
    }
    add_modules(&mut archive, parts, scenarios)?;
    let plan = Plan {
        subject: parts.kind,
        release: parts.kernel.release.clone(),
        group: group.name.into(),
        scenarios: scenarios.iter().map(|scenario| scenario.name.into()).collect(),
        subjects: parts.subjects.len(),
    };
    archive.file(PLAN, 0o644, plan.to_text().as_bytes())?;
    archive.finish()
}

fn add_subject(archive: &mut Archive, index: usize, subject: &Subject) -> Result<()> {
    let root = format!("/subjects/{index}");
    for directory in ["sbin", "lib", "lib64"] {
        archive.directory(&format!("{root}/{directory}"))?;
    }
    // Tools that are one file under several names stay one file.
    let mut places: BTreeMap<&Path, &str> = BTreeMap::new();
    for (tool, path) in &subject.tools {
        let place = format!("{root}/sbin/{tool}");
        match places.get(path.as_path()) {
            Some(first) => archive.link(&place, first)?,
            None => archive.file(&place, 0o755, &read(path)?)?,
        }
        places.entry(path).or_insert(tool);
    }
    for (name, path) in &subject.libraries {
        archive.file(&format!("{root}/lib/{name}"), 0o755, &read(path)?)?;
    }
    if let Some((place, path)) = &subject.loader {
        let name = place.rsplit('/').next().unwrap_or_default();
        archive.file(&format!("{root}/lib64/{name}"), 0o755, &read(path)?)?;
    }
    Ok(())
}

fn add_modules(archive: &mut Archive, parts: &Parts, scenarios: &[&Scenario]) -> Result<()> {
    let guest_dir = format!("/lib/modules/{}", parts.kernel.release);
    let host_dir = parts.kernel.modules_dir();
    let needed = scenarios.iter().flat_map(|scenario| scenario.modules.iter().copied());
    let others = scenarios.iter().flat_map(|scenario| scenario.modules_if_there.iter().copied());
    let wanted: Vec<&str> = needed.chain(others.filter(|module| parts.tree.path(module).is_ok())).collect();
    let mut list = String::new();
    for (name, path) in parts.tree.closure(&wanted)? {
        let path = path.to_string_lossy();
        archive.file(&format!("{guest_dir}/{path}"), 0o644, &read(&host_dir.join(&*path))?)?;
        list.push_str(&format!("{name} {path}\n"));
    }
    archive.file("/vm/modules", 0o644, list.as_bytes())?;
    let compressed: BTreeSet<_> = scenarios.iter().flat_map(|scenario| scenario.compressed).collect();
    for (module, suffix) in compressed {
        let packed = form::of(&parts.tree.plain(module)?, suffix)?;
        archive.file(&format!("/vm/compressed/{module}.ko.{suffix}"), 0o644, &packed)?;
    }
    for path in database::files(&parts.database)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        archive.file(&format!("{guest_dir}/{name}"), 0o644, &read(&path)?)?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
