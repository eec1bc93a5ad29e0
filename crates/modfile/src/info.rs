//! All that building a module database takes from one module.

use std::borrow::Cow;
use std::fmt;
use std::fs::Metadata;
use std::path::Path;

use crate::elf::{Layout, Range};
use crate::file::{self, Buffers, Image, ModuleFile, PART_LIMIT, ReadError};
use crate::list::{ByteString, Items, ListKind, Strings};
use crate::modinfo;
use crate::symbols::{self, Exported, Exports, Needed, Needs, NeedsScratch, SymbolTable};

/// What the database of a kernel records of one module, in one piece of memory.
///
/// That is the sizes of five [lists](crate::list) in bytes, and how many exports and how many aliases there are (4 bytes
/// each, little-endian), then the lists: exports, needs, aliases, softdeps, weakdeps.
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

/// Where the numbers of exports and of aliases stand, behind the sizes of the lists.
const EXPORT_COUNT: usize = LISTS;
const ALIAS_COUNT: usize = LISTS + 1;

/// The length of what stands before the lists.
const HEAD: usize = (LISTS + 2) * size_of::<u32>();

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
        let sizes = lists.map(<[u8]>::len);
        let mut bytes = Vec::with_capacity(HEAD + sizes.iter().sum::<usize>());
        // Each list is limited to a few megabytes.
        for number in sizes.into_iter().chain([exports.len(), aliases.len()]) {
            bytes.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
        }
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
        Self(Cow::Borrowed(&[0; HEAD]))
    }
}

impl<'a> ModuleInfo<'a> {
    /// What was stored as [`as_bytes`](Self::as_bytes); `None` for bytes that were cut off. Whether the items of its
    /// lists are whole is not looked at, since that takes as long as using them: a checksum has to say so.
    #[must_use]
    pub fn stored(bytes: &'a [u8]) -> Option<Self> {
        let info = Self(Cow::Borrowed(bytes));
        // No item takes less than a byte.
        let [exports, _, aliases, ..] = info.lists()?;
        (info.export_count() <= exports.len() && info.alias_count() <= aliases.len()).then_some(info)
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

    /// How many symbols it offers.
    #[must_use]
    pub fn export_count(&self) -> usize {
        self.number(EXPORT_COUNT).unwrap_or_default()
    }

    /// How many aliases it has.
    #[must_use]
    pub fn alias_count(&self) -> usize {
        self.number(ALIAS_COUNT).unwrap_or_default()
    }

    /// One of the numbers before the lists.
    fn number(&self, place: usize) -> Option<usize> {
        let number = self.0.get(..HEAD)?.as_chunks().0.get(place)?;
        usize::try_from(u32::from_le_bytes(*number)).ok()
    }

    fn list<K: ListKind>(&self, place: Place) -> Items<'_, K> {
        let list = self.lists().and_then(|lists| lists.get(place as usize).copied());
        Items::of(list.unwrap_or_default())
    }

    /// The lists as they are stored, if there are five and nothing else.
    fn lists(&self) -> Option<[&[u8]; LISTS]> {
        let mut rest = self.0.get(HEAD..)?;
        let mut lists = [[].as_slice(); LISTS];
        for (place, list) in lists.iter_mut().enumerate() {
            (*list, rest) = rest.split_at_checked(self.number(place)?)?;
        }
        rest.is_empty().then_some(lists)
    }
}

/// Memory for [`read`], used again from one module to the next.
#[derive(Debug, Default)]
pub struct Workspace {
    /// Whether nobody asks for the checksums of exports: then they are not read, and all are 0.
    pub without_checksums: bool,
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
    let Workspace { without_checksums, file: buffers, headers, symbols, needs, part, modinfo, lists } =
        workspace;
    reading.metadata = Some(file.metadata().clone());
    let image = file::image(file, buffers)?;
    reading.tail = image.tail().to_vec();
    let layout = Layout::read(&image, headers)?;
    if layout.is_debug_only() {
        return Err(ReadError::DebugOnly);
    }
    let table = SymbolTable::read(&image, &layout, symbols)?;
    let find = if *without_checksums { symbols::exported_names } else { symbols::exports };
    // A damaged list of exports says nothing against the rest.
    let exports = find(&image, &layout, &table, &mut lists.exports);
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
mod tests;
