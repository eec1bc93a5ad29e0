//! The loaded modules, by name from `/proc/modules`, their numbers and users from sysfs.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use modfile::ModuleName;
use modfile::regular;
use rustix::fs::{Mode, OFlags, RawDir};
use rustix::io::Errno;

use crate::messages;

/// Far more than a kernel with all modules of a distribution loaded shows, in bytes.
const LONGEST_LIST: usize = 64 << 20;
/// No number is longer, in bytes.
const LONGEST_NUMBER: usize = 64;

/// A loaded module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Module {
    pub name: ModuleName,
    /// In bytes. compat: what cannot be read is the negative error number (case `lsmod/gone`).
    pub size: i64,
    /// How many users the kernel counts; what cannot be read likewise.
    pub use_count: i32,
    /// The modules that use it, in the kernel's order.
    pub holders: Vec<ModuleName>,
}

/// The names in the list, each the first word of a line.
pub(crate) fn list(path: &Path) -> io::Result<Vec<u8>> {
    Ok(regular::read(path, LONGEST_LIST)?)
}

/// Reads what sysfs says about modules, and reports what is wrong with it.
pub(crate) struct Reader<'a> {
    /// The list and its place: what sysfs does not say may stand there.
    pub list: &'a [u8],
    pub list_path: &'a Path,
    /// The directory with an entry for each module, open and by its path.
    directory: Result<OwnedFd, Errno>,
    path: PathBuf,
    complain: &'a dyn Fn(Vec<u8>),
    /// What is wrong with the module that is being read, unless it turns out to be gone.
    held: RefCell<Vec<Vec<u8>>>,
}

impl<'a> Reader<'a> {
    pub fn new(list: &'a [u8], list_path: &'a Path, path: PathBuf, complain: &'a dyn Fn(Vec<u8>)) -> Self {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(&path, flags, Mode::empty());
        Self { list, list_path, directory, path, complain, held: RefCell::default() }
    }

    /// All modules in the order of the list. compat: one that is listed twice is there twice (case `lsmod/twice`).
    ///
    /// One that came or went since the list was read is shown if it is there now.
    pub fn modules(&self) -> impl Iterator<Item = Module> {
        self.lines().filter_map(|(_, line)| {
            let name = ModuleName::new(words(line).next()?);
            let mut module = self.module(&name);
            if !self.is_whole(&module) {
                self.held.take();
                if !self.is_live(&name) {
                    return None;
                }
                // It may have come meanwhile.
                module = self.module(&name);
            }
            self.held.take().into_iter().for_each(self.complain);
            Some(module)
        })
    }

    /// A module; what is wrong with it is held.
    fn module(&self, name: &ModuleName) -> Module {
        // compat: complaints come in this order (case `lsmod/numbers-damaged`).
        let (use_count, size) = (self.use_count(name), self.size(name));
        Module { size, use_count, holders: self.holders(name), name: name.clone() }
    }

    /// Whether everything about the module that was read last could be read.
    fn is_whole(&self, module: &Module) -> bool {
        module.use_count >= 0 && module.size >= 0 && self.held.borrow().is_empty()
    }

    /// Whether the kernel still lists a module, and not as one that is coming, which it lists before its directory is
    /// there, or going, whose directory goes first.
    fn is_live(&self, module: &ModuleName) -> bool {
        let Ok(list) = list(self.list_path) else { return true };
        let mut lines = list.split(|&byte| byte == b'\n').map(words);
        let line = lines.find_map(|mut words| (words.next()? == module.as_bytes()).then_some(words));
        line.is_some_and(|mut rest| ![Some(&b"Loading"[..]), Some(b"Unloading")].contains(&rest.nth(3)))
    }

    fn hold(&self, complaint: Vec<u8>) {
        self.held.borrow_mut().push(complaint);
    }

    /// The lines of the list, counted from 1.
    fn lines(&self) -> impl Iterator<Item = (usize, &'a [u8])> {
        (1..).zip(self.list.split(|&byte| byte == b'\n'))
    }

    fn size(&self, module: &ModuleName) -> i64 {
        match self.number(module, "coresize") {
            Ok(size) => size,
            Err(Bad::Number) => {
                self.hold(messages::bad_size(&self.place(module)));
                0
            }
            // Kernels before 3.3 do not show it.
            Err(Bad::File(_)) if self.is_there(module) => self.size_in_list(module),
            Err(Bad::File(errno)) => negative(errno).into(),
        }
    }

    fn size_in_list(&self, module: &ModuleName) -> i64 {
        for (number, line) in self.lines() {
            let mut words = words(line);
            if words.next() == Some(module.as_bytes()) {
                let size = words.next().and_then(|word| parse(&[word, b" "].concat()));
                return size.unwrap_or_else(|| {
                    self.hold(messages::bad_line(self.list_path, number));
                    negative(Errno::NOENT).into()
                });
            }
        }
        negative(Errno::NOENT).into()
    }

    fn use_count(&self, module: &ModuleName) -> i32 {
        match self.number(module, "refcnt") {
            // The kernel counts in an int.
            Ok(count) => count as i32,
            Err(Bad::Number) => {
                self.hold(messages::no_number(&self.place(module).join("refcnt")));
                negative(Errno::INVAL)
            }
            Err(Bad::File(errno)) => negative(errno),
        }
    }

    fn holders(&self, module: &ModuleName) -> Vec<ModuleName> {
        self.read_holders(module).unwrap_or_else(|errno| {
            self.hold(messages::cannot_open(&self.place(module).join("holders"), &errno.into()));
            Vec::new()
        })
    }

