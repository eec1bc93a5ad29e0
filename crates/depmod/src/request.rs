//! What a run of depmod is to do, as data: after this nobody looks at options.

// long: the request and the command lines that show it

use std::ffi::{OsStr, OsString};
use std::num::NonZero;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use modcli::getopt::Parsed;

use crate::cache::CacheFile;
use crate::cli;
use crate::paths;
use crate::summary::SummaryForm;

/// A run of depmod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The kernel's release.
    pub release: OsString,
    /// Root of the system that the modules belong to, as text before the module directory; empty for `/`.
    pub base: PathBuf,
    /// The same for the database.
    pub output_base: PathBuf,
    /// The module directory below each of them.
    pub within: PathBuf,
    /// The module directory.
    pub input: PathBuf,
    /// Where the database goes.
    pub output: PathBuf,
    /// Whether nothing outside of the base counts, as if it were the root directory.
    pub is_contained: bool,
    /// Whether another directory than the usual one holds those of all kernels.
    pub is_module_dir_named: bool,
    /// Which modules.
    pub selection: Selection,
    /// Files or directories instead of the depmod.d directories, if any.
    pub config: Vec<PathBuf>,
    /// Where the kernel's own symbols are listed.
    pub kernel_symbols: KernelSymbolSource,
    /// Whether needs that nobody meets are reported.
    pub check: bool,
    /// A character before every symbol.
    pub symbol_prefix: Option<u8>,
    /// Whether aliases given twice are reported.
    pub warn: bool,
    /// Where the result goes.
    pub destination: Destination,
    /// Whether any warning makes the run a failure.
    pub strict: bool,
    /// Whether an old database is replaced though something could not be looked at.
    pub keep_going: bool,
    /// No file gets a later time.
    pub latest: Option<SystemTime>,
    /// Where what modules say is kept from run to run.
    pub cache: CacheFile,
    /// How the run is summed up on standard output.
    pub summary: SummaryForm,
    /// How many modules are read at a time; `None` for one per processor.
    pub jobs: Option<NonZero<usize>>,
}

/// Which modules a run is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All in the module directory and the external ones.
    All,
    /// All, if one of them is newer than `modules.dep`.
    IfNewer,
    /// These files and no others.
    Files(Vec<PathBuf>),
}

/// Where the kernel's own symbols are listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KernelSymbolSource {
    /// Nothing was said.
    Unsaid,
    /// In a `Module.symvers`.
    Symvers(PathBuf),
    /// In a `System.map`.
    SystemMap(PathBuf),
}

/// Where the result goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Text files to standard output.
    Stdout,
    /// All files into the output directory.
    Files,
    /// Compared with the files of the output directory.
    Comparison,
    /// Nowhere: the files are removed.
    Removal,
}

/// What is wrong with a command line that getopt accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadRequest {
    /// `-P` with other than one character. Ends the run even before the version is looked at.
    PrefixNotOneCharacter,
    /// The first operand is not a kernel release.
    BadRelease(OsString),
    /// A module file was not given by its whole path.
    NotAbsolute(PathBuf),
    /// `-j` without a number of at least one.
    BadJobs(OsString),
    /// `--root` together with a directory that is to count instead.
    RootAndBase,
}

/// What the environment contributes.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Release of the running kernel.
    pub running_release: OsString,
    /// The current directory.
    pub current_dir: PathBuf,
    /// Whether this is a running system, and not an image that is being made.
    pub is_live: bool,
    /// What no file is to be newer than, in seconds since 1970.
    pub source_date_epoch: Option<u64>,
}

