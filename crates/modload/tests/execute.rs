//! Plans carried out on a kernel made of data.

// long: one behaviour after the other, each shown whole

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

mod common;

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, OsStr};
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use common::{World, world};
use modfile::ModuleName;
use modkernel::{
    InsertError, InsertFlags, KernelEvent as Asked, KernelOps, ModuleState, Recording, Rehearsal, RemoveFlags,
};
use modload::plan::{self, Action, UnloadOptions};
use modload::{
    Cause, CommandEnvironment, Demand, Effect, Environment, Event, Execution, LoadFailure, Loaded, Manner,
    Observer, Outcome, Presence, Refusal, Terms,
};
use rustix::io::Errno;

const REAL: Terms = Terms { effect: Effect::Real, presence: Presence::Counts, first_time: false };
const FIRST_TIME: Terms = Terms { first_time: true, ..REAL };
const REHEARSED: Terms = Terms { effect: Effect::Rehearsed, ..REAL };
const SHOW_DEPENDS: Terms = Terms { presence: Presence::Ignored, ..REHEARSED };

/// Writes down what it sees, a line each.
struct Seen {
    lines: RefCell<Vec<String>>,
    after_refusal: ControlFlow<()>,
}

impl Observer for Seen {
    fn event(&self, event: &Event<'_>) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let line = match event {
            Event::Step(step) => {
                let what = match &step.action {
                    Action::File(path) => path.file_name().unwrap().display().to_string(),
                    Action::Command { line, .. } => text(line),
                    Action::Builtin => "builtin".to_owned(),
                    Action::NoFile => "no file".to_owned(),
                };
                format!("step {}: {what} [{}]", step.module, text(&step.params))
            }
            Event::NoFile(module) => format!("no file for {module}"),
            Event::NotInserted { module, error, .. } => format!("not inserted {module}: {}", error.errno()),
            Event::Removing(module) => format!("removing {module}"),
            Event::NotRemoved { module, error } => {
                format!("not removed {module}: {}", error.raw_os_error().unwrap())
            }
            Event::Command(command) => {
                format!("{:?} {}: {}", command.verb, command.module, text(&command.line))
            }
            Event::CommandFailed { command, error } => {
                format!("{:?} {} failed: {error}", command.verb, command.module)
            }
            Event::Setting { .. } | Event::Modutils(_) => unreachable!("nobody keeps settings here"),
            Event::Script(_) | Event::ScriptFailed { .. } | Event::ScriptsNotRun { .. } => {
                unreachable!("modutils.d is not read here")
            }
            Event::CommandWithinItself { module, line } => format!("{module} within itself: {}", text(line)),
        };
        self.lines.borrow_mut().push(line);
    }

    fn refused(&self, module: &ModuleName, refusal: Refusal) -> ControlFlow<()> {
        self.lines.borrow_mut().push(format!("refused {module}: {refusal:?}"));
        self.after_refusal
    }
}

/// What was seen and done.
struct Told<T> {
    result: T,
    seen: Vec<String>,
    pauses: Vec<Duration>,
}

/// A run on these terms, within these modules' commands, that ends at a refusal or goes on.
#[derive(Clone, Copy)]
struct Run {
    terms: Terms,
    running: &'static [&'static str],
    after_refusal: ControlFlow<()>,
}

const RUN: Run = Run { terms: REAL, running: &[], after_refusal: ControlFlow::Break(()) };

fn on(terms: Terms) -> Run {
    Run { terms, ..RUN }
}

