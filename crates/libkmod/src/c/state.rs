//! What the kernel says of modules.

use std::ffi::{CStr, c_char, c_int, c_long, c_ulong};
use std::ptr;

use super::{NOTHING, null_because};
use crate::boundary::{Held, Out, exported, number};
use crate::list::{Entry, Node};
use crate::objects::Context;
use crate::objects::Module;
use crate::state;

exported! {
    /// All loaded modules.
    fn kmod_module_new_from_loaded(context: Held<Context>, list: Out<*mut Node>) -> c_int, else NOTHING; {
        number(state::loaded(&context, c"kmod_module_new_from_loaded").map(|modules| {
            list.put(Node::list_of_modules(modules));
            0
        }))
    }

    /// The name of a state.
    fn kmod_module_initstate_str(state: c_int) -> *const c_char, else ptr::null(); {
        let name: &CStr = match state {
            state::BUILTIN => c"builtin",
            state::LIVE => c"live",
            state::COMING => c"coming",
            state::GOING => c"going",
            _ => return ptr::null(),
        };
        name.as_ptr()
    }

    /// The state of a module; 0 says that it is built in.
    fn kmod_module_get_initstate(module: &Module) -> c_int, else NOTHING; {
        number(state::initstate(module, c"kmod_module_get_initstate"))
    }

    /// How many users a module has.
    fn kmod_module_get_refcnt(module: &Module) -> c_int, else NOTHING; {
        number(state::use_count(module, c"kmod_module_get_refcnt"))
    }

    /// How many bytes a module takes.
    fn kmod_module_get_size(module: &Module) -> c_long, else NOTHING.into(); {
        let size = state::size(module, c"kmod_module_get_size");
        size.unwrap_or_else(|errno| c_long::from(-errno.raw_os_error()))
    }

    /// The modules that use a module.
    fn kmod_module_get_holders(module: &Module) -> *mut Node, else ptr::null_mut(); {
        let holders = state::holders(module, c"kmod_module_get_holders");
        holders.map_or_else(null_because, Node::list_of_modules)
    }

    /// Where the sections of a module are.
    fn kmod_module_get_sections(module: &Module) -> *mut Node, else ptr::null_mut(); {
        state::sections(module, c"kmod_module_get_sections").map_or_else(null_because, Node::list)
    }

    /// The name of a section.
    fn kmod_module_section_get_name(entry: &Node) -> *const c_char, else ptr::null(); {
        match entry.entry() {
            Entry::Section { name, .. } => name.pointer(),
            _ => ptr::null(),
        }
    }

    /// The address of a section.
    fn kmod_module_section_get_address(entry: &Node) -> c_ulong, else c_ulong::MAX; {
        match entry.entry() {
            Entry::Section { address, .. } => c_ulong::try_from(*address).unwrap_or(c_ulong::MAX),
            _ => c_ulong::MAX,
        }
    }

    /// Frees a list of sections.
    fn kmod_module_section_free_list(list: *mut Node), else (); {
        // SAFETY: by contract NULL, or a list of ours that the caller forgets now.
        unsafe { Node::free(list) };
    }
}
