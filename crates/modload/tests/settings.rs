//! Settings of modules that come and go on a kernel made of data, with a prepared tree in the place of its files.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

mod common;

use std::cell::RefCell;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use common::world;
use modkernel::{InsertFlags, KernelOps, Recording};
use modload::plan::{self, UnloadOptions};
use modload::{
    CommandEnvironment, Demand, Effect, Environment, Event, Execution, LoadFailure, Loaded, Manner, Modutils,
    ModutilsProblem, Observer, Outcome, Persist, Presence, Settings, Stage, Terms,
};
use modstate::{Places, SystemClock};
use rustix::io::Errno;

const FILE: &str = "var/lib/modutils/settings/top";

/// `top` depends on `low`; both have parameters, and their values right after a load.
struct System {
    root: tempfile::TempDir,
    modules: common::World,
    kernel: Recording,
}

fn system(modutils: &str, modprobe: &str) -> System {
    let root = tempfile::tempdir().unwrap();
    let system = System {
        root,
        modules: world(&["top: low", "low:"], "alias fs-top top\n", &[], modprobe),
        kernel: Recording::default().with_needs("top", &["low"]),
    };
    for directory in ["run", "var/lib"] {
        fs::create_dir_all(system.path(directory)).unwrap();
    }
    system.write("proc/sys/kernel/random/boot_id", "5bd21c3c-0a4d-4f0e-9e2b-7c7f6f1f2a3b\n");
    system.write("etc/modutils.d/a.conf", modutils);
    system.loaded();
    system
}

/// Writes down what is seen of settings and failures.
#[derive(Default)]
struct Seen(RefCell<String>);

impl Observer for Seen {
    fn event(&self, event: &Event<'_>) {
        let line = match event {
            Event::Setting { module, notice } => {
                notice.sentence(module, |error| format!("{:?}", error.kind()))
            }
            Event::Modutils(ModutilsProblem::Line { file, problem }) => {
                format!("{} {problem}", file.display())
            }
            Event::Modutils(ModutilsProblem::File(problem)) => problem.to_string(),
            Event::NotRemoved { module, error } => format!("not removed {module}: {:?}", error.kind()),
            _ => return,
        };
        self.0.borrow_mut().push_str(&format!("{line}\n"));
    }
}

/// A run that loads or unloads.
struct Run {
    persist: Persist,
    demand: Demand,
    params: &'static str,
}

const BY_HAND: Run = Run { persist: Persist::AsConfigured, demand: Demand::Person, params: "" };

impl System {
    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| format!("({error})"))
    }

    /// A value, with or without the newline that a kernel shows behind it.
    fn value(&self, path: &str) -> String {
        self.read(path).trim_end().to_owned()
    }

    fn top(&self, parameter: &str) -> String {
        self.value(&format!("sys/module/top/parameters/{parameter}"))
    }

    /// The files of a new load: other directories, with the values that the modules begin with.
    fn loaded(&self) {
        for module in ["top", "low"] {
            let directory = self.path(&format!("sys/module/{module}"));
            if directory.exists() {
                fs::rename(&directory, self.path(&format!("old-{module}-{}", self.kernel.events().len())))
                    .unwrap();
            }
            self.write(&format!("sys/module/{module}/parameters/a"), "1\n");
            self.write(&format!("sys/module/{module}/parameters/b"), "1\n");
        }
        self.write("proc/sys/net/core/default_qdisc", "fifo\n");
    }

    /// What was seen, and what came of it.
    fn run<T>(
        &mut self,
        run: Run,
        deed: impl FnOnce(&mut Execution<'_>, &common::World) -> T,
    ) -> (String, T) {
        let observer = Seen::default();
        let commands = CommandEnvironment::new(&Environment::default(), [], &run.demand);
        let places = Places::below(self.root.path(), rustix::process::geteuid().as_raw());
        let modutils = Modutils::new(&places);
        let settings = Settings {
            places: &places,
            modutils: &modutils,
            demand: &run.demand,
            persist: run.persist,
            release: OsStr::new("6.1"),
            clock: &SystemClock,
            observer: &observer,
        };
        let mut kernel = Stage::new(Effect::Real, &mut self.kernel, &settings);
        let result = deed(
            &mut Execution {
                kernel: &mut kernel,
                observer: &observer,
                scripts: None,
                terms: Terms { effect: Effect::Real, presence: Presence::Counts, first_time: false },
                commands: &commands,
                pause: &|_| {},
            },
            &self.modules,
        );
        kernel.finish();
        let seen = observer.0.take();
        (seen.replace(self.root.path().to_str().unwrap(), ""), result)
    }

    fn insert(&mut self, run: Run) -> (String, Result<Loaded, LoadFailure>) {
        let params = run.params;
        self.run(run, |execution, modules| {
            execution.load(&modules.plan("top", params), InsertFlags::default())
        })
    }

    /// A load that goes well and says nothing.
    fn load(&mut self) {
        let (said, loaded) = self.insert(BY_HAND);
        assert_eq!(said, "");
        assert_eq!(loaded.unwrap().inserted.len(), 2);
    }

    fn remove(&mut self, run: Run, manner: Manner) -> (String, Option<Outcome>) {
        let holders = |_: &_| Vec::new();
        self.run(run, |execution, modules| {
            let options = UnloadOptions { ignore_commands: false, holders: Some(&holders) };
            let plan = plan::unload(&modules.db, &modules.entry("top"), &options, &mut Vec::new());
            execution.unload(&plan, manner).ok()
        })
    }

    /// A removal that goes well and says nothing.
    fn unload(&mut self) {
        assert_eq!(self.remove(BY_HAND, Manner::default()), (String::new(), Some(Outcome::Gone)));
        self.loaded();
    }

    fn saved(&self, file: &str) -> Vec<String> {
        self.read(file).lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    }
}

