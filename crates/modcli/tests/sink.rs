//! Where messages end up, with real sockets and files in a temporary directory as the system's places.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed expectation is how a test speaks"
)]

use std::borrow::Cow;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;

use fixtures::Shown;
use modcli::sink::{LogPlaces, Reader, Sink};
use modcli::{Reporter, Severity};
use tempfile::TempDir;

/// Standard error as the test sees it.
/// A system with its own `/dev` and the real list of sockets.
struct World {
    directory: TempDir,
    stderr: Shown,
}

impl World {
    fn new() -> Self {
        let world = Self { directory: tempfile::tempdir().unwrap(), stderr: Shown::default() };
        fs::write(world.path("kmsg"), "").unwrap();
        world
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().canonicalize().unwrap().join(name)
    }

    fn places(&self) -> LogPlaces {
        LogPlaces {
            unix_sockets: Cow::Borrowed(Path::new("/proc/net/unix")),
            log_socket: self.path("log").into(),
            kernel_log: self.path("kmsg").into(),
        }
    }

    /// A reporter after `-s`.
    fn reporter(&self) -> Reporter {
        let sink = Sink::new("tool", self.places(), Some(Box::new(self.stderr.clone())));
        sink.use_system_log();
        Reporter::new(sink)
    }

    /// The records in the kernel's log.
    fn records(&self) -> Vec<String> {
        fs::read_to_string(self.path("kmsg")).unwrap().lines().map(String::from).collect()
    }
}

fn received(daemon: &UnixDatagram) -> Vec<String> {
    daemon.set_nonblocking(true).unwrap();
    let mut buffer = vec![0; 65536];
    std::iter::from_fn(|| daemon.recv(&mut buffer).ok().map(|size| buffer[..size].to_vec()))
        .map(|datagram| String::from_utf8(datagram).unwrap())
        .collect()
}

fn with_pid(text: &str) -> String {
    text.replace("PID", &std::process::id().to_string())
}

#[test]
fn a_listening_daemon_gets_the_messages_when_the_work_is_done() {
    let world = World::new();
    let daemon = UnixDatagram::bind(world.path("log")).unwrap();
    let reporter = world.reporter();
    reporter.error("first");
    reporter.warning("second");
    assert_eq!(received(&daemon), Vec::<String>::new());
    reporter.sink().flush();
    let expected = ["<27>tool[PID]: ERROR: first", "<28>tool[PID]: WARNING: second"].map(with_pid);
    assert_eq!(received(&daemon), expected);
    assert_eq!((world.records().len(), world.stderr.text().as_str()), (0, ""));
    reporter.sink().flush();
    assert_eq!(received(&daemon), Vec::<String>::new());
}

#[test]
fn every_gravity_has_its_level_of_syslog() {
    let world = World::new();
    let daemon = UnixDatagram::bind(world.path("log")).unwrap();
    let reporter = world.reporter();
    for severity in [
        Severity::Fatal,
        Severity::Error,
        Severity::Warning,
        Severity::Notice,
        Severity::Info,
        Severity::Debug,
    ] {
        reporter.insist(severity, "x");
    }
    reporter.sink().flush();
    let levels: Vec<_> = received(&daemon).iter().map(|datagram| datagram[..4].to_owned()).collect();
    assert_eq!(levels, ["<26>", "<27>", "<28>", "<29>", "<30>", "<31>"]);
}

#[test]
fn a_link_to_the_socket_is_followed_as_systemd_makes_it() {
    let world = World::new();
    let daemon = UnixDatagram::bind(world.path("dev-log with blank")).unwrap();
    symlink("dev-log with blank", world.path("log")).unwrap();
    let reporter = world.reporter();
    reporter.error("x");
    reporter.sink().flush();
    assert_eq!(received(&daemon).len(), 1);
}

