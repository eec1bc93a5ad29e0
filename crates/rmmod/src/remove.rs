//! Unloads the modules that are named, in the order in which they are named. No configuration of modprobe and no
//! dependencies: what the kernel refuses stays.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use modcli::{Exit, Reporter, Session, Severity};
use moddb::ModuleDb;
use modfile::ModuleName;
use modhint::users::Users;
use modkernel::{KernelOps, ModuleState, RemoveFlags};
use modload::Scripts;
use modload::scripts::{Beginning, Change, Refused};

use crate::messages;
use crate::places::Layout;
use crate::request::Remove;

/// Unloads every module that is named; goes on after a failure.
pub(crate) fn run(
    session: &Session,
    layout: &Layout,
    request: &Remove,
    scripts: &Scripts<'_>,
    kernel: &mut dyn KernelOps,
) -> Exit {
    let mut failed = false;
    for operand in &request.operands {
        let module = name(operand);
        if module.as_bytes().is_empty() {
            session.reporter.error(messages::no_name(operand));
            failed = true;
            continue;
        }
        if !request.force && !may_go(&session.reporter, layout, &module, kernel) {
            failed = true;
            continue;
        }
        let begun = match scripts.begin(kernel, Change::Remove, &module) {
            Ok(Beginning::Now(begun)) => begun,
            Ok(Beginning::Made) => continue,
            Err(Refused) => {
                failed = true;
                continue;
            }
        };
        if request.show {
            session.output.show_line(messages::would_remove(&module));
        }
        let removed = kernel.remove(&module, RemoveFlags { force: request.force });
        scripts.end(kernel, begun, removed.is_ok());
        if let Err(error) = removed {
            session.reporter.error(messages::cannot_remove(&module, &error));
            session.reporter.error(messages::cannot_remove_operand(operand, &error));
            failed = true;
        }
    }
    Exit::failed_if(failed)
}

/// An operand that exists as a file stands for the module in it.
fn name(operand: &OsStr) -> ModuleName {
    let bytes = operand.as_bytes();
    if Path::new(operand).exists() { ModuleName::of_path(bytes) } else { ModuleName::new(bytes) }
}

/// Whether the kernel may be asked; says why not.
fn may_go(reporter: &Reporter, layout: &Layout, module: &ModuleName, kernel: &dyn KernelOps) -> bool {
    let file =
        |name: &str| -> PathBuf { layout.sys_module().join(OsStr::from_bytes(module.as_bytes())).join(name) };
    match kernel.state(module) {
        Ok(ModuleState::Live) => {}
        Ok(ModuleState::Going) => {
            // compat: kmod fails silently here, which helps nobody (case rmmod/going).
            reporter.error(messages::is_going(module));
            return false;
        }
        // A module that is built in may have a directory for its parameters, and never has a state.
        Ok(ModuleState::Coming | ModuleState::Absent) if is_builtin(layout, module) => {
            reporter.error(messages::is_builtin(module));
            return false;
        }
        Ok(ModuleState::Coming) => {}
        Ok(ModuleState::Absent) => {
            reporter.error(messages::not_loaded(module));
            return false;
        }
        Err(error) => {
            reporter.error(messages::cannot_read_state(&file("initstate"), &error));
            return false;
        }
    }
    match kernel.holders(module) {
        Ok(holders) if holders.is_empty() => {}
        Ok(holders) => {
            reporter.error(messages::in_use_by(module, &holders));
            return false;
        }
        Err(error) => reporter.error(messages::cannot_open(&file("holders"), &error)),
    }
    match kernel.use_count(module) {
        Ok(Some(0)) => true,
        Ok(Some(_)) => {
            let users = || Users::gather(module, &[], &layout.places, &database(layout));
            let hints = || users().hint().into_iter().collect();
            reporter.explained(Severity::Error, messages::in_use(module), hints);
            false
        }
        Ok(None) => {
            reporter.error(messages::CANNOT_UNLOAD);
            false
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            reporter.error(messages::no_number(&file("refcnt")));
            false
        }
        Err(error) => {
            reporter.error(messages::cannot_read_state(&file("refcnt"), &error));
            false
        }
    }
}

fn is_builtin(layout: &Layout, module: &ModuleName) -> bool {
    database(layout).is_builtin(module)
}

/// The modules of the running kernel; the configuration of modprobe does not matter here.
fn database(layout: &Layout) -> ModuleDb {
    ModuleDb::new(layout.module_directory.clone(), moddb::config::Config::default())
}

#[cfg(test)]
mod tests {
    use modkernel::{KernelEvent, Recording};
    use modload::{Effect, Persist};

    use super::*;
    use crate::autoclean::tests::{Voice, world};
    use crate::request::Request;

    fn request(operands: &[&str]) -> Remove {
        Remove {
            operands: operands.iter().map(Into::into).collect(),
            force: false,
            effect: Effect::Real,
            show: false,
            persist: Persist::AsConfigured,
        }
    }

    /// What was said, the status, and the names and force flags of what was asked of the kernel.
    fn outcome(kernel: &mut Recording, request: &Remove) -> (String, Exit, Vec<(String, bool)>) {
        let voice = Voice::default();
        let session = voice.session();
        let exit = world(&[]).run(&session, &Request::Remove(request.clone()), &mut *kernel);
        session.output.flush();
        let asked = kernel.events().iter().map(|event| match event {
            KernelEvent::Remove { module, flags } => (module.to_text().into_owned(), flags.force),
            other => panic!("{other:?}"),
        });
        (voice.said(), exit, asked.collect())
    }

