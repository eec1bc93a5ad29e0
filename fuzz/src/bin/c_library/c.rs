//! `libkmod.h` for Rust.

use std::ffi::{c_char, c_int, c_long, c_uint, c_ulong, c_void};

/// `struct kmod_ctx`, of which only the address counts.
pub enum Context {}
/// `struct kmod_module`.
pub enum Module {}
/// `struct kmod_list`.
pub enum List {}
/// `struct kmod_config_iter`.
pub enum Lines {}

pub type LogFunction =
    unsafe extern "C" fn(*mut c_void, c_int, *const c_char, c_int, *const c_char, *const c_char, *mut c_void);
pub type RunInstall = unsafe extern "C" fn(*mut Module, *const c_char, *mut c_void) -> c_int;
pub type PrintAction = unsafe extern "C" fn(*mut Module, bool, *const c_char);

// What the names in `use` below stand for comes from this crate.
use libkmod as _;

macro_rules! functions {
    ($(fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)?;)*) => {
        unsafe extern "C" {
            $(pub fn $name($($argument: $type),*) $(-> $result)?;)*
        }
    };
}

functions! {
    fn kmod_new(dirname: *const c_char, config_paths: *const *const c_char) -> *mut Context;
    fn kmod_ref(context: *mut Context) -> *mut Context;
    fn kmod_unref(context: *mut Context) -> *mut Context;
    fn kmod_get_dirname(context: *const Context) -> *const c_char;
    fn kmod_set_log_fn(context: *mut Context, function: Option<LogFunction>, data: *const c_void);
    fn kmod_get_log_priority(context: *const Context) -> c_int;
    fn kmod_set_log_priority(context: *mut Context, priority: c_int);
    fn kmod_get_userdata(context: *const Context) -> *mut c_void;
    fn kmod_set_userdata(context: *mut Context, data: *const c_void);
    fn kmod_load_resources(context: *mut Context) -> c_int;
    fn kmod_unload_resources(context: *mut Context);
    fn kmod_validate_resources(context: *mut Context) -> c_int;
    fn kmod_dump_index(context: *mut Context, index: c_int, fd: c_int) -> c_int;

    fn kmod_config_get_blacklists(context: *const Context) -> *mut Lines;
    fn kmod_config_get_install_commands(context: *const Context) -> *mut Lines;
    fn kmod_config_get_remove_commands(context: *const Context) -> *mut Lines;
    fn kmod_config_get_aliases(context: *const Context) -> *mut Lines;
    fn kmod_config_get_options(context: *const Context) -> *mut Lines;
    fn kmod_config_get_softdeps(context: *const Context) -> *mut Lines;
    fn kmod_config_get_weakdeps(context: *const Context) -> *mut Lines;
    fn kmod_config_iter_get_key(lines: *const Lines) -> *const c_char;
    fn kmod_config_iter_get_value(lines: *const Lines) -> *const c_char;
    fn kmod_config_iter_next(lines: *mut Lines) -> bool;
    fn kmod_config_iter_free_iter(lines: *mut Lines);

    fn kmod_list_next(list: *const List, entry: *const List) -> *mut List;
    fn kmod_list_prev(list: *const List, entry: *const List) -> *mut List;
    fn kmod_list_last(list: *const List) -> *mut List;

    fn kmod_module_new_from_name(context: *mut Context, name: *const c_char, module: *mut *mut Module) -> c_int;
    fn kmod_module_new_from_path(context: *mut Context, path: *const c_char, module: *mut *mut Module) -> c_int;
    fn kmod_module_new_from_lookup(context: *mut Context, alias: *const c_char, list: *mut *mut List) -> c_int;
    fn kmod_module_new_from_name_lookup(context: *mut Context, name: *const c_char, module: *mut *mut Module) -> c_int;
    fn kmod_module_new_from_loaded(context: *mut Context, list: *mut *mut List) -> c_int;
    fn kmod_module_ref(module: *mut Module) -> *mut Module;
    fn kmod_module_unref(module: *mut Module) -> *mut Module;
    fn kmod_module_unref_list(list: *mut List) -> c_int;
    fn kmod_module_get_module(entry: *const List) -> *mut Module;
    fn kmod_module_get_name(module: *const Module) -> *const c_char;
    fn kmod_module_get_path(module: *const Module) -> *const c_char;
    fn kmod_module_get_options(module: *const Module) -> *const c_char;
    fn kmod_module_get_install_commands(module: *const Module) -> *const c_char;
    fn kmod_module_get_remove_commands(module: *const Module) -> *const c_char;
    fn kmod_module_get_dependencies(module: *const Module) -> *mut List;
    fn kmod_module_get_softdeps(module: *const Module, pre: *mut *mut List, post: *mut *mut List) -> c_int;
    fn kmod_module_get_weakdeps(module: *const Module, weak: *mut *mut List) -> c_int;
    fn kmod_module_apply_filter(context: *const Context, filter: c_uint, input: *const List, output: *mut *mut List) -> c_int;
    fn kmod_module_get_filtered_blacklist(context: *const Context, input: *const List, output: *mut *mut List) -> c_int;

    fn kmod_module_remove_module(module: *mut Module, flags: c_uint) -> c_int;
    fn kmod_module_insert_module(module: *mut Module, flags: c_uint, options: *const c_char) -> c_int;
    fn kmod_module_probe_insert_module(
        module: *mut Module, flags: c_uint, options: *const c_char, run_install: Option<RunInstall>,
        data: *const c_void, print_action: Option<PrintAction>,
    ) -> c_int;

    fn kmod_module_initstate_str(state: c_int) -> *const c_char;
    fn kmod_module_get_initstate(module: *const Module) -> c_int;
    fn kmod_module_get_refcnt(module: *const Module) -> c_int;
    fn kmod_module_get_size(module: *const Module) -> c_long;
    fn kmod_module_get_holders(module: *const Module) -> *mut List;
    fn kmod_module_get_sections(module: *const Module) -> *mut List;
    fn kmod_module_section_get_name(entry: *const List) -> *const c_char;
    fn kmod_module_section_get_address(entry: *const List) -> c_ulong;
    fn kmod_module_section_free_list(list: *mut List);

    fn kmod_module_get_info(module: *const Module, list: *mut *mut List) -> c_int;
    fn kmod_module_info_get_key(entry: *const List) -> *const c_char;
    fn kmod_module_info_get_value(entry: *const List) -> *const c_char;
    fn kmod_module_info_free_list(list: *mut List);
    fn kmod_module_get_versions(module: *const Module, list: *mut *mut List) -> c_int;
    fn kmod_module_version_get_symbol(entry: *const List) -> *const c_char;
    fn kmod_module_version_get_crc(entry: *const List) -> u64;
    fn kmod_module_versions_free_list(list: *mut List);
    fn kmod_module_get_symbols(module: *const Module, list: *mut *mut List) -> c_int;
    fn kmod_module_symbol_get_symbol(entry: *const List) -> *const c_char;
    fn kmod_module_symbol_get_crc(entry: *const List) -> u64;
    fn kmod_module_symbols_free_list(list: *mut List);
    fn kmod_module_get_dependency_symbols(module: *const Module, list: *mut *mut List) -> c_int;
    fn kmod_module_dependency_symbol_get_symbol(entry: *const List) -> *const c_char;
    fn kmod_module_dependency_symbol_get_bind(entry: *const List) -> c_int;
    fn kmod_module_dependency_symbol_get_crc(entry: *const List) -> u64;
    fn kmod_module_dependency_symbols_free_list(list: *mut List);
}
