//! What a run of modprobe is to do, as data: after this nobody looks at options.

// long: half of it are the tests of how options combine

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use modcli::Threshold;
use modcli::common::{QUIET, VERBOSE};
use modcli::getopt::Parsed;
use modkernel::{InsertFlags, RemoveFlags};

use crate::cli;

/// A run of modprobe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What to do.
    pub action: Action,
    /// Where modules and configuration are.
    pub place: Place,
}

/// Where modules and configuration are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Root of the system that the modules belong to, as text before the module directory; empty for `/`.
    pub root: PathBuf,
    /// The kernel's release; `None` for the running one.
    pub release: Option<OsString>,
    /// Files or directories instead of the modprobe.d directories, if any.
    pub config: Vec<PathBuf>,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Print configuration and aliases.
    ShowConfig,
    /// Print symbols of a module.
    ShowSymbols {
        /// Which.
        which: Symbols,
        /// A path or a name.
        module: OsString,
    },
    /// Print the modules that names mean.
    ShowNames {
        /// The names.
        names: Vec<OsString>,
        /// Whether to go on after one that is not found.
        after_failure: AfterFailure,
    },
    /// Print the files of modules.
    List {
        /// Shell pattern for the name.
        pattern: Option<OsString>,
        /// A directory on the way to the file.
        below: Option<OsString>,
    },
    /// Print what a name means and what would be done.
    Explain {
        /// The name.
        name: OsString,
        /// How it is printed.
        format: Format,
    },
    /// Save settings of loaded modules.
    SaveSettings(Vec<OsString>),
    /// Print settings of modules.
    ShowSettings(Vec<OsString>),
    /// Load modules.
    Insert(Insert),
    /// Unload modules.
    Remove(Remove),
}

/// Which symbols are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symbols {
    /// The versions that a module needs.
    Needed,
    /// The versions that a module exports.
    Exported,
}

/// How an explanation is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Whether one operand's failure ends the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterFailure {
    /// It does: FATAL.
    Stop,
    /// The next operand follows: WARNING.
    GoOn,
}

/// Whether something is done, and shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Done.
    Real {
        /// Whether each step is shown.
        show: bool,
    },
    /// Not done; what is loaded counts.
    DryRun {
        /// Whether each step is shown.
        show: bool,
    },
    /// Shown and not done, as if nothing were loaded.
    ShowDepends,
}

impl Mode {
    /// Whether each step is shown.
    #[must_use]
    pub fn shows(self) -> bool {
        match self {
            Self::Real { show } | Self::DryRun { show } => show,
            Self::ShowDepends => true,
        }
    }

    /// Whether it is done.
    #[must_use]
    pub fn is_real(self) -> bool {
        matches!(self, Self::Real { .. })
    }

    /// Whether what is loaded counts.
    #[must_use]
    pub fn asks_kernel(self) -> bool {
        self != Self::ShowDepends
    }
}

/// Whether settings are saved before a module goes and put back after it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persist {
    /// As modutils.d says.
    AsConfigured,
    /// Neither.
    NotThisTime,
}

/// A request to load modules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Insert {
    /// What to load.
    pub modules: Vec<Wanted>,
    /// Whether to go on after one that fails.
    pub after_failure: AfterFailure,
    /// What is done and shown.
    pub mode: Mode,
    /// Whether a module that is there already is an error.
    pub first_time: bool,
    /// Whether settings are put back.
    pub persist: Persist,
    /// Whether install commands and softdeps of the named modules are left aside.
    pub ignore_commands: bool,
    /// Whether the blacklist holds for modules named directly.
    pub use_blacklist: bool,
    /// What is not checked.
    pub flags: InsertFlags,
}

/// A module to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Name, alias or path.
    pub operand: OsString,
    /// Its parameters, quoted as the kernel wants them, separated by spaces.
    pub params: Vec<u8>,
}

