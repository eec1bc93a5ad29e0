//! getopt's manners, held against sentences measured on kmod and against the installed programs themselves.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed expectation is how a test speaks"
)]

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::process::Command;

use modcli::common::{command, flag, help, quiet, syslog, valued, verbose, version};
use modcli::getopt::{Failure, Options, Order, Parsed, parse};
use proptest::prelude::*;

/// The options of kmod's modprobe, in its order.
fn modprobe() -> clap::Command {
    command("modprobe").args([
        flag("all").short('a'),
        flag("remove").short('r'),
        flag("remove-dependencies"),
        flag("remove-holders"),
        valued("wait", "MSEC").short('w'),
        flag("resolve-alias").short('R'),
        flag("first-time"),
        flag("ignore-install").short('i').alias("ignore-remove"),
        flag("use-blacklist").short('b'),
        flag("force").short('f'),
        flag("force-modversion"),
        flag("force-vermagic"),
        flag("show-depends").short('D'),
        flag("showconfig"),
        flag("show-config").short('c'),
        flag("show-modversions").alias("dump-modversions"),
        flag("show-exports"),
        flag("dry-run").short('n').alias("show"),
        valued("config", "PATH").short('C'),
        valued("dirname", "ROOT").short('d'),
        valued("set-version", "VERSION").short('S'),
        // Ours alone.
        flag("autoclean").short('k'),
        flag("show-alias"),
        syslog(),
        quiet(),
        verbose(),
        version(),
        help(),
        clap::Arg::new("operands").num_args(0..).value_parser(clap::value_parser!(OsString)),
    ])
}

const ADDED: &[&str] = &["autoclean", "show-alias"];

fn arguments(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

fn run(words: &[&str], order: Order) -> Result<Parsed, Failure> {
    let command = modprobe();
    parse(&Options::of(&command, ADDED), &arguments(words), order)
}

fn parsed(words: &[&str]) -> Parsed {
    run(words, Order::Permuted).unwrap_or_else(|failure| panic!("{words:?}: {failure:?}"))
}

fn sentence(words: &[&str]) -> String {
    match run(words, Order::Permuted) {
        Err(Failure::Sentence(sentence)) => String::from_utf8(sentence).unwrap(),
        other => panic!("{words:?}: {other:?}"),
    }
}

/// The events and operands as one line: `quiet dirname=/x | a b`.
fn summary(parsed: &Parsed) -> String {
    let events = parsed.events.iter().map(|event| match &event.value {
        Some(value) => format!("{}={}", event.id, value.to_string_lossy()),
        None => event.id.to_string(),
    });
    let operands = parsed.operands.iter().map(|operand| operand.to_string_lossy().into_owned());
    format!("{} | {}", events.collect::<Vec<_>>().join(" "), operands.collect::<Vec<_>>().join(" "))
}

/// Arguments for which kmod 30 and 34.2 print the same sentence, and that sentence after the program's name.
const SENTENCES: &[(&[&str], &str)] = &[
    (&["--x"], "unrecognized option '--x'"),
    (&["--x=y"], "unrecognized option '--x=y'"),
    (&["--no"], "unrecognized option '--no'"),
    (&["-x"], "invalid option -- 'x'"),
    (&["-qxS"], "invalid option -- 'x'"),
    (&["-?"], "invalid option -- '?'"),
    (&["-:"], "invalid option -- ':'"),
    (&["-;"], "invalid option -- ';'"),
    (&["-W", "x"], "invalid option -- 'W'"),
    (&["-x", "-V"], "invalid option -- 'x'"),
    (&["-q-"], "invalid option -- '-'"),
    (&["-S"], "option requires an argument -- 'S'"),
    (&["-qS"], "option requires an argument -- 'S'"),
    (&["m", "-S"], "option requires an argument -- 'S'"),
    (&["--dirname"], "option '--dirname' requires an argument"),
    (&["--dirn"], "option '--dirname' requires an argument"),
    (&["--set"], "option '--set-version' requires an argument"),
    (&["--quiet=1"], "option '--quiet' doesn't allow an argument"),
    (&["--qu="], "option '--quiet' doesn't allow an argument"),
    (&["--force=1"], "option '--force' doesn't allow an argument"),
    (
        &["--show-"],
        "option '--show-' is ambiguous; possibilities: '--show-depends' '--show-config' '--show-modversions' '--show-exports'",
    ),
    (
        &["--sh=3"],
        "option '--sh=3' is ambiguous; possibilities: '--show-depends' '--showconfig' '--show-config' '--show-modversions' '--show-exports' '--show'",
    ),
    (
        &["--s"],
        "option '--s' is ambiguous; possibilities: '--show-depends' '--showconfig' '--show-config' '--show-modversions' '--show-exports' '--show' '--set-version' '--syslog'",
    ),
    (
        &["--re"],
        "option '--re' is ambiguous; possibilities: '--remove' '--remove-dependencies' '--remove-holders' '--resolve-alias'",
    ),
    (&["--ver"], "option '--ver' is ambiguous; possibilities: '--verbose' '--version'"),
    (
        &["--f"],
        "option '--f' is ambiguous; possibilities: '--first-time' '--force' '--force-modversion' '--force-vermagic'",
    ),
    (&["--force-"], "option '--force-' is ambiguous; possibilities: '--force-modversion' '--force-vermagic'"),
];

#[test]
fn wrong_options_get_the_sentences_of_getopt() {
    for (words, expected) in SENTENCES {
        let argv = [&["/sbin/modprobe"], *words].concat();
        assert_eq!(sentence(&argv), format!("/sbin/modprobe: {expected}"), "{words:?}");
    }
}

#[test]
fn possibilities_come_in_the_order_that_kmod_lists_them() {
    // dry-run and show are one option and stand apart in kmod's list, so its order is not wholly ours.
    let ours = sentence(&["modprobe", "--d=x"]);
    let names: Vec<_> = ours.split('\'').filter(|part| part.starts_with("--")).skip(1).collect();
    assert_eq!(names, ["--dump-modversions", "--dry-run", "--dirname"]);
}

#[test]
fn the_installed_modprobe_says_the_same_sentences() {
    let installed = Path::new("/sbin/modprobe");
    if !installed.exists() {
        eprintln!("SKIPPED: {} is not installed, nothing to compare with", installed.display());
        return;
    }
    for (words, expected) in SENTENCES {
        let output = Command::new(installed).args(*words).env_clear().output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said, format!("/sbin/modprobe: {expected}\n"), "{words:?}");
        assert_eq!(output.status.code(), Some(1), "{words:?}");
    }
}

