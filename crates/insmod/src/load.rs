//! Hands the file to the kernel, and says why it did not take it.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use modcli::{Exit, Session, Severity, words};
use moddb::ModuleDb;
use moddb::config::Config;
use moddb::paths::ModuleDir;
use modfile::{ModuleName, ReadError};
use modhint::causes;
use modhint::facts;
use modkernel::{InsertError, KernelOps};
use modload::scripts::{Beginning, Change, Refused};
use modload::{
    CommandEnvironment, Demand, Effect, Environment, Event, Loaded, Modutils, ModutilsProblem, Observer,
    Persist, Recorder, Scripts, Settings, Stage, forbid,
};
use modstate::modules_conf::OldLine;
use modstate::{Clock, Places};
use rustix::io::Errno;

use crate::messages;
use crate::request::Request;

/// Loads the module in the file.
pub(crate) fn run(
    session: &Session,
    request: &Request,
    places: &Places,
    (clock, environment): (&dyn Clock, &Environment),
    kernel: &mut dyn KernelOps,
) -> Exit {
    let reporter = &session.reporter;
    let path = Path::new(&request.file);
    // compat: a path that ends in a slash has no file name, whatever it leads to (case `insmod/file-missing`).
    let looked_at = match rustix::fs::stat(path) {
        Ok(_) if request.file.as_bytes().ends_with(b"/") => Err(Errno::NOENT),
        looked_at => looked_at,
    };
    if let Err(errno) = looked_at {
        reporter.error(messages::could_not_load(&request.file, errno));
        return Exit::Failure;
    }
    let modutils = Modutils::new(places);
    let teller = Teller { session };
    if let Some((module, by)) = forbid::file(modutils.config(&teller).rules(), path) {
        reporter.insist(Severity::Error, messages::forbidden(&request.file, &module, by));
        return Exit::Failure;
    }
    let module = ModuleName::of_path(request.file.as_bytes());
    let commands = CommandEnvironment::new(environment, [], &Demand::Person);
    let scripts = Scripts::new((&modutils, places), clock, &teller, &commands, Effect::Real);
    let release = OsString::from_vec(rustix::system::uname().release().to_bytes().to_vec());
    let settings = Settings {
        places,
        modutils: &modutils,
        demand: &Demand::Person,
        persist: Persist::AsConfigured,
        release: &release,
        clock,
        observer: &teller,
    };
    let mut kernel = Stage::new(Effect::Real, kernel, &settings);
    let begun = match scripts.begin(&mut kernel, Change::Install, &module) {
        Ok(Beginning::Now(begun)) => begun,
        Ok(Beginning::Made) => {
            let error = InsertError::from(Errno::EXIST);
            report(session, request, &error);
            return Exit::Failure;
        }
        Err(Refused) => return Exit::Failure,
    };
    let inserted = kernel.insert(path, &request.params, request.flags);
    scripts.end(&mut kernel, begun, inserted.is_ok());
    kernel.finish();
    match inserted {
        Ok(()) => {
            let loaded = Loaded { inserted: vec![module.clone()], present: Vec::new() };
            let recorder = Recorder { places, demand: &Demand::Person, clock };
            if let Err(failed) = recorder.remember(&module, &loaded) {
                reporter.warning(words::not_remembered(&failed.modules, &failed.error));
            }
            Exit::failed_if(scripts.have_failed())
        }
        Err(error) => {
            report(session, request, &error);
            let refused = facts::Refused {
                errno: error.errno(),
                module: &module,
                path,
                params: request.params.to_bytes(),
                flags: request.flags,
            };
            reporter.explain(|| hint(&refused, places).into_iter().collect());
            Exit::Failure
        }
    }
}

/// Reports what is wrong with modutils.d and its commands; plans are not carried out here.
struct Teller<'a> {
    session: &'a Session,
}