impl Request {
    /// Reads a request from parsed options.
    ///
    /// # Errors
    /// The first [`BadRequest`], in the order in which kmod finds them.
    pub fn new(parsed: &Parsed, surroundings: &Surroundings) -> Result<Self, BadRequest> {
        let symbol_prefix = match parsed.value(cli::PREFIX).map(OsStr::as_bytes) {
            None => None,
            Some(&[character]) => Some(character),
            Some(_) => return Err(BadRequest::PrefixNotOneCharacter),
        };
        let jobs = match parsed.value(cli::JOBS) {
            None => None,
            Some(text) => Some(
                text.to_str()
                    .and_then(|text| text.parse().ok())
                    .ok_or_else(|| BadRequest::BadJobs(text.into()))?,
            ),
        };
        let mut operands = parsed.operands.iter();
        let removed = parsed.value(cli::REMOVE).map(OsStr::to_owned);
        let release = match removed.as_ref().or_else(|| operands.next()) {
            None => surroundings.running_release.clone(),
            Some(release) if looks_like_release(release.as_bytes()) => release.clone(),
            Some(other) => return Err(BadRequest::BadRelease(other.clone())),
        };
        let absolute = |id| parsed.value(id).map(|dir| make_absolute(dir, surroundings));
        let root = absolute(cli::ROOT);
        if root.is_some() && [cli::BASE_DIR, cli::OUT_DIR].iter().any(|id| parsed.value(id).is_some()) {
            return Err(BadRequest::RootAndBase);
        }
        let is_contained = root.is_some();
        let base = root.or_else(|| absolute(cli::BASE_DIR)).unwrap_or_default();
        let out = absolute(cli::OUT_DIR).unwrap_or_else(|| base.clone());
        let named_module_dir = parsed.value(cli::MODULE_DIR);
        let module_dir = named_module_dir.unwrap_or(OsStr::new(paths::MODULE_DIRECTORY));
        let below = |root: &OsString| module_directory(root, module_dir, &release);
        let selection = selection(parsed, operands)?;
        let mut config: Vec<PathBuf> = parsed.values(cli::CONFIG).map(PathBuf::from).collect();
        if is_contained && config.is_empty() {
            config = paths::config_directories_below(Path::new(&base));
        }
        Ok(Self {
            cache: cache_file(parsed, &base, module_dir, &selection, &release, surroundings),
            summary: match (parsed.has(cli::JSON), parsed.has(cli::STATS)) {
                (true, _) => SummaryForm::Json,
                (false, true) => SummaryForm::Text,
                (false, false) => SummaryForm::None,
            },
            input: below(&base),
            output: below(&out),
            within: relative_directory(module_dir, &release),
            is_contained,
            is_module_dir_named: named_module_dir.is_some(),
            selection,
            config,
            kernel_symbols: match (parsed.value(cli::SYMVERS), parsed.value(cli::SYSTEM_MAP)) {
                (Some(file), _) => KernelSymbolSource::Symvers(file.into()),
                (None, Some(file)) => KernelSymbolSource::SystemMap(file.into()),
                (None, None) => KernelSymbolSource::Unsaid,
            },
            check: parsed.has(cli::CHECK),
            symbol_prefix,
            warn: parsed.has(cli::WARN),
            destination: if removed.is_some() {
                Destination::Removal
            } else if parsed.has(cli::SHOW) || parsed.has(cli::DRY_RUN) {
                Destination::Stdout
            } else if parsed.has(cli::COMPARE) {
                Destination::Comparison
            } else {
                Destination::Files
            },
            strict: parsed.has(cli::STRICT),
            keep_going: parsed.has(cli::KEEP_GOING),
            latest: surroundings
                .source_date_epoch
                .and_then(|seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))),
            jobs,
            release,
            base: base.into(),
            output_base: out.into(),
        })
    }
}

fn selection<'a>(
    parsed: &Parsed,
    files: impl Iterator<Item = &'a OsString>,
) -> Result<Selection, BadRequest> {
    let files: Vec<PathBuf> = files.map(PathBuf::from).collect();
    if parsed.has(cli::QUICK) {
        Ok(Selection::IfNewer)
    } else if parsed.has(cli::ALL) || files.is_empty() {
        Ok(Selection::All)
    } else {
        match files.iter().find(|file| !file.has_root()) {
            Some(file) => Err(BadRequest::NotAbsolute(file.clone())),
            None => Ok(Selection::Files(files)),
        }
    }
}

/// The live system has a cache of its own; others only where one is named.
fn cache_file(
    parsed: &Parsed,
    base: &OsStr,
    module_dir: &OsStr,
    selection: &Selection,
    release: &OsStr,
    surroundings: &Surroundings,
) -> CacheFile {
    let is_live = surroundings.is_live
        && matches!(base.as_bytes(), b"" | b"/")
        && module_dir == paths::MODULE_DIRECTORY
        && surroundings.source_date_epoch.is_none();
    let is_name = !release.as_bytes().contains(&b'/');
    match parsed.value(cli::CACHE) {
        _ if parsed.has(cli::NO_CACHE) => CacheFile::Nowhere,
        Some(file) => CacheFile::Named(file.into()),
        None if is_live && is_name && !matches!(selection, Selection::Files(_)) => {
            CacheFile::Live(Path::new(paths::CACHE).join(release))
        }
        None => CacheFile::Nowhere,
    }
}

