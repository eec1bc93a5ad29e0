//! Signs that a module serves somebody, whatever its use count says. Each kind is a function of its own over
//! directories that are passed in.
//!
//! What `/sys` and `/proc` say of the network and of mounts covers the namespaces of this process only: it can
//! keep a module, never free one. A fact that is there and cannot be read is a sign of use.

mod block;
mod devices;
mod interfaces;
mod mounts;
mod selected;
mod sockets;
mod sources;
mod swap;
mod tables;
mod taint;

use std::fmt;
use std::path::PathBuf;

use modfile::ModuleName;
use modfile::name::normalize_alias;

pub use sources::Sources;

/// The module in question.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Its name.
    pub name: ModuleName,
    /// What the kernel asked for, and the aliases in the module's file, as far as they are known.
    pub aliases: Vec<Vec<u8>>,
}

impl Subject {
    /// What follows `class` in the aliases, in normalised form, and the module's own name.
    fn names_in_class(&self, class: &str) -> Vec<Vec<u8>> {
        let mut names = vec![self.name.as_bytes().to_vec()];
        for alias in self.aliases.iter().filter_map(|alias| normalize_alias(alias).ok()) {
            if let Some(name) = alias.strip_prefix(class.as_bytes()) {
                names.push(name.to_vec());
            }
        }
        names
    }
}

/// A sign that a module is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sign {
    /// A device is bound to one of its drivers.
    Device(Vec<u8>),
    /// A network interface is of its driver or of its kind.
    Interface(Vec<u8>),
    /// A block device is of its driver.
    BlockDevice(Vec<u8>),
    /// Swap is on a device of its driver.
    Swap(Vec<u8>),
    /// A file system of a type of its is mounted.
    Mounted {
        /// What is mounted.
        device: Vec<u8>,
        /// Where.
        place: Vec<u8>,
        /// The type.
        kind: Vec<u8>,
    },
    /// Its packet filter table is registered.
    Table(Vec<u8>),
    /// Sockets of its protocol are open.
    Sockets {
        /// The protocol as the kernel names it.
        protocol: Vec<u8>,
        /// How many.
        count: u64,
    },
    /// It is chosen in a file of `/proc/sys`.
    Selected(PathBuf),
    /// It was not built with the kernel, and nobody knows whether it counts its users.
    OutOfTree,
    /// A fact cannot be read.
    Unreadable(PathBuf),
}

impl Sign {
    /// Whether somebody uses the module for certain, rather than perhaps.
    #[must_use]
    pub fn is_use(&self) -> bool {
        !matches!(self, Self::OutOfTree | Self::Unreadable(_))
    }
}

/// A kind of evidence: the signs that it finds, or the fact that it cannot read.
pub type Kind = fn(&Sources, &Subject) -> Result<Vec<Sign>, Sign>;

/// All kinds of evidence, cheap ones first.
pub const KINDS: [Kind; 9] = [
    taint::out_of_tree,
    devices::bound,
    interfaces::own,
    block::own,
    swap::on_its_device,
    mounts::own,
    tables::registered,
    sockets::open,
    selected::chosen,
];

/// The first sign, among those of `kinds`, that a module is used.
#[must_use]
pub fn first(kinds: &[Kind], sources: &Sources, subject: &Subject) -> Option<Sign> {
    kinds.iter().find_map(|kind| match kind(sources, subject) {
        Ok(signs) => signs.into_iter().next(),
        Err(unreadable) => Some(unreadable),
    })
}

/// Every sign of every kind that a module is used, in the order of the kinds.
#[must_use]
pub fn all(sources: &Sources, subject: &Subject) -> Vec<Sign> {
    KINDS
        .iter()
        .flat_map(|kind| kind(sources, subject).unwrap_or_else(|unreadable| vec![unreadable]))
        .collect()
}

