//! When an observation of ours counts as equal to one of a reference.
//!
//! Against kmod 34: everything, byte for byte. Against kmod 30: its binary indexes by content, since it orders
//! their nodes otherwise; its messages without the place in its source that this debugging build puts in front;
//! and without modules.weakdep, which it does not know. Nothing is sorted, no line is dropped.

use anyhow::{Context, Result, ensure};
use reference::Release;

use crate::index;
use crate::observe::Observation;
use crate::snapshot::{Changes, Node};

/// The first difference, in words; `None` if there is none.
pub fn difference(
    ours: &[Observation],
    theirs: &[Observation],
    release: Release,
    free_stdout: bool,
) -> Result<Option<String>> {
    ensure!(ours.len() == theirs.len(), "{} runs of ours, {} of theirs", ours.len(), theirs.len());
    for (number, (our, their)) in (1..).zip(ours.iter().zip(theirs)) {
        if let Some(text) = one(our, their, release, free_stdout)? {
            return Ok(Some(format!("run {number}: {text}")));
        }
    }
    Ok(None)
}

/// The first difference between two runs, in words; `None` if there is none.
pub fn one(
    ours: &Observation,
    theirs: &Observation,
    release: Release,
    free_stdout: bool,
) -> Result<Option<String>> {
    if ours.ending != theirs.ending {
        return Ok(Some(format!("ending: ours {:?}, theirs {:?}", ours.ending, theirs.ending)));
    }
    if free_stdout {
        ensure!(!theirs.stdout.is_empty(), "standard output is said to be free, but theirs is empty");
    }
    let same_stdout = if free_stdout { !ours.stdout.is_empty() } else { ours.stdout == theirs.stdout };
    if !same_stdout {
        return Ok(Some(text_difference("standard output", &ours.stdout, &theirs.stdout)));
    }
    let stderr = match release {
        Release::Kmod30 => without_source_places(&theirs.stderr),
        Release::Kmod34 => theirs.stderr.clone(),
    };
    if ours.stderr != stderr {
        return Ok(Some(text_difference("standard error", &ours.stderr, &stderr)));
    }
    files(&ours.changes, &theirs.changes, release)
}

/// The first difference between what two runs changed.
pub fn files(ours: &Changes, theirs: &Changes, release: Release) -> Result<Option<String>> {
    let known = |path: &[u8]| release == Release::Kmod34 || !path.ends_with(b"/modules.weakdep");
    ensure!(theirs.keys().all(|path| known(path)), "{release} has written modules.weakdep");
    let paths = ours.keys().filter(|path| known(path)).chain(theirs.keys());
    for path in paths {
        let shown = String::from_utf8_lossy(path);
        match (ours.get(path), theirs.get(path)) {
            (None, _) => return Ok(Some(format!("{shown}: changed by theirs only"))),
            (_, None) => return Ok(Some(format!("{shown}: changed by ours only"))),
            (Some(our), Some(their)) if our == their => {}
            (Some(our), Some(their)) => {
                if let Some(text) = node(path, our.as_ref(), their.as_ref(), release)? {
                    return Ok(Some(format!("{shown}: {text}")));
                }
            }
        }
    }
    Ok(None)
}

fn node(path: &[u8], ours: Option<&Node>, theirs: Option<&Node>, release: Release) -> Result<Option<String>> {
    let (Some(Node::File(our_mode, our)), Some(Node::File(their_mode, their))) = (ours, theirs) else {
        return Ok(Some("not the same kind of file, or another mode or target".to_owned()));
    };
    if our_mode != their_mode {
        return Ok(Some(format!("mode: ours {our_mode:o}, theirs {their_mode:o}")));
    }
    if !path.ends_with(b".bin") {
        return Ok((our != their).then(|| text_difference("content", our, their)));
    }
    let theirs = index::decode(their).context("the reference's index")?;
    let ours = match index::decode(our) {
        Ok(entries) => entries,
        Err(error) => return Ok(Some(format!("ours is no index: {error:#}"))),
    };
    for (our, their) in ours.iter().zip(&theirs) {
        if our != their {
            return Ok(Some(format!("entry: ours {}, theirs {}", entry(our), entry(their))));
        }
    }
    if ours.len() != theirs.len() {
        return Ok(Some(format!("entries: ours {}, theirs {}", ours.len(), theirs.len())));
    }
    let only_layout = release == Release::Kmod30 && our.len() == their.len();
    Ok((!only_layout).then(|| "the same entries, but other bytes".to_owned()))
}

