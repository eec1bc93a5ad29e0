//! Entries of an index that is to be written, and their order.

use std::borrow::Cow;

/// An entry of an index to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    pub(super) key: Cow<'a, [u8]>,
    pub(super) value: Text<'a>,
    pub(super) priority: u32,
}

/// A value that is at hand, or is written only where it belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text<'a> {
    Given(&'a [u8]),
    Later { number: usize, len: usize },
}

impl Text<'_> {
    pub(super) fn len(&self) -> usize {
        match *self {
            Self::Given(text) => text.len(),
            Self::Later { len, .. } => len,
        }
    }
}

/// The bytes of a key that are compared at a time.
const WORD: usize = size_of::<u64>();

/// Something by its place, with the number by which it is being ordered.
#[derive(Clone, Copy)]
pub(super) struct Rank {
    pub(super) word: u64,
    pub(super) place: usize,
}

/// Orders by the numbers. The only sort of an index's parts: the compiler would make one for every other type and order.
pub(super) fn sort(ranks: &mut [Rank]) {
    ranks.sort_unstable_by_key(|rank| rank.word);
}

/// The entries by key, then by priority; of equals the one that was added last comes first.
///
/// Keys are sorted by their first word, those that share it by the next one, and so on: aliases of a bus begin alike
/// for long, and a comparison of two whole keys would go through all of that again.
pub(super) fn sorted<'e, 'a>(entries: &'e [Entry<'a>]) -> Vec<&'e Entry<'a>> {
    let key = |rank: &Rank| entries.get(rank.place).map(|entry| &*entry.key).unwrap_or_default();
    // An index, whose offsets have 32 bits, holds fewer entries.
    let from_last = |rank: &Rank| u32::MAX - u32::try_from(rank.place).unwrap_or(u32::MAX);
    let order = |rank: &Rank| {
        let priority = entries.get(rank.place).map_or(0, |entry| entry.priority);
        u64::from(priority) << u32::BITS | u64::from(from_last(rank))
    };
    let mut ranks: Vec<Rank> = (0..entries.len()).map(|place| Rank { word: 0, place }).collect();
    // Not by recursion: two keys may have a whole section of a hostile module in common.
    let mut unsorted = vec![(0..ranks.len(), 0)];
    while let Some((range, depth)) = unsorted.pop() {
        let mut start = range.start;
        let Some(group) = ranks.get_mut(range) else { continue };
        for rank in &mut *group {
            rank.word = word_at(key(rank), depth);
        }
        sort(group);
        for alike in group.chunk_by_mut(|a, b| a.word == b.word) {
            let end = start + alike.len();
            match alike {
                [_] => {}
                // No key holds a NUL, so this one fills up a word that all of these keys end in.
                [rank, ..] if rank.word.to_be_bytes().ends_with(&[0]) => {
                    for rank in &mut *alike {
                        rank.word = order(rank);
                    }
                    sort(alike);
                }
                _ => unsorted.push((start..end, depth + WORD)),
            }
            start = end;
        }
    }
    let mut sorted = Vec::with_capacity(entries.len());
    sorted.extend(ranks.iter().filter_map(|rank| entries.get(rank.place)));
    sorted
}

/// The word of a key at a depth, filled up with NULs, so that words are ordered as their bytes are.
fn word_at(key: &[u8], depth: usize) -> u64 {
    let rest = key.get(depth..).unwrap_or_default();
    let mut word = [0; WORD];
    match rest.first_chunk() {
        Some(whole) => word = *whole,
        None => word.iter_mut().zip(rest).for_each(|(to, from)| *to = *from),
    }
    u64::from_be_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn entries_are_ordered_by_bytes_then_priority_then_from_the_last_to_the_first(
            keys in proptest::collection::vec(("[ab]{0,20}", 0..3_u32), 0..60),
        ) {
            let entries: Vec<Entry<'_>> =
                keys.iter().map(|(key, priority)| Entry { key: key.as_bytes().into(), value: Text::Given(b""), priority: *priority }).collect();
            let places = |entries: &[&Entry<'_>]| -> Vec<_> {
                entries.iter().map(|entry| (entry.key.as_ptr(), entry.priority)).collect()
            };
            let mut expected: Vec<_> = entries.iter().rev().collect();
            expected.sort_by_key(|entry| (&entry.key, entry.priority));
            proptest::prop_assert_eq!(places(&sorted(&entries)), places(&expected));
        }
    }
}
