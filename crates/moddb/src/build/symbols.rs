//! Who provides which symbol.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::OnceLock;

use foldhash::fast::RandomState;
use memchr::arch::all::is_equal;

use crate::build::catalog::Catalog;
use crate::build::hash::table_order;

/// Buckets of kmod's table of symbols.
const SYMBOL_BUCKETS: u32 = 2048;

/// Symbols that a kernel image exports, with their checksums.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelSymbols {
    /// Names without the architecture's prefix, and checksums; 0 where the source has none.
    pub symbols: Vec<(Vec<u8>, u64)>,
    /// Whether the source has checksums that are worth comparing.
    pub has_crcs: bool,
}

/// Symbols that every module may need and no export list names.
const ALWAYS_KNOWN: [&[u8]; 3] = [b"__this_module", b"_GLOBAL_OFFSET_TABLE_", b"TOC."];

/// Where a symbol is defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SymbolDefinition {
    /// The providing module by its place in the catalog, `None` for the kernel itself.
    pub owner: Option<usize>,
    /// Its checksum, 0 if unknown.
    pub crc: u64,
}

/// A symbol's name as a key. Names are short: they are compared here, which takes less time than a call to do it.
#[derive(Clone, Copy, Debug)]
struct Name<'a>(&'a [u8]);

impl PartialEq for Name<'_> {
    fn eq(&self, other: &Self) -> bool {
        is_equal(self.0, other.0)
    }
}

impl Eq for Name<'_> {}

impl Hash for Name<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.0);
    }
}

/// All known symbols, and who provides each.
#[derive(Debug, Default)]
pub struct SymbolOwners<'a> {
    definitions: HashMap<Name<'a>, SymbolDefinition, RandomState>,
    provided: OnceLock<Vec<(&'a [u8], usize)>>,
    prefix: Option<u8>,
}

impl<'a> SymbolOwners<'a> {
    /// Joins the kernel's symbols and all modules' exports; a later definition replaces an earlier one.
    /// `prefix` is a character that this architecture puts before every symbol.
    #[must_use]
    pub fn new(catalog: &'a Catalog<'_>, kernel: Option<&'a KernelSymbols>, prefix: Option<u8>) -> Self {
        let exported = catalog.modules().iter().map(|module| module.info.export_count()).sum();
        let mut table = Self {
            definitions: HashMap::with_capacity_and_hasher(exported, RandomState::default()),
            prefix,
            provided: OnceLock::new(),
        };
        if let Some(kernel) = kernel {
            let listed = kernel.symbols.iter().map(|(name, crc)| (name.as_slice(), *crc));
            let always = ALWAYS_KNOWN.iter().map(|&name| (name, 0));
            table.definitions.extend(
                listed.chain(always).map(|(name, crc)| (Name(name), SymbolDefinition { owner: None, crc })),
            );
        }
        for (owner, module) in catalog.modules().iter().enumerate() {
            for export in module.info.exports() {
                let definition = SymbolDefinition { owner: Some(owner), crc: export.crc };
                table.definitions.insert(Name(unprefixed(export.name, prefix)), definition);
            }
        }
        table
    }

    /// What is known of a symbol that a module needs, and the name by which it is known.
    #[must_use]
    pub fn lookup<'s>(&self, name: &'s [u8]) -> Option<(&'s [u8], SymbolDefinition)> {
        // PowerPC writes a function's entry point with a dot before its name.
        let name = unprefixed(name.strip_prefix(b".").unwrap_or(name), self.prefix);
        self.definitions.get(&Name(name)).map(|&definition| (name, definition))
    }

    /// Symbols that modules provide, with the module's place in the catalog, in the order of `modules.symbols`.
    /// They are sorted when they are first asked for, which finding out who provides what does not.
    #[must_use]
    pub fn provided(&self) -> &[(&'a [u8], usize)] {
        self.provided.get_or_init(|| {
            let mut provided: Vec<_> = self
                .definitions
                .iter()
                .filter_map(|(&Name(name), definition)| {
                    Some((table_order(name, SYMBOL_BUCKETS), definition.owner?))
                })
                .collect();
            provided.sort_unstable();
            provided.into_iter().map(|((_, name), owner)| (name, owner)).collect()
        })
    }

    /// How many symbols modules provide.
    #[must_use]
    pub fn provided_count(&self) -> usize {
        self.definitions.values().filter(|definition| definition.owner.is_some()).count()
    }
}

/// A symbol's name without the character that this architecture puts before every symbol.
#[must_use]
pub fn unprefixed(name: &[u8], prefix: Option<u8>) -> &[u8] {
    match (prefix, name.split_first()) {
        (Some(prefix), Some((&first, rest))) if first == prefix => rest,
        _ => name,
    }
}
