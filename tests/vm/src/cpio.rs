//! Writes the archive that the kernel unpacks as its first root file system: the "newc" format of cpio, as
//! Documentation/driver-api/early-userspace/buffer-format.rst of the Linux sources describes it. Nothing is
//! compressed, nothing is read from a file, every owner is root.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

const DIRECTORY: u32 = 0o040_755;
const LINK: u32 = 0o120_777;
const CHARACTER_DEVICE: u32 = 0o020_600;
const REGULAR: u32 = 0o100_000;

/// An archive in memory. Directories above an entry are added by themselves.
#[derive(Default)]
pub struct Archive {
    bytes: Vec<u8>,
    entries: u32,
    directories: BTreeSet<String>,
    names: BTreeSet<String>,
}

impl Archive {
    /// An empty archive.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a directory, with those above it.
    ///
    /// # Errors
    /// When the path is not absolute and plain, or something else has its name.
    pub fn directory(&mut self, path: &str) -> Result<()> {
        let path = relative(path)?;
        if self.directories.insert(path.to_owned()) {
            self.parents(path)?;
            self.entry(path, DIRECTORY, &[], (0, 0))?;
        }
        Ok(())
    }

    /// Adds a file with these permission bits.
    ///
    /// # Errors
    /// When the path is not absolute and plain or already there, or the file has 4 GiB or more.
    pub fn file(&mut self, path: &str, permissions: u32, content: &[u8]) -> Result<()> {
        let path = relative(path)?;
        self.parents(path)?;
        self.entry(path, REGULAR | permissions, content, (0, 0))
    }

    /// Adds a symbolic link.
    ///
    /// # Errors
    /// When the path is not absolute and plain or already there.
    pub fn link(&mut self, path: &str, target: &str) -> Result<()> {
        let path = relative(path)?;
        self.parents(path)?;
        self.entry(path, LINK, target.as_bytes(), (0, 0))
    }

    /// Adds the node of a character device.
    ///
    /// # Errors
    /// When the path is not absolute and plain or already there.
    pub fn character_device(&mut self, path: &str, major: u32, minor: u32) -> Result<()> {
        let path = relative(path)?;
        self.parents(path)?;
        self.entry(path, CHARACTER_DEVICE, &[], (major, minor))
    }

    /// Whether something of that name is in the archive.
    #[must_use]
    pub fn holds(&self, path: &str) -> bool {
        self.names.contains(path.trim_start_matches('/'))
    }

    /// The finished archive.
    ///
    /// # Errors
    /// Never by what was added before; the signature is that of every other entry.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        self.entry("TRAILER!!!", 0, &[], (0, 0))?;
        Ok(self.bytes)
    }

    fn parents(&mut self, path: &str) -> Result<()> {
        match path.rsplit_once('/') {
            Some((parent, _)) => self.directory(&format!("/{parent}")),
            None => Ok(()),
        }
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8], device: (u32, u32)) -> Result<()> {
        ensure!(self.names.insert(path.to_owned()), "{path} is in the archive already");
        self.entries += 1;
        let size = u32::try_from(content.len())?;
        let name_size = u32::try_from(path.len() + 1)?;
        let links = 1;
        let header = [self.entries, mode, 0, 0, links, 0, size, 0, 0, device.0, device.1, name_size, 0];
        self.bytes.extend(b"070701");
        for field in header {
            self.bytes.extend(format!("{field:08X}").bytes());
        }
        self.bytes.extend(path.bytes());
        self.bytes.push(0);
        self.fill_up();
        self.bytes.extend(content);
        self.fill_up();
        Ok(())
    }

    /// Name and content each end at a multiple of four bytes.
    fn fill_up(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

fn relative(path: &str) -> Result<&str> {
    let relative = path.strip_prefix('/').unwrap_or_default();
    let plain = relative.split('/').all(|part| !["", ".", ".."].contains(&part));
    ensure!(plain, "{path:?} is no plain absolute path");
    Ok(relative)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, mode, device, content.
    type Entry = (String, u32, (u32, u32), Vec<u8>);

    /// The entries of an archive. Reads only what the format promises.
    fn read(mut bytes: &[u8]) -> Vec<Entry> {
        let mut entries = Vec::new();
        loop {
            assert_eq!(&bytes[..6], b"070701");
            let field = |index: usize| {
                let text = std::str::from_utf8(&bytes[6 + 8 * index..14 + 8 * index]).unwrap();
                u32::from_str_radix(text, 16).unwrap()
            };
            let (size, name_size) = (field(6) as usize, field(11) as usize);
            let name = String::from_utf8(bytes[110..110 + name_size - 1].to_vec()).unwrap();
            let start = (110 + name_size).next_multiple_of(4);
            if name == "TRAILER!!!" {
                assert_eq!(bytes.len(), start);
                return entries;
            }
            entries.push((name, field(1), (field(9), field(10)), bytes[start..start + size].to_vec()));
            bytes = &bytes[(start + size).next_multiple_of(4)..];
        }
    }

    #[test]
    fn entries_come_back_with_the_directories_above_them() {
        let mut archive = Archive::new();
        archive.file("/lib/modules/a.ko", 0o644, b"12345").unwrap();
        archive.directory("/lib").unwrap();
        archive.link("/sbin", "/subjects/0/sbin").unwrap();
        archive.character_device("/dev/console", 5, 1).unwrap();
        assert!(archive.holds("/lib/modules/a.ko") && !archive.holds("/lib/modules/b.ko"));
        let entries = read(&archive.finish().unwrap());
        let expected = [
            ("lib", 0o040_755, (0, 0), ""),
            ("lib/modules", 0o040_755, (0, 0), ""),
            ("lib/modules/a.ko", 0o100_644, (0, 0), "12345"),
            ("sbin", 0o120_777, (0, 0), "/subjects/0/sbin"),
            ("dev", 0o040_755, (0, 0), ""),
            ("dev/console", 0o020_600, (5, 1), ""),
        ]
        .map(|(name, mode, device, content)| (name.to_owned(), mode, device, content.as_bytes().to_vec()));
        assert_eq!(entries, expected);
    }

    #[test]
    fn paths_that_are_not_plain_or_there_twice_are_refused() {
        let mut archive = Archive::new();
        for path in ["", "/", "a", "/a/../b", "//a", "/a/"] {
            assert!(archive.file(path, 0o644, b"").is_err(), "{path:?}");
        }
        archive.file("/a", 0o644, b"").unwrap();
        assert!(archive.file("/a", 0o644, b"").is_err());
    }
}
