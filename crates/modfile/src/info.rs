//! All that building a module database takes from one module.

use std::fs::Metadata;
use std::path::Path;

use crate::elf::Layout;
use crate::file::{self, Buffers, Image, ReadError};
use crate::modinfo;
use crate::strings::Strings;
use crate::symbols::{self, Needs, NeedsScratch, SymbolList, SymbolTable};

/// What the database of a kernel records of one module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModuleInfo {
    /// Symbols that others may use.
    pub exports: SymbolList,
    /// Symbols that others must provide.
    pub needs: Needs,
    /// Values of `alias=`: what the module is a driver or provider of.
    pub aliases: Strings,
    /// Values of `softdep=`: modules that should come before or after this one.
    pub softdeps: Strings,
    /// Values of `weakdep=`: modules that this one may use.
    pub weakdeps: Strings,
}

impl ModuleInfo {
    /// Takes everything out; the memory is kept.
    pub fn clear(&mut self) {
        let Self { exports, needs, aliases, softdeps, weakdeps } = self;
        exports.clear();
        needs.clear();
        for list in [aliases, softdeps, weakdeps] {
            list.clear();
        }
    }
}

/// Memory for [`read`], used again from one module to the next.
#[derive(Debug, Default)]
pub struct Workspace {
    file: Buffers,
    headers: [Vec<u8>; 2],
    symbols: [Vec<u8>; 2],
    needs: NeedsScratch,
    modinfo: Vec<u8>,
    /// Lists grow here; what is kept of them has the right size at once.
    info: ModuleInfo,
}

/// What could be read of a module, and what went wrong.
#[derive(Debug, Default)]
pub struct Reading {
    /// What the file says, as far as it could be read.
    pub info: ModuleInfo,
    /// The first thing that could not be read.
    pub error: Option<ReadError>,
    /// What the file system said of the file when it was opened, before anything was read.
    pub metadata: Option<Metadata>,
    /// The last bytes of a compressed file, before it was decompressed.
    pub tail: Vec<u8>,
}

/// Reads what the database records of the module file at `path`.
#[must_use]
pub fn read(path: &Path, workspace: &mut Workspace) -> Reading {
    workspace.info.clear();
    let mut reading = Reading::default();
    reading.error = read_into(path, workspace, &mut reading).err();
    reading.info = workspace.info.clone();
    reading
}

fn read_into(path: &Path, workspace: &mut Workspace, reading: &mut Reading) -> Result<(), ReadError> {
    let Workspace { file: buffers, headers, symbols, needs, modinfo, info } = workspace;
    let file = file::open(path)?;
    reading.metadata = Some(file.metadata().clone());
    let image = file::image(&file, buffers)?;
    reading.tail = image.tail().to_vec();
    let layout = Layout::read(&image, headers)?;
    let table = SymbolTable::read(&image, &layout, symbols)?;
    // A damaged list of exports says nothing against the rest.
    let exports = symbols::exports(&image, &layout, &table, &mut info.exports);
    symbols::needs(&image, &layout, &table, needs, &mut info.needs)?;
    read_modinfo(&image, &layout, modinfo, info)?;
    exports
}

fn read_modinfo(
    image: &Image<'_>,
    layout: &Layout<'_>,
    buffer: &mut Vec<u8>,
    info: &mut ModuleInfo,
) -> Result<(), ReadError> {
    let Some(range) = layout.section(b".modinfo") else { return Ok(()) };
    for (key, value) in modinfo::pairs(image.bytes(range.offset, range.len, buffer)?) {
        match key {
            b"alias" => info.aliases.push(value),
            b"softdep" => info.softdeps.push(value),
            b"weakdep" => info.weakdeps.push(value),
            _ => {}
        }
    }
    Ok(())
}
