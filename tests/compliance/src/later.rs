//! What a case does to its tree after the module database was built: databases that are damaged, incomplete or
//! older than what lies beside them.

use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use fixtures::Tree;

use crate::case::{self, Block};

/// Changes to a tree that was written.
#[derive(Clone, Debug)]
pub struct Later {
    /// Paths to take away, as a tree has them.
    gone: Vec<String>,
    /// What is put there then.
    tree: Tree,
    /// Paths, and how many bytes of them stay.
    cut: Vec<(String, u64)>,
}

impl Later {
    /// No changes to a tree for the kernel `version`.
    pub fn new(version: &str) -> Self {
        Self { gone: Vec::new(), tree: Tree::new(version), cut: Vec::new() }
    }

    /// Adds what a line `later KEYWORD ...` says.
    pub fn add(&mut self, block: &Block<'_>) -> Result<()> {
        let (keyword, rest) = block.rest.split_once(' ').context("two words are needed")?;
        match keyword {
            "without" => self.gone.push(rest.to_owned()),
            "cut" => {
                let (path, len) = rest.split_once(' ').context("a path and a number are needed")?;
                self.cut.push((path.to_owned(), len.parse()?));
            }
            "file" | "link" | "fifo" | "directory" | "module" | "mode" => {
                // What lies there gives way, unless it only gets another mode.
                if keyword != "mode" {
                    self.gone.push(rest.split(' ').next().unwrap_or(rest).to_owned());
                }
                let inner = Block { keyword, rest, body: block.body.clone() };
                let tree = case::planted(self.tree.clone(), &inner)?;
                self.tree = tree.context("nothing to put there")?;
            }
            unknown => bail!("'{unknown}' cannot be done later"),
        }
        Ok(())
    }

    /// Changes what lies below `root`.
    pub fn apply(&self, root: &Path) -> Result<()> {
        let place = |path: &str| match path.strip_prefix('/') {
            Some(of_root) => root.join(of_root),
            None => self.tree.directory_in(root).join(path),
        };
        for path in &self.gone {
            let path = place(path);
            match fs::symlink_metadata(&path) {
                Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(&path)?,
                Ok(_) => fs::remove_file(&path)?,
                Err(_) => {}
            }
        }
        self.tree.write(root)?;
        for (path, len) in &self.cut {
            let path = place(path);
            let file = File::options().write(true).open(&path).with_context(|| path.display().to_string())?;
            ensure!(*len < file.metadata()?.len(), "{}: is not longer than {len} bytes", path.display());
            file.set_len(*len)?;
        }
        Ok(())
    }
}
