//! Which modules have use counts that say whether they serve anyone.
//!
//! A use count of 0 proves nothing for most modules: a bridge with ports, a bond, a compressed swap disk in use
//! all show 0. It proves something where everything that would be lost holds a reference: not only users, but
//! whatever an administrator configured. The kind of a module follows from the aliases by which the kernel
//! asks for it: all of them, since one module may be of several kinds.
//!
//! [`CLASSES`] is the answer, class by class, to the question "what configuration of it holds no count?"; rmmod(8)
//! has the same table. A class that is missing only means that its modules stay until an `autoclean` line names
//! them. Values of parameters and sysctls never hold a count: for these there are `persist` lines.
//!
//! This module is a table and a pure question; it reads nothing.

use modfile::name::normalize_alias;
use modstate::config::ModutilsConfig;

/// Aliases, in normalised form (`-` is `_`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aliases {
    /// All that begin so and go on.
    Beginning(&'static str),
    /// These.
    Whole(&'static [&'static str]),
    /// The protocol families with these numbers, and their protocols.
    Families(&'static [u32]),
    /// The protocols of the families with these numbers, not the families.
    Protocols(&'static [u32]),
}

/// A kind of modules whose use counts mean something.
struct Class {
    aliases: Aliases,
    /// What holds a count: all that there is to lose.
    #[cfg_attr(not(test), expect(dead_code, reason = "for whoever reads the table, and its test"))]
    counted: &'static str,
    /// The scenarios on a real kernel that would fail if this were wrong.
    #[cfg_attr(not(test), expect(dead_code, reason = "for whoever reads the table, and its test"))]
    shown: &'static [&'static str],
}

