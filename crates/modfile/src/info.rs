//! All that building a module database takes from one module.

use std::path::Path;

use crate::elf::Layout;
use crate::file::{self, Buffers, Image, ReadError};
use crate::modinfo;
use crate::strings::Strings;
use crate::symbols::{self, Needs, SymbolList, SymbolTable};

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

/// Memory for [`read`], used again from one module to the next.
#[derive(Debug, Default)]
pub struct Workspace {
    file: Buffers,
    symbols: [Vec<u8>; 2],
    modinfo: Vec<u8>,
}

/// What could be read of a module, and what went wrong.
#[derive(Debug, Default)]
pub struct Reading {
    /// What the file says, as far as it could be read.
    pub info: ModuleInfo,
    /// The first thing that could not be read.
    pub error: Option<ReadError>,
}

/// Reads what the database records of the module file at `path`.
#[must_use]
pub fn read(path: &Path, workspace: &mut Workspace) -> Reading {
    let mut info = ModuleInfo::default();
    let error = read_into(path, workspace, &mut info).err();
    info.exports.shrink();
    info.needs.shrink();
    Reading { info, error }
}

fn read_into(path: &Path, workspace: &mut Workspace, info: &mut ModuleInfo) -> Result<(), ReadError> {
    let file = file::open(path)?;
    let image = file::image(&file, &mut workspace.file)?;
    let layout = Layout::read(&image)?;
    let table = SymbolTable::read(&image, &layout, &mut workspace.symbols)?;
    // A damaged list of exports says nothing against the rest.
    let exports = symbols::exports(&image, &layout, &table).map(|exports| info.exports = exports);
    info.needs = symbols::needs(&image, &layout, &table)?;
    read_modinfo(&image, &layout, &mut workspace.modinfo, info)?;
    exports
}

fn read_modinfo(
    image: &Image<'_>,
    layout: &Layout,
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
