//! What is worth reporting about settings. None of it keeps a module from being loaded or unloaded.

use std::fmt;
use std::io;
use std::path::PathBuf;

use modfile::ModuleName;

use super::key::Key;

/// Something that did not go as one might expect.
#[derive(Debug)]
pub enum Notice {
    /// A value has several lines or is not text, and is not saved.
    NotPlain(Key),
    /// A value cannot be read.
    Unreadable(Key, io::Error),
    /// Settings below `net/` belong to the initial network namespace, which cannot be reached from this process; why,
    /// if it was tried.
    OtherNetwork(Option<io::Error>),
    /// The kernel does not take a saved value.
    Refused {
        /// The settings file.
        path: PathBuf,
        /// Which.
        key: Key,
        /// Why.
        error: io::Error,
    },
    /// A settings file names something that no `persist` line names.
    NotAllowed(PathBuf, Key),
    /// A line of a settings file is not understood.
    BadLine(PathBuf, usize),
    /// Somebody other than root could have written the settings file; it is ignored.
    NotTrusted(PathBuf),
    /// A link, a directory or a device is in the place of the settings file.
    NotAFile(PathBuf),
    /// The value would make the kernel load another module while it waits for this one.
    LoadsModules(Key),
    /// A sysctl was put back some time after the load, and had another value until then.
    PutBackLater(Key),
    /// A file of ours cannot be read.
    CannotRead(PathBuf, io::Error),
    /// A file of ours cannot be written; the old one is as it was.
    CannotWrite(PathBuf, io::Error),
    /// Somebody made the settings file read-only, so it is as it was.
    ReadOnly(PathBuf),
    /// Nothing is known of the values right after the load, so nothing follows from them.
    NoBaseline,
}

impl Notice {
    /// Whether all went as it should, and this is for the record.
    #[must_use]
    pub fn is_news(&self) -> bool {
        matches!(self, Self::PutBackLater(_))
    }

    /// All of it in one line: whose setting, what, the system's reason as `reason` words it, what to do.
    #[must_use]
    pub fn sentence(&self, module: &ModuleName, reason: impl FnOnce(&io::Error) -> String) -> String {
        let mut sentence = format!("settings of {module}: {self}");
        if let Some(error) = self.error() {
            sentence.push_str(&format!(": {}", reason(error)));
        }
        if let Some(remedy) = self.remedy() {
            sentence.push_str("; ");
            sentence.push_str(remedy);
        }
        sentence
    }

    /// The system's reason, if there is one.
    #[must_use]
    pub fn error(&self) -> Option<&io::Error> {
        match self {
            Self::Unreadable(_, error)
            | Self::OtherNetwork(Some(error))
            | Self::Refused { error, .. }
            | Self::CannotRead(_, error)
            | Self::CannotWrite(_, error) => Some(error),
            _ => None,
        }
    }

    fn remedy(&self) -> Option<&'static str> {
        Some(match self {
            Self::NotPlain(_)
            | Self::Unreadable(..)
            | Self::CannotRead(..)
            | Self::CannotWrite(..)
            | Self::PutBackLater(_) => return None,
            Self::OtherNetwork(_) => "run it in the network and PID namespaces of the host",
            Self::Refused { .. } => "correct the line, or remove it",
            Self::NotAllowed(..) => "add one to modutils.d, or remove the line",
            Self::BadLine(..) => "see modutils.d(5)",
            Self::NotTrusted(_) => "look at what it says, then chown it to root and chmod go-w",
            Self::NotAFile(_) => "put a file there, or nothing",
            Self::LoadsModules(_) => {
                "load the module by its name to have it put back, as from modules-load.d"
            }
            Self::ReadOnly(_) => "chmod u+w it to have changes saved",
            Self::NoBaseline => "they are noted if modprobe loads it while a persist line names it",
        })
    }
}

/// Without the system's reason, whose wording is the caller's.
impl fmt::Display for Notice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPlain(key) => write!(
                formatter,
                "{key} is not one line of text: it is not saved, and an older value is forgotten"
            ),
            Self::Unreadable(key, _) => write!(formatter, "{key} cannot be read and is not saved"),
            Self::OtherNetwork(_) => write!(
                formatter,
                "those below net/ are neither saved nor put back, as this process is in another network namespace"
            ),
            // Without the value: it may be a secret, and this may go to the kernel's log.
            Self::Refused { path, key, .. } => {
                write!(formatter, "{}: the kernel refused {key}", path.display())
            }
            Self::NotAllowed(path, key) => {
                write!(formatter, "{}: no persist line names {key}, ignored", path.display())
            }
            Self::BadLine(path, line) => {
                write!(formatter, "{} line {line}: not understood, ignored", path.display())
            }
            Self::NotTrusted(path) => {
                write!(formatter, "{}: ignored, as others than root can have written it", path.display())
            }
            Self::NotAFile(path) => {
                write!(formatter, "{}: ignored, as it is a link or no file", path.display())
            }
            Self::LoadsModules(key) => {
                write!(
                    formatter,
                    "{key} is not put back in a request of the kernel, as it may need another module"
                )
            }
            // Without the values, as above.
            Self::PutBackLater(key) => {
                write!(formatter, "{key} is as it was saved, and was something else before")
            }
            Self::CannotRead(path, _) => write!(formatter, "{} cannot be read", path.display()),
            Self::CannotWrite(path, _) => {
                write!(formatter, "{} cannot be written and is as it was", path.display())
            }
            Self::ReadOnly(path) => {
                write!(formatter, "{}: left as it is, as it is read-only", path.display())
            }
            Self::NoBaseline => {
                write!(formatter, "none is saved, as its values right after the load are not known")
            }
        }
    }
}
