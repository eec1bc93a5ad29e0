// What the examples of the crate's page work on: a small tree of modules, and its database.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use fixtures::{Compression, Module, Tree};
use moddb::build::catalog::Catalog;
use moddb::build::graph::{self, Check, DependencyGraph};
use moddb::build::order::Located;
use moddb::build::outputs::{self, Sources};
use moddb::build::symbols::SymbolOwners;
use modfile::{ModuleName, info};

const FILES: [&str; 3] =
    ["kernel/crypto/crc32c.ko.xz", "kernel/fs/jbd2.ko", "kernel/fs/small.ko.zst"];

/// Writes a tree below `root`; gives the module directory.
#[allow(dead_code, reason = "each example uses one of these")]
fn tree(root: &Path) -> io::Result<PathBuf> {
    let [checksums, journal, small] = FILES;
    Tree::new("6.1.0")
        .with_build_files()
        .order(&["kernel/crypto/crc32c.ko", "kernel/fs/jbd2.ko", "kernel/fs/small.ko"])
        .module_packed(checksums, Module::new("crc32c").alias("crypto-crc32c").export("crc32c", 1), Compression::Xz)
        .module(journal, Module::new("jbd2").need("crc32c").export("jbd2_start", 2))
        .module_packed(
            small,
            Module::new("small").need("jbd2_start").alias("fs-small").info("softdep=pre: crypto-crc32c"),
            Compression::Zstd,
        )
        .write(root)
}

/// The same with its database.
#[allow(dead_code, reason = "each example uses one of these")]
fn built(root: &Path) -> io::Result<PathBuf> {
    let directory = tree(root)?;
    let mut workspace = info::Workspace::default();
    let modules = FILES.map(|path| {
        let located = Located { name: ModuleName::of_path(path.as_bytes()), path: path.into() };
        (located, info::read(&directory.join(OsStr::from_bytes(path.as_bytes())), &mut workspace).info)
    });
    let catalog = Catalog::new(modules).map_err(io::Error::other)?;
    let symbols = SymbolOwners::new(&catalog, None, None);
    let direct = (0..catalog.modules().len())
        .map(|module| graph::resolve(&catalog, &symbols, Check::Nothing, module).direct)
        .collect();
    let graph = DependencyGraph::new(direct)
        .map_err(|_| io::Error::other("modules need each other in a circle"))?;
    let sources = Sources::new(&catalog, &symbols, &graph);
    for recipe in outputs::recipes() {
        let (output, _) = recipe.write(&sources);
        fs::write(directory.join(output.name), output.bytes.to_vec())?;
    }
    Ok(directory)
}
