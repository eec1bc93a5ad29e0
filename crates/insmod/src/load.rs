//! Hands the file to the kernel, and says why it did not take it.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use modcli::{Exit, Reporter, Session, Severity, words};
use moddb::ModuleDb;
use moddb::config::Config;
use moddb::paths::ModuleDir;
use modfile::{ModuleName, ReadError};
use modhint::causes;
use modhint::facts::Refused;
use modkernel::{InsertError, KernelOps};
use modload::{Demand, Loaded, Modutils, ModutilsProblem, Observer, Recorder, forbid};
use modstate::{Clock, Places};
use rustix::io::Errno;

use crate::messages;
use crate::request::Request;

/// Loads the module in the file.
pub(crate) fn run(
    session: &Session,
    request: &Request,
    places: &Places,
    clock: &dyn Clock,
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
    let modutils = Modutils::new(&places.modutils_d);
    if let Some((module, by)) = forbid::file(modutils.config(&Teller { reporter }).rules(), path) {
        reporter.insist(Severity::Error, messages::forbidden(&request.file, &module, by));
        return Exit::Failure;
    }
    let module = ModuleName::of_path(request.file.as_bytes());
    match kernel.insert(path, &request.params, request.flags) {
        Ok(()) => {
            let loaded = Loaded { inserted: vec![module.clone()], present: Vec::new() };
            let recorder = Recorder { places, demand: &Demand::Person, clock };
            if let Err(failed) = recorder.remember(&module, &loaded) {
                reporter.warning(words::not_remembered(&failed.modules, &failed.error));
            }
            Exit::Success
        }
        Err(error) => {
            report(session, request, &error);
            let refused = Refused {
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

/// Reports what is wrong with modutils.d; plans are not carried out here.
struct Teller<'a> {
    reporter: &'a Reporter,
}

impl Observer for Teller<'_> {
    fn event(&self, event: &modload::Event<'_>) {
        match event {
            modload::Event::Modutils(ModutilsProblem::File(problem)) => {
                self.reporter.error(words::config_file(problem));
            }
            modload::Event::Modutils(ModutilsProblem::Line { file, problem }) => {
                self.reporter.error(words::modutils(file, problem));
            }
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
fn hint(refused: &Refused<'_>, places: &Places) -> Option<String> {
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
        let root = tempfile::tempdir().unwrap();
        let places = Places::below(root.path(), rustix::process::geteuid().as_raw());
        let config = root.path().join("etc/modutils.d");
        std::fs::create_dir_all(&config).unwrap();
        std::fs::write(config.join("a.conf"), modutils).unwrap();
        let request = Request {
            file: file.into(),
            params: CString::new("a=1").unwrap(),
            flags: InsertFlags { ignore_vermagic: true, ..InsertFlags::default() },
        };
        let exit = run(&session, &request, &places, &SystemClock, kernel);
        let said = String::from_utf8(said.0.borrow().clone()).unwrap();
        let said = said.replace(&format!("{}/", config.display()), "");
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
