//! Which module depends on which, and in what order they can be loaded.

use std::collections::HashSet;

use crate::build::catalog::Catalog;
use crate::build::symbols::SymbolTable;

/// A module's place in the catalog.
pub type Index = usize;

/// Something about a need that is worth saying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeedNote<'a> {
    /// A first need that makes one module depend on another.
    Dependency {
        /// The module that needs.
        module: Index,
        /// What it needs, by the name under which it is known.
        symbol: &'a [u8],
        /// The module that provides it.
        provider: Index,
    },
    /// A symbol that nobody provides.
    Unknown {
        /// The module that needs.
        module: Index,
        /// What it needs.
        symbol: &'a [u8],
    },
    /// A symbol that is provided with another checksum than the module was built against.
    VersionDisagrees {
        /// The module that needs.
        module: Index,
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

/// Modules that depend on each other in a circle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycles {
    /// Each circle in the order in which it is reported; the last one depends on the first.
    pub chains: Vec<Vec<Index>>,
    /// How many different modules are in the circles.
    pub modules: usize,
}

/// Direct dependencies of all modules, and their topological order.
#[derive(Debug)]
pub struct DependencyGraph {
    direct: Vec<Vec<Index>>,
    /// A module has a smaller number than what it depends on.
    number: Vec<usize>,
}

impl DependencyGraph {
    /// Joins what each module depends on by itself, in the order of the catalog.
    ///
    /// # Errors
    /// [`Cycles`] if no order exists.
    pub fn new(direct: Vec<Vec<Index>>) -> Result<Self, Cycles> {
        let (number, users) = topological_numbers(&direct);
        if users.iter().any(|&count| count > 0) {
            return Err(find_cycles(&direct, &users));
        }
        Ok(Self { direct, number })
    }

    /// What a module depends on by itself, in the order of its needs.
    fn direct(&self, module: Index) -> &[Index] {
        self.direct.get(module).map(Vec::as_slice).unwrap_or_default()
    }

    /// For each module in order all that it depends on, also through others, dependents before what they
    /// depend on. They are to be loaded from the last to the first.
    #[must_use]
    pub fn closures(&self) -> Vec<Vec<Index>> {
        // Who was last to see a module.
        let mut seen_by = vec![None; self.direct.len()];
        let mut stack: Vec<Index> = Vec::new();
        let closure = |module: Index| {
            let mut found = Vec::new();
            stack.extend(self.direct(module));
            while let Some(dependency) = stack.pop() {
                let Some(seen) = seen_by.get_mut(dependency).filter(|seen| **seen != Some(module)) else {
                    continue;
                };
                *seen = Some(module);
                found.push(dependency);
                stack.extend(self.direct(dependency));
            }
            found.sort_unstable_by_key(|&dependency| self.number.get(dependency));
            found
        };
        (0..self.direct.len()).map(closure).collect()
    }
}

/// Who provides what one module needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved<'a> {
    /// The modules that it depends on by itself, in the order of its needs.
    pub direct: Vec<Index>,
    /// Each dependency and each need that failed the check, in the order of its needs.
    pub notes: Vec<NeedNote<'a>>,
}

/// Finds out who provides what a module needs. Modules do not depend on each other here.
#[must_use]
pub fn resolve<'a>(
    catalog: &'a Catalog<'_>,
    symbols: &SymbolTable<'_>,
    check: Check,
    module: Index,
) -> Resolved<'a> {
    let Resolved { mut direct, mut notes } = Resolved::default();
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
        if let Some(provider) = definition.owner.filter(|provider| !direct.contains(provider)) {
            direct.push(provider);
            notes.push(NeedNote::Dependency { module, symbol: known_as, provider });
        }
    }
    Resolved { direct, notes }
}

/// Numbers modules so that each comes before what it depends on; gives also how many users each one has left,
/// which is 0 for all unless there is a circle.
fn topological_numbers(direct: &[Vec<Index>]) -> (Vec<usize>, Vec<usize>) {
    let mut users = vec![0_usize; direct.len()];
    for &dependency in direct.iter().flatten() {
        if let Some(count) = users.get_mut(dependency) {
            *count += 1;
        }
    }
    let mut number = vec![0; direct.len()];
    let mut next = 0;
    let mut stack: Vec<Index> =
        users.iter().enumerate().filter(|&(_, &count)| count == 0).map(|(module, _)| module).collect();
    while let Some(module) = stack.pop() {
        if let Some(slot) = number.get_mut(module) {
            *slot = next;
        }
        next += 1;
        for &dependency in direct.get(module).into_iter().flatten() {
            let Some(count) = users.get_mut(dependency) else { continue };
            *count -= 1;
            if *count == 0 {
                stack.push(dependency);
            }
        }
    }
    (number, users)
}

/// Steps of one walk after which a module that was seen before is not followed again. Every real circle is
/// found long before; without a bound, paths through a dense graph double at each level.
const LONGEST_WALK: usize = 1 << 16;

