//! Which module depends on which, and in what order they can be loaded.

use std::collections::HashSet;

use crate::build::catalog::{Catalog, ModuleIndex};
use crate::build::cycles::{self, Cycles};
use crate::build::symbols::SymbolOwners;

/// Something about a need that is worth saying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeedNote<'a> {
    /// A first need that makes one module depend on another.
    Dependency {
        /// The module that needs.
        module: ModuleIndex,
        /// What it needs, by the name under which it is known.
        symbol: &'a [u8],
        /// The module that provides it.
        provider: ModuleIndex,
    },
    /// A symbol that nobody provides.
    Unknown {
        /// The module that needs.
        module: ModuleIndex,
        /// What it needs.
        symbol: &'a [u8],
    },
    /// A symbol that is provided with another checksum than the module was built against.
    VersionDisagrees {
        /// The module that needs.
        module: ModuleIndex,
        /// What it needs.
        symbol: &'a [u8],
    },
}

/// Which needs are compared with what is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Only dependencies are looked for.
    Nothing,
    /// Unknown symbols are noted.
    Names,
    /// Unknown symbols and other checksums are noted.
    NamesAndVersions,
}

/// Direct dependencies of all modules, and their topological order.
#[derive(Debug, Default)]
pub struct DependencyGraph {
    direct: Vec<Vec<ModuleIndex>>,
    /// A module has a smaller number than what it depends on.
    number: Vec<usize>,
}

impl DependencyGraph {
    /// Joins what each module depends on by itself, in the order of the catalog.
    ///
    /// # Errors
    /// [`Cycles`] if no order exists.
    pub fn new(direct: Vec<Vec<ModuleIndex>>) -> Result<Self, Cycles> {
        let number = cycles::order(&direct)?;
        Ok(Self { direct, number })
    }

    /// What a module depends on by itself, in the order of its needs.
    fn direct(&self, module: ModuleIndex) -> &[ModuleIndex] {
        self.direct.get(module).map(Vec::as_slice).unwrap_or_default()
    }

    /// How many modules there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.direct.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.direct.is_empty()
    }
}

/// Walks through a graph, one after the other; what they need is kept in between.
#[derive(Debug)]
pub struct Closures<'g> {
    graph: &'g DependencyGraph,
    /// The number of the last walk that saw a module.
    seen_in: Vec<usize>,
    walks: usize,
    stack: Vec<ModuleIndex>,
    found: Vec<ModuleIndex>,
    /// How many dependencies were looked at.
    steps: u64,
}

impl<'g> Closures<'g> {
    /// Walks through a graph.
    #[must_use]
    pub fn new(graph: &'g DependencyGraph) -> Self {
        Self {
            graph,
            seen_in: vec![0; graph.len()],
            walks: 0,
            stack: Vec::new(),
            found: Vec::new(),
            steps: 0,
        }
    }

    /// All that a module depends on, also through others, dependents before what they depend on. They are to be
    /// loaded from the last to the first.
    pub fn of(&mut self, module: ModuleIndex) -> &[ModuleIndex] {
        let Self { graph, seen_in, walks, stack, found, steps } = self;
        *walks += 1;
        found.clear();
        stack.extend(graph.direct(module));
        while let Some(dependency) = stack.pop() {
            *steps += 1;
            let Some(seen) = seen_in.get_mut(dependency).filter(|seen| **seen != *walks) else {
                continue;
            };
            *seen = *walks;
            found.push(dependency);
            stack.extend(graph.direct(dependency));
        }
        found.sort_unstable_by_key(|&dependency| graph.number.get(dependency));
        found
    }

    /// How many dependencies were looked at so far: what the walks cost.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }
}

/// Who provides what one module needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved<'a> {
    /// The modules that it depends on by itself, in the order of its needs.
    pub direct: Vec<ModuleIndex>,
    /// Each dependency and each need that failed the check, in the order of its needs.
    pub notes: Vec<NeedNote<'a>>,
}

