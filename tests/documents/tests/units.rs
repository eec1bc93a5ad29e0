//! The units for systemd, held against what the documents and the other files say of them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is how a test speaks")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A unit's settings: section, name and value of each, in their order.
type Unit = Vec<(String, String, String)>;

fn tree() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn units() -> BTreeMap<String, Unit> {
    let mut units = BTreeMap::new();
    for entry in fs::read_dir(tree().join("packaging/systemd")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        units.insert(name.clone(), unit(&name, &fs::read_to_string(&path).unwrap()));
    }
    assert!(units.len() >= 3, "{units:?}");
    units
}

fn unit(name: &str, text: &str) -> Unit {
    let mut section = String::new();
    let mut settings = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(title) = line.strip_prefix('[') {
            section = title.strip_suffix(']').unwrap_or_else(|| panic!("{name}: {line}")).to_owned();
        } else {
            let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("{name}: {line}"));
            settings.push((section.clone(), key.to_owned(), value.to_owned()));
        }
    }
    settings
}

fn values<'u>(unit: &'u Unit, section: &str, key: &str) -> Vec<&'u str> {
    let these = unit.iter().filter(|(at, name, _)| at == section && name == key);
    these.map(|(_, _, value)| value.as_str()).collect()
}

#[test]
fn each_has_what_its_kind_needs_and_says_what_it_is() {
    let units = units();
    for (name, unit) in &units {
        let (stem, kind) = name.rsplit_once('.').unwrap();
        assert_eq!(values(unit, "Unit", "Description").len(), 1, "{name}");
        match kind {
            "service" => assert!(
                !values(unit, "Service", "ExecStart").is_empty()
                    && values(unit, "Service", "Type").len() == 1,
                "{name} starts nothing"
            ),
            "timer" => {
                let starts =
                    values(unit, "Timer", "Unit").first().map_or(format!("{stem}.service"), |u| (*u).into());
                assert!(units.contains_key(&starts), "{name} starts {starts}, which is not here");
            }
            "path" | "socket" | "target" | "mount" => {}
            _ => panic!("{name}: what kind is that?"),
        }
    }
}

#[test]
fn no_service_may_do_what_it_never_needs() {
    for (name, unit) in units().iter().filter(|(name, _)| name.ends_with(".service")) {
        for key in
            ["NoNewPrivileges", "ProtectClock", "ProtectHostname", "RestrictNamespaces", "RestrictSUIDSGID"]
        {
            assert_eq!(values(unit, "Service", key), ["yes"], "{name}: {key}");
        }
        for key in ["CapabilityBoundingSet", "SystemCallFilter"] {
            assert!(!values(unit, "Service", key).is_empty(), "{name}: {key}");
        }
        // Mounts of its own would keep a command from unmounting anything.
        let runs_commands = name == "modutils-autoclean.service";
        assert_eq!(values(unit, "Service", "ProtectSystem").is_empty(), runs_commands, "{name}");
        assert_eq!(values(unit, "Service", "ProtectHome").is_empty(), runs_commands, "{name}");
        assert_eq!(values(unit, "Service", "SystemCallArchitectures"), ["native"], "{name}");
    }
}

#[test]
fn programs_and_pages_that_they_name_are_there() {
    for (name, unit) in units() {
        for (section, key, value) in &unit {
            if section == "Service" && key.starts_with("Exec") {
                let program = value.trim_start_matches(['-', '@', '+', '!', ':']).split(' ').next().unwrap();
                let (directory, tool) = program.rsplit_once('/').unwrap_or_default();
                let ours = directory == if tool == "kmod" { "/bin" } else { "/sbin" } && suite::has(tool);
                assert!(ours || ["/bin/true", "/bin/sh"].contains(&program), "{name}: {program}");
            }
            if key == "Documentation" {
                for page in value.split(' ') {
                    let page = page.strip_prefix("man:").and_then(|page| page.strip_suffix(')'));
                    let file = page.unwrap_or_else(|| panic!("{name}: {value}")).replace('(', ".");
                    assert!(tree().join("man").join(&file).is_file(), "{name}: no page {file}");
                }
            }
        }
    }
}

/// Whoever follows a page types `systemctl enable`, and the package enables one: either fails without a place to be
/// enabled at.
#[test]
fn what_is_to_be_enabled_says_where() {
    let mut texts = vec![fs::read_to_string(tree().join("README.md")).unwrap()];
    for entry in fs::read_dir(tree().join("man")).unwrap() {
        texts.push(fs::read_to_string(entry.unwrap().path()).unwrap().replace('\\', ""));
    }
    let package = fs::read_to_string(tree().join("packaging/debian/modutils-rs/common.sh")).unwrap();
    let named =
        |line: &str, name: &str| line.split_whitespace().any(|word| word.trim_matches(['`', '.']) == name);
    let mut enabled = Vec::new();
    for (name, unit) in units() {
        let by_hand = texts
            .iter()
            .flat_map(|text| text.lines())
            .any(|line| line.contains("systemctl enable") && named(line, &name));
        let by_package = package.lines().any(|line| {
            let list = line.strip_prefix("units='").and_then(|rest| rest.strip_suffix('\''));
            list.is_some_and(|list| list.split(' ').any(|unit| unit == name))
        });
        if by_hand || by_package {
            assert!(!values(&unit, "Install", "WantedBy").is_empty(), "{name} can be enabled nowhere");
            enabled.push(name);
        }
    }
    for unit in [
        "modutils-autoclean.timer",
        "modutils-settings.service",
        "modutils-restore-early.service",
        "modutils-restore.service",
    ] {
        assert!(enabled.iter().any(|name| name == unit), "nobody enables {unit}");
    }
}
