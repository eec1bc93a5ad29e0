//! The program that a command of modutils.d begins with: whether it is there, and whether only root can change it.
//!
//! The shell makes of a line what it will. So only a line that begins with a plain word is judged, and only by that
//! word.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use modfile::regular::check_trust;
use rustix::fs::{FileType, Stat, stat};

use super::Level;
use super::modutils::Modutils;
use crate::text;

/// What the shell does by itself, or reads as part of its language (POSIX, and what dash and bash share beyond it).
const OF_THE_SHELL: [&str; 53] = [
    ".", ":", "[", "alias", "bg", "break", "case", "cd", "command", "continue", "do", "done", "echo", "elif",
    "else", "esac", "eval", "exec", "exit", "export", "false", "fg", "fi", "for", "getopts", "hash", "if",
    "in", "jobs", "kill", "local", "printf", "pwd", "read", "readonly", "return", "set", "shift", "test",
    "then", "times", "trap", "true", "type", "ulimit", "umask", "unalias", "unset", "until", "wait", "while",
    "{", "!",
];

/// What is wrong with the program that a command begins with, if anything can be said.
pub(super) fn check(command: &[u8], modutils: &Modutils<'_>) -> Option<(Level, String)> {
    let word = first_word(command)?;
    let path = if word.contains(&b'/') {
        Path::new(OsStr::from_bytes(word)).to_owned()
    } else if OF_THE_SHELL.iter().any(|known| known.as_bytes() == word) {
        return None;
    } else {
        match in_path(word, modutils.programs) {
            Some(path) => path,
            None => {
                let what = format!("there is no program {} in {}", text(word), modutils.programs);
                return Some((Level::Error, format!("{what}, so this command fails")));
            }
        }
    };
    let shown = path.display();
    let Ok(found) = stat(&path) else {
        return Some((Level::Error, format!("{shown} is not there, so this command fails")));
    };
    if !is_program(&found) {
        return Some((Level::Error, format!("{shown} is not executable, so this command fails")));
    }
    let untrusted = |path: &Path, found: &Stat| {
        let reason = check_trust(found, modutils.owner).err()?;
        Some(format!("{}: {reason}", path.display()))
    };
    let reason = untrusted(&path, &found).or_else(|| {
        let directory = path.parent()?;
        untrusted(directory, &stat(directory).ok()?)
    })?;
    Some((Level::Warning, format!("root runs {shown}, which others than root can exchange: {reason}")))
}

/// The word that a line begins with, behind variables for it; `None` if the shell makes something else of it.
fn first_word(command: &[u8]) -> Option<&[u8]> {
    let mut words = command.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let word = words.find(|word| *word != b"exec" && !word.contains(&b'='))?;
    let end = word.iter().position(|byte| b";&|<>()".contains(byte)).unwrap_or(word.len());
    let word = word.get(..end)?;
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+:,@[!{".contains(byte);
    (!word.is_empty() && word.iter().all(is_plain)).then_some(word)
}

fn in_path(name: &[u8], directories: &str) -> Option<PathBuf> {
    let paths = directories.split(':').map(|directory| Path::new(directory).join(OsStr::from_bytes(name)));
    paths.into_iter().find(|path| stat(path).is_ok_and(|found| is_program(&found)))
}

fn is_program(found: &Stat) -> bool {
    FileType::from_raw_mode(found.st_mode) == FileType::RegularFile && found.st_mode & 0o111 != 0
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use modstate::config::ModutilsConfig;

    use super::*;

    #[test]
    fn a_line_is_judged_by_a_plain_word_that_it_begins_with() {
        for (line, expected) in [
            ("/usr/sbin/a b", Some("/usr/sbin/a")),
            ("  A=1 B=2 exec a;b", Some("a")),
            ("a&&b", Some("a")),
            ("[ -e /x ] && y", Some("[")),
            ("\"$X\" y", None),
            ("'/usr/sbin/a' b", None),
            ("$(a)", None),
            ("(a)", None),
            ("a* b", None),
            ("A=1", None),
        ] {
            assert_eq!(first_word(line.as_bytes()).map(text).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn a_program_has_to_be_there_executable_and_roots_own() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("sbin");
        fs::create_dir(&directory).unwrap();
        let set = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        set(&directory, 0o755);
        for (name, mode) in [("good", 0o755), ("plain", 0o644), ("open", 0o757)] {
            let path = directory.join(name);
            fs::write(&path, "").unwrap();
            set(&path, mode);
        }
        let config = ModutilsConfig::default();
        let programs = directory.display().to_string();
        let owner = rustix::process::geteuid().as_raw();
        let told = |command: &str, owner| {
            let modutils = Modutils {
                config: &config,
                problems: Vec::new(),
                directories: &[],
                owner,
                programs: &programs,
            };
            let command = command.replace("SBIN", &programs);
            let (level, what) = check(command.as_bytes(), &modutils)?;
            Some(format!("{level:?}: {}", what.replace(&programs, "SBIN")))
        };
        for (command, expected) in [
            ("SBIN/good x", None),
            ("good; absent", None),
            ("true", None),
            ("SBIN/absent", Some("Error: SBIN/absent is not there, so this command fails")),
            ("absent x", Some("Error: there is no program absent in SBIN, so this command fails")),
            ("plain", Some("Error: there is no program plain in SBIN, so this command fails")),
            ("SBIN/plain", Some("Error: SBIN/plain is not executable, so this command fails")),
            ("SBIN", Some("Error: SBIN is not executable, so this command fails")),
            (
                "open",
                Some(
                    "Warning: root runs SBIN/open, which others than root can exchange: SBIN/open: others than its \
                     owner may write to it (mode 0757)",
                ),
            ),
        ] {
            assert_eq!(told(command, owner).as_deref(), expected, "{command}");
        }
        assert!(told("good", owner + 1).unwrap().contains("it belongs to user"));
        set(&directory, 0o777);
        let told = told("SBIN/good", owner).unwrap();
        assert!(
            told.ends_with("exchange: SBIN: others than its owner may write to it (mode 0777)"),
            "{told}"
        );
    }
}
