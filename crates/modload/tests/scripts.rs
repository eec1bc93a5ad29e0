//! Commands of modutils.d around what is loaded and unloaded, on a kernel made of data.

// long: one behaviour after the other, each shown whole

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod common;

use std::cell::{Cell, RefCell};
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;

use common::{World, world};
use modkernel::{InsertFlags, KernelEvent, KernelOps, Recording};
use modload::plan::{self, UnloadOptions};
use modload::{
    Cause, CommandEnvironment, Demand, Effect, Environment, Event, Execution, Manner, Modutils, Observer,
    Outcome, Presence, Process, Scripts, Terms,
};
use modstate::{BootTime, PauseClock, Places};

const REAL: Terms = Terms { effect: Effect::Real, presence: Presence::Counts, first_time: false };
const REHEARSED: Terms = Terms { effect: Effect::Rehearsed, ..REAL };

/// Writes down what commands are seen, and what went wrong with them.
#[derive(Default)]
struct Seen(RefCell<Vec<String>>);

impl Observer for Seen {
    fn event(&self, event: &Event<'_>) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.0.borrow_mut().push(match event {
            Event::Script(script) => format!("{} {}", script.moment.word(), text(&script.command)),
            Event::ScriptFailed { about, error, .. } => format!("{}: {error}", text(about)),
            Event::ScriptsNotRun { about, reason } => format!("{}: {reason}", text(about)),
            Event::Modutils(problem) => panic!("{problem:?}"),
            _ => return,
        });
    }

    fn refused(&self, _: &modfile::ModuleName, _: modload::Refusal) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

struct System {
    _root: tempfile::TempDir,
    places: Places,
    clock: PauseClock,
    seen: Seen,
    environment: Environment,
    demand: Demand,
    skipped: bool,
}

