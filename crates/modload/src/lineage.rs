//! Which processes called this one, directly or through the kernel, among those that are still alive.

use std::path::Path;

use modfile::regular;
use modstate::running::Nested;

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

/// Whether, and how, a process of this group called the process `process`. The first process of a group has its number.
///
/// The kernel does not say on whose behalf it calls. But whoever makes it call sleeps in the function that waits for the
/// called program, and `/proc` shows that. A process of the group that sleeps there may wait for another program of the
/// kernel's: it is taken for the one that waits for this one.
#[must_use]
pub fn called_from(proc: &Path, group: u32, process: u32) -> Option<Nested> {
    // A shell may become the last program that it calls.
    if process == group || is_ancestor(proc, group, process) == Some(true) {
        return Some(Nested::Called);
    }
    let entries = std::fs::read_dir(proc).ok()?;
    let processes = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut of_group = processes.filter(|&process| field(proc, process, GROUP) == Some(group));
    of_group.any(|process| waits_for_the_kernel(proc, process)).then_some(Nested::Asked)
}

/// The function of the kernel in which a process waits for a program that the kernel started.
const WAITS_IN: &[u8] = b"call_usermodehelper_exec";

fn waits_for_the_kernel(proc: &Path, process: u32) -> bool {
    let threads = std::fs::read_dir(proc.join(process.to_string()).join("task"));
    threads.into_iter().flatten().flatten().any(|thread| {
        let path = thread.path();
        match regular::read(&path.join("wchan"), LONGEST).as_deref() {
            // A kernel without names of functions shows the state alone: waiting for this, it can hardly be woken up.
            Ok(b"0" | b"") | Err(_) => state(&path.join("stat")) == Some(b'D'),
            Ok(function) => function == WAITS_IN,
        }
    })
}

/// Fields of a `stat` of a process, counted from the one behind its name (proc_pid_stat(5)).
const PARENT: usize = 1;
const GROUP: usize = 2;

fn parent(proc: &Path, process: u32) -> Option<u32> {
    field(proc, process, PARENT)
}

fn field(proc: &Path, process: u32, number: usize) -> Option<u32> {
    let fields = behind_name(&proc.join(process.to_string()).join("stat"))?;
    let mut fields = fields.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
    std::str::from_utf8(fields.nth(number)?).ok()?.parse().ok()
}

fn state(stat: &Path) -> Option<u8> {
    behind_name(stat)?.trim_ascii().first().copied()
}

/// What stands in a `stat` behind the name, which may contain anything and ends at the last parenthesis.
fn behind_name(stat: &Path) -> Option<Vec<u8>> {
    let text = regular::read(stat, LONGEST).ok()?;
    let end = text.iter().rposition(|&byte| byte == b')')?;
    Some(text.get(end + 1..)?.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_made_the_kernel_call_is_known_by_its_group() {
        let proc = tempfile::tempdir().unwrap();
        // The command 50 with a process 51 in its group; 60 is another's; 2 is the kernel's thread that calls 70.
        for (process, parent, group, state, function) in [
            (50, 40, 50, "S", "do_wait"),
            (51, 50, 50, "D", "call_usermodehelper_exec"),
            (60, 1, 60, "D", "call_usermodehelper_exec"),
            (61, 1, 61, "D", "0"),
            (62, 1, 62, "S", "0"),
            (70, 2, 0, "R", "0"),
            (71, 51, 50, "R", "0"),
            (2, 0, 0, "S", "kthreadd"),
        ] {
            let task = proc.path().join(format!("{process}/task/{process}"));
            std::fs::create_dir_all(&task).unwrap();
            let stat = format!("{process} (a) {state} {parent} {group} 1\n");
            std::fs::write(task.join("stat"), &stat).unwrap();
            std::fs::write(task.join("../../stat"), stat).unwrap();
            std::fs::write(task.join("wchan"), function).unwrap();
        }
        for (group, process, expected) in [
            (50, 70, Some(Nested::Asked)),
            (50, 71, Some(Nested::Called)),
            (50, 50, Some(Nested::Called)),
            (61, 70, Some(Nested::Asked)),
            (62, 70, None),
            (99, 70, None),
        ] {
            assert_eq!(called_from(proc.path(), group, process), expected, "{group} {process}");
        }
    }

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
