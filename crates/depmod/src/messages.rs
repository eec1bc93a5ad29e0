//! Every sentence that depmod says. First lines are worded as kmod words them, because scripts match them.

use std::fmt::Display;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use modcli::{Reporter, Severity, errno};
use moddb::build::catalog::Catalog;
use moddb::build::outputs::Note;
use moddb::build::refuse::Reason;
use modfile::{ModuleName, ReadError};

use crate::cache::{CacheFile, CacheRefused};
use crate::request::BadRequest;
use crate::symbol_list::UnusableList;
use crate::tree::OpenError;

pub(crate) use modcli::words::depmod_config as config;

/// Where messages go while a database is built.
pub trait Say {
    /// Reports a message of that severity.
    fn say(&self, severity: Severity, text: Vec<u8>);
}

impl Say for Reporter {
    fn say(&self, severity: Severity, text: Vec<u8>) {
        self.message(severity, text);
    }
}

/// Keeps the messages.
#[cfg(test)]
#[derive(Default)]
pub struct Heard(pub std::cell::RefCell<Vec<String>>);

#[cfg(test)]
impl Say for Heard {
    fn say(&self, severity: Severity, text: Vec<u8>) {
        self.0.borrow_mut().push(format!("{severity:?} {}", String::from_utf8_lossy(&text)));
    }
}

/// Drops the messages.
pub struct Silent;

impl Say for Silent {
    fn say(&self, _: Severity, _: Vec<u8>) {}
}

pub(crate) fn ignored_option(spelling: &str) -> Vec<u8> {
    format!("Ignored deprecated option {spelling}").into()
}

pub(crate) fn problem(problem: &BadRequest) -> (Severity, Vec<u8>) {
    match problem {
        BadRequest::PrefixNotOneCharacter => (Severity::Fatal, b"-P only takes a single char".to_vec()),
        BadRequest::BadRelease(release) => {
            (Severity::Error, join(&[b"Bad version passed ", release.as_bytes()]))
        }
        BadRequest::NotAbsolute(file) => (Severity::Fatal, join(&[bytes(file), b": not absolute path."])),
        BadRequest::BadJobs(text) => {
            (Severity::Fatal, join(&[b"-j takes a number of at least 1, not ", text.as_bytes()]))
        }
        BadRequest::RootAndBase => (
            Severity::Fatal,
            b"--root is the base directory and the output directory; it does not go with -b or -o".to_vec(),
        ),
    }
}

pub(crate) const CHECK_NEEDS_SYMBOLS: &str = "-e needs -E or -F";

pub(crate) fn cannot_open_directory(directory: &Path, error: &io::Error) -> Vec<u8> {
    join(&[b"could not open directory ", bytes(directory), b": ", reason(error).as_bytes()])
}

pub(crate) fn cannot_search(error: &io::Error) -> Vec<u8> {
    format!("could not search modules: {}", reason(error)).into()
}

pub(crate) fn installed_releases(directory: &Path, releases: &[Vec<u8>]) -> Vec<u8> {
    let list = releases.join(b", ".as_slice());
    join(&[
        b"no version was given, so the running kernel's was used; ",
        bytes(directory),
        b" has: ",
        if list.is_empty() { b"none" } else { &list },
    ])
}

pub(crate) fn unsupported_file_type(path: &Path, mode: u32) -> Vec<u8> {
    const TYPE_BITS: u32 = 0o170_000;
    join(&[b"unsupported file type ", bytes(path), format!(": {:o}", mode & TYPE_BITS).as_bytes()])
}

pub(crate) fn leads_back(path: &Path, ancestor: &Path) -> Vec<u8> {
    join(&[b"not following link ", bytes(path), b": it leads back to ", bytes(ancestor)])
}

pub(crate) fn not_visited(path: &Path, error: &OpenError) -> Vec<u8> {
    join(&[b"could not read ", bytes(path), b": ", error.reason().as_bytes()])
}

pub(crate) fn twins(name: &ModuleName, taken: &Path, other: &Path) -> Vec<u8> {
    join(&[
        b"two files of equal rank for module ",
        name.as_bytes(),
        b": ",
        bytes(taken),
        b" is taken, not ",
        bytes(other),
    ])
}

pub(crate) fn visited_enough(path: &Path, limit: usize) -> Vec<u8> {
    let why = format!(": {limit} other ways through links to that directory were followed already");
    join(&[b"not following ", bytes(path), why.as_bytes()])
}

pub(crate) fn cannot_open_input(name: &str, directory: &Path, error: &OpenError) -> Vec<u8> {
    join(&[
        format!("could not open {name} at ").as_bytes(),
        bytes(directory),
        b": ",
        error.reason().as_bytes(),
    ])
}

pub(crate) fn corrupted_order(directory: &Path, line: usize) -> Vec<u8> {
    join(&[bytes(directory), format!("/modules.order:{line} corrupted line misses '\\n'").as_bytes()])
}

