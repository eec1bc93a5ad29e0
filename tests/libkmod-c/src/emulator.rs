//! What runs programs of another machine: an emulator, the machine's C library, and a compiler that makes the programs.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// An emulator.
pub struct Emulator {
    /// The processor that it stands in for, in the names of Debian's packages.
    processor: String,
    /// The emulator itself, which needs no libraries.
    program: PathBuf,
    /// The machine's dynamic loader, in a directory with its C library.
    loader: PathBuf,
}

impl Emulator {
    /// The one of that processor.
    ///
    /// # Errors
    /// If it is not here, or the machine's C library is not.
    pub fn of(processor: &str) -> Result<Self> {
        let name = format!("qemu-{processor}-static");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let program = std::env::split_paths(&path).map(|directory| directory.join(&name));
        let program = program.into_iter().find(|file| file.is_file());
        let program = program.with_context(|| format!("no {name}; run cargo xtask setup"))?;

        let libraries = PathBuf::from(format!("/usr/{processor}-linux-gnu/lib"));
        let lacking =
            || format!("{}: no C library of {processor}; run cargo xtask setup", libraries.display());
        let mut files = fs::read_dir(&libraries).with_context(lacking)?.flatten();
        let loader = files.find(|file| file.file_name().to_string_lossy().starts_with("ld-linux"));
        let loader = loader.with_context(lacking)?.path();
        Ok(Self { processor: processor.to_owned(), program, loader })
    }

    /// The C compiler for its machine.
    pub fn compiler(&self) -> String {
        format!("{}-linux-gnu-gcc", self.processor)
    }

    /// The file that is started.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The directory of its machine's dynamic loader and C library.
    pub fn libraries(&self) -> &Path {
        self.loader.parent().unwrap_or(&self.loader)
    }

    /// A command that starts a program with the library in that file.
    pub fn command(&self, program: &Path, library: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.args(self.words(program, library.parent().unwrap_or(library), self.libraries()));
        command
    }

    /// What the emulator is told to start a program with the library in a directory, where that of
    /// [`libraries`](Self::libraries) is seen under another name.
    pub fn words(&self, program: &Path, library: &Path, libraries: &Path) -> Vec<OsString> {
        let loader = libraries.join(self.loader.file_name().unwrap_or_default());
        let path = format!("{}:{}", library.display(), libraries.display());
        vec![loader.into(), "--library-path".into(), path.into(), program.into()]
    }
}