fn carry_out<T>(kernel: &mut dyn KernelOps, run: Run, deed: impl FnOnce(&mut Execution<'_>) -> T) -> Told<T> {
    let environment = Environment {
        running: run.running.iter().map(|name| name.as_bytes().to_vec()).collect(),
        has_path: true,
        ..Environment::default()
    };
    let commands = CommandEnvironment::new(&environment, [], &Demand::Person);
    let pauses = RefCell::new(Vec::new());
    let observer = Seen { lines: RefCell::default(), after_refusal: run.after_refusal };
    let result = deed(&mut Execution {
        kernel,
        observer: &observer,
        commands: &commands,
        scripts: None,
        terms: run.terms,
        pause: &|time| pauses.borrow_mut().push(time),
    });
    Told { result, seen: observer.lines.into_inner(), pauses: pauses.into_inner() }
}

fn load(
    world: &World,
    kernel: &mut dyn KernelOps,
    name: &str,
    run: Run,
) -> Told<Result<Loaded, LoadFailure>> {
    let plan = world.plan(name, "");
    carry_out(kernel, run, |execution| execution.load(&plan, InsertFlags::default()))
}

fn unload(
    world: &World,
    kernel: &mut Recording,
    name: &str,
    run: Run,
    manner: Manner,
) -> Told<Option<Outcome>> {
    let seen = kernel.clone();
    let holders = |module: &ModuleName| seen.holders(module).unwrap_or_default();
    let options = UnloadOptions { ignore_commands: false, holders: Some(&holders) };
    let plan = plan::unload(&world.db, &world.entry(name), &options, &mut Vec::new());
    carry_out(kernel, run, |execution| execution.unload(&plan, manner).ok())
}

fn inserted(kernel: &Recording) -> Vec<String> {
    kernel
        .events()
        .iter()
        .filter_map(|event| match event {
            Asked::Insert { path, .. } => Some(path.file_stem().unwrap().to_str().unwrap().to_owned()),
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
    let told = load(&world, &mut kernel, "a", RUN);
    let loaded = told.result.unwrap();
    assert_eq!(inserted(&kernel), ["c", "a"]);
    // The kernel says that it came in by another process meanwhile.
    assert_eq!(names(&loaded.inserted), ["a"]);
    assert_eq!(names(&loaded.present), ["c", "b"]);
    assert_eq!(told.seen, ["step c: c.ko []", "step a: a.ko []"]);
}

#[test]
fn a_failing_dependency_ends_it_and_a_failing_softdep_does_not() {
    let world = world(&["a: b", "b:", "s:"], "", &[], "softdep b pre: s\n");
    let mut kernel = Recording::default().refusing(&world.path("s.ko"), Errno::NOEXEC);
    assert!(load(&world, &mut kernel, "a", RUN).result.is_ok());
    assert_eq!(inserted(&kernel), ["s", "b", "a"]);

    let mut kernel = Recording::default().refusing(&world.path("b.ko"), Errno::NOEXEC);
    let failure = load(&world, &mut kernel, "a", RUN).result.unwrap_err();
    assert_eq!((failure.module.to_text().as_ref(), failure.errno()), ("b", Errno::NOEXEC.raw_os_error()));
    assert_eq!(inserted(&kernel), ["s", "b"]);
    assert_eq!(*failure.inserted, [ModuleName::from("s")], "it is there all the same");
}

#[test]
fn first_time_concerns_the_target_only() {
    let world = world(&["a: b", "b:"], "", &[], "");
    let mut kernel = Recording::default().with_loaded("b", &[]);
    assert!(load(&world, &mut kernel, "a", on(FIRST_TIME)).result.is_ok());
    let failure = load(&world, &mut kernel, "a", on(FIRST_TIME)).result.unwrap_err();
    assert!(matches!(failure.cause, Cause::Present));
    assert!(load(&world, &mut kernel, "a", RUN).result.is_ok());
}

#[test]
fn a_module_that_another_process_gives_up_is_tried_again() {
    let world = world(&["a:"], "", &[], "");
    let mut kernel = Recording::default().refusing(&world.path("a.ko"), Errno::BUSY);
    let failure = load(&world, &mut kernel, "a", RUN).result.unwrap_err();
    assert_eq!(failure.errno(), Errno::BUSY.raw_os_error());
    // Not without end.
    assert_eq!(inserted(&kernel), ["a"; 4]);
}

/// A kernel out of which modules go while plans are carried out.
struct Leaking {
    inner: RefCell<Recording>,
    /// This module is being unloaded for so many more looks at it.
    going: Option<(&'static str, Cell<usize>)>,
    /// At an insertion of the first file the other module goes before it; so often.
    lost: Option<(&'static str, &'static str, usize)>,
}

impl KernelOps for Leaking {
    fn state(&self, module: &ModuleName) -> io::Result<ModuleState> {
        if let Some((name, looks)) = &self.going
            && *module == (*name).into()
        {
            match looks.get() {
                0 => self.inner.borrow_mut().lose(name),
                left => looks.set(left - 1),
            }
        }
        self.inner.borrow().state(module)
    }

    fn use_count(&self, module: &ModuleName) -> io::Result<Option<u32>> {
        self.inner.borrow().use_count(module)
    }

    fn holders(&self, module: &ModuleName) -> io::Result<Vec<ModuleName>> {
        self.inner.borrow().holders(module)
    }

    fn insert(&mut self, path: &Path, params: &CStr, flags: InsertFlags) -> Result<(), InsertError> {
        if let Some((file, module, left)) = &mut self.lost
            && path.file_stem().unwrap() == *file
            && *left > 0
        {
            *left -= 1;
            self.inner.get_mut().lose(module);
        }
        self.inner.get_mut().insert(path, params, flags)
    }

    fn remove(&mut self, module: &ModuleName, flags: RemoveFlags) -> io::Result<()> {
        self.inner.get_mut().remove(module, flags)
    }

    fn run_shell(&mut self, line: &OsStr, environment: &[(&str, &OsStr)]) -> io::Result<ExitStatus> {
        self.inner.get_mut().run_shell(line, environment)
    }

    fn run_script(
        &mut self,
        line: &OsStr,
        environment: &[(&str, &OsStr)],
        meanwhile: modkernel::Meanwhile<'_>,
    ) -> io::Result<Option<ExitStatus>> {
        self.inner.get_mut().run_script(line, environment, meanwhile)
    }
}

#[test]
fn a_module_that_is_going_is_waited_for() {
    let world = world(&["a:"], "", &[], "");
    let inner = RefCell::new(Recording::default().with_state("a", ModuleState::Going));
    let mut kernel = Leaking { inner, going: Some(("a", Cell::new(5))), lost: None };
    let told = load(&world, &mut kernel, "a", RUN);
    assert_eq!(names(&told.result.unwrap().inserted), ["a"]);
    assert_eq!(told.pauses.iter().map(Duration::as_millis).collect::<Vec<_>>(), [2, 4, 8, 16]);
    assert_eq!(told.seen, ["step a: a.ko []"]);
}

#[test]
fn a_module_that_never_finishes_going_is_not_waited_for_without_end() {
    let world = world(&["a:"], "", &[], "");
    let mut kernel = Recording::default().with_state("a", ModuleState::Going);
    let told = load(&world, &mut kernel, "a", RUN);
    assert_eq!(told.result.unwrap_err().errno(), Errno::BUSY.raw_os_error());
    let waited: Duration = told.pauses.iter().sum();
    assert!((10_000..10_100).contains(&waited.as_millis()), "{waited:?}");
}

#[test]
fn a_dependency_that_goes_before_it_is_used_is_loaded_again() {
    let world = world(&["a: b c", "b:", "c:"], "", &[], "");
    let inner = RefCell::new(Recording::default().with_loaded("b", &[]).with_needs("a", &["b", "c"]));
    let mut kernel = Leaking { inner, going: None, lost: Some(("a", "b", 2)) };
    let told = load(&world, &mut kernel, "a", RUN);
    let loaded = told.result.unwrap();
    assert_eq!(inserted(&kernel.inner.borrow()), ["c", "a", "b", "a", "b", "a"]);
    assert_eq!(names(&loaded.inserted), ["c", "b", "a"]);
    assert_eq!(names(&loaded.present), [""; 0]);
    assert!(told.seen.iter().all(|line| line.starts_with("step")), "{:?}", told.seen);
}

#[test]
fn a_dependency_that_always_goes_is_a_failure_in_the_end() {
    let world = world(&["a: b", "b:"], "", &[], "");
    let inner = RefCell::new(Recording::default().with_loaded("b", &[]).with_needs("a", &["b"]));
    let mut kernel = Leaking { inner, going: None, lost: Some(("a", "b", usize::MAX)) };
    let told = load(&world, &mut kernel, "a", RUN);
    assert_eq!(told.result.unwrap_err().errno(), Errno::NOENT.raw_os_error());
    assert_eq!(told.seen.last().map(String::as_str), Some("not inserted a: 2"));
    // What is missing although nothing went is a failure at once.
    let mut kernel = Recording::default().with_loaded("b", &[]).with_needs("a", &["b", "other"]);
    assert!(load(&world, &mut kernel, "a", RUN).result.is_err());
    assert_eq!(inserted(&kernel), ["a"]);
}

#[test]
fn an_install_command_gets_the_parameters_once_and_knows_its_module() {
    let world = world(&["a:"], "", &[], "install a run $CMDLINE_OPTS;\noptions a x=$CMDLINE_OPTS\n");
    let mut kernel = Recording::default();
    let told = load(&world, &mut kernel, "a", RUN);
    assert!(told.result.is_ok());
    assert_eq!(
        told.seen,
        ["step a: run $CMDLINE_OPTS; [x=$CMDLINE_OPTS ]", "Install a: run x=$CMDLINE_OPTS ;"]
    );
    let [Asked::Shell { line, environment }] = kernel.events() else { panic!("{:?}", kernel.events()) };
    assert_eq!(line, "run x=$CMDLINE_OPTS ;");
    assert!(environment.contains(&("MODPROBE_MODULE".into(), "a".into())));
}

#[test]
fn a_failing_install_command_is_told_and_fails() {
    let world = world(&["a:"], "", &[], "install a exit 3\n");
    let mut kernel = Recording::default().with_exit_code("exit 3", 3);
    let told = load(&world, &mut kernel, "a", RUN);
    assert_eq!(told.result.unwrap_err().errno(), Errno::INVAL.raw_os_error());
    assert_eq!(
        told.seen,
        ["step a: exit 3 []", "Install a: exit 3", "Install a failed: it ended with status 3"]
    );
}

#[test]
fn an_install_command_that_would_run_itself_again_is_not_run() {
    let world = world(&["a:", "b: a"], "", &[], "install a modprobe a\n");
    let within = Run { running: &["x", "a"], ..RUN };
    for name in ["a", "b"] {
        let mut kernel = Recording::default();
        let told = load(&world, &mut kernel, name, within);
        assert!(matches!(told.result.unwrap_err().cause, Cause::CommandWithinItself { .. }));
        assert_eq!(kernel.events(), []);
        assert_eq!(told.seen, ["step a: modprobe a []", "a within itself: modprobe a"]);
    }
    let mut kernel = Recording::default().with_loaded("a", &[]);
    assert!(load(&world, &mut kernel, "b", within).result.is_ok());
}

#[test]
fn a_dry_run_shows_the_same_and_touches_nothing() {
    let config = "softdep a pre: s\ninstall i run\nsoftdep a post: i\nsoftdep s post: unix\n";
    let world = world(&["a: b", "b:", "s:", "i:"], "", &["unix"], config);
    let real = load(&world, &mut Recording::default(), "a", RUN);
    let mut dry = Rehearsal::new(Recording::default());
    let shown = load(&world, &mut dry, "a", on(REHEARSED));
    assert_eq!(shown.seen, real.seen);
    assert_eq!(dry.kernel().events(), []);
    let mut dry = Rehearsal::new(Recording::default().with_loaded("b", &[]));
    let shown = load(&world, &mut dry, "a", on(SHOW_DEPENDS));
    // What is loaded, or built in, makes no difference here.
    assert!(shown.seen.contains(&"step unix: builtin []".to_owned()), "{:?}", shown.seen);
    assert!(shown.seen.contains(&"step b: b.ko []".to_owned()), "{:?}", shown.seen);
    assert_eq!(dry.kernel().events(), []);
}

#[test]
fn a_name_without_a_file_fails_only_when_it_is_to_be_loaded() {
    let world = world(&[], "", &[], "alias x off\n");
    let told = load(&world, &mut Recording::default(), "x", RUN);
    assert_eq!(told.seen, ["step off: no file []", "no file for off"]);
    assert_eq!(told.result.unwrap_err().errno(), Errno::NOENT.raw_os_error());
    let mut dry = Rehearsal::new(Recording::default());
    let told = load(&world, &mut dry, "x", on(SHOW_DEPENDS));
    assert!(told.result.is_ok());
    assert_eq!(told.seen, ["step off: no file []"]);
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
    let told = unload(&world, &mut kernel, "q", RUN, Manner::default());
    assert_eq!(told.result, Some(Outcome::Gone));
    assert_eq!(told.seen, ["q", "garp", "mrp", "stp", "llc"].map(|name| format!("removing {name}")));
    assert_eq!(live(&kernel), [""; 0]);
}

#[test]
fn dependencies_that_others_use_stay() {
    let (world, kernel) = stack();
    let mut kernel = kernel.with_loaded("bridge", &["stp"]);
    unload(&world, &mut kernel, "q", RUN, Manner::default());
    assert_eq!(live(&kernel), ["bridge", "llc", "stp"]);
}

#[test]
fn a_module_in_use_stays_and_ends_the_run_unless_all_are_to_be_tried() {
    let world = world(&["a:"], "", &[], "");
    let mut kernel = Recording::default().with_loaded("a", &[]).with_users("a", 1);
    let told = unload(&world, &mut kernel, "a", RUN, Manner::default());
    assert_eq!((told.result, told.seen), (None, vec!["refused a: InUse".to_owned()]));
    let all = Run { after_refusal: ControlFlow::Continue(()), ..RUN };
    let told = unload(&world, &mut kernel, "a", all, Manner::default());
    assert_eq!(told.result, Some(Outcome::Stays));
    assert_eq!(told.seen, ["refused a: InUse"]);
    assert_eq!(kernel.events(), []);
}

#[test]
fn waiting_tries_again_after_growing_pauses_until_the_time_is_over() {
    let world = world(&["a:"], "", &[], "");
    let mut kernel = Recording::default().with_loaded("a", &[]).with_users("a", 1);
    let manner = Manner { wait: Some(Duration::from_millis(10)), ..Manner::default() };
    let told = unload(&world, &mut kernel, "a", RUN, manner);
    assert_eq!(told.result, Some(Outcome::Stays));
    let pauses: Vec<u128> = told.pauses.iter().map(Duration::as_millis).collect();
    assert_eq!(pauses, [1, 2, 4, 3]);
    assert_eq!(
        told.seen,
        ["removing a".to_owned(), format!("not removed a: {}", Errno::AGAIN.raw_os_error())]
    );
    // Other failures are final.
    let mut kernel = Recording::default().with_loaded("a", &[]).refusing_removal("a", Errno::BUSY);
    assert!(unload(&world, &mut kernel, "a", RUN, manner).pauses.is_empty());
}

#[test]
fn what_is_absent_or_built_in_need_not_go() {
    let world = world(&["a:"], "", &["unix"], "");
    let mut kernel = Recording::default();
    let told = unload(&world, &mut kernel, "a", RUN, Manner::default());
    assert_eq!((told.result, told.seen.len()), (Some(Outcome::Gone), 0));
    let told = unload(&world, &mut kernel, "a", on(FIRST_TIME), Manner::default());
    assert_eq!(told.seen, ["refused a: Absent"]);
    let told = unload(&world, &mut kernel, "unix", RUN, Manner::default());
    assert_eq!(told.seen, ["refused unix: Builtin"]);
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
    let told = unload(&world, &mut kernel, "a", RUN, Manner { flags, wait: None });
    assert_eq!(told.seen, ["removing q", "removing h", "removing a", "removing p"]);
    assert!(kernel.events().iter().all(|event| matches!(event, Asked::Remove { flags, .. } if flags.force)));
}

#[test]
fn a_remove_command_runs_instead_and_its_failure_is_fatal() {
    let world = world(&["a:"], "", &[], "remove a run $CMDLINE_OPTS.\n");
    let mut kernel = Recording::default();
    let told = unload(&world, &mut kernel, "a", RUN, Manner::default());
    assert_eq!((told.result, told.seen), (Some(Outcome::Gone), vec!["Remove a: run .".to_owned()]));
    let mut kernel = Recording::default().with_exit_code("run .", 1);
    let told = unload(&world, &mut kernel, "a", RUN, Manner::default());
    assert_eq!(
        told.seen,
        ["Remove a: run .", "Remove a failed: it ended with status 1", "refused a: Command"]
    );
}

#[test]
fn a_command_that_is_killed_counts_as_one_that_succeeded() {
    let world = world(&["a:"], "", &[], "install a in\nremove a out\n");
    let mut kernel = Recording::default().with_killed("in", 9).with_killed("out", 15);
    let told = load(&world, &mut kernel, "a", RUN);
    assert_eq!(told.result.unwrap(), Loaded { inserted: Vec::new(), present: vec!["a".into()] });
    assert_eq!(told.seen, ["step a: in []", "Install a: in"]);
    let told = unload(&world, &mut kernel, "a", RUN, Manner::default());
    assert_eq!((told.result, told.seen), (Some(Outcome::Gone), vec!["Remove a: out".to_owned()]));
}
