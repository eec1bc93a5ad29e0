//! libkmod and `Native` are asked the same of the same kernel. Its modules are a prepared directory over
//! `/sys/module`, in a mount namespace in which the test runs a second time.

#![allow(clippy::unwrap_used, missing_docs)]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use fixtures::Module;
use modfile::ModuleName;
use modkernel::{InsertFlags, KernelOps, ModuleState, Native, RemoveFlags};
use modkernel_libkmod::LibKmod;

/// Tells the second run from the first.
const INSIDE: &str = "MODKERNEL_TEST_INSIDE";

/// Runs this test alone where `modules` is `/sys/module`; `true` in that second run.
fn is_inside(test: &str, modules: &[(&str, &str, u32, &[&str])]) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let directory = tempfile::tempdir().unwrap();
    for (name, state, count, holders) in modules {
        let module = directory.path().join(name);
        fs::create_dir_all(module.join("holders")).unwrap();
        fs::write(module.join("initstate"), format!("{state}\n")).unwrap();
        fs::write(module.join("refcnt"), format!("{count}\n")).unwrap();
        for holder in *holders {
            symlink("/nowhere", module.join("holders").join(holder)).unwrap();
        }
    }
    let script = "mount --bind \"$1\" /sys/module; shift; exec \"$@\"";
    let status = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-euc", script, "sh"])
        .arg(directory.path())
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test])
        .env(INSIDE, "1")
        .status()
        .unwrap();
    assert!(status.success(), "the test failed where the directory is /sys/module");
    false
}

#[test]
fn both_give_the_same_answers_about_what_is_loaded() {
    let modules: &[(&str, &str, u32, &[&str])] = &[
        ("low", "live", 2, &["mid", "top_most"]),
        ("mid", "live", 1, &["top_most"]),
        ("top_most", "live", 0, &[]),
        ("begun", "coming", 1, &[]),
    ];
    if !is_inside("both_give_the_same_answers_about_what_is_loaded", modules) {
        return;
    }
    let (ours, theirs) = (Native::of_system(), LibKmod::of_system());
    for name in ["low", "mid", "top_most", "begun", "absent"] {
        let name = ModuleName::from(name);
        assert_eq!(theirs.state(&name).unwrap(), ours.state(&name).unwrap(), "{name}");
        assert_eq!(theirs.use_count(&name).unwrap(), ours.use_count(&name).unwrap(), "{name}");
        let sorted = |holders: std::io::Result<Vec<ModuleName>>| {
            let mut holders = holders.map_err(|error| error.kind())?;
            holders.sort();
            Ok::<_, std::io::ErrorKind>(holders)
        };
        assert_eq!(sorted(theirs.holders(&name)), sorted(ours.holders(&name)), "{name}");
    }
    assert_eq!(theirs.use_count(&"low".into()).unwrap(), Some(2));
    assert_eq!(theirs.holders(&"low".into()).unwrap().len(), 2);
    assert_eq!(theirs.state(&"begun".into()).unwrap(), ModuleState::Coming);
}

#[test]
fn what_the_kernel_refuses_both_say_with_the_same_number() {
    // Without modules in the kernel, or without the right to load any, it refuses all of these.
    if !is_inside("what_the_kernel_refuses_both_say_with_the_same_number", &[("held", "live", 1, &[])]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("some.ko");
    fs::write(&file, Module::new("some").info("vermagic=6.1.0 SMP").bytes()).unwrap();
    let (mut ours, mut theirs) = (Native::of_system(), LibKmod::of_system());
    let mut insert = |path: &Path, flags: InsertFlags| {
        let expected = ours.insert(path, c"a=1", flags).unwrap_err().errno();
        assert_eq!(theirs.insert(path, c"a=1", flags).unwrap_err().errno(), expected, "{}", path.display());
    };
    insert(&file, InsertFlags::default());
    insert(&file, InsertFlags { ignore_vermagic: true, ignore_modversions: true });
    insert(&directory.path().join("missing.ko"), InsertFlags::default());
    for force in [false, true] {
        let flags = RemoveFlags { force };
        let expected = ours.remove(&"held".into(), flags).unwrap_err().raw_os_error();
        assert_eq!(theirs.remove(&"held".into(), flags).unwrap_err().raw_os_error(), expected);
        assert!(expected.is_some());
    }
}

#[test]
fn commands_run_and_names_that_libkmod_cannot_take_are_absent() {
    let mut kernel = LibKmod::of_system();
    let status = kernel.run_shell(OsStr::new("exit $CODE"), &[("CODE", OsStr::new("7"))]).unwrap();
    assert_eq!(status.code(), Some(7));
    let name = ModuleName::new(b"a\xff");
    assert_eq!(kernel.state(&name).unwrap(), ModuleState::Absent);
    assert_eq!(kernel.use_count(&name).unwrap(), None);
    assert!(kernel.holders(&name).is_err());
    assert_eq!(
        kernel.remove(&name, RemoveFlags::default()).unwrap_err().kind(),
        std::io::ErrorKind::NotFound
    );
}
