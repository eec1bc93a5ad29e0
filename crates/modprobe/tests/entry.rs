//! The program as it is started: by C's main, without Rust's runtime before it.

#![allow(clippy::unwrap_used, missing_docs)]

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};

fn modprobe() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_modprobe"));
    command.env_clear().args(["-C", "/nonexistent.d", "-d", "/nonexistent.d", "-S", "1.0"]);
    command
}

#[test]
fn arguments_arrive_byte_for_byte_and_the_status_leaves() {
    let output =
        modprobe().args(["-a", "--", "", "two words"]).arg(OsStr::from_bytes(b"\xff")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let expected = [&b""[..], b"two words", b"\xff"].map(|name| {
        let text = b"modprobe: WARNING: Module NAME not found in directory /nonexistent.d/lib/modules/1.0\n";
        let at = text.windows(4).position(|window| window == b"NAME").unwrap();
        [&text[..at], name, &text[at + 4..]].concat()
    });
    assert_eq!(output.stderr, expected.concat());
    assert_eq!(modprobe().arg("-c").stdout(Stdio::null()).status().unwrap().code(), Some(0));
}

#[test]
fn a_reader_that_has_left_is_no_signal() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let status = modprobe().arg("-c").stdout(writer).status().unwrap();
    assert_eq!(status.code(), Some(0), "{status}");
}

#[test]
fn without_memory_it_is_an_error_and_a_status() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("large.conf");
    std::fs::write(&config, "options a b\n".repeat(3 << 20)).unwrap();
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "ulimit -v 60000; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_modprobe"), "-C"]);
    let output = command.arg(&config).arg("-c").output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "modprobe: FATAL: Cannot allocate memory\n");
}

#[test]
fn where_files_may_not_grow_it_is_no_signal() {
    let directory = tempfile::tempdir().unwrap();
    let script = "ulimit -f 0; exec \"$0\" -C /nonexistent.d -c >out";
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_modprobe")]).current_dir(&directory);
    let status = command.stderr(Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(1), "{status}");
}
