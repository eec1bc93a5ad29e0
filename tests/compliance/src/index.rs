//! A decoder of the binary indexes, written for the comparison alone: it shares nothing with the reader or the
//! writer under test. It flattens the tree to its entries; the order of nodes in the file is lost on purpose.

use anyhow::{Context, Result, ensure};

/// A key and its values in the order in which they are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// All characters from the root down.
    pub key: Vec<u8>,
    /// Priority and text of each value.
    pub values: Vec<(u32, Vec<u8>)>,
}

/// All entries in byte order of their keys. A file of no bytes has none: depmod writes such files when an
/// input is missing.
pub fn decode(file: &[u8]) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    if file.is_empty() {
        return Ok(entries);
    }
    ensure!(u32_at(file, 0)? == 0xB007_F457, "wrong magic");
    ensure!(u32_at(file, 4)? == 0x0002_0001, "wrong version");
    let root = u32_at(file, 8)?;
    if root & 0xF000_0000 != 0 {
        node(file, root, Vec::new(), &mut entries)?;
    } else {
        ensure!(root == 12 && file.len() == 12, "a root without parts in a file that is not empty");
    }
    Ok(entries)
}

fn u32_at(file: &[u8], at: usize) -> Result<u32> {
    let bytes = file.get(at..).and_then(<[u8]>::first_chunk).context("an offset beyond the end")?;
    Ok(u32::from_be_bytes(*bytes))
}

fn string_at(file: &[u8], at: usize) -> Result<Vec<u8>> {
    let rest = file.get(at..).context("a string beyond the end")?;
    let end = rest.iter().position(|byte| *byte == 0).context("a string without end")?;
    Ok(rest.iter().copied().take(end).collect())
}

fn node(file: &[u8], reference: u32, mut key: Vec<u8>, entries: &mut Vec<Entry>) -> Result<()> {
    ensure!(reference & 0x1000_0000 == 0, "an unknown flag in a node reference");
    let mut at = (reference & 0x0FFF_FFFF) as usize;
    if reference & 0x8000_0000 != 0 {
        let prefix = string_at(file, at)?;
        ensure!(!prefix.is_empty(), "an empty prefix");
        at += prefix.len() + 1;
        key.extend(prefix);
    }
    let mut children = Vec::new();
    if reference & 0x2000_0000 != 0 {
        let [first, last] =
            *file.get(at..).and_then(<[u8]>::first_chunk).context("children beyond the end")?;
        ensure!(first <= last && last < 0x80, "children from {first} to {last}");
        at += 2;
        for letter in first..=last {
            let child = u32_at(file, at)?;
            at += 4;
            if child != 0 {
                children.push((letter, child));
            }
        }
    }
    if reference & 0x4000_0000 != 0 {
        let count = u32_at(file, at)?;
        at += 4;
        let mut values = Vec::new();
        for _ in 0..count {
            let text = string_at(file, at + 4)?;
            let priority = u32_at(file, at)?;
            at += 5 + text.len();
            values.push((priority, text));
        }
        ensure!(values.is_sorted_by_key(|(priority, _)| *priority), "values not in order of priority");
        entries.push(Entry { key: key.clone(), values });
    }
    for (letter, child) in children {
        let mut below = key.clone();
        below.push(letter);
        ensure!(below.len() < 65_536, "keys without end");
        node(file, child, below, entries)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    // Keys foo, food and fox, nodes before their children.
    fn file() -> Vec<u8> {
        let mut file = b"\xb0\x07\xf4\x57\x00\x02\x00\x01\x20\x00\x00\x0c".to_vec();
        file.extend(b"ff\xa0\x00\x00\x12");
        file.extend(b"o\0ox\x60\x00\x00\x3e");
        file.extend([0; 8 * 4]);
        file.extend(b"\x40\x00\x00\x6c");
        file.extend(b"dd\x40\x00\x00\x54\0\0\0\x01\0\0\0\0foo.ko:\0");
        file.extend(b"\0\0\0\x01\0\0\0\x01food.ko: foo.ko\0");
        file.extend(b"\0\0\0\x01\0\0\0\x02fox.ko:\0");
        file
    }

    #[test]
    fn keys_and_values_come_back_in_order() {
        let entries = decode(&file()).unwrap();
        let shown: Vec<_> = entries.iter().map(|entry| String::from_utf8_lossy(&entry.key)).collect();
        assert_eq!(shown, ["foo", "food", "fox"]);
        assert_eq!(entries[1].values, [(1, b"food.ko: foo.ko".to_vec())]);
    }

    #[test]
    fn damage_is_noticed() {
        assert!(decode(&file()[..123]).is_err());
        assert!(decode(&file()[..11]).is_err());
        assert!(decode(b"").unwrap().is_empty());
    }
}
