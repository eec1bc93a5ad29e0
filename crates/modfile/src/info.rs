//! All that building a module database takes from one module.

use std::borrow::Cow;
use std::fmt;
use std::fs::Metadata;
use std::path::Path;

use crate::elf::{Layout, Range};
use crate::file::{self, Buffers, Image, ModuleFile, PART_LIMIT, ReadError};
use crate::list::{ByteString, Items, ListKind, Strings, take_array};
use crate::modinfo;
use crate::symbols::{self, Exported, Exports, Needed, Needs, NeedsScratch, SymbolTable};

/// What the database of a kernel records of one module, in one piece of memory.
///
/// That is the sizes of five [lists](crate::list) in bytes (8 each, little-endian), then the lists: exports, needs,
/// aliases, softdeps, weakdeps.
#[derive(Clone, PartialEq, Eq)]
pub struct ModuleInfo<'a>(Cow<'a, [u8]>);

/// What a [`ModuleInfo`] is put together from.
#[derive(Debug, Default)]
pub struct Lists {
    /// Symbols that others may use.
    pub exports: Exports,
    /// Symbols that others must provide.
    pub needs: Needs,
    /// Values of `alias=`: what the module is a driver or provider of.
    pub aliases: Strings,
    /// Values of `softdep=`: modules that should come before or after this one.
    pub softdeps: Strings,
    /// Values of `weakdep=`: modules that this one may use.
    pub weakdeps: Strings,
}

impl Lists {
    /// Takes everything out; the memory is kept.
    fn clear(&mut self) {
        let Self { exports, needs, aliases, softdeps, weakdeps } = self;
        exports.clear();
        needs.clear();
        [aliases, softdeps, weakdeps].into_iter().for_each(Strings::clear);
    }
}

/// The most that the aliases and soft and weak dependencies of a module may have together, in bytes. Those of real ones
/// have some ten thousand.
const STRINGS_LIMIT: usize = 1 << 20;

const TOO_MANY_STRINGS: ReadError =
    ReadError::Malformed("it has more than 1 MiB of aliases and dependencies");

/// Where a list stands among the five.
#[derive(Clone, Copy)]
enum Place {
    Exports,
    Needs,
    Aliases,
    Softdeps,
    Weakdeps,
}

const LISTS: usize = 5;

impl From<&Lists> for ModuleInfo<'_> {
    fn from(lists: &Lists) -> Self {
        let Lists { exports, needs, aliases, softdeps, weakdeps } = lists;
        let lists: [&[u8]; LISTS] = [
            exports.as_bytes(),
            needs.as_bytes(),
            aliases.as_bytes(),
            softdeps.as_bytes(),
            weakdeps.as_bytes(),
        ];
        let sizes = lists.map(|list| (list.len() as u64).to_le_bytes());
        let mut bytes =
            Vec::with_capacity(sizes.len() * 8 + lists.iter().map(|list| list.len()).sum::<usize>());
        bytes.extend_from_slice(sizes.as_flattened());
        lists.into_iter().for_each(|list| bytes.extend_from_slice(list));
        Self(Cow::Owned(bytes))
    }
}

impl fmt::Debug for ModuleInfo<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ModuleInfo")
            .field("exports", &self.exports())
            .field("needs", &self.needs())
            .field("aliases", &self.aliases())
            .field("softdeps", &self.softdeps())
            .field("weakdeps", &self.weakdeps())
            .finish()
    }
}

impl Default for ModuleInfo<'_> {
    fn default() -> Self {
        Self(Cow::Borrowed(&[0; LISTS * size_of::<u64>()]))
    }
}

impl<'a> ModuleInfo<'a> {
    /// What was stored as [`as_bytes`](Self::as_bytes); `None` for bytes that were cut off. Whether the items of its
    /// lists are whole is not looked at, since that takes as long as using them: a checksum has to say so.
    #[must_use]
    pub fn stored(bytes: &'a [u8]) -> Option<Self> {
        let info = Self(Cow::Borrowed(bytes));
        info.lists().is_some().then_some(info)
    }

