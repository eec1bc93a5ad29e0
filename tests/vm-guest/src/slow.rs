//! Makes the end of a module last as long as is wanted. A file of `/proc` that is the module's goes with it, but not
//! while somebody is in the middle of reading it; and somebody is, as long as the memory that is read into is missing,
//! and this process, which is asked for it, does not answer (userfaultfd(2)).

#![allow(unsafe_code, reason = "memory that is missing, and the calls about it, are for unsafe code only")]

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::ptr::null_mut;
use std::thread::{JoinHandle, spawn};

use anyhow::{Context as _, Result};
use rustix::ioctl::{Opcode, Updater, ioctl, opcode::read_write};
use rustix::mm::{MapFlags, ProtFlags, UserfaultfdFlags, mmap_anonymous, userfaultfd};

/// The numbers of linux/userfaultfd.h.
const GROUP: u8 = 0xaa;
const VERSION: u64 = 0xaa;
const API: Opcode = read_write::<[u64; 3]>(GROUP, 0x3f);
const REGISTER: Opcode = read_write::<[u64; 4]>(GROUP, 0);
const MISSING: u64 = 1;
const PAGE: usize = 4096;

/// A read that does not end before this is dropped.
pub struct SlowReader {
    missing: Option<OwnedFd>,
    reader: Option<JoinHandle<()>>,
}

impl SlowReader {
    /// Is in the middle of reading the file when it returns.
    ///
    /// # Errors
    /// The file cannot be opened, or the kernel refuses.
    pub fn of(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| path.display().to_string())?;
        // SAFETY: a new mapping at a place that the kernel chooses, which is never unmapped.
        let page = unsafe {
            mmap_anonymous(null_mut(), PAGE, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)?
        };
        let address = page as usize;
        // SAFETY: whoever touches the page waits; only the reader below does.
        let missing = unsafe { userfaultfd(UserfaultfdFlags::CLOEXEC) }.context("userfaultfd")?;
        let (mut api, mut range) = ([VERSION, 0, 0], [address as u64, PAGE as u64, MISSING, 0]);
        // SAFETY: the kernel reads and writes as many words as there are, and the range is the page.
        unsafe {
            ioctl(&missing, Updater::<API, _>::new(&mut api))?;
            ioctl(&missing, Updater::<REGISTER, _>::new(&mut range))?;
        }
        let reader = spawn(move || {
            // SAFETY: the page is mapped for ever, and nobody else's.
            let buffer = unsafe { std::slice::from_raw_parts_mut(address as *mut u8, PAGE) };
            // What is read is of no interest.
            let _ = rustix::io::read(&file, buffer);
        });
        // Comes when the kernel misses the page.
        rustix::io::read(&missing, &mut [0_u8; 32]).context("the reader reads nothing")?;
        Ok(Self { missing: Some(missing), reader: Some(reader) })
    }
}

impl Drop for SlowReader {
    fn drop(&mut self) {
        // The page is an ordinary one from now on.
        self.missing = None;
        if let Some(reader) = self.reader.take() {
            // It has nothing to say.
            let _ = reader.join();
        }
    }
}
