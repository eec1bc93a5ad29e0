//! The symbols that a module needs from others.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::elf::Layout;
use crate::file::{Image, ReadError};
use crate::symbols::list::{Need, Needs, check_limit};
use crate::symbols::table::{SHN_UNDEF, Symbol, SymbolTable, until_nul};
use crate::symbols::versions::Versions;

/// Memory for [`needs`], used again from one module to the next.
#[derive(Debug, Default)]
pub struct NeedsScratch {
    sections: [Vec<u8>; 2],
    /// Places of versions by the hash of their names, the first of a name only.
    places: HashTable<usize>,
    hasher: RandomState,
    /// Whether the version at a place belongs to an undefined symbol. compat: one that repeats a name does not
    /// (random damage in tests/compliance/src/damaged.rs).
    accounted: Vec<bool>,
}

/// Why there are no needs.
enum Unusable {
    /// The name of an undefined symbol lies outside of the table of names.
    Names,
    Unreadable(ReadError),
}

/// Puts the needs of a module into an empty list: its undefined symbols, then the names in `__versions` that are
/// none of them. None at all if the name of an undefined symbol lies outside of the table, or one in `__versions`
/// does not end.
///
/// # Errors
/// What the file system said.
pub fn needs(
    image: &Image<'_>,
    layout: &Layout<'_>,
    table: &SymbolTable<'_>,
    scratch: &mut NeedsScratch,
    list: &mut Needs,
) -> Result<(), ReadError> {
    if !table.is_there() {
        return Ok(());
    }
    let NeedsScratch { sections, places, hasher, accounted } = scratch;
    let versions = Versions::read(image, layout, sections)?;
    if !versions.are_terminated(layout) {
        return Ok(());
    }
    let hash_of = |name: &[u8]| {
        let mut hash = hasher.build_hasher();
        hash.write(name);
        hash.finish()
    };
    let name_at = |place: usize| versions.at(layout, place).map_or(b"".as_slice(), |version| version.name);
    places.clear();
    places.reserve(versions.len(), |&other| hash_of(name_at(other)));
    accounted.clear();
    accounted.resize(versions.len(), false);
    for place in 0..versions.len() {
        let name = name_at(place);
        let rehash = |&other: &usize| hash_of(name_at(other));
        places.entry(hash_of(name), |&other| versions.is_of(layout, other, name), rehash).or_insert(place);
    }
    let names_differ = places.len() == versions.len();
    // Compilers write half of the versions in the order of the symbols.
    let mut next = None;
    let is_undefined = |section| section == SHN_UNDEF;
    let undefined = table.try_each(layout, is_undefined, |symbol| {
        if is_register(layout, &symbol) {
            return Ok(());
        }
        let name_and_rest = symbol.name_and_rest.ok_or(Unusable::Names)?;
        let name = until_nul(name_and_rest);
        if name.is_empty() {
            return Ok(());
        }
        let is_it = |&place: &usize| versions.is_of(layout, place, name);
        let place = next
            .filter(|place| names_differ && is_it(place))
            .or_else(|| places.find(hash_of(name), is_it).copied());
        next = place.map(|place| place + 1);
        if let Some(accounted) = place.and_then(|place| accounted.get_mut(place)) {
            *accounted = true;
        }
        let crc = place.and_then(|place| versions.crc(layout, place)).unwrap_or_default();
        let need = Need { name, crc, weak: symbol.weak };
        list.push_by(|list| need.put_from(name_and_rest, list));
        check_limit(list).map_err(Unusable::Unreadable)
    });
    match undefined {
        Ok(()) => {}
        Err(Unusable::Names) => {
            list.clear();
            return Ok(());
        }
        Err(Unusable::Unreadable(error)) => return Err(error),
    }
    // compat: names in the extended table make no dependency (case depmod/module-extended-versions).
    if layout.section(b"__versions").is_some() {
        let left = accounted.iter().enumerate().filter(|(_, accounted)| !**accounted);
        for version in left.filter_map(|(place, _)| versions.at(layout, place)) {
            list.push(Need { name: version.name, crc: version.crc, weak: false });
            check_limit(list)?;
        }
    }
    Ok(())
}

/// SPARC marks the use of a global register as an undefined symbol.
fn is_register(layout: &Layout<'_>, symbol: &Symbol<'_>) -> bool {
    const STT_REGISTER: u8 = 13;
    const SPARC: [u16; 2] = [2, 43];
    symbol.kind == STT_REGISTER && SPARC.contains(&layout.machine)
}
