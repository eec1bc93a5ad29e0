//! Loading and unloading.

use std::ffi::{CStr, c_int, c_uint, c_void};

use super::NOTHING;
use crate::boundary::{Held, exported, number};
use crate::load;
use crate::objects::Module;
use crate::probe::{self, PrintAction, Request, RunInstall};

exported! {
    /// Hands a module's file to the kernel.
    fn kmod_module_insert_module(
        module: &Module, flags: c_uint, options: Option<&CStr>,
    ) -> c_int, else NOTHING; {
        number(load::insert(module, flags, options.unwrap_or_default()).map(|()| 0))
    }

    /// Loads a module with all that belongs to it.
    fn kmod_module_probe_insert_module(
        module: Held<Module>,
        flags: c_uint,
        options: Option<&CStr>,
        run_install: Option<RunInstall>,
        data: *const c_void,
        print_action: Option<PrintAction>,
    ) -> c_int, else NOTHING; {
        let options = options.unwrap_or_default();
        number(probe::load(&module, &Request { flags, options, run_install, data, print_action }))
    }

    /// Has the kernel unload a module.
    fn kmod_module_remove_module(module: &Module, flags: c_uint) -> c_int, else NOTHING; {
        number(load::remove(module, flags))
    }
}
