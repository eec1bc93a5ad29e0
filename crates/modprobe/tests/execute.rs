//! Plans carried out on a kernel made of data.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

mod common;

use std::cell::RefCell;
use std::time::Duration;

use common::{World, world};
use fixtures::Shown;
use modcli::sink::{Places, Sink};
use modcli::{Output, Reporter};
use modfile::ModuleName;
use modkernel::{Event, InsertFlags, KernelOps, ModuleState, Recording, Rehearsal, RemoveFlags};
use modprobe::execute::{Cause, Execution, InsertFailure, Loaded, Manner, Outcome};
use modprobe::plan::{self, RemoveOptions};
use modprobe::remember::Origin;
use modprobe::request::{AfterFailure, Mode};
use modprobe::{CommandEnvironment, Environment};
use rustix::io::Errno;

const REAL: Mode = Mode::Real { show: true };

/// What was said and done.
struct Told<T> {
    result: T,
    output: Vec<String>,
    messages: Vec<String>,
    pauses: Vec<Duration>,
}

struct Settings {
    mode: Mode,
    after_failure: AfterFailure,
    first_time: bool,
    running: &'static [&'static str],
}

const SETTINGS: Settings =
    Settings { mode: REAL, after_failure: AfterFailure::Stop, first_time: false, running: &[] };

