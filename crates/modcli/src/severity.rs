//! How severe a message is, and from which severity on a tool shows it.
//!
//! The numbers are those of syslog(3). Nothing here prints.

/// The severity of a message. The discriminants are syslog's levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Severity {
    /// The tool cannot go on; printed, it ends the run with status 1.
    Fatal = 2,
    /// Something asked for was not done.
    Error = 3,
    /// Done, but not all is as it should be.
    Warning = 4,
    /// Worth knowing, nothing wrong.
    Notice = 5,
    /// What the tool is doing.
    Info = 6,
    /// For those who look for a fault in the tool.
    Debug = 7,
}

impl Severity {
    /// The word that stands before a message's text.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Fatal => "FATAL",
            Self::Error => "ERROR",
            Self::Warning => "WARNING",
            Self::Notice => "NOTICE",
            Self::Info => "INFO",
            Self::Debug => "DEBUG",
        }
    }

    /// The level of syslog(3), 2 to 7.
    #[must_use]
    pub fn level(self) -> u8 {
        self as u8
    }
}

/// How much something matters that was found while the database was read.
impl From<moddb::config::Gravity> for Severity {
    fn from(severity: moddb::config::Gravity) -> Self {
        match severity {
            moddb::config::Gravity::Error => Self::Error,
            moddb::config::Gravity::Warning => Self::Warning,
            moddb::config::Gravity::Info => Self::Info,
        }
    }
}

/// The highest level that is still shown. Raised once per `-v`; `-q` sets it to 0, and a later `-v` counts from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Threshold(u8);

impl Threshold {
    /// Nothing is shown.
    pub const SILENT: Self = Self(0);
    /// Errors and worse: where rmmod starts.
    pub const ERRORS: Self = Self(Severity::Error as u8);
    /// Warnings and worse: where modprobe and depmod start.
    pub const WARNINGS: Self = Self(Severity::Warning as u8);

    /// One level more, as by `-v`.
    #[must_use]
    pub fn raised(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Whether a message of this severity is shown.
    #[must_use]
    pub fn admits(self, severity: Severity) -> bool {
        severity.level() <= self.0
    }
}
