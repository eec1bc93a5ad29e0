//! Loading as modprobe does: with dependencies, softdeps, the configuration's commands, parameters and blacklist.
//!
//! What is done, and in which order, is decided in `modload`: a plan is made and carried out. Here its steps become
//! the callbacks of C, and its outcome the numbers of C.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, OsStr, c_char, c_int, c_uint, c_void};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::ptr;
use std::rc::Rc;

use modfile::ModuleName;
use modkernel::{InsertError, InsertFlags, KernelOps, Meanwhile, ModuleState, Native, RemoveFlags};
use modload::command::CommandError;
use modload::plan::{self, Action, LoadPlan, PlanNote, Role, Step, Target};
use modload::{
    Cause, CommandEnvironment, Demand, Effect, Environment, Event, Execution, LoadFailure, Loaded, Modutils,
    Observer, Presence, Process, Recorder, Scripts, Silent, Terms,
};
use modstate::{Places, SystemClock};
use rustix::io::Errno;

use crate::boundary::text;
use crate::load::{insert_flags, no_file, not_inserted};
use crate::log::{ERROR, strerror};
use crate::objects::Module;
use crate::{shell, state};

/// Runs the install command of a module in the caller's place. What it returns is the result.
pub type RunInstall = unsafe extern "C" fn(*const Module, *const c_char, *mut c_void) -> c_int;

/// Is shown each module before it is loaded: whether by a command, and its parameters.
pub type PrintAction = unsafe extern "C" fn(*const Module, bool, *const c_char);

/// Flags of a load, `enum kmod_probe`; the first two are those of an insertion.
const IGNORE_COMMAND: c_uint = 0x4;
const IGNORE_LOADED: c_uint = 0x8;
const DRY_RUN: c_uint = 0x10;
const FAIL_ON_LOADED: c_uint = 0x20;
const APPLY_BLACKLIST_ALL: c_uint = 0x1_0000;
const APPLY_BLACKLIST: c_uint = 0x2_0000;
const APPLY_BLACKLIST_ALIAS_ONLY: c_uint = 0x4_0000;

const CALLED: &CStr = c"kmod_module_probe_insert_module";

/// What a caller wants of a load.
pub(crate) struct Request<'a> {
    pub(crate) flags: c_uint,
    /// Parameters behind those of the configuration.
    pub(crate) options: &'a CStr,
    pub(crate) run_install: Option<RunInstall>,
    /// For `run_install`.
    pub(crate) data: *const c_void,
    pub(crate) print_action: Option<PrintAction>,
}

impl Request<'_> {
    fn has(&self, flag: c_uint) -> bool {
        self.flags & flag != 0
    }

    /// Whether the caller expects modules to be kept out: for it a forbidden one is such a module, and no error.
    fn applies_a_blacklist(&self) -> bool {
        self.has(APPLY_BLACKLIST | APPLY_BLACKLIST_ALL | APPLY_BLACKLIST_ALIAS_ONLY)
    }
}

/// Loads a module with all that belongs to it. The flag of the blacklist that kept it out, or 0.
///
/// # Errors
/// The number of what failed: the module itself or one that it cannot do without.
pub(crate) fn load(module: &Rc<Module>, request: &Request<'_>) -> Result<c_int, Errno> {
    if !request.has(IGNORE_LOADED)
        && let Ok(state @ (state::LIVE | state::BUILTIN)) = state::initstate(module, CALLED)
    {
        if request.has(FAIL_ON_LOADED) {
            return Err(Errno::EXIST);
        }
        if state == state::LIVE && !request.has(DRY_RUN) {
            pin(&module.name, &Loaded { inserted: Vec::new(), present: vec![module.name.clone()] });
        }
        return Ok(0);
    }
    if let Some(flag) = kept_out(module, request) {
        return Ok(flag);
    }
    let places = Places::of_system();
    let modutils = Modutils::new(&places);
    let mut plan = plan(module, request, &modutils);
    if request.has(APPLY_BLACKLIST_ALL) {
        let config = module.context.config();
        plan.steps.retain(|step| config.blacklisted(step.module.as_bytes()).is_none());
        if plan.steps.is_empty() {
            return result_of(APPLY_BLACKLIST_ALL);
        }
    }
    carry_out(module, request, &plan, (&modutils, &places))
}

