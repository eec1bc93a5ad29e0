//! Programs started with descriptors 0 to 2 closed, where `/dev/null` exists and where it does not.
//!
//! The world without `/dev` is an empty directory that a user namespace takes as its root.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed expectation is how a test speaks"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program of one file that has the module under test, without the rest of the crate.
const PROGRAM: &str = r#"
#[cfg(not(plain))]
#[allow(dead_code, missing_docs)]
mod startup;
#[cfg(plain)]
mod startup { pub fn closed_descriptors() {} }
fn main() {
    use std::os::fd::AsRawFd;
    let file = std::fs::File::create(std::env::args().nth(1).unwrap()).unwrap();
    let links = ["0", "1", "2"].map(|fd| std::fs::read_link(format!("/proc/self/fd/{fd}")).ok());
    use std::io::Write;
    println!("lost");
    eprintln!("lost");
    writeln!(&file, "{:?} first={} {links:?}", startup::closed_descriptors(), file.as_raw_fd()).unwrap();
}
"#;

/// Compiles the program for `target` with the compiler that runs the tests; `None` if the target is not installed.
fn compile(directory: &Path, target: &str, options: &[&str]) -> Option<PathBuf> {
    let rustc = std::env::var_os("RUSTC").unwrap_or("rustc".into());
    let library =
        Command::new(&rustc).args(["--print", "target-libdir", "--target", target]).output().unwrap();
    let library = String::from_utf8(library.stdout).unwrap();
    if !Path::new(library.trim()).is_dir() {
        eprintln!("SKIPPED: the target {target} is not installed");
        return None;
    }
    let module = concat!(env!("CARGO_MANIFEST_DIR"), "/src/startup.rs");
    fs::copy(module, directory.join("startup.rs")).unwrap();
    fs::write(directory.join("main.rs"), PROGRAM).unwrap();
    let program = directory.join("program");
    let compiled = Command::new(&rustc)
        .args(["--edition", "2024", "--target", target, "-C", "target-feature=+crt-static", "-o"])
        .arg(&program)
        .args(options)
        .arg(directory.join("main.rs"))
        .status()
        .unwrap();
    assert!(compiled.success(), "the test program does not compile for {target}");
    Some(program)
}

/// Starts `program` with the descriptors named in `closed` closed, in an empty root if `bare`, and gives its
/// exit status and the line it left.
fn start(directory: &Path, closed: &str, bare: bool) -> (Option<i32>, String) {
    let report = directory.join("report");
    let _ = fs::remove_file(&report);
    let closing: String = closed.chars().map(|descriptor| format!(" {descriptor}>&-")).collect();
    let line = if bare {
        format!("exec unshare -Ur chroot . /program /report{closing}")
    } else {
        format!("exec ./program ./report{closing}")
    };
    let output = Command::new("/bin/sh").arg("-c").arg(line).current_dir(directory).output().unwrap();
    (output.status.code(), fs::read_to_string(&report).unwrap_or_default())
}

fn has_user_namespaces() -> bool {
    let allowed = Command::new("unshare").args(["-Ur", "chroot", "/", "true"]).output();
    let allowed = allowed.is_ok_and(|output| output.status.success());
    if !allowed {
        eprintln!("SKIPPED: user namespaces are not allowed here, so there is no world without /dev/null");
    }
    allowed
}

fn holds_for(target: &str) {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    if compile(directory, target, &[]).is_none() {
        return;
    }
    let none = "Closed { stdin: false, stdout: false, stderr: false } first=3";
    let all = "Closed { stdin: true, stdout: true, stderr: true } first=3";
    let last = "Closed { stdin: false, stdout: false, stderr: true } first=3";
    let (status, report) = start(directory, "", false);
    assert!(status == Some(0) && report.starts_with(none), "{target}: {status:?} {report}");
    let (status, report) = start(directory, "012", false);
    assert!(status == Some(0) && report.starts_with(all), "{target}: {status:?} {report}");
    assert_eq!(report.matches("/dev/null").count(), 3, "{target}: {report}");
    let (status, report) = start(directory, "2", false);
    assert!(status == Some(0) && report.starts_with(last), "{target}: {status:?} {report}");
    if has_user_namespaces() {
        let (status, report) = start(directory, "012", true);
        assert!(status == Some(0) && report.starts_with(all), "{target}, bare: {status:?} {report}");
        let (status, report) = start(directory, "2", true);
        assert!(status == Some(0) && report.starts_with(last), "{target}, bare: {status:?} {report}");
    }
}

#[test]
fn closed_descriptors_are_noted_and_filled_on_glibc() {
    holds_for(&format!("{}-unknown-linux-gnu", std::env::consts::ARCH));
}

#[test]
fn closed_descriptors_are_noted_and_filled_on_static_musl() {
    holds_for(&format!("{}-unknown-linux-musl", std::env::consts::ARCH));
}

#[test]
fn without_the_constructor_a_program_never_reaches_main_where_dev_null_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    if has_user_namespaces() && compile(directory.path(), &target, &["--cfg", "plain"]).is_some() {
        let (status, report) = start(directory.path(), "012", true);
        assert!(status != Some(0) && report.is_empty(), "{status:?} {report}");
    }
}

/// Names the file that the test below reports to, in the process that it starts.
const REPORT: &str = "MODCLI_STARTUP_REPORT";

#[test]
fn the_constructor_comes_with_the_library() {
    if let Some(report) = std::env::var_os(REPORT) {
        fs::write(report, format!("{:?}", modcli::startup::closed_descriptors())).unwrap();
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let report = directory.path().join("report");
    let status = Command::new("/bin/sh")
        .args(["-c", "exec \"$0\" --exact the_constructor_comes_with_the_library 0>&- 2>&-"])
        .arg(std::env::current_exe().unwrap())
        .env(REPORT, &report)
        .output()
        .unwrap()
        .status;
    assert!(status.success());
    assert_eq!(fs::read_to_string(report).unwrap(), "Closed { stdin: true, stdout: false, stderr: true }");
}
