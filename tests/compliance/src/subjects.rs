//! The programs that are compared.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use reference::{Cache, Ending, Limits, Program, Release, run};

/// Ours, and the references.
#[derive(Clone, Debug)]
pub struct Subjects {
    /// The program under test.
    pub ours: Program,
    /// Older first.
    pub references: Vec<(Release, Program)>,
    /// Builds the databases on which tools other than depmod are compared.
    depmod: Program,
    /// What cases have for a shell: busybox, which needs no libraries.
    pub shell: PathBuf,
}

impl Subjects {
    /// Finds them; `ours` is a path, or `kmod-30` or `kmod-34` to see what the comparison says of those.
    pub fn find(cache: &Cache, tool: &str, ours: &str) -> Result<Self> {
        let mut references = Vec::new();
        for release in Release::ALL {
            references.push((release, Program::reference(cache, release, tool)?));
        }
        let named = references.iter().find(|(release, _)| ours == format!("kmod-{}", release.number()));
        let ours = match named {
            Some((_, program)) => program.clone(),
            None => {
                let path = std::path::absolute(ours)?;
                if !path.is_file() {
                    bail!("{}: no such program", path.display());
                }
                Program::plain(tool, &path)
            }
        };
        let depmod = Program::reference(cache, Release::Kmod34, "depmod")?;
        Ok(Self { ours, references, depmod, shell: cache.directory().join("busybox/bin/busybox") })
    }

    /// Builds the database of the modules of `version` below `root`.
    pub fn build_database(&self, root: &Path, version: &str) -> Result<()> {
        let mut command = self.depmod.command();
        command.arg("-b").arg(root).arg("-C").arg(root.join("etc/depmod.d")).arg(version);
        let outcome = run(command, &Limits::default())?;
        if outcome.ending != Ending::Exit(0) {
            bail!("depmod: {:?}: {}", outcome.ending, String::from_utf8_lossy(&outcome.stderr));
        }
        Ok(())
    }

    /// The program of one reference.
    pub fn reference(&self, release: Release) -> Result<&Program> {
        match self.references.iter().find(|(of, _)| *of == release) {
            Some((_, program)) => Ok(program),
            None => bail!("{release} is not among the programs compared"),
        }
    }
}