/// A flag as what the function returns.
fn result_of(flag: c_uint) -> Result<c_int, Errno> {
    c_int::try_from(flag).map_err(|_| Errno::INVAL)
}

/// The flag of the blacklist that keeps a module out.
fn kept_out(module: &Module, request: &Request<'_>) -> Option<c_int> {
    module.context.config().blacklisted(module.name.as_bytes())?;
    let flags = [
        (APPLY_BLACKLIST_ALIAS_ONLY, module.alias.is_some()),
        (APPLY_BLACKLIST_ALL, true),
        (APPLY_BLACKLIST, true),
    ];
    let (flag, _) = flags.into_iter().find(|&(flag, counts)| counts && request.has(flag))?;
    result_of(flag).ok()
}

fn plan(module: &Rc<Module>, request: &Request<'_>, modutils: &Modutils<'_>) -> LoadPlan {
    let entry = module.as_entry(CALLED);
    let (params, ignore_commands) = (request.options.to_bytes(), request.has(IGNORE_COMMAND));
    // What is wrong with the files is the tools' to report.
    let rules = modutils.config(&Silent).rules();
    let target = Target { entry: &entry, params, ignore_commands, rules };
    let plan = module.context.ask(CALLED, |db| plan::load(db, &target));
    for note in &plan.notes {
        module.context.log.say(ERROR, CALLED, || match note {
            PlanNote::MissingDependency(missing) => {
                let (path, error) = (missing.path.display(), strerror(missing.errno));
                format!("ctx={:p} path={path} error={error}", Rc::as_ptr(&module.context))
            }
            PlanNote::TooDeep(name) => format!("the softdeps of '{name}' are nested too deeply"),
            PlanNote::NoName(name) => {
                let name = String::from_utf8_lossy(name);
                format!("failed to lookup dependency '{name}', continuing anyway.")
            }
        });
    }
    plan
}

fn carry_out(
    module: &Rc<Module>,
    request: &Request<'_>,
    plan: &LoadPlan,
    (modutils, places): (&Modutils<'_>, &Places),
) -> Result<c_int, Errno> {
    let caller = Caller { module, request, plan, present: RefCell::default(), answer: Cell::new(None) };
    let mut kernel = Hands { native: module.context.kernel.clone(), caller: &caller };
    // Commands find the environment of the process and the module's name in addition. It is passed to the shell
    // and never set here: other threads of the caller may be reading it.
    let environment = Environment::new(std::env::var_os, &places.proc, Process(std::process::id));
    let commands = CommandEnvironment::new(&environment, [], &Demand::Person);
    let terms = Terms {
        effect: if request.has(DRY_RUN) { Effect::Rehearsed } else { Effect::Real },
        presence: if request.has(IGNORE_LOADED) { Presence::Ignored } else { Presence::Counts },
        first_time: request.has(FAIL_ON_LOADED),
    };
    let scripts = Scripts::new((modutils, places), &SystemClock, &caller, &commands, terms.effect)
        .skipped_if(request.has(IGNORE_COMMAND));
    let mut execution = Execution {
        kernel: &mut kernel,
        observer: &caller,
        commands: &commands,
        scripts: Some(&scripts),
        terms,
        pause: &|_| {},
    };
    match execution.load(plan, insert_flags(request.flags)) {
        Ok(loaded) => {
            if !request.has(DRY_RUN) {
                pin(&plan.target, &loaded);
            }
            Ok(caller.answer_of_the_last_step())
        }
        Err(LoadFailure { cause: Cause::Forbidden(_), .. }) if request.applies_a_blacklist() => {
            result_of(APPLY_BLACKLIST)
        }
        Err(failure) => caller.failed(&failure),
    }
}

/// Remembers that somebody wants what was loaded or is there, so that autoclean leaves it alone: whoever loads by this library
/// does so on purpose. A courtesy that never fails the load.
fn pin(target: &ModuleName, loaded: &Loaded) {
    let recorder = Recorder { places: &Places::of_system(), demand: &Demand::Person, clock: &SystemClock };
    let _ = recorder.remember(target, loaded);
}

/// The caller's callbacks, in the course of one load.
struct Caller<'a> {
    module: &'a Rc<Module>,
    request: &'a Request<'a>,
    plan: &'a LoadPlan,
    /// The module whose turn it is.
    present: RefCell<Option<Rc<Module>>>,
    /// What `run_install` has returned for the step at this place of the plan.
    answer: Cell<Option<(usize, c_int)>>,
}

