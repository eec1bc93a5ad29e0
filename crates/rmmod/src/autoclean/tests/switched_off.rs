//! Every kind of evidence is needed: for each there is a system in which it alone keeps a module. With that one
//! switched off, whole passes unload the module; with all of them on, no pass does.

use std::fs;
use std::os::unix::fs::symlink;

use super::{World, request, world};
use modcli::Exit;
use modhint::evidence::{KINDS, Kind};

/// What keeps a module: files of the system, the module's name, and what is said of it.
struct Kept {
    files: &'static [(&'static str, &'static str)],
    module: &'static str,
    because: &'static str,
}

/// One for each kind of evidence, in the order of [`KINDS`]. A text that begins with `->` is a link.
const KEPT: [Kept; 9] = [
    Kept {
        files: &[("sys/module/m/taint", "OE\n")],
        module: "m",
        because: "kept: use counts of modules from outside the kernel's tree prove nothing",
    },
    Kept {
        files: &[("sys/module/m/drivers/pci:m/0000:00:01.0", "->../../../../devices/x")],
        module: "m",
        because: "in use: device 0000:00:01.0",
    },
    Kept {
        files: &[("sys/class/net/m0/uevent", "DEVTYPE=m\n")],
        module: "m",
        because: "in use: network interface m0",
    },
    Kept {
        files: &[("proc/devices", "Block devices:\n251 m\n"), ("sys/block/m0/dev", "251:0\n")],
        module: "m",
        because: "in use: block device m0",
    },
    Kept {
        files: &[
            ("proc/devices", "Block devices:\n254 m\n"),
            ("proc/swaps", "Filename Type\n/dev/m2 partition 9 0 -2\n"),
            ("sys/class/block/m2/dev", "254:2\n"),
        ],
        module: "m",
        because: "in use: swap on /dev/m2",
    },
    Kept { files: &[("proc/mounts", "/dev/a /mnt m rw 0 0\n")], module: "m", because: "in use: /mnt (m)" },
    Kept {
        files: &[("proc/net/ip_tables_names", "nat\n")],
        module: "iptable_nat",
        because: "in use: packet filter table nat",
    },
    Kept {
        files: &[("proc/net/protocols", "protocol size sockets\nM 9 2 -1 NI 0 no m y\n")],
        module: "m",
        because: "in use: 2 sockets of M",
    },
    Kept {
        files: &[("proc/sys/net/ipv4/tcp_congestion_control", "m\n")],
        module: "tcp_m",
        because: "in use: chosen in",
    },
];

impl Kept {
    fn world(&self) -> World {
        let world = world(&[]);
        world.load(self.module, "fs-m", &["fs-m"]);
        for (path, text) in self.files {
            world.write(path, text);
            if let Some(target) = text.strip_prefix("->") {
                fs::remove_file(world.path(path)).unwrap();
                symlink(target, world.path(path)).unwrap();
            }
        }
        world
    }
}

/// What the second of two passes, an interval apart, says of the module.
fn second_pass(world: &World, evidence: &[Kind]) -> String {
    let mut said = Vec::new();
    for second in [100, 200] {
        let (lines, exit) = world.pass_by(evidence, second, &request(), &mut world.kernel());
        assert_eq!((lines.len(), exit), (1, Exit::Success), "{lines:?}");
        said = lines;
    }
    said.concat()
}

#[test]
fn every_kind_of_evidence_keeps_a_module_that_no_other_kind_would_keep() {
    assert_eq!(KEPT.len(), KINDS.len());
    for (number, kept) in KEPT.iter().enumerate() {
        let all_on = second_pass(&kept.world(), &KINDS);
        assert!(all_on.starts_with(&format!("{} fs-m {}", kept.module, kept.because)), "{all_on}");

        let mut others = KINDS.to_vec();
        others.remove(number);
        let world = kept.world();
        assert_eq!(second_pass(&world, &others), format!("{} fs-m unloaded", kept.module));
        assert!(!world.path("sys/module").join(kept.module).exists());
    }
}

#[test]
fn what_is_kept_is_kept_by_its_evidence_alone() {
    for kept in KEPT {
        assert!(second_pass(&kept.world(), &[]).ends_with("unloaded"), "{}", kept.because);
    }
}