#[test]
fn without_a_proven_datagram_listener_the_kernel_log_gets_them() {
    type Prepare = fn(&World) -> Option<Box<dyn std::any::Any>>;
    let worlds: &[(&str, Prepare)] = &[
        ("no socket", |_| None),
        ("stale socket", |world| {
            drop(UnixDatagram::bind(world.path("log")).unwrap());
            None
        }),
        ("stream listener", |world| Some(Box::new(UnixListener::bind(world.path("log")).unwrap()))),
        ("a file", |world| {
            fs::write(world.path("log"), "").unwrap();
            None
        }),
        ("dangling link", |world| {
            symlink("nowhere", world.path("log")).unwrap();
            None
        }),
        ("bound under another name", |world| {
            let daemon = UnixDatagram::bind(world.path("other")).unwrap();
            fs::rename(world.path("other"), world.path("log")).unwrap();
            Some(Box::new(daemon))
        }),
        ("another path that ends alike", |world| {
            drop(UnixDatagram::bind(world.path("log")).unwrap());
            fs::create_dir(world.path("a ")).unwrap();
            Some(Box::new(UnixDatagram::bind(world.path("a /log")).unwrap()))
        }),
    ];
    for (name, prepare) in worlds {
        let world = World::new();
        let _daemon = prepare(&world);
        let reporter = world.reporter();
        reporter.error("x");
        reporter.sink().flush();
        assert_eq!(world.records(), [with_pid("<27>tool[PID]: ERROR: x")], "{name}");
        assert_eq!(world.stderr.text(), "", "{name}");
    }
}

#[test]
fn a_kernel_without_unix_sockets_is_not_asked_for_one() {
    let world = World::new();
    let daemon = UnixDatagram::bind(world.path("log")).unwrap();
    let places = LogPlaces { unix_sockets: world.path("absent").into(), ..world.places() };
    let sink = Sink::new("tool", places, None);
    sink.tell(Severity::Error, b"x");
    sink.flush();
    assert_eq!(received(&daemon), Vec::<String>::new());
    assert_eq!(world.records().len(), 1);
}

#[test]
fn a_daemon_that_never_reads_holds_nothing_up_and_loses_nothing() {
    let world = World::new();
    let daemon = UnixDatagram::bind(world.path("log")).unwrap();
    let reporter = world.reporter();
    for number in 0..500 {
        reporter.error(format!("message {number}"));
    }
    reporter.sink().flush();
    let sent = received(&daemon);
    let all: Vec<_> = sent.into_iter().chain(world.records()).collect();
    let expected: Vec<_> =
        (0..500).map(|number| with_pid(&format!("<27>tool[PID]: ERROR: message {number}"))).collect();
    assert!(!world.records().is_empty());
    assert_eq!(all, expected);
}

#[test]
fn without_any_log_an_open_standard_error_gets_them() {
    let world = World::new();
    fs::remove_file(world.path("kmsg")).unwrap();
    let reporter = world.reporter();
    reporter.error("x");
    assert_eq!(world.stderr.text(), "");
    reporter.sink().flush();
    assert_eq!(world.stderr.text(), "tool: ERROR: x\n");
    assert!(!world.path("kmsg").exists());
}

#[test]
fn a_closed_standard_error_is_replaced_by_the_system_log_without_being_asked() {
    let world = World::new();
    let reporter = Reporter::new(Sink::new("tool", world.places(), None));
    reporter.error("x");
    reporter.sink().say_plainly(b"tool: invalid option -- 'x'");
    reporter.sink().flush();
    let expected = ["<27>tool[PID]: ERROR: x", "<27>tool[PID]: tool: invalid option -- 'x'"].map(with_pid);
    assert_eq!(world.records(), expected);
}

#[test]
fn with_no_log_and_a_closed_standard_error_messages_vanish() {
    let world = World::new();
    fs::remove_file(world.path("kmsg")).unwrap();
    let reporter = Reporter::new(Sink::new("tool", world.places(), None));
    reporter.error("x");
    reporter.sink().flush();
    assert_eq!(
        fs::read_dir(world.directory.path()).unwrap().count(),
        0,
        "nothing is made in the place of a log"
    );
}

