//! What the caller holds, and gives back in the end.

use std::ffi::{CStr, c_char};
use std::ptr;

use libfuzzer_sys::arbitrary::{Result, Unstructured};

use crate::c::{self, Context, Lines, List, Module};

/// All that is held, each with one reference.
#[derive(Default)]
pub struct Handles {
    pub contexts: Vec<*mut Context>,
    pub modules: Vec<*mut Module>,
    pub lists: Vec<*mut List>,
    /// With a reference of the context, which must not go before.
    pub lines: Vec<(*mut Lines, *mut Context)>,
}

/// One of these, or NULL.
pub fn any<T>(input: &mut Unstructured<'_>, held: &[*mut T]) -> Result<*mut T> {
    if held.is_empty() || input.ratio(1, 16)? { Ok(ptr::null_mut()) } else { Ok(*input.choose(held)?) }
}

/// Takes one of these out.
pub fn take<T>(input: &mut Unstructured<'_>, held: &mut Vec<T>) -> Result<Option<T>> {
    if held.is_empty() { Ok(None) } else { Ok(Some(held.swap_remove(input.choose_index(held.len())?))) }
}

/// Reads a string to its end.
pub fn read(string: *const c_char) {
    if !string.is_null() {
        // SAFETY: what is tested: the library gives NULL, or a string that lives.
        std::hint::black_box(unsafe { CStr::from_ptr(string) }.to_bytes().len());
    }
}

impl Handles {
    pub fn add_context(&mut self, context: *mut Context) {
        if !context.is_null() {
            self.contexts.push(context);
        }
    }

    pub fn add_module(&mut self, module: *mut Module) {
        if !module.is_null() {
            self.modules.push(module);
        }
    }

    /// Walks through a list both ways, and asks every entry for everything.
    pub fn add_list(&mut self, list: *mut List) {
        if list.is_null() {
            return;
        }
        self.lists.push(list);
        // SAFETY: the list is held.
        unsafe {
            let (mut forwards, mut entry) = (0, list);
            while !entry.is_null() {
                look_at(entry);
                forwards += 1;
                entry = c::kmod_list_next(list, entry);
            }
            let (mut backwards, mut entry) = (0, c::kmod_list_last(list));
            while !entry.is_null() {
                backwards += 1;
                entry = c::kmod_list_prev(list, entry);
            }
            assert_eq!(forwards, backwards);
        }
    }

    pub fn give_back(mut self) {
        // SAFETY: all of it is held, and forgotten now. The order must not matter.
        unsafe {
            for (lines, context) in self.lines.drain(..) {
                c::kmod_config_iter_free_iter(lines);
                c::kmod_unref(context);
            }
            for context in self.contexts.drain(..) {
                c::kmod_unref(context);
            }
            for (place, list) in self.lists.drain(..).enumerate() {
                free(list, place);
            }
            for module in self.modules.drain(..) {
                c::kmod_module_unref(module);
            }
        }
    }
}

/// Frees a list by any of the functions for that.
///
/// # Safety
/// The list is held, and forgotten now.
pub unsafe fn free(list: *mut List, by: usize) {
    // SAFETY: passed on.
    unsafe {
        match by % 6 {
            0 => c::kmod_module_info_free_list(list),
            1 => c::kmod_module_versions_free_list(list),
            2 => c::kmod_module_symbols_free_list(list),
            3 => c::kmod_module_dependency_symbols_free_list(list),
            4 => c::kmod_module_section_free_list(list),
            _ => assert_eq!(c::kmod_module_unref_list(list), 0),
        }
    }
}

/// Asks an entry for everything that any entry has.
unsafe fn look_at(entry: *const List) {
    // SAFETY: an entry of a list that is held, of whichever kind.
    unsafe {
        let module = c::kmod_module_get_module(entry);
        read(c::kmod_module_get_name(module));
        c::kmod_module_unref(module);
        for string in [
            c::kmod_module_info_get_key(entry),
            c::kmod_module_info_get_value(entry),
            c::kmod_module_version_get_symbol(entry),
            c::kmod_module_symbol_get_symbol(entry),
            c::kmod_module_dependency_symbol_get_symbol(entry),
            c::kmod_module_section_get_name(entry),
        ] {
            read(string);
        }
        std::hint::black_box((
            c::kmod_module_version_get_crc(entry),
            c::kmod_module_symbol_get_crc(entry),
            c::kmod_module_dependency_symbol_get_crc(entry),
            c::kmod_module_dependency_symbol_get_bind(entry),
            c::kmod_module_section_get_address(entry),
        ));
    }
}
