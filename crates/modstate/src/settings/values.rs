//! The values themselves, in the module's `parameters` directory and below `/proc/sys`. No link is followed, so
//! no name leads out of these two places.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use modfile::ModuleName;
use modfile::regular::{self, Links};
use modfile::wildcard;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, openat, statat};

use super::document::LONGEST_VALUE;
use super::key::{self, Key};
use super::network::Network;
use super::notice::Notice;
use crate::config::What;
use crate::directory::name_of;
use crate::places::Places;

/// The settings of a module that the rules name and that can be read and written now, sorted.
pub(super) fn read_all(
    places: &Places,
    network: &Network,
    module: &ModuleName,
    rules: &[&What],
    notices: &mut Vec<Notice>,
) -> Vec<(Key, Vec<u8>)> {
    let mut keys = parameters_of(places, module, rules);
    let mut values = Vec::new();
    if rules.iter().any(|rule| matches!(rule, What::Sysctl(_))) {
        let sysctls = || read_each(places, module, sysctls(places, rules));
        match network.run(sysctls) {
            Ok(Some((found, unreadable))) => {
                values.extend(found);
                notices.extend(unreadable);
            }
            unreachable => {
                let (found, unreadable) = sysctls();
                if found.iter().any(|(key, _)| key.is_of_network()) {
                    notices.push(Notice::OtherNetwork(unreachable.err()));
                }
                values.extend(found.into_iter().filter(|(key, _)| !key.is_of_network()));
                notices.extend(unreadable);
            }
        }
    }
    keys.retain(|key| Key::parse(&key.format()).as_ref() == Some(key));
    let (found, unreadable) = read_each(places, module, keys);
    values.extend(found);
    notices.extend(unreadable);
    values.sort();
    values
}

fn read_each(places: &Places, module: &ModuleName, keys: Vec<Key>) -> (Vec<(Key, Vec<u8>)>, Vec<Notice>) {
    let (mut values, mut notices) = (Vec::new(), Vec::new());
    for key in keys {
        match read(places, module, &key) {
            Ok(Some(value)) => values.push((key, value)),
            Ok(None) => {}
            Err(error) => notices.push(Notice::Unreadable(key, error)),
        }
    }
    (values, notices)
}

/// The parameters that the rules stand for now and that can stand in a settings file, sorted.
fn parameters_of(places: &Places, module: &ModuleName, rules: &[&What]) -> Vec<Key> {
    let mut keys = Vec::new();
    let Some(directory) = parameters(places, module) else { return keys };
    for rule in rules {
        for name in list(&[], &directory) {
            let key = Key::Parameter(name);
            if key.is_allowed(&[rule]) {
                key::add(&mut keys, key);
            }
        }
    }
    keys
}

/// The same of sysctls.
fn sysctls(places: &Places, rules: &[&What]) -> Vec<Key> {
    let mut keys = Vec::new();
    for rule in rules {
        let What::Sysctl(globs) = rule else { continue };
        for path in globs.iter().flat_map(|glob| expand(places, glob)) {
            key::add(&mut keys, Key::Sysctl(path));
        }
    }
    keys.retain(|key| Key::parse(&key.format()).as_ref() == Some(key));
    keys
}

/// A value without the newlines at its end (a text set by `echo` has two); `None` if it is not there, or
/// not both readable and writable.
pub(super) fn read(places: &Places, module: &ModuleName, key: &Key) -> io::Result<Option<Vec<u8>>> {
    let Some((directory, name)) = directory_of(places, module, key)? else { return Ok(None) };
    let stat = match statat(&directory, OsStr::from_bytes(&name), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    };
    let can = |bits: u32| stat.st_mode & bits != 0;
    if !FileType::from_raw_mode(stat.st_mode).is_file() || !can(0o222) || !can(0o444) {
        return Ok(None);
    }
    // Two newlines more than a value can have.
    let mut value =
        regular::read_at(&directory, Path::new(OsStr::from_bytes(&name)), Links::Refuse, LONGEST_VALUE + 2)?;
    while value.last() == Some(&b'\n') {
        value.pop();
    }
    Ok(Some(value))
}

/// Writes a value, in the initial network namespace if it belongs to one.
pub(super) fn write(
    places: &Places,
    network: &Network,
    module: &ModuleName,
    key: &Key,
    value: &[u8],
) -> io::Result<()> {
    if !key.is_of_network() {
        return write_here(places, module, key, value);
    }
    let written = network.run(|| write_here(places, module, key, value))?;
    written.unwrap_or_else(|| Err(rustix::io::Errno::XDEV.into()))
}

