//! A system made of data, on which modprobe runs from its command line to its status.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use fixtures::Shown;
use modcli::sink::Sink;
use modcli::{Exit, Output, Reporter, Session};
use modkernel::{KernelEvent, Recording};
use modload::Environment;
use modprobe::System;
use modprobe::caller::Caller;
use modstate::{Places, SystemClock};

/// A system in a directory, and what a run on it did.
pub struct World {
    pub root: tempfile::TempDir,
    pub kernel: Recording,
    pub caller: Caller,
    pub environment: Environment,
}

/// What a run said on standard output and standard error, and its status.
pub type Said = (Vec<String>, Vec<String>, Exit);

/// `top` needs `low`; they are installed for the release 6.1, with these lines in modprobe.d.
pub fn world(config: &str) -> World {
    let root = tempfile::tempdir().unwrap();
    let world = World {
        root,
        kernel: Recording::default().with_needs("top", &["low"]),
        caller: Caller::Anyone,
        environment: Environment { has_path: true, ..Environment::default() },
    };
    for (path, text) in [
        ("lib/modules/6.1/modules.dep", "top.ko: low.ko\nlow.ko:\n"),
        ("lib/modules/6.1/modules.alias", "alias fs-top top\n"),
        ("lib/modules/6.1/modules.symbols", ""),
        ("lib/modules/6.1/top.ko", ""),
        ("lib/modules/6.1/low.ko", ""),
        ("etc/modprobe.d/a.conf", config),
        ("proc/cmdline", ""),
        ("proc/sys/kernel/random/boot_id", "5bd21c3c-0a4d-4f0e-9e2b-7c7f6f1f2a3b\n"),
        ("sys/module/top/parameters/a", "1\n"),
        ("sys/module/low/parameters/a", "1\n"),
        ("run/lock", ""),
        ("var/lib/lock", ""),
    ] {
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

    pub fn places(&self) -> Places {
        Places::below(self.root.path(), rustix::process::geteuid().as_raw())
    }

    /// Runs modprobe on this system with these arguments; `-d` and `-C` are its own.
    pub fn run(&mut self, arguments: &[&str]) -> Said {
        let (stdout, stderr) = (Shown::default(), Shown::default());
        let root = self.root.path().to_owned();
        let mut argv: Vec<OsString> =
            ["modprobe", "-d", root.to_str().unwrap(), "-C", self.path("etc/modprobe.d").to_str().unwrap()]
                .map(OsString::from)
                .to_vec();
        argv.extend(arguments.iter().map(OsString::from));
        let sink = Sink::new("modprobe", modcli::sink::LogPlaces::default(), Some(Box::new(stderr.clone())));
        let session = Session {
            program: "modprobe",
            argv,
            closed: modcli::startup::closed_descriptors(),
            reporter: Reporter::new(sink),
            output: Output::to(Box::new(stdout.clone())),
        };
        let places = self.places();
        let system = System {
            kernel: &mut self.kernel,
            places: &places,
            clock: &SystemClock,
            caller: self.caller,
            environment: self.environment.clone(),
            release: "6.1".into(),
            current_dir: &|| root.clone(),
        };
        let result = modprobe::run_in(&session, system);
        let exit = session.finish(result);
        // The indexes are missing here, which is reported and changes nothing.
        let lines = |shown: Shown| {
            let lines = shown.lines().into_iter().filter(|line| !line.contains("run depmod"));
            lines.map(|line| line.replace(root.to_str().unwrap(), "")).collect()
        };
        (lines(stdout), lines(stderr), exit)
    }

    /// What the kernel was asked for, in order, without directories.
    pub fn asked(&self) -> Vec<String> {
        let asked = self.kernel.events().iter().map(|event| match event {
            KernelEvent::Insert { path, params, .. } => {
                let name = path.file_name().unwrap().display();
                format!("insert {name} {}", params.to_str().unwrap()).trim_end().to_owned()
            }
            KernelEvent::Remove { module, .. } => format!("remove {module}"),
            KernelEvent::Shell { line, .. } => format!("shell {}", line.display()),
        });
        asked.collect()
    }
}
