//! What the tests of the built program share: starting it, the trees it works on, and what became of them.
#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a failed expectation is how a test speaks")]

pub mod bombs;
pub mod trace;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use fixtures::{Module, Tree};

/// The kernel release of all trees.
pub const VERSION: &str = "6.1.0-test";

/// The files of a database.
pub const OUTPUTS: [&str; 11] = [
    "modules.dep",
    "modules.dep.bin",
    "modules.alias",
    "modules.alias.bin",
    "modules.softdep",
    "modules.weakdep",
    "modules.symbols",
    "modules.symbols.bin",
    "modules.builtin.bin",
    "modules.builtin.alias.bin",
    "modules.devname",
];

/// Our depmod.
pub const DEPMOD: &str = env!("CARGO_BIN_EXE_depmod");

/// A command that runs depmod on the tree at `root`, with no configuration but the tree's, on one thread, so
/// that its system calls come in the same order each time.
pub fn depmod(root: &Path, options: &[&str]) -> Command {
    let mut command = Command::new(DEPMOD);
    arguments(&mut command, root, options);
    command
}

/// The words of [`depmod`] after the program's name.
pub fn arguments(command: &mut Command, root: &Path, options: &[&str]) {
    command.args(["-j1", "-b"]).arg(root).arg("-C").arg(root.join("etc/depmod.d")).args(options).arg(VERSION);
    command.env("LC_ALL", "C").stdin(Stdio::null());
}

/// Standard error as text.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs depmod, which must succeed without a word.
pub fn build(root: &Path, options: &[&str]) {
    let output = depmod(root, options).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{:?} {}", output.status, stderr(&output));
}

/// The module directory below `root`.
pub fn directory(root: &Path) -> std::path::PathBuf {
    root.join("lib/modules").join(VERSION)
}

/// The files of the database that are there.
pub fn database(root: &Path) -> BTreeMap<&'static str, Vec<u8>> {
    let directory = directory(root);
    OUTPUTS.iter().filter_map(|&name| Some((name, fs::read(directory.join(name)).ok()?))).collect()
}

/// No unfinished file is left in the module directory.
pub fn assert_clean(root: &Path) {
    let leftovers = leftovers(root);
    assert!(leftovers.is_empty(), "{} holds {leftovers:?}", root.display());
}

/// Names in the module directory that depmod uses for unfinished files.
pub fn leftovers(root: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory(root)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with('.')).collect()
}

/// Two modules that put something into every file of a database.
pub fn tree(generation: &str) -> Tree {
    let one = Module::new("one")
        .alias(&format!("fs-{generation}"))
        .info(format!("softdep=pre: {generation}"))
        .info(format!("weakdep={generation}"))
        .export(format!("export_{generation}"), 0x1234_5678);
    let number = if generation == "old" { 17 } else { 18 };
    let node = Module::new("node")
        .alias(&format!("char-major-{number}-1"))
        .alias("devname:net/thing")
        .need(format!("export_{generation}"));
    Tree::new(VERSION)
        .module("kernel/one.ko", one)
        .module("kernel/node.ko.xz", node)
        .module(&format!("kernel/{generation}.ko"), Module::new(generation))
        .directory("/etc/depmod.d")
        .with_build_files()
        .without("modules.builtin")
        .without("modules.builtin.modinfo")
        .builtin(&[&format!("kernel/builtin_{generation}.ko")])
        .builtin_modinfo(&[&format!("builtin.alias=builtin-{generation}")])
}

/// Copies a whole tree with times and modes.
pub fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(status.success(), "cannot copy {} to {}", from.display(), to.display());
}

/// Says why a test shows nothing here; where everything must be shown, that is a failure.
pub fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none_or(|value| value != "true"), "cannot be skipped here: {why}");
    eprintln!("SKIPPED: {why}");
}

/// Whether a program can be started; the test is skipped if not.
pub fn has(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let works = command.status().is_ok_and(|status| status.success());
    if !works {
        skip(&format!("{program} {} does not work here", arguments.join(" ")));
    }
    works
}

/// Puts a command between the caller and depmod that takes root's power away: file modes then count.
pub fn without_privileges(command: &Command, program: &Path) -> Command {
    // Not by this process: a child that another thread starts meanwhile would keep the file open for writing, and what
    // is open for writing cannot be run.
    copy(Path::new(DEPMOD), program);
    let mut wrapped = if rustix::process::geteuid().is_root() {
        let mut wrapped = Command::new("setpriv");
        wrapped.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(program);
        wrapped
    } else {
        Command::new(program)
    };
    wrapped.args(command.get_args()).env("LC_ALL", "C").stdin(Stdio::null());
    wrapped
}

/// Whether `text` contains `part`.
pub fn contains(text: &[u8], part: impl AsRef<[u8]>) -> bool {
    let part = part.as_ref();
    text.windows(part.len()).any(|window| window == part)
}

/// The bytes of a path.
pub fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}
