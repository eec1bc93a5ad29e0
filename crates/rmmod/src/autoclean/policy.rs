//! What becomes of a module: facts in, a verdict with its reason out. Nothing here reads anything; facts that cost
//! something to find out are asked for only when the ones before them say nothing.
//!
//! The order in which reasons are given is the table [`RULES`]. Two passes are needed to unload a module: one that
//! finds it idle and a later one that still does. In between, any sign of use starts it over. Whatever is not known
//! is a reason to keep.

use std::fmt;

use modfile::ModuleName;
use modfile::name::normalize_alias;
use modhint::evidence::Sign;
use modkernel::ModuleState;
use modstate::BootTime;
use modstate::config::Config;
use modstate::marks::Mark;

use super::classes;

/// What the kernel says of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Its state.
    pub state: ModuleState,
    /// How many users it counts; `None` if it does not say.
    pub use_count: Option<u32>,
    /// The modules that use it.
    pub holders: Vec<ModuleName>,
    /// Whether it can never be unloaded.
    pub permanent: bool,
}

/// How somebody said that a module is to stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// It was loaded by hand, or by a program that named it.
    Pinned,
    /// Whether it was cannot be read.
    PinUnreadable,
    /// A `keep` line names it.
    Kept,
    /// It is loaded at every boot.
    LoadedAtBoot,
}

/// What can be found out about a module.
pub(crate) trait Facts {
    /// The kernel's word; `None` if it does not list the module.
    fn standing(&self) -> Option<&Standing>;
    /// The name by which the kernel asked for it.
    fn request(&self) -> &[u8];
    /// What an earlier pass noted of this load.
    fn mark(&self) -> Option<&Mark>;
    /// Whether another module is loaded.
    fn is_loaded(&self, module: &ModuleName) -> bool;
    /// Milliseconds since somebody asked for it, or since it came in.
    fn since_request(&self) -> u64;
    /// Who wants it, if somebody does.
    fn wanted(&self) -> Option<Wanted>;
    /// The aliases in its file and its request; `None` if the file does not say, or is another build's.
    fn aliases(&self) -> Option<&[Vec<u8>]>;
    /// The first sign of use that counts.
    fn sign(&self, counts: &dyn Fn(&Sign) -> bool) -> Option<Sign>;
}

/// Why a module stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    NotLive,
    Permanent,
    HeldBy(Vec<ModuleName>),
    Counted(u32),
    NotCounted,
    /// This alias is of no class whose use counts mean something.
    Untrusted(Vec<u8>),
    /// This module is loaded, which may have configured it.
    MayBeConfigured(&'static str),
    /// Somebody asked for it so many milliseconds ago, and may be about to use it.
    AskedFor(u64),
    Wanted(Wanted),
    /// Its file, which says its aliases, cannot be read or is another build's.
    UnknownAliases,
    Sign(Sign),
    /// It was idle, and the kernel said that it was not when it was to go.
    CameIntoUse,
}

/// What becomes of a module in this pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It stays, and was not idle.
    Stays(Reason),
    /// It is idle in this pass for the first time.
    Mark,
    /// It was idle before, but not for long enough.
    Waits {
        /// Milliseconds since it was first found idle.
        idle: u64,
        /// Milliseconds until a pass may unload it.
        left: u64,
    },
    /// It was idle for an interval and is to go.
    Goes {
        /// Milliseconds since it was first found idle.
        idle: u64,
    },
}

/// Milliseconds in which whoever asked for a module may begin to use it, whatever interval is configured.
const GRACE: u64 = 10_000;

/// A reason to keep a module, if it holds.
type Rule = fn(&dyn Facts, &Config) -> Option<Reason>;

/// All of them in the order in which they are asked and given: what the kernel's list says, what is known without
/// reading, what takes a file to read, what takes a look at the system.
const RULES: [Rule; 12] = [
    not_live,
    permanent,
    held,
    counted,
    untrusted_request,
    untrusted_before,
    configured,
    asked_for,
    wanted,
    unknown_aliases,
    untrusted_alias,
    used,
];

fn not_live(facts: &dyn Facts, _: &Config) -> Option<Reason> {
    let is_live = facts.standing().is_some_and(|standing| standing.state == ModuleState::Live);
    (!is_live).then_some(Reason::NotLive)
}

fn permanent(facts: &dyn Facts, _: &Config) -> Option<Reason> {
    facts.standing()?.permanent.then_some(Reason::Permanent)
}

