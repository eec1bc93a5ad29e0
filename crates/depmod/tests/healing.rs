//! `depmod -A` makes a database right whatever happened to it, and leaves one alone that is.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed expectation is how a test speaks")]

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use fixtures::Module;

use crate::world::{
    OUTPUTS, VERSION, assert_clean, build, copy, database, depmod, directory, has, stderr, tree,
};

mod world;

fn long_ago(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000 + seconds)
}

/// A tree with its database.
fn built() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    tree("old").write(root.path()).unwrap();
    build(root.path(), &["-a"]);
    // What happens now is later than what was.
    let probe = root.path().join("probe");
    later_than(&directory(root.path()).join("modules.dep"), || {
        fs::write(&probe, "").unwrap();
        fs::metadata(&probe).unwrap()
    });
    root
}

/// What a database should be: that of a run without any.
fn expected(root: &Path) -> std::collections::BTreeMap<&'static str, Vec<u8>> {
    let other = tempfile::tempdir().unwrap();
    let copied = other.path().join("tree");
    copy(root, &copied);
    for name in OUTPUTS {
        let _ = fs::remove_file(directory(&copied).join(name));
    }
    let _ = fs::remove_file(directory(&copied).join(".depmod-running"));
    let output = depmod(&copied, &["-a"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    database(&copied)
}

/// A copy has other times of change, so that the files are compared with each other.
#[test]
fn a_copy_of_an_intact_database_is_recognised() {
    let root = built();
    let copied = root.path().join("copy");
    fs::create_dir(&copied).unwrap();
    for part in ["lib", "etc"] {
        copy(&root.path().join(part), &copied.join(part));
    }
    // In an order in which modules.dep is not the last.
    for name in OUTPUTS.iter().rev() {
        let file = directory(&copied).join(name);
        let permissions = fs::metadata(&file).unwrap().permissions();
        fs::set_permissions(file, permissions).unwrap();
    }
    build(&copied, &["-A"]);
    let before = stamps(&copied);
    build(&copied, &["-A"]);
    assert_eq!(stamps(&copied), before);
}

type Damage = (&'static str, fn(&Path));

/// Puts bytes in the middle of a file, so that its size and time stay.
fn spoil(path: &Path) {
    let modified = fs::metadata(path).unwrap().modified().unwrap();
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x11;
    fs::write(path, bytes).unwrap();
    File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
}

const DAMAGES: [Damage; 24] = [
    ("nothing is there", |dir| OUTPUTS.iter().for_each(|name| fs::remove_file(dir.join(name)).unwrap())),
    ("modules.dep is missing", |dir| fs::remove_file(dir.join("modules.dep")).unwrap()),
    ("an index is missing", |dir| fs::remove_file(dir.join("modules.dep.bin")).unwrap()),
    ("a text file is missing", |dir| fs::remove_file(dir.join("modules.softdep")).unwrap()),
    ("modules.devname is missing", |dir| fs::remove_file(dir.join("modules.devname")).unwrap()),
    ("modules.dep is empty", |dir| fs::write(dir.join("modules.dep"), "").unwrap()),
    ("an index is empty", |dir| fs::write(dir.join("modules.alias.bin"), "").unwrap()),
    ("a text file is empty", |dir| fs::write(dir.join("modules.symbols"), "").unwrap()),
    ("the index of what is built in is empty", |dir| fs::write(dir.join("modules.builtin.bin"), "").unwrap()),
    ("modules.dep is cut off", |dir| cut(&dir.join("modules.dep"))),
    ("an index is cut off", |dir| cut(&dir.join("modules.alias.bin"))),
    ("a text file is cut off", |dir| cut(&dir.join("modules.alias"))),
    ("an index holds zeros", |dir| fs::write(dir.join("modules.symbols.bin"), [0; 100]).unwrap()),
    ("an index holds other bytes", |dir| spoil(&dir.join("modules.dep.bin"))),
    ("a text file holds other bytes", |dir| spoil(&dir.join("modules.alias"))),
    ("a file is a link to nothing", |dir| {
        fs::remove_file(dir.join("modules.weakdep")).unwrap();
        symlink("nowhere", dir.join("modules.weakdep")).unwrap();
    }),
    ("a file is a fifo", |dir| {
        fs::remove_file(dir.join("modules.alias.bin")).unwrap();
        let fifo = dir.join("modules.alias.bin");
        assert!(Command::new("mkfifo").arg(fifo).status().unwrap().success());
    }),
    ("a module is gone", |dir| fs::remove_file(dir.join("kernel/old.ko")).unwrap()),
    ("a module is new", |dir| fs::write(dir.join("kernel/fresh.ko"), Module::new("fresh").bytes()).unwrap()),
    ("a module is new and old by its time", |dir| {
        let path = dir.join("kernel/fresh.ko");
        fs::write(&path, Module::new("fresh").bytes()).unwrap();
        File::options().write(true).open(path).unwrap().set_modified(long_ago(0)).unwrap();
    }),
    ("a module was replaced by an older one", |dir| {
        let path = dir.join("kernel/old.ko");
        fs::remove_file(&path).unwrap();
        fs::write(&path, Module::new("old").alias("of-before").bytes()).unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(long_ago(0)).unwrap();
    }),
    ("a module moved", |dir| {
        fs::create_dir(dir.join("updates")).unwrap();
        fs::rename(dir.join("kernel/old.ko"), dir.join("updates/old.ko")).unwrap();
    }),
    ("depmod.d changed", |dir| {
        let config = dir.join("../../../etc/depmod.d/new.conf");
        fs::write(config, "exclude old.ko\n").unwrap();
    }),
    ("a run was killed", |dir| fs::write(dir.join(".depmod-running"), "").unwrap()),
];

/// Does something to a file until that is later than another one's last change: clocks tick more slowly than tests run.
fn later_than(other: &Path, change: impl Fn() -> fs::Metadata) {
    let changed = |metadata: fs::Metadata| (metadata.ctime(), metadata.ctime_nsec());
    let before = changed(fs::metadata(other).unwrap());
    while changed(change()) <= before {}
}

fn cut(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() - 3]).unwrap();
}

