//! Modules that depend on each other in a circle.
//!
//! Which modules are in a circle is found out in time that grows with the number of needs (strongly connected
//! components, by Tarjan's algorithm). Which circles there are is another matter: their number can double with each
//! module, so the search for them is bounded, and then one of each knot is reported.

use std::collections::HashMap;

use crate::build::catalog::ModuleIndex;
use crate::build::knots::{Knots, direct_of};

/// What is in the way of an order of loading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cycles {
    /// Each circle in the order in which it is reported; the last one depends on the first. Of modules that are
    /// knotted together beyond all bounds one circle stands for many.
    pub chains: Vec<Vec<ModuleIndex>>,
    /// The modules in circles, in ascending order.
    pub members: Vec<ModuleIndex>,
    /// The modules that depend on those, directly or not, and so cannot be loaded either, in ascending order.
    pub dependents: Vec<ModuleIndex>,
}

/// Steps of all walks together that look for circles. Every real circle is found long before; without a bound, paths
/// through a dense graph double at each level.
const MOST_STEPS: usize = 1 << 20;

/// So many names at most stand in all chains together.
const MOST_REPORTED: usize = 1 << 16;

/// Numbers modules so that each comes before what it depends on, given what each depends on by itself.
///
/// # Errors
/// [`Cycles`] if there is no such order.
pub(super) fn order(direct: &[Vec<ModuleIndex>]) -> Result<Vec<usize>, Cycles> {
    let (number, users) = topological_numbers(direct);
    if users.iter().any(|&count| count > 0) { Err(find(direct, &users)) } else { Ok(number) }
}

