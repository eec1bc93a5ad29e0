//! Whole passes over a system made of files, with a kernel that keeps these files as the real one would.

// long: one kind of evidence after the other, each shown whole

mod switched_off;

use std::ffi::{CStr, OsStr};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use fixtures::{Module, Shown};
use modcli::sink::{Places as LogPlaces, Sink};
use modcli::{Output, Reporter};
use modfile::ModuleName;
use modkernel::{InsertError, InsertFlags, ModuleState, Native, RemoveFlags, Sysfs};
use modload::{CommandEnvironment, Demand, Environment, Modutils, Persist, Settings, Stage};
use modstate::config::Config;
use modstate::{BootTime, Identity, Record, Role, SystemClock};
use rustix::io::Errno;

use super::*;
use crate::observer::Teller;
use crate::request::Request;
use crate::{System, run_in};

pub(crate) struct World {
    pub root: tempfile::TempDir,
    pub places: Places,
}

/// A system with these files and nothing loaded.
pub(crate) fn world(files: &[(&str, &str)]) -> World {
    let root = tempfile::tempdir().unwrap();
    let at = |path: &str| root.path().join(path);
    let places = Places {
        shared: modstate::Places::below(root.path(), rustix::process::geteuid().as_raw()),
        modprobe_d: vec![at("etc/modprobe.d")],
        modules_load_d: vec![at("etc/modules-load.d"), at("lib/modules-load.d")],
        etc_modules: at("etc/modules"),
        command_line: at("proc/cmdline"),
        module_directory: moddb::paths::ModuleDir::at(at("lib/modules")),
    };
    let world = World { root, places };
    for directory in ["sys/module", "sys/class/net", "sys/block", "lib/modules", "run", "var/lib"] {
        fs::create_dir_all(world.path(directory)).unwrap();
    }
    for (path, text) in [
        ("proc/mounts", ""),
        ("proc/swaps", "Filename Type\n"),
        ("proc/devices", "Block devices:\n"),
        ("proc/modules", ""),
        ("proc/sys/kernel/random/boot_id", "11111111-1111-1111-1111-111111111111\n"),
    ] {
        world.write(path, text);
    }
    for (path, text) in files {
        world.write(path, text);
    }
    world
}

impl World {
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Loads a module as the kernel's request would have it; `aliases` stand in its file.
    pub fn load(&self, name: &str, request: &str, aliases: &[&str]) {
        self.appear(name);
        let module = aliases.iter().fold(Module::new(name).info("license=MIT"), |module, alias| {
            module.info(format!("alias={alias}"))
        });
        fs::write(self.path(&format!("lib/modules/{name}.ko")), module.bytes()).unwrap();
        let mut lines = fs::read_to_string(self.path("lib/modules/modules.dep")).unwrap_or_default();
        lines.push_str(&format!("{name}.ko:\n"));
        self.write("lib/modules/modules.dep", &lines);
        let record = Record {
            request: request.as_bytes().to_vec(),
            role: Role::Target,
            loaded: BootTime(0),
            identity: self.identity(name),
        };
        self.memory().write_record(&name.into(), &record).unwrap();
    }

    fn appear(&self, name: &str) {
        for (file, text) in [("initstate", "live\n"), ("refcnt", "0\n")] {
            self.write(&format!("sys/module/{name}/{file}"), text);
        }
        fs::create_dir_all(self.path(&format!("sys/module/{name}/holders"))).unwrap();
        list_modules(&self.places);
    }

    fn holds(&self, holder: &str, module: &str) {
        self.write(&format!("sys/module/{module}/holders/{holder}"), "");
        self.use_count(module, 1);
    }

    fn use_count(&self, module: &str, count: u32) {
        self.write(&format!("sys/module/{module}/refcnt"), &format!("{count}\n"));
        list_modules(&self.places);
    }

    fn identity(&self, name: &str) -> Identity {
        let boot = BootId::read(&self.path("proc/sys/kernel/random/boot_id")).unwrap();
        Identity::of_loaded(&self.places.sys_module(), &name.into(), &boot).unwrap().unwrap()
    }

