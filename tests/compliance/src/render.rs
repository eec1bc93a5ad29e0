//! An observation as text, in which an intended difference is written down beside its case. Binary indexes
//! are shown by their entries and a checksum of their bytes, so that a change is a readable one.

use std::fmt::Write;

use reference::Ending;

use crate::index;
use crate::observe::Observation;
use crate::snapshot::Node;

/// All runs of a case by one program.
pub fn observations(observations: &[Observation], free_stdout: bool) -> String {
    let mut out = String::new();
    for (number, observation) in (1..).zip(observations) {
        // Writing into a string cannot fail.
        let _ = match observation.ending {
            Ending::Exit(status) => writeln!(out, "== run {number}: status {status}"),
            Ending::Signal(signal) => writeln!(out, "== run {number}: signal {signal}"),
            Ending::Stopped => writeln!(out, "== run {number}: stopped, as it did not end"),
        };
        let stopped = observation.ending == Ending::Stopped;
        if !free_stdout {
            section(&mut out, "stdout", &observation.stdout, stopped);
        }
        section(&mut out, "stderr", &observation.stderr, stopped);
        for (path, node) in &observation.changes {
            change(&mut out, &String::from_utf8_lossy(path), node.as_ref());
        }
    }
    out
}

fn change(out: &mut String, path: &str, node: Option<&Node>) {
    let _ = match node {
        None => writeln!(out, "-- gone: {path}"),
        Some(Node::Directory(mode)) => writeln!(out, "-- directory {path} {mode:o}"),
        Some(Node::Link(target)) => writeln!(out, "-- link {path} -> {}", escaped(target)),
        Some(Node::Special) => writeln!(out, "-- special {path}"),
        Some(Node::File(mode, content)) => {
            let _ = writeln!(out, "-- file {path} {mode:o}");
            match index::decode(content) {
                Ok(entries) if path.ends_with(".bin") => index_text(out, content, &entries),
                _ => lines(out, content),
            }
            Ok(())
        }
    };
}

/// A program that was stopped has printed an amount that depends on the machine: its first lines are shown.
fn section(out: &mut String, name: &str, content: &[u8], stopped: bool) {
    if content.is_empty() {
        return;
    }
    let _ = writeln!(out, "-- {name}{}", if stopped { ", the first lines" } else { "" });
    if stopped {
        let end =
            content.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(4).map_or(0, |(at, _)| at + 1);
        lines(out, &content.iter().copied().take(end).collect::<Vec<_>>());
    } else {
        lines(out, content);
    }
}

fn index_text(out: &mut String, content: &[u8], entries: &[index::Entry]) {
    // With the root's path inside, size and offsets are those of this machine.
    if !content.windows(6).any(|window| window == b"{root}") {
        let mut crc = flate2::Crc::new();
        crc.update(content);
        let _ = writeln!(out, "    ({} bytes, CRC32 {:08x})", content.len(), crc.sum());
    }
    for entry in entries {
        for (priority, value) in &entry.values {
            let value = String::from_utf8_lossy(value);
            let _ = writeln!(out, "    {} {priority} {}", escaped(&entry.key), unpadded(&value));
        }
    }
}

/// The placeholder of the root's path without the slashes that made it as long as the path.
fn unpadded(text: &str) -> String {
    let mut parts = text.split("{root}");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let _ = write!(out, "{{root}}/{}", part.trim_start_matches('/'));
    }
    out
}

fn lines(out: &mut String, content: &[u8]) {
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(line) => _ = writeln!(out, "    {}", escaped(line)),
            None => _ = writeln!(out, "    {}\\ no newline", escaped(line)),
        }
    }
}

fn escaped(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string().replace("\\'", "'").replace("\\\"", "\"")
}
