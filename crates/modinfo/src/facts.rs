//! What a module says of itself, read from its file or from what the kernel's build says of built-in ones.
//!
//! Of a plain file only the parts that are asked for are read.

use std::cell::OnceCell;
use std::io;
use std::path::Path;

use modcli::errno;
use moddb::builtin;
use moddb::paths::{ModuleDir, Table};
use modfile::ReadError;
use modfile::elf::Layout;
use modfile::file::{self, Buffers};
use modfile::regular::{self, RegularError};
use modfile::signature::{Contents, Signature};
use modfile::{build_id, modinfo};
use rustix::io::Errno;

use crate::find::{Found, Says};

/// More than the strings of all that can be built into a kernel, in bytes.
const BUILTIN_LIMIT: usize = 256 << 20;

/// What one module says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Its strings, in the form of a `.modinfo` section.
    pub strings: Vec<u8>,
    /// What identifies its build.
    pub build_id: Option<Vec<u8>>,
    /// Who signed it, unless that cannot be read.
    pub signature: Option<Contents>,
}

/// Which facts are wanted besides the strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Strings,
    Signature,
    All,
}

/// Why nothing can be said of a module.
#[derive(Debug)]
pub(crate) enum Unreadable {
    File(ReadError),
    /// The file has no section of strings.
    NoStrings,
    /// What is built in is described in a file that cannot be read.
    BuiltinFile(RegularError),
    /// That file is damaged.
    BuiltinDamaged(builtin::NoModuleName),
}

impl Unreadable {
    /// The error number by which kmod reports it.
    pub fn errno(&self) -> i32 {
        match self {
            Self::File(error) => error.errno(),
            Self::NoStrings => Errno::NODATA.raw_os_error(),
            Self::BuiltinFile(error) => error.errno().raw_os_error(),
            Self::BuiltinDamaged(_) => Errno::INVAL.raw_os_error(),
        }
    }

    /// What exactly is wrong with the file, where the error number says less.
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::File(ReadError::Io(_) | ReadError::Decompress(_)) => None,
            Self::File(error) => Some(errno::chain(error)),
            Self::NoStrings => Some("it has no section .modinfo".to_owned()),
            Self::BuiltinFile(_) | Self::BuiltinDamaged(_) => None,
        }
    }
}

/// Reads what modules say; keeps what serves for the next one, too.
pub(crate) struct Reader<'a> {
    directory: &'a ModuleDir,
    buffers: Buffers,
    builtin: OnceCell<Result<Vec<u8>, RegularError>>,
}

impl<'a> Reader<'a> {
    pub fn new(directory: &'a ModuleDir) -> Self {
        Self { directory, buffers: Buffers::default(), builtin: OnceCell::new() }
    }

    /// What a module says.
    pub fn read(&mut self, found: &Found, wanted: Wanted) -> Result<Facts, Unreadable> {
        match (&found.path, found.says) {
            (Some(path), Says::File) => self.of_file(path, wanted),
            (path, _) => {
                let strings = self.of_builtin(found.name.as_bytes(), path.is_some())?;
                Ok(Facts { strings, ..Facts::default() })
            }
        }
    }

    fn of_file(&mut self, path: &Path, wanted: Wanted) -> Result<Facts, Unreadable> {
        let opened = file::open(path).map_err(Unreadable::File)?;
        let image = file::image_with_end(&opened, &mut self.buffers).map_err(Unreadable::File)?;
        let mut headers = Default::default();
        let layout = Layout::read(&image, &mut headers).map_err(Unreadable::File)?;
        let mut buffer = Vec::new();
        let strings = modinfo::section(&image, &layout, &mut buffer).map_err(Unreadable::File)?;
        let strings = strings.ok_or(Unreadable::NoStrings)?.to_vec();
        let signature = match wanted {
            Wanted::Strings => None,
            Wanted::Signature | Wanted::All => Signature::read(&image).map_err(Unreadable::File)?,
        };
        let build_id = match wanted {
            Wanted::Strings | Wanted::Signature => None,
            Wanted::All => build_id::read(&image, &layout).map_err(Unreadable::File)?,
        };
        Ok(Facts { strings, build_id, signature: signature.and_then(Signature::contents) })
    }

    /// The strings of what is built in. Where the kernel's build has left no list of them, nothing is said; of a
    /// module that has a file that is an error.
    fn of_builtin(&self, module: &[u8], has_file: bool) -> Result<Vec<u8>, Unreadable> {
        let path = self.directory.text(Table::BuiltinAliases);
        let text = self.builtin.get_or_init(|| regular::read(&path, BUILTIN_LIMIT));
        match text {
            Ok(text) => builtin::modinfo(text, module).map_err(Unreadable::BuiltinDamaged),
            Err(error) if error.is_missing() && !has_file => Ok(Vec::new()),
            Err(error) => Err(Unreadable::BuiltinFile(same(error))),
        }
    }
}

/// The error once more, for the next module that meets it.
fn same(error: &RegularError) -> RegularError {
    RegularError::Io(io::Error::from(error.errno()))
}
