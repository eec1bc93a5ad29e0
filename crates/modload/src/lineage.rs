//! Which processes called this one, directly or not, among those that are still alive.

use std::path::Path;

use modfile::regular;

/// At most this many ancestors are looked at; nobody nests shells deeper.
const DEEPEST: usize = 256;
/// A `stat` of a process is a few hundred bytes.
const LONGEST: usize = 4096;

/// Whether `ancestor` called the process `process`, directly or not, and both live; `None` where `/proc` does not
/// show it.
#[must_use]
pub fn is_ancestor(proc: &Path, ancestor: u32, process: u32) -> Option<bool> {
    let mut at = process;
    for _ in 0..DEEPEST {
        at = parent(proc, at)?;
        if at == ancestor {
            return Some(true);
        }
        if at <= 1 {
            return Some(false);
        }
    }
    Some(false)
}

/// The number of a process's parent: the second field behind the name (proc_pid_stat(5)), which may contain anything
/// and ends at the last parenthesis.
fn parent(proc: &Path, process: u32) -> Option<u32> {
    let text = regular::read(&proc.join(process.to_string()).join("stat"), LONGEST).ok()?;
    let end = text.iter().rposition(|&byte| byte == b')')?;
    let mut fields = text.get(end + 1..)?.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
    std::str::from_utf8(fields.nth(1)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_are_followed_up_to_the_first_process() {
        let proc = tempfile::tempdir().unwrap();
        for (process, parent) in [(9, 8), (8, 7), (7, 1), (1, 0), (20, 1), (30, 31)] {
            let directory = proc.path().join(process.to_string());
            std::fs::create_dir(&directory).unwrap();
            std::fs::write(directory.join("stat"), format!("{process} (a) 5 (b) S {parent} 1 1\n")).unwrap();
        }
        for (ancestor, process, expected) in [
            (7, 9, Some(true)),
            (8, 9, Some(true)),
            (1, 9, Some(true)),
            (9, 8, Some(false)),
            // Its caller has ended, so the first process has adopted it.
            (7, 20, Some(false)),
            (7, 30, None),
            (7, 40, None),
        ] {
            assert_eq!(is_ancestor(proc.path(), ancestor, process), expected, "{ancestor} {process}");
        }
    }
}
