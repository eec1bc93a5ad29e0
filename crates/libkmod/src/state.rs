//! What the kernel says of a module. Nothing of it is remembered.

use std::ffi::{CStr, c_int, c_long};
use std::io;
use std::num::IntErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use modfile::regular;
use modkernel::proc_modules;
use rustix::io::Errno;

use crate::list::{Entry, Text};
use crate::log::{ERROR, strerror};
use crate::objects::Context;
use crate::objects::Module;
use crate::paths::PROC_MODULES;

/// States of a module, `enum kmod_module_initstate`.
pub(crate) const BUILTIN: c_int = 0;
pub(crate) const LIVE: c_int = 1;
pub(crate) const COMING: c_int = 2;
pub(crate) const GOING: c_int = 3;

/// The kernel shows some 60 bytes of each module.
const LONGEST_LIST: usize = 16 << 20;
const LONGEST_NUMBER: usize = 64;

/// The state of a module.
///
/// # Errors
/// It is absent, or its state cannot be read.
pub(crate) fn initstate(module: &Module, function: &CStr) -> Result<c_int, Errno> {
    if module.is_builtin(function) {
        return Ok(BUILTIN);
    }
    let sysfs = module.context.kernel.sysfs();
    match sysfs.read(&module.name, "initstate").map_err(|error| errno(&error))?.as_deref() {
        Some(b"live") => Ok(LIVE),
        Some(b"coming") => Ok(COMING),
        Some(b"going") => Ok(GOING),
        Some(other) => {
            module.context.log.say(ERROR, function, || {
                let path = directory(module).unwrap_or_default().join("initstate");
                format!("unknown {}: '{}\n'", path.display(), String::from_utf8_lossy(other))
            });
            Err(Errno::INVAL)
        }
        // A module whose load has just begun has a directory and no state.
        None if directory(module).is_some_and(|directory| directory.is_dir()) => Ok(COMING),
        None => Err(Errno::NOENT),
    }
}

/// How many users a module has. One that is going has -1.
///
/// # Errors
/// It is absent, this kernel does not count, or what it says is not a number.
pub(crate) fn use_count(module: &Module, function: &CStr) -> Result<c_int, Errno> {
    let sysfs = module.context.kernel.sysfs();
    let count = sysfs.read(&module.name, "refcnt").map_err(|error| errno(&error))?.ok_or(Errno::NOENT)?;
    let count = decimal(&count).and_then(|count| c_int::try_from(count).ok());
    count.ok_or_else(|| {
        module.context.log.say(ERROR, function, || {
            let path = directory(module).unwrap_or_default().join("refcnt");
            format!("could not read integer from '{}': '{}'", path.display(), strerror(Errno::INVAL))
        });
        Errno::INVAL
    })
}

/// How many bytes of memory a module takes.
///
/// # Errors
/// It is absent, or its size cannot be read.
pub(crate) fn size(module: &Module, function: &CStr) -> Result<c_long, Errno> {
    let directory = directory(module).ok_or(Errno::NOENT)?;
    rustix::fs::stat(&directory)?;
    let sysfs = module.context.kernel.sysfs();
    if let Some(size) = sysfs.read(&module.name, "coresize").map_err(|error| errno(&error))? {
        let size = decimal(&size).and_then(|size| c_long::try_from(size).ok());
        return Ok(size.unwrap_or_else(|| {
            let directory = directory.display();
            let said = || format!("failed to read coresize from {directory}");
            module.context.log.say(ERROR, function, said);
            0
        }));
    }
    // Kernels before 3.3 show sizes only in the list of modules.
    let text = list_of_modules()?;
    let line = proc_modules::parse(&text).find(|line| line.name == module.name).ok_or(Errno::NOENT)?;
    line.size.and_then(|size| c_long::try_from(size).ok()).ok_or(Errno::NOENT)
}