/// A request to unload modules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remove {
    /// Names or aliases.
    pub names: Vec<OsString>,
    /// Whether to go on after one that fails.
    pub after_failure: AfterFailure,
    /// What is done and shown.
    pub mode: Mode,
    /// Whether a module that is gone already is an error.
    pub first_time: bool,
    /// Whether settings are saved.
    pub persist: Persist,
    /// Whether remove commands and softdeps of the named modules are left aside.
    pub ignore_commands: bool,
    /// Whether the modules that use it are unloaded first.
    pub with_holders: bool,
    /// How long to wait for users to go away.
    pub wait: Option<Duration>,
    /// How the kernel is asked.
    pub flags: RemoveFlags,
}

/// What is wrong with a command line that getopt accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// There is nothing to do it with.
    NoOperands,
    /// `-w` without a number.
    BadWait(OsString),
    /// `-t` without `-l`.
    TypeWithoutList,
    /// `--json` without `--explain`.
    JsonWithoutExplain,
    /// `--save-settings` with `-n` or `-D`.
    SaveDry,
}

impl Request {
    /// Reads a request from parsed options.
    ///
    /// # Errors
    /// The first [`Problem`].
    pub fn new(parsed: &Parsed, current_dir: impl FnOnce() -> PathBuf) -> Result<Self, Problem> {
        let wait = parsed.value(cli::WAIT).map(milliseconds).transpose()?;
        Ok(Self { action: action(parsed, wait)?, place: place(parsed, current_dir) })
    }
}

/// The actions in the order in which one takes precedence over the next.
fn action(parsed: &Parsed, wait: Option<Duration>) -> Result<Action, Problem> {
    if let Some(name) = parsed.value(cli::EXPLAIN) {
        let format = if parsed.has(cli::JSON) { Format::Json } else { Format::Text };
        return Ok(Action::Explain { name: name.to_owned(), format });
    }
    if parsed.has(cli::JSON) {
        return Err(Problem::JsonWithoutExplain);
    }
    if parsed.has(cli::SHOW_SETTINGS) {
        return Ok(Action::ShowSettings(parsed.operands.clone()));
    }
    if parsed.has(cli::SAVE_SETTINGS) {
        let names = parsed.operands.clone();
        return if mode(parsed).is_real() { Ok(Action::SaveSettings(names)) } else { Err(Problem::SaveDry) };
    }
    if parsed.has(cli::LIST) {
        let below = parsed.value(cli::TYPE).map(OsStr::to_owned);
        return Ok(Action::List { pattern: parsed.operands.first().cloned(), below });
    }
    if parsed.has(cli::TYPE) {
        return Err(Problem::TypeWithoutList);
    }
    if parsed.has(cli::SHOW_CONFIG) {
        return Ok(Action::ShowConfig);
    }
    let Some((first, others)) = parsed.operands.split_first() else { return Err(Problem::NoOperands) };
    for (id, which) in [(cli::SHOW_MODVERSIONS, Symbols::Needed), (cli::SHOW_EXPORTS, Symbols::Exported)] {
        if parsed.has(id) {
            return Ok(Action::ShowSymbols { which, module: first.clone() });
        }
    }
    let after_failure = if parsed.has(cli::ALL) { AfterFailure::GoOn } else { AfterFailure::Stop };
    if parsed.has(cli::REMOVE) {
        return Ok(Action::Remove(remove(parsed, after_failure, wait)));
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
        return Ok(Action::ShowNames { names, after_failure });
    }
    let force = parsed.has(cli::FORCE);
    Ok(Action::Insert(Insert {
        modules,
        after_failure,
        mode: mode(parsed),
        first_time: parsed.has(cli::FIRST_TIME),
        persist: persist(parsed),
        ignore_commands: parsed.has(cli::IGNORE_COMMANDS),
        use_blacklist: parsed.has(cli::USE_BLACKLIST),
        flags: InsertFlags {
            ignore_modversions: force || parsed.has(cli::FORCE_MODVERSION),
            ignore_vermagic: force || parsed.has(cli::FORCE_VERMAGIC),
        },
    }))
}

fn remove(parsed: &Parsed, after_failure: AfterFailure, wait: Option<Duration>) -> Remove {
    Remove {
        names: parsed.operands.clone(),
        after_failure,
        mode: mode(parsed),
        first_time: parsed.has(cli::FIRST_TIME),
        persist: persist(parsed),
        ignore_commands: parsed.has(cli::IGNORE_COMMANDS),
        with_holders: parsed.has(cli::REMOVE_HOLDERS),
        wait,
        flags: RemoveFlags { force: parsed.has(cli::FORCE) },
    }
}

