//! The tools where a resource is short, as in units with `Limit…=` lines: they end with a status and say why, never by
//! a signal, however little there is.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test speaks")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use fixtures::{Module, Tree};
use tempfile::TempDir;

const VERSION: &str = "6.1.0-limits";

/// Somebody whom the number of processes limits, as it does not root.
const NOBODY: u32 = 65534;

/// What each tool is asked for: work that reads, allocates, writes or starts something.
const CALLS: [&[&str]; 8] = [
    &["depmod", "-b", ".", VERSION],
    &["depmod", "-n", "-b", ".", VERSION],
    &["modprobe", "-C", "modprobe.d", "-d", ".", "-S", VERSION, "-c"],
    &["modprobe", "-C", "modprobe.d", "-d", ".", "-S", VERSION, "--show-depends", "m1"],
    // Its command is all there is to do.
    &["modprobe", "-C", "modprobe.d", "-d", ".", "-S", VERSION, "commanded"],
    &["modprobe", "-C", "modprobe.d", "-d", ".", "-S", VERSION, "--check"],
    &["modinfo", "-b", ".", "-k", VERSION, "m1"],
    &["kmod", "static-nodes"],
];

/// A tree with its database, and the program under the names of its tools.
fn world() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let mut tree = Tree::new(VERSION);
    for number in 0..60 {
        let name = format!("m{number}");
        tree = tree.module(&format!("kernel/{name}.ko"), Module::new(&name).alias(&format!("of:{name}*")));
    }
    tree.write(root.path()).unwrap();
    let config = root.path().join("modprobe.d");
    fs::create_dir(&config).unwrap();
    fs::write(config.join("a.conf"), "alias known m1\ninstall commanded echo done\n").unwrap();
    fs::copy(env!("CARGO_BIN_EXE_kmod"), root.path().join("kmod")).unwrap();
    for tool in ["depmod", "modprobe", "modinfo"] {
        std::os::unix::fs::symlink("kmod", root.path().join(tool)).unwrap();
    }
    assert!(run(root.path(), "", CALLS[0]).status.success());
    root
}

/// Runs a tool under what `ulimit` sets.
fn run(root: &Path, limit: &str, call: &[&str]) -> Output {
    shell(root, limit, call).output().unwrap()
}

fn shell(root: &Path, limit: &str, call: &[&str]) -> Command {
    let (tool, arguments) = call.split_first().unwrap();
    let limit = if limit.is_empty() { ":".to_owned() } else { format!("ulimit {limit}") };
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &format!("{limit}; exec ./{tool} \"$@\""), "sh"]).args(arguments);
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").current_dir(root).stdin(Stdio::null());
    command
}

/// Fails unless it ended with 0, or with 1 and a reason. What keeps the program from being started at all is not
/// its doing: then even its version cannot be had.
fn expect_status(root: &Path, limit: &str) {
    if !run(root, limit, &["kmod", "--version"]).status.success() {
        return;
    }
    for call in CALLS {
        let output = run(root, limit, call);
        let said = String::from_utf8_lossy(&output.stderr);
        let tool = call.first().unwrap();
        match output.status.code() {
            Some(0) => {}
            Some(1) => assert!(said.contains(&format!("{tool}: ")), "ulimit {limit}: {call:?}: {said}"),
            _ => panic!("ulimit {limit}: {call:?}: {}, {said}", output.status),
        }
        assert!(!said.contains("panicked"), "ulimit {limit}: {call:?}: {said}");
    }
}

#[test]
fn with_few_descriptors_it_is_a_status_and_no_signal() {
    let world = world();
    for descriptors in 3..12 {
        expect_status(world.path(), &format!("-n {descriptors}"));
    }
}

#[test]
fn with_little_address_space_or_data_it_is_a_status_and_no_signal() {
    let world = world();
    for kibibytes in (0..14).map(|power| 256_u32 << power) {
        for resource in ["-v", "-d"] {
            expect_status(world.path(), &format!("{resource} {kibibytes}"));
            expect_status(world.path(), &format!("{resource} {}", kibibytes / 2 * 3));
        }
    }
}

#[test]
fn with_a_small_stack_it_is_a_status_and_no_signal() {
    let world = world();
    for kibibytes in [128, 160, 192, 256, 512, 1024] {
        expect_status(world.path(), &format!("-s {kibibytes}"));
    }
}

#[test]
fn where_files_may_not_grow_it_is_a_status_and_no_signal() {
    let world = world();
    for blocks in [0, 1, 8] {
        expect_status(world.path(), &format!("-f {blocks}"));
    }
}

#[test]
fn where_no_process_may_be_started_it_is_a_status_and_no_signal() {
    let world = world();
    let mut mode = fs::metadata(world.path()).unwrap().permissions();
    mode.set_mode(0o755);
    fs::set_permissions(world.path(), mode).unwrap();
    let call = ["modprobe", "-C", "modprobe.d", "-d", ".", "-S", VERSION, "commanded"];
    let mut command = shell(world.path(), "-p 0", &call);
    if rustix::process::getuid().is_root() {
        command.uid(NOBODY);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{}, {said}", output.status);
    assert!(said.contains("Resource temporarily unavailable"), "{said}");
}

#[test]
fn out_of_processor_time_it_is_a_status_and_no_signal() {
    let world = world();
    // Long enough for any processor, and read without end: it is the limit that ends the run.
    let endless = world.path().join("endless.conf");
    fs::write(&endless, "softdep a pre: b c d\n".repeat(1 << 20)).unwrap();
    let many = ["-C", "endless.conf"].repeat(400);
    let database = ["-d", ".", "-S", VERSION];
    for work in [&["-c"][..], &["m1"], &["-r", "m1"], &["--show-depends", "m1"], &["-q", "--", "m1"]] {
        let call = [vec!["modprobe"], many.clone(), database.to_vec(), work.to_vec()].concat();
        let output = shell(world.path(), "-St 1", &call).stdout(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{work:?}: {}, {said}", output.status);
        assert_eq!(output.status.signal(), None);
        assert_eq!(said, "modprobe: FATAL: CPU time limit exceeded\n", "{work:?}");
    }
}