    /// What modprobe does after an insertion, for a module that `persist m` names.
    pub fn take_baseline(&self, name: &str) {
        let module = ModuleName::from(name);
        let mut rules = Config::default();
        rules.add(Path::new("a.conf"), format!("persist {name}\n").as_bytes());
        let rules: Vec<_> = rules.persist(&module).collect();
        let restoring = modstate::settings::Restoring {
            module: &module,
            rules: &rules,
            identity: &self.identity(name),
            put_back: modstate::settings::PutBack::Everything,
            given: &[],
        };
        let notices = modstate::settings::restore_after_insertion(&self.places.shared, &restoring);
        assert!(notices.is_empty(), "{notices:?}");
    }

    fn memory(&self) -> Memory {
        Memory::new(&self.places.shared)
    }

    fn is_recorded(&self, name: &str) -> bool {
        self.memory().records().unwrap().iter().any(|(module, _)| *module == name.into())
    }

    pub fn kernel(&self) -> Fake {
        Fake {
            places: self.places.clone(),
            native: Native::seen_through(Sysfs::new(self.places.sys_module())),
            refusal: None,
            late_user: None,
            dies: false,
            shell: Vec::new(),
            shell_status: 0,
        }
    }

    /// A run on this system.
    pub fn run<K: KernelOps>(&self, session: &Session, request: &Request, kernel: K) -> Exit {
        let system = System {
            kernel,
            places: &self.places,
            clock: &SystemClock,
            environment: Environment { has_path: true, ..Environment::default() },
            release: OsStr::new("6.1"),
        };
        run_in(session, request, system)
    }

    /// What a pass at this second finds, a line for each module, and its status.
    fn pass_with(&self, second: u64, request: &Autoclean, kernel: &mut Fake) -> (Vec<String>, Exit) {
        self.pass_by(&evidence::KINDS, second, request, kernel)
    }

    /// The same by a pass for which only these kinds of evidence count.
    pub fn pass_by(
        &self,
        evidence: &[evidence::Kind],
        second: u64,
        request: &Autoclean,
        kernel: &mut Fake,
    ) -> (Vec<String>, Exit) {
        let session = Voice::default().session();
        let teller = Teller { session: &session };
        let modutils = Modutils::new(&self.places.shared.modutils_d);
        let settings = Settings {
            places: &self.places.shared,
            modutils: &modutils,
            demand: &Demand::Person,
            persist: request.persist,
            release: OsStr::new("6.1"),
            clock: &SystemClock,
            observer: &teller,
        };
        let mut kernel = Stage::new(request.effect, kernel, &settings);
        let environment = Environment { has_path: true, ..Environment::default() };
        let commands = CommandEnvironment::new(&environment, [], &Demand::Person);
        let memory = self.memory();
        let boot = BootId::read(&self.path("proc/sys/kernel/random/boot_id")).unwrap();
        let loaded = look::List::read(&self.places).unwrap();
        let records = memory.records().unwrap();
        let clock = At(second * 1000);
        let db = ModuleDb::new(self.places.module_directory.clone(), moddb::config::Config::default());
        let pass = Pass {
            session: &session,
            places: &self.places,
            request,
            config: modutils.config(&teller),
            commands: &commands,
            observer: &teller,
            memory: &memory,
            evidence,
            boot,
            clock: &clock,
            now: clock.since_boot(),
            db,
        };
        let (lines, exit) = pass.run(records, &loaded, &mut kernel);
        let text = report::lines(&lines);
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        (text.lines().skip(1).map(words).collect(), exit)
    }

    fn pass(&self, second: u64) -> Vec<String> {
        let (lines, exit) = self.pass_with(second, &request(), &mut self.kernel());
        assert_eq!(exit, Exit::Success);
        lines
    }
}

/// A clock that stands at so many milliseconds after the boot.
struct At(u64);

impl Clock for At {
    fn since_boot(&self) -> BootTime {
        BootTime(self.0)
    }

    fn since_1970(&self) -> u64 {
        self.0 / 1000
    }

    fn pause(&self, _: std::time::Duration) {
        panic!("nobody is waited for");
    }
}

/// `/proc/modules` as `sys/module` has it.
fn list_modules(places: &Places) {
    let mut text = String::new();
    for entry in fs::read_dir(places.sys_module()).unwrap() {
        let path = entry.unwrap().path();
        let count = fs::read_to_string(path.join("refcnt")).unwrap();
        let holders: Vec<_> = fs::read_dir(path.join("holders"))
            .unwrap()
            .map(|entry| format!("{},", entry.unwrap().file_name().display()))
            .collect();
        let holders = if holders.is_empty() { "-".to_owned() } else { holders.concat() };
        let name = path.file_name().unwrap().display().to_string();
        text.push_str(&format!("{name} 4096 {} {holders} Live 0x0\n", count.trim()));
    }
    fs::write(places.shared.proc.join("modules"), text).unwrap();
}

