//! `--root DIR`: whatever links say, nothing outside of the directory counts, as if it were the root directory.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed expectation is how a test speaks")]

mod world;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fixtures::{Module, Tree};
use world::{DEPMOD, VERSION, directory, stderr};

/// Two modules of one name, of which depmod.d decides the one that counts.
fn tree() -> Tree {
    let module = |alias: &str| Module::new("x").alias(alias);
    Tree::new(VERSION)
        .module("kernel/x.ko", module("kernel"))
        .module("updates/x.ko", module("updates"))
        .directory("/etc/depmod.d")
        .with_build_files()
}

/// A system, and beside it a directory that links out of the system would lead to.
struct System {
    place: tempfile::TempDir,
}

impl System {
    fn new() -> Self {
        let system = Self { place: tempfile::tempdir().unwrap() };
        fs::create_dir_all(system.outside()).unwrap();
        fs::create_dir_all(system.inside(&system.outside())).unwrap();
        tree().write(&system.root()).unwrap();
        system
    }

    fn root(&self) -> PathBuf {
        self.place.path().join("root")
    }

    fn outside(&self) -> PathBuf {
        self.place.path().join("outside")
    }

    /// What an absolute path means inside of the system.
    fn inside(&self, path: &Path) -> PathBuf {
        self.root().join(path.strip_prefix("/").unwrap())
    }

    /// Writes a file outside, and another one of the same path inside.
    fn write(&self, name: &str, outside: &str, inside: &str) -> PathBuf {
        let path = self.outside().join(name);
        fs::write(&path, outside).unwrap();
        fs::write(self.inside(&path), inside).unwrap();
        path
    }

    fn run(&self, options: &[&str]) -> Output {
        let mut command = Command::new(DEPMOD);
        command.arg("--root").arg(self.root()).args(options).arg(VERSION).env("LC_ALL", "C");
        command.output().unwrap()
    }

    /// Runs depmod, which must have nothing to say, and returns `modules.dep`.
    fn dependencies(&self, options: &[&str]) -> String {
        let output = self.run(options);
        assert!(output.status.success() && output.stderr.is_empty(), "{}", stderr(&output));
        fs::read_to_string(directory(&self.root()).join("modules.dep")).unwrap()
    }
}

/// A path that leads to an absolute one from anywhere, out of whatever it is in.
fn upwards(path: &Path) -> PathBuf {
    Path::new(&"../".repeat(40)).join(path.strip_prefix("/").unwrap())
}

#[test]
fn links_in_depmod_d_are_followed_inside() {
    for leads in [Path::to_path_buf, upwards] {
        let system = System::new();
        assert_eq!(system.dependencies(&["-a"]), "updates/x.ko:\n");
        let target = system.write("target", "exclude x.ko\n", "search built-in updates\n");
        symlink(leads(&target), system.root().join("etc/depmod.d/a.conf")).unwrap();
        assert_eq!(system.dependencies(&["-a"]), "kernel/x.ko:\n");
    }
}

#[test]
fn depmod_d_itself_and_what_is_above_it_may_be_links() {
    for link in ["etc/depmod.d", "etc"] {
        let system = System::new();
        let target = system.outside().join(link.rsplit('/').next().unwrap());
        fs::create_dir_all(&target).unwrap();
        fs::rename(system.root().join(link), system.inside(&target)).unwrap();
        symlink(&target, system.root().join(link)).unwrap();
        let config = if link == "etc" { "depmod.d/a.conf" } else { "a.conf" };
        fs::create_dir_all(target.join(config).parent().unwrap()).unwrap();
        fs::write(target.join(config), "exclude x.ko\n").unwrap();
        fs::write(system.inside(&target).join(config), "search built-in updates\n").unwrap();
        assert_eq!(system.dependencies(&["-a"]), "kernel/x.ko:\n", "{link}");
    }
}

#[test]
fn a_link_in_depmod_d_that_leads_nowhere_inside_is_told_though_there_is_something_outside() {
    let system = System::new();
    let target = system.write("target", "exclude x.ko\n", "");
    fs::remove_file(system.inside(&target)).unwrap();
    symlink(&target, system.root().join("etc/depmod.d/a.conf")).unwrap();
    let output = system.run(&["-a"]);
    assert!(stderr(&output).contains("Cannot stat directory entry"), "{}", stderr(&output));
    assert_eq!(fs::read_to_string(directory(&system.root()).join("modules.dep")).unwrap(), "updates/x.ko:\n");
}