/// Finds out who provides what a module needs. Modules do not depend on each other here.
#[must_use]
pub fn resolve<'a>(
    catalog: &'a Catalog<'_>,
    symbols: &SymbolOwners<'_>,
    check: Check,
    module: ModuleIndex,
) -> Resolved<'a> {
    let Resolved { mut direct, mut notes } = Resolved::default();
    // A few are found faster by a look at each.
    const FEW: usize = 64;
    let mut many = HashSet::new();
    let needs = catalog.module(module).into_iter().flat_map(|module| module.info.needs());
    for need in needs {
        let symbol = need.name;
        let Some((known_as, definition)) = symbols.lookup(symbol) else {
            if check != Check::Nothing && !need.weak {
                notes.push(NeedNote::Unknown { module, symbol });
            }
            continue;
        };
        if check == Check::NamesAndVersions && !need.weak && definition.crc != need.crc {
            notes.push(NeedNote::VersionDisagrees { module, symbol });
        }
        if let Some(provider) = definition.owner {
            if direct.len() < FEW {
                if direct.contains(&provider) {
                    continue;
                }
            } else {
                if many.is_empty() {
                    many.extend(&direct);
                }
                if !many.insert(provider) {
                    continue;
                }
            }
            direct.push(provider);
            notes.push(NeedNote::Dependency { module, symbol: known_as, provider });
        }
    }
    Resolved { direct, notes }
}

#[cfg(test)]
mod tests {
    use modfile::info::Lists;
    use modfile::symbols::{Export, Need};
    use modfile::{ModuleInfo, ModuleName};

    use super::*;
    use crate::build::order::Located;

    /// A module exports one symbol of its own name and needs those of others.
    fn catalog(modules: &[(&str, &[&str])]) -> Catalog<'static> {
        Catalog::new(modules.iter().map(|(name, needs)| {
            let mut lists = Lists::default();
            lists.exports.push(Export { name: name.as_bytes(), crc: 0 });
            for need in *needs {
                lists.needs.push(Need { name: need.as_bytes(), crc: 0, weak: false });
            }
            let info = ModuleInfo::from(&lists);
            (Located { name: ModuleName::from(*name), path: format!("{name}.ko").into_bytes() }, info)
        }))
        .unwrap()
    }

    fn graph(modules: &[(&str, &[&str])]) -> Result<DependencyGraph, Cycles> {
        let catalog = catalog(modules);
        let symbols = SymbolOwners::new(&catalog, None, None);
        let resolved =
            (0..modules.len()).map(|module| resolve(&catalog, &symbols, Check::Nothing, module).direct);
        DependencyGraph::new(resolved.collect())
    }

    #[test]
    fn a_closure_holds_what_dependencies_need_and_puts_dependents_first() {
        let graph = graph(&[("base", &[]), ("middle", &["base"]), ("top", &["base", "middle", "kernel's"])]);
        let graph = graph.unwrap();
        let mut closures = Closures::new(&graph);
        for (module, closure) in [(2, [1, 0].as_slice()), (1, &[0]), (0, &[]), (2, &[1, 0]), (2, &[1, 0])] {
            assert_eq!(closures.of(module), closure, "{module}");
        }
    }

    #[test]
    fn needs_are_noted_in_order_and_weak_ones_only_if_they_make_a_dependency() {
        let [mut user, mut provider] = [Lists::default(), Lists::default()];
        for (name, crc, weak) in [(b"p", 2, false), (b"q", 0, true), (b"r", 0, false), (b"p", 1, true)] {
            user.needs.push(Need { name, crc, weak });
        }
        provider.exports.push(Export { name: b"p", crc: 1 });
        let [user, provider] = [&user, &provider].map(ModuleInfo::from);
        let located = |name| Located { name: ModuleName::from(name), path: Vec::new() };
        let catalog = Catalog::new([(located("user"), user), (located("provider"), provider)]).unwrap();
        let symbols = SymbolOwners::new(&catalog, None, None);
        let resolved = resolve(&catalog, &symbols, Check::NamesAndVersions, 0);
        assert_eq!(resolved.direct, [1]);
        assert_eq!(
            resolved.notes,
            [
                NeedNote::VersionDisagrees { module: 0, symbol: b"p" },
                NeedNote::Dependency { module: 0, symbol: b"p", provider: 1 },
                NeedNote::Unknown { module: 0, symbol: b"r" },
            ]
        );
    }
}
