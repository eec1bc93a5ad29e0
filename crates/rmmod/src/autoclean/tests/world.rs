//! A system made of files, a kernel that keeps these files as the real one would, and a session whose output is kept.

use std::ffi::{CStr, OsStr};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use fixtures::{Module, Shown};
use modcli::sink::{LogPlaces, Sink};
use modcli::{Output, Reporter};
use modfile::ModuleName;
use modkernel::{InsertError, InsertFlags, ModuleState, Native, RemoveFlags, Sysfs};
use modload::{CommandEnvironment, Demand, Environment, Modutils, Persist, Scripts, Settings, Stage};
use modstate::config::ModutilsConfig;
use modstate::{BootTime, Identity, Record, RecordedRole, SystemClock};
use rustix::io::Errno;

use super::super::*;
use crate::observer::Teller;
use crate::request::Request;
use crate::{System, run_in};

pub(crate) struct World {
    pub root: tempfile::TempDir,
    pub layout: Layout,
}

/// A system with these files and nothing loaded.
pub(crate) fn world(files: &[(&str, &str)]) -> World {
    let root = tempfile::tempdir().unwrap();
    let at = |path: &str| root.path().join(path);
    let layout = Layout {
        places: modstate::Places::below(root.path(), rustix::process::geteuid().as_raw()),
        modprobe_d: vec![at("etc/modprobe.d")],
        modules_load_d: vec![at("etc/modules-load.d"), at("lib/modules-load.d")],
        etc_modules: at("etc/modules"),
        command_line: at("proc/cmdline"),
        module_directory: moddb::paths::ModuleDir::at(at("lib/modules")),
    };
    let world = World { root, layout };
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

    /// Loads a module as for a request of the kernel; `aliases` are in its file.
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
            role: RecordedRole::Target,
            loaded: BootTime(0),
            identity: self.identity(name),
        };
        self.memory().write_record(&name.into(), &record).unwrap();
    }

    pub fn appear(&self, name: &str) {
        for (file, text) in [("initstate", "live\n"), ("refcnt", "0\n")] {
            self.write(&format!("sys/module/{name}/{file}"), text);
        }
        fs::create_dir_all(self.path(&format!("sys/module/{name}/holders"))).unwrap();
        list_modules(&self.layout);
    }

    pub fn holds(&self, holder: &str, module: &str) {
        self.write(&format!("sys/module/{module}/holders/{holder}"), "");
        self.use_count(module, 1);
    }

    pub fn use_count(&self, module: &str, count: u32) {
        self.write(&format!("sys/module/{module}/refcnt"), &format!("{count}\n"));
        list_modules(&self.layout);
    }

    pub fn identity(&self, name: &str) -> Identity {
        let boot = BootId::read(&self.path("proc/sys/kernel/random/boot_id")).unwrap();
        Identity::of_loaded(&self.layout.sys_module(), &name.into(), &boot).unwrap().unwrap()
    }

    /// What modprobe does after an insertion, for a module that `persist m` names.
    pub fn take_baseline(&self, name: &str) {
        let module = ModuleName::from(name);
        let mut rules = ModutilsConfig::default();
        rules.add(Path::new("a.conf"), format!("persist {name}\n").as_bytes());
        let rules: Vec<_> = rules.persist(&module).collect();
        let restoring = modstate::settings::Restoring {
            module: &module,
            rules: &rules,
            identity: &self.identity(name),
            put_back: modstate::settings::PutBack::Everything,
            given: &[],
        };
        let notices = modstate::settings::restore_after_insertion(&self.layout.places, &restoring);
        assert!(notices.is_empty(), "{notices:?}");
    }

    pub fn memory(&self) -> Memory {
        Memory::new(&self.layout.places)
    }

    pub fn is_recorded(&self, name: &str) -> bool {
        self.memory().records().unwrap().iter().any(|(module, _)| *module == name.into())
    }

    pub fn kernel(&self) -> Fake {
        Fake {
            layout: self.layout.clone(),
            native: Native::seen_through(Sysfs::new(self.layout.sys_module())),
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
            layout: &self.layout,
            clock: &SystemClock,
            environment: Environment { has_path: true, ..Environment::default() },
            release: OsStr::new("6.1"),
        };
        run_in(session, request, system)
    }

    /// What a pass at this second finds, a line for each module, and its status.
    pub fn pass_with(&self, second: u64, request: &Autoclean, kernel: &mut Fake) -> (Vec<String>, Exit) {
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
        let teller = Teller { session: &session, shows: false };
        let modutils = Modutils::new(&self.layout.places);
        let settings = Settings {
            places: &self.layout.places,
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
        let places = &self.layout.places;
        let scripts = Scripts::new((&modutils, places), &SystemClock, &teller, &commands, request.effect);
        let memory = self.memory();
        let boot = BootId::read(&self.path("proc/sys/kernel/random/boot_id")).unwrap();
        let loaded = look::List::read(&self.layout).unwrap();
        let records = memory.records().unwrap();
        let clock = At(second * 1000);
        let db = ModuleDb::new(self.layout.module_directory.clone(), moddb::config::Config::default());
        let pass = Pass {
            session: &session,
            layout: &self.layout,
            request,
            config: modutils.config(&teller),
            commands: &commands,
            scripts: &scripts,
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

    pub fn pass(&self, second: u64) -> Vec<String> {
        let (lines, exit) = self.pass_with(second, &request(), &mut self.kernel());
        assert_eq!(exit, Exit::Success);
        lines
    }
}

/// A clock that stands at so many milliseconds after the boot.
pub(super) struct At(pub u64);

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
fn list_modules(layout: &Layout) {
    let mut text = String::new();
    for entry in fs::read_dir(layout.sys_module()).unwrap() {
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
    fs::write(layout.places.proc.join("modules"), text).unwrap();
}

/// A kernel over the world's files.
pub(crate) struct Fake {
    pub layout: Layout,
    pub native: Native,
    /// Every removal fails so.
    pub refusal: Option<Errno>,
    /// A module that is in use though `/proc/modules` said a moment ago that it was not.
    pub late_user: Option<&'static str>,
    /// The process ends in the middle of a removal.
    pub dies: bool,
    pub shell: Vec<String>,
    /// How commands end, as wait(2) has it.
    pub shell_status: i32,
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
        for entry in fs::read_dir(self.layout.sys_module())? {
            let other = entry?.path();
            if fs::remove_file(other.join("holders").join(&*name)).is_ok() {
                fs::write(other.join("refcnt"), "0\n")?;
            }
        }
        fs::remove_dir_all(self.layout.sys_module().join(&*name))?;
        list_modules(&self.layout);
        Ok(())
    }

    fn run_shell(&mut self, line: &OsStr, environment: &[(&str, &OsStr)]) -> io::Result<ExitStatus> {
        self.shell.push(format!("{} {environment:?}", line.display()));
        Ok(std::os::unix::process::ExitStatusExt::from_raw(self.shell_status))
    }

    fn run_script(
        &mut self,
        line: &OsStr,
        environment: &[(&str, &OsStr)],
        _: modkernel::Meanwhile<'_>,
    ) -> io::Result<Option<ExitStatus>> {
        self.run_shell(line, environment).map(Some)
    }
}

/// What a session of a test prints.
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

pub(super) fn request() -> Autoclean {
    Autoclean {
        names: Vec::new(),
        effect: Effect::Real,
        report: Report::Lines,
        logged: false,
        persist: Persist::AsConfigured,
        handed_on: Vec::new(),
    }
}