impl Observer for Teller<'_> {
    fn event(&self, event: &Event<'_>) {
        let reporter = &self.session.reporter;
        match event {
            // What was printed so far stands before what the command prints.
            Event::Script(_) => self.session.output.flush(),
            Event::ScriptFailed { script, about, error } => {
                reporter.error(words::script_failed(script, about, *error));
            }
            Event::ScriptsNotRun { about, reason } => reporter.error(words::scripts_not_run(about, *reason)),
            // Nothing below an error is reported; that a setting is lost is one.
            Event::Setting { module, notice } => reporter.error(words::setting(module, notice)),
            Event::Modutils(problem) => match problem {
                ModutilsProblem::File(problem) => reporter.error(words::config_file(problem)),
                ModutilsProblem::Line { file, problem } => reporter.error(words::modutils(file, problem)),
                ModutilsProblem::Distrusted { file, reason } => {
                    reporter.error(words::distrusted(file, &reason.path, &reason.reason));
                }
                ModutilsProblem::OldFile { file, error } => reporter.error(words::old_file(file, error)),
                ModutilsProblem::OldLine { file, line: line @ OldLine::Others(_) } => {
                    reporter.when_verbose(words::old_line(file, line));
                }
                ModutilsProblem::OldLine { file, line } => reporter.warning(words::old_line(file, line)),
            },
            _ => {}
        }
    }
}

fn report(session: &Session, request: &Request, error: &InsertError) {
    let reporter = &session.reporter;
    match error {
        InsertError::Decompress(reason) | InsertError::Read(ReadError::Decompress(reason)) => {
            reporter.error(reason.to_string());
        }
        InsertError::NoVermagic => reporter.error(messages::nothing_to_strip(error.errno())),
        InsertError::Kernel(_) | InsertError::Read(_) => {}
    }
    if let InsertError::Kernel(_) = error {
        let path = std::path::absolute(&request.file).unwrap_or_else(|_| request.file.clone().into());
        reporter.info(messages::refused(&path, error.errno()));
    }
    reporter.error(messages::could_not_insert(&request.file, error.errno()));
}

