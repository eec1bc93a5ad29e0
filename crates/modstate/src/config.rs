//! The language of modutils.d: what autoclean leaves alone and takes, how long it waits, what is logged, which
//! settings survive, in [`rules`](crate::rules) what may be loaded, and in [`scripts`](crate::scripts) which commands
//! are run around it.
//!
//! ```text
//! # Indented comments and trailing blanks are fine.
//! keep MODULE-PATTERN...            never unload these
//! autoclean ALIAS-PATTERN...        trust the use counts of modules that come in by these
//! interval SECONDS                  time between the pass that finds a module idle and the one that unloads it
//! log-requests                      the kernel's requests are logged with the process that caused them
//! persist MODULE-PATTERN                      all writable parameters
//! persist MODULE-PATTERN parameters GLOB...   these parameters
//! persist MODULE-PATTERN sysctl GLOB...       these paths below /proc/sys
//! ```
//!
//! Which files count, and in which order, is decided by the caller, as for modprobe.d. Of several `interval`
//! lines the last counts. A line that is wrong is returned as a [`Problem`], and the others count.

use std::path::Path;
use std::sync::Arc;

use modfile::ModuleName;
use modfile::wildcard;

use crate::pattern::{normalized, patterns};
use crate::rules::{Line, Rules};
use crate::scripts::{Moment, Scripts};

pub use crate::pattern::LineReason;

/// How long a module must have been idle before it is unloaded, in seconds, where no line says otherwise.
pub const DEFAULT_INTERVAL: u64 = 60;

/// The longest interval: a year.
const LONGEST_INTERVAL: u64 = 366 * 24 * 60 * 60;

/// All that the files say together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModutilsConfig {
    keep: Vec<Vec<u8>>,
    autoclean: Vec<Vec<u8>>,
    interval: Option<u64>,
    log_requests: bool,
    persist: Vec<PersistRule>,
    rules: Rules,
    scripts: Scripts,
}

/// Which settings of which modules survive an unload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersistRule {
    /// Pattern of module names, `-` turned into `_`.
    pub modules: Vec<u8>,
    /// Which settings.
    pub what: What,
}

/// Which settings a `persist` line names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// All parameters, since the line names none.
    AllParameters,
    /// Parameters by name, patterns.
    Parameters(Vec<Vec<u8>>),
    /// Paths below `/proc/sys`, each component a pattern; `.` and `..` cannot occur.
    Sysctl(Vec<Vec<u8>>),
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct Problem {
    /// Counted from 1.
    pub line: usize,
    /// What the line was to do.
    pub directive: Directive,
    /// What is wrong.
    pub reason: LineReason,
}

/// What a wrong line was to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Directive {
    /// Forbid something, which is allowed now.
    Closing,
    /// Anything else, or nothing that is known.
    Other,
}

impl Directive {
    fn of(word: &[u8]) -> Self {
        match word {
            b"forbid" | b"deny-request" => Self::Closing,
            _ => Self::Other,
        }
    }
}

impl ModutilsConfig {
    /// Adds what one file says.
    pub fn add(&mut self, file: &Path, text: &[u8]) -> Vec<Problem> {
        let file: Arc<Path> = file.into();
        let mut problems = Vec::new();
        for (line, content) in (1..).zip(text.split(|&byte| byte == b'\n')) {
            let words: Vec<&[u8]> =
                content.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
            let Some((&word, rest)) = words.split_first() else { continue };
            if word.starts_with(b"#") {
                continue;
            }
            let place = Line { file: Arc::clone(&file), number: line };
            let behind = content.trim_ascii_start().get(word.len()..).unwrap_or_default();
            let added = match word {
                b"forbid" => self.rules.forbid(behind, place),
                b"deny-request" => self.rules.deny(rest, &place),
                b"allow-request" => self.rules.allow(rest, &place),
                _ => match Moment::of_word(word) {
                    Some(moment) => self.scripts.add(moment, behind, place),
                    None => self.directive(word, rest),
                },
            };
            if let Err(reason) = added {
                problems.push(Problem { line, directive: Directive::of(word), reason });
            }
        }
        problems
    }