fn mode(parsed: &Parsed) -> Mode {
    let show = is_verbose(parsed);
    if parsed.has(cli::SHOW_DEPENDS) {
        Mode::ShowDepends
    } else if parsed.has(cli::DRY_RUN) {
        Mode::DryRun { show }
    } else {
        Mode::Real { show }
    }
}

fn persist(parsed: &Parsed) -> Persist {
    if parsed.has(cli::NO_PERSIST) { Persist::NotThisTime } else { Persist::AsConfigured }
}

/// Whether there are more `-v` than it takes after the last `-q`, which a few are needed to outweigh.
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
        // compat: an empty root is the system's own.
        Some(root) if root.is_empty() => PathBuf::new(),
        Some(root) => absolute(root, current_dir),
    };
    Place {
        root,
        release: parsed.value(cli::SET_VERSION).map(OsStr::to_owned),
        config: parsed.values(cli::CONFIG).map(PathBuf::from).collect(),
    }
}

/// compat: text only, nothing is resolved.
pub(crate) fn absolute(path: &OsStr, current_dir: impl FnOnce() -> PathBuf) -> PathBuf {
    if path.as_bytes().starts_with(b"/") {
        return path.into();
    }
    let mut absolute = current_dir().into_os_string();
    absolute.push("/");
    absolute.push(path);
    absolute.into()
}

/// Parameters as the kernel reads them: a value with a space is put between quotes unless it begins with one.
fn params(arguments: &[OsString]) -> Vec<u8> {
    let mut params = Vec::new();
    for argument in arguments {
        // compat: empty arguments count only behind another.
        if !params.is_empty() {
            params.push(b' ');
        }
        params.extend(quote(argument.as_bytes()));
    }
    params
}

