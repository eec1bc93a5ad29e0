//! The module database of a kernel: reads it, answers from it, builds it.
//!
//! This crate never looks at the running kernel: no sysfs, no `/proc/modules`. It prints nothing, and reads no
//! environment and no clock. So it serves those who make images for other machines as well as `modprobe` and
//! `depmod`, which are written over it.
//!
//! | to | see |
//! |---|---|
//! | find out which modules a name or alias means, and what they need | [`ModuleDb`] |
//! | read modprobe.d, depmod.d and the kernel's command line | [`config`] |
//! | read or write an index such as `modules.alias.bin` | [`index`] |
//! | build a database | [`build`] |
//! | read what a module file itself says | the crate `modfile` |
//!
//! # Which files a set of modules needs
//!
//! What a generator of initramfs images asks: here is what the machine wants, names and aliases; which files must
//! the image hold? The dependencies of an answer are complete and in the order of loading. Soft and weak
//! dependencies are names again, looked up as the first ones were; nothing need know them.
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/mod.rs"));
//! use std::collections::BTreeSet;
//!
//! use moddb::{ModuleDb, config::Config, paths::ModuleDir};
//!
//! # fn main() -> std::io::Result<()> {
//! # let root = tempfile::tempdir()?;
//! # let root = root.path();
//! # built(root)?;
//! let directory = ModuleDir::new(root, OsStr::new("6.1.0"));
//! // What modules say of themselves, such as modules.softdep, counts as configuration; an image for another
//! // machine would add that machine's modprobe.d. What is wrong with a file is reported, not fatal.
//! let (config, problems) = Config::load(&[], &directory.configuration(), None);
//! assert!(problems.is_empty());
//! let db = ModuleDb::new(directory, config);
//!
//! // Names, and whether there must be a module for them.
//! let mut wanted: Vec<(Vec<u8>, bool)> = vec![(b"fs-small".to_vec(), true)];
//! let mut asked = BTreeSet::new();
//! let mut files = BTreeSet::new();
//! while let Some((name, must)) = wanted.pop() {
//!     if !asked.insert(name.clone()) {
//!         continue;
//!     }
//!     let modules = db.resolve(&name);
//!     assert!(!must || !modules.is_empty(), "nothing knows {}", name.escape_ascii());
//!     for module in modules {
//!         let dependencies = module.dependencies.iter().map(|dependency| &dependency.name);
//!         for module in dependencies.chain([&module.name]) {
//!             let soft = db.config().softdeps_of(module.as_bytes());
//!             let soft = soft.flat_map(|soft| soft.pre.iter().chain(&soft.post));
//!             let weak = db.config().weakdeps(module.as_bytes());
//!             let weak = weak.into_iter().flat_map(|weak| &weak.modules);
//!             wanted.extend(soft.chain(weak).map(|name| (name.clone(), false)));
//!         }
//!         files.extend(module.dependencies.into_iter().map(|dependency| dependency.path));
//!         // What is built into the kernel has no file.
//!         files.extend(module.path);
//!     }
//! }
//! let modules = root.join("lib/modules/6.1.0/kernel");
//! let expected = ["crypto/crc32c.ko.xz", "fs/jbd2.ko", "fs/small.ko.zst"].map(|file| modules.join(file));
//! assert_eq!(files, BTreeSet::from(expected));
//! // Damaged or missing indexes answer nothing; that they did is known here.
//! assert!(db.take_problems().is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! # One alias
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/mod.rs"));
//! use moddb::{FoundIn, ModuleDb, config::Config, paths::ModuleDir};
//!
//! # fn main() -> std::io::Result<()> {
//! # let root = tempfile::tempdir()?;
//! # let root = root.path();
//! # built(root)?;
//! let db = ModuleDb::new(ModuleDir::new(root, OsStr::new("6.1.0")), Config::default());
//! let found = db.resolve(b"fs-small");
//! assert_eq!(found.len(), 1);
//! assert_eq!(found[0].name, ModuleName::from("small"));
//! assert_eq!(found[0].found_in, FoundIn::Aliases);
//! let order: Vec<_> = found[0].dependencies.iter().map(|module| module.name.to_text()).collect();
//! assert_eq!(order, ["crc32c", "jbd2"]);
//! assert!(db.resolve(b"fs-unheard-of").is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! # A database
//!
//! Each phase borrows the one before it. Finding the files and writing the results stay with the caller, who may
//! read the modules in parallel, or take what they said from a [`cache`].
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/example/mod.rs"));
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let root = tempfile::tempdir()?;
//! # let directory = tree(root.path())?;
//! // Paths are recorded relative to the module directory.
//! let paths = ["kernel/fs/jbd2.ko", "kernel/crypto/crc32c.ko.xz", "kernel/fs/small.ko.zst"];
//! let mut files =
//!     paths.map(|path| Located { name: ModuleName::of_path(path.as_bytes()), path: path.into() });
//! // The order of the kernel's build decides which of several modules for one device comes first.
//! let listed = fs::read(directory.join("modules.order"))?;
//! assert!(moddb::build::order::sort(&mut files, |file| file, Some(&listed)).is_ok());
//!
//! let mut workspace = info::Workspace::default();
//! let mut modules = Vec::new();
//! for file in files {
//!     let reading = info::read(&directory.join(OsStr::from_bytes(&file.path)), &mut workspace);
//!     if let Some(error) = reading.error {
//!         return Err(error.into());
//!     }
//!     modules.push((file, reading.info));
//! }
//! let catalog = Catalog::new(modules)?;
//! let symbols = SymbolOwners::new(&catalog, None, None);
//! // Modules do not depend on each other here, so this may be done in parallel, too.
//! let direct = (0..catalog.modules().len())
//!     .map(|module| graph::resolve(&catalog, &symbols, Check::Nothing, module).direct)
//!     .collect();
//! let graph = DependencyGraph::new(direct);
//! let graph = graph.map_err(|cycles| format!("{} modules depend on each other", cycles.members.len()))?;
//! let builtin = fs::read(directory.join("modules.builtin"))?;
//! let mut sources = Sources::new(&catalog, &symbols, &graph);
//! sources.builtin = Some(&builtin);
//! for recipe in outputs::recipes() {
//!     let (output, notes) = recipe.write(&sources);
//!     assert!(notes.is_empty(), "{notes:?}");
//!     fs::write(directory.join(output.name), output.bytes.to_vec())?;
//! }
//! assert_eq!(
//!     fs::read_to_string(directory.join("modules.dep"))?,
//!     "kernel/crypto/crc32c.ko.xz:\n\
//!      kernel/fs/jbd2.ko: kernel/crypto/crc32c.ko.xz\n\
//!      kernel/fs/small.ko.zst: kernel/fs/jbd2.ko kernel/crypto/crc32c.ko.xz\n"
//! );
//! # Ok(())
//! # }
//! ```

pub mod build;
pub mod builtin;
pub mod cache;
pub mod config;
pub mod depend;
pub mod index;
pub mod lookup;
pub mod paths;
mod tables;

pub use lookup::{FoundIn, ModuleDb, ModuleEntry};
pub use tables::TableProblem;
