//! depmod for another architecture, run by an emulator: same modules, same bytes.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use fixtures::{ALL_KINDS, Compression, Module, Tree};

const EMULATOR: &str = "qemu-aarch64-static";

/// Both programs, this machine's and the one to emulate, build the same database of modules of every kind and
/// compression.
pub fn same_database([native, emulated]: &[PathBuf; 2]) -> Result<()> {
    let work = tempfile::tempdir()?;
    let mut databases = Vec::new();
    for (name, program) in [("native", native), ("emulated", emulated)] {
        let root = work.path().join(name);
        let tree = tree();
        let directory = tree.write(&root)?;
        let mut command = if name == "native" { Command::new(program) } else { Command::new(EMULATOR) };
        if name == "emulated" {
            command.arg(program);
        }
        command.arg("-b").arg(&root).arg("-C").arg(root.join("none")).arg(tree.version());
        let output = command.output().with_context(|| format!("cannot start {name} depmod"))?;
        let said = String::from_utf8_lossy(&output.stderr).replace(name, "");
        ensure!(output.status.success(), "{name}: {}: {said}", output.status);
        let mut files = Vec::new();
        for entry in fs::read_dir(&directory)? {
            let path = entry?.path();
            if path.is_file() {
                files.push((path.file_name().map(ToOwned::to_owned), fs::read(&path)?));
            }
        }
        files.sort();
        databases.push((said, files));
    }
    let [native, emulated] = databases.as_slice() else { anyhow::bail!("two databases expected") };
    ensure!(native.0 == emulated.0, "they say different things:\n{}\n{}", native.0, emulated.0);
    ensure!(native.1.len() > 10, "the native depmod wrote only {} files", native.1.len());
    for (left, right) in native.1.iter().zip(&emulated.1) {
        ensure!(left == right, "{:?} and {:?} differ", left.0, right.0);
    }
    ensure!(native.1.len() == emulated.1.len(), "one of them wrote more files");
    Ok(())
}

/// Modules of every class and byte order, in every compression, each needing the one before it.
fn tree() -> Tree {
    let mut tree = Tree::new("6.1.0-test").with_build_files();
    let packings = [Compression::Plain, Compression::Gzip, Compression::Xz, Compression::Zstd];
    let mut before: Option<String> = None;
    for (number, kind) in ALL_KINDS.into_iter().enumerate() {
        for packing in packings {
            let name = format!("m{number}{}", packing.suffix().replace('.', "_"));
            let mut module = Module::new(&name).kind(kind).alias(&format!("fs-{name}*")).export(&name, 7);
            if let Some(before) = before.replace(name.clone()) {
                module = module.need(before);
            }
            let path = format!("kernel/{name}.ko{}", packing.suffix());
            tree = tree.module_packed(&path, module, packing);
        }
    }
    tree
}
