//! How options become a request.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use modcli::common::{QUIET, VERBOSE};
use modcli::getopt::Parsed;
use modcli::{Hints, Threshold};
use modkernel::{InsertFlags, RemoveFlags};
use modload::{Demand, Effect, Persist, Presence, Terms};

use super::{AfterFailure, Format, How, Load, Place, Problem, Request, Symbols, Unload, Wanted, Work};
use crate::caller::Caller;
use crate::{cli, env};

impl Request {
    /// Reads a request from parsed options.
    ///
    /// # Errors
    /// The first [`Problem`].
    pub fn new(
        parsed: &Parsed,
        caller: Caller,
        inherited: Option<&OsStr>,
        current_dir: impl FnOnce() -> PathBuf,
    ) -> Result<Self, Problem> {
        let wait = parsed.value(cli::WAIT).map(milliseconds).transpose()?;
        Ok(Self {
            action: action(parsed, wait)?,
            place: place(parsed, current_dir),
            demand: demand(parsed, caller, inherited),
            handed_on: env::handed_on(parsed),
            hints: hints(parsed),
        })
    }
}

/// The actions in the order in which one takes precedence over the next.
fn action(parsed: &Parsed, wait: Option<Duration>) -> Result<Work, Problem> {
    let format = if parsed.has(cli::JSON) { Format::Json } else { Format::Text };
    if parsed.has(cli::EXPLAIN) {
        let names = parsed.operands.clone();
        return if names.is_empty() { Err(Problem::NoOperands) } else { Ok(Work::Explain { names, format }) };
    }
    if parsed.has(cli::CHECK) {
        return Ok(Work::Check { names: parsed.operands.clone(), format });
    }
    if parsed.has(cli::JSON) {
        return Err(Problem::JsonWithoutExplain);
    }
    if parsed.has(cli::SHOW_SETTINGS) {
        return Ok(Work::ShowSettings(parsed.operands.clone()));
    }
    if parsed.has(cli::SAVE_SETTINGS) {
        let names = parsed.operands.clone();
        return if how(parsed, AfterFailure::Stop).terms.effect == Effect::Real {
            Ok(Work::SaveSettings(names))
        } else {
            Err(Problem::SaveDry)
        };
    }
    if parsed.has(cli::RESTORE_SETTINGS) {
        let (names, persist) = (parsed.operands.clone(), persist(parsed));
        return if how(parsed, AfterFailure::Stop).terms.effect == Effect::Real {
            Ok(Work::RestoreSettings { names, persist })
        } else {
            Err(Problem::RestoreDry)
        };
    }
    if parsed.has(cli::LIST) {
        let below = parsed.value(cli::TYPE).map(OsStr::to_owned);
        return Ok(Work::List { pattern: parsed.operands.first().cloned(), below });
    }
    if parsed.has(cli::TYPE) {
        return Err(Problem::TypeWithoutList);
    }
    if parsed.has(cli::SHOW_CONFIG) {
        return Ok(Work::ShowConfig);
    }
    let Some((first, others)) = parsed.operands.split_first() else { return Err(Problem::NoOperands) };
    for (id, which) in [(cli::SHOW_MODVERSIONS, Symbols::Needed), (cli::SHOW_EXPORTS, Symbols::Exported)] {
        if parsed.has(id) {
            return Ok(Work::ShowSymbols { which, module: first.clone() });
        }
    }
    let after_failure = if parsed.has(cli::ALL) { AfterFailure::GoOn } else { AfterFailure::Stop };
    // compat: kmod up to 34 loads the module that --remove-holders names without -r; later ones unload
    // (case modprobe/remove-holders-alone).
    if parsed.has(cli::REMOVE) || parsed.has(cli::REMOVE_HOLDERS) {
        return Ok(Work::Unload(unload(parsed, after_failure, wait)));
    }
    let modules: Vec<Wanted> = match after_failure {
        AfterFailure::GoOn => parsed
            .operands
            .iter()
            .map(|operand| Wanted { operand: operand.clone(), params: Vec::new() })
            .collect(),
        AfterFailure::Stop => vec![Wanted { operand: first.clone(), params: params(others) }],
    };
    if parsed.has(cli::RESOLVE_ALIAS) {
        let names = modules.into_iter().map(|wanted| wanted.operand).collect();
        return Ok(Work::ShowNames { names, after_failure });
    }
    let force = parsed.has(cli::FORCE);
    Ok(Work::Load(Load {
        modules,
        how: how(parsed, after_failure),
        persist: persist(parsed),
        ignore_commands: parsed.has(cli::IGNORE_COMMANDS),
        use_blacklist: parsed.has(cli::USE_BLACKLIST),
        flags: InsertFlags {
            ignore_modversions: force || parsed.has(cli::FORCE_MODVERSION),
            ignore_vermagic: force || parsed.has(cli::FORCE_VERMAGIC),
        },
    }))
}

