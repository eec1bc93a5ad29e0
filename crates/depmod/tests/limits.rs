//! Where memory is scarce: a limit of the address space, and a system that promises no more than it has.

#![allow(clippy::unwrap_used, reason = "a failed expectation is how a test speaks")]

mod world;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use fixtures::{Module, Tree};
use world::{DEPMOD, VERSION, arguments, assert_clean, database, directory, has, stderr};

/// Modules whose database takes some megabytes to make.
fn large(root: &Path, generation: &str) {
    let mut tree = Tree::new(VERSION).directory("/etc/depmod.d").with_build_files();
    for number in 0..20 {
        let mut module = Module::new(&format!("m{number}")).export(format!("first_{generation}_{number}"), 1);
        for other in 0..200 {
            module = module
                .alias(&format!("pci:v{number:08}d{other:08}sv*sd*bc*sc*i*{generation}"))
                .export(format!("symbol_of_{number}_with_a_name_{other}"), 2);
            if number > 0 {
                module = module.need(format!("first_{generation}_{}", other % number));
            }
        }
        tree = tree.module(&format!("kernel/m{number}.ko.xz"), module);
    }
    tree.write(root).unwrap();
}

/// A command that is still to get its arguments and starts depmod with as many MiB of address space.
fn limited(mebibytes: u64) -> Command {
    let script = format!("ulimit -v {} && exec \"$@\"", mebibytes << 10);
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh", DEPMOD]);
    command
}

/// Runs depmod so.
fn run(root: &Path, mebibytes: u64, jobs: &str) -> Output {
    let mut command = limited(mebibytes);
    arguments(&mut command, root, &["-a", jobs]);
    command.output().unwrap()
}

#[test]
fn with_any_limit_of_the_address_space_a_run_makes_the_database_or_fails_and_keeps_the_old_one() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("root");
    large(&root, "old");
    world::build(&root, &["-a"]);
    let old = database(&root);
    fs::remove_dir_all(directory(&root).join("kernel")).unwrap();
    large(&root, "new");
    let fresh = place.path().join("fresh");
    large(&fresh, "new");
    world::build(&fresh, &["-a"]);
    let new = database(&fresh);
    assert_ne!(old, new);
    let (mut made, mut failed) = (0, 0);
    for jobs in ["-j1", "-j4"] {
        for mebibytes in [4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 20, 24, 32, 64, 128, 293, 512, 1024] {
            for (name, bytes) in &old {
                fs::write(directory(&root).join(name), bytes).unwrap();
            }
            // With even less the system cannot load the program.
            if !limited(mebibytes).arg("--version").output().unwrap().status.success() {
                continue;
            }
            let output = run(&root, mebibytes, jobs);
            let what = format!("{jobs} {mebibytes} MiB: {:?} {}", output.status, stderr(&output));
            let found = database(&root);
            match output.status.code() {
                Some(0) => {
                    assert!(found == new && output.stderr.is_empty(), "{what}");
                    made += 1;
                }
                Some(1) => {
                    assert!(found == old && !output.stderr.is_empty(), "{what}");
                    failed += 1;
                }
                _ => panic!("{what}"),
            }
            // What a run that ended in the middle leaves is taken away by the next.
            world::build(&root, &["-a"]);
            assert!(database(&root) == new, "{what}");
            assert_clean(&root);
        }
    }
    assert!(made > 5 && failed > 1, "{made} {failed}");
}

/// The bytes that a run asked the kernel for and may write to: where nothing is promised that is not there, all of them
/// count, touched or not.
fn promised(trace: &str) -> u64 {
    let sizes = trace
        .lines()
        .filter(|line| line.contains("PROT_WRITE") && line.contains("MAP_PRIVATE"))
        .filter_map(|line| {
            let (_, arguments) = line.split_once("mmap(")?;
            arguments.split(", ").nth(1)?.parse::<u64>().ok()
        });
    sizes.sum()
}