#[test]
fn a_record_of_the_kernel_log_has_at_most_900_bytes_and_a_long_text_becomes_several() {
    let world = World::new();
    let reporter = world.reporter();
    let words: Vec<_> = (0..1000).map(|number| format!("word{number}")).collect();
    reporter.error(words.join(" "));
    reporter.sink().flush();
    let records = world.records();
    assert!(records.len() > 5);
    let prefix = with_pid("<27>tool[PID]: ");
    let text: String = records.iter().map(|record| record.strip_prefix(&prefix).unwrap()).collect();
    assert_eq!(text, format!("ERROR: {}", words.join(" ")));
    assert!(records.iter().all(|record| record.len() < 900));
}

#[test]
fn a_name_with_a_newline_forges_no_second_record() {
    let world = World::new();
    let reporter = world.reporter();
    reporter.error("Module a\n<0>panic\x1b[2J not found");
    reporter.sink().flush();
    assert_eq!(world.records(), [with_pid("<27>tool[PID]: ERROR: Module a?<0>panic?[2J not found")]);
}

#[test]
fn a_flood_is_counted_instead_of_held() {
    let world = World::new();
    let reporter = world.reporter();
    for _ in 0..3000 {
        reporter.warning("x");
    }
    reporter.sink().flush();
    let records = world.records();
    assert_eq!(records.len(), 1001);
    assert!(records[1000].ends_with("2000 more messages are left out here"), "{}", records[1000]);
}

#[test]
fn messages_stand_on_standard_error_at_once_and_hints_only_when_wanted() {
    let world = World::new();
    let reporter = Reporter::new(Sink::new("tool", world.places(), Some(Box::new(world.stderr.clone()))));
    reporter.error("one");
    reporter.hint("not shown: no terminal, no -v");
    reporter.info("not shown");
    reporter.raise();
    reporter.hint("two");
    reporter.raise();
    reporter.info("three");
    reporter.silence();
    reporter.hint("not shown");
    assert_eq!(reporter.fatal("not shown"), Ok(()));
    assert_eq!(world.stderr.text(), "tool: ERROR: one\nhint: two\ntool: INFO: three\n");
    assert_eq!((reporter.errors(), reporter.warnings()), (2, 0));
    reporter.raise();
    assert!(!reporter.wants_hints() && !reporter.tells(Severity::Fatal), "-q -v admits level 1 only");
}

/// What a reader of standard error sees of an error, a warning, a hint and a line of getopt's that name something odd.
fn seen_by(reader: Reader) -> String {
    let world = World::new();
    let sink = Sink::new("tool", world.places(), Some(Box::new(world.stderr.clone()))).read_by(reader);
    let reporter = Reporter::new(sink);
    reporter.error("no \x1b[2J");
    reporter.warning("w");
    reporter.notice("not shown");
    reporter.hint("h\u{9b}");
    reporter.sink().say_plainly(b"tool: option '--\x07'");
    world.stderr.text()
}

#[test]
fn a_file_or_a_pipe_gets_every_byte_and_no_colour() {
    assert_eq!(
        seen_by(Reader::Program),
        "tool: ERROR: no \x1b[2J\ntool: WARNING: w\ntool: option '--\x07'\n"
    );
}

#[test]
fn a_terminal_gets_nothing_that_it_would_obey_but_colours_if_it_has_them() {
    assert_eq!(
        seen_by(Reader::Person),
        "tool: ERROR: no \\x1b[2J\ntool: WARNING: w\nhint: h\\xc2\\x9b\ntool: option '--\\x07'\n"
    );
    assert_eq!(
        seen_by(Reader::PersonWithColours),
        "tool: \x1b[1;31mERROR\x1b[0m: no \\x1b[2J\ntool: \x1b[33mWARNING\x1b[0m: w\n\
         \x1b[36mhint\x1b[0m: h\\xc2\\x9b\ntool: option '--\\x07'\n"
    );
}