/// A kernel over the world's files.
pub(crate) struct Fake {
    places: Places,
    native: Native,
    /// Every removal fails so.
    refusal: Option<Errno>,
    /// A module that is in use though `/proc/modules` said a moment ago that it was not.
    late_user: Option<&'static str>,
    /// The process ends in the middle of a removal.
    dies: bool,
    shell: Vec<String>,
    /// How commands end, as wait(2) has it.
    shell_status: i32,
}

impl KernelOps for Fake {
    fn state(&self, module: &ModuleName) -> io::Result<ModuleState> {
        self.native.state(module)
    }

    fn use_count(&self, module: &ModuleName) -> io::Result<Option<u32>> {
        if self.late_user.is_some_and(|late| *module == late.into()) {
            return Ok(Some(1));
        }
        self.native.use_count(module)
    }

    fn holders(&self, module: &ModuleName) -> io::Result<Vec<ModuleName>> {
        self.native.holders(module)
    }

    fn insert(&mut self, _: &Path, _: &CStr, _: InsertFlags) -> Result<(), InsertError> {
        panic!("autoclean loads nothing")
    }

    fn remove(&mut self, module: &ModuleName, flags: RemoveFlags) -> io::Result<()> {
        assert!(!flags.force);
        assert!(!self.dies, "killed");
        if let Some(errno) = self.refusal {
            return Err(errno.into());
        }
        let name = module.to_text();
        for entry in fs::read_dir(self.places.sys_module())? {
            let other = entry?.path();
            if fs::remove_file(other.join("holders").join(&*name)).is_ok() {
                fs::write(other.join("refcnt"), "0\n")?;
            }
        }
        fs::remove_dir_all(self.places.sys_module().join(&*name))?;
        list_modules(&self.places);
        Ok(())
    }

    fn run_shell(&mut self, line: &OsStr, environment: &[(&str, &OsStr)]) -> io::Result<ExitStatus> {
        self.shell.push(format!("{} {environment:?}", line.display()));
        Ok(std::os::unix::process::ExitStatusExt::from_raw(self.shell_status))
    }
}

/// Where a session of a test speaks.
#[derive(Clone, Default)]
pub(crate) struct Voice(Shown);

impl Voice {
    pub fn session(&self) -> Session {
        let nowhere = || Path::new("/nonexistent").into();
        let log = LogPlaces { unix_sockets: nowhere(), log_socket: nowhere(), kernel_log: nowhere() };
        Session {
            program: "rmmod",
            argv: Vec::new(),
            closed: modcli::startup::closed_descriptors(),
            reporter: Reporter::new(Sink::new("rmmod", log, Some(Box::new(self.0.clone())))),
            output: Output::to(Box::new(self.0.clone())),
        }
    }

    pub fn said(&self) -> String {
        self.0.text()
    }
}

fn request() -> Autoclean {
    Autoclean {
        names: Vec::new(),
        effect: Effect::Real,
        report: Report::Lines,
        logged: false,
        persist: Persist::AsConfigured,
        handed_on: Vec::new(),
    }
}

/// Every file of a world with its contents.
fn snapshot(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(snapshot(&path));
        } else {
            files.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    files.sort();
    files
}

#[test]
fn an_idle_module_goes_at_a_pass_an_interval_after_the_one_that_found_it() {
    let world = world(&[]);
    world.load("m", "fs-m", &["fs-m"]);
    assert_eq!(world.pass(100), ["m fs-m idle, found in this pass"]);
    assert_eq!(world.pass(101), ["m fs-m idle for 1 s, may go in 59 s"]);
    assert_eq!(world.pass(159), ["m fs-m idle for 59 s, may go in 1 s"]);
    assert_eq!(world.pass(160), ["m fs-m unloaded"]);
    assert!(!world.is_recorded("m") && world.memory().marks().is_empty());
    assert_eq!(world.pass(161), [""; 0]);
}

