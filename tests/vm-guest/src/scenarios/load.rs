//! Loading and unloading by hand: chains, configuration, compressed, damaged and foreign modules, force.

mod chains;
mod configuration;
mod files;
mod insmod;

use crate::catalog::{Group, Scenario};

/// Modules that are there in every compression.
const COMPRESSED: [(&str, &str); 3] = [files::XZ, files::ZSTD, files::GZIP];

/// See the module.
pub const GROUP: Group = Group::new(
    "load",
    &[
        Scenario::new("xfs-comes-and-goes-with-what-it-needs", &["xfs", "crc32c_generic"], chains::xfs),
        Scenario::new("btrfs-comes-and-goes-with-what-it-needs", chains::BTRFS, chains::btrfs),
        Scenario::new("iptable-nat-comes-and-goes-with-what-it-needs", &["iptable_nat"], chains::iptable_nat),
        Scenario::new("all-that-became-unused-goes", &["iptable_nat"], chains::all_unused).ours_only(),
        Scenario::new("several-modules-load-in-one-call", &["minix", "vfat", "efs"], chains::several),
        Scenario::new("a-module-with-holders-stays", &["vfat"], chains::holders),
        Scenario::new("a-module-goes-with-its-holders-on-request", &["vfat"], chains::remove_holders),
        Scenario::new("a-module-in-use-stays", &["uinput"], chains::in_use),
        Scenario::new("rmmod-removes-what-is-named-and-nothing-else", &["vfat"], chains::rmmod),
        Scenario::new("rmmod-refuses-a-module-with-holders", &["vfat"], chains::rmmod_holders),
        Scenario::new("rmmod-names-who-uses-a-module", &["binfmt_misc", "uinput"], chains::rmmod_hints)
            .ours_only(),
        Scenario::new("rmmod-by-force-removes", &["minix"], chains::rmmod_force),
        Scenario::new("loading-what-is-there-succeeds", &["minix"], chains::first_time),
        Scenario::new("options-of-the-command-line-come-last", &["dummy"], configuration::options),
        Scenario::new("a-blacklisted-module-loads-by-name-only", &["vfat"], configuration::blacklist),
        Scenario::new("softdeps-come-in-order", &["minix", "vfat", "efs"], configuration::softdep),
        Scenario::new("install-and-remove-commands-run-instead", &["minix"], configuration::commands),
        Scenario::new("a-failing-install-command-fails-modprobe", &["minix"], configuration::failing_command),
        Scenario::new("modules-compressed-by-xz-load", &[], |world| files::compressed(world, files::XZ))
            .with_compressed(&[files::XZ]),
        Scenario::new("modules-compressed-by-zstd-load", &[], |world| files::compressed(world, files::ZSTD))
            .with_compressed(&[files::ZSTD]),
        // Debian builds the reference without zlib.
        Scenario::new("modules-compressed-by-gzip-load", &[], |world| files::compressed(world, files::GZIP))
            .with_compressed(&[files::GZIP])
            .ours_only(),
        Scenario::new("depmods-own-database-answers", &["vfat", "bridge"], files::depmod),
        Scenario::new("damaged-modules-are-refused", &["minix"], files::damaged),
        Scenario::new("what-came-in-before-a-failure-is-recorded", &["vfat"], files::failed_on_demand),
        Scenario::new("a-module-of-another-kernel-loads-only-by-force", &["minix"], files::vermagic),
        Scenario::new("a-module-with-another-checksum-loads-only-by-force", &["vfat"], files::modversion),
        Scenario::new("a-module-file-that-is-gone-is-named", &["minix"], files::gone),
        Scenario::new("insmod-hands-parameters-over", &["dummy", "tcp_vegas"], insmod::parameters),
        Scenario::new("insmod-says-why-it-is-refused", &["minix", "vfat"], insmod::refusals).ours_only(),
        Scenario::new("insmod-by-force-loads-a-module-of-another-kernel", &["minix"], insmod::force)
            .ours_only(),
        Scenario::new("insmod-loads-compressed-modules", &[], insmod::compressed)
            .with_compressed(&COMPRESSED)
            .ours_only(),
        Scenario::new("the-list-is-whole-while-modules-come-and-go", &["vfat", "minix"], insmod::listed)
            .ours_only(),
    ],
);