const fn class(aliases: Aliases, counted: &'static str, shown: &'static [&'static str]) -> Class {
    Class { aliases, counted, shown }
}

/// Classes whose use counts cover users and configuration alike.
const CLASSES: [Class; 28] = {
    use Aliases::{Beginning, Families, Protocols, Whole};
    /// Together.
    const OTHERS: &str = "autoclean/an-idle-module-of-every-other-trusted-class-goes";
    const QDISC: &[&str] = &[
        "autoclean/an-idle-queueing-discipline-goes",
        "classes/a-queueing-discipline-for-new-interfaces-is-kept",
        "classes/filters-hold-their-classifier",
    ];
    const FILTERS: &[&str] = &["classes/filters-hold-their-classifier", OTHERS];
    const ACTIONS: &[&str] =
        &["autoclean/an-idle-traffic-action-goes", "classes/actions-that-no-filter-uses-hold-their-kind"];
    const RULES: &[&str] = &["classes/rules-hold-their-matches", OTHERS];
    const ARRAYS: &[&str] = &["classes/arrays-hold-their-level"];
    const DEVICES: &[&str] = &["classes/open-devices-hold-their-modules"];
    [
        class(
            Beginning("fs_"),
            "mounts",
            &[
                "autoclean/an-idle-file-system-goes-at-the-second-pass",
                "autoclean/a-mounted-file-system-stays",
                "classes/a-registered-binary-format-holds-its-file-system",
            ],
        ),
        // af_key, af_packet, pppox, llc2, ieee802154_socket, kcm. Of af_key's associations the kernel keeps track
        // elsewhere.
        class(Families(&[15, 17, 24, 26, 36, 41]), "sockets", &["classes/sockets-hold-their-families"]),
        // can
        class(Families(&[29]), "sockets", &["autoclean/an-idle-family-goes", CAN_PROTOCOL]),
        // af_alg
        class(Families(&[38]), "sockets", ALGORITHMS),
        // sctp, dccp, udplite, l2tp_ip; of l2tp's tunnels l2tp_core keeps track, which l2tp_netlink holds. The families
        // themselves have addresses and routes. Two of them hold themselves, and never go.
        class(Protocols(&[2, 10]), "sockets", &["classes/sockets-hold-their-protocols"]),
        class(Beginning("can_proto_"), "sockets", &[CAN_PROTOCOL, "classes/sockets-hold-protocols-of-can"]),
        // An association of IPsec, a TLS socket, a key of a wireless network, an encrypted disk: each has a transform,
        // which holds the algorithm. Priorities set by crypto_user are another matter: see CONFIGURED_BY.
        class(
            Beginning("crypto_"),
            "transforms",
            &[
                "autoclean/an-idle-algorithm-goes-with-its-interface",
                "classes/an-association-of-ipsec-holds-its-algorithm",
            ],
        ),
        class(Beginning("algif_"), "sockets", ALGORITHMS),
        class(Beginning("binfmt_"), "processes", &["autoclean/an-idle-binary-format-goes"]),
        // One that a mount takes by default is held by the mount.
        class(Beginning("nls_"), "mounts", &["autoclean/an-idle-character-set-goes"]),
        class(Beginning("xt_"), "rules", RULES),
        class(Beginning("ipt_"), "rules", RULES),
        class(Beginning("ip6t_"), "rules", RULES),
        // A default for new interfaces is evidence.
        class(Beginning("sch_"), "queueing disciplines", QDISC),
        class(Beginning("cls_"), "filters", FILTERS),
        // Shared actions without a filter hold their count as well.
        class(Beginning("act_"), "actions", ACTIONS),
        // The same three as kernels ask since 6.8.
        class(Beginning("net_sch_"), "queueing disciplines", QDISC),
        class(Beginning("net_cls_"), "filters", FILTERS),
        class(Beginning("net_act_"), "actions", ACTIONS),
        class(Beginning("ip_set_"), "sets", &["classes/sets-hold-their-type", OTHERS]),
        // Tables of suspended devices and tables not yet active hold their targets as well.
        class(Beginning("dm_"), "tables", &["classes/tables-of-the-device-mapper-hold-their-target", OTHERS]),
        class(Beginning("md_level_"), "arrays", ARRAYS),
        // Nobody asks by it, but the modules have it: without this line none of them would go.
        class(Beginning("md_personality_"), "arrays", ARRAYS),
        class(Beginning("md_raid"), "arrays", ARRAYS),
        // Personalities without a number.
        class(Whole(&["md_linear", "md_multipath", "md_faulty"]), "arrays", ARRAYS),
        class(Whole(&["char_major_10_229", "devname:fuse"]), "open files", DEVICES),
        class(Whole(&["char_major_10_203", "devname:cuse"]), "open files", DEVICES),
        class(Whole(&["char_major_10_235", "devname:autofs"]), "open files", DEVICES),
    ]
};

/// Scenarios that show more than one class.
const CAN_PROTOCOL: &str = "autoclean/an-idle-protocol-of-can-goes-at-the-second-pass";
const ALGORITHMS: &[&str] = &["autoclean/an-open-socket-keeps-all-that-it-uses"];

/// Aliases that look like those of a trusted class, what of theirs holds no count, and the scenarios that show that
/// they are kept. They are written down because it is tempting to trust them.
const NOT_TRUSTED: [(Aliases, &str, &[&str]); 3] = [
    (Aliases::Whole(&["fs_afs"]), "cells", &["classes/cells-without-a-count-are-kept"]),
    // ax25, appletalk, netrom, x25, rose, netlink, rds, mpls, tipc, bluetooth, rxrpc, phonet, smc.
    (
        Aliases::Families(&[3, 5, 6, 9, 11, 16, 21, 28, 30, 31, 33, 35, 43]),
        "addresses, routes, keys, bearers, adapters",
        &[
            "classes/families-with-more-than-sockets-are-kept",
            "classes/labels-and-addresses-without-a-count-are-kept",
        ],
    ),
    // Modules of vsock. What has this alias are its transports, which a socket that listens does not hold. Who
    // connects later finds the family there, so that the kernel does not ask for them again.
    (Aliases::Families(&[40]), "listening sockets", &["classes/a-listener-without-a-count-is-kept"]),
];

/// Modules through which the modules of a class are configured without a count: while one is loaded, none of the
/// class goes (scenario `classes/priorities-of-algorithms-are-kept`).
const CONFIGURED_BY: [(&str, &str); 1] = [("crypto_", "crypto_user")];

impl Aliases {
    fn has(self, alias: &[u8]) -> bool {
        match self {
            Self::Beginning(beginning) => {
                alias.len() > beginning.len() && alias.starts_with(beginning.as_bytes())
            }
            Self::Whole(whole) => whole.iter().any(|name| alias == name.as_bytes()),
            Self::Families(numbers) => family(alias).is_some_and(|(number, _)| numbers.contains(&number)),
            Self::Protocols(numbers) => family(alias)
                .is_some_and(|(number, rest)| numbers.contains(&number) && rest.starts_with(b"_proto_")),
        }
    }
}

/// The number in `net_pf_29` or `net_pf_29_...`, and what follows.
fn family(alias: &[u8]) -> Option<(u32, &[u8])> {
    let text = alias.strip_prefix(b"net_pf_")?;
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at(digits);
    let number = std::str::from_utf8(number).ok()?.parse().ok()?;
    (rest.is_empty() || rest.starts_with(b"_")).then_some((number, rest))
}

/// A module that has to go first, because it may have configured modules of this alias's class.
pub(crate) fn configured_by(alias: &[u8]) -> Option<&'static str> {
    let alias = normalize_alias(alias).ok()?;
    let of_class = |(class, _): &&(&str, &str)| alias.starts_with(class.as_bytes());
    CONFIGURED_BY.iter().find(of_class).map(|(_, by)| *by)
}