    fn directive(&mut self, word: &[u8], rest: &[&[u8]]) -> Result<(), LineReason> {
        match word {
            b"keep" => self.keep.extend(patterns("keep", "a pattern of module names", rest)?),
            b"autoclean" => self.autoclean.extend(patterns("autoclean", "a pattern of aliases", rest)?),
            b"interval" => self.interval = Some(interval(rest)?),
            b"log-requests" if rest.is_empty() => self.log_requests = true,
            b"log-requests" => return Err(LineReason::TooMany("log-requests")),
            b"persist" => self.persist.push(persist(rest)?),
            b"command-time" => self.scripts.set_time(rest)?,
            b"legacy-modules-conf" => self.scripts.set_legacy(rest)?,
            unknown => return Err(LineReason::UnknownWord(unknown.to_vec())),
        }
        Ok(())
    }

    /// What may be loaded.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Which commands are run around loading and unloading.
    #[must_use]
    pub fn scripts(&self) -> &Scripts {
        &self.scripts
    }

    /// The same, for whoever reads the files and knows more about them than what they say.
    pub fn scripts_mut(&mut self) -> &mut Scripts {
        &mut self.scripts
    }

    /// Whether a `keep` line names the module.
    #[must_use]
    pub fn keeps(&self, module: &ModuleName) -> bool {
        self.keep.iter().any(|keep| wildcard::matches(keep, module.as_bytes()))
    }

    /// Whether an `autoclean` line names the alias, given in the form in which aliases are compared.
    #[must_use]
    pub fn trusts(&self, normalized_alias: &[u8]) -> bool {
        self.autoclean.iter().any(|trusted| wildcard::matches(trusted, normalized_alias))
    }

    /// How long a module must have been idle, in seconds.
    #[must_use]
    pub fn interval(&self) -> u64 {
        self.interval.unwrap_or(DEFAULT_INTERVAL)
    }

    /// Whether the kernel's requests are logged.
    #[must_use]
    pub fn logs_requests(&self) -> bool {
        self.log_requests
    }

    /// The `persist` lines that name the module, in order.
    pub fn persist<'a>(&'a self, module: &'a ModuleName) -> impl Iterator<Item = &'a What> {
        let names = |persist: &&PersistRule| wildcard::matches(&persist.modules, module.as_bytes());
        self.persist.iter().filter(names).map(|persist| &persist.what)
    }

    /// Whether there is any `persist` line.
    #[must_use]
    pub fn persists_anything(&self) -> bool {
        !self.persist.is_empty()
    }
}

fn interval(rest: &[&[u8]]) -> Result<u64, LineReason> {
    match rest {
        [] => Err(LineReason::Missing("interval", "a number of seconds")),
        [text] => crate::fields::number(text)
            .filter(|&seconds| seconds <= LONGEST_INTERVAL)
            .ok_or_else(|| LineReason::BadInterval(text.to_vec())),
        _ => Err(LineReason::TooMany("interval")),
    }
}

fn persist(rest: &[&[u8]]) -> Result<PersistRule, LineReason> {
    let Some((modules, rest)) = rest.split_first() else {
        return Err(LineReason::Missing("persist", "a pattern of module names"));
    };
    let what = match rest.split_first() {
        None => What::AllParameters,
        Some((&b"parameters", [])) => {
            return Err(LineReason::Missing("parameters", "a pattern of parameter names"));
        }
        Some((&b"sysctl", [])) => return Err(LineReason::Missing("sysctl", "a path below /proc/sys")),
        Some((&b"parameters", globs)) => What::Parameters(globs.iter().map(|glob| glob.to_vec()).collect()),
        Some((&b"sysctl", globs)) => {
            let checked = globs.iter().map(|glob| match is_relative(glob) {
                true => Ok(glob.to_vec()),
                false => Err(LineReason::BadPath(glob.to_vec())),
            });
            What::Sysctl(checked.collect::<Result<_, _>>()?)
        }
        Some((unknown, _)) => return Err(LineReason::UnknownKind(unknown.to_vec())),
    };
    Ok(PersistRule { modules: normalized(modules)?, what })
}