#[test]
fn the_interval_is_configured() {
    let world = world(&[("etc/modutils.d/a.conf", "interval 10\n")]);
    world.load("m", "fs-m", &[]);
    world.pass(100);
    assert_eq!(world.pass(109), ["m fs-m idle for 9 s, may go in 1 s"]);
    assert_eq!(world.pass(110), ["m fs-m unloaded"]);
}

#[test]
fn a_module_that_somebody_asked_for_just_now_stays_whatever_the_interval() {
    let world = world(&[("etc/modutils.d/a.conf", "interval 0\n")]);
    world.load("m", "fs-m", &[]);
    assert_eq!(world.pass(9), ["m fs-m kept: asked for 9 s ago"]);
    assert_eq!(world.pass(100), ["m fs-m idle, found in this pass"]);
    world.memory().ask_for(&["m".into()], &At(100_500));
    assert_eq!(world.pass(101), ["m fs-m kept: asked for 0 s ago"]);
    assert_eq!(world.pass(110), ["m fs-m kept: asked for 9 s ago"]);
    assert_eq!(world.pass(111), ["m fs-m idle, found in this pass"]);
    assert_eq!(world.pass(112), ["m fs-m unloaded"]);
}

#[test]
fn a_use_between_two_passes_starts_it_over() {
    let world = world(&[]);
    world.load("m", "fs-m", &[]);
    world.pass(100);
    world.use_count("m", 2);
    assert_eq!(world.pass(200), ["m fs-m in use: use count 2"]);
    world.use_count("m", 0);
    assert_eq!(world.pass(300), ["m fs-m idle, found in this pass"]);
}

#[test]
fn a_sign_of_use_other_than_the_count_starts_it_over() {
    let world = world(&[]);
    world.load("m", "fs-m", &[]);
    world.pass(100);
    world.write("proc/mounts", "/dev/a /mnt m rw 0 0\n");
    assert_eq!(world.pass(200), ["m fs-m in use: /mnt (m)"]);
    world.write("proc/mounts", "");
    assert_eq!(world.pass(300), ["m fs-m idle, found in this pass"]);
}

#[test]
fn a_module_that_went_and_came_again_is_another_one() {
    let world = world(&[]);
    world.load("m", "fs-m", &[]);
    world.pass(100);
    // The old directory stays elsewhere, so that its number is not given out again.
    fs::rename(world.path("sys/module/m"), world.path("old")).unwrap();
    world.appear("m");
    assert_eq!(world.pass(200), [""; 0]);
    assert!(!world.is_recorded("m"));
}

#[test]
fn a_new_record_of_a_new_load_starts_over() {
    let world = world(&[]);
    world.load("m", "fs-m", &[]);
    world.pass(100);
    fs::rename(world.path("sys/module/m"), world.path("old")).unwrap();
    world.load("m", "fs-m", &[]);
    assert_eq!(world.pass(200), ["m fs-m idle, found in this pass"]);
}

#[test]
fn a_pin_beats_a_mark() {
    let world = world(&[]);
    world.load("m", "fs-m", &[]);
    world.pass(100);
    world.memory().write_pin(&"m".into(), &world.identity("m")).unwrap();
    assert_eq!(world.pass(200), ["m fs-m kept: loaded on purpose"]);
}

#[test]
fn an_alias_in_the_modules_own_file_keeps_it_and_the_file_is_read_once() {
    let world = world(&[]);
    world.load("m", "fs-m", &["fs-m", "pci:v1*"]);
    let kept = ["m fs-m kept: use counts of pci:v1* prove nothing"];
    assert_eq!(world.pass(100), kept);
    fs::remove_file(world.path("lib/modules/m.ko")).unwrap();
    assert_eq!(world.pass(200), kept);
    world.write("etc/modutils.d/a.conf", "autoclean pci:*\n");
    assert_eq!(world.pass(300), ["m fs-m kept: its file does not tell what it is"]);
}

#[test]
fn a_request_of_another_kind_keeps_a_module_whatever_its_file_says() {
    let world = world(&[]);
    world.load("m", "rtnl-link-m", &["fs-m"]);
    world.pass(100);
    assert_eq!(world.pass(200), ["m rtnl-link-m kept: use counts of rtnl-link-m prove nothing"]);
}