pub(crate) fn cannot_load_symbols(file: &Path, error: &ReadError) -> Vec<u8> {
    join(&[b"failed to load symbols from ", bytes(file), b": ", errno::text(error.errno()).as_bytes()])
}

/// The decompressor's message, which comes before the line that the module cannot be read.
pub(crate) fn decompressor(error: &ReadError) -> Option<String> {
    match error {
        ReadError::Decompress(error) => Some(errno::chain(error)),
        _ => None,
    }
}

pub(crate) fn debug_only(file: &Path) -> Vec<u8> {
    join(&[bytes(file), b" holds only debug information, so it is left out"])
}

pub(crate) fn why_not_loaded(error: &ReadError) -> Option<String> {
    match error {
        ReadError::Io(_) | ReadError::Decompress(_) => None,
        _ => {
            let reason = errno::chain(error);
            Some(format!("{reason}; the module stays in modules.dep with what could be read of it"))
        }
    }
}

pub(crate) fn cache_ignored(place: &CacheFile, refused: &CacheRefused) -> Vec<u8> {
    let reason = errno::chain(refused);
    join(&[b"every module is read, because the cache ", &cache(place), b" is not used: ", reason.as_bytes()])
}

pub(crate) fn cache_not_written(place: &CacheFile, error: &io::Error) -> Vec<u8> {
    join(&[b"could not write the cache ", &cache(place), b": ", reason(error).as_bytes()])
}

fn cache(place: &CacheFile) -> Vec<u8> {
    match place {
        CacheFile::Nowhere => Vec::new(),
        CacheFile::Live(path) | CacheFile::Named(path) => bytes(path).to_vec(),
    }
}

pub(crate) fn cannot_create_module(file: &Path, error: &io::Error) -> Vec<u8> {
    join(&[b"could not create module ", bytes(file), b": ", reason(error).as_bytes()])
}

pub(crate) fn duplicate_file(name: &ModuleName) -> Vec<u8> {
    join(&[b"hash_add_unique ", name.as_bytes(), b": File exists"])
}

pub(crate) fn two_files(name: &ModuleName, newer: &Path, older: &Path) -> Vec<u8> {
    join(&[
        b"kmod_module '",
        name.as_bytes(),
        b"' already exists with different path: new-path='",
        bytes(newer),
        b"' old-path='",
        bytes(older),
        b"'",
    ])
}

pub(crate) fn cannot_add_module(file: &Path) -> Vec<u8> {
    join(&[b"could not add module ", bytes(file), b": File exists"])
}

pub(crate) fn cannot_load(file: &Path, why: &UnusableList) -> Vec<u8> {
    let why = match why {
        UnusableList::Io(error) => reason(error),
        UnusableList::NotText => "not a text file, so no list of symbols".into(),
        UnusableList::NoExports => {
            "it lists no exported symbol; distributions ship such a file in place of the real \
                                    one, which is in a package with debugging information"
                .into()
        }
    };
    join(&[b"could not load ", bytes(file), b": ", why.as_bytes()])
}

pub(crate) fn invalid_line(file: &Path, number: usize, line: &[u8]) -> Vec<u8> {
    join(&[bytes(file), format!(":{number}: invalid line: ").as_bytes(), line])
}

pub(crate) fn invalid_checksum(file: &Path, number: usize, text: &[u8]) -> Vec<u8> {
    let place = format!(":{number} Invalid symbol version ");
    join(&[bytes(file), place.as_bytes(), text, b": Invalid argument"])
}

pub(crate) fn symbols_from(file: &Path, count: usize) -> Vec<u8> {
    join(&[b"checking against the kernel's symbols in ", bytes(file), format!(" ({count})").as_bytes()])
}

pub(crate) fn no_symbols_in(file: &Path) -> Vec<u8> {
    join(&[bytes(file), b" lists no exported symbol, so it is not used"])
}

pub(crate) fn needs(user: &Path, symbol: &[u8], provider: &Path) -> Vec<u8> {
    join(&[bytes(user), b" needs \"", symbol, b"\": ", bytes(provider)])
}

pub(crate) fn unknown_symbol(user: &Path, symbol: &[u8]) -> Vec<u8> {
    join(&[bytes(user), b" needs unknown symbol ", symbol])
}

pub(crate) fn version_disagrees(user: &Path, symbol: &[u8]) -> Vec<u8> {
    join(&[bytes(user), b" disagrees about version of symbol ", symbol])
}

pub(crate) fn cycle(catalog: &Catalog, chain: &[usize]) -> Vec<u8> {
    let name =
        |&index: &usize| catalog.module(index).map(|module| module.name.as_bytes()).unwrap_or_default();
    let names: Vec<&[u8]> = chain.iter().chain(chain.first()).map(name).collect();
    join(&[b"Cycle detected: ", &names.join(b" -> ".as_slice())])
}

pub(crate) fn cycle_count(modules: usize) -> Vec<u8> {
    format!("Found {modules} modules in dependency cycles!").into()
}

