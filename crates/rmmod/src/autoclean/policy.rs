//! What becomes of a module: facts in, a verdict with its reason out. Nothing here reads anything.
//!
//! Two passes are needed to unload a module: one that finds it idle and a later one that still does. In between,
//! any sign of use starts it over. Whatever is not known is a reason to keep.

use std::fmt;

use modfile::ModuleName;
use modhint::evidence::Sign;
use modkernel::ModuleState;
use modstate::BootTime;

/// What is known of a module without looking for signs of use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Its state in the kernel.
    pub state: ModuleState,
    /// How many users the kernel counts; `None` if it does not say.
    pub use_count: Option<u32>,
    /// The modules that use it.
    pub holders: Vec<ModuleName>,
    /// Whether the kernel can never unload it.
    pub permanent: bool,
    /// Who wants it, if somebody does.
    pub wanted: Option<Wanted>,
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

/// Why a module stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    NotLive,
    Permanent,
    Wanted(Wanted),
    HeldBy(Vec<ModuleName>),
    Counted(u32),
    NotCounted,
    /// This alias is of no class whose use counts mean something.
    Untrusted(Vec<u8>),
    /// Its file, which tells its aliases, cannot be read or is another build's.
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

/// A reason to keep a module that its standing alone gives.
type Rule = fn(&Standing) -> Option<Reason>;

/// All of them, in the order in which they are told.
const RULES: [Rule; 5] = [not_live, permanent, wanted, held, counted];

fn not_live(standing: &Standing) -> Option<Reason> {
    (standing.state != ModuleState::Live).then_some(Reason::NotLive)
}

fn permanent(standing: &Standing) -> Option<Reason> {
    standing.permanent.then_some(Reason::Permanent)
}

fn wanted(standing: &Standing) -> Option<Reason> {
    standing.wanted.map(Reason::Wanted)
}

fn held(standing: &Standing) -> Option<Reason> {
    (!standing.holders.is_empty()).then(|| Reason::HeldBy(standing.holders.clone()))
}

fn counted(standing: &Standing) -> Option<Reason> {
    match standing.use_count {
        None => Some(Reason::NotCounted),
        Some(0) => None,
        Some(count) => Some(Reason::Counted(count)),
    }
}

/// Why a module stays whatever its use, or because of a use that the kernel itself counts; `None` if it is a
/// candidate.
pub(crate) fn stays(standing: &Standing) -> Option<Reason> {
    stays_by(&RULES, standing)
}

fn stays_by(rules: &[Rule], standing: &Standing) -> Option<Reason> {
    rules.iter().find_map(|rule| rule(standing))
}

/// What becomes of a candidate without a sign of use: `since` is when it was first found idle, `interval` in
/// milliseconds.
pub(crate) fn idle(since: Option<BootTime>, now: BootTime, interval: u64) -> Verdict {
    match since {
        // A time that is yet to come was never written by a pass of this boot.
        None => Verdict::Mark,
        Some(since) if since > now => Verdict::Mark,
        Some(since) => {
            let idle = now.since(since);
            match interval.checked_sub(idle) {
                Some(left) if left > 0 => Verdict::Waits { idle, left },
                _ => Verdict::Goes { idle },
            }
        }
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
            Self::UnknownAliases => write!(formatter, "kept: its file does not tell what it is"),
            Self::Sign(sign) => sign.fmt(formatter),
            Self::CameIntoUse => write!(formatter, "in use: somebody came at the last moment"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle_standing() -> Standing {
        Standing {
            state: ModuleState::Live,
            use_count: Some(0),
            holders: Vec::new(),
            permanent: false,
            wanted: None,
        }
    }

    #[test]
    fn an_idle_module_is_a_candidate() {
        assert_eq!(stays(&idle_standing()), None);
    }

    #[test]
    fn a_module_that_is_not_live_stays() {
        for state in [ModuleState::Coming, ModuleState::Going, ModuleState::Absent] {
            assert_eq!(stays(&Standing { state, ..idle_standing() }), Some(Reason::NotLive));
        }
    }

    #[test]
    fn a_permanent_module_stays() {
        assert_eq!(stays(&Standing { permanent: true, ..idle_standing() }), Some(Reason::Permanent));
    }

    #[test]
    fn a_module_that_somebody_wants_stays() {
        for wanted in [Wanted::Pinned, Wanted::PinUnreadable, Wanted::Kept, Wanted::LoadedAtBoot] {
            let standing = Standing { wanted: Some(wanted), ..idle_standing() };
            assert_eq!(stays(&standing), Some(Reason::Wanted(wanted)));
        }
    }

    #[test]
    fn a_module_with_holders_stays() {
        let holders = vec!["a".into()];
        let standing = Standing { holders: holders.clone(), ..idle_standing() };
        assert_eq!(stays(&standing), Some(Reason::HeldBy(holders)));
    }

    #[test]
    fn a_module_with_users_or_without_a_count_stays() {
        assert_eq!(stays(&Standing { use_count: Some(1), ..idle_standing() }), Some(Reason::Counted(1)));
        assert_eq!(stays(&Standing { use_count: None, ..idle_standing() }), Some(Reason::NotCounted));
    }

    #[test]
    fn every_rule_keeps_a_module_that_no_other_rule_would_keep() {
        let idle = idle_standing();
        let kept_by_each = [
            Standing { state: ModuleState::Coming, ..idle.clone() },
            Standing { permanent: true, ..idle.clone() },
            Standing { wanted: Some(Wanted::Pinned), ..idle.clone() },
            Standing { holders: vec!["a".into()], ..idle.clone() },
            Standing { use_count: Some(1), ..idle },
        ];
        assert_eq!(kept_by_each.len(), RULES.len());
        for (switched_off, standing) in kept_by_each.iter().enumerate() {
            assert!(stays(standing).is_some(), "{standing:?}");
            let mut rules = RULES.to_vec();
            rules.remove(switched_off);
            assert_eq!(stays_by(&rules, standing), None, "{standing:?}");
        }
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
            assert_eq!(idle(since.map(BootTime), now, 60_000), verdict, "{since:?}");
        }
    }

    #[test]
    fn without_an_interval_the_second_pass_unloads_and_not_the_first() {
        assert_eq!(idle(None, BootTime(5), 0), Verdict::Mark);
        assert_eq!(idle(Some(BootTime(5)), BootTime(5), 0), Verdict::Goes { idle: 0 });
    }
}