#[test]
fn a_module_whose_file_is_gone_stays() {
    let world = world(&[]);
    world.load("m", "fs-m", &[]);
    fs::remove_file(world.path("lib/modules/m.ko")).unwrap();
    world.pass(100);
    assert_eq!(world.pass(200), ["m fs-m kept: its file does not tell what it is"]);
}

#[test]
fn while_a_module_waits_its_file_is_not_read_and_before_it_goes_it_is() {
    let world = world(&[]);
    world.load("m", "fs-m", &["fs-other"]);
    world.pass(100);
    fs::remove_file(world.path("lib/modules/m.ko")).unwrap();
    assert_eq!(world.pass(150), ["m fs-m idle for 50 s, may go in 10 s"]);
    world.write("proc/mounts", "/dev/a /mnt other rw 0 0\n");
    assert_eq!(world.pass(155), ["m fs-m in use: /mnt (other)"]);
    world.write("proc/mounts", "");
    world.load("m", "fs-m", &["fs-other"]);
    world.pass(200);
    fs::remove_file(world.path("lib/modules/m.ko")).unwrap();
    assert_eq!(world.pass(300), ["m fs-m kept: its file does not tell what it is"]);
}

#[test]
fn what_becomes_idle_by_a_removal_is_marked_and_goes_later() {
    let world = world(&[]);
    world.load("below", "fs-top", &[]);
    world.load("top", "fs-top", &[]);
    world.holds("top", "below");
    assert_eq!(world.pass(100), ["below fs-top used by top", "top fs-top idle, found in this pass"]);
    assert_eq!(world.pass(200), ["below fs-top idle, found in this pass", "top fs-top unloaded"]);
    assert_eq!(world.pass(259), ["below fs-top idle for 59 s, may go in 1 s"]);
    assert_eq!(world.pass(260), ["below fs-top unloaded"]);
}

#[test]
fn a_user_who_comes_before_the_removal_is_seen() {
    let world = world(&[]);
    world.load("m", "fs-m", &[]);
    world.pass(100);
    let mut kernel = Fake { late_user: Some("m"), ..world.kernel() };
    let (lines, exit) = world.pass_with(200, &request(), &mut kernel);
    assert_eq!((lines, exit), (vec!["m fs-m in use: use count 1".to_owned()], Exit::Success));
    assert_eq!(world.pass(201), ["m fs-m idle, found in this pass"]);
}

#[test]
fn a_user_who_comes_at_the_last_instant_wins_without_an_error() {
    for errno in [Errno::AGAIN, Errno::BUSY] {
        let world = world(&[]);
        world.load("m", "fs-m", &[]);
        world.pass(100);
        let mut kernel = Fake { refusal: Some(errno), ..world.kernel() };
        let (lines, exit) = world.pass_with(200, &request(), &mut kernel);
        assert_eq!(lines, ["m fs-m in use: somebody came at the last moment"]);
        assert_eq!(exit, Exit::Success);
        assert!(world.is_recorded("m"));
        assert_eq!(world.pass(201), ["m fs-m idle, found in this pass"]);
    }
}

#[test]
fn a_pass_that_is_killed_in_a_removal_leaves_records_and_signs_of_use_that_hold() {
    let world = world(&[]);
    world.load("m", "fs-m", &[]);
    world.load("used", "fs-used", &[]);
    world.pass(100);
    world.use_count("used", 1);
    let mut kernel = Fake { dies: true, ..world.kernel() };
    let pass = std::panic::AssertUnwindSafe(|| world.pass_with(200, &request(), &mut kernel));
    assert!(std::panic::catch_unwind(pass).is_err());
    world.use_count("used", 0);
    assert_eq!(world.pass(300), ["m fs-m unloaded", "used fs-used idle, found in this pass"]);
}

#[test]
fn a_removal_that_is_not_allowed_fails_the_pass() {
    let world = world(&[]);
    world.load("m", "fs-m", &[]);
    world.pass(100);
    let mut kernel = Fake { refusal: Some(Errno::PERM), ..world.kernel() };
    let (lines, exit) = world.pass_with(200, &request(), &mut kernel);
    assert_eq!((lines, exit), (vec!["m fs-m could not be unloaded".to_owned()], Exit::Failure));
}

