//! `kmod devices`: every device of the running system that says what it is (its `modalias`), with the modules that match,
//! and whether they drive it, could, or are kept out.

pub(crate) mod cli;
mod device;
mod report;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use modcli::getopt::Order;
use modcli::{Exit, Session, words};
use moddb::ModuleDb;
use moddb::config::Config;
use moddb::paths::ModuleDir;
use modkernel::Sysfs;

use device::Device;
use report::Found;

/// Runs the command.
pub(crate) fn run(session: &Session, arguments: &[OsString]) -> anyhow::Result<Exit> {
    let parsed = session.parse_in_order(&cli::DEFINITION, arguments, Order::Posix)?;
    let release = OsString::from_vec(rustix::system::uname().release().to_bytes().to_vec());
    let command_line = Path::new(moddb::paths::KERNEL_COMMAND_LINE);
    let directory = ModuleDir::new(Path::new(""), &release);
    let (config, problems) =
        Config::load(&moddb::paths::modprobe_d(), &directory.configuration(), Some(command_line));
    for (severity, text) in problems.iter().map(words::config) {
        session.reporter.message(severity, text);
    }
    let db = ModuleDb::new(directory, config);
    let sys = PathBuf::from(crate::paths::SYS);
    let found = look(&sys, &db, parsed.has(cli::MISSING));
    for (severity, text) in db.take_problems().iter().map(words::table) {
        session.reporter.message(severity, text);
    }
    session.output.print(match parsed.has(cli::JSON) {
        true => report::json(&found),
        false => report::table(&found, &release),
    })?;
    Ok(Exit::Success)
}

/// The devices below `sys` and what is known of each, or only those that nothing drives.
fn look(sys: &Path, db: &ModuleDb, only_missing: bool) -> Vec<Found> {
    let loaded = Sysfs::new(sys.join("module"));
    let devices = device::below(&sys.join("devices"));
    let found = devices.into_iter().map(|device: Device| report::matched(device, db, &loaded));
    found.filter(|found| !only_missing || found.is_missing()).collect()
}

/// Bytes of a path.
fn bytes(text: &OsStr) -> &[u8] {
    std::os::unix::ffi::OsStrExt::as_bytes(text)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use fixtures::{Module, Tree};

    use super::*;

    #[test]
    fn devices_are_driven_or_could_be_or_are_kept_out() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        let device = |path: &str, bus: &str, modalias: &str, driver: Option<(&str, Option<&str>)>| {
            let directory = at("sys/devices").join(path);
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join("modalias"), format!("{modalias}\n")).unwrap();
            let bus_directory = at("sys/bus").join(bus);
            fs::create_dir_all(bus_directory.join("drivers")).unwrap();
            symlink(&bus_directory, directory.join("subsystem")).unwrap();
            if let Some((name, module)) = driver {
                let driver = bus_directory.join("drivers").join(name);
                fs::create_dir_all(&driver).unwrap();
                symlink(&driver, directory.join("driver")).unwrap();
                if let Some(module) = module {
                    let module = at("sys/module").join(module);
                    fs::create_dir_all(&module).unwrap();
                    fs::write(module.join("initstate"), "live\n").unwrap();
                    symlink(&module, driver.join("module")).unwrap();
                }
            }
        };
        let pci = |id: &str| format!("pci:v0000{id}sv00001AF4sd00001100bc02sc00i00");
        device("pci0/0000:00:03.0", "pci", &pci("8086d0000100E"), Some(("e1000", Some("e1000"))));
        device("pci0/0000:00:04.0", "pci", &pci("10ECd00008139"), None);
        device("pci0/0000:00:05.0", "pci", &pci("1B36d00000010"), None);
        device("pci0/usb1/1-2/1-2:1.0", "usb", "usb:v0BDAp8179d0000dc00dsc00dp00icFFiscFFipFFin00", None);
        device("platform/serial8250", "platform", "platform:serial8250", Some(("serial8250", None)));
        let tree = Tree::new("6.1")
            .module("kernel/e1000.ko", Module::new("e1000").alias("pci:v00008086d0000100Esv*"))
            .module("kernel/r8139.ko", Module::new("r8139").alias("pci:v000010ECd00008139sv*"))
            .module("kernel/r8188eu.ko", Module::new("r8188eu").alias("usb:v0BDAp8179*"))
            .file("modules.dep", "kernel/e1000.ko:\nkernel/r8139.ko:\nkernel/r8188eu.ko:\n")
            .file(
                "modules.alias",
                "alias pci:v00008086d0000100Esv* e1000\nalias pci:v000010ECd00008139sv* r8139\n\
                 alias usb:v0BDAp8179* r8188eu\n",
            );
        tree.write(&at("")).unwrap();
        fs::create_dir(at("modprobe.d")).unwrap();
        fs::write(at("modprobe.d/wifi.conf"), "# not here\nblacklist r8188eu\n").unwrap();
        let (config, problems) = Config::load(&[at("modprobe.d")], &[], None);
        assert_eq!(problems, []);
        let db = ModuleDb::new(ModuleDir::new(root.path(), OsStr::new("6.1")), config);
        let wifi = at("modprobe.d/wifi.conf");
        let wifi = wifi.display();

        let all = look(&at("sys"), &db, false);
        let table = report::table(&all, OsStr::new("6.1"));
        let words = |line: &str| {
            line.split("  ").map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
        };
        let rows: Vec<Vec<String>> = table.lines().map(words).collect();
        let kept_out = format!("r8188eu matches, kept out by {wifi} line 2 (blacklist)");
        assert_eq!(
            rows,
            [
                vec!["pci 0000:00:03.0", "8086:100e", "driven by e1000"],
                vec!["pci 0000:00:04.0", "10ec:8139", "r8139 matches, not loaded"],
                vec!["pci 0000:00:05.0", "1b36:0010", "nothing matches in 6.1"],
                vec!["usb 1-2:1.0", "0bda:8179", &kept_out],
                vec!["platform serial8250", "platform:serial8250", "driven by serial8250, built in"],
            ]
        );
        let missing = look(&at("sys"), &db, true);
        assert_eq!(missing.len(), 3);
        let json = report::json(&missing[2..]);
        let sys = at("sys/devices");
        assert_eq!(
            json,
            format!(
                "[\n{{\"path\":\"{}/pci0/usb1/1-2/1-2:1.0\",\"bus\":\"usb\",\"name\":\"1-2:1.0\",\
                 \"modalias\":\"usb:v0BDAp8179d0000dc00dsc00dp00icFFiscFFipFFin00\",\"driver\":null,\
                 \"driver_module\":null,\"modules\":[{{\"name\":\"r8188eu\",\"state\":\"not loaded\",\
                 \"kept_out\":\"{wifi} line 2 (blacklist)\"}}]}}\n]\n",
                sys.display()
            )
        );
    }
}
