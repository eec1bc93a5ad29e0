//! The programs that are compared.

use anyhow::{Result, bail};
use reference::{Cache, Program, Release};

/// Ours, and the references.
#[derive(Clone, Debug)]
pub struct Subjects {
    /// The program under test.
    pub ours: Program,
    /// Older first.
    pub references: Vec<(Release, Program)>,
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
        Ok(Self { ours, references })
    }

    /// The program of one reference.
    pub fn reference(&self, release: Release) -> Result<&Program> {
        match self.references.iter().find(|(of, _)| *of == release) {
            Some((_, program)) => Ok(program),
            None => bail!("{release} is not among the programs compared"),
        }
    }
}