/// Numbers modules so that each comes before what it depends on; returns also how many users each one has left,
/// which is 0 for all unless there is a circle.
fn topological_numbers(direct: &[Vec<ModuleIndex>]) -> (Vec<usize>, Vec<usize>) {
    let mut users = vec![0_usize; direct.len()];
    for &dependency in direct.iter().flatten() {
        if let Some(count) = users.get_mut(dependency) {
            *count += 1;
        }
    }
    let mut number = vec![0; direct.len()];
    let mut next = 0;
    let mut stack: Vec<ModuleIndex> =
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

/// Finds the circles in what each module depends on, given how many users each one has that stand in the way.
fn find(direct: &[Vec<ModuleIndex>], users: &[usize]) -> Cycles {
    let knots = Knots::of(direct);
    let members: Vec<ModuleIndex> =
        (0..direct.len()).filter(|&module| knots.is_in_circle(direct, module)).collect();
    let mut chains = chains(direct, users);
    let mut is_reported = vec![false; knots.count];
    for module in chains.iter().filter_map(|chain| chain.first()) {
        if let Some(reported) = knots.of.get(*module).and_then(|&knot| is_reported.get_mut(knot)) {
            *reported = true;
        }
    }
    for &module in &members {
        let Some(&knot) = knots.of.get(module) else { continue };
        if let Some(reported) = is_reported.get_mut(knot).filter(|reported| !**reported) {
            *reported = true;
            chains.push(shortest_through(direct, &knots, module));
        }
    }
    let dependents = dependents(direct, &members);
    Cycles { chains, members, dependents }
}

/// Follows dependencies from every module that was left over, in the order in which kmod does.
///
/// The modules to start from stand in a ring, and removing one turns the ring so that the one after it comes
/// next; that shows in the report. compat: a module that is already on the way from the root is not followed
/// again, where kmod 30 walks in circles for ever and kmod 34 aborts once two circles overlap; and a module
/// that only hangs below a circle is not reported as one (cases depmod/dependency-cycles-overlapping,
/// depmod/dependency-cycle-with-users).
fn chains(direct: &[Vec<ModuleIndex>], users: &[usize]) -> Vec<Vec<ModuleIndex>> {
    let mut roots = Ring::new(users.iter().map(|&count| count > 0));
    let mut is_on_way = vec![false; direct.len()];
    let mut chains = Vec::new();
    let mut steps = 0;
    let mut reported = 0;
    while let Some(root) = roots.take() {
        let mut way: Vec<ModuleIndex> = Vec::new();
        // A module that is to be looked at, and how far from the root.
        let mut stack = vec![(root, 0)];
        while let Some((module, depth)) = stack.pop() {
            steps += 1;
            for left in way.drain(depth.min(way.len())..) {
                set(&mut is_on_way, left, false);
            }
            if module == root && depth > 0 {
                reported += way.len();
                if reported <= MOST_REPORTED {
                    way.iter().for_each(|&member| roots.remove(member));
                    chains.push(way.clone());
                }
                continue;
            }
            if is_on_way.get(module).is_none_or(|&is_on_way| is_on_way) {
                continue;
            }
            if steps > MOST_STEPS || reported > MOST_REPORTED {
                return chains;
            }
            let dependencies = direct_of(direct, module);
            if dependencies.is_empty() {
                roots.remove(module);
            }
            set(&mut is_on_way, module, true);
            way.push(module);
            stack.extend(dependencies.iter().map(|&dependency| (dependency, depth + 1)));
        }
        way.into_iter().for_each(|left| set(&mut is_on_way, left, false));
    }
    chains
}

fn set(flags: &mut [bool], module: ModuleIndex, flag: bool) {
    if let Some(slot) = flags.get_mut(module) {
        *slot = flag;
    }
}

/// A shortest circle through a module that is in one.
fn shortest_through(direct: &[Vec<ModuleIndex>], knots: &Knots, module: ModuleIndex) -> Vec<ModuleIndex> {
    let mut user_of: HashMap<ModuleIndex, ModuleIndex> = HashMap::new();
    let mut level = vec![module];
    while !level.is_empty() {
        let mut below = Vec::new();
        for user in level {
            for &dependency in direct_of(direct, user) {
                if dependency == module {
                    return way_to(&user_of, module, user);
                }
                if knots.of.get(dependency) == knots.of.get(module) {
                    user_of.entry(dependency).or_insert_with(|| {
                        below.push(dependency);
                        user
                    });
                }
            }
        }
        level = below;
    }
    Vec::new()
}

/// The way from one module down to another.
fn way_to(
    user_of: &HashMap<ModuleIndex, ModuleIndex>,
    from: ModuleIndex,
    to: ModuleIndex,
) -> Vec<ModuleIndex> {
    let mut way = vec![to];
    let mut at = to;
    while at != from
        && let Some(&user) = user_of.get(&at)
    {
        way.push(user);
        at = user;
    }
    way.reverse();
    way
}

/// Who depends on one of the members without being one.
fn dependents(direct: &[Vec<ModuleIndex>], members: &[ModuleIndex]) -> Vec<ModuleIndex> {
    let mut users: Vec<Vec<ModuleIndex>> = vec![Vec::new(); direct.len()];
    for (user, dependencies) in direct.iter().enumerate() {
        for &dependency in dependencies {
            if let Some(users) = users.get_mut(dependency) {
                users.push(user);
            }
        }
    }
    let mut is_reached = vec![false; direct.len()];
    let mut stack = members.to_vec();
    while let Some(module) = stack.pop() {
        if let Some(reached) = is_reached.get_mut(module).filter(|reached| !**reached) {
            *reached = true;
            stack.extend(direct_of(&users, module));
        }
    }
    members.iter().for_each(|&member| set(&mut is_reached, member, false));
    is_reached.iter().enumerate().filter(|(_, reached)| **reached).map(|(module, _)| module).collect()
}

/// A circular list of modules with a head that moves on.
struct Ring {
    /// The neighbours of each member; `None` for what is not a member.
    around: Vec<Option<(ModuleIndex, ModuleIndex)>>,
    head: Option<ModuleIndex>,
}

impl Ring {
    fn new(are_members: impl Iterator<Item = bool>) -> Self {
        let are_members: Vec<bool> = are_members.collect();
        let members: Vec<ModuleIndex> =
            are_members.iter().enumerate().filter(|(_, is)| **is).map(|(module, _)| module).collect();
        let mut around = vec![None; are_members.len()];
        let after = members.iter().cycle().skip(1);
        let before = members.last().into_iter().chain(&members);
        for ((&member, &after), &before) in members.iter().zip(after).zip(before) {
            if let Some(slot) = around.get_mut(member) {
                *slot = Some((before, after));
            }
        }
        Self { around, head: members.first().copied() }
    }

    /// Takes the head out; the one after it becomes the head.
    fn take(&mut self) -> Option<ModuleIndex> {
        let head = self.head?;
        self.remove(head);
        Some(head)
    }

    /// Takes a member out, if it is there; the one after it becomes the head.
    fn remove(&mut self, module: ModuleIndex) {
        let Some((before, after)) = self.around.get_mut(module).and_then(Option::take) else { return };
        if let Some(Some((_, next))) = self.around.get_mut(before) {
            *next = after;
        }
        if let Some(Some((previous, _))) = self.around.get_mut(after) {
            *previous = before;
        }
        self.head = (after != module).then_some(after);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The modules by number, each with what it depends on.
    fn cycles(direct: &[&[ModuleIndex]]) -> Cycles {
        order(&direct.iter().map(|direct| direct.to_vec()).collect::<Vec<_>>()).unwrap_err()
    }

    #[test]
    fn every_circle_is_reported_once_also_where_circles_overlap() {
        type Case<'a> = (&'a [&'a [ModuleIndex]], &'a [&'a [ModuleIndex]], &'a [ModuleIndex]);
        let cases: [Case<'_>; 6] = [
            (&[&[0]], &[&[0]], &[0]),
            (&[&[1, 2], &[0], &[3], &[]], &[&[0, 1]], &[0, 1]),
            (&[&[1], &[2], &[3], &[1], &[5], &[4]], &[&[1, 2, 3], &[4, 5]], &[1, 2, 3, 4, 5]),
            (&[&[1, 2], &[3], &[3], &[0]], &[&[0, 2, 3], &[0, 1, 3]], &[0, 1, 2, 3]),
            (&[&[1], &[0, 2], &[1]], &[&[0, 1], &[2, 1]], &[0, 1, 2]),
            (&[&[1], &[2], &[1]], &[&[1, 2]], &[1, 2]),
        ];
        for (direct, chains, members) in cases {
            let cycles = cycles(direct);
            assert_eq!(cycles.chains, chains, "{direct:?}");
            assert_eq!(cycles.members, members, "{direct:?}");
        }
    }

    #[test]
    fn who_depends_on_a_circle_cannot_be_loaded_either_and_who_is_needed_by_it_can() {
        let cycles = cycles(&[&[1], &[2], &[3, 4], &[2], &[], &[0, 4], &[4]]);
        assert_eq!(cycles.members, [2, 3]);
        assert_eq!(cycles.dependents, [0, 1, 5]);
    }

    #[test]
    fn a_knot_or_ladder_beyond_all_bounds_is_reported_by_a_circle_and_counted_whole() {
        let knot: Vec<Vec<ModuleIndex>> = (0..400).map(|_| (0..400).collect()).collect();
        // Each rung has two ways to the next one, and the last leads back to the first.
        let mut ladder: Vec<Vec<ModuleIndex>> =
            (0..2000).map(|at| vec![(at | 1) + 1, (at | 1) + 2]).collect();
        ladder.truncate(1998);
        ladder.extend([vec![0, 1], vec![0, 1]]);
        let long: Vec<Vec<ModuleIndex>> = (0..20_000).map(|at| vec![(at + 1) % 20_000]).collect();
        // A chain into a circle, from which every module starts anew.
        let tail: Vec<Vec<ModuleIndex>> =
            (0..20_000).map(|at| vec![if at == 19_999 { 19_999 } else { at + 1 }]).collect();
        for (direct, members) in [(knot, 400), (ladder, 2000), (long, 20_000), (tail, 1)] {
            let count = direct.len();
            let cycles = order(&direct).unwrap_err();
            assert_eq!(cycles.members.len(), members);
            assert_eq!(cycles.dependents.len(), if members == 1 { count - 1 } else { 0 });
            assert!(!cycles.chains.is_empty());
            assert!(cycles.chains.iter().map(Vec::len).sum::<usize>() <= MOST_REPORTED + count);
            for chain in &cycles.chains {
                for (user, dependency) in chain.iter().zip(chain.iter().cycle().skip(1)) {
                    assert!(direct[*user].contains(dependency), "{user} does not need {dependency}");
                }
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn members_are_those_that_can_reach_themselves(
            needs in proptest::collection::vec(proptest::collection::vec(0..9_usize, 0..3), 9),
        ) {
            let reaches = |from: ModuleIndex, to: ModuleIndex| {
                let mut seen = [false; 9];
                let mut stack = needs[from].clone();
                while let Some(at) = stack.pop() {
                    if !std::mem::replace(&mut seen[at], true) {
                        stack.extend(&needs[at]);
                    }
                }
                seen[to]
            };
            let members: Vec<ModuleIndex> = (0..9).filter(|&module| reaches(module, module)).collect();
            let dependents: Vec<ModuleIndex> = (0..9)
                .filter(|module| !members.contains(module) && members.iter().any(|&member| reaches(*module, member)))
                .collect();
            match order(&needs) {
                Ok(_) => proptest::prop_assert!(members.is_empty()),
                Err(cycles) => {
                    proptest::prop_assert_eq!(cycles.members, members);
                    proptest::prop_assert_eq!(cycles.dependents, dependents);
                }
            }
        }
    }
}