impl Caller<'_> {
    fn place_of(&self, step: &Step) -> Option<usize> {
        self.plan.steps.iter().position(|other| ptr::eq(other, step))
    }

    /// The object of a step's module, as the caller would get it.
    fn object_of(&self, step: &Step) -> Option<Rc<Module>> {
        if step.role == Role::Target {
            return Some(Rc::clone(self.module));
        }
        let module = Module::new(&self.module.context, step.module.clone(), None).ok()?;
        if let Action::File(path) = &step.action {
            module.know_path(path);
        }
        Some(module)
    }

    fn begin(&self, step: &Step) {
        let Some(module) = self.object_of(step) else { return };
        self.answer.set(None);
        self.present.replace(Some(Rc::clone(&module)));
        if let Some(print_action) = self.request.print_action {
            let (is_command, options) = (matches!(step.action, Action::Command { .. }), text(&step.params));
            // SAFETY: the caller gave a function of this type; module and text live during the call. It is C code,
            // so nothing unwinds through it.
            unsafe { print_action(Rc::as_ptr(&module), is_command, options.as_ptr()) };
        }
        self.answer.set(self.place_of(step).map(|place| (place, 0)));
    }

    /// Has the caller run a command. The kernel's part of it is a status: whether to go on.
    fn run_install(&self, run: RunInstall, line: &OsStr) -> ExitStatus {
        const FAILED: i32 = 1 << 8;
        let Some(module) = self.present.borrow().clone() else { return ExitStatus::from_raw(FAILED) };
        let line = text(line.as_bytes());
        // SAFETY: the caller gave a function of this type and the data for it; module and text live during the
        // call. It is C code, so nothing unwinds through it.
        let answer = unsafe { run(Rc::as_ptr(&module), line.as_ptr(), self.request.data.cast_mut()) };
        let is_present = answer == -Errno::EXIST.raw_os_error();
        let fails = is_present && self.request.has(FAIL_ON_LOADED) && Rc::ptr_eq(&module, self.module);
        if let Some((place, _)) = self.answer.get() {
            self.answer.set(Some((place, if is_present && !fails { 0 } else { answer })));
        }
        ExitStatus::from_raw(if answer < 0 && (fails || !is_present) { FAILED } else { 0 })
    }

    /// compat: what `run_install` says of the last step is the result of all, if it is positive (tests/libkmod-c/c/each.c).
    fn answer_of_the_last_step(&self) -> c_int {
        let last = self.plan.steps.len().checked_sub(1);
        match self.answer.get() {
            Some((place, answer)) if Some(place) == last => answer.max(0),
            _ => 0,
        }
    }

    /// What the function returns after a failure. A number that the caller's own function gave comes back as it is, also
    /// one that is no error's.
    fn failed(&self, failure: &LoadFailure) -> Result<c_int, Errno> {
        match self.answer.get() {
            Some((_, answer)) if answer < 0 => Ok(answer),
            _ => Err(Errno::from_raw_os_error(failure.errno())),
        }
    }
}