fn system(lines: &str) -> System {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("etc/modutils.d");
    fs::create_dir_all(&directory).unwrap();
    fs::create_dir(root.path().join("run")).unwrap();
    fs::write(directory.join("a.conf"), lines).unwrap();
    for (path, mode) in
        [(root.path().join("etc"), 0o755), (directory.clone(), 0o755), (directory.join("a.conf"), 0o644)]
    {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
    System {
        places: Places::below(root.path(), rustix::process::geteuid().as_raw()),
        _root: root,
        clock: PauseClock(Cell::new(50_000)),
        seen: Seen::default(),
        environment: Environment { process: Process(|| 77), ..Environment::default() },
        demand: Demand::Person,
        skipped: false,
    }
}

impl System {
    /// Does something with a run's execution; returns whether a command failed that stopped nothing as well.
    fn run<T>(
        &self,
        kernel: &mut dyn KernelOps,
        terms: Terms,
        deed: impl FnOnce(&mut Execution<'_>) -> T,
    ) -> (T, bool) {
        let modutils = Modutils::new(&self.places);
        let commands = CommandEnvironment::new(&self.environment, [], &self.demand);
        let scripts =
            Scripts::new((&modutils, &self.places), &self.clock, &self.seen, &commands, terms.effect)
                .skipped_if(self.skipped);
        let done = deed(&mut Execution {
            kernel,
            observer: &self.seen,
            commands: &commands,
            scripts: Some(&scripts),
            terms,
            pause: &|_| {},
        });
        (done, scripts.have_failed())
    }

    fn load(&self, world: &World, kernel: &mut dyn KernelOps, name: &str, terms: Terms) -> (bool, bool) {
        let plan = world.plan(name, "");
        let (loaded, failed) =
            self.run(kernel, terms, |execution| execution.load(&plan, InsertFlags::default()));
        if let Err(failure) = &loaded {
            assert!(matches!(failure.cause, Cause::Scripts), "{failure}");
        }
        (loaded.is_ok(), failed)
    }

    fn unload(&self, world: &World, kernel: &mut Recording, name: &str) -> (Outcome, bool) {
        let options = UnloadOptions { ignore_commands: false, holders: None };
        let plan = plan::unload(&world.db, &world.entry(name), &options, &mut Vec::new());
        let (outcome, failed) =
            self.run(kernel, REAL, |execution| execution.unload(&plan, Manner::default()));
        (outcome.unwrap(), failed)
    }

    fn seen(&self) -> Vec<String> {
        self.seen.0.take()
    }
}

/// What was asked of the kernel, in short.
fn asked(kernel: &Recording) -> Vec<String> {
    let short = |event: &KernelEvent| match event {
        KernelEvent::Insert { path, .. } => format!("insert {}", path.file_stem().unwrap().display()),
        KernelEvent::Remove { module, .. } => format!("remove {module}"),
        KernelEvent::Shell { line, .. } => format!("sh {}", line.display()),
    };
    kernel.events().iter().map(short).collect()
}

#[test]
fn commands_stand_around_each_module_that_is_loaded_and_around_no_other() {
    let world = world(&["a: b c", "b: c", "c:"], "", &[], "");
    let system = system("pre-install * before\npost-install b after b\npost-install c after c\n");
    let mut kernel = Recording::default().with_loaded("c", &[]);
    assert_eq!(system.load(&world, &mut kernel, "a", REAL), (true, false));
    assert_eq!(asked(&kernel), ["sh before", "insert b", "sh after b", "sh before", "insert a"]);
}

#[test]
fn a_command_that_fails_before_stops_its_module_and_what_needs_it() {
    let world = world(&["a: b", "b:"], "", &[], "");
    let system = system("pre-install b one\npre-install b two\npre-install b three\npost-install b no\n");
    let mut kernel = Recording::default().with_exit_code("two", 3);
    assert_eq!(system.load(&world, &mut kernel, "a", REAL), (false, false));
    assert_eq!(asked(&kernel), ["sh one", "sh two"]);
    assert_eq!(system.seen(), ["pre-install one", "pre-install two", "b: it ended with status 3"]);
}

#[test]
fn a_command_that_is_killed_has_failed() {
    let world = world(&["a:"], "", &[], "");
    let system = system("pre-install a x\n");
    let mut kernel = Recording::default().with_killed("x", 9);
    assert_eq!(system.load(&world, &mut kernel, "a", REAL), (false, false));
    assert_eq!(system.seen(), ["pre-install x", "a: signal 9 ended it"]);
}

#[test]
fn a_command_that_fails_after_leaves_the_module_where_it_is() {
    let world = world(&["a:"], "", &[], "");
    let system = system("post-install a one\npost-install a two\n");
    let mut kernel = Recording::default().with_exit_code("one", 1);
    assert_eq!(system.load(&world, &mut kernel, "a", REAL), (true, true));
    assert_eq!(asked(&kernel), ["insert a", "sh one", "sh two"]);
    assert_eq!(kernel.live().count(), 1);
}

#[test]
fn when_the_kernel_refuses_a_module_nothing_comes_after() {
    let world = world(&["a:"], "", &[], "");
    let system = system("pre-install a one\npost-install a two\n");
    let mut kernel = Recording::default().refusing(&world.path("a.ko"), rustix::io::Errno::NOEXEC);
    let plan = world.plan("a", "");
    let (loaded, failed) =
        system.run(&mut kernel, REAL, |execution| execution.load(&plan, InsertFlags::default()));
    assert!(loaded.is_err() && !failed);
    assert_eq!(asked(&kernel), ["sh one", "insert a"]);
}

#[test]
fn commands_stand_around_each_module_that_is_unloaded() {
    let world = world(&["a: b", "b:"], "", &[], "");
    let system = system("pre-remove * before\npost-remove * after\n");
    let mut kernel = Recording::default().with_loaded("b", &[]).with_loaded("a", &["b"]);
    assert_eq!(system.unload(&world, &mut kernel, "a"), (Outcome::Gone, false));
    let around = ["sh before", "remove a", "sh after", "sh before", "remove b", "sh after"];
    assert_eq!(asked(&kernel), around);
}

#[test]
fn a_module_stays_if_a_command_before_fails_and_one_in_use_has_no_commands() {
    let world = world(&["a:"], "", &[], "");
    let system = system("pre-remove a x\n");
    let mut kernel = Recording::default().with_loaded("a", &[]).with_exit_code("x", 1);
    assert_eq!(system.unload(&world, &mut kernel, "a"), (Outcome::Stays, false));
    let mut kernel = Recording::default().with_loaded("a", &[]).with_users("a", 1);
    assert_eq!(system.unload(&world, &mut kernel, "a"), (Outcome::Stays, false));
    assert_eq!(asked(&kernel), [""; 0]);
}

#[test]
fn all_commands_of_a_run_share_one_span_of_time() {
    let world = world(&["a:"], "", &[], "");
    let system = system("command-time 2\npre-install a quick\npost-install a hangs\npost-install a late\n");
    let mut kernel = Recording::default().with_hanging("hangs").with_hanging("late");
    assert_eq!(system.load(&world, &mut kernel, "a", REAL), (true, true));
    let killed = "a: it was killed, because the commands of a run have 2 s together";
    assert_eq!(
        system.seen(),
        ["pre-install quick", "post-install hangs", killed, "post-install late", killed]
    );
    assert!((52_000..52_020).contains(&system.clock.0.get()), "{}", system.clock.0.get());
}

#[test]
fn a_command_of_which_nobody_learns_how_it_ended_has_failed_and_was_not_killed() {
    let world = world(&["a:"], "", &[], "");
    let system = system("pre-install a x\n");
    let mut kernel = Recording::default().with_forgotten("x");
    assert_eq!(system.load(&world, &mut kernel, "a", REAL), (false, false));
    let why =
        "how it ended cannot be known, because SIGCHLD is ignored or somebody else waits for all children";
    assert_eq!(system.seen(), ["pre-install x".to_owned(), format!("a: {why}")]);
}

#[test]
fn a_tool_within_a_command_has_no_more_time_than_that() {
    let world = world(&["a:"], "", &[], "");
    let mut system = system("pre-install a hangs\n");
    system.environment.until = Some(BootTime(50_300));
    let mut kernel = Recording::default().with_hanging("hangs");
    assert_eq!(system.load(&world, &mut kernel, "a", REAL), (false, false));
    assert!((50_300..50_320).contains(&system.clock.0.get()), "{}", system.clock.0.get());
    // A later time than its own does not count.
    system.environment.until = Some(BootTime(u64::MAX));
    assert_eq!(system.load(&world, &mut kernel, "a", REAL), (false, false));
    assert!(system.clock.0.get() < 53_350);
}

#[test]
fn what_a_command_is_about_stands_in_variables_and_nothing_else_does() {
    let world = world(&["a:"], "", &[], "");
    let mut system = system("pre-install a x\n");
    system.demand = Demand::Kernel("net-pf-1;reboot".into());
    system.environment.options = Some("-C /tmp/evil".into());
    system.environment.running.push(b"outer".to_vec());
    let mut kernel = Recording::default();
    assert_eq!(system.load(&world, &mut kernel, "a", REAL), (true, false));
    let KernelEvent::Shell { line, environment } = &kernel.events()[0] else { panic!() };
    assert_eq!(line, "x");
    let environment: Vec<_> =
        environment.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    assert_eq!(
        environment,
        [
            ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
            ("HOME", "/"),
            ("MODUTILS_ACTION", "pre-install"),
            ("MODUTILS_CALLER", "77"),
            ("MODUTILS_UNTIL", "52900"),
            ("MODPROBE_MODULE", "a"),
            ("MODUTILS_REQUEST", "net-pf-1;reboot"),
            ("MODUTILS_INSTALLING", "outer"),
        ]
    );
}

#[test]
fn a_rehearsal_shows_commands_and_runs_none() {
    let world = world(&["a:"], "", &[], "");
    let system = system("pre-install a one\npost-install a two\n");
    let mut kernel = modkernel::Rehearsal::new(Recording::default());
    assert_eq!(system.load(&world, &mut kernel, "a", REHEARSED), (true, false));
    assert_eq!(system.seen(), ["pre-install one", "post-install two"]);
    assert_eq!(kernel.kernel().events(), []);
    assert!(!system.places.run.exists());
    let shows_depends = Terms { presence: Presence::Ignored, ..REHEARSED };
    assert_eq!(system.load(&world, &mut kernel, "a", shows_depends), (true, false));
    assert_eq!(system.seen(), [""; 0]);
}

#[test]
fn commands_are_left_aside_on_demand_unless_it_is_an_install_command_that_demands_it() {
    let world = world(&["a:"], "", &[], "");
    let mut system = system("pre-install a x\n");
    system.skipped = true;
    let mut kernel = Recording::default();
    assert_eq!(system.load(&world, &mut kernel, "a", REAL), (true, false));
    assert_eq!(asked(&kernel), ["insert a"]);
    // The install command of the module calls modprobe -i: that is the load which the commands are around.
    system.environment.running.push(b"a".to_vec());
    let mut kernel = Recording::default();
    assert_eq!(system.load(&world, &mut kernel, "a", REAL), (true, false));
    assert_eq!(asked(&kernel), ["sh x", "insert a"]);
}

#[test]
fn without_a_place_to_note_it_a_module_with_commands_is_not_loaded_and_others_are() {
    let world = world(&["a:", "b:"], "", &[], "");
    let mut system = system("pre-install a x\n");
    system.places.run = system.places.run.join("missing/deep");
    let mut kernel = Recording::default();
    assert_eq!(system.load(&world, &mut kernel, "a", REAL), (false, false));
    assert_eq!(system.load(&world, &mut kernel, "b", REAL), (true, false));
    assert_eq!(asked(&kernel), ["insert b"]);
}

/// A kernel in which the command for a module asks for the module itself, through the kernel or directly.
struct Recursing<'a> {
    system: &'a System,
    world: &'a World,
    parent: &'static str,
    inner: Recording,
    nested: Vec<(bool, bool)>,
}

impl KernelOps for Recursing<'_> {
    fn state(&self, module: &modfile::ModuleName) -> std::io::Result<modkernel::ModuleState> {
        self.inner.state(module)
    }

    fn use_count(&self, module: &modfile::ModuleName) -> std::io::Result<Option<u32>> {
        self.inner.use_count(module)
    }

    fn holders(&self, module: &modfile::ModuleName) -> std::io::Result<Vec<modfile::ModuleName>> {
        self.inner.holders(module)
    }

    fn insert(
        &mut self,
        path: &std::path::Path,
        params: &std::ffi::CStr,
        flags: InsertFlags,
    ) -> Result<(), modkernel::InsertError> {
        self.inner.insert(path, params, flags)
    }

    fn remove(&mut self, module: &modfile::ModuleName, flags: modkernel::RemoveFlags) -> std::io::Result<()> {
        self.inner.remove(module, flags)
    }

    fn run_shell(
        &mut self,
        line: &OsStr,
        environment: &[(&str, &OsStr)],
    ) -> std::io::Result<std::process::ExitStatus> {
        self.inner.run_shell(line, environment)
    }

    fn run_script(
        &mut self,
        line: &OsStr,
        environment: &[(&str, &OsStr)],
        meanwhile: modkernel::Meanwhile<'_>,
    ) -> std::io::Result<Option<std::process::ExitStatus>> {
        let _ = meanwhile(500);
        // The command is process 500 and waits in the kernel; process 77 is the tool that was called because of it.
        for (process, parent, group, function) in
            [("500", "1", "500", "call_usermodehelper_exec"), ("77", self.parent, "0", "0")]
        {
            let task = self.system.places.proc.join(process).join("task").join(process);
            fs::create_dir_all(&task).unwrap();
            fs::write(task.join("wchan"), function).unwrap();
            fs::write(task.join("../../stat"), format!("{process} (sh) S {parent} {group} 1\n")).unwrap();
        }
        let nested = self.system.load(self.world, &mut self.inner, "a", REAL);
        self.nested.push(nested);
        self.inner.run_script(line, environment, meanwhile)
    }
}

