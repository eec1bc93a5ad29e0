//! `--show-modversions` and `--show-exports`: checksums and names of a module's symbols.

use std::path::Path;

use modfile::ReadError;
use modfile::elf::Layout;
use modfile::file::{self, Buffers};
use modfile::symbols::{self, Exports, SymbolTable, Versions};

use crate::request::Symbols;

/// The symbols of a module file, one line `0xCHECKSUM<TAB>NAME` each; `None` if it has no such list.
///
/// # Errors
/// The file cannot be read or is no module.
pub(crate) fn lines(path: &Path, which: Symbols) -> Result<Option<Vec<u8>>, ReadError> {
    let file = file::open(path)?;
    let mut buffers = Buffers::default();
    let image = file::image(&file, &mut buffers)?;
    let mut names = Default::default();
    let layout = Layout::read(&image, &mut names)?;
    let mut text = Vec::new();
    let mut line = |crc: u64, name: &[u8]| {
        text.extend_from_slice(format!("0x{crc:08x}\t").as_bytes());
        text.extend_from_slice(name);
        text.push(b'\n');
    };
    match which {
        Symbols::Needed => {
            let mut buffers = Default::default();
            let versions = Versions::read(&image, &layout, &mut buffers)?;
            for version in (0..versions.len()).filter_map(|place| versions.at(&layout, place)) {
                // 64-bit PowerPC writes a dot before the names of functions.
                line(version.crc, version.name.strip_prefix(b".").unwrap_or(version.name));
            }
        }
        Symbols::Exported => {
            let mut buffers = Default::default();
            let table = SymbolTable::read(&image, &layout, &mut buffers)?;
            let mut exports = Exports::default();
            symbols::exports(&image, &layout, &table, &mut exports)?;
            for export in exports.iter() {
                line(export.crc, export.name);
            }
        }
    }
    Ok(Some(text).filter(|text| !text.is_empty()))
}