    #[test]
    fn modules_go_in_the_order_in_which_they_are_named_and_a_failure_stops_nothing() {
        let mut kernel = Recording::default()
            .with_loaded("below", &[])
            .with_loaded("top", &["below"])
            .with_loaded("used", &[])
            .with_users("used", 2);
        let (said, exit, asked) = outcome(&mut kernel, &request(&["used", "below", "none", "top", "below"]));
        assert_eq!(
            said,
            "rmmod: ERROR: Module used is in use\n\
             rmmod: ERROR: Module below is in use by: top\n\
             rmmod: ERROR: Module none is not currently loaded\n"
        );
        assert_eq!(exit, Exit::Failure);
        assert_eq!(asked, [("top".into(), false), ("below".into(), false)]);
    }

    #[test]
    fn with_force_the_kernel_is_asked_about_anything() {
        let mut kernel = Recording::default().with_loaded("used", &[]).with_users("used", 2);
        let force = Remove { force: true, ..request(&["used", "none"]) };
        let (said, exit, asked) = outcome(&mut kernel, &force);
        assert_eq!(asked, [("used".into(), true), ("none".into(), true)]);
        assert_eq!(
            said,
            "rmmod: ERROR: could not remove 'none': No such file or directory\n\
             rmmod: ERROR: could not remove module none: No such file or directory\n"
        );
        assert_eq!(exit, Exit::Failure);
    }

    #[test]
    fn a_dry_run_shows_what_would_go_and_asks_the_kernel_for_nothing() {
        let mut kernel = Recording::default().with_loaded("a_b", &[]);
        let dry = Remove { effect: Effect::Rehearsed, show: true, ..request(&["a-b"]) };
        assert_eq!(outcome(&mut kernel, &dry), ("rmmod a_b\n".into(), Exit::Success, vec![]));
    }

    #[test]
    fn in_a_dry_run_what_is_gone_holds_nothing() {
        let mut kernel = Recording::default().with_loaded("below", &[]).with_loaded("top", &["below"]);
        let dry = |operands| Remove { effect: Effect::Rehearsed, show: true, ..request(operands) };
        let both = outcome(&mut kernel, &dry(&["top", "below"]));
        assert_eq!(both, ("rmmod top\nrmmod below\n".into(), Exit::Success, vec![]));
        let (said, exit, _) = outcome(&mut kernel, &dry(&["below", "top"]));
        assert_eq!(said, "rmmod: ERROR: Module below is in use by: top\nrmmod top\n");
        assert_eq!(exit, Exit::Failure);
    }

    #[test]
    fn settings_are_saved_before_a_module_goes_unless_told_otherwise() {
        for (persist, saved) in [(Persist::AsConfigured, true), (Persist::NotThisTime, false)] {
            let world = world(&[("etc/modutils.d/a.conf", "persist m\n")]);
            world.load("m", "fs-m", &[]);
            world.write("sys/module/m/parameters/a", "1\n");
            world.take_baseline("m");
            world.write("sys/module/m/parameters/a", "2\n");
            let request = Remove { persist, ..request(&["m"]) };
            let voice = Voice::default();
            let exit = world.run(&voice.session(), &Request::Remove(request), world.kernel());
            assert_eq!(exit, Exit::Success);
            assert_eq!(voice.said(), "");
            assert!(!world.path("sys/module/m").exists());
            assert_eq!(world.path("var/lib/modutils/settings/m").exists(), saved);
        }
    }

    #[test]
    fn commands_of_modutils_stand_around_a_removal() {
        let world = world(&[("etc/modutils.d/a.conf", "pre-remove * before\npost-remove m after\n")]);
        world.load("m", "fs-m", &[]);
        let voice = Voice::default();
        let mut kernel = world.kernel();
        let exit = world.run(&voice.session(), &Request::Remove(request(&["m"])), &mut kernel);
        assert_eq!((voice.said(), exit), (String::new(), Exit::Success));
        let lines: Vec<_> = kernel.shell.iter().map(|line| line.split(' ').next().unwrap()).collect();
        assert_eq!(lines, ["before", "after"]);
        world.load("m", "fs-m", &[]);
        let voice = Voice::default();
        let mut kernel = world.kernel();
        kernel.shell_status = 1 << 8;
        let exit = world.run(&voice.session(), &Request::Remove(request(&["m"])), &mut kernel);
        assert_eq!(exit, Exit::Failure);
        assert!(voice.said().ends_with("failed: it ended with status 1\n"), "{}", voice.said());
        assert!(world.path("sys/module/m").exists());
    }

    #[test]
    fn an_operand_is_a_name_unless_a_file_is_there() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("a-b.ko.xz");
        std::fs::write(&file, "").unwrap();
        assert_eq!(name(file.as_os_str()), "a_b".into());
        assert_eq!(name(OsStr::new("c-d.ko")), "c_d".into());
        assert_eq!(name(OsStr::new("missing/c-d")).as_bytes(), b"missing/c_d");
        assert_eq!(name(OsStr::new("/")).as_bytes(), b"");
    }
}
