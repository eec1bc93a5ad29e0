//! The world that a scenario finds, and its ways to change it. What it changes is put back by [`crate::init`]
//! after the scenario's process has ended, however it ended.

mod mounts;
mod plan;
mod restore;

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::catalog::Mounts;
pub use mounts::{Unmounted, observe, provide};
pub use plan::{PLAN, Plan, Subject};
pub use restore::{Baseline, point_links_at, remove_module};

/// Where the init's own mounts and the harness' files are; the tools under test never look here.
pub const OWN: &str = "/vm";
/// A tmpfs for whatever a scenario needs to write.
pub const WORK: &str = "/vm/work";
/// The init's own procfs.
pub const PROC: &str = "/vm/proc";
/// The init's own sysfs.
pub const SYS: &str = "/vm/sys";
/// The kernel's built-in place for the program that it starts.
pub const MODPROBE: &str = "/sbin/modprobe";

/// The links that make one of the sets of tools below `/subjects` the system's: each link, and the directory
/// in the set that it points to.
pub const SUBJECT_LINKS: [(&str, &str); 3] =
    [("/sbin", "sbin"), ("/lib64", "lib64"), ("/lib/x86_64-linux-gnu", "lib")];

/// One line of the kernel's list of modules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Its use count.
    pub users: i64,
    /// The modules that use its symbols.
    pub holders: Vec<String>,
    /// Whether it can never be removed.
    pub permanent: bool,
}

/// The world of one scenario.
pub struct World {
    /// What the host wants.
    pub plan: Plan,
    /// What is mounted for the tools.
    pub mounts: Mounts,
}

impl World {
    /// The directory of the running kernel's modules.
    #[must_use]
    pub fn modules_dir(&self) -> PathBuf {
        Path::new("/lib/modules").join(&self.plan.release)
    }

    /// Where a scenario may move that directory to; it is moved back.
    #[must_use]
    pub fn hidden_modules_dir(&self) -> PathBuf {
        Path::new("/lib/modules").join(format!("{}.hidden", self.plan.release))
    }

    /// A file of the module database.
    #[must_use]
    pub fn database(&self, name: &str) -> PathBuf {
        self.modules_dir().join(name)
    }

    /// The file of a module in the running kernel's directory.
    ///
    /// # Errors
    /// When the image holds no such file.
    pub fn module_file(&self, module: &str) -> Result<PathBuf> {
        let listed = fs::read_to_string(Path::new(OWN).join("modules"))?;
        let path = listed
            .lines()
            .find_map(|line| line.split_once(' ').filter(|(name, _)| *name == module))
            .map(|(_, path)| self.modules_dir().join(path));
        path.with_context(|| format!("the image holds no file of the module {module}"))
    }

    /// A module of the running kernel as the kernel links it, whether its file is compressed or not.
    ///
    /// # Errors
    /// When the image holds no such file.
    pub fn module(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.module_file(name)?;
        if path.extension().is_none_or(|suffix| suffix != "xz") {
            return fs::read(&path).with_context(|| format!("cannot read {}", path.display()));
        }
        let plain = format!("{WORK}/plain.ko");
        crate::program::shell(&format!("xzcat {} >{plain}", path.display()))?;
        Ok(fs::read(plain)?)
    }

    /// Whether what other kernels have as a module of that name is a part of this one.
    ///
    /// # Errors
    /// When the list cannot be read.
    pub fn has_built_in(&self, module: &str) -> Result<bool> {
        let listed = fs::read_to_string(self.database("modules.builtin"))?;
        let names = listed.lines().filter_map(|path| path.rsplit('/').next()?.strip_suffix(".ko"));
        Ok(names.map(|name| name.replace('-', "_")).any(|name| name == module.replace('-', "_")))
    }

