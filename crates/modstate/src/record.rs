//! The record of a module that came in because the kernel asked: `/run/modutils/autoloaded/NAME`.
//!
//! Written by the one process whose insertion succeeded; read by autoclean. This module is the format.

use crate::boot_time::BootTime;
use crate::fields::{self, Damaged};
use crate::identity::Identity;

/// As what a module was loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordedRole {
    /// The request meant this module.
    Target,
    /// Another module that the request meant depends on it.
    Dependency,
}

/// Why and when a module was loaded on demand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The name that the kernel asked for, as it was written in the request.
    pub request: Vec<u8>,
    /// As what it was loaded.
    pub role: RecordedRole,
    /// When.
    pub loaded: BootTime,
    /// Which load this is about.
    pub identity: Identity,
}

impl Record {
    /// The text of the file.
    #[must_use]
    pub fn format(&self) -> Vec<u8> {
        let role = match self.role {
            RecordedRole::Target => "target",
            RecordedRole::Dependency => "dependency",
        };
        [
            b"# Loaded because the kernel asked; read by rmmod -a.\n".to_vec(),
            fields::line("request", &self.request),
            fields::line("role", role.as_bytes()),
            fields::line("loaded", self.loaded.0.to_string().as_bytes()),
            self.identity.format(),
        ]
        .concat()
    }

    /// Reads the text of a file. Keys that are not known are ignored.
    ///
    /// # Errors
    /// A record that lacks something or says it twice is not believed: `Damaged`.
    pub fn parse(text: &[u8]) -> Result<Self, Damaged> {
        let pairs = fields::parse(text)?;
        Self::of_pairs(&pairs).ok_or(Damaged(0))
    }

    fn of_pairs(pairs: &[(&[u8], Vec<u8>)]) -> Option<Self> {
        let role = match fields::single(pairs, "role")? {
            b"target" => RecordedRole::Target,
            b"dependency" => RecordedRole::Dependency,
            _ => return None,
        };
        Some(Self {
            request: fields::single(pairs, "request")?.to_vec(),
            role,
            loaded: BootTime(fields::number(fields::single(pairs, "loaded")?)?),
            identity: Identity::of_pairs(pairs)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::identity::tests::boot;

    fn record(request: &[u8]) -> Record {
        Record {
            request: request.to_vec(),
            role: RecordedRole::Dependency,
            loaded: BootTime(12_345),
            identity: Identity { inode: 99, boot: boot(b'a') },
        }
    }

    #[test]
    fn a_record_reads_like_what_it_says() {
        let text = String::from_utf8(record(b"net-pf-29").format()).unwrap();
        let id = "a".repeat(36);
        assert_eq!(
            text.lines().skip(1).collect::<Vec<_>>(),
            ["request=net-pf-29", "role=dependency", "loaded=12345", "inode=99", &format!("boot={id}")]
        );
    }

    #[test]
    fn a_record_cut_anywhere_before_its_last_line_is_not_believed() {
        let text = record(b"fs-xfs").format();
        // The newline at the end is all that may be missing.
        for len in 0..text.len() - 1 {
            assert!(Record::parse(&text[..len]).is_err(), "{len}");
        }
    }

    proptest! {
        #[test]
        fn a_record_comes_back_whatever_was_asked_for(request in prop::collection::vec(any::<u8>(), 0..80)) {
            let record = record(&request);
            prop_assert_eq!(Record::parse(&record.format()).unwrap(), record);
        }
    }
}
