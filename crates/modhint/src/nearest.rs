//! The name that somebody who mistyped one most probably meant.

/// The nearest of some names, if one is near: one mistake in a short name, two in a longer one; another letter in the
/// place of one of three makes another name. `-` and `_` are the same. Who mistypes a name mostly begins it right, and
/// other digits stand for another device. Of several that are equally near the first counts.
pub fn nearest<'a>(name: &[u8], candidates: impl IntoIterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    let name = plain(name);
    let allowed = match name.len() {
        0..=2 => 0,
        3..=7 => 1,
        _ => 2,
    };
    let mut best: Option<((usize, bool), &[u8])> = None;
    for candidate in candidates {
        if candidate.len().abs_diff(name.len()) > allowed {
            continue;
        }
        let plain = plain(candidate);
        if !begins_alike(&name, &plain) || !digits(&name).eq(digits(&plain)) {
            continue;
        }
        let is_reordered = sorted(&name) == sorted(&plain);
        if name.len() == 3 && plain.len() == 3 && !is_reordered {
            continue;
        }
        let distance = distance(&name, &plain);
        // The same letters in another order are more like it than one letter less.
        let rank = (distance, !is_reordered);
        if distance <= allowed && best.is_none_or(|(least, _)| rank < least) {
            best = Some((rank, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Whether the first letters are the same, or the first two have changed places.
fn begins_alike(one: &[u8], other: &[u8]) -> bool {
    match (one, other) {
        ([a, b, ..], [c, d, ..]) => a == c || (a, b) == (d, c),
        _ => one == other,
    }
}

fn digits(name: &[u8]) -> impl Iterator<Item = &u8> {
    name.iter().filter(|byte| byte.is_ascii_digit())
}

fn sorted(name: &[u8]) -> Vec<u8> {
    let mut letters = name.to_vec();
    letters.sort_unstable();
    letters
}

fn plain(name: &[u8]) -> Vec<u8> {
    name.iter().map(|&byte| if byte == b'-' { b'_' } else { byte.to_ascii_lowercase() }).collect()
}

/// How many letters must be added, removed, replaced or swapped with their neighbour to turn one name into the other.
fn distance(one: &[u8], other: &[u8]) -> usize {
    let width = other.len() + 1;
    let mut rows: [Vec<usize>; 3] = [Vec::new(), (0..width).collect(), vec![0; width]];
    let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX / 2);
    for (i, &a) in one.iter().enumerate() {
        let [before, last, row] = &mut rows;
        row.clear();
        row.push(i + 1);
        for (j, &b) in other.iter().enumerate() {
            let exchanged = at(last, j) + usize::from(a != b);
            let mut least = exchanged.min(at(last, j + 1) + 1).min(at(row, j) + 1);
            let is_swap = i > 0 && j > 0 && one.get(i - 1) == Some(&b) && other.get(j - 1) == Some(&a);
            if is_swap {
                least = least.min(at(before, j - 1) + 1);
            }
            row.push(least);
        }
        rows.rotate_left(1);
    }
    rows.get(1).and_then(|row| row.last()).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_or_two_mistakes_are_seen_through() {
        let names: [&[u8]; 10] = [
            b"fat",
            b"vfat",
            b"nf_conntrack",
            b"snd_hda_intel",
            b"loop",
            b"xfs",
            b"romfs",
            b"amd64_edac",
            b"arcnet",
            b"overlay",
        ];
        for (typed, meant) in [
            ("vfta", Some("vfat")),
            ("vfatt", Some("vfat")),
            ("nf-contrack", Some("nf_conntrack")),
            ("nf_cnntrakc", Some("nf_conntrack")),
            ("LOOP", Some("loop")),
            ("snd-hda-intel", Some("snd_hda_intel")),
            ("fvat", Some("vfat")),
            ("fta", Some("fat")),
            ("overlayfs", Some("overlay")),
            // Other names, and not mistakes.
            ("xfy", None),
            ("cramfs", None),
            ("decnet", None),
            ("amd76_edac", None),
            ("zzz", None),
            ("xy", None),
            ("ntfs", None),
            ("", None),
        ] {
            let found = nearest(typed.as_bytes(), names);
            assert_eq!(found.map(String::from_utf8_lossy).as_deref(), meant, "{typed}");
        }
    }
}
