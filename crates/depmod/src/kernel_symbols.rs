//! The kernel's own symbols: from the file that was named, or, for `-e` alone, from where one may be found.
//!
//! `depmod -ae RELEASE` used to check modules against the running kernel's symbols. kmod checks
//! nothing unless the symbols are named; here the usual places are tried before giving up.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use modcli::Severity;
use moddb::build::symbols::{KernelSymbols, unprefixed};

use crate::messages::{self, Say};
use crate::paths;
use crate::request::{KernelSymbolSource, Request};
use crate::symbol_list::{CannotLoad, UnusableList};
use crate::tree::{Absolute, Tree};

/// The largest file that is taken for a list of symbols, in bytes.
const LARGEST_LIST: usize = 256 << 20;

/// The beginning of the names that a map has for exported symbols.
const EXPORT: &[u8] = b"__ksymtab_";

/// Formats in which symbols are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ListFormat {
    /// `CRC SYMBOL MODULE ...`
    Symvers,
    /// `ADDRESS TYPE SYMBOL`
    SystemMap,
    /// `ADDRESS TYPE SYMBOL [MODULE]`
    Kallsyms,
}

/// How a list of symbols is to be read.
#[derive(Clone, Copy, Debug)]
struct SymbolList {
    format: ListFormat,
    /// A character before every symbol.
    prefix: Option<u8>,
}

/// Whether the beginning of a file is that of a text.
fn is_text(bytes: &[u8]) -> bool {
    const BEGINNING: usize = 4096;
    !bytes.iter().take(BEGINNING).any(|&byte| byte == 0 || byte == 0x7F)
}

/// The kernel's symbols as far as the request names their list.
///
/// # Errors
/// [`CannotLoad`].
pub fn named(request: &Request, say: &dyn Say) -> Result<Option<KernelSymbols>, CannotLoad> {
    let (file, format) = match &request.kernel_symbols {
        KernelSymbolSource::Unsaid => return Ok(None),
        KernelSymbolSource::Symvers(file) => (file, ListFormat::Symvers),
        KernelSymbolSource::SystemMap(file) => (file, ListFormat::SystemMap),
    };
    match read(file) {
        Ok(text) if is_text(&text) => {
            let list = SymbolList { format, prefix: request.symbol_prefix };
            let symbols = parse(list, file, &text, say);
            let lists_none = !text.is_empty() && !text.windows(EXPORT.len()).any(|part| part == EXPORT);
            if lists_none && request.check && format == ListFormat::SystemMap {
                return Err(CannotLoad { file: file.clone(), why: UnusableList::NoExports });
            }
            Ok(Some(symbols))
        }
        Ok(_) => Err(CannotLoad { file: file.clone(), why: UnusableList::NotText }),
        Err(error) => Err(CannotLoad { file: file.clone(), why: UnusableList::Io(error) }),
    }
}

/// Where the kernel's symbols may be found.
pub struct Sources<'a> {
    /// The root of the system that the modules belong to.
    pub base: &'a Tree,
    /// The module directory.
    pub input: &'a Tree,
    /// The release of the running kernel.
    pub running: &'a [u8],
    /// Its list of symbols.
    pub kallsyms: &'a Path,
}

/// A place, what it should hold, and what it holds if it can be read.
type Candidate = (PathBuf, ListFormat, Option<Vec<u8>>);

