//! The name that somebody who mistyped one most probably meant.

/// The nearest of some names, if one is near: one mistake in a short name, two in a longer one. `-` and `_` are the
/// same. Of several that are equally near the first counts.
pub fn nearest<'a>(name: &[u8], candidates: impl IntoIterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    let name = plain(name);
    let allowed = match name.len() {
        0..=2 => 0,
        3..=5 => 1,
        _ => 2,
    };
    let mut best: Option<(usize, &[u8])> = None;
    for candidate in candidates {
        if candidate.len().abs_diff(name.len()) > allowed {
            continue;
        }
        let distance = distance(&name, &plain(candidate));
        if distance <= allowed && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
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
        let names: [&[u8]; 6] = [b"fat", b"vfat", b"nf_conntrack", b"snd_hda_intel", b"loop", b"xfs"];
        for (typed, meant) in [
            ("vfta", Some("vfat")),
            ("vfatt", Some("vfat")),
            ("nf-contrack", Some("nf_conntrack")),
            ("nf_cnntrakc", Some("nf_conntrack")),
            ("LOOP", Some("loop")),
            ("snd-hda-intel", Some("snd_hda_intel")),
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
