//! What keeps a file from being a module, and which firmware is missing beside it.

use std::io::Read;
use std::path::{Path, PathBuf};

use moddb::ModuleDb;
use modfile::compression::DecompressError;
use modfile::regular::{Links, Regular};
use modfile::{ReadError, file};

/// The firmware among these names that is not installed.
pub(super) fn missing_firmware<'a>(db: &ModuleDb, names: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
    let directory = firmware_directory(db);
    names.map(text).filter(|name| !is_installed(&directory, name)).collect()
}

/// Where firmware is installed: beside the directory of all modules.
fn firmware_directory(db: &ModuleDb) -> PathBuf {
    let modules = db.directory().path().parent();
    modules.and_then(Path::parent).unwrap_or(Path::new("")).join("firmware")
}

/// The kernel also takes compressed files, and looks in `updates` first.
fn is_installed(directory: &Path, name: &str) -> bool {
    ["", "updates"].iter().any(|below| {
        let suffixes = ["", ".xz", ".zst"];
        suffixes.iter().any(|suffix| directory.join(below).join(format!("{name}{suffix}")).exists())
    })
}

/// What is wrong with a file that is no module.
pub(super) fn damage(path: &Path, error: &ReadError) -> Option<String> {
    let start = match error {
        ReadError::Io(_)
        | ReadError::NotRegular
        | ReadError::TooLarge(_)
        | ReadError::NoMemory(_)
        | ReadError::Decompress(DecompressError::NoMemory { .. }) => return None,
        ReadError::TooShort(0) => return Some("is empty".to_owned()),
        ReadError::TooShort(_) | ReadError::NotElf => file::open(path).ok().and_then(|_| first_bytes(path)),
        ReadError::Decompress(_) | ReadError::Malformed(_) | ReadError::DebugOnly => None,
    };
    Some(match start {
        Some(start) if start.is_empty() => "is empty".to_owned(),
        Some(start) if start.iter().all(|&byte| byte == 0) => "holds nothing but zeros".to_owned(),
        Some(start) if start.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) => {
            let line = start.split(|&byte| byte == b'\n').next().unwrap_or_default();
            format!("is a text that begins with '{}'", text(line.get(..30).unwrap_or(line)))
        }
        _ => format!("is no module: {error}"),
    })
}

/// The beginning of a file.
fn first_bytes(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    Regular::open(path, Links::Follow).ok()?.into_file().take(4096).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