/// A release begins with two decimal numbers and a dot between them; what follows is the distribution's.
///
/// compat: the numbers are read as C's scanf reads them, so white space and a sign may stand before each (cases
/// depmod/operand-version-space, depmod/operand-version-plus6dot1).
fn looks_like_release(text: &[u8]) -> bool {
    let after_number = |text: &[u8]| {
        let text = text.trim_ascii_start();
        let unsigned = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text).to_vec();
        let digits = unsigned.iter().take_while(|byte| byte.is_ascii_digit()).count();
        (digits > 0).then(|| unsigned.get(digits..).unwrap_or_default().to_vec())
    };
    after_number(text).is_some_and(|rest| rest.strip_prefix(b".").and_then(after_number).is_some())
}

/// compat: text only, nothing is resolved (case depmod/option-basedir-relative-up).
fn make_absolute(dir: &OsStr, surroundings: &Surroundings) -> OsString {
    if dir.as_bytes().starts_with(b"/") {
        return dir.to_owned();
    }
    let mut absolute = surroundings.current_dir.clone().into_os_string();
    absolute.push("/");
    absolute.push(dir);
    absolute
}

fn module_directory(root: &OsStr, module_dir: &OsStr, release: &OsStr) -> PathBuf {
    let within = relative_directory(module_dir, release).into_os_string();
    OsString::from_vec([root.as_bytes(), within.as_bytes()].join(&b'/')).into()
}

fn relative_directory(module_dir: &OsStr, release: &OsStr) -> PathBuf {
    let leading = module_dir.as_bytes().iter().take_while(|&&byte| byte == b'/').count();
    let relative = module_dir.as_bytes().get(leading..).unwrap_or_default();
    OsString::from_vec([relative, release.as_bytes()].join(&b'/')).into()
}

impl Request {
    /// The same request for modules in another directory of the base.
    #[must_use]
    pub fn with_module_dir(mut self, module_dir: &str) -> Self {
        let module_dir = OsStr::new(module_dir);
        self.input = module_directory(self.base.as_os_str(), module_dir, &self.release);
        self.output = module_directory(self.output_base.as_os_str(), module_dir, &self.release);
        self.within = relative_directory(module_dir, &self.release);
        self
    }
}

/// The request of a command line on a live system.
#[cfg(test)]
pub fn for_test(arguments: &[&str]) -> Result<Request, BadRequest> {
    for_test_at(arguments, true, None)
}

