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
use modstate::config::ModutilsConfig;
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
    /// The same, from where `/run` is another: a container or a chroot.
    Elsewhere,
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
type Rule = fn(&dyn Facts, &ModutilsConfig) -> Option<Reason>;

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

fn not_live(facts: &dyn Facts, _: &ModutilsConfig) -> Option<Reason> {
    let is_live = facts.standing().is_some_and(|standing| standing.state == ModuleState::Live);
    (!is_live).then_some(Reason::NotLive)
}

fn permanent(facts: &dyn Facts, _: &ModutilsConfig) -> Option<Reason> {
    facts.standing()?.permanent.then_some(Reason::Permanent)
}

fn held(facts: &dyn Facts, _: &ModutilsConfig) -> Option<Reason> {
    let holders = &facts.standing()?.holders;
    (!holders.is_empty()).then(|| Reason::HeldBy(holders.clone()))
}

fn counted(facts: &dyn Facts, _: &ModutilsConfig) -> Option<Reason> {
    match facts.standing()?.use_count {
        None => Some(Reason::NotCounted),
        Some(0) => None,
        Some(count) => Some(Reason::Counted(count)),
    }
}

fn untrusted_request(facts: &dyn Facts, config: &ModutilsConfig) -> Option<Reason> {
    untrusted(classes::untrusted(facts.request(), &[], config))
}

/// An earlier pass found it in the file, which is not read again unless the configuration changed.
fn untrusted_before(facts: &dyn Facts, config: &ModutilsConfig) -> Option<Reason> {
    match facts.mark() {
        Some(Mark::Alias(alias)) if !is_named(alias, config) => untrusted(Some(alias)),
        _ => None,
    }
}

fn configured(facts: &dyn Facts, _: &ModutilsConfig) -> Option<Reason> {
    let by = classes::configured_by(facts.request())?;
    facts.is_loaded(&by.into()).then_some(Reason::MayBeConfigured(by))
}

fn asked_for(facts: &dyn Facts, _: &ModutilsConfig) -> Option<Reason> {
    let since = facts.since_request();
    (since < GRACE).then_some(Reason::AskedFor(since))
}

fn wanted(facts: &dyn Facts, _: &ModutilsConfig) -> Option<Reason> {
    facts.wanted().map(Reason::Wanted)
}

fn unknown_aliases(facts: &dyn Facts, _: &ModutilsConfig) -> Option<Reason> {
    facts.aliases().is_none().then_some(Reason::UnknownAliases)
}

fn untrusted_alias(facts: &dyn Facts, config: &ModutilsConfig) -> Option<Reason> {
    untrusted(classes::untrusted(facts.request(), facts.aliases()?, config))
}

/// Whoever wrote an `autoclean` line for the request means it, wherever the module was built.
fn used(facts: &dyn Facts, config: &ModutilsConfig) -> Option<Reason> {
    let counts = |sign: &Sign| *sign != Sign::OutOfTree || !is_named(facts.request(), config);
    facts.sign(&counts).map(Reason::Sign)
}

fn untrusted(alias: Option<&[u8]>) -> Option<Reason> {
    alias.map(|alias| Reason::Untrusted(alias.to_vec()))
}

/// Whether an `autoclean` line names an alias.
fn is_named(alias: &[u8], config: &ModutilsConfig) -> bool {
    normalize_alias(alias).is_ok_and(|alias| config.trusts(&alias))
}

/// Why a module stays; `None` if it is idle.
pub(crate) fn reason_to_stay(facts: &dyn Facts, config: &ModutilsConfig) -> Option<Reason> {
    first_of(&RULES, facts, config)
}

fn first_of(rules: &[Rule], facts: &dyn Facts, config: &ModutilsConfig) -> Option<Reason> {
    rules.iter().find_map(|rule| rule(facts, config))
}

/// What becomes of a module at this time.
pub(crate) fn judge(facts: &dyn Facts, config: &ModutilsConfig, now: BootTime) -> Verdict {
    if let Some(reason) = reason_to_stay(facts, config) {
        return Verdict::Stays(reason);
    }
    match facts.mark() {
        // A time in the future was not written by a pass of this boot.
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
            Self::Wanted(Wanted::Elsewhere) => {
                write!(formatter, "kept: loaded on purpose where /run is another")
            }
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
mod tests;