/// The modules that use a module.
///
/// # Errors
/// They cannot be listed.
pub(crate) fn holders(module: &Module, function: &CStr) -> Result<Vec<Rc<Module>>, Errno> {
    let names = module.context.kernel.sysfs().holders(&module.name).map_err(|error| {
        let errno = errno(&error);
        module.context.log.say(ERROR, function, || {
            let path = directory(module).unwrap_or_default().join("holders");
            format!("could not open '{}': {}", path.display(), strerror(errno))
        });
        errno
    })?;
    names.into_iter().map(|name| Module::new(&module.context, name, None)).collect()
}

/// Where the sections of a loaded module are.
///
/// # Errors
/// They cannot be listed, or one of them cannot be read.
pub(crate) fn sections(module: &Module, function: &CStr) -> Result<Vec<Entry>, Errno> {
    let directory = directory(module).ok_or(Errno::NOENT)?.join("sections");
    let failed = |path: &Path, errno| {
        let said = || format!("could not open '{}': {}", path.display(), strerror(errno));
        module.context.log.say(ERROR, function, said);
        errno
    };
    let names = std::fs::read_dir(&directory).map_err(|error| failed(&directory, errno(&error)))?;
    let mut sections = Vec::new();
    for name in names {
        let name = name.map_err(|error| failed(&directory, errno(&error)))?.file_name();
        let path = directory.join(&name);
        let address = address(&path).inspect_err(|&errno| {
            let said = || format!("could not read long from '{}': {}", path.display(), strerror(errno));
            module.context.log.say(ERROR, function, said);
        })?;
        sections.push(Entry::Section { name: Text::new(name.as_bytes()), address });
    }
    Ok(sections)
}

/// An address as the kernel shows it, `0x` and hexadecimal digits.
fn address(path: &Path) -> Result<u64, Errno> {
    let text = regular::read(path, LONGEST_NUMBER).map_err(|error| error.errno())?;
    let text = std::str::from_utf8(&text).map_err(|_| Errno::INVAL)?.trim();
    u64::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16).map_err(|_| Errno::INVAL)
}

/// All modules that are loaded, in the kernel's order.
///
/// # Errors
/// The kernel's list cannot be read.
pub(crate) fn loaded(context: &Rc<Context>, function: &CStr) -> Result<Vec<Rc<Module>>, Errno> {
    let text = list_of_modules().inspect_err(|&errno| {
        let said = || format!("could not open {PROC_MODULES}: {}", strerror(errno));
        context.log.say(ERROR, function, said);
    })?;
    proc_modules::parse(&text).map(|line| Module::new(context, line.name, None)).collect()
}

/// The kernel's list of modules.
fn list_of_modules() -> Result<Vec<u8>, Errno> {
    regular::read(Path::new(PROC_MODULES), LONGEST_LIST).map_err(|error| error.errno())
}

fn directory(module: &Module) -> Option<PathBuf> {
    module.context.kernel.sysfs().directory(&module.name)
}

/// A decimal number with white space or nothing around it; what is too large is as large as can be. compat: behind
/// the white space anything may stand (test `a_number_is_decimal_and_ends_at_white_space`).
fn decimal(text: &[u8]) -> Option<i64> {
    let word = text.trim_ascii_start().split(u8::is_ascii_whitespace).next()?;
    let number = std::str::from_utf8(word).ok()?;
    match number.parse::<i64>() {
        Ok(number) => Some(number),
        Err(error) => match error.kind() {
            IntErrorKind::PosOverflow => Some(i64::MAX),
            IntErrorKind::NegOverflow => Some(i64::MIN),
            _ => None,
        },
    }
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::INVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_decimal_and_ends_at_white_space() {
        for (text, number) in [
            ("12", Some(12)),
            (" -1\n", Some(-1)),
            ("12 34", Some(12)),
            ("99999999999999999999", Some(i64::MAX)),
            ("-99999999999999999999", Some(i64::MIN)),
            ("0x10", None),
            ("12x", None),
            ("", None),
        ] {
            assert_eq!(decimal(text.as_bytes()), number, "{text}");
        }
    }
}