fn carry_out<T>(
    kernel: &mut dyn KernelOps,
    settings: Settings,
    deed: impl FnOnce(&mut Execution<'_>) -> T,
) -> Told<T> {
    let (stdout, stderr) = (Shown::default(), Shown::default());
    let reporter = Reporter::new(Sink::new("modprobe", Places::default(), Some(Box::new(stderr.clone()))));
    let output = Output::to(Box::new(stdout.clone()));
    let environment = Environment {
        running: settings.running.iter().map(|name| name.as_bytes().to_vec()).collect(),
        has_path: true,
        ..Environment::default()
    };
    let commands = CommandEnvironment::new(&environment, &modcli::getopt::Parsed::default(), &Origin::Wanted);
    let pauses = RefCell::new(Vec::new());
    let result = deed(&mut Execution {
        kernel,
        mode: settings.mode,
        after_failure: settings.after_failure,
        first_time: settings.first_time,
        reporter: &reporter,
        output: &output,
        commands: &commands,
        pause: &|time| pauses.borrow_mut().push(time),
    });
    output.finish().unwrap();
    Told { result, output: stdout.lines(), messages: stderr.lines(), pauses: pauses.into_inner() }
}

fn insert(
    world: &World,
    kernel: &mut dyn KernelOps,
    name: &str,
    settings: Settings,
) -> Told<Result<Loaded, InsertFailure>> {
    let plan = world.plan(name, "");
    carry_out(kernel, settings, |execution| execution.insert(&plan, InsertFlags::default()))
}

fn remove(
    world: &World,
    kernel: &mut Recording,
    name: &str,
    settings: Settings,
    manner: Manner,
) -> Told<Option<Outcome>> {
    let seen = kernel.clone();
    let holders = |module: &ModuleName| seen.holders(module).unwrap_or_default();
    let options = RemoveOptions { ignore_commands: false, holders: Some(&holders) };
    let plan = plan::remove(&world.db, &world.entry(name), &options, &mut Vec::new());
    carry_out(kernel, settings, |execution| execution.remove(&plan, manner).ok())
}

fn inserted(kernel: &Recording) -> Vec<String> {
    kernel
        .events()
        .iter()
        .filter_map(|event| match event {
            Event::Insert { path, .. } => Some(path.file_stem().unwrap().to_str().unwrap().to_owned()),
            _ => None,
        })
        .collect()
}

fn names(modules: &[ModuleName]) -> Vec<String> {
    modules.iter().map(|module| module.to_text().into_owned()).collect()
}

#[test]
fn what_is_live_is_not_loaded_again_and_what_is_coming_is_tried() {
    let world = world(&["a: b c", "b:", "c:"], "", &[], "");
    let mut kernel = Recording::default().with_loaded("b", &[]).with_state("c", ModuleState::Coming);
    let told = insert(&world, &mut kernel, "a", SETTINGS);
    let loaded = told.result.unwrap();
    assert_eq!(inserted(&kernel), ["c", "a"]);
    // The kernel says that it came in by another process meanwhile.
    assert_eq!(names(&loaded.inserted), ["a"]);
    assert_eq!(names(&loaded.present), ["c", "b"]);
    assert_eq!(
        told.output,
        [format!("insmod {} ", world.path("c.ko")), format!("insmod {} ", world.path("a.ko"))]
    );
}

#[test]
fn a_failing_dependency_ends_it_and_a_failing_softdep_does_not() {
    let world = world(&["a: b", "b:", "s:"], "", &[], "softdep b pre: s\n");
    let mut kernel = Recording::default().refusing(&world.path("s.ko"), Errno::NOEXEC);
    assert!(insert(&world, &mut kernel, "a", SETTINGS).result.is_ok());
    assert_eq!(inserted(&kernel), ["s", "b", "a"]);

    let mut kernel = Recording::default().refusing(&world.path("b.ko"), Errno::NOEXEC);
    let failure = insert(&world, &mut kernel, "a", SETTINGS).result.unwrap_err();
    assert_eq!((failure.module.to_text().as_ref(), failure.errno()), ("b", Errno::NOEXEC.raw_os_error()));
    assert_eq!(inserted(&kernel), ["s", "b"]);
    assert_eq!(*failure.inserted, [ModuleName::from("s")], "it is there all the same");
}

#[test]
fn first_time_concerns_the_target_only() {
    let world = world(&["a: b", "b:"], "", &[], "");
    let first_time = || Settings { first_time: true, ..SETTINGS };
    let mut kernel = Recording::default().with_loaded("b", &[]);
    assert!(insert(&world, &mut kernel, "a", first_time()).result.is_ok());
    let failure = insert(&world, &mut kernel, "a", first_time()).result.unwrap_err();
    assert!(matches!(failure.cause, Cause::Present));
    assert!(insert(&world, &mut kernel, "a", SETTINGS).result.is_ok());
}

#[test]
fn a_module_that_another_process_gives_up_is_tried_again() {
    let world = world(&["a:"], "", &[], "");
    let mut kernel = Recording::default().refusing(&world.path("a.ko"), Errno::BUSY);
    let failure = insert(&world, &mut kernel, "a", SETTINGS).result.unwrap_err();
    assert_eq!(failure.errno(), Errno::BUSY.raw_os_error());
    // Not without end.
    assert_eq!(inserted(&kernel), ["a"; 4]);
}

#[test]
fn an_install_command_gets_the_parameters_once_and_knows_its_module() {
    let world = world(&["a:"], "", &[], "install a run $CMDLINE_OPTS;\noptions a x=$CMDLINE_OPTS\n");
    let mut kernel = Recording::default();
    let told = insert(&world, &mut kernel, "a", SETTINGS);
    assert!(told.result.is_ok());
    assert_eq!(told.output, ["install run $CMDLINE_OPTS; x=$CMDLINE_OPTS "]);
    let [Event::Shell { line, environment }] = kernel.events() else { panic!("{:?}", kernel.events()) };
    assert_eq!(line, "run x=$CMDLINE_OPTS ;");
    assert!(environment.contains(&("MODPROBE_MODULE".into(), "a".into())));
}

#[test]
fn a_failing_install_command_is_told_and_fails() {
    let world = world(&["a:"], "", &[], "install a exit 3\n");
    let mut kernel = Recording::default().with_exit_code("exit 3", 3);
    let told = insert(&world, &mut kernel, "a", SETTINGS);
    assert_eq!(told.result.unwrap_err().errno(), Errno::INVAL.raw_os_error());
    assert_eq!(
        told.messages,
        ["modprobe: ERROR: Error running install command 'exit 3' for module a: retcode 3"]
    );
}

#[test]
fn an_install_command_that_would_run_itself_again_is_not_run() {
    let world = world(&["a:", "b: a"], "", &[], "install a modprobe a\n");
    let settings = || Settings { running: &["x", "a"], ..SETTINGS };
    for name in ["a", "b"] {
        let mut kernel = Recording::default();
        let told = insert(&world, &mut kernel, name, settings());
        assert!(matches!(told.result.unwrap_err().cause, Cause::CommandWithinItself { .. }));
        assert_eq!(kernel.events(), []);
        assert!(told.messages[0].contains("calls modprobe for that module again"), "{:?}", told.messages);
    }
    let mut kernel = Recording::default().with_loaded("a", &[]);
    assert!(insert(&world, &mut kernel, "b", settings()).result.is_ok());
}

#[test]
fn a_dry_run_shows_the_same_and_touches_nothing() {
    let config = "softdep a pre: s\ninstall i run\nsoftdep a post: i\nsoftdep s post: unix\n";
    let world = world(&["a: b", "b:", "s:", "i:"], "", &["unix"], config);
    let real = insert(&world, &mut Recording::default(), "a", SETTINGS);
    let mut dry = Rehearsal::new(Recording::default());
    let shown = insert(&world, &mut dry, "a", Settings { mode: Mode::DryRun { show: true }, ..SETTINGS });
    assert_eq!(shown.output, real.output);
    assert_eq!(dry.kernel().events(), []);
    let mut dry = Rehearsal::new(Recording::default().with_loaded("b", &[]));
    let shown = insert(&world, &mut dry, "a", Settings { mode: Mode::ShowDepends, ..SETTINGS });
    // What is loaded, or built in, makes no difference here.
    assert!(shown.output.contains(&"builtin unix".to_owned()), "{:?}", shown.output);
    assert!(shown.output.iter().any(|line| line.contains("/b.ko ")), "{:?}", shown.output);
    assert_eq!(dry.kernel().events(), []);
}

#[test]
fn a_name_without_a_file_fails_only_when_it_is_to_be_loaded() {
    let world = world(&[], "", &[], "alias x off\n");
    let told = insert(&world, &mut Recording::default(), "x", SETTINGS);
    assert_eq!(told.messages, ["modprobe: ERROR: could not find module by name='off'"]);
    assert_eq!(told.result.unwrap_err().errno(), Errno::NOENT.raw_os_error());
    let mut dry = Rehearsal::new(Recording::default());
    let told = insert(&world, &mut dry, "x", Settings { mode: Mode::ShowDepends, ..SETTINGS });
    assert!(told.result.is_ok() && told.output.is_empty() && told.messages.is_empty());
}

fn live(kernel: &Recording) -> Vec<String> {
    kernel.live().map(|module| module.to_text().into_owned()).collect()
}

fn stack() -> (World, Recording) {
    // As 8021q, garp, mrp, stp and llc.
    let world =
        world(&["q: mrp garp stp llc", "garp: stp llc", "mrp: stp llc", "stp: llc", "llc:"], "", &[], "");
    let kernel = Recording::default()
        .with_loaded("llc", &[])
        .with_loaded("stp", &["llc"])
        .with_loaded("garp", &["stp", "llc"])
        .with_loaded("mrp", &["stp"])
        .with_loaded("q", &["garp", "mrp"]);
    (world, kernel)
}

#[test]
fn all_dependencies_that_become_unused_go() {
    let (world, mut kernel) = stack();
    let told = remove(&world, &mut kernel, "q", SETTINGS, Manner::default());
    assert_eq!(told.result, Some(Outcome::Gone));
    assert_eq!(told.output, ["rmmod q", "rmmod garp", "rmmod mrp", "rmmod stp", "rmmod llc"]);
    assert_eq!(live(&kernel), [""; 0]);
}

#[test]
fn dependencies_that_others_use_stay() {
    let (world, kernel) = stack();
    let mut kernel = kernel.with_loaded("bridge", &["stp"]);
    remove(&world, &mut kernel, "q", SETTINGS, Manner::default());
    assert_eq!(live(&kernel), ["bridge", "llc", "stp"]);
}

#[test]
fn a_module_in_use_stays_and_ends_the_run_unless_all_are_to_be_tried() {
    let world = world(&["a:"], "", &[], "");
    let mut kernel = Recording::default().with_loaded("a", &[]).with_users("a", 1);
    let told = remove(&world, &mut kernel, "a", SETTINGS, Manner::default());
    assert_eq!((told.result, told.messages), (None, vec!["modprobe: FATAL: Module a is in use.".to_owned()]));
    let all = Settings { after_failure: AfterFailure::GoOn, ..SETTINGS };
    let told = remove(&world, &mut kernel, "a", all, Manner::default());
    assert_eq!(told.result, Some(Outcome::Stays));
    assert_eq!(told.messages, ["modprobe: WARNING: Module a is in use."]);
    assert_eq!(kernel.events(), []);
}

#[test]
fn waiting_tries_again_after_growing_pauses_until_the_time_is_over() {
    let world = world(&["a:"], "", &[], "");
    let mut kernel = Recording::default().with_loaded("a", &[]).with_users("a", 1);
    let manner = Manner { wait: Some(Duration::from_millis(10)), ..Manner::default() };
    let told = remove(&world, &mut kernel, "a", SETTINGS, manner);
    assert_eq!(told.result, Some(Outcome::Stays));
    let pauses: Vec<u128> = told.pauses.iter().map(Duration::as_millis).collect();
    assert_eq!(pauses, [1, 2, 4, 3]);
    assert_eq!(told.messages, ["modprobe: ERROR: could not remove 'a': Resource temporarily unavailable"]);
    // Other failures are final.
    let mut kernel = Recording::default().with_loaded("a", &[]).refusing_removal("a", Errno::BUSY);
    assert!(remove(&world, &mut kernel, "a", SETTINGS, manner).pauses.is_empty());
}

#[test]
fn what_is_absent_or_built_in_need_not_go() {
    let world = world(&["a:"], "", &["unix"], "");
    let first_time = || Settings { first_time: true, ..SETTINGS };
    let mut kernel = Recording::default();
    let told = remove(&world, &mut kernel, "a", SETTINGS, Manner::default());
    assert_eq!((told.result, told.output.len()), (Some(Outcome::Gone), 0));
    let told = remove(&world, &mut kernel, "a", first_time(), Manner::default());
    assert_eq!(told.messages, ["modprobe: FATAL: Module a is not in kernel."]);
    let told = remove(&world, &mut kernel, "unix", SETTINGS, Manner::default());
    assert_eq!(told.messages, ["modprobe: FATAL: Module unix is builtin."]);
    assert_eq!(kernel.events(), []);
}

#[test]
fn softdeps_go_around_their_module_and_holders_before_it() {
    let world = world(&["a:", "h: a", "p:", "q:", "unix:"], "", &["unix"], "softdep a pre: unix p post: q\n");
    let mut kernel = Recording::default()
        .with_loaded("a", &[])
        .with_loaded("h", &["a"])
        .with_loaded("p", &[])
        .with_loaded("q", &[]);
    let flags = RemoveFlags { force: true };
    let told = remove(&world, &mut kernel, "a", SETTINGS, Manner { flags, wait: None });
    assert_eq!(told.output, ["rmmod q", "rmmod h", "rmmod a", "rmmod p"]);
    assert_eq!(told.messages, [""; 0]);
    assert!(kernel.events().iter().all(|event| matches!(event, Event::Remove { flags, .. } if flags.force)));
}

#[test]
fn a_remove_command_runs_instead_and_its_failure_is_fatal() {
    let world = world(&["a:"], "", &[], "remove a run $CMDLINE_OPTS.\n");
    let mut kernel = Recording::default();
    let told = remove(&world, &mut kernel, "a", SETTINGS, Manner::default());
    assert_eq!((told.result, told.output), (Some(Outcome::Gone), vec!["remove run .".to_owned()]));
    let mut kernel = Recording::default().with_exit_code("run .", 1);
    let told = remove(&world, &mut kernel, "a", SETTINGS, Manner::default());
    assert_eq!(told.messages, ["modprobe: FATAL: Error running remove command for a"]);
}
