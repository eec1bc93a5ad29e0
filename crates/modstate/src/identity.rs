//! Which load of a module is meant: a name alone is not enough, since a module can go and come again.
//!
//! `/sys/module/NAME` has a new inode number after each load, so that number and the boot id identify one load.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use modfile::ModuleName;

use crate::directory::name_of;
use crate::fields;

/// The name of one run of the kernel, as in `/proc/sys/kernel/random/boot_id`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct BootId([u8; 36]);

impl BootId {
    /// Takes the text of a boot id, with or without the newline; `None` if it is not one.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let bytes: [u8; 36] = text.strip_suffix(b"\n").unwrap_or(text).try_into().ok()?;
        bytes.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-').then_some(Self(bytes))
    }

    /// Reads the boot id of the running kernel from its file.
    ///
    /// # Errors
    /// The file cannot be read or holds no boot id.
    pub fn read(file: &Path) -> io::Result<Self> {
        Self::parse(&modfile::regular::read(file, 100)?).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for BootId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&String::from_utf8_lossy(&self.0))
    }
}

/// One load of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The inode number of the module's directory in sysfs.
    pub inode: u64,
    /// The run of the kernel.
    pub boot: BootId,
}

impl Identity {
    /// The present load of `module`, whose directory is looked for in `sys_module` (`/sys/module`); `None` if it
    /// is not loaded.
    ///
    /// # Errors
    /// The directory is there but cannot be looked at.
    pub fn of_loaded(sys_module: &Path, module: &ModuleName, boot: &BootId) -> io::Result<Option<Self>> {
        let Some(name) = name_of(module) else { return Ok(None) };
        match fs::metadata(sys_module.join(name)) {
            Ok(metadata) => Ok(Some(Self { inode: metadata.ino(), boot: boot.clone() })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes the lines of [`format`](Self::format) from the pairs of a file.
    pub(crate) fn of_pairs(pairs: &[(&[u8], Vec<u8>)]) -> Option<Self> {
        let inode = fields::number(fields::single(pairs, "inode")?)?;
        Some(Self { inode, boot: BootId::parse(fields::single(pairs, "boot")?)? })
    }

    pub(crate) fn format(&self) -> Vec<u8> {
        let mut text = fields::line("inode", self.inode.to_string().as_bytes());
        text.extend(fields::line("boot", self.boot.as_bytes()));
        text
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn boot(digit: u8) -> BootId {
        BootId::parse(&[digit; 36]).unwrap()
    }

    #[test]
    fn a_boot_id_has_its_form_or_is_none() {
        let good = b"3e5cb2a0-8f8b-4c44-a7d6-0a5c2a8b7f10\n";
        assert_eq!(BootId::parse(good).unwrap().as_bytes(), &good[..36]);
        for bad in [&good[..35], b"", b"3e5cb2a0-8f8b-4c44-a7d6-0a5c2a8b7f1/\n", b"x\n"] {
            assert_eq!(BootId::parse(bad), None);
        }
    }

    #[test]
    fn another_directory_of_the_same_name_is_another_load() {
        let sys_module = tempfile::tempdir().unwrap();
        let directory = sys_module.path().join("a");
        let seen = || Identity::of_loaded(sys_module.path(), &"a".into(), &boot(b'1')).unwrap();
        assert_eq!(seen(), None);
        fs::create_dir(&directory).unwrap();
        let first = seen().unwrap();
        assert_eq!(seen(), Some(first.clone()));
        // Kept under another name, so that its number is not given out again.
        fs::rename(&directory, sys_module.path().join("b")).unwrap();
        fs::create_dir(&directory).unwrap();
        assert_ne!(seen(), Some(first));
    }
}