/// Whether a path stays below where it begins.
pub(crate) fn is_relative(path: &[u8]) -> bool {
    let real = |part: &[u8]| !matches!(part, b"" | b"." | b"..") && !part.contains(&0);
    path.split(|&byte| byte == b'/').all(real)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn config(text: &str) -> (ModutilsConfig, Vec<String>) {
        let mut config = ModutilsConfig::default();
        let problems = config.add(Path::new("a.conf"), text.as_bytes());
        (config, problems.iter().map(Problem::to_string).collect())
    }

    #[test]
    fn each_directive_is_understood() {
        let (config, problems) = config(
            "# a comment\n  # another\n\nkeep dm-* loop\nautoclean char-major-10-[0-9]*\ninterval 90\n\
             log-requests\npersist nf-conntrack\npersist nf* sysctl net/netfilter/nf_conntrack_*\n\
             persist loop parameters max_*\r\n",
        );
        assert_eq!(problems, [""; 0]);
        assert!(config.keeps(&"dm_mod".into()) && config.keeps(&"loop".into()));
        assert!(!config.keeps(&"loopy".into()));
        assert!(config.trusts(b"char_major_10_200") && !config.trusts(b"char_major_10_x"));
        assert_eq!(config.interval(), 90);
        assert!(config.logs_requests());
        assert!(config.persists_anything());
        let nf = ModuleName::from("nf_conntrack");
        let what: Vec<_> = config.persist(&nf).collect();
        let sysctl = What::Sysctl(vec![b"net/netfilter/nf_conntrack_*".to_vec()]);
        assert_eq!(what, [&What::AllParameters, &sysctl]);
        assert_eq!(config.persist(&"ext4".into()).count(), 0);
    }

    #[test]
    fn without_lines_nothing_is_kept_trusted_or_saved() {
        let (config, _) = config("");
        assert!(!config.keeps(&"a".into()) && !config.trusts(b"a") && !config.persists_anything());
        assert!(!config.logs_requests());
        assert_eq!(config.interval(), 60);
    }

    #[test]
    fn a_wrong_line_is_named_and_the_others_count() {
        for (line, reason) in [
            ("kep a", "ignoring bad line starting with 'kep'"),
            ("keep", "'keep' needs a pattern of module names"),
            ("keep a[", "unmatched bracket in 'a['"),
            ("autoclean", "'autoclean' needs a pattern of aliases"),
            ("interval", "'interval' needs a number of seconds"),
            ("interval 1.5", "'1.5' is no number of seconds"),
            ("interval -1", "'-1' is no number of seconds"),
            ("interval 99999999999999999999", "'99999999999999999999' is no number of seconds"),
            ("interval 1 2", "'interval' takes no more words"),
            ("log-requests yes", "'log-requests' takes no more words"),
            ("persist", "'persist' needs a pattern of module names"),
            ("persist a files x", "'files' is neither 'parameters' nor 'sysctl'"),
            ("persist a parameters", "'parameters' needs a pattern of parameter names"),
            ("persist a sysctl", "'sysctl' needs a path below /proc/sys"),
            ("persist a sysctl /proc/sys/x", "'/proc/sys/x' is no path below /proc/sys"),
            ("forbid", "'forbid' needs a pattern of module names"),
            ("forbid : no", "'forbid' needs a pattern of module names"),
            ("forbid a b", "a reason for 'forbid' stands behind ' : '"),
            ("forbid a[ : x", "unmatched bracket in 'a['"),
            ("deny-request", "'deny-request' needs a pattern of requested names"),
            ("allow-request a[", "unmatched bracket in 'a['"),
            ("persist a sysctl net/../x", "'net/../x' is no path below /proc/sys"),
        ] {
            let (config, problems) = config(&format!("{line}\nkeep z\n"));
            assert_eq!(problems, [format!("line 1: {reason}")], "{line}");
            assert!(config.keeps(&"z".into()));
        }
    }

    #[test]
    fn a_forbidden_module_is_known_by_line_and_reason() {
        let text = "forbid fat : no  removable media\t\n  forbid  dvb-*\nforbid x :\n";
        let (config, problems) = config(text);
        assert_eq!(problems, [""; 0]);
        let found = |module: &str| {
            let line = config.rules().forbidden(&module.into())?;
            let reason = line.reason.as_ref().map(|reason| String::from_utf8(reason.clone()).unwrap());
            Some((line.line.to_string(), reason))
        };
        assert_eq!(found("fat"), Some(("a.conf line 1".into(), Some("no  removable media".into()))));
        assert_eq!(found("dvb_core"), Some(("a.conf line 2".into(), None)));
        assert_eq!(found("x"), Some(("a.conf line 3".into(), None)));
        assert_eq!(found("vfat"), None);
    }

    #[test]
    fn a_denied_request_may_be_an_exception_wherever_it_stands() {
        let (config, _) = config("allow-request net-pf-1 net-pf-2\ndeny-request net-pf-* algif-*\n");
        let denied = |name: &[u8]| config.rules().denied(name).map(ToString::to_string);
        assert_eq!(denied(b"net_pf_38").as_deref(), Some("a.conf line 2"));
        assert_eq!(denied(b"algif_hash").as_deref(), Some("a.conf line 2"));
        assert_eq!(denied(b"net_pf_2"), None);
        assert_eq!(denied(b"fs_ext4"), None);
    }

    #[test]
    fn the_examples_that_are_shipped_are_understood() {
        let rare = include_str!("../../../packaging/modutils.d/rare-requests.conf");
        let (rare, problems) = config(rare);
        assert_eq!(problems, [""; 0]);
        for name in
            ["net_pf_38", "net_pf_3", "net_pf_2_proto_132_type_1", "net_pf_10_proto_33_type_6", "fs_hfs"]
        {
            assert!(rare.rules().denied(name.as_bytes()).is_some(), "{name}");
        }
        // What every machine needs stays: IPv4 and IPv6, netlink, packets, the usual file systems.
        for name in
            ["net_pf_2", "net_pf_10", "net_pf_1", "net_pf_16_proto_12", "net_pf_17", "fs_ext4", "fs_hfsplus"]
        {
            assert!(rare.rules().denied(name.as_bytes()).is_none(), "{name}");
        }
        let (_, problems) = config(include_str!("../../../packaging/modutils.d/local.conf"));
        assert_eq!(problems, [""; 0]);
    }

    #[test]
    fn a_wrong_line_that_was_to_close_something_is_known_as_such() {
        let problems = ModutilsConfig::default()
            .add(Path::new("a.conf"), b"forbid\ndeny-request\nallow-request\nkeep\n");
        let closing = problems.iter().map(|problem| problem.directive == Directive::Closing);
        assert_eq!(closing.collect::<Vec<_>>(), [true, true, false, false]);
    }

    #[test]
    fn the_last_interval_counts_and_files_add_up() {
        let mut config = ModutilsConfig::default();
        config.add(Path::new("a.conf"), b"interval 10\nkeep a\n");
        config.add(Path::new("a.conf"), b"interval 20\nkeep b\n");
        assert_eq!(config.interval(), 20);
        assert!(config.keeps(&"a".into()) && config.keeps(&"b".into()));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(text in prop::collection::vec(any::<u8>(), 0..300)) {
            ModutilsConfig::default().add(Path::new("a.conf"), &text);
        }
    }
}