fn quote(argument: &[u8]) -> Vec<u8> {
    let Some(equals) = argument.iter().position(|&byte| byte == b'=') else { return argument.to_vec() };
    let (key, value) = argument.split_at(equals.saturating_add(1));
    match value.first() {
        Some(b'"' | b'\'') => argument.to_vec(),
        _ if value.contains(&b' ') => [key, b"\"", value, b"\""].concat(),
        _ => argument.to_vec(),
    }
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
mod tests {
    use modcli::getopt::{self, Options, Order};

    use super::*;

    pub(super) fn parse(arguments: &[&str]) -> Parsed {
        let command = cli::command();
        let argv: Vec<OsString> =
            std::iter::once("modprobe").chain(arguments.iter().copied()).map(OsString::from).collect();
        getopt::parse(&Options::of(&command, cli::DEFINITION.added), &argv, Order::Permuted).unwrap()
    }

    fn request(arguments: &[&str]) -> Result<Request, Problem> {
        Request::new(&parse(arguments), || "/here".into())
    }

    fn action(arguments: &[&str]) -> Action {
        request(arguments).unwrap().action
    }

    #[test]
    fn actions_take_precedence_in_a_fixed_order() {
        assert_eq!(action(&["-c", "-r", "--show-exports", "x"]), Action::ShowConfig);
        assert!(matches!(
            action(&["-r", "--show-exports", "--show-modversions", "x"]),
            Action::ShowSymbols { which: Symbols::Needed, .. }
        ));
        assert!(matches!(action(&["-r", "-a", "-R", "x"]), Action::Remove(_)));
        assert!(matches!(action(&["--remove-holders", "x"]), Action::Insert(_)));
        assert!(matches!(action(&["-R", "-D", "x"]), Action::ShowNames { .. }));
        assert!(matches!(action(&["-n", "x"]), Action::Insert(_)));
    }

    #[test]
    fn settings_are_shown_or_saved_of_all_modules_or_those_named() {
        assert_eq!(action(&["--save-settings"]), Action::SaveSettings(vec![]));
        assert_eq!(action(&["--save-s", "a", "b"]), Action::SaveSettings(vec!["a".into(), "b".into()]));
        assert_eq!(
            action(&["--show-settings", "--save-settings", "a"]),
            Action::ShowSettings(vec!["a".into()])
        );
    }

    #[test]
    fn settings_are_kept_unless_told_otherwise() {
        for (arguments, expected) in
            [(&["m"][..], Persist::AsConfigured), (&["--no-persist", "m"], Persist::NotThisTime)]
        {
            let Action::Insert(insert) = action(arguments) else { panic!("not an insertion") };
            let Action::Remove(remove) = action(&[arguments, &["-r"]].concat()) else {
                panic!("not a removal")
            };
            assert_eq!((insert.persist, remove.persist), (expected, expected));
        }
    }

    #[test]
    fn operands_after_the_first_are_parameters_without_all() {
        let Action::Insert(one) = action(&["m", "x=a b", "y=\"c d\"", "z='1 2'", "plain word", "=a b", "k="])
        else {
            panic!("not an insertion");
        };
        let expected = "x=\"a b\" y=\"c d\" z='1 2' plain word =\"a b\" k=";
        assert_eq!(one.modules, [Wanted { operand: "m".into(), params: expected.as_bytes().to_vec() }]);
        let Action::Insert(all) = action(&["-a", "m", "x=1"]) else { panic!("not an insertion") };
        assert_eq!(all.modules.len(), 2);
        let Action::Insert(empty) = action(&["m", "", "x=1", "", "y"]) else { panic!("not an insertion") };
        assert_eq!(empty.modules, [Wanted { operand: "m".into(), params: b"x=1  y".to_vec() }]);
    }

    #[test]
    fn show_depends_beats_dry_run_and_both_beat_the_deed() {
        let mode = |arguments: &[&str]| match action(arguments) {
            Action::Insert(insert) => insert.mode,
            other => panic!("{other:?}"),
        };
        assert_eq!(mode(&["-D", "-n", "m"]), Mode::ShowDepends);
        assert_eq!(mode(&["-n", "m"]), Mode::DryRun { show: false });
        assert_eq!(mode(&["--show", "-v", "m"]), Mode::DryRun { show: true });
        assert_eq!(mode(&["m"]), Mode::Real { show: false });
        assert_eq!(mode(&["-v", "-q", "m"]), Mode::Real { show: false });
        assert_eq!(mode(&["-q", "-vvvv", "m"]), Mode::Real { show: false });
        assert_eq!(mode(&["-q", "-vvvvv", "m"]), Mode::Real { show: true });
    }

    #[test]
    fn a_wait_is_a_number_of_c() {
        let wait = |text: &str| match request(&["-r", "-w", text, "m"]).map(|request| request.action) {
            Ok(Action::Remove(remove)) => remove.wait.map(|wait| wait.as_millis()),
            _ => None,
        };
        for (text, expected) in [
            ("10", Some(10)),
            ("0x10", Some(16)),
            ("010", Some(8)),
            ("0", Some(0)),
            (" +5", Some(5)),
            ("10x", None),
            ("", None),
            ("0x", None),
            ("++5", None),
            ("1_0", None),
        ] {
            assert_eq!(wait(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_relative_root_is_put_behind_the_current_directory_as_text() {
        assert_eq!(request(&["-d", "./r", "m"]).unwrap().place.root, PathBuf::from("/here/./r"));
        assert_eq!(request(&["-d", "/r/", "m"]).unwrap().place.root, PathBuf::from("/r/"));
        assert_eq!(request(&["m"]).unwrap().place.root, PathBuf::new());
        assert_eq!(request(&["-d", "", "m"]).unwrap().place.root, PathBuf::new());
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        assert_eq!(request(&[]), Err(Problem::NoOperands));
        assert_eq!(request(&["--show-exports"]), Err(Problem::NoOperands));
        assert_eq!(request(&["-t", "net"]), Err(Problem::TypeWithoutList));
        assert_eq!(request(&["--json", "m"]), Err(Problem::JsonWithoutExplain));
        assert_eq!(request(&["--save-settings", "-n"]), Err(Problem::SaveDry));
        assert!(request(&["-c"]).is_ok() && request(&["-l"]).is_ok());
    }
}