/// Classes whose modules carry each name a second time without the beginning.
const ALSO_PLAIN: [&str; 2] = ["crypto_", "fs_"];

/// The first of a module's aliases, its request first, that speaks against trusting its use count.
pub(crate) fn untrusted<'a>(
    request: &'a [u8],
    aliases: &'a [Vec<u8>],
    config: &ModutilsConfig,
) -> Option<&'a [u8]> {
    if !is_trusted(request, config) {
        return Some(request);
    }
    let plain_too = |alias: &[u8]| {
        let normal = normalize_alias(alias).unwrap_or_default();
        ALSO_PLAIN.iter().any(|class| {
            let full = [class.as_bytes(), &normal].concat();
            !normal.is_empty() && aliases.iter().any(|other| normalize_alias(other).as_deref() == Ok(&*full))
        })
    };
    aliases.iter().map(Vec::as_slice).find(|alias| !is_trusted(alias, config) && !plain_too(alias))
}

/// Whether an alias belongs to a class whose modules count their users.
pub(crate) fn is_trusted(alias: &[u8], config: &ModutilsConfig) -> bool {
    let Ok(alias) = normalize_alias(alias) else { return false };
    if config.trusts(&alias) {
        return true;
    }
    if NOT_TRUSTED.iter().any(|(aliases, ..)| aliases.has(&alias)) {
        return false;
    }
    CLASSES.iter().any(|class| class.aliases.has(&alias))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_untrusted(request: &str, aliases: &[&str]) -> Option<String> {
        let aliases: Vec<_> = aliases.iter().map(|alias| alias.as_bytes().to_vec()).collect();
        untrusted(request.as_bytes(), &aliases, &ModutilsConfig::default())
            .map(|alias| String::from_utf8_lossy(alias).into_owned())
    }

    #[test]
    fn modules_whose_every_alias_is_of_a_counting_class_are_trusted() {
        for (request, aliases) in [
            ("fs-xfs", &["fs-xfs"][..]),
            ("net-pf-29", &["net-pf-29"]),
            ("net-pf-29", &[]),
            ("net-pf-2-proto-132", &["net-pf-2-proto-132", "net-pf-10-proto-132"]),
            (
                "crypto-xxhash64",
                &["xxhash64", "crypto-xxhash64", "xxhash64-generic", "crypto-xxhash64-generic"],
            ),
            ("fs-ext3", &["fs-ext3", "ext3", "fs-ext2", "fs-ext4"]),
            ("can-proto-1", &["can-proto-1"]),
            ("md-level-5", &["md-personality-4", "md-raid5", "md-level-5", "md-linear"]),
            ("fs-fuse", &["fs-fuse", "fs-fuseblk", "fs-fusectl", "char-major-10-229", "devname:fuse"]),
            ("net-sch-fq", &["net-sch-fq"]),
        ] {
            assert_eq!(first_untrusted(request, aliases), None, "{request} {aliases:?}");
        }
    }

    #[test]
    fn one_alias_of_another_kind_means_keep() {
        for (request, aliases, against) in [
            (
                "rtnl-link-wireguard",
                &["net-pf-16-proto-16-family-wireguard", "rtnl-link-wireguard"][..],
                "rtnl-link-wireguard",
            ),
            ("net-pf-16-proto-16-family-wireguard", &[], "net-pf-16-proto-16-family-wireguard"),
            ("net-pf-16", &[], "net-pf-16"),
            // A route may have chosen it, and nobody counts that.
            ("tcp_htcp", &["tcp_htcp"], "tcp_htcp"),
            ("net-pf-28", &["net-pf-28"], "net-pf-28"),
            ("net-pf-33", &["net-pf-33"], "net-pf-33"),
            ("fs-afs", &["fs-afs"], "fs-afs"),
            ("net-pf-10", &["net-pf-10"], "net-pf-10"),
            ("net-pf-29", &["net-pf-29", "rtnl-link-can"], "rtnl-link-can"),
            (
                "crypto-aes",
                &["aes", "crypto-aes", "cpu:type:x86,ven*fam*mod*:feature:*0099*"],
                "cpu:type:x86,ven*fam*mod*:feature:*0099*",
            ),
            ("crypto-aes", &["sha1", "crypto-aes"], "sha1"),
            ("fs-btrfs", &["fs-btrfs", "char-major-10-234"], "char-major-10-234"),
            ("netdev-eth0", &[], "netdev-eth0"),
            ("bridge", &[], "bridge"),
            ("fs-", &[], "fs-"),
            ("fs-[", &[], "fs-["),
            ("", &[], ""),
            ("char-major-10-200", &["devname:net/tun"], "char-major-10-200"),
            ("pci:v00008086d*", &[], "pci:v00008086d*"),
            ("md-mod", &[], "md-mod"),
        ] {
            assert_eq!(first_untrusted(request, aliases).as_deref(), Some(against), "{request} {aliases:?}");
        }
    }

    #[test]
    fn no_other_family_is_trusted_than_those_whose_sockets_are_all_they_have() {
        let trusted: Vec<u32> =
            (0..100).filter(|number| first_untrusted(&format!("net-pf-{number}"), &[]).is_none()).collect();
        assert_eq!(trusted, [15, 17, 24, 26, 29, 36, 38, 41]);
        let protocols: Vec<u32> = (0..100)
            .filter(|number| first_untrusted(&format!("net-pf-{number}-proto-7"), &[]).is_none())
            .collect();
        assert_eq!(protocols, [2, 10, 15, 17, 24, 26, 29, 36, 38, 41]);
        for alias in ["net-pf-290", "net-pf-", "net-pf-29x", "net-pf-29999999999999999999"] {
            assert_eq!(first_untrusted(alias, &[]).as_deref(), Some(alias));
        }
    }

    #[test]
    fn what_looks_trusted_and_is_not_would_be_without_its_line() {
        let afs = NOT_TRUSTED[0].0;
        assert!(CLASSES.iter().any(|class| class.aliases.has(b"fs_afs")) && afs.has(b"fs_afs"));
        for (families, ..) in &NOT_TRUSTED[1..] {
            let Aliases::Families(numbers) = families else { panic!("{families:?}") };
            assert!(CLASSES.iter().all(|class| match class.aliases {
                Aliases::Families(trusted) => trusted.iter().all(|number| !numbers.contains(number)),
                _ => true,
            }));
        }
    }

    /// The source of the scenarios on a real kernel.
    macro_rules! scenarios {
        ($file:literal) => {
            include_str!(concat!("../../../../tests/vm-guest/src/scenarios/", $file))
        };
    }

    #[test]
    fn every_line_is_shown_by_scenarios_that_are_there() {
        let trusted = CLASSES.iter().map(|class| (class.aliases, class.shown));
        let not_trusted = NOT_TRUSTED.iter().map(|(aliases, _, shown)| (*aliases, *shown));
        for (aliases, shown) in trusted.chain(not_trusted) {
            assert!(!shown.is_empty(), "{aliases:?}");
            for name in shown {
                let (group, scenario) = name.split_once('/').unwrap();
                let source = match group {
                    "autoclean" => scenarios!("autoclean.rs"),
                    "classes" => scenarios!("autoclean/classes.rs"),
                    _ => panic!("{name}"),
                };
                assert!(source.contains(&format!("\"{scenario}\"")), "{aliases:?}: there is no {name}");
            }
        }
    }

    /// Families that no kernel of the scenarios has a module of: x25; netlink itself.
    const NOWHERE: [u32; 2] = [9, 16];

    #[test]
    fn every_family_and_device_has_its_place_in_the_scenario_that_shows_it() {
        let families = |aliases: Aliases| match aliases {
            Aliases::Families(numbers) => numbers,
            _ => &[],
        };
        let (sockets, kept) =
            (scenarios!("autoclean/classes/sockets.rs"), scenarios!("autoclean/classes/kept.rs"));
        let of_sockets =
            CLASSES.iter().filter(|class| class.shown == ["classes/sockets-hold-their-families"]);
        let numbers: Vec<_> = of_sockets.flat_map(|class| families(class.aliases)).collect();
        assert_eq!(numbers.len(), 6);
        for number in numbers {
            assert!(sockets.contains(&format!("row({number}, ")), "{number}");
        }
        for number in families(NOT_TRUSTED[1].0).iter().filter(|number| !NOWHERE.contains(number)) {
            assert!(kept.contains(&format!("    ({number}, \"")), "{number}");
        }
        let devices = scenarios!("autoclean/classes/devices.rs");
        for class in CLASSES.iter().filter(|class| class.counted == "open files") {
            let Aliases::Whole([number, _]) = class.aliases else { panic!("{:?}", class.aliases) };
            let number = number.strip_prefix("char_major_10_").unwrap();
            assert!(devices.contains(&format!("({number}, \"")), "{number}");
        }
    }

    #[test]
    fn the_manual_page_has_the_same_table() {
        let page = include_str!("../../../../man/rmmod.8").replace("\\-", "-");
        let (_, table) = page.split_once("what holds a count, and the aliases:\n").unwrap();
        let (table, _) = table.split_once(".P\n").unwrap();
        let mut rows: Vec<(String, String)> = Vec::new();
        for row in table.split(".TP 22n\n").skip(1) {
            let (counted, aliases) = row.split_once('\n').unwrap();
            let aliases = aliases.split([',', '\n']).map(str::trim).filter(|alias| !alias.is_empty());
            rows.extend(aliases.map(|alias| (counted.to_owned(), alias.to_owned())));
        }
        rows.sort();
        let mut expected = Vec::new();
        for Class { aliases, counted, .. } in &CLASSES {
            let names: Vec<String> = match aliases {
                Aliases::Beginning(beginning) => vec![format!("{}*", page_name(beginning))],
                Aliases::Whole(names) => names.iter().map(|name| page_name(name)).collect(),
                Aliases::Families(numbers) => {
                    numbers.iter().map(|number| format!("net-pf-{number}")).collect()
                }
                Aliases::Protocols(numbers) => {
                    numbers.iter().map(|number| format!("net-pf-{number}-proto-*")).collect()
                }
            };
            expected.extend(names.into_iter().map(|name| ((*counted).to_owned(), name)));
        }
        expected.sort();
        assert_eq!(rows, expected);
    }

    /// As the kernel or the modules spell it; only these have underscores of their own.
    fn page_name(alias: &str) -> String {
        let own = ["nls_", "xt_", "ipt_", "ip6t_", "ip_set_", "sch_", "cls_", "act_"];
        if own.iter().any(|own| alias.starts_with(own)) { alias.to_owned() } else { alias.replace('_', "-") }
    }

    #[test]
    fn algorithms_are_configured_by_one_module() {
        assert_eq!(configured_by(b"crypto-aes"), Some("crypto_user"));
        assert_eq!(configured_by(b"fs-xfs"), None);
    }

    #[test]
    fn the_configuration_can_add_classes() {
        let mut config = ModutilsConfig::default();
        config.add(std::path::Path::new("a.conf"), b"autoclean rtnl-link-*\n");
        assert_eq!(untrusted(b"rtnl-link-dummy", &[b"rtnl-link-dummy".to_vec()], &config), None);
    }
}