    /// The form in which it is stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Symbols that others may use.
    #[must_use]
    pub fn exports(&self) -> Items<'_, Exported> {
        self.list(Place::Exports)
    }

    /// Symbols that others must provide.
    #[must_use]
    pub fn needs(&self) -> Items<'_, Needed> {
        self.list(Place::Needs)
    }

    /// Values of `alias=`: what the module is a driver or provider of.
    #[must_use]
    pub fn aliases(&self) -> Items<'_, ByteString> {
        self.list(Place::Aliases)
    }

    /// Values of `softdep=`: modules that should come before or after this one.
    #[must_use]
    pub fn softdeps(&self) -> Items<'_, ByteString> {
        self.list(Place::Softdeps)
    }

    /// Values of `weakdep=`: modules that this one may use.
    #[must_use]
    pub fn weakdeps(&self) -> Items<'_, ByteString> {
        self.list(Place::Weakdeps)
    }

    fn list<K: ListKind>(&self, place: Place) -> Items<'_, K> {
        let list = self.lists().and_then(|lists| lists.get(place as usize).copied());
        Items::of(list.unwrap_or_default())
    }

    /// The lists as they are stored, if there are five and nothing else.
    fn lists(&self) -> Option<[&[u8]; LISTS]> {
        let mut rest = &*self.0;
        let sizes: [u8; LISTS * 8] = take_array(&mut rest)?;
        let mut lists = [[].as_slice(); LISTS];
        for (list, &size) in lists.iter_mut().zip(sizes.as_chunks().0) {
            (*list, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(size)).ok()?)?;
        }
        rest.is_empty().then_some(lists)
    }
}

/// Memory for [`read`], used again from one module to the next.
#[derive(Debug, Default)]
pub struct Workspace {
    file: Buffers,
    headers: [Vec<u8>; 2],
    symbols: [Vec<u8>; 2],
    needs: NeedsScratch,
    part: Vec<u8>,
    modinfo: Vec<u8>,
    lists: Lists,
}

/// What could be read of a module, and what went wrong.
#[derive(Debug, Default)]
pub struct Reading {
    /// What the file says, as far as it could be read.
    pub info: ModuleInfo<'static>,
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
    read_opened(file::open(path), workspace)
}

/// Reads what the database records of a module file that was opened, if it could be.
#[must_use]
pub fn read_opened(module: Result<ModuleFile, ReadError>, workspace: &mut Workspace) -> Reading {
    workspace.lists.clear();
    let mut reading = Reading::default();
    reading.error = module.and_then(|module| read_into(&module, workspace, &mut reading)).err();
    reading.info = ModuleInfo::from(&workspace.lists);
    reading
}

fn read_into(file: &ModuleFile, workspace: &mut Workspace, reading: &mut Reading) -> Result<(), ReadError> {
    let Workspace { file: buffers, headers, symbols, needs, part, modinfo, lists } = workspace;
    reading.metadata = Some(file.metadata().clone());
    let image = file::image(file, buffers)?;
    reading.tail = image.tail().to_vec();
    let layout = Layout::read(&image, headers)?;
    if layout.is_debug_only() {
        return Err(ReadError::DebugOnly);
    }
    let table = SymbolTable::read(&image, &layout, symbols)?;
    // A damaged list of exports says nothing against the rest.
    let exports = symbols::exports(&image, &layout, &table, &mut lists.exports);
    let image = match versions_and_strings(&layout) {
        Some(range) => image.with_part(range.offset, range.len, part)?,
        None => image,
    };
    symbols::needs(&image, &layout, &table, needs, &mut lists.needs)?;
    read_modinfo(&image, &layout, modinfo, lists)?;
    exports
}

/// Where the versions and the strings of a module are, with what is between them, if one read fetches both in less time
/// than two.
fn versions_and_strings(layout: &Layout<'_>) -> Option<Range> {
    /// Of real modules, five in six have no more between them.
    const BETWEEN: u64 = 4 << 10;
    let mut sections = [layout.section(b"__versions")?, layout.section(b".modinfo")?];
    sections.sort_by_key(|section| section.offset);
    let [first, second] = sections;
    let between = second.offset.checked_sub(first.offset.checked_add(first.len)?)?;
    let len = first.len.checked_add(between)?.checked_add(second.len)?;
    (between <= BETWEEN && len <= PART_LIMIT).then_some(Range { offset: first.offset, len })
}

