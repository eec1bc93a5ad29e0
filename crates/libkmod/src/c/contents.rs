//! What module files say. The accessors of symbols answer for all three kinds of them, since callers mix them up.

use std::ffi::{c_char, c_int};
use std::ptr;

use super::{NOTHING, put_entries};
use crate::boundary::{Out, exported};
use crate::contents;
use crate::list::{Entry, Node, Symbol};
use crate::objects::Module;

fn symbol(entry: &Node) -> Option<&Symbol> {
    match entry.entry() {
        Entry::Version(symbol) | Entry::Export(symbol) | Entry::Need { symbol, .. } => Some(symbol),
        _ => None,
    }
}

fn name(entry: &Node) -> *const c_char {
    symbol(entry).map_or(ptr::null(), |symbol| symbol.name.pointer())
}

fn crc(entry: &Node) -> u64 {
    symbol(entry).map_or(0, |symbol| symbol.crc)
}

exported! {
    /// The strings of a module and what its signature says.
    fn kmod_module_get_info(module: &Module, list: Out<*mut Node>) -> c_int, else NOTHING; {
        put_entries(&list, || contents::info(module))
    }

    /// The key of a string.
    fn kmod_module_info_get_key(entry: &Node) -> *const c_char, else ptr::null(); {
        if let Entry::Info(pair) = entry.entry() { pair.key() } else { ptr::null() }
    }

    /// The value of a string.
    fn kmod_module_info_get_value(entry: &Node) -> *const c_char, else ptr::null(); {
        if let Entry::Info(pair) = entry.entry() { pair.value() } else { ptr::null() }
    }

    /// Frees a list of strings.
    fn kmod_module_info_free_list(list: *mut Node), else (); {
        // SAFETY: by contract NULL, or a list of ours that the caller forgets now.
        unsafe { Node::free(list) };
    }

    /// The symbols that a module was built against.
    fn kmod_module_get_versions(module: &Module, list: Out<*mut Node>) -> c_int, else NOTHING; {
        put_entries(&list, || contents::versions(module))
    }

    /// The name of such a symbol.
    fn kmod_module_version_get_symbol(entry: &Node) -> *const c_char, else ptr::null(); {
        name(entry)
    }

    /// The checksum of such a symbol.
    fn kmod_module_version_get_crc(entry: &Node) -> u64, else 0; {
        crc(entry)
    }

    /// Frees a list of such symbols.
    fn kmod_module_versions_free_list(list: *mut Node), else (); {
        // SAFETY: by contract NULL, or a list of ours that the caller forgets now.
        unsafe { Node::free(list) };
    }

    /// The symbols that a module exports.
    fn kmod_module_get_symbols(module: &Module, list: Out<*mut Node>) -> c_int, else NOTHING; {
        put_entries(&list, || contents::exports(module))
    }

    /// The name of such a symbol.
    fn kmod_module_symbol_get_symbol(entry: &Node) -> *const c_char, else ptr::null(); {
        name(entry)
    }

    /// The checksum of such a symbol.
    fn kmod_module_symbol_get_crc(entry: &Node) -> u64, else 0; {
        crc(entry)
    }

    /// Frees a list of such symbols.
    fn kmod_module_symbols_free_list(list: *mut Node), else (); {
        // SAFETY: by contract NULL, or a list of ours that the caller forgets now.
        unsafe { Node::free(list) };
    }

    /// The symbols that a module needs.
    fn kmod_module_get_dependency_symbols(module: &Module, list: Out<*mut Node>) -> c_int, else NOTHING; {
        put_entries(&list, || contents::needs(module))
    }

    /// The name of such a symbol.
    fn kmod_module_dependency_symbol_get_symbol(entry: &Node) -> *const c_char, else ptr::null(); {
        name(entry)
    }

    /// How such a symbol is bound, a letter.
    fn kmod_module_dependency_symbol_get_bind(entry: &Node) -> c_int, else 0; {
        if let Entry::Need { bind, .. } = entry.entry() { c_int::from(*bind) } else { 0 }
    }

    /// The checksum of such a symbol.
    fn kmod_module_dependency_symbol_get_crc(entry: &Node) -> u64, else 0; {
        crc(entry)
    }

    /// Frees a list of such symbols.
    fn kmod_module_dependency_symbols_free_list(list: *mut Node), else (); {
        // SAFETY: by contract NULL, or a list of ours that the caller forgets now.
        unsafe { Node::free(list) };
    }
}
