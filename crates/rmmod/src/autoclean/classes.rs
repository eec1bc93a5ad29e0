//! Which modules have use counts that say whether they serve anyone.
//!
//! A use count of 0 proves nothing for most modules: a bridge with ports, a bond, a compressed swap disk in use
//! all show 0. It proves something for file systems, socket families, algorithms and the like, where every user
//! takes a reference. Which kind a module is of is told by the aliases through which the kernel asks for it: all
//! that it has, since one module may be of several kinds.
//!
//! The list is short on purpose: a class that is missing in it only means that its modules stay. Protocols of a
//! family that are asked for on their own, such as `can-proto-1`, are left to the administrator, who may add them.
//!
//! This module is a table and a pure question; it reads nothing.

use modfile::name::normalize_alias;
use modstate::config::Config;

/// Beginnings of aliases whose modules count their users, in normalised form (`-` is `_`).
const TRUSTED: [&str; 21] = [
    "fs_",
    "net_pf_",
    "crypto_",
    "algif_",
    "tcp_",
    "binfmt_",
    "nls_",
    "xt_",
    "ipt_",
    "ip6t_",
    "sch_",
    "cls_",
    "act_",
    // The same three as kernels ask since 6.8.
    "net_sch_",
    "net_cls_",
    "net_act_",
    "ip_set_",
    "dm_",
    "md_level_",
    "md_personality_",
    "md_raid",
];

/// Whole aliases of the same classes: md personalities without a number.
const TRUSTED_WHOLE: [&str; 3] = ["md_linear", "md_multipath", "md_faulty"];

/// Character devices whose owner is counted while a node is open, and which keep nothing when it is closed.
const TRUSTED_DEVICES: [&str; 6] = [
    "char_major_10_229",
    "devname:fuse",
    "char_major_10_203",
    "devname:cuse",
    "char_major_10_235",
    "devname:autofs",
];

/// Aliases that are also beginnings of trusted ones but mean something else: netlink families serve whoever
/// once configured something through them, and nobody counts that.
const NOT_TRUSTED: [&str; 1] = ["net_pf_16"];

/// Classes of which modules carry each name a second time without the beginning.
const ALSO_PLAIN: [&str; 2] = ["crypto_", "fs_"];

/// The first of a module's aliases, its request first, that speaks against trusting its use count.
pub(crate) fn untrusted<'a>(request: &'a [u8], aliases: &'a [Vec<u8>], config: &Config) -> Option<&'a [u8]> {
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
pub(crate) fn is_trusted(alias: &[u8], config: &Config) -> bool {
    let Ok(alias) = normalize_alias(alias) else { return false };
    if config.trusts(&alias) {
        return true;
    }
    if NOT_TRUSTED.iter().any(|class| is_of_family(&alias, class)) {
        return false;
    }
    let begins = |class: &&str| alias.len() > class.len() && alias.starts_with(class.as_bytes());
    TRUSTED.iter().any(begins)
        || TRUSTED_WHOLE.iter().chain(&TRUSTED_DEVICES).any(|whole| alias == whole.as_bytes())
}

/// `net_pf_16` and `net_pf_16_...`, but not `net_pf_160`.
fn is_of_family(alias: &[u8], class: &str) -> bool {
    alias.strip_prefix(class.as_bytes()).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_untrusted(request: &str, aliases: &[&str]) -> Option<String> {
        let aliases: Vec<_> = aliases.iter().map(|alias| alias.as_bytes().to_vec()).collect();
        untrusted(request.as_bytes(), &aliases, &Config::default())
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
            ("tcp_bbr", &["tcp_bbr"]),
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
    fn a_family_whose_number_only_begins_like_netlinks_is_trusted() {
        assert_eq!(first_untrusted("net-pf-160", &[]), None);
    }

    #[test]
    fn the_configuration_can_add_classes() {
        let mut config = Config::default();
        config.add(b"autoclean rtnl-link-*\n");
        assert_eq!(untrusted(b"rtnl-link-dummy", &[b"rtnl-link-dummy".to_vec()], &config), None);
    }
}
