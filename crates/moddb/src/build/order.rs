//! The order of modules, on which everything in the database depends.
//!
//! Modules that `modules.order` names come first, in the order of their first mention, because that is the
//! order in which the kernel's build wants them tried; the others follow in hash order. A module's place in
//! this list is its priority in the binary indexes.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use modfile::ModuleName;

use crate::build::hash::table_order;

/// Buckets of kmod's table of modules.
const MODULE_BUCKETS: u32 = 512;

/// A module file that will be in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// The module's name.
    pub name: ModuleName,
    /// The file's path as the database records it: relative to the module directory, or absolute for a file
    /// outside of it.
    pub path: Vec<u8>,
}

/// A line of `modules.order` that is cut off: the file was not written whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CorruptedLine {
    /// Its number, from 1.
    pub number: usize,
}

/// Puts modules, one of each name, into the order of the database. `located` says where an item's module is;
/// `modules_order` is the contents of that file, if there is one.
///
/// # Errors
/// [`CorruptedLine`] if the last line has no newline; `modules_order` is then not used at all.
pub fn sort<T>(
    modules: &mut [T],
    located: impl Fn(&T) -> &Located,
    modules_order: Option<&[u8]>,
) -> Result<(), CorruptedLine> {
    let is_whole = modules_order.is_none_or(|text| text.is_empty() || text.ends_with(b"\n"));
    let text = modules_order.filter(|_| is_whole).unwrap_or_default();
    let mut mentions: HashMap<&[u8], usize, RandomState> = HashMap::default();
    for (number, line) in text.split(|&byte| byte == b'\n').enumerate() {
        mentions.entry(line).or_insert(number);
    }
    // No two modules are mentioned by one line.
    modules.sort_by_cached_key(|module| match mentions.get(uncompressed(located(module))) {
        Some(&number) => Priority::Mentioned(number),
        None => {
            let (bucket, name) = table_order(located(module).name.as_bytes(), MODULE_BUCKETS);
            Priority::Hashed(bucket, name.to_vec())
        }
    });
    match modules_order {
        Some(text) if !is_whole => Err(CorruptedLine { number: text.split(|&byte| byte == b'\n').count() }),
        _ => Ok(()),
    }
}

/// What decides on a module's place.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Priority {
    /// The number of the first line that mentions it.
    Mentioned(usize),
    /// Its place in kmod's table.
    Hashed(u32, Vec<u8>),
}

/// A module's path as `modules.order` writes it, which ends in `.ko` however the file is compressed.
///
/// compat: the suffix is looked for where the name ends, at its first dot (case
/// depmod/input-order-with-compressed-names).
fn uncompressed(module: &Located) -> &[u8] {
    let directory = module.path.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    let len = directory + module.name.as_bytes().len() + b".ko".len();
    module.path.get(..len).unwrap_or(&module.path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(paths: &[&str], order: Option<&str>) -> (Vec<String>, Result<(), CorruptedLine>) {
        let located = |path: &&str| Located {
            name: ModuleName::of_path(path.as_bytes()),
            path: path.as_bytes().to_vec(),
        };
        let mut modules: Vec<_> = paths.iter().map(located).collect();
        let result = sort(&mut modules, |module| module, order.map(str::as_bytes));
        (modules.iter().map(|module| String::from_utf8_lossy(&module.path).into_owned()).collect(), result)
    }

    #[test]
    fn named_modules_come_first_by_first_mention_and_the_rest_in_hash_order() {
        let paths = ["a.ko", "k/b.ko.xz", "c.ko", "d.ko"];
        assert_eq!(sorted(&paths, None), (to_strings(&["c.ko", "k/b.ko.xz", "d.ko", "a.ko"]), Ok(())));
        let order = "unknown.ko\nk/b.ko\nd.ko\nk/b.ko\n";
        assert_eq!(sorted(&paths, Some(order)), (to_strings(&["k/b.ko.xz", "d.ko", "c.ko", "a.ko"]), Ok(())));
    }

    #[test]
    fn a_file_that_ends_within_a_line_is_not_used() {
        let (paths, result) = sorted(&["a.ko", "c.ko"], Some("a.ko\nc.k"));
        assert_eq!(paths, ["c.ko", "a.ko"]);
        assert_eq!(result, Err(CorruptedLine { number: 2 }));
    }

    fn to_strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(ToString::to_string).collect()
    }
}