fn held(facts: &dyn Facts, _: &Config) -> Option<Reason> {
    let holders = &facts.standing()?.holders;
    (!holders.is_empty()).then(|| Reason::HeldBy(holders.clone()))
}

fn counted(facts: &dyn Facts, _: &Config) -> Option<Reason> {
    match facts.standing()?.use_count {
        None => Some(Reason::NotCounted),
        Some(0) => None,
        Some(count) => Some(Reason::Counted(count)),
    }
}

fn untrusted_request(facts: &dyn Facts, config: &Config) -> Option<Reason> {
    untrusted(classes::untrusted(facts.request(), &[], config))
}

/// An earlier pass found it in the file, which is not read again unless the configuration changed.
fn untrusted_before(facts: &dyn Facts, config: &Config) -> Option<Reason> {
    match facts.mark() {
        Some(Mark::Alias(alias)) if !is_named(alias, config) => untrusted(Some(alias)),
        _ => None,
    }
}

fn configured(facts: &dyn Facts, _: &Config) -> Option<Reason> {
    let by = classes::configured_by(facts.request())?;
    facts.is_loaded(&by.into()).then_some(Reason::MayBeConfigured(by))
}

fn asked_for(facts: &dyn Facts, _: &Config) -> Option<Reason> {
    let since = facts.since_request();
    (since < GRACE).then_some(Reason::AskedFor(since))
}

fn wanted(facts: &dyn Facts, _: &Config) -> Option<Reason> {
    facts.wanted().map(Reason::Wanted)
}

fn unknown_aliases(facts: &dyn Facts, _: &Config) -> Option<Reason> {
    facts.aliases().is_none().then_some(Reason::UnknownAliases)
}

fn untrusted_alias(facts: &dyn Facts, config: &Config) -> Option<Reason> {
    untrusted(classes::untrusted(facts.request(), facts.aliases()?, config))
}

/// Whoever wrote an `autoclean` line for the request means it, wherever the module was built.
fn used(facts: &dyn Facts, config: &Config) -> Option<Reason> {
    let counts = |sign: &Sign| *sign != Sign::OutOfTree || !is_named(facts.request(), config);
    facts.sign(&counts).map(Reason::Sign)
}

fn untrusted(alias: Option<&[u8]>) -> Option<Reason> {
    alias.map(|alias| Reason::Untrusted(alias.to_vec()))
}

/// Whether an `autoclean` line names an alias.
fn is_named(alias: &[u8], config: &Config) -> bool {
    normalize_alias(alias).is_ok_and(|alias| config.trusts(&alias))
}

/// Why a module stays; `None` if it is idle.
pub(crate) fn reason_to_stay(facts: &dyn Facts, config: &Config) -> Option<Reason> {
    first_of(&RULES, facts, config)
}

fn first_of(rules: &[Rule], facts: &dyn Facts, config: &Config) -> Option<Reason> {
    rules.iter().find_map(|rule| rule(facts, config))
}