/// The same where that is another system, or one with a date for all it makes.
#[cfg(test)]
fn for_test_at(
    arguments: &[&str],
    is_live: bool,
    source_date_epoch: Option<u64>,
) -> Result<Request, BadRequest> {
    use modcli::getopt::{self, Options, Order};
    let command = (cli::DEFINITION.command)();
    let argv: Vec<OsString> =
        std::iter::once("depmod").chain(arguments.iter().copied()).map(OsString::from).collect();
    let parsed = getopt::parse(&Options::of(&command, &[]), &argv, Order::Permuted).unwrap();
    let surroundings = Surroundings {
        running_release: "6.1.0-running".into(),
        current_dir: "/here".into(),
        is_live,
        source_date_epoch,
    };
    Request::new(&parsed, &surroundings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(arguments: &[&str]) -> Result<Request, BadRequest> {
        for_test(arguments)
    }

    #[test]
    fn directories_are_joined_as_text() {
        for (arguments, input, output) in [
            (&[][..], "/lib/modules/6.1.0-running", "/lib/modules/6.1.0-running"),
            (&["5.10"], "/lib/modules/5.10", "/lib/modules/5.10"),
            (&["-b", "rel", "5.10"], "/here/rel/lib/modules/5.10", "/here/rel/lib/modules/5.10"),
            (&["-b", "/a/", "-m", "//m", "5.10"], "/a//m/5.10", "/a//m/5.10"),
            (&["-b", "/a", "-o", "/o", "5.10"], "/a/lib/modules/5.10", "/o/lib/modules/5.10"),
        ] {
            let request = request(arguments).unwrap();
            assert_eq!(request.input.to_str(), Some(input), "{arguments:?}");
            assert_eq!(request.output.to_str(), Some(output), "{arguments:?}");
        }
    }

    #[test]
    fn a_release_begins_with_two_numbers() {
        for (release, good) in
            [("5.1x", true), (" 5.1", true), ("5.", false), ("5", false), ("x5.1", false), ("", false)]
        {
            assert_eq!(request(&["-n", release]).is_ok(), good, "{release}");
        }
    }

    #[test]
    fn files_count_only_without_all_and_quick() {
        let files = |arguments: &[&str]| request(arguments).map(|request| request.selection);
        assert_eq!(files(&["5.1", "/a.ko"]), Ok(Selection::Files(vec!["/a.ko".into()])));
        assert_eq!(files(&["-a", "5.1", "a.ko"]), Ok(Selection::All));
        assert_eq!(files(&["-A", "5.1", "a.ko"]), Ok(Selection::IfNewer));
        assert_eq!(files(&["5.1", "a.ko"]), Err(BadRequest::NotAbsolute("a.ko".into())));
    }

    #[test]
    fn only_the_live_system_has_a_cache_without_asking() {
        let cache = |arguments: &[&str]| request(arguments).map(|request| request.cache);
        assert_eq!(cache(&["5.10"]), Ok(CacheFile::Live("/var/cache/modutils/depmod/5.10".into())));
        assert_eq!(cache(&["-b", "/", "5.10"]), cache(&["5.10"]));
        for arguments in
            [&["-b", "/a", "5.10"][..], &["-m", "m", "5.10"], &["5.10", "/a.ko"], &["--no-cache", "5.10"]]
        {
            assert_eq!(cache(arguments), Ok(CacheFile::Nowhere), "{arguments:?}");
        }
        assert_eq!(cache(&["-b", "/a", "--cache", "c", "5.10"]), Ok(CacheFile::Named("c".into())));
    }

    #[test]
    fn nothing_is_kept_in_what_may_be_an_image() {
        let request = |is_live, date| for_test_at(&["5.10"], is_live, date).unwrap();
        assert!(matches!(request(true, None).cache, CacheFile::Live(_)));
        assert_eq!(request(false, None).cache, CacheFile::Nowhere);
        let dated = request(true, Some(1_000_000_000));
        assert_eq!(dated.cache, CacheFile::Nowhere);
        assert_eq!(dated.latest, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)));
        let asked_for = for_test_at(&["--cache", "c", "5.10"], false, Some(0)).unwrap();
        assert_eq!(asked_for.cache, CacheFile::Named("c".into()));
    }

    #[test]
    fn a_root_directory_has_its_own_configuration_and_maybe_another_layout() {
        let request = request(&["--root", "/r", "5.10"]).unwrap();
        assert!(request.is_contained);
        assert_eq!(
            (request.input.to_str(), request.output.to_str()),
            (Some("/r/lib/modules/5.10"), Some("/r/lib/modules/5.10"))
        );
        assert!(!request.config.is_empty() && request.config.iter().all(|path| path.starts_with("/r")));
        let in_usr = request.with_module_dir(paths::MODULE_DIRECTORY_IN_USR);
        assert_eq!(in_usr.within.to_str(), Some("usr/lib/modules/5.10"));
        assert_eq!(in_usr.input.to_str(), Some("/r/usr/lib/modules/5.10"));
        assert_eq!(for_test(&["--root", "/r", "-b", "/b", "5.10"]), Err(BadRequest::RootAndBase));
    }

    #[test]
    fn the_symbol_prefix_is_one_character_and_jobs_are_a_number() {
        assert_eq!(request(&["-P", "_"]).map(|request| request.symbol_prefix), Ok(Some(b'_')));
        assert_eq!(request(&["-P", "ab"]), Err(BadRequest::PrefixNotOneCharacter));
        assert_eq!(request(&["-P", ""]), Err(BadRequest::PrefixNotOneCharacter));
        assert_eq!(request(&["-j3"]).map(|request| request.jobs), Ok(NonZero::new(3)));
        assert_eq!(request(&["-j0"]), Err(BadRequest::BadJobs("0".into())));
    }
}
