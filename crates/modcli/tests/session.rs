//! How a run ends: status, output, messages; with a tool made for the purpose.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed expectation is how a test speaks"
)]

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};

use anyhow::Context;
use fixtures::Shown;
use modcli::sink::{LogPlaces, Sink};
use modcli::startup::Closed;
use modcli::{Definition, Exit, Output, Reporter, Session, Threshold, common};

const TOOL: Definition = Definition {
    command: || {
        common::command("tool").about("A tool for tests").args([
            common::valued("config", "PATH").short('C').help("Read PATH"),
            common::syslog(),
            common::quiet(),
            common::verbose(),
            common::version(),
            common::help(),
        ])
    },
    threshold: Threshold::WARNINGS,
    added: &[],
};

type Work = fn(&Session) -> anyhow::Result<Exit>;

/// What a run left: status, standard output, standard error.
fn run_with(output: Output, words: &[&str], work: Work) -> (u8, String) {
    let stderr = Shown::default();
    let session = Session {
        program: "tool",
        argv: [&["/sbin/tool"], words].concat().iter().map(OsString::from).collect(),
        closed: Closed::default(),
        reporter: Reporter::new(Sink::new("tool", LogPlaces::default(), Some(Box::new(stderr.clone())))),
        output,
    };
    let result = work(&session);
    let exit = session.finish(result);
    (exit.status(), stderr.text())
}

fn run(words: &[&str], work: Work) -> (u8, String, String) {
    let stdout = Shown::default();
    let (status, stderr) = run_with(Output::to(Box::new(stdout.clone())), words, work);
    (status, stdout.text(), stderr)
}

/// Parses and says a message of each gravity.
fn speak(session: &Session) -> anyhow::Result<Exit> {
    session.parse(&TOOL)?;
    session.reporter.error("e");
    session.reporter.warning("w");
    session.reporter.notice("n");
    session.reporter.info("i");
    Ok(Exit::Success)
}

/// A query without end, as long as somebody reads.
fn query(session: &Session) -> anyhow::Result<Exit> {
    loop {
        session.output.print_line("line")?;
    }
}

/// Work that shows lines and must be done in any case.
fn work(session: &Session) -> anyhow::Result<Exit> {
    for _ in 0..100_000 {
        session.output.show_line("insmod x.ko");
    }
    session.reporter.error("the work was done");
    Ok(Exit::Success)
}

#[test]
fn quiet_and_verbose_count_in_the_order_in_which_they_stand() {
    let cases: &[(&[&str], &str)] = &[
        (&[], "tool: ERROR: e\ntool: WARNING: w\n"),
        (&["-v"], "tool: ERROR: e\ntool: WARNING: w\ntool: NOTICE: n\n"),
        (&["-vv"], "tool: ERROR: e\ntool: WARNING: w\ntool: NOTICE: n\ntool: INFO: i\n"),
        (&["-q"], ""),
        (&["-v", "-q"], ""),
        (&["-q", "-v"], ""),
        (&["-q", "-vvv"], "tool: ERROR: e\n"),
    ];
    for (words, expected) in cases {
        assert_eq!(run(words, speak), (0, String::new(), (*expected).into()), "{words:?}");
    }
}

#[test]
fn the_version_begins_as_kmod_says_it() {
    let (status, stdout, stderr) = run(&["-q", "--vers", "--no-such"], speak);
    let lines: Vec<_> = stdout.lines().collect();
    assert_eq!((status, stderr.as_str(), lines.len()), (0, "", 2));
    let words: Vec<_> = lines[0].split(' ').collect();
    assert_eq!(words[..2], ["kmod", "version"]);
    assert!(words[2].parse::<u32>().is_ok(), "{stdout}");
    assert_eq!(lines[1], "+ZSTD +XZ +ZLIB -OPENSSL");
}

#[test]
fn help_goes_to_standard_output_and_lists_the_options() {
    let (status, stdout, stderr) = run(&["-h"], speak);
    assert_eq!((status, stderr.as_str()), (0, ""));
    for part in ["Usage: tool", "-C, --config <PATH>", "Read PATH", "-q, --quiet", "-h, --help"] {
        assert!(stdout.contains(part), "{part} is not in {stdout}");
    }
}

#[test]
fn a_wrong_option_is_told_under_the_name_of_the_call_even_with_quiet_and_syslog() {
    let (status, stdout, stderr) = run(&["-s", "-q", "--no-such"], speak);
    assert_eq!((status, stdout.as_str()), (1, ""));
    assert_eq!(stderr, "/sbin/tool: unrecognized option '--no-such'\n");
}

#[test]
fn a_fatal_message_ends_the_run_only_if_it_is_told() {
    fn fail(session: &Session) -> anyhow::Result<Exit> {
        session.parse(&TOOL)?;
        session.reporter.fatal("x")?;
        session.output.show_line("went on");
        Ok(Exit::Success)
    }
    assert_eq!(run(&[], fail), (1, String::new(), "tool: FATAL: x\n".into()));
    assert_eq!(run(&["-q"], fail), (0, "went on\n".into(), String::new()));
}

#[test]
fn an_error_that_nobody_worded_is_told_with_its_causes_and_without_error_numbers() {
    let (status, _, stderr) = run(&[], |_| {
        File::open("/nonexistent/file").context("could not open /nonexistent/file")?;
        Ok(Exit::Success)
    });
    let expected = "tool: ERROR: could not open /nonexistent/file: No such file or directory\n";
    assert_eq!((status, stderr.as_str()), (1, expected));
}

/// Standard output whose reader has left after `0` bytes.
struct Left(usize);

impl Write for Left {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.checked_sub(bytes.len()) {
            Some(left) => {
                self.0 = left;
                Ok(bytes.len())
            }
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_that_leaves_ends_a_query_silently() {
    let (status, stderr) = run_with(Output::to(Box::new(Left(100_000))), &[], query);
    assert_eq!((status, stderr.as_str()), (0, ""));
}

#[test]
fn a_reader_that_leaves_does_not_stop_work() {
    let (status, stderr) = run_with(Output::to(Box::new(Left(10))), &[], work);
    assert_eq!((status, stderr.as_str()), (0, "tool: ERROR: the work was done\n"));
}

#[test]
fn a_full_disk_is_told_once_and_fails_the_run() {
    let full = || Output::to(Box::new(OpenOptions::new().write(true).open("/dev/full").unwrap()));
    let told = "tool: ERROR: could not write standard output: No space left on device\n";
    assert_eq!(run_with(full(), &[], query), (1, told.into()));
    let (status, stderr) = run_with(full(), &[], work);
    assert_eq!((status, stderr), (1, format!("tool: ERROR: the work was done\n{told}")));
}

#[test]
fn output_arrives_whole_and_in_order() {
    let (status, stdout, _) = run(&[], |session| {
        for number in 0..20_000 {
            session.output.print_line(number.to_string())?;
        }
        session.output.print("end")?;
        Ok(Exit::Success)
    });
    let expected: String = (0..20_000).map(|number| format!("{number}\n")).collect();
    assert_eq!((status, stdout), (0, expected + "end"));
}
