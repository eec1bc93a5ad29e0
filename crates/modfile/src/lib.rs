//! What a module file says: bytes in, facts out. This crate knows nothing of the system; it opens no path
//! but the one that it is given.
//!
//! Files may be compressed with gzip, xz or zstd, of either word size and byte order; that is recognised by what
//! they hold, never by their names. Damaged ones are errors, not panics, and bound what they make a reader
//! allocate.
//!
//! | to | see |
//! |---|---|
//! | read what a module database records of a module | [`info::read`] |
//! | read any string of `.modinfo`: firmware, parameters, licence | [`mod@file`], [`elf`] and [`modinfo`] |
//! | compare names and aliases as the kernel does | [`name`] |
//! | read and write module parameters as the kernel reads them | [`parameters`] |
//! | match names against patterns as the shell does | [`wildcard`] |
//! | read a small file of any kind without waiting, up to a limit | [`regular`] |
//! | answer which modules a name means, and what they need | the crate `moddb` |
//!
//! # What a module provides and needs
//!
//! ```
//! use modfile::info;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("small.ko.zst");
//! # let module = fixtures::Module::new("small").alias("fs-small").need("jbd2_start").export("small_read", 7);
//! # std::fs::write(&path, fixtures::compress(&module.bytes(), fixtures::Compression::Zstd)?)?;
//! // Memory that is used again for the next file.
//! let mut workspace = info::Workspace::default();
//! let reading = info::read(&path, &mut workspace);
//! if let Some(error) = reading.error {
//!     return Err(error.into());
//! }
//! let info = reading.info;
//! assert!(info.aliases().any(|alias| alias == b"fs-small"));
//! assert!(info.needs().any(|need| need.name == b"jbd2_start"));
//! assert!(info.exports().any(|export| export.name == b"small_read" && export.crc == 7));
//! # Ok(())
//! # }
//! ```
//!
//! # Which firmware a module asks for
//!
//! An initramfs that holds a driver must hold its firmware, too. Only the parts of a plain file that are asked for
//! are read.
//!
//! ```
//! use modfile::{elf::Layout, file, modinfo};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("radio.ko.xz");
//! # let module = fixtures::Module::new("radio").info("firmware=radio/a.bin").info("firmware=radio/b.bin");
//! # std::fs::write(&path, fixtures::compress(&module.bytes(), fixtures::Compression::Xz)?)?;
//! let opened = file::open(&path)?;
//! let mut buffers = file::Buffers::default();
//! let image = file::image(&opened, &mut buffers)?;
//! let mut headers = Default::default();
//! let layout = Layout::read(&image, &mut headers)?;
//! let mut strings = Vec::new();
//! let strings = match layout.section(b".modinfo") {
//!     Some(range) => image.bytes(range.offset, range.len, &mut strings)?,
//!     None => &[],
//! };
//! let firmware: Vec<&[u8]> = modinfo::values(strings, "firmware").collect();
//! assert_eq!(firmware, [b"radio/a.bin", b"radio/b.bin"]);
//! # Ok(())
//! # }
//! ```
//!
//! # Names
//!
//! ```
//! use modfile::{ModuleName, name::normalize_alias};
//!
//! assert_eq!(ModuleName::of_path(b"kernel/sound/snd-hda-intel.ko.xz"), ModuleName::from("snd_hda_intel"));
//! // A dash in brackets is a range.
//! assert_eq!(normalize_alias(b"usb-[0-9]-x").as_deref(), Ok(&b"usb_[0-9]_x"[..]));
//! ```

pub mod build_id;
pub mod checksum;
pub mod compression;
pub mod elf;
pub mod file;
mod gzip;
pub mod info;
pub mod list;
pub mod modinfo;
pub mod name;
pub mod parameters;
mod plain_size;
pub mod regular;
pub mod signature;
pub mod symbols;
pub mod wildcard;

pub use file::ReadError;
pub use info::ModuleInfo;
pub use list::Strings;
pub use name::ModuleName;
