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
mod tests;
