//! Names to ask for, out of the text files of a database.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Every name that the database in a module directory answers to: modules, what is built in, and their aliases
/// and symbols with something in the place of each wildcard.
///
/// # Errors
/// If a file of the database cannot be read.
pub fn of_database(directory: &Path) -> Result<BTreeSet<String>> {
    let read = |name: &str| {
        let path = directory.join(name);
        fs::read(&path).with_context(|| path.display().to_string())
    };
    let mut names = BTreeSet::new();
    names.extend(of_modules(&read("modules.dep")?));
    names.extend(of_modules(&read("modules.builtin")?));
    names.extend(of_aliases(&read("modules.alias")?));
    names.extend(of_aliases(&read("modules.symbols")?));
    names.extend(of_builtin_aliases(&read("modules.builtin.modinfo")?));
    Ok(names)
}

/// Names of the modules in modules.dep or modules.builtin.
fn of_modules(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let paths = text.lines().map(|line| line.split(':').next().unwrap_or_default());
    let bases = paths.map(|path| path.rsplit('/').next().unwrap_or_default());
    bases
        .filter_map(|base| Some(base.split('.').next()?.to_owned()))
        .filter(|name| !name.is_empty())
        .collect()
}

/// Patterns of modules.alias or modules.symbols, filled in.
fn of_aliases(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let lines = text.lines().filter_map(|line| line.strip_prefix("alias "));
    lines.filter_map(|rest| Some(filled(rest.rsplit_once(' ')?.0))).collect()
}

/// Aliases in modules.builtin.modinfo, filled in.
fn of_builtin_aliases(text: &[u8]) -> Vec<String> {
    let strings = text.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    strings.filter_map(|string| Some(filled(string.split_once(".alias=")?.1))).collect()
}

/// A string that a pattern matches: each wildcard becomes something that it stands for.
fn filled(pattern: &str) -> String {
    let mut out = String::new();
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '*' => out.push_str("0Az"),
            '?' => out.push('7'),
            '[' => {
                let class: String = letters.by_ref().take_while(|letter| *letter != ']').collect();
                let negated = class.starts_with('!');
                // Patterns of modules are negated only against digits and letters.
                out.push(if negated { '~' } else { class.chars().next().unwrap_or('[') });
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_become_what_they_stand_for() {
        assert_eq!(filled("usb:v1234d0[1-3]?*in*"), "usb:v1234d0170Azin0Az");
        assert_eq!(filled("a[!0-9]b"), "a~b");
    }

    #[test]
    fn names_come_out_of_each_kind_of_file() {
        assert_eq!(of_modules(b"kernel/fs/a-b.ko.xz: kernel/c.ko\nkernel/c.ko:\n"), ["a-b", "c"]);
        assert_eq!(of_aliases(b"# note\nalias pci:v* some_module\n"), ["pci:v0Az"]);
        assert_eq!(of_builtin_aliases(b"m.license=GPL\0m.alias=fs-x\0"), ["fs-x"]);
    }
}
