//! The name of a setting: `parameters/NAME` or `sysctl/PATH`. What a settings file may name is decided here, by
//! form and by the configuration.

use std::fmt;

use crate::config::{What, is_relative};
use modfile::wildcard;

/// The longest name of a setting, in bytes.
const LONGEST: usize = 1024;

/// Sysctls and parameters that make the kernel load another module when they are written.
const LOADS_MODULES: [&[u8]; 3] =
    [b"net/ipv4/tcp_congestion_control", b"net/core/default_qdisc", b"net/mptcp/scheduler"];

/// The name of a setting of one module.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// A parameter of the module.
    Parameter(Vec<u8>),
    /// A path below `/proc/sys`.
    Sysctl(Vec<u8>),
}

impl Key {
    /// Reads a name; `None` for one that could lead anywhere else, or has no place in a line of text.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let plain = |byte: &u8| byte.is_ascii_graphic() && *byte != b'=';
        if text.len() > LONGEST || !text.iter().all(plain) || !is_relative(text) {
            return None;
        }
        let at = text.iter().position(|&byte| byte == b'/')?;
        let (kind, name) = text.split_at(at);
        let name = name.get(1..)?;
        match kind {
            b"parameters" if !name.contains(&b'/') => Some(Self::Parameter(name.to_vec())),
            b"sysctl" => Some(Self::Sysctl(name.to_vec())),
            _ => None,
        }
    }

    /// The name as text.
    #[must_use]
    pub fn format(&self) -> Vec<u8> {
        match self {
            Self::Parameter(name) => [b"parameters/", name.as_slice()].concat(),
            Self::Sysctl(path) => [b"sysctl/", path.as_slice()].concat(),
        }
    }

    /// Whether a `persist` line names it.
    #[must_use]
    pub fn is_allowed(&self, rules: &[&What]) -> bool {
        rules.iter().any(|rule| match (rule, self) {
            (What::AllParameters, Self::Parameter(_)) => true,
            (What::Parameters(globs), Self::Parameter(name)) => {
                globs.iter().any(|glob| wildcard::matches(glob, name))
            }
            (What::Sysctl(globs), Self::Sysctl(path)) => globs.iter().any(|glob| path_matches(glob, path)),
            _ => false,
        })
    }

    /// Whether it belongs to a network namespace.
    #[must_use]
    pub fn is_of_network(&self) -> bool {
        matches!(self, Self::Sysctl(path) if path.starts_with(b"net/"))
    }

    /// Whether writing it makes the kernel ask for another module.
    #[must_use]
    pub fn loads_modules(&self) -> bool {
        matches!(self, Self::Sysctl(path) if LOADS_MODULES.contains(&path.as_slice()))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&String::from_utf8_lossy(&self.format()))
    }
}

/// Puts a name in its place in a sorted list, unless it stands there.
pub(super) fn add(keys: &mut Vec<Key>, key: Key) {
    if let Err(at) = keys.binary_search(&key) {
        keys.insert(at, key);
    }
}

/// Matches part by part: no wildcard stands for a slash.
fn path_matches(glob: &[u8], path: &[u8]) -> bool {
    let (mut globs, mut parts) = (glob.split(|&byte| byte == b'/'), path.split(|&byte| byte == b'/'));
    loop {
        match (globs.next(), parts.next()) {
            (None, None) => return true,
            (Some(glob), Some(part)) if wildcard::matches(glob, part) => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ModutilsConfig;

    #[test]
    fn a_name_that_leads_elsewhere_is_none() {
        for good in ["parameters/max_loop", "sysctl/net/netfilter/nf_conntrack_max", "sysctl/a"] {
            assert_eq!(Key::parse(good.as_bytes()).unwrap().to_string(), good);
        }
        for bad in [
            "parameters/../../x",
            "parameters/a/b",
            "parameters/",
            "parameters",
            "/parameters/a",
            "sysctl/../x",
            "sysctl//x",
            "sysctl/./x",
            "sysctl/net/..",
            "sysctl/",
            "sysctl/a b",
            "sysctl/a\0",
            "sysctl/a=b",
            "sysctl/\u{e9}",
            "other/a",
            "",
        ] {
            assert_eq!(Key::parse(bad.as_bytes()), None, "{bad:?}");
        }
        assert_eq!(Key::parse(&[b"sysctl/", b"a".repeat(LONGEST).as_slice()].concat()), None);
    }

    #[test]
    fn only_what_the_configuration_names_is_allowed() {
        let mut config = ModutilsConfig::default();
        config
            .add(std::path::Path::new("a.conf"), b"persist m parameters max_*\npersist m sysctl net/*/m_*\n");
        let module = modfile::ModuleName::from("m");
        let rules: Vec<_> = config.persist(&module).collect();
        for (key, allowed) in [
            ("parameters/max_a", true),
            ("parameters/min_a", false),
            ("sysctl/net/x/m_a", true),
            ("sysctl/net/x/y/m_a", false),
            ("sysctl/net/m_a", false),
            ("sysctl/max_a", false),
        ] {
            assert_eq!(Key::parse(key.as_bytes()).unwrap().is_allowed(&rules), allowed, "{key}");
        }
    }
}
