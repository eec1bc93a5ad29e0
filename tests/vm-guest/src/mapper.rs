//! The device mapper: a device whose table has one target without parameters.

#![allow(unsafe_code, reason = "ioctl(2) hands a pointer to the kernel, and no library has these calls")]

use std::ffi::c_void;
use std::fs::File;
use std::io;

use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, ioctl, opcode};

/// The layout of Documentation/admin-guide/device-mapper and linux/dm-ioctl.h: what every call begins with.
const HEAD: usize = 312;
const NAME: usize = 48;
const CREATE: u8 = 3;
const REMOVE: u8 = 4;
const SUSPEND: u8 = 6;
const LOAD: u8 = 9;
/// Suspend instead of resume.
const SUSPENDED: u32 = 2;

/// A device of the mapper.
pub struct Device {
    control: File,
    name: &'static str,
}

impl Device {
    /// Makes a device without a table.
    ///
    /// # Errors
    /// What the kernel answers.
    pub fn new(control: File, name: &'static str) -> io::Result<Self> {
        let device = Self { control, name };
        device.call(CREATE, 0, 0, &[])?;
        Ok(device)
    }

    /// Gives it a table, which is not active yet: `dm-TARGET`.
    ///
    /// # Errors
    /// What the kernel answers.
    pub fn load(&self, target: &str) -> io::Result<()> {
        let mut table = vec![0; 8];
        // A mebibyte, in sectors; a status, and where the next target would be.
        table.extend(2048_u64.to_ne_bytes());
        table.extend([0; 8]);
        table.extend(target.as_bytes());
        // The name's room, and no parameters.
        table.resize(48, 0);
        self.call(LOAD, 0, 1, &table)
    }

    /// Makes the table that was loaded the active one.
    ///
    /// # Errors
    /// What the kernel answers.
    pub fn resume(&self) -> io::Result<()> {
        self.call(SUSPEND, 0, 0, &[])
    }

    /// Has it take nothing for a while.
    ///
    /// # Errors
    /// What the kernel answers.
    pub fn suspend(&self) -> io::Result<()> {
        self.call(SUSPEND, SUSPENDED, 0, &[])
    }

    /// Takes the device away with its tables.
    ///
    /// # Errors
    /// What the kernel answers.
    pub fn remove(self) -> io::Result<()> {
        self.call(REMOVE, 0, 0, &[])
    }

    fn call(&self, command: u8, flags: u32, targets: u32, table: &[u8]) -> io::Result<()> {
        let length = u32::try_from(HEAD + table.len()).map_err(io::Error::other)?;
        let mut bytes = Vec::new();
        // A version, sizes, how often it is open, flags.
        for word in [4, 0, 0, length, 312, targets, 0, flags] {
            bytes.extend(word.to_ne_bytes());
        }
        bytes.resize(NAME, 0);
        bytes.extend(self.name.as_bytes());
        bytes.resize(HEAD, 0);
        bytes.extend(table);
        // SAFETY: the call reads and writes as many bytes as its head says, and there are that many.
        Ok(unsafe { ioctl(&self.control, Call { command, bytes }) }?)
    }
}

struct Call {
    command: u8,
    bytes: Vec<u8>,
}

// SAFETY: the number is that of linux/dm-ioctl.h, and the kernel is given as many bytes as the head says.
unsafe impl Ioctl for Call {
    type Output = ();
    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        opcode::read_write::<[u8; HEAD]>(0xfd, self.command)
    }

    fn as_ptr(&mut self) -> *mut c_void {
        self.bytes.as_mut_ptr().cast()
    }

    unsafe fn output_from_ptr(_: IoctlOutput, _: *mut c_void) -> rustix::io::Result<()> {
        Ok(())
    }
}