/// Follows dependencies from every module that was left over, in the order in which kmod does.
///
/// The modules to start from stand in a ring, and removing one turns the ring so that the one after it comes
/// next; that shows in the report. compat: a module that is already on the way from the root is not followed
/// again, where kmod 30 walks in circles for ever and kmod 34 aborts once two circles overlap; and a module
/// that only hangs below a circle is not reported as one (cases depmod/dependency-cycles-overlapping,
/// depmod/dependency-cycle-with-users).
fn find_cycles(direct: &[Vec<Index>], users: &[usize]) -> Cycles {
    let left = users.iter().enumerate().filter(|&(_, &count)| count > 0).map(|(module, _)| module);
    let mut roots = Ring { members: left.collect(), head: 0 };
    let mut visited = HashSet::new();
    let mut members = HashSet::new();
    let mut chains = Vec::new();
    while let Some(root) = roots.take() {
        // Each step of the walk knows the step before it, by position.
        let mut steps: Vec<(Index, Option<usize>)> = vec![(root, None)];
        let mut stack = vec![0_usize];
        while let Some(step) = stack.pop() {
            let Some(&(module, parent)) = steps.get(step) else { continue };
            let way = chain_to(&steps, parent);
            if module == root && parent.is_some() {
                for &member in &way {
                    roots.remove(member);
                }
                members.extend(way.iter().copied());
                chains.push(way);
                continue;
            }
            let seen = !visited.insert(module);
            if way.contains(&module) || (seen && steps.len() > LONGEST_WALK) {
                continue;
            }
            let dependencies = direct.get(module).map(Vec::as_slice).unwrap_or_default();
            if dependencies.is_empty() {
                roots.remove(module);
            }
            for &dependency in dependencies {
                stack.push(steps.len());
                steps.push((dependency, Some(step)));
            }
        }
    }
    Cycles { chains, modules: members.len() }
}

/// The modules from the start of a walk down to a step.
fn chain_to(steps: &[(Index, Option<usize>)], last: Option<usize>) -> Vec<Index> {
    let mut chain = Vec::new();
    let mut at = last;
    while let Some(&(module, parent)) = at.and_then(|step| steps.get(step)) {
        chain.push(module);
        at = parent;
    }
    chain.reverse();
    chain
}

/// A circular list with a head that moves on.
struct Ring {
    members: Vec<Index>,
    head: usize,
}

impl Ring {
    /// Takes the head out; the one after it becomes the head.
    fn take(&mut self) -> Option<Index> {
        if self.members.is_empty() {
            return None;
        }
        self.head %= self.members.len();
        Some(self.members.remove(self.head))
    }

    /// Takes a member out, if it is there; the one after it becomes the head.
    fn remove(&mut self, module: Index) {
        if let Some(position) = self.members.iter().position(|&member| member == module) {
            self.members.remove(position);
            self.head = position;
        }
    }
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
        let symbols = SymbolTable::new(&catalog, None, None);
        let resolved =
            (0..modules.len()).map(|module| resolve(&catalog, &symbols, Check::Nothing, module).direct);
        DependencyGraph::new(resolved.collect())
    }

    #[test]
    fn a_closure_holds_what_dependencies_need_and_puts_dependents_first() {
        let graph = graph(&[("base", &[]), ("middle", &["base"]), ("top", &["base", "middle", "kernel's"])]);
        let graph = graph.unwrap();
        assert_eq!(graph.closures(), [vec![], vec![0], vec![1, 0]]);
    }

    #[test]
    fn every_circle_is_reported_once_also_where_circles_overlap() {
        type Case<'a> = (&'a [(&'a str, &'a [&'a str])], &'a [&'a [Index]], usize);
        let cases: [Case<'_>; 6] = [
            (&[("a", &["a"])], &[&[0]], 1),
            (&[("b", &["c", "d"]), ("c", &["b"]), ("d", &["e"]), ("e", &[])], &[&[0, 1]], 2),
            (
                &[("x", &["a"]), ("a", &["b"]), ("b", &["c"]), ("c", &["a"]), ("d", &["e"]), ("e", &["d"])],
                &[&[1, 2, 3], &[4, 5]],
                5,
            ),
            (
                &[("a", &["b", "c"]), ("b", &["d"]), ("c", &["d"]), ("d", &["a"])],
                &[&[0, 2, 3], &[0, 1, 3]],
                4,
            ),
            (&[("a", &["b"]), ("b", &["a", "c"]), ("c", &["b"])], &[&[0, 1], &[2, 1]], 3),
            (&[("a", &["b"]), ("b", &["c"]), ("c", &["b"])], &[&[1, 2]], 2),
        ];
        for (modules, chains, count) in cases {
            let cycles = graph(modules).unwrap_err();
            assert_eq!(cycles.chains, chains, "{modules:?}");
            assert_eq!(cycles.modules, count, "{modules:?}");
        }
    }

    #[test]
    fn a_dense_knot_of_circles_is_reported_in_bounded_time() {
        let names: Vec<String> = (0..40).map(|number| format!("m{number}")).collect();
        let needs: Vec<&str> = names.iter().map(String::as_str).collect();
        let modules: Vec<(&str, &[&str])> =
            names.iter().map(|name| (name.as_str(), needs.as_slice())).collect();
        let cycles = graph(&modules).unwrap_err();
        assert_eq!(cycles.modules, 40);
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
        let symbols = SymbolTable::new(&catalog, None, None);
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