impl Observer for Caller<'_> {
    fn event(&self, event: &Event<'_>) {
        let present = self.present.borrow().clone();
        let module = present.as_ref().unwrap_or(self.module);
        let log = &module.context.log;
        match event {
            Event::Step(step) => self.begin(step),
            Event::NoFile(_) => no_file(module, CALLED),
            Event::NotInserted { path, error, .. } => not_inserted(module, path, error, CALLED),
            Event::CommandFailed { command, error } if self.request.run_install.is_none() => {
                log.say(ERROR, CALLED, || {
                    let (line, name) = (String::from_utf8_lossy(&command.line), command.module);
                    match error {
                        CommandError::Status(code) => {
                            format!(
                                "Error running install command '{line}' for module {name}: retcode {code}"
                            )
                        }
                        CommandError::NotStarted(error) => {
                            let error = strerror(Errno::from_io_error(error).unwrap_or(Errno::INVAL));
                            format!("Could not run install command '{line}' for module {name}: {error}")
                        }
                    }
                });
            }
            Event::CommandWithinItself { module, line } => log.say(ERROR, CALLED, || {
                let line = String::from_utf8_lossy(line);
                format!("the install command '{line}' of module {module} loads the module itself")
            }),
            Event::ScriptFailed { script, about, error } => log.say(ERROR, CALLED, || {
                let (line, word, about) =
                    (&script.line, script.moment.word(), String::from_utf8_lossy(about));
                let command = String::from_utf8_lossy(&script.command);
                format!("{line}: {word} command '{command}' for {about} failed: {error}")
            }),
            Event::ScriptsNotRun { about, reason } => log.say(ERROR, CALLED, || {
                let about = String::from_utf8_lossy(about);
                format!("could not run the commands of modutils.d for {about}: {reason}")
            }),
            Event::CommandFailed { .. }
            | Event::Script(_)
            | Event::Command(_)
            | Event::Removing(_)
            | Event::Setting { .. }
            | Event::Modutils(_)
            | Event::NotRemoved { .. } => {}
        }
    }
}

/// The kernel, as far as the caller lets it be touched.
struct Hands<'a> {
    native: Native,
    caller: &'a Caller<'a>,
}

impl KernelOps for Hands<'_> {
    fn state(&self, module: &ModuleName) -> io::Result<ModuleState> {
        self.native.state(module)
    }

    fn use_count(&self, module: &ModuleName) -> io::Result<Option<u32>> {
        self.native.use_count(module)
    }

    fn holders(&self, module: &ModuleName) -> io::Result<Vec<ModuleName>> {
        self.native.holders(module)
    }

    fn insert(&mut self, path: &Path, params: &CStr, flags: InsertFlags) -> Result<(), InsertError> {
        // compat: a dry run does not remember what it would have loaded, so a module may be shown twice (tests/libkmod-c/c/each.c).
        if self.caller.request.has(DRY_RUN) { Ok(()) } else { self.native.insert(path, params, flags) }
    }

    fn remove(&mut self, module: &ModuleName, flags: RemoveFlags) -> io::Result<()> {
        self.native.remove(module, flags)
    }

    fn run_shell(&mut self, line: &OsStr, environment: &[(&str, &OsStr)]) -> io::Result<ExitStatus> {
        match self.caller.request.run_install {
            _ if self.caller.request.has(DRY_RUN) => Ok(ExitStatus::default()),
            Some(run) => Ok(self.caller.run_install(run, line)),
            None => shell::run(line, environment),
        }
    }

    fn run_script(
        &mut self,
        line: &OsStr,
        environment: &[(&str, &OsStr)],
        meanwhile: Meanwhile<'_>,
    ) -> io::Result<Option<ExitStatus>> {
        shell::run_script(line, environment, meanwhile)
    }
}
