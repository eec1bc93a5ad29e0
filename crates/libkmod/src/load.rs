//! Loading and unloading by system calls, and nothing else: no dependencies, no configuration.

use std::ffi::{CStr, c_int, c_uint};

use modkernel::{InsertError, InsertFlags, KernelOps, RemoveFlags};
use modload::forbid;
use rustix::io::Errno;

use crate::log::{ERROR, INFO, strerror};
use crate::objects::Module;
use crate::rules;

/// Flags of insertion, `enum kmod_insert`.
const FORCE_VERMAGIC: c_uint = 1;
const FORCE_MODVERSION: c_uint = 2;

/// Flags of removal, `enum kmod_remove`. The kernel never waits, whatever a caller says.
const REMOVE_NOLOG: c_uint = 1;
const REMOVE_FORCE: c_uint = libc::O_TRUNC.cast_unsigned();

pub(crate) fn insert_flags(flags: c_uint) -> InsertFlags {
    InsertFlags {
        ignore_vermagic: flags & FORCE_VERMAGIC != 0,
        ignore_modversions: flags & FORCE_MODVERSION != 0,
    }
}

/// Hands a module's file to the kernel.
///
/// # Errors
/// It has no file, that cannot be read, it is forbidden, or the kernel refuses it.
pub(crate) fn insert(module: &Module, flags: c_uint, options: &CStr) -> Result<(), Errno> {
    const CALLED: &CStr = c"kmod_module_insert_module";
    let Some(path) = module.file(CALLED) else {
        no_file(module, CALLED);
        return Err(Errno::NOENT);
    };
    if let Some(line) = rules::with(|rules| forbid::file(rules, path).map(|(_, by)| by.line.to_string())) {
        module.context.log.say(INFO, CALLED, || format!("{line} forbids module '{}'", path.display()));
        return Err(Errno::PERM);
    }
    let result = module.context.kernel.clone().insert(path, options, insert_flags(flags));
    result.map_err(|error| {
        not_inserted(module, path, &error, CALLED);
        Errno::from_raw_os_error(error.errno())
    })
}

/// Says that a module is only a name.
pub(crate) fn no_file(module: &Module, function: &CStr) {
    module.context.log.say(ERROR, function, || format!("could not find module by name='{}'", module.name));
}

/// Says why a module was not loaded.
pub(crate) fn not_inserted(module: &Module, path: &std::path::Path, error: &InsertError, function: &CStr) {
    let log = &module.context.log;
    match error {
        InsertError::Decompress(reason) => log.say(ERROR, function, || reason.to_string()),
        // compat: of a file that did not get as far as to the kernel nothing is said (tests/libkmod-c/c/each.c).
        InsertError::Read(_) => {}
        InsertError::Kernel(_) | InsertError::NoVermagic => log.say(INFO, function, || {
            let reason = strerror(Errno::from_raw_os_error(error.errno()));
            format!("Failed to insert module '{}': {reason}", path.display())
        }),
    }
}

/// Has the kernel unload a module.
///
/// # Errors
/// The kernel's.
pub(crate) fn remove(module: &Module, flags: c_uint) -> Result<c_int, Errno> {
    let force = flags & REMOVE_FORCE != 0;
    let result = module.context.kernel.clone().remove(&module.name, RemoveFlags { force });
    result.map(|()| 0).map_err(|error| {
        let errno = Errno::from_io_error(&error).unwrap_or(Errno::INVAL);
        if flags & REMOVE_NOLOG == 0 {
            let said = || format!("could not remove '{}': {}", module.name, strerror(errno));
            module.context.log.say(ERROR, c"kmod_module_remove_module", said);
        }
        errno
    })
}