    fn read_holders(&self, module: &ModuleName) -> Result<Vec<ModuleName>, Errno> {
        let directory = self.directory.as_ref().map_err(|errno| *errno)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let holders = rustix::fs::openat(directory, below(module, "holders"), flags, Mode::empty())?;
        let mut buffer = [std::mem::MaybeUninit::uninit(); 8192];
        let mut entries = RawDir::new(&holders, &mut buffer);
        let mut names = Vec::new();
        while let Some(entry) = entries.next() {
            let Ok(entry) = entry else { break };
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(ModuleName::new(name));
            }
        }
        Ok(names)
    }

    /// The number in a file of a module.
    fn number(&self, module: &ModuleName, file: &str) -> Result<i64, Bad> {
        let directory = self.directory.as_ref().map_err(|errno| Bad::File(*errno))?;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = rustix::fs::openat(directory, below(module, file), flags, Mode::empty())?;
        let mut buffer = [0; LONGEST_NUMBER];
        let len = rustix::io::retry_on_intr(|| rustix::io::read(file.as_fd(), buffer.as_mut_slice()))?;
        parse(buffer.get(..len).unwrap_or_default()).ok_or(Bad::Number)
    }

    fn is_there(&self, module: &ModuleName) -> bool {
        self.directory.as_ref().is_ok_and(|directory| {
            rustix::fs::accessat(
                directory,
                OsStr::from_bytes(module.as_bytes()),
                rustix::fs::Access::EXISTS,
                rustix::fs::AtFlags::empty(),
            )
            .is_ok()
        })
    }

    fn place(&self, module: &ModuleName) -> PathBuf {
        self.path.join(OsStr::from_bytes(module.as_bytes()))
    }
}

/// Why there is no number.
enum Bad {
    File(Errno),
    Number,
}

impl From<Errno> for Bad {
    fn from(errno: Errno) -> Self {
        Self::File(errno)
    }
}

fn below(module: &ModuleName, file: &str) -> PathBuf {
    Path::new(OsStr::from_bytes(module.as_bytes())).join(file)
}

fn negative(errno: Errno) -> i32 {
    -errno.raw_os_error()
}

fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|&byte| byte == b' ' || byte == b'\t').filter(|word| !word.is_empty())
}

/// A decimal number that white space follows, as the kernel writes a newline behind each; white space and a sign may
/// stand before it. One that is too large is taken for the largest.
fn parse(text: &[u8]) -> Option<i64> {
    let is_space = |byte: u8| byte.is_ascii_whitespace() || byte == 0x0b;
    let start = text.iter().position(|&byte| !is_space(byte))?;
    let text = text.get(start..)?;
    let (is_negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    let (digits, rest) = digits.split_at_checked(end)?;
    if digits.is_empty() || !is_space(*rest.first()?) {
        return None;
    }
    let step = |number: i64, digit: &u8| {
        let digit = i64::from(digit - b'0');
        let next = number.saturating_mul(10);
        if is_negative { next.saturating_sub(digit) } else { next.saturating_add(digit) }
    };
    Some(digits.iter().fold(0, step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_decimal_and_white_space_follows_it() {
        for (text, number) in [
            ("7\n", Some(7)),
            (" +7 x", Some(7)),
            ("-1\n", Some(-1)),
            ("7", None),
            ("0x10\n", None),
            ("\n", None),
            ("-\n", None),
            ("99999999999999999999\n", Some(i64::MAX)),
            ("-99999999999999999999\n", Some(i64::MIN)),
        ] {
            assert_eq!(parse(text.as_bytes()), number, "{text:?}");
        }
    }

    #[test]
    fn what_sysfs_does_not_say_is_taken_from_the_list_or_shown_as_an_error_number() {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("a/coresize", "100\n"),
            ("a/refcnt", "1\n"),
            ("a/holders/b-c", ""),
            ("old/refcnt", "many\n"),
            ("bad/coresize", "0x10\n"),
            ("bad/refcnt", "0\n"),
        ] {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let complaints = RefCell::new(Vec::new());
        let complain = |text: Vec<u8>| complaints.borrow_mut().push(String::from_utf8(text).unwrap());
        let list = b"a 1 0 - Live\nold 77 0 -\nbad 1\n\ngone 5\nleft 5 0 - Live\nleaving 5 0 - Live\ncoming 5 0 - Loading";
        // As it is when sysfs has been asked: of the last three one is not listed any more, two are on their way.
        let list_path = root.path().join("list");
        std::fs::write(
            &list_path,
            "old 77\nbad 1\ngone 5\nleaving 5 0 - Unloading 0x0\ncoming 5 0 - Loading",
        )
        .unwrap();
        let reader = Reader::new(list, &list_path, root.path().into(), &complain);
        let found: Vec<_> = reader
            .modules()
            .map(|module| {
                (module.name.to_text().into_owned(), module.size, module.use_count, module.holders.len())
            })
            .collect();
        let expected = [("a", 100, 1, 1), ("old", 77, -22, 0), ("bad", 0, 0, 0), ("gone", -2, -2, 0)];
        assert_eq!(
            found,
            expected.map(|(name, size, count, holders)| (name.to_owned(), size, count, holders))
        );
        let sys = root.path().display();
        assert_eq!(
            complaints.into_inner(),
            [
                format!("could not read integer from '{sys}/old/refcnt': 'Invalid argument'"),
                format!("could not open '{sys}/old/holders': No such file or directory"),
                format!("failed to read coresize from {sys}/bad"),
                format!("could not open '{sys}/bad/holders': No such file or directory"),
                format!("could not open '{sys}/gone/holders': No such file or directory"),
            ]
        );
    }
}
