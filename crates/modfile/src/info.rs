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

/// Reads what the database records of the module file at `path`.
///
/// # Errors
/// [`ReadError`] if the file cannot be read, is no module, or contradicts itself.
pub fn read(path: &Path, workspace: &mut Workspace) -> Result<ModuleInfo, ReadError> {
    let file = file::open(path)?;
    let image = file::image(&file, &mut workspace.file)?;
    of_image(&image, &mut workspace.symbols, &mut workspace.modinfo)
}

/// Reads what the database records of a module from its plain bytes.
///
/// # Errors
/// [`ReadError`] about the structure, or what the file system said.
pub fn of_image<'b>(
    image: &Image<'b>,
    symbol_buffers: &'b mut [Vec<u8>; 2],
    modinfo_buffer: &'b mut Vec<u8>,
) -> Result<ModuleInfo, ReadError> {
    let layout = Layout::read(image)?;
    let table = SymbolTable::read(image, &layout, symbol_buffers)?;
    let mut info = ModuleInfo {
        exports: symbols::exports(image, &layout, &table)?,
        needs: symbols::needs(image, &layout, &table)?,
        ..ModuleInfo::default()
    };
    if let Some(range) = layout.section(b".modinfo") {
        let section = image.bytes(range.offset, range.len, modinfo_buffer)?;
        for (key, value) in modinfo::pairs(section) {
            match key {
                b"alias" => info.aliases.push(value),
                b"softdep" => info.softdeps.push(value),
                b"weakdep" => info.weakdeps.push(value),
                _ => {}
            }
        }
    }
    info.exports.shrink();
    info.needs.shrink();
    Ok(info)
}