#[test]
fn symbols_are_found_through_a_build_link_inside() {
    for (option, leads) in [
        ("--root", Path::to_path_buf as fn(&Path) -> PathBuf),
        ("--root", upwards),
        // As the option that kmod has, for this link.
        ("-b", Path::to_path_buf),
        ("-b", upwards),
    ] {
        let system = System::new();
        let target = system.outside().join("linux");
        for (place, symbol) in [(&target, "outside"), (&system.inside(&target), "inside")] {
            fs::create_dir_all(place).unwrap();
            let line = format!("0x1\t{symbol}\tvmlinux\tEXPORT_SYMBOL\n");
            fs::write(place.join("Module.symvers"), line).unwrap();
        }
        let needs = Module::new("needs").versioned_need("inside", 1).bytes();
        let modules = directory(&system.root());
        fs::write(modules.join("kernel/needs.ko"), needs).unwrap();
        symlink(leads(&target), modules.join("build")).unwrap();
        let mut command = Command::new(DEPMOD);
        command.args(["-a", "-e", option]).arg(system.root()).arg(VERSION).env("LC_ALL", "C");
        command.arg("-C").arg(system.root().join("etc/depmod.d"));
        let output = command.output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{option}: {}", stderr(&output));
    }
}

#[test]
fn modules_and_directories_of_modules_are_followed_inside() {
    for leads in [Path::to_path_buf, upwards] {
        let system = System::new();
        let modules = directory(&system.root());
        let [file, more] = ["linked.ko", "more"].map(|name| system.outside().join(name));
        for (place, alias) in [(system.place.path().to_owned(), "outside"), (system.root(), "inside")] {
            let at = |path: &Path| {
                if alias == "inside" { system.inside(path) } else { place.join(path) }
            };
            fs::write(at(&file), Module::new("linked").alias(alias).bytes()).unwrap();
            fs::create_dir_all(at(&more)).unwrap();
            fs::write(at(&more).join(format!("{alias}.ko")), Module::new(alias).bytes()).unwrap();
        }
        symlink(leads(&file), modules.join("kernel/linked.ko")).unwrap();
        symlink(leads(&more), modules.join("kernel/more")).unwrap();
        let dependencies = system.dependencies(&["-a"]);
        let mut lines: Vec<&str> = dependencies.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["kernel/linked.ko:", "kernel/more/inside.ko:", "updates/x.ko:"]);
        let aliases = fs::read_to_string(modules.join("modules.alias")).unwrap();
        assert!(aliases.contains("alias inside linked\n") && !aliases.contains("outside"), "{aliases}");
    }
}

#[test]
fn external_directories_are_those_inside_and_are_recorded_as_the_system_calls_them() {
    let system = System::new();
    let external = system.outside().join("external");
    for (place, name) in [(external.clone(), "outside"), (system.inside(&external), "inside")] {
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join(format!("{name}.ko")), Module::new(name).bytes()).unwrap();
    }
    let line = format!("external * {}\nsearch external updates built-in\n", external.display());
    fs::write(system.root().join("etc/depmod.d/a.conf"), line).unwrap();
    let expected = format!("{}:", external.join("inside.ko").display());
    let cache = system.place.path().join("cache");
    for _ in 0..3 {
        let dependencies = system.dependencies(&["-a", "--cache", cache.to_str().unwrap()]);
        assert!(dependencies.lines().any(|line| line == expected), "{dependencies}");
        assert!(!dependencies.contains("outside.ko"), "{dependencies}");
    }
}

#[test]
fn a_quick_run_looks_at_the_configuration_and_external_modules_inside() {
    let system = System::new();
    let external = system.outside().join("external");
    fs::create_dir_all(system.inside(&external)).unwrap();
    fs::write(system.inside(&external).join("e.ko"), Module::new("e").bytes()).unwrap();
    let config = system.write(
        "config",
        "exclude x.ko\n",
        &format!("external * {}\nsearch external updates built-in\n", external.display()),
    );
    symlink(&config, system.root().join("etc/depmod.d/a.conf")).unwrap();
    let reference = || fs::metadata(directory(&system.root()).join("modules.dep")).unwrap();
    let state = || {
        use std::os::unix::fs::MetadataExt;
        (reference().ino(), reference().ctime(), reference().ctime_nsec())
    };
    system.dependencies(&["-a"]);
    let built = state();
    let dependencies = system.dependencies(&["-A"]);
    assert!(dependencies.contains("external/e.ko:\n"), "{dependencies}");
    assert_eq!(state(), built, "there is nothing to do");
    let later = reference().modified().unwrap() + std::time::Duration::from_secs(10);
    let set = |path: &Path| fs::File::open(path).unwrap().set_modified(later).unwrap();
    set(&config);
    system.dependencies(&["-A"]);
    assert_eq!(state(), built, "a file outside is newer");
    set(&system.inside(&config));
    system.dependencies(&["-A"]);
    assert_ne!(state(), built, "the configuration is newer");
}
