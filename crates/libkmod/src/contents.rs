//! What a module's file says: its strings, its symbols and their checksums.
//!
//! A file is open only while it is read. An object that kept its file open, and a decompressed image with it, would
//! cost a program that looks at every module thousands of descriptors.

use std::ffi::CStr;

use modfile::elf::Layout;
use modfile::file::{self, Buffers, Image, ModuleFile};
use modfile::signature::{Signature, write_hexadecimal};
use modfile::symbols::{self, Exports, Needs, NeedsScratch, SymbolTable, Versions};
use modfile::{ReadError, modinfo};
use rustix::io::Errno;

use crate::list::{Entry, Pairs, Symbol, Text};
use crate::log::ERROR;
use crate::objects::Module;

/// The strings of a module, and what its signature says.
///
/// # Errors
/// It has no file, or that cannot be read or has no such section.
pub(crate) fn info(module: &Module) -> Result<Vec<Entry>, Errno> {
    const CALLED: &CStr = c"kmod_module_get_info";
    if module.is_builtin(CALLED) {
        return builtin_info(module);
    }
    read(module, CALLED, file::image_with_end, |image, layout| {
        let range = layout.section(b".modinfo").ok_or(Errno::NODATA)?;
        let mut buffer = Vec::new();
        let strings = image.bytes(range.offset, range.len, &mut buffer).map_err(errno)?;
        let mut pairs = Pairs::with_room(strings.len() + SIGNATURE_TEXT);
        modinfo::pairs(strings).for_each(|(key, value)| pairs.add(key, value));
        add_signature(image, &mut pairs)?;
        Ok(pairs.entries())
    })
}

/// Room for what most signatures say.
const SIGNATURE_TEXT: usize = 2048;

/// compat: what the kernel's build says of it, without the file's signature, also if there is a file (tests/libkmod-c/c/each.c).
fn builtin_info(module: &Module) -> Result<Vec<Entry>, Errno> {
    let text = module.context.db.builtin_modinfo()?;
    let strings = moddb::builtin::modinfo(&text, module.name.as_bytes()).map_err(|error| {
        module.context.log.say(ERROR, c"kmod_module_get_info", || error.to_string());
        Errno::INVAL
    })?;
    let mut pairs = Pairs::default();
    modinfo::pairs(&strings).for_each(|(key, value)| pairs.add(key, value));
    Ok(pairs.entries())
}

/// What the signature at the end of a module says, if there is one that can be read.
fn add_signature(image: &Image<'_>, pairs: &mut Pairs) -> Result<(), Errno> {
    let signature = Signature::read(image).map_err(errno)?;
    let Some(contents) = signature.and_then(Signature::contents) else { return Ok(()) };
    pairs.add(b"sig_id", contents.kind.name().as_bytes());
    pairs.add(b"signer", &contents.signer);
    pairs.add_made(b"sig_key", |text| write_hexadecimal(&contents.key, text));
    pairs.add(b"sig_hashalgo", contents.digest.as_bytes());
    pairs.add_made(b"signature", |text| write_hexadecimal(&contents.bytes, text));
    Ok(())
}

/// The checksums of the symbols that a module was built against.
///
/// # Errors
/// It has no file, or that cannot be read or has none.
pub(crate) fn versions(module: &Module) -> Result<Vec<Entry>, Errno> {
    read(module, c"kmod_module_get_versions", file::image, |image, layout| {
        layout.section(b"__versions").ok_or(Errno::NODATA)?;
        let mut buffers = Default::default();
        let versions = Versions::read(image, layout, &mut buffers).map_err(errno)?;
        let versions = (0..versions.len()).filter_map(|place| versions.at(layout, place));
        // 64-bit PowerPC writes a dot before the names of functions.
        let symbol = |name: &[u8], crc| symbol(name.strip_prefix(b".").unwrap_or(name), crc);
        Ok(versions.map(|version| Entry::Version(symbol(version.name, version.crc))).collect())
    })
}

/// The symbols that a module exports.
///
/// # Errors
/// It has no file, or that cannot be read or exports nothing.
pub(crate) fn exports(module: &Module) -> Result<Vec<Entry>, Errno> {
    read(module, c"kmod_module_get_symbols", file::image, |image, layout| {
        let mut buffers = Default::default();
        let table = SymbolTable::read(image, layout, &mut buffers).map_err(errno)?;
        let mut exports = Exports::default();
        symbols::exports(image, layout, &table, &mut exports).map_err(errno)?;
        let entries: Vec<_> =
            exports.iter().map(|export| Entry::Export(symbol(export.name, export.crc))).collect();
        if entries.is_empty() { Err(Errno::NODATA) } else { Ok(entries) }
    })
}

/// The symbols that a module needs.
///
/// # Errors
/// It has no file, or that cannot be read or has no table of symbols.
pub(crate) fn needs(module: &Module) -> Result<Vec<Entry>, Errno> {
    const WEAK: u8 = b'W';
    const UNDEFINED: u8 = b'U';
    read(module, c"kmod_module_get_dependency_symbols", file::image, |image, layout| {
        let mut buffers = Default::default();
        let table = SymbolTable::read(image, layout, &mut buffers).map_err(errno)?;
        if !table.is_there() {
            return Err(Errno::INVAL);
        }
        let mut needs = Needs::default();
        symbols::needs(image, layout, &table, &mut NeedsScratch::default(), &mut needs).map_err(errno)?;
        let entry = |need: symbols::Need<'_>| Entry::Need {
            symbol: symbol(need.name, need.crc),
            bind: if need.weak { WEAK } else { UNDEFINED },
        };
        Ok(needs.iter().map(entry).collect())
    })
}

fn symbol(name: &[u8], crc: u64) -> Symbol {
    Symbol { name: Text::new(name), crc }
}

/// Opens a module's file and shows its bytes.
fn read(
    module: &Module,
    function: &CStr,
    bytes: for<'a> fn(&'a ModuleFile, &'a mut Buffers) -> Result<Image<'a>, ReadError>,
    show: impl FnOnce(&Image<'_>, &Layout<'_>) -> Result<Vec<Entry>, Errno>,
) -> Result<Vec<Entry>, Errno> {
    let path = module.file(function).ok_or(Errno::NOENT)?;
    let file = file::open(path).map_err(errno)?;
    // They come back if they are small.
    let mut buffers = module.context.buffers.take();
    let shown = show_opened(module, function, bytes(&file, &mut buffers), show);
    buffers.keep_small();
    module.context.buffers.replace(buffers);
    shown
}

fn show_opened(
    module: &Module,
    function: &CStr,
    image: Result<Image<'_>, ReadError>,
    show: impl FnOnce(&Image<'_>, &Layout<'_>) -> Result<Vec<Entry>, Errno>,
) -> Result<Vec<Entry>, Errno> {
    let image = image.map_err(|error| {
        if let ReadError::Decompress(reason) = &error {
            module.context.log.say(ERROR, function, || reason.to_string());
        }
        errno(error)
    })?;
    let mut headers = Default::default();
    let layout = Layout::read(&image, &mut headers).map_err(errno)?;
    show(&image, &layout)
}

fn errno(error: ReadError) -> Errno {
    Errno::from_raw_os_error(error.errno())
}