fn read_modinfo(
    image: &Image<'_>,
    layout: &Layout<'_>,
    buffer: &mut Vec<u8>,
    lists: &mut Lists,
) -> Result<(), ReadError> {
    let Some(range) = layout.section(b".modinfo") else { return Ok(()) };
    for (key, value) in modinfo::pairs(image.bytes(range.offset, range.len, buffer)?) {
        match key {
            b"alias" => lists.aliases.push(value),
            b"softdep" => lists.softdeps.push(value),
            b"weakdep" => lists.weakdeps.push(value),
            _ => continue,
        }
        let strings = [&mut lists.aliases, &mut lists.softdeps, &mut lists.weakdeps];
        if strings.iter().map(|list| list.as_bytes().len()).sum::<usize>() > STRINGS_LIMIT {
            strings.into_iter().for_each(Strings::clear);
            return Err(TOO_MANY_STRINGS);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symbols::{Export, Need};

    fn lists() -> Lists {
        let mut lists = Lists::default();
        lists.exports.push(Export { name: b"exported", crc: 0x1234 });
        lists.needs.push(Need { name: b"needed", crc: u64::MAX, weak: true });
        lists.needs.push(Need { name: b"", crc: 0, weak: false });
        lists.aliases.push(b"pci:v*");
        lists.weakdeps.push(b"b");
        lists
    }

    #[test]
    fn everything_comes_back_as_it_was_put_in_and_as_it_was_stored() {
        let lists = lists();
        let info = ModuleInfo::from(&lists);
        assert!(info.exports().eq(lists.exports.iter()));
        assert!(info.needs().eq(lists.needs.iter()));
        assert!(info.aliases().eq([b"pci:v*"]));
        assert!(info.softdeps().next().is_none());
        assert!(info.weakdeps().eq([b"b"]));
        assert_eq!(ModuleInfo::stored(info.as_bytes()), Some(info.clone()));
        let nothing = ModuleInfo::default();
        assert_eq!(ModuleInfo::stored(nothing.as_bytes()), Some(nothing.clone()));
    }

    #[test]
    fn bytes_that_were_cut_off_or_go_on_are_refused() {
        let lists = lists();
        let info = ModuleInfo::from(&lists);
        for len in 0..info.as_bytes().len() {
            assert_eq!(ModuleInfo::stored(&info.as_bytes()[..len]), None, "{len}");
        }
        assert_eq!(ModuleInfo::stored(&[info.as_bytes(), b"x"].concat()), None);
    }

    fn read_bytes(bytes: &[u8]) -> Reading {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        read(file.path(), &mut Workspace::default())
    }

    #[test]
    fn a_file_of_debug_information_is_no_module() {
        let module = fixtures::Module::new("a").alias("x").export("e", 1);
        for kind in fixtures::ALL_KINDS {
            let mut bytes = module.clone().kind(kind).bytes();
            assert!(read_bytes(&bytes).error.is_none());
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), &bytes).unwrap();
            let opened = file::open(file.path()).unwrap();
            let (mut buffers, mut headers) = (Buffers::default(), Default::default());
            let image = file::image(&opened, &mut buffers).unwrap();
            let range = Layout::read(&image, &mut headers).unwrap().section(b".modinfo").unwrap();
            // The header of the section that begins there, by its offset: the type stands some bytes before it.
            let (before, number) = match kind.class {
                fixtures::Class::Elf32 => (12, u32::try_from(range.offset).unwrap().to_le_bytes().to_vec()),
                fixtures::Class::Elf64 => (20, range.offset.to_le_bytes().to_vec()),
            };
            let number: Vec<u8> = match kind.endian {
                fixtures::Endian::Little => number,
                fixtures::Endian::Big => number.into_iter().rev().collect(),
            };
            let at = bytes.windows(number.len()).rposition(|window| window == number).unwrap();
            let low = if kind.endian == fixtures::Endian::Little { at - before } else { at - before + 3 };
            assert_eq!(bytes[low], 1, "PROGBITS");
            bytes[low] = 8;
            let reading = read_bytes(&bytes);
            assert!(matches!(reading.error, Some(ReadError::DebugOnly)), "{kind:?} {:?}", reading.error);
            assert_eq!(reading.info, ModuleInfo::default());
        }
    }

    #[test]
    fn more_strings_than_any_module_has_are_refused_and_the_rest_is_kept() {
        let mut module = fixtures::Module::new("a").export("e", 1).alias("x");
        let reading = read_bytes(&module.bytes());
        assert_eq!(reading.info.aliases().count(), 1);
        for number in 0..STRINGS_LIMIT / 100 + 1 {
            module = module.info(format!("alias={number:099}"));
        }
        let reading = read_bytes(&module.bytes());
        assert!(matches!(reading.error, Some(ReadError::Malformed(_))), "{:?}", reading.error);
        assert_eq!((reading.info.aliases().count(), reading.info.exports().count()), (0, 1));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_give_lists_or_nothing(
            sizes in proptest::array::uniform5(0..40_u64),
            lists in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
        ) {
            let sizes = sizes.map(u64::to_le_bytes);
            let bytes = [sizes.as_flattened(), &lists].concat();
            let info = ModuleInfo(Cow::Borrowed(&bytes));
            let items = info.exports().count() + info.needs().count() + info.aliases().count();
            proptest::prop_assert!(items <= lists.len());
            if let Some(stored) = ModuleInfo::stored(&bytes) {
                proptest::prop_assert_eq!(stored.as_bytes(), &*bytes);
            }
        }
    }
}