#[test]
fn no_memory_is_reserved_that_is_not_used() {
    if !has("strace", &["--version"]) {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("root");
    world::tree("old").write(&root).unwrap();
    let (output, trace) =
        world::trace::trace(&root, &["-e".into(), "trace=mmap,mprotect".into()], &["-a", "-j4"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let promised = promised(&trace);
    assert!(promised > 0 && promised < 64 << 20, "{promised} bytes:\n{trace}");
}

/// A tree of many directories, each with a module in it.
fn wide(root: &Path) {
    let mut tree = Tree::new(VERSION).directory("/etc/depmod.d").with_build_files();
    for number in 0..300 {
        let name = format!("m{number}");
        let below = if number % 3 == 0 { "c/d/e/f/g/h/i/j" } else { "c" };
        let path = format!("kernel/a{}/b{number}/{below}/{name}.ko", number % 7);
        tree = tree.module(&path, Module::new(&name).export(format!("symbol_{number}"), 1));
    }
    tree.write(root).unwrap();
}

#[test]
fn however_many_directories_there_are_few_files_are_open_at_a_time() {
    if !has("strace", &["--version"]) {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("root");
    wide(&root);
    let (output, trace) =
        world::trace::trace(&root, &["-e".into(), "trace=open,openat,openat2".into()], &["-a", "-j1"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let opened = trace.lines().filter_map(|line| line.rsplit_once(" = ")?.1.parse::<u32>().ok());
    let most = opened.max().unwrap();
    // With one thread as many files wait as may. With room for more of them, the kernel would make several threads wait.
    assert!(most > 8 && most < 64, "{most}:\n{trace}");
}

#[test]
fn a_process_that_may_have_few_files_open_makes_the_same_database() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("root");
    wide(&root);
    world::build(&root, &["-a"]);
    let expected = database(&root);
    for files in [24, 32, 48, 63, 64, 65, 80, 128] {
        for name in expected.keys() {
            fs::remove_file(directory(&root).join(name)).unwrap();
        }
        let script = format!("ulimit -n {files} && exec \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &script, "sh", DEPMOD]);
        arguments(&mut command, &root, &["-a", "-j4"]);
        let output = command.output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{files}: {}", stderr(&output));
        assert_eq!(database(&root), expected, "{files}");
    }
}

#[test]
fn no_more_threads_are_started_than_may_have_files_open() {
    if !has("strace", &["--version"]) {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("root");
    wide(&root);
    // Threads are started at three steps; to read, at most one for each of 19 batches of modules.
    let started = |files: &str| {
        let script = format!("ulimit -n {files} && exec \"$@\"");
        let mut command = Command::new("strace");
        command.args([
            "-f",
            "-qq",
            "-e",
            "trace=clone,clone3",
            "-e",
            "signal=none",
            "sh",
            "-c",
            &script,
            "sh",
        ]);
        arguments(command.arg(DEPMOD), &root, &["-n", "-j64"]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{files}: {}", stderr(&output));
        stderr(&output).matches("CLONE_THREAD").count()
    };
    let (few, more, most) = (started("24"), started("64"), started("512"));
    assert!(few > 0 && few <= 3 * 3, "{few}");
    assert!(more > few && more <= 3 * 7, "{more}");
    assert!(most > 18, "{most}");
}

#[test]
fn directories_may_be_nested_to_any_depth_on_a_small_stack() {
    const DEPTH: usize = 700;
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("root");
    // Up to eight levels are kept open.
    let levels = [0, 1, 7, 8, 9, 100, DEPTH];
    let mut tree = Tree::new(VERSION).directory("/etc/depmod.d").with_build_files();
    for level in levels {
        let path = format!("kernel/{}m{level}.ko", "d/".repeat(level));
        tree = tree.module(&path, Module::new(&format!("m{level}")));
    }
    tree.write(&root).unwrap();
    for jobs in ["-j1", "-j4"] {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -s 256 && exec \"$@\"", "sh", DEPMOD]);
        arguments(&mut command, &root, &["-a", jobs]);
        let output = command.output().unwrap();
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{:?} {}",
            output.status,
            stderr(&output)
        );
        let dep = fs::read_to_string(directory(&root).join("modules.dep")).unwrap();
        assert_eq!(dep.lines().count(), levels.len(), "{dep}");
    }
}