#[test]
fn bytes_that_are_no_text_are_quoted_as_they_are() {
    let argv = [b"m".as_slice(), b"-\xc3\xa9"].map(|bytes| OsString::from_vec(bytes.to_vec()));
    let command = modprobe();
    let failure = parse(&Options::of(&command, &[]), &argv, Order::Permuted).unwrap_err();
    assert_eq!(failure, Failure::Sentence(b"m: invalid option -- '\xc3'".to_vec()));
    let argv = [b"m".as_slice(), b"--\xff"].map(|bytes| OsString::from_vec(bytes.to_vec()));
    let failure = parse(&Options::of(&command, &[]), &argv, Order::Permuted).unwrap_err();
    assert_eq!(failure, Failure::Sentence(b"m: unrecognized option '--\xff'".to_vec()));
}

#[test]
fn every_way_of_writing_an_option_is_understood() {
    let cases: &[(&[&str], &str)] = &[
        (&["m", "a", "b"], " | a b"),
        (&["m", "-rv", "a"], "remove verbose | a"),
        (&["m", "a", "-v", "x=1"], "verbose | a x=1"),
        (&["m", "a", "--", "-v"], " | a -v"),
        (&["m", "--", "a", "--", "b"], " | a -- b"),
        (&["m", "-q", "-v"], "quiet verbose | "),
        (&["m", "-v", "-q"], "verbose quiet | "),
        (&["m", "-vqv"], "verbose quiet verbose | "),
        (&["m", "-d/x", "-d", "/y"], "dirname=/x dirname=/y | "),
        (&["m", "-d=x"], "dirname==x | "),
        (&["m", "-qd/x"], "quiet dirname=/x | "),
        (&["m", "--dirname=/x"], "dirname=/x | "),
        (&["m", "--dirname="], "dirname= | "),
        (&["m", "--dirname", "/x"], "dirname=/x | "),
        (&["m", "--dirname", ""], "dirname= | "),
        (&["m", "--dirname", "--"], "dirname=-- | "),
        (&["m", "--dirname", "-q", "a"], "dirname=-q | a"),
        (&["m", "-S", "-q", "a"], "set-version=-q | a"),
        (&["m", "--dirname=a=b"], "dirname=a=b | "),
        (&["m", "-"], " | -"),
        (&["m", "-", "-q"], "quiet | -"),
        (&["m", "", "-q"], "quiet | "),
        (&["m", "--q", "--set", "6.1", "a"], "quiet set-version=6.1 | a"),
        (&["m", "--force"], "force | "),
        (&["m", "--show"], "dry-run | "),
        (&["m", "--remove"], "remove | "),
        (&["m", "--i"], "ignore-install | "),
        (&["m", "--ignore-r"], "ignore-install | "),
        (&["m", "--dum"], "show-modversions | "),
        (&["m", "-s", "-k", "--", "net-pf-1"], "syslog autoclean | net-pf-1"),
        (&["m", "-q", "--", "-V"], "quiet | -V"),
    ];
    for (words, expected) in cases {
        assert_eq!(summary(&parsed(words)), *expected, "{words:?}");
    }
}