#[test]
fn what_was_changed_comes_back_for_target_and_dependency() {
    let mut system = system("persist top parameters a\npersist low\n", "");
    system.load();
    for path in ["sys/module/top/parameters/a", "sys/module/top/parameters/b", "sys/module/low/parameters/b"]
    {
        system.write(path, "5\n");
    }
    system.unload();
    assert_eq!(system.saved(FILE), ["parameters/a = 5"]);
    assert_eq!(system.saved("var/lib/modutils/settings/low"), ["parameters/b = 5"]);
    system.load();
    assert_eq!((system.top("a"), system.top("b")), ("5".into(), "1".into()));
    assert_eq!(system.value("sys/module/low/parameters/b"), "5");
}

#[test]
fn a_parameter_given_here_or_in_the_configuration_is_not_overwritten() {
    let mut system = system("persist top\n", "options top b=\"x y\"\n");
    system.write(FILE, "parameters/a = 5\nparameters/b = 5\n");
    let (said, loaded) = system.insert(Run { params: "a=3", ..BY_HAND });
    assert_eq!(said, "");
    assert!(loaded.is_ok());
    assert_eq!((system.top("a"), system.top("b")), ("1".into(), "1".into()));
    // What was not put back is not forgotten either.
    system.unload();
    assert_eq!(system.saved(FILE), ["parameters/a = 5", "parameters/b = 5"]);
}

#[test]
fn a_dependency_that_came_in_keeps_its_settings_though_the_target_fails() {
    let mut system = system("persist low\n", "");
    system.write("var/lib/modutils/settings/low", "parameters/a = 5\n");
    let file = system.modules.path("top.ko");
    system.kernel = std::mem::take(&mut system.kernel).refusing(&file, Errno::INVAL);
    let (said, loaded) = system.insert(BY_HAND);
    assert_eq!(said, "");
    assert!(loaded.is_err());
    assert_eq!(system.value("sys/module/low/parameters/a"), "5");
}

#[test]
fn a_module_that_was_there_before_is_left_as_it_is() {
    let mut system = system("persist low\n", "");
    system.write("var/lib/modutils/settings/low", "parameters/a = 5\n");
    system.kernel = std::mem::take(&mut system.kernel).with_loaded("low", &[]);
    let (said, loaded) = system.insert(BY_HAND);
    assert_eq!(said, "");
    assert_eq!(loaded.unwrap().present, ["low".into()]);
    assert_eq!(system.value("sys/module/low/parameters/a"), "1");
    assert!(!system.path("run/modutils").exists());
}

#[test]
fn a_value_that_is_refused_is_one_warning_and_the_module_is_loaded() {
    let mut system = system("persist top\n", "");
    system.write(FILE, "parameters/gone = 1\nparameters/a = 5\n");
    let (said, loaded) = system.insert(BY_HAND);
    assert_eq!(
        said,
        "settings of top: /var/lib/modutils/settings/top: the kernel refused parameters/gone: NotFound; correct the line, or remove it\n"
    );
    assert!(loaded.is_ok());
    assert_eq!(system.top("a"), "5");
}