fn unload(parsed: &Parsed, after_failure: AfterFailure, wait: Option<Duration>) -> Unload {
    Unload {
        names: parsed.operands.clone(),
        how: how(parsed, after_failure),
        persist: persist(parsed),
        ignore_commands: parsed.has(cli::IGNORE_COMMANDS),
        with_holders: parsed.has(cli::REMOVE_HOLDERS),
        wait,
        flags: RemoveFlags { force: parsed.has(cli::FORCE) },
    }
}

fn how(parsed: &Parsed, after_failure: AfterFailure) -> How {
    let shows_depends = parsed.has(cli::SHOW_DEPENDS);
    let effect = if shows_depends || parsed.has(cli::DRY_RUN) { Effect::Rehearsed } else { Effect::Real };
    let presence = if shows_depends { Presence::Ignored } else { Presence::Counts };
    let terms = Terms { effect, presence, first_time: parsed.has(cli::FIRST_TIME) };
    How { terms, show: shows_depends || is_verbose(parsed), after_failure }
}

/// compat: scripts read a dry run with both streams in one, and want the plan in its first line
/// (case modprobe/hint-dry-run-alias).
fn hints(parsed: &Parsed) -> Hints {
    let is_dry = parsed.has(cli::SHOW_DEPENDS) || parsed.has(cli::DRY_RUN);
    match (parsed.has(cli::HINTS), is_dry) {
        (true, _) => Hints::Always,
        (false, true) => Hints::OnTerminal,
        (false, false) => Hints::OnTerminalOrVerbose,
    }
}

fn persist(parsed: &Parsed) -> Persist {
    if parsed.has(cli::NO_PERSIST) { Persist::NotThisTime } else { Persist::AsConfigured }
}

/// On whose behalf modules are loaded. `inherited` is what the kernel asked for if this process runs within a command
/// on its behalf.
fn demand(parsed: &Parsed, caller: Caller, inherited: Option<&OsStr>) -> Demand {
    let is_demanded = caller == Caller::Kernel || parsed.has(cli::AUTOCLEAN);
    let name = if is_demanded { parsed.operands.first().map(OsString::as_os_str) } else { inherited };
    name.map_or(Demand::Person, |name| Demand::Kernel(name.to_owned()))
}

/// Whether there are enough `-v` after the last `-q` to outweigh it.
fn is_verbose(parsed: &Parsed) -> bool {
    let normal = Threshold::WARNINGS;
    let threshold = parsed.events.iter().fold(normal, |threshold, event| match event.id.as_str() {
        VERBOSE => threshold.raised(),
        QUIET => Threshold::SILENT,
        _ => threshold,
    });
    threshold > normal
}

fn place(parsed: &Parsed, current_dir: impl FnOnce() -> PathBuf) -> Place {
    let root = match parsed.value(cli::DIRNAME) {
        None => PathBuf::new(),
        // compat: an empty root is the system's own (case modprobe/option-value-empty).
        Some(root) if root.is_empty() => PathBuf::new(),
        Some(root) => absolute(root, current_dir),
    };
    Place {
        root,
        release: parsed.value(cli::SET_VERSION).map(OsStr::to_owned),
        config: parsed.values(cli::CONFIG).map(PathBuf::from).collect(),
    }
}

/// compat: joined as text, nothing is resolved (case modprobe/option-dirname-relative).
pub(crate) fn absolute(path: &OsStr, current_dir: impl FnOnce() -> PathBuf) -> PathBuf {
    if path.as_bytes().starts_with(b"/") {
        return path.into();
    }
    let mut absolute = current_dir().into_os_string();
    absolute.push("/");
    absolute.push(path);
    absolute.into()
}

fn params(arguments: &[OsString]) -> Vec<u8> {
    modfile::parameters::from_arguments(arguments.iter().map(|argument| argument.as_bytes()))
}

/// A number as C writes it: decimal, `0x` hexadecimal or `0` octal.
fn milliseconds(text: &OsStr) -> Result<Duration, Problem> {
    let bad = || Problem::BadWait(text.to_owned());
    let trimmed = text.as_bytes().trim_ascii_start();
    let number = trimmed.strip_prefix(b"+").unwrap_or(trimmed);
    let (digits, radix) = match number {
        [b'0', b'x' | b'X', digits @ ..] => (digits, 16),
        [b'0', digits @ ..] if !digits.is_empty() => (digits, 8),
        digits => (digits, 10),
    };
    // The parser of numbers would take a sign here.
    if digits.first().is_none_or(|digit| !digit.is_ascii_hexdigit()) {
        return Err(bad());
    }
    let digits = std::str::from_utf8(digits).map_err(|_| bad())?;
    u64::from_str_radix(digits, radix).map(Duration::from_millis).map_err(|_| bad())
}

#[cfg(test)]
mod tests;
