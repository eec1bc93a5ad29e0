//! Which modules can reach each other: strongly connected components, by Tarjan's algorithm, without recursion.

use crate::build::catalog::ModuleIndex;

/// What a module depends on by itself.
pub(super) fn direct_of(direct: &[Vec<ModuleIndex>], module: ModuleIndex) -> &[ModuleIndex] {
    direct.get(module).map(Vec::as_slice).unwrap_or_default()
}

/// Which modules can reach each other.
pub(super) struct Knots {
    /// The number of each module's knot.
    pub(super) of: Vec<usize>,
    /// How many modules each knot has.
    sizes: Vec<usize>,
    pub(super) count: usize,
}

/// What Tarjan's algorithm knows of a module while it walks.
#[derive(Clone, Copy)]
struct Visit {
    number: usize,
    /// The earliest module on the stack that can be reached from it.
    low: usize,
    is_open: bool,
}

impl Knots {
    pub(super) fn of(direct: &[Vec<ModuleIndex>]) -> Self {
        let mut knots = Self { of: vec![0; direct.len()], sizes: Vec::new(), count: 0 };
        let mut visits: Vec<Option<Visit>> = vec![None; direct.len()];
        let mut open: Vec<ModuleIndex> = Vec::new();
        let mut next = 0;
        for start in 0..direct.len() {
            if visits.get(start).is_none_or(Option::is_some) {
                continue;
            }
            // A module, and which of its dependencies comes next.
            let mut way = vec![(start, 0)];
            while let Some((module, place)) = way.last_mut() {
                let module = *module;
                if *place == 0
                    && let Some(visit @ None) = visits.get_mut(module)
                {
                    *visit = Some(Visit { number: next, low: next, is_open: true });
                    next += 1;
                    open.push(module);
                }
                let dependency = direct_of(direct, module).get(*place).copied();
                *place += 1;
                match dependency {
                    Some(dependency) => match visits.get(dependency).copied() {
                        Some(None) => way.push((dependency, 0)),
                        Some(Some(seen)) if seen.is_open => lower(&mut visits, module, seen.number),
                        _ => {}
                    },
                    None => {
                        way.pop();
                        knots.close(module, &mut visits, &mut open);
                        if let Some(&(user, _)) = way.last()
                            && let Some(Some(done)) = visits.get(module).copied()
                            && done.is_open
                        {
                            lower(&mut visits, user, done.low);
                        }
                    }
                }
            }
        }
        knots
    }

    /// Takes a knot off the stack if a module is the first of it.
    fn close(&mut self, module: ModuleIndex, visits: &mut [Option<Visit>], open: &mut Vec<ModuleIndex>) {
        let Some(Some(visit)) = visits.get(module).copied() else { return };
        if visit.low != visit.number {
            return;
        }
        let mut size = 0;
        while let Some(member) = open.pop() {
            if let Some(Some(visit)) = visits.get_mut(member) {
                visit.is_open = false;
            }
            if let Some(knot) = self.of.get_mut(member) {
                *knot = self.count;
            }
            size += 1;
            if member == module {
                break;
            }
        }
        self.sizes.push(size);
        self.count += 1;
    }

    pub(super) fn is_in_circle(&self, direct: &[Vec<ModuleIndex>], module: ModuleIndex) -> bool {
        let size = self.of.get(module).and_then(|&knot| self.sizes.get(knot));
        size.is_some_and(|&size| size > 1) || direct_of(direct, module).contains(&module)
    }
}

fn lower(visits: &mut [Option<Visit>], module: ModuleIndex, number: usize) {
    if let Some(Some(visit)) = visits.get_mut(module) {
        visit.low = visit.low.min(number);
    }
}