/// What becomes of a module at this time.
pub(crate) fn judge(facts: &dyn Facts, config: &Config, now: BootTime) -> Verdict {
    if let Some(reason) = reason_to_stay(facts, config) {
        return Verdict::Stays(reason);
    }
    match facts.mark() {
        // A time that is yet to come was never written by a pass of this boot.
        Some(Mark::Idle { since, .. }) if *since <= now => {
            let idle = now.since(*since);
            match config.interval().saturating_mul(1000).checked_sub(idle) {
                Some(left) if left > 0 => Verdict::Waits { idle, left },
                _ => Verdict::Goes { idle },
            }
        }
        _ => Verdict::Mark,
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLive => write!(formatter, "kept: being loaded or unloaded"),
            Self::Permanent => write!(formatter, "kept: cannot be unloaded"),
            Self::Wanted(Wanted::Pinned) => write!(formatter, "kept: loaded on purpose"),
            Self::Wanted(Wanted::PinUnreadable) => {
                write!(formatter, "kept: cannot read whether it was loaded on purpose")
            }
            Self::Wanted(Wanted::Kept) => write!(formatter, "kept: named by a keep line"),
            Self::Wanted(Wanted::LoadedAtBoot) => write!(formatter, "kept: loaded at every boot"),
            Self::HeldBy(holders) => {
                let names: Vec<_> = holders.iter().map(ModuleName::to_text).collect();
                write!(formatter, "used by {}", names.join(" "))
            }
            Self::Counted(count) => write!(formatter, "in use: use count {count}"),
            Self::NotCounted => write!(formatter, "kept: the kernel does not count its users"),
            Self::Untrusted(alias) => {
                let alias = String::from_utf8_lossy(alias);
                write!(formatter, "kept: use counts of {alias} prove nothing")
            }
            Self::MayBeConfigured(by) => write!(formatter, "kept: {by} may have configured it"),
            Self::AskedFor(since) => write!(formatter, "kept: asked for {} s ago", since / 1000),
            Self::UnknownAliases => write!(formatter, "kept: its file does not tell what it is"),
            Self::Sign(sign) => sign.fmt(formatter),
            Self::CameIntoUse => write!(formatter, "in use: somebody came at the last moment"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything known of a module beforehand.
    #[derive(Clone)]
    struct Known {
        standing: Option<Standing>,
        request: &'static str,
        mark: Option<Mark>,
        loaded: &'static str,
        since_request: u64,
        wanted: Option<Wanted>,
        aliases: Option<Vec<Vec<u8>>>,
        signs: Vec<Sign>,
    }

    impl Facts for Known {
        fn standing(&self) -> Option<&Standing> {
            self.standing.as_ref()
        }

        fn request(&self) -> &[u8] {
            self.request.as_bytes()
        }

        fn mark(&self) -> Option<&Mark> {
            self.mark.as_ref()
        }

        fn is_loaded(&self, module: &ModuleName) -> bool {
            module == &self.loaded.into()
        }

        fn since_request(&self) -> u64 {
            self.since_request
        }

        fn wanted(&self) -> Option<Wanted> {
            self.wanted
        }

        fn aliases(&self) -> Option<&[Vec<u8>]> {
            self.aliases.as_deref()
        }

        fn sign(&self, counts: &dyn Fn(&Sign) -> bool) -> Option<Sign> {
            self.signs.iter().find(|sign| counts(sign)).cloned()
        }
    }

    fn idle() -> Known {
        Known {
            standing: Some(Standing {
                state: ModuleState::Live,
                use_count: Some(0),
                holders: Vec::new(),
                permanent: false,
            }),
            request: "fs-m",
            mark: None,
            loaded: "",
            since_request: 10_000,
            wanted: None,
            aliases: Some(vec![b"fs-m".to_vec()]),
            signs: Vec::new(),
        }
    }

    /// A change that makes an idle module stay.
    type Change = fn(&mut Known);

    fn standing(known: &mut Known) -> &mut Standing {
        known.standing.as_mut().unwrap()
    }

    /// For each rule, in the order of [`RULES`], what makes it and no other fire.
    fn reasons() -> [(Change, Reason); RULES.len()] {
        [
            (|known| standing(known).state = ModuleState::Coming, Reason::NotLive),
            (|known| standing(known).permanent = true, Reason::Permanent),
            (|known| standing(known).holders = vec!["a".into()], Reason::HeldBy(vec!["a".into()])),
            (|known| standing(known).use_count = Some(2), Reason::Counted(2)),
            (|known| known.request = "bridge", Reason::Untrusted(b"bridge".to_vec())),
            (
                |known| known.mark = Some(Mark::Alias(b"pci:v1".to_vec())),
                Reason::Untrusted(b"pci:v1".to_vec()),
            ),
            (
                |known| {
                    (known.request, known.loaded) = ("crypto-m", "crypto_user");
                },
                Reason::MayBeConfigured("crypto_user"),
            ),
            (|known| known.since_request = 9_999, Reason::AskedFor(9_999)),
            (|known| known.wanted = Some(Wanted::Kept), Reason::Wanted(Wanted::Kept)),
            (|known| known.aliases = None, Reason::UnknownAliases),
            (
                |known| known.aliases = Some(vec![b"fs-m".to_vec(), b"usb:v1".to_vec()]),
                Reason::Untrusted(b"usb:v1".to_vec()),
            ),
            (|known| known.signs = vec![Sign::OutOfTree], Reason::Sign(Sign::OutOfTree)),
        ]
    }

    #[test]
    fn a_module_that_nothing_keeps_is_idle() {
        assert_eq!(reason_to_stay(&idle(), &Config::default()), None);
    }

    #[test]
    fn every_rule_keeps_a_module_that_no_other_rule_would_keep() {
        for (number, (change, reason)) in reasons().into_iter().enumerate() {
            let mut known = idle();
            change(&mut known);
            let config = Config::default();
            assert_eq!(judge(&known, &config, BootTime(0)), Verdict::Stays(reason.clone()));
            let mut others = RULES.to_vec();
            let rule = others.remove(number);
            // Another rule about the request's alias sees the same one in the file.
            let kept_by_others = first_of(&others, &known, &config);
            assert!(kept_by_others.is_none() || known.request == "bridge", "{reason:?}: {kept_by_others:?}");
            assert_eq!(rule(&known, &config), Some(reason));
        }
    }

    #[test]
    fn of_two_reasons_the_one_whose_rule_stands_first_is_given() {
        let reasons = reasons();
        for (first, (change, reason)) in reasons.iter().enumerate() {
            for (later, _) in reasons.iter().skip(first + 1) {
                let mut known = idle();
                later(&mut known);
                change(&mut known);
                assert_eq!(reason_to_stay(&known, &Config::default()).as_ref(), Some(reason));
            }
        }
    }

    #[test]
    fn each_way_of_being_wanted_and_of_not_being_live_or_counted_keeps() {
        for wanted in [Wanted::Pinned, Wanted::PinUnreadable, Wanted::Kept, Wanted::LoadedAtBoot] {
            let known = Known { wanted: Some(wanted), ..idle() };
            assert_eq!(reason_to_stay(&known, &Config::default()), Some(Reason::Wanted(wanted)));
        }
        for state in [ModuleState::Coming, ModuleState::Going, ModuleState::Absent] {
            let mut known = idle();
            standing(&mut known).state = state;
            assert_eq!(reason_to_stay(&known, &Config::default()), Some(Reason::NotLive));
        }
        let known = Known { standing: None, ..idle() };
        assert_eq!(reason_to_stay(&known, &Config::default()), Some(Reason::NotLive));
        let mut known = idle();
        standing(&mut known).use_count = None;
        assert_eq!(reason_to_stay(&known, &Config::default()), Some(Reason::NotCounted));
    }

    #[test]
    fn an_autoclean_line_is_meant_for_modules_from_outside_the_tree_as_well() {
        let mut config = Config::default();
        config.add(std::path::Path::new("a.conf"), b"autoclean mine-*\n");
        let known = Known {
            request: "mine-1",
            aliases: Some(vec![b"mine-1".to_vec()]),
            signs: vec![Sign::OutOfTree, Sign::Device(b"x".to_vec())],
            ..idle()
        };
        assert_eq!(reason_to_stay(&known, &config), Some(Reason::Sign(Sign::Device(b"x".to_vec()))));
        let known = Known { signs: vec![Sign::OutOfTree], ..known };
        assert_eq!(reason_to_stay(&known, &config), None);
        // A class that is trusted anyway is not the administrator's word.
        let known = Known { request: "fs-m", ..known };
        assert_eq!(reason_to_stay(&known, &config), Some(Reason::Sign(Sign::OutOfTree)));
    }

    #[test]
    fn an_alias_found_by_an_earlier_pass_keeps_until_a_line_names_it() {
        let mut config = Config::default();
        config.add(std::path::Path::new("a.conf"), b"autoclean pci:*\n");
        let known = Known { mark: Some(Mark::Alias(b"pci:v1".to_vec())), ..idle() };
        assert_eq!(reason_to_stay(&known, &config), None);
    }

    #[test]
    fn an_idle_module_goes_at_the_first_pass_an_interval_after_its_mark() {
        let now = BootTime(100_000);
        for (since, verdict) in [
            (None, Verdict::Mark),
            (Some(100_000), Verdict::Waits { idle: 0, left: 60_000 }),
            (Some(40_001), Verdict::Waits { idle: 59_999, left: 1 }),
            (Some(40_000), Verdict::Goes { idle: 60_000 }),
            (Some(0), Verdict::Goes { idle: 100_000 }),
            (Some(100_001), Verdict::Mark),
        ] {
            let mark = since.map(|since| Mark::Idle { since: BootTime(since), aliases: Vec::new() });
            assert_eq!(judge(&Known { mark, ..idle() }, &Config::default(), now), verdict, "{since:?}");
        }
    }

    #[test]
    fn without_an_interval_the_second_pass_unloads_and_not_the_first() {
        let mut config = Config::default();
        config.add(std::path::Path::new("a.conf"), b"interval 0\n");
        assert_eq!(judge(&idle(), &config, BootTime(5)), Verdict::Mark);
        let mark = Some(Mark::Idle { since: BootTime(5), aliases: Vec::new() });
        let known = Known { mark, ..idle() };
        assert_eq!(judge(&known, &config, BootTime(5)), Verdict::Goes { idle: 0 });
    }
}
