use modcli::getopt::{self, Options, Order};

use super::*;

pub(super) fn parse(arguments: &[&str]) -> Parsed {
    let command = cli::command();
    let argv: Vec<OsString> =
        std::iter::once("modprobe").chain(arguments.iter().copied()).map(OsString::from).collect();
    getopt::parse(&Options::of(&command, cli::DEFINITION.added), &argv, Order::Permuted).unwrap()
}

fn request(arguments: &[&str]) -> Result<Request, Problem> {
    Request::new(&parse(arguments), Caller::Anyone, None, || "/here".into())
}

fn action(arguments: &[&str]) -> Work {
    request(arguments).unwrap().action
}

#[test]
fn actions_take_precedence_in_a_fixed_order() {
    assert_eq!(action(&["-c", "-r", "--show-exports", "x"]), Work::ShowConfig);
    assert!(matches!(
        action(&["-r", "--show-exports", "--show-modversions", "x"]),
        Work::ShowSymbols { which: Symbols::Needed, .. }
    ));
    assert!(matches!(action(&["-r", "-a", "-R", "x"]), Work::Unload(_)));
    assert!(matches!(action(&["--remove-holders", "x"]), Work::Unload(_)));
    assert!(matches!(action(&["-R", "-D", "x"]), Work::ShowNames { .. }));
    assert!(matches!(action(&["-n", "x"]), Work::Load(_)));
}

#[test]
fn settings_are_shown_or_saved_of_all_modules_or_those_named() {
    assert_eq!(action(&["--save-settings"]), Work::SaveSettings(vec![]));
    let (names, persist) = (vec!["a".into()], Persist::NotThisTime);
    assert_eq!(
        action(&["--restore-settings", "--no-persist", "a"]),
        Work::RestoreSettings { names, persist }
    );
    assert_eq!(action(&["--save-settings", "a", "b"]), Work::SaveSettings(vec!["a".into(), "b".into()]));
    assert_eq!(action(&["--show-settings", "--save-settings", "a"]), Work::ShowSettings(vec!["a".into()]));
}

#[test]
fn settings_are_kept_unless_told_otherwise() {
    for (arguments, expected) in
        [(&["m"][..], Persist::AsConfigured), (&["--no-persist", "m"], Persist::NotThisTime)]
    {
        let Work::Load(insert) = action(arguments) else { panic!("no load") };
        let Work::Unload(remove) = action(&[arguments, &["-r"]].concat()) else { panic!("no unload") };
        assert_eq!((insert.persist, remove.persist), (expected, expected));
    }
}

#[test]
fn operands_after_the_first_are_parameters_without_all() {
    let Work::Load(one) = action(&["m", "x=a b", "y=\"c d\"", "z='1 2'", "plain word", "=a b", "k="]) else {
        panic!("no load");
    };
    let expected = "x=\"a b\" y=\"c d\" z='1 2' plain word =\"a b\" k=";
    assert_eq!(one.modules, [Wanted { operand: "m".into(), params: expected.as_bytes().to_vec() }]);
    let Work::Load(all) = action(&["-a", "m", "x=1"]) else { panic!("no load") };
    assert_eq!(all.modules.len(), 2);
    let Work::Load(empty) = action(&["m", "", "x=1", "", "y"]) else { panic!("no load") };
    assert_eq!(empty.modules, [Wanted { operand: "m".into(), params: b"x=1  y".to_vec() }]);
}

#[test]
fn show_depends_beats_dry_run_and_both_beat_the_deed() {
    let how = |arguments: &[&str]| match action(arguments) {
        Work::Load(load) => (load.how.terms.effect, load.how.terms.presence, load.how.show),
        other => panic!("{other:?}"),
    };
    let (real, dry) = (Effect::Real, Effect::Rehearsed);
    assert_eq!(how(&["-D", "-n", "m"]), (dry, Presence::Ignored, true));
    assert_eq!(how(&["-n", "m"]), (dry, Presence::Counts, false));
    assert_eq!(how(&["--show", "-v", "m"]), (dry, Presence::Counts, true));
    assert_eq!(how(&["m"]), (real, Presence::Counts, false));
    assert_eq!(how(&["-v", "-q", "m"]), (real, Presence::Counts, false));
    assert_eq!(how(&["-q", "-vvvv", "m"]), (real, Presence::Counts, false));
    assert_eq!(how(&["-q", "-vvvvv", "m"]), (real, Presence::Counts, true));
}

#[test]
fn a_demand_is_the_kernels_if_it_called_or_was_called_before_or_with_the_old_option() {
    let demand = |arguments: &[&str], caller, inherited: Option<&str>| {
        demand(&parse(arguments), caller, inherited.map(OsStr::new))
    };
    let kernel = |name: &str| Demand::Kernel(name.into());
    assert_eq!(demand(&["m"], Caller::Anyone, None), Demand::Person);
    assert_eq!(demand(&["-q", "--", "m"], Caller::Kernel, None), kernel("m"));
    assert_eq!(demand(&["-k", "m"], Caller::Anyone, Some("net-pf-1")), kernel("m"));
    assert_eq!(demand(&["m"], Caller::Anyone, Some("net-pf-1")), kernel("net-pf-1"));
}

#[test]
fn four_options_of_kmod_and_ours_about_settings_are_handed_on() {
    let request = request(&["-v", "-a", "-C", "x", "-sq", "--no-persist", "--first-time", "m"]).unwrap();
    let expected =
        [("-v", None), ("-C", Some("x".into())), ("-s", None), ("-q", None), ("--no-persist", None)];
    assert_eq!(request.handed_on, expected);
}

#[test]
fn a_wait_is_a_number_of_c() {
    let wait = |text: &str| match request(&["-r", "-w", text, "m"]).map(|request| request.action) {
        Ok(Work::Unload(remove)) => remove.wait.map(|wait| wait.as_millis()),
        _ => None,
    };
    for (text, expected) in [
        ("10", Some(10)),
        ("0x10", Some(16)),
        ("010", Some(8)),
        ("0", Some(0)),
        (" +5", Some(5)),
        ("10x", None),
        ("", None),
        ("0x", None),
        ("++5", None),
        ("1_0", None),
    ] {
        assert_eq!(wait(text), expected, "{text:?}");
    }
}

#[test]
fn a_relative_root_is_put_behind_the_current_directory_as_text() {
    assert_eq!(request(&["-d", "./r", "m"]).unwrap().place.root, PathBuf::from("/here/./r"));
    assert_eq!(request(&["-d", "/r/", "m"]).unwrap().place.root, PathBuf::from("/r/"));
    assert_eq!(request(&["m"]).unwrap().place.root, PathBuf::new());
    assert_eq!(request(&["-d", "", "m"]).unwrap().place.root, PathBuf::new());
}

#[test]
fn what_cannot_be_meant_is_refused() {
    assert_eq!(request(&[]), Err(Problem::NoOperands));
    assert_eq!(request(&["--show-exports"]), Err(Problem::NoOperands));
    assert_eq!(request(&["-t", "net"]), Err(Problem::TypeWithoutList));
    assert_eq!(request(&["--json", "m"]), Err(Problem::JsonWithoutExplain));
    assert_eq!(request(&["--save-settings", "-n"]), Err(Problem::SaveDry));
    assert_eq!(request(&["--restore-settings", "-D"]), Err(Problem::RestoreDry));
    assert!(request(&["-c"]).is_ok() && request(&["-l"]).is_ok());
}