pub(crate) fn note(note: &Note, output: &str) -> (Severity, Vec<u8>) {
    match note {
        Note::UnmatchedBracket(alias) => (Severity::Warning, join(&[b"Unmatched bracket in ", alias])),
        Note::Refused { module, said, text, reason } => {
            const SHOWN: usize = 200;
            let text = text.get(..SHOWN).unwrap_or(text).escape_ascii();
            let (module, said) = (module.as_bytes().escape_ascii(), said.word());
            (Severity::Error, format!("module {module}: {said} \"{text}\" is left out: {reason}").into())
        }
        Note::More { module, count, is_loss } => {
            let severity = if *is_loss { Severity::Error } else { Severity::Warning };
            let about = module
                .as_ref()
                .map_or_else(String::new, |module| format!("module {}: ", module.as_bytes().escape_ascii()));
            (severity, format!("{about}{count} more of these messages are not shown").into())
        }
        Note::DuplicateAlias { alias, module } => {
            (Severity::Warning, join(&[b"duplicate module alias:\n", alias, b" ", module.as_bytes()]))
        }
        Note::BadCharacter { byte, text } => {
            let number = format!("'=0x{byte:x} - only 7-bit ASCII is supported:\n");
            (Severity::Error, join(&[b"Module index: bad character '", &[*byte], number.as_bytes(), text]))
        }
        Note::TooLarge => {
            let what = if output.ends_with(".bin") { "index " } else { "" };
            (Severity::Error, format!("Could not write {what}'{output}': File too large").into())
        }
        Note::InvalidBuiltin(line) => (Severity::Error, join(&[b"Invalid modules.builtin line: ", line])),
        Note::NodeWithoutNumber { module, node } => (
            Severity::Error,
            join(&[
                b"Module '",
                module.as_bytes(),
                b"' has devname (",
                node,
                b") but lacks major and minor information. Ignoring.",
            ]),
        ),
    }
}

pub(crate) fn refused(path: &[u8], reason: Reason) -> Vec<u8> {
    format!("module file {} is left out: {reason}", path.escape_ascii()).into()
}

pub(crate) fn left_out(output: &str) -> String {
    format!("the entry is left out of {output}, the rest of the database is complete")
}

pub(crate) fn no_reference(directory: &Path, error: &io::Error) -> Vec<u8> {
    join(&[b"could not fstatat(", bytes(directory), b", modules.dep): ", reason(error).as_bytes()])
}

pub(crate) fn cannot_create_directory(directory: &Path, error: &io::Error) -> Vec<u8> {
    join(&[b"could not create directory ", bytes(directory), b": ", reason(error).as_bytes()])
}

pub(crate) fn waiting(directory: &Path) -> Vec<u8> {
    join(&[b"waiting for another depmod in ", bytes(directory)])
}

pub(crate) fn waited_enough(directory: &Path, seconds: u64) -> Vec<u8> {
    join(&[
        bytes(directory),
        format!(" is still locked after {seconds} seconds; going on without the lock").as_bytes(),
    ])
}

pub(crate) fn cannot_remove(file: &Path, error: &io::Error) -> Vec<u8> {
    join(&[b"could not remove ", bytes(file), b": ", reason(error).as_bytes()])
}

pub(crate) fn cannot_remove_cache(place: &CacheFile, error: &io::Error) -> Vec<u8> {
    join(&[b"could not remove the cache ", &cache(place), b": ", reason(error).as_bytes()])
}

pub(crate) const WITHOUT_CYCLES: &str = "the database is made without the modules in cycles";

pub(crate) fn cannot_publish(attempt: &str, file: &Path, error: &io::Error) -> Vec<u8> {
    join(&[format!("could not {attempt} ").as_bytes(), bytes(file), b": ", reason(error).as_bytes()])
}

pub(crate) fn room_missing(directory: &Path, missing: u64) -> Vec<u8> {
    join(&[
        format!("{missing} bytes are missing on the file system of ").as_bytes(),
        bytes(directory),
        b" to hold the new files beside the old ones",
    ])
}

/// What `--check` says of a file that is not what it should be.
pub(crate) fn out_of_date(file: &Path, is_there: bool) -> Vec<u8> {
    join(&[bytes(file), if is_there { b" differs" } else { b" is missing" }])
}

pub(crate) const FAKECHROOT: &str = "this program is static, so that fakechroot cannot keep it inside of its \
    directory; use the one that is built for the system's C library";

pub(crate) const DATABASE_KEPT: &str = "the old database stays, because nobody knows what is missing; \
    --keep-going replaces it with what could be read";
pub(crate) const DATABASE_UNCHANGED: &str = "no file of the database was changed";
pub(crate) const DATABASE_MIXED: &str =
    "some files of the database are new, some are old, each one whole; run depmod again once that is mended";

fn reason(error: &io::Error) -> std::borrow::Cow<'static, str> {
    errno::reason(error)
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// Any message as bytes.
pub(crate) fn plain(text: impl Display) -> Vec<u8> {
    text.to_string().into()
}