#[test]
fn every_damage_is_repaired_and_then_there_is_nothing_to_do() {
    for (what, damage) in DAMAGES {
        let root = built();
        damage(&directory(root.path()));
        let expected = expected(root.path());
        let output = depmod(root.path(), &["-A"]).output().unwrap();
        assert!(output.status.success(), "{what}: {}", stderr(&output));
        assert!(database(root.path()) == expected, "{what}: {}", stderr(&output));
        assert_clean(root.path());
        let stamps = stamps(root.path());
        build(root.path(), &["-A"]);
        assert_eq!(stamps, self::stamps(root.path()), "{what}: it is done again");
    }
}

/// Inodes and times of the files of a database, and of their directory.
fn stamps(root: &Path) -> Vec<(u64, i64, i64)> {
    let names = OUTPUTS.iter().copied().chain(["."]);
    let metadata = names.map(|name| fs::metadata(directory(root).join(name)).unwrap());
    metadata.map(|metadata| (metadata.ino(), metadata.ctime(), metadata.ctime_nsec())).collect()
}

#[test]
fn an_intact_database_is_recognised_without_reading_a_module() {
    if !has("strace", &["--version"]) {
        return;
    }
    let root = built();
    let log = root.path().join("trace");
    let mut command = Command::new("strace");
    command.args(["-f", "-e", "trace=open,openat,openat2", "-o"]).arg(&log).arg(world::DEPMOD);
    world::arguments(&mut command, root.path(), &["-A"]);
    assert!(command.status().unwrap().success());
    let calls = fs::read_to_string(log).unwrap();
    assert!(calls.contains("modules.dep") && !calls.contains(".ko"), "{calls}");
}

#[test]
fn a_run_with_nothing_changed_writes_nothing() {
    let root = built();
    let before = stamps(root.path());
    for option in ["-a", "-A", "-a"] {
        build(root.path(), &[option]);
        assert_eq!(stamps(root.path()), before, "{option}");
    }
}

#[test]
fn only_what_differs_is_written() {
    let root = built();
    let before = stamps(root.path());
    let module = Module::new("old").alias("another");
    fs::write(directory(root.path()).join("kernel/old.ko"), module.bytes()).unwrap();
    build(root.path(), &["-a"]);
    let changed: Vec<&str> = OUTPUTS
        .iter()
        .zip(before.iter().zip(stamps(root.path())))
        .filter(|(_, (before, after))| *before != after)
        .map(|(name, _)| *name)
        .collect();
    assert_eq!(changed, ["modules.alias", "modules.alias.bin"]);
}

#[test]
fn links_of_the_old_files_stay_as_they_were() {
    let root = built();
    let reference = directory(root.path()).join("modules.dep");
    let backup = root.path().join("backup");
    fs::hard_link(&reference, &backup).unwrap();
    let before = fs::metadata(&backup).unwrap();
    fs::write(directory(root.path()).join("kernel/fresh.ko"), Module::new("fresh").bytes()).unwrap();
    build(root.path(), &["-a"]);
    let after = fs::metadata(&backup).unwrap();
    assert_ne!(fs::metadata(&reference).unwrap().ino(), after.ino());
    assert_eq!((before.mtime(), before.mtime_nsec()), (after.mtime(), after.mtime_nsec()));
}

#[test]
fn a_tree_whose_times_are_all_those_of_1970_is_current() {
    if !has("unshare", &["--user", "--map-root-user", "--mount", "true"]) {
        return;
    }
    let root = built();
    let script = format!(
        "find \"$1\" -exec touch -hd @0 {{}} + && \"$2\" -b \"$1\" -C \"$1/etc/depmod.d\" {VERSION} \
         && mount --bind \"$1\" \"$1\" && mount -o remount,ro,bind \"$1\" \
         && \"$2\" -A -b \"$1\" -C \"$1/etc/depmod.d\" {VERSION}"
    );
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-uc", &script, "sh"])
        .arg(root.path())
        .arg(world::DEPMOD)
        .output()
        .unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", stderr(&output));
}

#[test]
fn a_database_that_was_made_without_what_could_not_be_read_is_made_again() {
    let root = built();
    let closed = directory(root.path()).join("kernel/old.ko");
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    for path in [directory(root.path()), directory(root.path()).join("kernel")] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    }
    let command = depmod(root.path(), &["-a"]);
    let output = world::without_privileges(&command, &root.path().join("depmod")).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o644)).unwrap();
    let expected = expected(root.path());
    build(root.path(), &["-A"]);
    assert!(database(root.path()) == expected);
}

#[test]
fn with_a_date_for_sources_no_file_is_newer() {
    let root = built();
    fs::write(directory(root.path()).join("kernel/fresh.ko"), Module::new("fresh").alias("x").bytes())
        .unwrap();
    let mut command = depmod(root.path(), &["-a"]);
    let output = command.env("SOURCE_DATE_EPOCH", "1000000000").output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    for name in ["modules.dep", "modules.alias"] {
        let modified = fs::metadata(directory(root.path()).join(name)).unwrap().modified().unwrap();
        assert_eq!(modified, long_ago(0), "{name}");
    }
}