impl fmt::Display for Sign {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy;
        match self {
            Self::Device(name) => write!(formatter, "in use: device {}", text(name)),
            Self::Interface(name) => write!(formatter, "in use: network interface {}", text(name)),
            Self::BlockDevice(name) => write!(formatter, "in use: block device {}", text(name)),
            Self::Swap(name) => write!(formatter, "in use: swap on {}", text(name)),
            Self::Mounted { place, kind, .. } => {
                write!(formatter, "in use: {} ({})", text(place), text(kind))
            }
            Self::Table(name) => write!(formatter, "in use: packet filter table {}", text(name)),
            Self::Sockets { protocol, count } => {
                write!(formatter, "in use: {count} sockets of {}", text(protocol))
            }
            Self::Selected(path) => write!(formatter, "in use: chosen in {}", path.display()),
            Self::OutOfTree => {
                write!(formatter, "kept: use counts of modules from outside the kernel's tree prove nothing")
            }
            Self::Unreadable(path) => write!(formatter, "kept: cannot read {}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::*;

    /// A system made of files, as `sys/...` and `proc/...`; a text that begins with `->` is a link.
    fn sign(files: &[(&str, &str)], module: &str, aliases: &[&str]) -> Option<Sign> {
        let root = tempfile::tempdir().unwrap();
        plant(root.path(), files);
        let sources = Sources::new(&root.path().join("sys"), &root.path().join("proc"));
        let aliases = aliases.iter().map(|alias| alias.as_bytes().to_vec()).collect();
        let sign = first(&KINDS, &sources, &Subject { name: module.into(), aliases });
        match sign {
            // The directory's name is of no interest.
            Some(Sign::Unreadable(path)) => {
                Some(Sign::Unreadable(path.strip_prefix(root.path()).unwrap().to_owned()))
            }
            Some(Sign::Selected(path)) => {
                Some(Sign::Selected(path.strip_prefix(root.path()).unwrap().to_owned()))
            }
            other => other,
        }
    }

    fn plant(root: &Path, files: &[(&str, &str)]) {
        // What every system has; it says nothing about any module.
        for directory in ["sys/module/m/holders", "sys/class/net", "sys/block", "proc"] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        for (path, text) in [
            ("proc/mounts", "proc /proc proc rw 0 0\n"),
            ("proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n"),
            ("proc/devices", "Character devices:\n  1 mem\n\nBlock devices:\n  7 loop\n"),
        ] {
            fs::write(root.join(path), text).unwrap();
        }
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match text.strip_prefix("->") {
                Some(target) => symlink(target, path).unwrap(),
                None => fs::write(path, text).unwrap(),
            }
        }
    }

    #[test]
    fn a_module_that_nothing_mentions_shows_no_sign() {
        assert_eq!(sign(&[], "m", &["fs-m"]), None);
    }

    #[test]
    fn a_device_bound_to_a_driver_of_the_module_is_a_sign() {
        let driver = [
            ("sys/module/m/drivers/i2c:A B/bind", ""),
            ("sys/module/m/drivers/i2c:A B/module", "->../../../m"),
        ];
        assert_eq!(sign(&driver, "m", &[]), None);
        let bound = [driver.as_slice(), &[("sys/module/m/drivers/i2c:A B/0-0050", "->../../x")]].concat();
        assert_eq!(sign(&bound, "m", &[]), Some(Sign::Device(b"0-0050".to_vec())));
    }

    #[test]
    fn an_interface_of_the_modules_driver_is_a_sign() {
        let files = [("sys/class/net/eth0/device/driver/module", "->../../../../../module/m")];
        assert_eq!(sign(&files, "m", &[]), Some(Sign::Interface(b"eth0".to_vec())));
        assert_eq!(sign(&files, "n", &[]), None);
    }

    #[test]
    fn an_interface_of_a_kind_that_the_module_provides_is_a_sign() {
        let files = [("sys/class/net/br0/uevent", "DEVTYPE=bridge\nINTERFACE=br0\nIFINDEX=4\n")];
        assert_eq!(sign(&files, "bridge", &[]), Some(Sign::Interface(b"br0".to_vec())));
        assert_eq!(sign(&files, "m", &["rtnl-link-bridge"]), Some(Sign::Interface(b"br0".to_vec())));
        assert_eq!(sign(&files, "m", &["rtnl-link-br"]), None);
    }

    #[test]
    fn a_block_device_of_the_module_is_a_sign() {
        let scsi = [("sys/block/sda/device/driver/module", "->../../../../module/sd_mod")];
        assert_eq!(sign(&scsi, "sd_mod", &[]), Some(Sign::BlockDevice(b"sda".to_vec())));
        assert_eq!(sign(&scsi, "m", &[]), None);
        // If sysfs shows no driver, the name of the major number decides.
        let devices = "Character devices:\n251 m\n\nBlock devices:\n251 z-ram\n";
        let zram = [("proc/devices", devices), ("sys/block/zram0/dev", "251:0\n")];
        assert_eq!(sign(&zram, "z_ram", &[]), Some(Sign::BlockDevice(b"zram0".to_vec())));
        assert_eq!(sign(&zram, "m", &[]), None);
    }

    #[test]
    fn swap_on_a_device_of_the_module_is_a_sign() {
        let files = [
            (
                "proc/swaps",
                "Filename Type Size Used Priority\n/dev/vda2 partition 9 0 -2\n/swap\\040file file 9 0 -3\n",
            ),
            ("sys/class/block/vda2", "->../../devices/vda/vda2"),
            ("sys/devices/vda/vda2/dev", "254:2\n"),
            ("sys/devices/vda/device/driver/module", "->../../../../module/virtio_blk"),
        ];
        assert_eq!(sign(&files, "virtio_blk", &[]), Some(Sign::Swap(b"/dev/vda2".to_vec())));
        assert_eq!(sign(&files, "m", &[]), None);
    }

    #[test]
    fn swap_on_a_device_that_cannot_be_found_keeps_everything() {
        let files = [("proc/swaps", "Filename Type Size Used Priority\n/dev/mapper/x partition 9 0 -2\n")];
        assert_eq!(sign(&files, "m", &[]), Some(Sign::Unreadable("sys/class/block/x".into())));
    }

    #[test]
    fn a_mounted_file_system_of_the_module_is_a_sign() {
        let files = [("proc/mounts", "/dev/a /mnt\\040x squashfs ro 0 0\nh /m fuse.sshfs rw 0 0\n")];
        let mounted = |device: &str, place: &str, kind: &str| {
            Some(Sign::Mounted { device: device.into(), place: place.into(), kind: kind.into() })
        };
        assert_eq!(sign(&files, "squashfs", &[]), mounted("/dev/a", "/mnt x", "squashfs"));
        assert_eq!(sign(&files, "m", &["fs-squashfs"]), mounted("/dev/a", "/mnt x", "squashfs"));
        assert_eq!(sign(&files, "fuse", &["fs-fuse"]), mounted("h", "/m", "fuse.sshfs"));
        assert_eq!(sign(&files, "m", &["fs-squash"]), None);
    }

    #[test]
    fn a_registered_packet_filter_table_is_a_sign() {
        for (file, module) in [
            ("proc/net/ip_tables_names", "iptable_nat"),
            ("proc/net/ip6_tables_names", "ip6table_nat"),
            ("proc/net/arp_tables_names", "arptable_nat"),
        ] {
            assert_eq!(sign(&[(file, "filter\nnat\n")], module, &[]), Some(Sign::Table(b"nat".to_vec())));
            assert_eq!(sign(&[(file, "filter\n")], module, &[]), None);
        }
    }

    #[test]
    fn open_sockets_of_the_modules_protocol_are_a_sign() {
        let head = "protocol  size sockets  memory press maxhdr  slab module     cl co di ac io in\n";
        let text = |count: &str| {
            format!("{head}CAN_RAW   1000  {count}    -1   NI       0   no   can_raw     y  y  n\n")
        };
        let found = sign(&[("proc/net/protocols", &text("2"))], "can_raw", &[]);
        assert_eq!(found, Some(Sign::Sockets { protocol: b"CAN_RAW".to_vec(), count: 2 }));
        for count in ["0", "-1"] {
            assert_eq!(sign(&[("proc/net/protocols", &text(count))], "can_raw", &[]), None, "{count}");
        }
        assert_eq!(sign(&[("proc/net/protocols", &text("2"))], "m", &[]), None);
    }

    #[test]
    fn a_congestion_control_or_queue_that_is_chosen_is_a_sign() {
        for (path, module) in [
            ("proc/sys/net/ipv4/tcp_congestion_control", "tcp_bbr"),
            ("proc/sys/net/ipv4/tcp_allowed_congestion_control", "tcp_bbr"),
            ("proc/sys/net/core/default_qdisc", "sch_bbr"),
        ] {
            assert_eq!(sign(&[(path, "bbr\n")], module, &[]), Some(Sign::Selected(path.into())));
            assert_eq!(sign(&[(path, "reno bbr cubic\n")], module, &[]), Some(Sign::Selected(path.into())));
            assert_eq!(sign(&[(path, "cubic bbr2\n")], module, &[]), None);
        }
    }

    #[test]
    fn a_module_from_outside_the_tree_is_kept() {
        assert_eq!(sign(&[("sys/module/m/taint", "OE\n")], "m", &[]), Some(Sign::OutOfTree));
        assert_eq!(sign(&[("sys/module/m/taint", "E\n")], "m", &[]), None);
    }

    #[test]
    fn what_is_there_and_cannot_be_read_is_a_sign() {
        // A directory in the place of a file, and a file in the place of a directory, cannot be read by anybody.
        for (path, plant) in [
            ("proc/net/protocols", "proc/net/protocols/x"),
            ("sys/module/m/taint", "sys/module/m/taint/x"),
            ("proc/sys/net/ipv4/tcp_congestion_control", "proc/sys/net/ipv4/tcp_congestion_control/x"),
            ("proc/net/ip_tables_names", "proc/net/ip_tables_names/x"),
            ("sys/module/m/drivers", "sys/module/m/drivers"),
        ] {
            let module = if path.contains("tcp") { "tcp_x" } else { "m" };
            let module = if path.contains("tables") { "iptable_x" } else { module };
            assert_eq!(sign(&[(plant, "")], module, &[]), Some(Sign::Unreadable(path.into())), "{path}");
        }
    }

    #[test]
    fn a_system_without_proc_or_sys_keeps_everything() {
        for missing in ["proc/mounts", "proc/swaps", "sys/block", "sys/class/net"] {
            let root = tempfile::tempdir().unwrap();
            plant(root.path(), &[]);
            let path = root.path().join(missing);
            if path.is_dir() {
                fs::remove_dir(&path).unwrap();
            } else {
                fs::remove_file(&path).unwrap();
            }
            let sources = Sources::new(&root.path().join("sys"), &root.path().join("proc"));
            let found = first(&KINDS, &sources, &Subject { name: "m".into(), aliases: Vec::new() });
            assert_eq!(found, Some(Sign::Unreadable(path)), "{missing}");
        }
    }
}
