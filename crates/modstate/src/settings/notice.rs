//! What is worth telling about settings. None of it keeps a module from being loaded or unloaded.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::key::Key;

/// Something that went otherwise than one may think.
#[derive(Debug)]
pub enum Notice {
    /// A value has several lines or is no text, and is not saved.
    NotPlain(Key),
    /// A value cannot be read.
    Unreadable(Key, io::Error),
    /// The kernel does not take a saved value.
    Refused {
        /// Which.
        key: Key,
        /// The value.
        value: Vec<u8>,
        /// Why.
        error: io::Error,
    },
    /// A settings file names something that no `persist` line names.
    NotAllowed(PathBuf, Key),
    /// A line of a settings file is not understood.
    BadLine(PathBuf, usize),
    /// Somebody other than root could have written the settings file; it is ignored.
    NotTrusted(PathBuf),
    /// The value would make the kernel load another module while it waits for this one.
    LoadsModules(Key),
    /// A file of ours cannot be read.
    CannotRead(PathBuf, io::Error),
    /// A file of ours cannot be written; the old one is as it was.
    CannotWrite(PathBuf, io::Error),
    /// Nothing is known of the values right after the load, so nothing can be told from them.
    NoBaseline,
}

impl Notice {
    /// The system's reason, if there is one.
    #[must_use]
    pub fn error(&self) -> Option<&io::Error> {
        match self {
            Self::Unreadable(_, error)
            | Self::Refused { error, .. }
            | Self::CannotRead(_, error)
            | Self::CannotWrite(_, error) => Some(error),
            _ => None,
        }
    }
}

/// Without the system's reason, whose wording is the caller's.
impl fmt::Display for Notice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPlain(key) => write!(formatter, "{key} is not one line of text and is not saved"),
            Self::Unreadable(key, _) => write!(formatter, "{key} cannot be read and is not saved"),
            Self::Refused { key, value, .. } => {
                write!(formatter, "the saved value '{}' of {key} was refused", String::from_utf8_lossy(value))
            }
            Self::NotAllowed(path, key) => {
                write!(formatter, "{}: no persist line names {key}, ignored", path.display())
            }
            Self::BadLine(path, line) => {
                write!(formatter, "{} line {line}: not understood, ignored", path.display())
            }
            Self::NotTrusted(path) => write!(
                formatter,
                "{}: ignored, as others than root can write it: chown root and chmod go-w",
                path.display()
            ),
            Self::LoadsModules(key) => {
                write!(
                    formatter,
                    "{key} is not restored in a request of the kernel, as it may need another module"
                )
            }
            Self::CannotRead(path, _) => write!(formatter, "{} cannot be read", path.display()),
            Self::CannotWrite(path, _) => write!(formatter, "{} cannot be written", path.display()),
            Self::NoBaseline => {
                write!(formatter, "its values right after the load are not known, so none is saved")
            }
        }
    }
}