/// What can be found out about the refusal.
fn hint(refused: &facts::Refused<'_>, places: &Places) -> Option<String> {
    let release = OsString::from_vec(rustix::system::uname().release().to_bytes().to_vec());
    let db = ModuleDb::new(ModuleDir::new(Path::new(""), &release), Config::default());
    causes::refused(refused, places, &db)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::ffi::CString;
    use std::io::{self, Write};
    use std::rc::Rc;

    use modcli::sink::Sink;
    use modcli::startup::Closed;
    use modcli::{Output, Reporter, Threshold};
    use modkernel::{InsertFlags, KernelEvent, Recording};
    use modstate::SystemClock;

    use super::*;

    /// What was said.
    #[derive(Clone, Default)]
    struct Said(Rc<RefCell<Vec<u8>>>);

    impl Write for Said {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Loads `file` on this kernel; returns the end and what was said.
    fn load(file: &Path, kernel: &mut Recording) -> (Exit, String) {
        load_with(file, kernel, "")
    }

    /// The same with these lines in modutils.d.
    fn load_with(file: &Path, kernel: &mut Recording, modutils: &str) -> (Exit, String) {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("run")).unwrap();
        let config = root.path().join("etc/modutils.d");
        std::fs::create_dir_all(&config).unwrap();
        std::fs::write(config.join("a.conf"), modutils).unwrap();
        load_in(root.path(), file, kernel)
    }

    /// The same in this system.
    fn load_in(root: &Path, file: &Path, kernel: &mut Recording) -> (Exit, String) {
        let said = Said::default();
        let sink = Sink::new("insmod", modcli::sink::LogPlaces::default(), Some(Box::new(said.clone())));
        let reporter = Reporter::new(sink);
        reporter.starts_at(Threshold::ERRORS);
        let session = Session {
            program: "insmod",
            argv: Vec::new(),
            closed: Closed::default(),
            reporter,
            output: Output::to(Box::new(io::sink())),
        };
        let places = Places::below(root, rustix::process::geteuid().as_raw());
        let request = Request {
            file: file.into(),
            params: CString::new("a=1").unwrap(),
            flags: InsertFlags { ignore_vermagic: true, ..InsertFlags::default() },
        };
        let exit = run(&session, &request, &places, (&SystemClock, &Environment::default()), kernel);
        let said = String::from_utf8(said.0.borrow().clone()).unwrap();
        let said = said.replace(&format!("{}/", root.join("etc/modutils.d").display()), "");
        (exit, said)
    }

    #[test]
    fn the_file_goes_to_the_kernel_as_it_is_named_with_parameters_and_flags() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("some-module.anything");
        std::fs::write(&file, "bytes").unwrap();
        let mut kernel = Recording::default();
        assert_eq!(load(&file, &mut kernel), (Exit::Success, String::new()));
        let flags = InsertFlags { ignore_vermagic: true, ..InsertFlags::default() };
        let params = CString::new("a=1").unwrap();
        assert_eq!(kernel.events(), [KernelEvent::Insert { path: file, params, flags }]);
    }

    #[test]
    fn saved_settings_are_put_back_but_for_parameters_that_are_given() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("m.ko");
        std::fs::write(&file, "bytes").unwrap();
        let world = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("etc/modutils.d/a.conf", "persist m\n"),
            ("sys/module/m/parameters/a", "1\n"),
            ("sys/module/m/parameters/b", "1\n"),
            ("proc/sys/kernel/random/boot_id", "5bd21c3c-0a4d-4f0e-9e2b-7c7f6f1f2a3b\n"),
            ("var/lib/modutils/settings/m", "parameters/a = 7\nparameters/b = 7\n"),
            ("run/lock", ""),
        ] {
            let path = world.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        assert_eq!(load_in(world.path(), &file, &mut Recording::default()), (Exit::Success, String::new()));
        let value =
            |name: &str| std::fs::read_to_string(world.path().join("sys/module/m/parameters").join(name));
        assert_eq!((value("a").unwrap().trim(), value("b").unwrap().trim()), ("1", "7"));
    }

    #[test]
    fn a_forbidden_module_never_reaches_the_kernel_whatever_its_file_is_called() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("harmless.ko");
        std::fs::write(&file, fixtures::Module::new("fat").info("name=fat").bytes()).unwrap();
        let mut kernel = Recording::default();
        let (exit, said) = load_with(&file, &mut kernel, "forbid fat : no media\n");
        assert_eq!(exit, Exit::Failure);
        assert!(said.ends_with(": a.conf line 1 forbids fat: no media\n"), "{said}");
        assert!(kernel.events().is_empty());
    }

    #[test]
    fn commands_of_modutils_stand_around_the_load() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("a.ko");
        std::fs::write(&file, "bytes").unwrap();
        let lines = "pre-install a one\npost-install a two\n";
        let mut kernel = Recording::default().with_exit_code("two", 1);
        let (exit, said) = load_with(&file, &mut kernel, lines);
        assert_eq!(exit, Exit::Failure);
        let failed = "a.conf line 2: post-install command 'two' for a failed: it ended with status 1";
        assert_eq!(said, format!("insmod: ERROR: {failed}\n"));
        assert_eq!(kernel.live().count(), 1);
        let mut kernel = Recording::default().with_exit_code("one", 1);
        assert_eq!(load_with(&file, &mut kernel, lines).0, Exit::Failure);
        assert_eq!(kernel.live().count(), 0);
    }

    #[test]
    fn a_path_without_a_file_never_reaches_the_kernel() {
        let root = tempfile::tempdir().unwrap();
        let mut kernel = Recording::default();
        for path in [root.path().join("missing"), root.path().join("")] {
            let (exit, said) = load(&path, &mut kernel);
            assert_eq!(exit, Exit::Failure);
            let expected = format!(
                "insmod: ERROR: could not load module {}: No such file or directory\n",
                path.display()
            );
            assert_eq!(said, expected);
        }
        assert!(kernel.events().is_empty());
    }
}