#[test]
fn in_a_request_of_the_kernel_what_may_need_another_module_is_one_line_in_the_log() {
    let mut system = system("persist top\npersist top sysctl net/core/default_qdisc\n", "");
    system.write(FILE, "sysctl/net/core/default_qdisc = fq\nparameters/a = 5\n");
    let (said, loaded) = system.insert(Run { demand: Demand::Kernel("fs-top".into()), ..BY_HAND });
    assert!(loaded.is_ok());
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.contains("sysctl/net/core/default_qdisc is not put back in a request of the kernel"),
        "{said}"
    );
    assert_eq!(system.value("proc/sys/net/core/default_qdisc"), "fifo");
    assert_eq!(system.top("a"), "5");
    system.unload();
    assert_eq!(system.saved(FILE), ["sysctl/net/core/default_qdisc = fq", "parameters/a = 5"]);
}

#[test]
fn without_a_line_for_the_module_nothing_is_touched() {
    let mut system = system("persist other\nkeep top\n", "");
    system.write("var/lib/modutils/settings/top", "parameters/a = 5\n");
    system.load();
    assert_eq!(system.top("a"), "1");
    system.write("sys/module/top/parameters/a", "7\n");
    system.unload();
    assert_eq!(system.saved(FILE), ["parameters/a = 5"]);
    assert!(!system.path("run/modutils").exists());
}

#[test]
fn no_persist_skips_both_directions_once() {
    let not_now = || Run { persist: Persist::NotThisTime, ..BY_HAND };
    let mut system = system("persist top\n", "");
    system.write(FILE, "parameters/a = 5\n");
    assert_eq!(system.insert(not_now()).0, "");
    assert_eq!(system.top("a"), "1");
    system.write("sys/module/top/parameters/b", "6\n");
    assert_eq!(system.remove(not_now(), Manner::default()), (String::new(), Some(Outcome::Gone)));
    assert_eq!(system.saved(FILE), ["parameters/a = 5"]);
    system.loaded();
    assert_eq!(system.insert(not_now()).0, "");
    system.write("sys/module/top/parameters/b", "6\n");
    // Skipped when it came in, not when it goes.
    system.unload();
    assert_eq!(system.saved(FILE), ["parameters/a = 5", "parameters/b = 6"]);
    system.load();
    assert_eq!((system.top("a"), system.top("b")), ("5".into(), "6".into()));
}

#[test]
fn a_removal_that_fails_loses_nothing() {
    let mut system = system("persist top\n", "");
    system.load();
    system.write("sys/module/top/parameters/a", "5\n");
    let kernel = std::mem::take(&mut system.kernel);
    system.kernel = kernel.refusing_removal("top", Errno::BUSY);
    let (said, outcome) = system.remove(BY_HAND, Manner::default());
    assert_eq!(said, "not removed top: ResourceBusy\n");
    assert_eq!(outcome, Some(Outcome::Stays));
    assert_eq!(system.saved(FILE), ["parameters/a = 5"]);
    assert_eq!(system.top("a"), "5");
}

#[test]
fn a_removal_that_is_tried_again_says_once_what_it_cannot_save() {
    let mut system = system("persist top\n", "");
    // Loaded by somebody else: there is no baseline.
    system.kernel = Recording::default().with_loaded("low", &[]).with_loaded("top", &["low"]);
    system.kernel = std::mem::take(&mut system.kernel).refusing_removal("top", Errno::AGAIN);
    let manner = Manner { wait: Some(std::time::Duration::from_millis(100)), ..Manner::default() };
    let (said, outcome) = system.remove(BY_HAND, manner);
    assert_eq!(outcome, Some(Outcome::Stays));
    let tries = system.kernel.events().len();
    assert!(tries > 2, "{tries}");
    assert_eq!(
        said,
        "settings of top: none is saved, as its values right after the load are not known; they are \
         noted if modprobe loads it while a persist line names it\n\
         not removed top: WouldBlock\n"
    );
}

#[test]
fn a_wrong_line_of_the_configuration_is_named_when_it_counts() {
    let mut system = system("persist top\npersist\n", "");
    let (said, loaded) = system.insert(BY_HAND);
    let line = "/etc/modutils.d/a.conf line 2: 'persist' needs a pattern of module names";
    assert_eq!(said, format!("{line}\n"));
    assert!(loaded.is_ok());
    let present: &dyn KernelOps = &system.kernel;
    assert!(present.state(&"top".into()).is_ok());
    // Nothing comes in, so nobody looks.
    assert_eq!(system.insert(BY_HAND).0, "");
    assert!(Path::new(&system.path("run/modutils/baseline/top")).exists());
}

#[test]
fn settings_are_saved_before_a_remove_command_runs() {
    let mut system = system("persist top\n", "remove top away\n");
    system.load();
    system.write("sys/module/top/parameters/a", "5\n");
    assert_eq!(system.remove(BY_HAND, Manner::default()), (String::new(), Some(Outcome::Gone)));
    assert_eq!(system.saved(FILE), ["parameters/a = 5"]);
}
