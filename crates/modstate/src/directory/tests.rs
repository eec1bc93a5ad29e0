use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

fn me() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn directory(path: &Path) -> Directory {
    Directory::make(path, me()).unwrap()
}

fn text(directory: &Directory, name: &str) -> Option<Vec<u8>> {
    directory.read(name.as_ref()).unwrap().map(|text| text.bytes)
}

#[test]
fn a_file_is_replaced_as_a_whole_and_leaves_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let d = directory(root.path());
    for text in ["one", "two"] {
        d.replace("a".as_ref(), text.as_bytes(), FOR_ALL, Durability::Durable).unwrap();
        let read = d.read("a".as_ref()).unwrap().unwrap();
        assert_eq!((read.bytes.as_slice(), read.mode), (text.as_bytes(), 0o644));
    }
    assert_eq!(d.names().unwrap(), [b"a".to_vec()]);
}

#[test]
fn a_failure_leaves_the_old_file_and_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    // A directory that is not empty cannot be replaced by a file.
    fs::create_dir_all(root.path().join("a/b")).unwrap();
    let d = directory(root.path());
    assert!(d.replace("a".as_ref(), b"text", FOR_ALL, Durability::Volatile).is_err());
    assert_eq!(d.names().unwrap(), [b"a".to_vec()]);
}

#[test]
fn what_a_killed_process_left_is_in_nobodys_way_and_goes() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join(".a.0"), "half").unwrap();
    let d = directory(root.path());
    d.replace("a".as_ref(), b"whole", FOR_ALL, Durability::Volatile).unwrap();
    assert_eq!(text(&d, "a").as_deref(), Some(&b"whole"[..]));
    assert_eq!(d.names().unwrap(), [b"a".to_vec()]);
}

#[test]
fn what_another_process_is_writing_is_left_to_it() {
    let root = tempfile::tempdir().unwrap();
    let d = directory(root.path());
    let (name, _other) = d.temporary("a".as_ref()).unwrap();
    assert_eq!(name, b".a.0");
    assert!(!d.remove_abandoned(&name));
    d.replace("a".as_ref(), b"mine", FOR_ALL, Durability::Volatile).unwrap();
    assert!(root.path().join(".a.0").exists());
}

#[test]
fn nobody_can_write_a_new_file_even_without_a_umask() {
    let root = tempfile::tempdir().unwrap();
    let d = directory(root.path());
    let before = rustix::process::umask(Mode::empty());
    let made = d.make_inner("b").and_then(|inner| {
        let (_, file) = inner.temporary("a".as_ref())?;
        inner.replace("c".as_ref(), b"", FOR_ALL, Durability::Volatile)?;
        Ok((file, inner))
    });
    rustix::process::umask(before);
    let (file, _) = made.unwrap();
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    for (path, mode) in [("b", 0o755), ("b/c", 0o644)] {
        assert_eq!(fs::metadata(root.path().join(path)).unwrap().permissions().mode() & 0o777, mode);
    }
}

#[test]
fn links_directories_and_endless_files_are_not_read() {
    let root = tempfile::tempdir().unwrap();
    let d = directory(root.path());
    fs::write(root.path().join("target"), "x").unwrap();
    symlink("target", root.path().join("link")).unwrap();
    fs::write(root.path().join("long"), vec![b'x'; LONGEST_FILE + 1]).unwrap();
    fs::create_dir(root.path().join("directory")).unwrap();
    for name in ["link", "long", "directory"] {
        assert!(d.read(name.as_ref()).is_err(), "{name}");
    }
    assert!(d.read("missing".as_ref()).unwrap().is_none());
}

#[test]
fn nothing_is_believed_that_another_can_have_written() {
    let root = tempfile::tempdir().unwrap();
    let base = root.path().join("base");
    directory(&base)
        .make_inner("kind")
        .unwrap()
        .replace("a".as_ref(), b"x", FOR_ALL, Durability::Volatile)
        .unwrap();
    let read = || -> Result<bool, RegularError> {
        let Some(base) = Directory::open(&base, me())? else { return Ok(false) };
        let Some(kind) = base.inner("kind")? else { return Ok(false) };
        Ok(kind.read("a".as_ref())?.is_some())
    };
    assert!(read().unwrap());
    for path in ["base", "base/kind", "base/kind/a"] {
        let path = root.path().join(path);
        let before = fs::metadata(&path).unwrap().permissions();
        fs::set_permissions(&path, Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(read(), Err(RegularError::NotTrusted(_))), "{}", path.display());
        fs::set_permissions(&path, before).unwrap();
    }
    assert!(read().unwrap());
    assert!(matches!(Directory::open(&base, me() + 1), Err(RegularError::NotTrusted(_))));
    // Nor is anything written there.
    fs::rename(base.join("kind"), base.join("other")).unwrap();
    symlink("other", base.join("kind")).unwrap();
    assert!(directory(&base).make_inner("kind").is_err());
}

#[test]
fn only_one_directory_is_made() {
    let root = tempfile::tempdir().unwrap();
    assert!(Directory::make(&root.path().join("a/b"), me()).unwrap_err().is_missing());
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
}

#[test]
fn a_name_with_a_slash_has_no_file() {
    for (name, good) in
        [("a", true), ("", false), ("a/b", false), ("/", false), ("..", false), ("a\0", false)]
    {
        assert_eq!(name_of(&name.into()).is_some(), good, "{name:?}");
    }
}