/// The kernel's symbols from the first of the usual places that lists any.
pub fn found(request: &Request, sources: &Sources<'_>, say: &dyn Say) -> Option<KernelSymbols> {
    let release = request.release.as_os_str();
    let mut map_name = std::ffi::OsString::from("boot/System.map-");
    map_name.push(release);
    let Sources { base, input, running, kallsyms } = *sources;
    // Links there are made for the system that the modules belong to, so they are followed inside of it.
    let in_base = |file: &Path| base.read(file, Absolute::Tree, LARGEST_LIST).ok();
    let of_modules = |name: &str, format: ListFormat| {
        let text = input.read(Path::new(name), Absolute::System, LARGEST_LIST).ok();
        (request.input.join(name), format, text)
    };
    let built = |name: &str, format: ListFormat| {
        (request.input.join(name), format, in_base(&request.within.join(name)))
    };
    let candidates: [&dyn Fn() -> Candidate; 6] = [
        &|| {
            // An empty base is the root directory.
            let file = Path::new(paths::ROOT).join(&request.base).join(&map_name);
            (file, ListFormat::SystemMap, in_base(Path::new(&map_name)))
        },
        &|| of_modules("System.map", ListFormat::SystemMap),
        &|| of_modules("Module.symvers", ListFormat::Symvers),
        &|| built("build/System.map", ListFormat::SystemMap),
        &|| built("build/Module.symvers", ListFormat::Symvers),
        &|| {
            let text = (release.as_bytes() == running).then(|| read(kallsyms).ok()).flatten();
            (kallsyms.to_owned(), ListFormat::Kallsyms, text)
        },
    ];
    candidates.into_iter().find_map(|candidate| {
        let (file, format, text) = candidate();
        let text = text?;
        let list = SymbolList { format, prefix: request.symbol_prefix };
        let symbols = parse(list, &file, &text, &messages::Silent);
        if symbols.symbols.is_empty() {
            say.say(Severity::Info, messages::no_symbols_in(&file));
            return None;
        }
        say.say(Severity::Notice, messages::symbols_from(&file, symbols.symbols.len()));
        Some(symbols)
    })
}

/// All bytes of a list. Those in `/proc` do not show their size, and the caller may name a pipe.
fn read(file: &Path) -> io::Result<Vec<u8>> {
    use std::io::Read;
    let mut text = Vec::new();
    std::fs::File::open(file)?.take(LARGEST_LIST as u64 + 1).read_to_end(&mut text)?;
    if text.len() > LARGEST_LIST {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(text)
}

fn parse(list: SymbolList, file: &Path, text: &[u8], say: &dyn Say) -> KernelSymbols {
    let lines = text.split_inclusive(|&byte| byte == b'\n');
    let mut symbols = Vec::new();
    for (number, line) in (1..).zip(lines) {
        match symbol_of(list, line) {
            Ok(symbol) => symbols.extend(symbol),
            Err(Bad::Line) => say.say(Severity::Error, messages::invalid_line(file, number, line)),
            Err(Bad::Checksum(text)) => {
                say.say(Severity::Error, messages::invalid_checksum(file, number, text));
            }
        }
    }
    KernelSymbols { symbols, has_crcs: list.format == ListFormat::Symvers }
}

/// A line that a list of symbols should not have.
enum Bad<'a> {
    /// It has too few fields.
    Line,
    /// Its checksum is not a number.
    Checksum(&'a [u8]),
}

/// The symbol of a line with its newline, if it lists one that the kernel itself exports.
fn symbol_of(list: SymbolList, line: &[u8]) -> Result<Option<(Vec<u8>, u64)>, Bad<'_>> {
    let text = line.strip_suffix(b"\n").unwrap_or(line);
    let exported = |name: &[u8]| {
        // The prefix stands before the whole name, so what is left of it has none.
        let name = match list.prefix {
            Some(prefix) => name.strip_prefix(&[prefix])?,
            None => name,
        };
        Some((name.strip_prefix(EXPORT)?.to_vec(), 0))
    };
    match list.format {
        ListFormat::Symvers => {
            let symbol = symvers_line(text)?;
            Ok(symbol.map(|(name, crc)| (unprefixed(name, list.prefix).to_vec(), crc)))
        }
        // compat: single spaces separate, and the third field is all the rest (case
        // depmod/check-filesyms-tabs).
        ListFormat::SystemMap => match text.splitn(3, |&byte| byte == b' ').nth(2) {
            Some(name) => Ok(exported(name)),
            None => Err(Bad::Line),
        },
        ListFormat::Kallsyms => {
            let mut fields = fields(text);
            let name = fields.nth(2).filter(|_| fields.next().is_none());
            Ok(name.and_then(exported))
        }
    }
}

