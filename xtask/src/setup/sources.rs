//! Where this machine gets Debian packages from, so that those of another Debian release can be fetched from
//! the same place.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// One archive that this machine's apt uses.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Archive {
    uri: String,
    security: bool,
    keyring: Option<String>,
}

/// The lines of a sources.list for the Debian release `codename`, of the archives that this machine uses.
pub fn list_for(codename: &str) -> Result<String> {
    let mut archives = Vec::new();
    for path in configuration() {
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        if path.extension().is_some_and(|extension| extension == "sources") {
            archives.extend(text.split("\n\n").filter_map(stanza));
        } else {
            archives.extend(text.lines().filter_map(line));
        }
    }
    ensure!(archives.iter().any(|archive| !archive.security), "apt here has no source of Debian packages");
    Ok(archives.iter().map(|archive| archive.lines(codename)).collect())
}

/// Where this machine gets the packages of the Debian release `codename`.
pub fn mirror(codename: &str) -> Result<String> {
    let list = list_for(codename)?;
    let line = list.lines().find(|line| line.ends_with(&format!(" {codename} main")));
    let uri = line.and_then(|line| line.split_whitespace().rev().nth(2));
    uri.map(str::to_owned).with_context(|| format!("apt here has no source of Debian {codename}"))
}

impl Archive {
    fn of(uri: &str, suite: &str, keyring: Option<String>) -> Option<Self> {
        let release = ["bookworm", "trixie", "forky", "stable", "testing", "sid", "unstable"];
        let known = release.iter().any(|name| suite.starts_with(name));
        let security = suite.ends_with("-security");
        known.then(|| Self { uri: uri.to_owned(), security, keyring })
    }

    fn lines(&self, codename: &str) -> String {
        if self.security && codename.ends_with("-backports") {
            return String::new();
        }
        let options = self.keyring.as_ref().map(|keyring| format!("[signed-by={keyring}] "));
        let options = options.unwrap_or_default();
        let suite = if self.security { format!("{codename}-security") } else { codename.to_owned() };
        format!("deb {options}{} {suite} main\n", self.uri)
    }
}

fn configuration() -> Vec<PathBuf> {
    let directory = Path::new("/etc/apt/sources.list.d");
    let mut files: Vec<PathBuf> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension().is_some_and(|extension| extension == "sources" || extension == "list")
        })
        .collect();
    files.sort();
    let single = PathBuf::from("/etc/apt/sources.list");
    if single.is_file() {
        files.push(single);
    }
    files
}

/// A paragraph of a `.sources` file.
fn stanza(text: &str) -> Option<Archive> {
    let field = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        Some(value.trim())
    };
    // A key may also stand in the field itself; then apt's own trusted keys have to do.
    let keyring = field("Signed-By").filter(|value| value.starts_with('/')).map(str::to_owned);
    let uri = field("URIs")?.split_whitespace().next()?;
    let suite = field("Suites")?.split_whitespace().next()?;
    if field("Enabled") == Some("no") {
        return None;
    }
    Archive::of(uri, suite, keyring)
}

/// A line of a `.list` file.
fn line(text: &str) -> Option<Archive> {
    let rest = text.trim().strip_prefix("deb ")?.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(inner) => inner.split_once(']')?,
        None => ("", rest),
    };
    let keyring = options.split_whitespace().find_map(|option| option.strip_prefix("signed-by="));
    let mut words = rest.split_whitespace();
    Archive::of(words.next()?, words.next()?, keyring.map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_source_files_are_understood() {
        let keyring = Some("/k.gpg".to_owned());
        let expected = Archive { uri: "http://mirror/debian".to_owned(), security: false, keyring };
        let deb822 = "Types: deb\n# a note\nURIs: http://mirror/debian\nSuites: bookworm bookworm-updates\n\
                      Components: main\nSigned-By: /k.gpg";
        assert_eq!(stanza(deb822), Some(expected.clone()));
        assert_eq!(
            line("deb [arch=amd64 signed-by=/k.gpg] http://mirror/debian trixie main"),
            Some(expected)
        );
        assert_eq!(line("deb http://elsewhere/tool any main"), None);
    }

    #[test]
    fn another_release_is_asked_from_the_same_archives() {
        let archive = line("deb http://mirror/debian-security bookworm-security main").unwrap();
        assert_eq!(archive.lines("trixie"), "deb http://mirror/debian-security trixie-security main\n");
        // Backports have no security archive of their own.
        assert_eq!(archive.lines("bookworm-backports"), "");
    }
}