#[test]
fn a_command_that_makes_the_kernel_ask_for_its_own_module_is_run_once_and_gets_nothing() {
    let world = world(&["a:"], "", &[], "");
    let system = system("pre-install a x\n");
    let inner = Recording::default();
    let mut kernel = Recursing { system: &system, world: &world, parent: "2", inner, nested: Vec::new() };
    assert_eq!(system.load(&world, &mut kernel, "a", REAL), (true, false));
    assert_eq!(kernel.nested, [(false, false)]);
    assert_eq!(asked(&kernel.inner), ["sh x", "insert a"]);
    assert_eq!(system.seen()[1], "a: one of them makes the kernel ask for it again");
    assert!(system.clock.0.get() < 50_100, "it waits for nothing");
}

#[test]
fn a_command_that_loads_its_own_module_is_run_once_and_loads_it() {
    let world = world(&["a:"], "", &[], "");
    let system = system("pre-install a x\npost-install a y\n");
    let inner = Recording::default();
    let mut kernel = Recursing { system: &system, world: &world, parent: "500", inner, nested: Vec::new() };
    assert_eq!(system.load(&world, &mut kernel, "a", REAL), (true, false));
    assert_eq!(kernel.nested, [(true, false)]);
    assert_eq!(asked(&kernel.inner), ["insert a", "sh x", "insert a"]);
}

#[test]
fn a_request_is_answered_by_its_command_and_the_result_is_the_commands() {
    let system = system("on-request net-pf-28 helper\n");
    for (code, expected) in [(0, Some(true)), (1, Some(false))] {
        let mut kernel = Recording::default().with_exit_code("helper", code);
        let answer = |execution: &mut Execution<'_>, name: &str| {
            let normalized = name.replace('-', "_");
            execution.scripts.unwrap().answer(execution.kernel, OsStr::new(name), normalized.as_bytes())
        };
        assert_eq!(system.run(&mut kernel, REAL, |execution| answer(execution, "net-pf-28")).0, expected);
        assert_eq!(system.run(&mut kernel, REAL, |execution| answer(execution, "net-pf-29")).0, None);
        assert_eq!(asked(&kernel), ["sh helper"]);
    }
}