#[test]
fn names_that_kmod_lacks_count_only_when_written_out() {
    assert_eq!(summary(&parsed(&["m", "--a"])), "all | ");
    for (word, whole) in [("--auto", "--autoclean"), ("--show-a", "--show-alias")] {
        let refused = run(&["m", word], Order::Permuted).unwrap_err();
        assert_eq!(refused, Failure::Sentence(format!("m: unrecognized option '{word}'").into_bytes()));
        assert_eq!(summary(&parsed(&["m", whole])), format!("{} | ", whole.trim_start_matches('-')));
    }
}

#[test]
fn under_posix_rules_the_first_operand_ends_the_options() {
    let parsed = run(&["m", "-q", "a", "-v", "--", "--x"], Order::Posix).unwrap();
    assert_eq!(summary(&parsed), "quiet | a -v -- --x");
}

#[test]
fn help_and_version_win_over_what_follows_but_not_over_what_precedes() {
    assert_eq!(run(&["m", "-V", "x", "-x"], Order::Permuted), Err(Failure::Version));
    assert_eq!(run(&["m", "-qh", "--x"], Order::Permuted), Err(Failure::Help));
    assert_eq!(run(&["m", "--vers"], Order::Permuted), Err(Failure::Version));
    assert_eq!(run(&["m", "--help=x"], Order::Permuted).unwrap_err(), {
        Failure::Sentence(b"m: option '--help' doesn't allow an argument".to_vec())
    });
}

#[test]
fn no_arguments_at_all_are_an_empty_command_line() {
    let command = modprobe();
    assert_eq!(parse(&Options::of(&command, &[]), &[], Order::Permuted), Ok(Parsed::default()));
}

#[test]
fn clap_reads_the_normalised_form_as_the_same_command_line() {
    let words = ["m", "-vqv", "--dirn=", "-S", "-q", "-C/a", "-C", "=b", "-k", "x", "--", "-y", "--dirname"];
    let parsed = parsed(&words);
    let matches = parsed.matches(modprobe()).unwrap();
    let values = |id: &str| -> Vec<OsString> {
        matches.get_many::<OsString>(id).into_iter().flatten().cloned().collect()
    };
    assert_eq!(matches.get_count("verbose"), 2);
    assert!(matches.get_flag("autoclean"));
    assert_eq!(values("dirname"), [""]);
    assert_eq!(values("set-version"), ["-q"]);
    assert_eq!(values("config"), ["/a", "=b"]);
    assert_eq!(values("operands"), ["x", "-y", "--dirname"]);
}

/// Words that look like options more often than chance would have it.
fn word() -> impl Strategy<Value = OsString> {
    let letters = "[qvrdSCkVhx]{0,3}";
    prop_oneof![
        letters.prop_map(|letters| format!("-{letters}").into()),
        "--[a-z-]{0,6}(=[a-z]{0,2})?".prop_map(OsString::from),
        prop::sample::select(vec!["--", "-", "", "--dirname", "--quiet", "--show", "a", "b=c"])
            .prop_map(OsString::from),
        prop::collection::vec(any::<u8>().prop_filter("no NUL", |byte| *byte != 0), 0..5)
            .prop_map(OsString::from_vec),
    ]
}

proptest! {
    #[test]
    fn what_parses_is_read_by_clap_without_objection_and_alike(words in prop::collection::vec(word(), 0..8)) {
        let mut argv = vec![OsString::from("m")];
        argv.extend(words);
        let command = modprobe();
        let options = Options::of(&command, ADDED);
        if let Ok(parsed) = parse(&options, &argv, Order::Permuted) {
            let again = parse(&options, &parsed.normalised(&options, "m"), Order::Posix).unwrap();
            prop_assert_eq!(&again, &parsed);
            let matches = parsed.matches(modprobe()).unwrap();
            prop_assert_eq!(matches.get_flag("quiet"), parsed.has("quiet"));
            let operands: Vec<_> = matches.get_many::<OsString>("operands").into_iter().flatten().collect();
            prop_assert_eq!(operands, parsed.operands.iter().collect::<Vec<_>>());
            let last = matches.get_many::<OsString>("dirname").into_iter().flatten().next_back();
            prop_assert_eq!(last.map(OsString::as_os_str), parsed.value("dirname"));
        }
    }

    #[test]
    fn a_failure_always_names_the_program(words in prop::collection::vec(word(), 0..8)) {
        let mut argv = vec![OsString::from("/sbin/m")];
        argv.extend(words);
        let command = modprobe();
        if let Err(Failure::Sentence(said)) = parse(&Options::of(&command, &[]), &argv, Order::Permuted) {
            prop_assert!(OsStr::from_bytes(&said).as_bytes().starts_with(b"/sbin/m: "));
        }
    }
}