#[test]
fn a_remove_command_runs_instead_of_the_removal() {
    let world = world(&[("etc/modprobe.d/a.conf", "remove m /bin/clean $CMDLINE_OPTS x\n")]);
    world.load("m", "fs-m", &[]);
    world.pass(100);
    let mut kernel = world.kernel();
    let (lines, exit) = world.pass_with(200, &request(), &mut kernel);
    assert_eq!(
        kernel.shell,
        ["/bin/clean  x [(\"MODPROBE_MODULE\", \"m\"), (\"MODUTILS_INSTALLING\", \"m\"), \
         (\"MODUTILS_CALLER\", \"0\")]"]
    );
    // The command left it where it was.
    assert_eq!(lines, ["m fs-m in use: somebody came at the last moment"]);
    assert_eq!(exit, Exit::Success);
    world.pass(300);
    let mut kernel = Fake { shell_status: 3 << 8, ..world.kernel() };
    assert_eq!(world.pass_with(400, &request(), &mut kernel).1, Exit::Failure);
    assert!(world.path("sys/module/m").exists());
    world.pass(500);
    // One that was killed counts as one that succeeded, as by modprobe -r.
    let mut kernel = Fake { shell_status: 9, ..world.kernel() };
    assert_eq!(world.pass_with(600, &request(), &mut kernel).1, Exit::Success);
}

#[test]
fn names_restrict_the_pass_and_other_marks_stay() {
    let world = world(&[]);
    world.load("a", "fs-a", &[]);
    world.load("b", "fs-b", &[]);
    world.pass(100);
    let only = Autoclean { names: vec!["a".into()], ..request() };
    assert_eq!(world.pass_with(200, &only, &mut world.kernel()).0, ["a fs-a unloaded"]);
    assert_eq!(world.pass(201), ["b fs-b unloaded"]);
}

#[test]
fn a_dry_run_tells_and_changes_nothing() {
    let world = world(&[]);
    world.load("m", "fs-m", &[]);
    world.pass(100);
    world.write("run/modutils/autoloaded/dead", "damaged");
    let before = snapshot(world.root.path());
    let dry = Autoclean { effect: Effect::Rehearsed, ..request() };
    assert_eq!(world.pass_with(200, &dry, &mut world.kernel()).0, ["m fs-m idle for 100 s, goes now"]);
    assert_eq!(snapshot(world.root.path()), before);
}

#[test]
fn settings_are_saved_before_a_module_goes() {
    let world = world(&[("etc/modutils.d/a.conf", "persist m\n")]);
    world.load("m", "fs-m", &[]);
    world.write("sys/module/m/parameters/a", "1\n");
    world.take_baseline("m");
    world.write("sys/module/m/parameters/a", "2\n");
    world.pass(100);
    let leave = Autoclean { persist: Persist::NotThisTime, names: vec!["other".into()], ..request() };
    world.pass_with(150, &leave, &mut world.kernel());
    assert_eq!(world.pass(200), ["m fs-m unloaded"]);
    let saved = fs::read_to_string(world.path("var/lib/modutils/settings/m")).unwrap();
    assert_eq!(saved.lines().skip(1).collect::<Vec<_>>(), ["parameters/a = 2"]);
}

#[test]
fn with_nothing_recorded_the_run_is_silent_and_leaves_no_trace() {
    let world = world(&[]);
    let voice = Voice::default();
    let before = snapshot(world.root.path());
    assert_eq!(world.run(&voice.session(), &Request::Autoclean(request()), world.kernel()), Exit::Success);
    assert_eq!(voice.said(), "");
    assert_eq!(snapshot(world.root.path()), before);
}

#[test]
fn a_second_pass_at_the_same_time_leaves_at_once() {
    let world = world(&[]);
    world.load("m", "fs-m", &[]);
    let voice = Voice::default();
    let lock = world.memory().lock().unwrap();
    assert_eq!(world.run(&voice.session(), &Request::Autoclean(request()), world.kernel()), Exit::Success);
    assert!(world.memory().marks().is_empty());
    drop(lock);
    world.run(&voice.session(), &Request::Autoclean(request()), world.kernel());
    assert!(!world.memory().marks().is_empty());
}

#[test]
fn without_the_list_of_modules_nothing_is_touched() {
    let world = world(&[]);
    world.load("m", "fs-m", &[]);
    fs::remove_file(world.path("proc/modules")).unwrap();
    let voice = Voice::default();
    assert_eq!(world.run(&voice.session(), &Request::Autoclean(request()), world.kernel()), Exit::Failure);
    assert!(world.is_recorded("m"));
}