/// compat: only what `vmlinux` exports counts, and a separator must follow that word (cases
/// depmod/check-symvers-short-lines, depmod/check-symvers-spaces).
fn symvers_line(text: &[u8]) -> Result<Option<(&[u8], u64)>, Bad<'_>> {
    let mut words = fields(text);
    let (Some(crc), Some(symbol), Some(module)) = (words.next(), words.next(), words.next()) else {
        return Ok(None);
    };
    let ends_there = text.ends_with(b"vmlinux") && words.next().is_none();
    if module != b"vmlinux" || ends_there {
        return Ok(None);
    }
    let digits = crc.strip_prefix(b"0x").or(crc.strip_prefix(b"0X")).unwrap_or(crc);
    let number = std::str::from_utf8(digits).ok().and_then(|digits| u64::from_str_radix(digits, 16).ok());
    number.map(|number| Some((symbol, number))).ok_or(Bad::Checksum(crc))
}

fn fields(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| matches!(byte, b' ' | b'\t')).filter(|field| !field.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbols(format: ListFormat, text: &str) -> Vec<(String, u64)> {
        let list = SymbolList { format, prefix: None };
        parse(list, Path::new("list"), text.as_bytes(), &messages::Silent)
            .symbols
            .into_iter()
            .map(|(name, crc)| (String::from_utf8(name).unwrap(), crc))
            .collect()
    }

    #[test]
    fn a_symvers_list_gives_checksums_of_what_the_kernel_exports() {
        let text = "0x12345678\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n0xdeadbeef other fs/other EXPORT_SYMBOL\n\
                    0x1 cut_off vmlinux\nff\tlast\tvmlinux\t\n";
        let expected = [("printk".to_owned(), 0x1234_5678), ("last".to_owned(), 0xff)];
        assert_eq!(symbols(ListFormat::Symvers, text), expected);
    }

    #[test]
    fn maps_give_names_and_what_loaded_modules_export_is_not_the_kernels() {
        let text = "ffff D __ksymtab_printk\nffff T printk\nffff r __ksymtab_ext4\t[ext4]\n";
        assert_eq!(symbols(ListFormat::Kallsyms, text), [("printk".to_owned(), 0)]);
        let text = "ffff D __ksymtab_printk\nffff T printk\nffff B __bss_stop\n";
        assert_eq!(symbols(ListFormat::SystemMap, text), [("printk".to_owned(), 0)]);
    }

    #[test]
    fn the_running_kernel_s_own_list_is_the_last_resort_and_only_its_own() {
        let root = tempfile::tempdir().unwrap();
        let input = root.path().join("lib/modules/6.1");
        std::fs::create_dir_all(&input).unwrap();
        let kallsyms = root.path().join("kallsyms");
        std::fs::write(&kallsyms, "0 D __ksymtab_printk\n0 r __ksymtab_jbd2\t[jbd2]\n").unwrap();
        let (base, input) = (root.path(), Tree::open(&input, false).unwrap());
        let request = crate::request::for_test(&["-e", "-b", base.to_str().unwrap(), "6.1"]).unwrap();
        let base = Tree::open(base, false).unwrap();
        let look = |running: &[u8]| {
            let sources = Sources { base: &base, input: &input, running, kallsyms: &kallsyms };
            let symbols = found(&request, &sources, &messages::Silent)?.symbols;
            Some(symbols.into_iter().map(|(name, _)| String::from_utf8(name).unwrap()).collect::<Vec<_>>())
        };
        assert_eq!(look(b"6.1"), Some(vec!["printk".to_owned()]));
        assert_eq!(look(b"6.1-other"), None);
        std::fs::write(request.input.join("System.map"), "0 r __ksymtab_kmalloc\n").unwrap();
        assert_eq!(look(b"6.1"), Some(vec!["kmalloc".to_owned()]));
    }
}