/// Writes a value in one piece. Without a newline, which a parameter that is a text would keep; only an empty value
/// needs one to be written at all.
fn write_here(places: &Places, module: &ModuleName, key: &Key, value: &[u8]) -> io::Result<()> {
    let Some((directory, name)) = directory_of(places, module, key)? else {
        return Err(io::ErrorKind::NotFound.into());
    };
    let flags = flags(OFlags::WRONLY | OFlags::TRUNC);
    let file = openat(&directory, OsStr::from_bytes(&name), flags, Mode::empty())?;
    let mut file = std::fs::File::from(file);
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let text = if value.is_empty() { b"\n" } else { value };
    // What is left would be a value of its own.
    if file.write(text)? == text.len() { Ok(()) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

fn flags(how: OFlags) -> OFlags {
    how | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY
}

/// The directory of a setting, opened part by part, and the name in it. `None` if it does not exist.
fn directory_of(places: &Places, module: &ModuleName, key: &Key) -> io::Result<Option<(OwnedFd, Vec<u8>)>> {
    let (start, path) = match key {
        Key::Parameter(name) => {
            let Some(directory) = parameters(places, module) else { return Ok(None) };
            (directory, name)
        }
        Key::Sysctl(path) => (places.proc_sys(), path),
    };
    let mut parts: Vec<&[u8]> = path.split(|&byte| byte == b'/').collect();
    let Some(name) = parts.pop() else { return Ok(None) };
    let flags = flags(OFlags::RDONLY | OFlags::DIRECTORY);
    let mut directory = match rustix::fs::open(&start, flags, Mode::empty()) {
        Ok(directory) => directory,
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    };
    for part in parts {
        directory = match openat(&directory, OsStr::from_bytes(part), flags, Mode::empty()) {
            Ok(directory) => directory,
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        };
    }
    Ok(Some((directory, name.to_vec())))
}

fn parameters(places: &Places, module: &ModuleName) -> Option<PathBuf> {
    Some(places.sys_module().join(name_of(module)?).join("parameters"))
}

/// The paths below `/proc/sys` that a pattern stands for now.
fn expand(places: &Places, glob: &[u8]) -> Vec<Vec<u8>> {
    let mut found: Vec<Vec<u8>> = vec![Vec::new()];
    for part in glob.split(|&byte| byte == b'/') {
        let mut longer = Vec::new();
        for before in &found {
            let join = |name: &[u8]| match before.as_slice() {
                b"" => name.to_vec(),
                before => [before, b"/", name].concat(),
            };
            if wildcard::is_literal(part) {
                longer.push(join(part));
                continue;
            }
            for name in list(before, &places.proc_sys()) {
                if wildcard::matches(part, &name) {
                    longer.push(join(&name));
                }
            }
        }
        found = longer;
    }
    found
}

/// The names in a directory below `start`; none if it cannot be listed.
fn list(below: &[u8], start: &Path) -> Vec<Vec<u8>> {
    let directory = if below.is_empty() { start.to_owned() } else { start.join(OsStr::from_bytes(below)) };
    let mut names = Vec::new();
    if let Ok(entries) = std::fs::read_dir(directory) {
        for entry in entries.flatten() {
            names.push(entry.file_name().as_bytes().to_vec());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::super::tests::system;
    use super::*;

    #[test]
    fn only_what_can_be_read_and_written_is_a_setting() {
        let system = system(
            "persist m\npersist m sysctl net/*/m_? x\n",
            &[
                ("sys/module/m/parameters/a", "1\n"),
                ("sys/module/m/parameters/fixed", "1\n"),
                ("sys/module/m/parameters/secret", "1\n"),
                ("sys/module/m/parameters/with space", "1\n"),
                ("proc/sys/net/b/m_1", "x y\n"),
                ("proc/sys/net/b/m_22", "x\n"),
                ("proc/sys/x/y", "x\n"),
            ],
        );
        for (name, mode) in [("fixed", 0o444), ("secret", 0o200)] {
            let path = system.path("sys/module/m/parameters").join(name);
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        symlink("a", system.path("sys/module/m/parameters/link")).unwrap();
        let mut notices = Vec::new();
        let values = read_all(&system.places, &Network::Here, system.module(), &system.rules(), &mut notices);
        let shown: Vec<_> = values.iter().map(|(key, value)| (key.to_string(), value.as_slice())).collect();
        assert_eq!(shown, [("parameters/a".into(), &b"1"[..]), ("sysctl/net/b/m_1".into(), b"x y")]);
        assert!(notices.is_empty());
    }

    #[test]
    fn a_text_set_by_echo_is_read_and_written_without_its_newline() {
        let system = system(
            "persist m\n",
            &[("sys/module/m/parameters/a", "text\n\n"), ("sys/module/m/parameters/b", "\n")],
        );
        let key = |name: &str| Key::Parameter(name.into());
        let value = |name| read(&system.places, system.module(), &key(name)).unwrap().unwrap();
        assert_eq!((value("a"), value("b")), (b"text".to_vec(), b"".to_vec()));
        for (value, text) in [("other", "other"), ("", "\n")] {
            write(&system.places, &Network::Here, system.module(), &key("a"), value.as_bytes()).unwrap();
            assert_eq!(system.read("sys/module/m/parameters/a"), text);
        }
    }

    #[test]
    fn no_link_is_followed_to_write_a_value() {
        let system = system("persist m sysctl *\n", &[("target/x", "old")]);
        symlink("../target", system.path("proc/sys/away")).unwrap();
        symlink("../target/x", system.path("proc/sys/file")).unwrap();
        for path in ["away/x", "file"] {
            let key = Key::Sysctl(path.into());
            assert!(write(&system.places, &Network::Here, system.module(), &key, b"new").is_err(), "{path}");
        }
        assert_eq!(system.read("target/x"), "old");
    }

    #[test]
    fn from_another_network_namespace_that_is_all_there_is_of_the_network_nothing_is_read_or_written() {
        let system = system(
            "persist m\npersist m sysctl net/* other\n",
            &[("sys/module/m/parameters/a", "1\n"), ("proc/sys/net/x", "1\n"), ("proc/sys/other", "1\n")],
        );
        let mut notices = Vec::new();
        let values =
            read_all(&system.places, &Network::Unreachable, system.module(), &system.rules(), &mut notices);
        let shown: Vec<_> = values.iter().map(|(key, _)| key.to_string()).collect();
        assert_eq!(shown, ["parameters/a", "sysctl/other"]);
        assert!(matches!(notices.as_slice(), [Notice::OtherNetwork(None)]));
        let key = Key::Sysctl(b"net/x".to_vec());
        assert!(write(&system.places, &Network::Unreachable, system.module(), &key, b"2").is_err());
        assert_eq!(system.value("proc/sys/net/x"), "1");
    }
}