    /// Writes `/etc/modprobe.d/NAME.conf`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn configure(&self, name: &str, text: &str) -> Result<()> {
        let path = format!("/etc/modprobe.d/{name}.conf");
        fs::create_dir_all("/etc/modprobe.d")?;
        fs::write(&path, text).with_context(|| format!("cannot write {path}"))
    }

    /// Makes the kernel start another program for its requests.
    ///
    /// # Errors
    /// When the setting is refused.
    pub fn kernel_starts(&self, program: &str) -> Result<()> {
        set_kernel_modprobe(program)
    }

    /// Says that these modules cannot be removed any more, which is no fault.
    ///
    /// # Errors
    /// When it cannot be stored.
    pub fn leaves_behind(&self, modules: &[&str]) -> Result<()> {
        Ok(fs::write(left_behind_path(), modules.join("\n"))?)
    }

    /// Has the host print a figure or an observation.
    ///
    /// # Errors
    /// When it cannot be stored.
    pub fn note(&self, text: &str) -> Result<()> {
        let mut notes = OpenOptions::new().append(true).create(true).open(notes_path())?;
        writeln!(notes, "{text}")?;
        Ok(())
    }

    /// Fails unless all of these modules are loaded, or a part of this kernel.
    ///
    /// # Errors
    /// Names the first one that is not.
    pub fn expect_loaded(&self, modules: &[&str]) -> Result<()> {
        let loaded = loaded_modules()?;
        for module in modules {
            let names: Vec<_> = loaded.keys().collect();
            let there = loaded.contains_key(*module) || self.has_built_in(module)?;
            ensure!(there, "module {module} is not loaded; loaded: {names:?}");
        }
        Ok(())
    }

    /// Fails if any of these modules is loaded.
    ///
    /// # Errors
    /// Names the first one that is.
    pub fn expect_absent(&self, modules: &[&str]) -> Result<()> {
        let loaded = loaded_modules()?;
        for module in modules {
            ensure!(!loaded.contains_key(*module), "module {module} is loaded");
        }
        Ok(())
    }
}

/// Where a scenario leaves its notes for the init.
#[must_use]
pub fn notes_path() -> PathBuf {
    Path::new(WORK).join("notes")
}

/// Where a scenario says which modules it leaves behind.
fn left_behind_path() -> PathBuf {
    Path::new(WORK).join("left-behind")
}

/// Where a scenario leaves the reason of its failure.
#[must_use]
pub fn reason_path() -> PathBuf {
    Path::new(WORK).join("reason")
}

/// The modules that the kernel lists.
///
/// # Errors
/// When the list cannot be read.
pub fn loaded_modules() -> Result<BTreeMap<String, Loaded>> {
    let path = Path::new(PROC).join("modules");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text.lines().filter_map(parse_module_line).collect())
}

fn parse_module_line(line: &str) -> Option<(String, Loaded)> {
    let mut fields = line.split_ascii_whitespace();
    let name = fields.next()?.to_owned();
    let users = fields.nth(1)?.parse().ok()?;
    let holders: Vec<&str> = fields.next()?.split(',').filter(|name| !["", "-"].contains(name)).collect();
    let permanent = holders.contains(&"[permanent]");
    let holders = holders.into_iter().filter(|name| *name != "[permanent]").map(str::to_owned).collect();
    Some((name, Loaded { users, holders, permanent }))
}

/// Writes the sysctl that names the program which the kernel starts for a request.
///
/// # Errors
/// When the setting is refused.
pub fn set_kernel_modprobe(program: &str) -> Result<()> {
    let path = Path::new(PROC).join("sys/kernel/modprobe");
    fs::write(&path, program).with_context(|| format!("cannot set {}", path.display()))
}

/// Makes the records say that the modules came in at the boot, and that nobody asked for them since: a pass leaves
/// alone what somebody asked for just now, and nobody here waits. In place, so that a record that is replaced at
/// the same time stays the new one.
///
/// # Errors
/// A record cannot be read or written.
pub fn long_ago() -> Result<()> {
    use std::os::unix::fs::FileExt as _;
    // Nothing is older than the boot, which may have been seconds ago.
    while fs::read_to_string(format!("{PROC}/uptime"))?.split('.').next().is_some_and(|s| s.len() < 2) {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    for entry in fs::read_dir("/run/modutils/autoloaded").into_iter().flatten() {
        let Ok(file) = OpenOptions::new().read(true).write(true).open(entry?.path()) else { continue };
        let text = std::io::read_to_string(&file)?;
        let Some(at) = text.find("\nloaded=").map(|at| at + "\nloaded=".len()) else { continue };
        let digits = text.get(at..).unwrap_or_default().find('\n').unwrap_or_default();
        file.write_all_at(&vec![b'0'; digits], at as u64)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_module_list_is_read_whole() {
        let line = "nf_nat 57344 1 iptable_nat, Live 0xffffffffc0a00000";
        let loaded = Loaded { users: 1, holders: vec!["iptable_nat".into()], permanent: false };
        assert_eq!(parse_module_line(line), Some(("nf_nat".into(), loaded)));
        let line = "foo 16384 0 [permanent], Live 0x0000000000000000 (OE)";
        let loaded = Loaded { users: 0, holders: vec![], permanent: true };
        assert_eq!(parse_module_line(line), Some(("foo".into(), loaded)));
        let line = "minix 45056 0 - Live 0x0000000000000000";
        let loaded = Loaded { users: 0, holders: vec![], permanent: false };
        assert_eq!(parse_module_line(line), Some(("minix".into(), loaded)));
    }
}
