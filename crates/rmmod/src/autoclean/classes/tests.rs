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
        ("crypto-xxhash64", &["xxhash64", "crypto-xxhash64", "xxhash64-generic", "crypto-xxhash64-generic"]),
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
        // What these are used for may be told from a connection, a template or a service, and not from a count.
        ("tcp-ulp-tls", &[], "tcp-ulp-tls"),
        ("nfct-helper-ftp", &[], "nfct-helper-ftp"),
        ("net-pf-16-proto-16-family-IPVS", &[], "net-pf-16-proto-16-family-IPVS"),
        ("net-pf-40", &[], "net-pf-40"),
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
        include_str!(concat!("../../../../../tests/vm-guest/src/scenarios/", $file))
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
    let of_sockets = CLASSES.iter().filter(|class| class.shown == ["classes/sockets-hold-their-families"]);
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
    let page = include_str!("../../../../../man/rmmod.8").replace("\\-", "-");
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
            Aliases::Families(numbers) => numbers.iter().map(|number| format!("net-pf-{number}")).collect(),
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