fn entry(entry: &index::Entry) -> String {
    let values: Vec<_> = entry
        .values
        .iter()
        .map(|(priority, text)| format!("{priority}:{}", String::from_utf8_lossy(text)))
        .collect();
    format!("{} = [{}]", String::from_utf8_lossy(&entry.key), values.join(", "))
}

/// The first line that differs.
fn text_difference(what: &str, ours: &[u8], theirs: &[u8]) -> String {
    let (our_text, their_text) = (String::from_utf8_lossy(ours), String::from_utf8_lossy(theirs));
    let (mut our_lines, mut their_lines) = (our_text.split('\n'), their_text.split('\n'));
    for number in 1.. {
        match (our_lines.next(), their_lines.next()) {
            (None, None) => break,
            (our, their) if our == their => {}
            (our, their) => {
                let show = |line: Option<&str>| line.map_or("(end)".to_owned(), |line| format!("'{line}'"));
                return format!(
                    "{what}, line {number}:\n    ours   {}\n    theirs {}",
                    show(our),
                    show(their)
                );
            }
        }
    }
    format!("{what}: bytes that are not UTF-8 differ")
}

/// `depmod: ERROR: ../dir/file.c:123 function() text` becomes `depmod: ERROR: text`, and the same where the
/// prefix is libkmod's own.
fn without_source_places(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let place = line.windows(3).position(|window| window == b"../");
        let function_end = line.windows(3).position(|window| window == b"() ");
        match (place, function_end) {
            (Some(start), Some(end)) if start < end => {
                out.extend(line.iter().take(start));
                out.extend(line.iter().skip(end + 3));
            }
            _ => out.extend_from_slice(line),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use reference::Ending;

    fn observation(stdout: &str, stderr: &str, files: &[(&str, &[u8])]) -> Vec<Observation> {
        let changes = files
            .iter()
            .map(|(path, content)| (path.as_bytes().to_vec(), Some(Node::File(0o644, content.to_vec()))));
        vec![Observation {
            ending: Ending::Exit(0),
            stdout: stdout.into(),
            stderr: stderr.into(),
            changes: changes.collect(),
        }]
    }

    fn differ(ours: &[Observation], theirs: &[Observation], release: Release) -> bool {
        difference(ours, theirs, release, false).unwrap().is_some()
    }

    #[test]
    fn a_changed_byte_anywhere_is_a_difference() {
        let base = observation("a\n", "b\n", &[("m/modules.dep", b"x:\n")]);
        assert!(!differ(&base, &base, Release::Kmod34));
        for other in [
            observation("a", "b\n", &[("m/modules.dep", b"x:\n")]),
            observation("a\n", "b\nb\n", &[("m/modules.dep", b"x:\n")]),
            observation("a\n", "b\n", &[("m/modules.dep", b"x: \n")]),
            observation("a\n", "b\n", &[]),
            observation("a\n", "b\n", &[("m/modules.dep", b"x:\n"), ("m/extra", b"")]),
        ] {
            for release in Release::ALL {
                assert!(differ(&base, &other, release) && differ(&other, &base, release), "{other:?}");
            }
        }
    }

    #[test]
    fn kmod_30_may_lay_out_an_index_otherwise_but_not_hold_other_entries() {
        // One key "a" with the value "v": the root before its child, and after it.
        let pre = b"\xb0\x07\xf4\x57\0\x02\0\x01\x20\0\0\x0caa\x40\0\0\x12\0\0\0\x01\0\0\0\0v\0";
        let post = b"\xb0\x07\xf4\x57\0\x02\0\x01\x20\0\0\x16\0\0\0\x01\0\0\0\0v\0aa\x40\0\0\x0c";
        let other = b"\xb0\x07\xf4\x57\0\x02\0\x01\x20\0\0\x0caa\x40\0\0\x12\0\0\0\x01\0\0\0\0w\0";
        let with = |bytes: &[u8]| observation("", "", &[("m/modules.dep.bin", bytes)]);
        assert!(!differ(&with(pre), &with(post), Release::Kmod30));
        assert!(differ(&with(pre), &with(post), Release::Kmod34));
        assert!(differ(&with(other), &with(post), Release::Kmod30));
    }

    #[test]
    fn the_place_in_kmod_30s_source_is_not_part_of_its_message() {
        let theirs = observation("", "depmod: ERROR: ../d/f.c:12 f() text\nother\n", &[]);
        let ours = observation("", "depmod: ERROR: text\nother\n", &[]);
        assert!(!differ(&ours, &theirs, Release::Kmod30));
        assert!(differ(&ours, &theirs, Release::Kmod34));
    }
}
