//! One call of any of the functions.

use std::ffi::{CString, c_char, c_int, c_uint, c_void};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::ptr;

use libfuzzer_sys::arbitrary::{Result, Unstructured};

use crate::c::{self, Context, Lines, List, Module};
use crate::handles::{Handles, any, free, read, take};
use crate::world::{World, word};

/// `-EINVAL`.
const INVALID: c_int = -22;

pub fn one(input: &mut Unstructured<'_>, world: &World, handles: &mut Handles) -> Result<()> {
    if handles.contexts.is_empty() && input.ratio(7, 8)? {
        return new(input, world, handles);
    }
    match input.int_in_range(0..=9)? {
        0 => context(input, world, handles),
        1 => lines(input, handles),
        2 | 3 => find(input, world, handles),
        4 => list(input, handles),
        5 => of_module(input, handles),
        6 => relations(input, handles),
        7 => contents(input, handles),
        8 => load(input, handles),
        _ => world.change(input),
    }
}

/// A string, or NULL.
fn string(input: &mut Unstructured<'_>) -> Result<Option<CString>> {
    if input.ratio(1, 16)? {
        return Ok(None);
    }
    let bytes: Vec<u8> = word(input)?.into_iter().filter(|&byte| byte != 0).collect();
    Ok(CString::new(bytes).ok())
}

fn pointer(string: &Option<CString>) -> *const c_char {
    string.as_ref().map_or(ptr::null(), |string| string.as_ptr())
}

fn new(input: &mut Unstructured<'_>, world: &World, handles: &mut Handles) -> Result<()> {
    let dirname = match input.int_in_range(0..=7)? {
        0 => None,
        1 => string(input)?,
        _ => Some(world.c_path("")),
    };
    let places = [world.c_path("conf"), world.c_path("conf/a.conf"), world.c_path("nowhere")];
    let count = input.int_in_range(0..=3)?;
    let mut paths: Vec<_> = places.iter().take(count).map(|path| path.as_ptr()).collect();
    paths.push(ptr::null());
    let paths = if input.ratio(1, 16)? { ptr::null() } else { paths.as_ptr() };
    // SAFETY: the strings live during the call, and the array ends with NULL.
    let context = unsafe { c::kmod_new(pointer(&dirname), paths) };
    // SAFETY: a context that is held, or NULL.
    unsafe { c::kmod_set_log_fn(context, Some(log), ptr::null()) };
    handles.add_context(context);
    Ok(())
}

unsafe extern "C" fn log(
    _data: *mut c_void,
    _priority: c_int,
    file: *const c_char,
    _line: c_int,
    function: *const c_char,
    format: *const c_char,
    list: *mut c_void,
) {
    // Not among what the crate `libc` declares.
    unsafe extern "C" {
        fn vsnprintf(buffer: *mut c_char, size: usize, format: *const c_char, list: *mut c_void) -> c_int;
    }
    let mut buffer = [0; 256];
    // SAFETY: the buffer is as long as it says; format and list are the library's.
    unsafe { vsnprintf(buffer.as_mut_ptr(), buffer.len(), format, list) };
    for string in [file, function, buffer.as_ptr()] {
        assert!(!string.is_null());
        read(string);
    }
}

fn context(input: &mut Unstructured<'_>, world: &World, handles: &mut Handles) -> Result<()> {
    let context = any(input, &handles.contexts)?;
    // SAFETY: a context that is held, or NULL.
    unsafe {
        match input.int_in_range(0..=12)? {
            0 => return new(input, world, handles),
            1 => handles.add_context(c::kmod_ref(context)),
            2 => {
                c::kmod_unref(take(input, &mut handles.contexts)?.unwrap_or(ptr::null_mut()));
            }
            3 => read(c::kmod_get_dirname(context)),
            4 => c::kmod_set_log_fn(
                context,
                input.arbitrary::<bool>()?.then_some(log as c::LogFunction),
                ptr::null(),
            ),
            5 => c::kmod_set_log_priority(context, input.int_in_range(-1..=8)?),
            6 => drop(std::hint::black_box(c::kmod_get_log_priority(context))),
            7 => c::kmod_set_userdata(context, input.arbitrary::<usize>()? as *const c_void),
            8 => drop(std::hint::black_box(c::kmod_get_userdata(context))),
            9 => assert!(c::kmod_load_resources(context) <= 0),
            10 => c::kmod_unload_resources(context),
            11 => assert!((0..=2).contains(&c::kmod_validate_resources(context))),
            _ => {
                let null = File::options().write(true).open("/dev/null").expect("it is always there");
                let fd = if input.ratio(1, 8)? { -1 } else { null.as_raw_fd() };
                assert!(c::kmod_dump_index(context, input.int_in_range(-1..=5)?, fd) <= 0);
            }
        }
    }
    Ok(())
}

fn lines(input: &mut Unstructured<'_>, handles: &mut Handles) -> Result<()> {
    let makers = [
        c::kmod_config_get_blacklists as unsafe extern "C" fn(*const Context) -> *mut Lines,
        c::kmod_config_get_install_commands,
        c::kmod_config_get_remove_commands,
        c::kmod_config_get_aliases,
        c::kmod_config_get_options,
        c::kmod_config_get_softdeps,
        c::kmod_config_get_weakdeps,
    ];
    let context = any(input, &handles.contexts)?;
    let held: Vec<_> = handles.lines.iter().map(|(lines, _)| *lines).collect();
    let iterator = any(input, &held)?;
    // SAFETY: what is held, or NULL.
    unsafe {
        match input.int_in_range(0..=4)? {
            0 => {
                let made = input.choose(&makers)?(context);
                if !made.is_null() {
                    handles.lines.push((made, c::kmod_ref(context)));
                }
            }
            1 => drop(std::hint::black_box(c::kmod_config_iter_next(iterator))),
            2 => read(c::kmod_config_iter_get_key(iterator)),
            3 => read(c::kmod_config_iter_get_value(iterator)),
            _ => {
                if let Some((lines, context)) = take(input, &mut handles.lines)? {
                    c::kmod_config_iter_free_iter(lines);
                    c::kmod_unref(context);
                }
            }
        }
    }
    Ok(())
}

fn find(input: &mut Unstructured<'_>, world: &World, handles: &mut Handles) -> Result<()> {
    let context = any(input, &handles.contexts)?;
    let name = string(input)?;
    let (mut module, mut list) = (ptr::null_mut(), ptr::null_mut());
    let nowhere = input.ratio(1, 16)?;
    let module_at = if nowhere { ptr::null_mut() } else { &raw mut module };
    let list_at = if nowhere { ptr::null_mut() } else { &raw mut list };
    // SAFETY: what is held, or NULL, and places that live during the call.
    unsafe {
        let result = match input.int_in_range(0..=5)? {
            0 => c::kmod_module_new_from_name(context, pointer(&name), module_at),
            1 => {
                let below = format!("kernel/{}.ko", input.choose(&crate::world::NAMES)?);
                let path = if input.ratio(1, 4)? { name } else { Some(world.c_path(&below)) };
                c::kmod_module_new_from_path(context, pointer(&path), module_at)
            }
            2 => c::kmod_module_new_from_name_lookup(context, pointer(&name), module_at),
            3 => c::kmod_module_new_from_loaded(context, list_at),
            _ => c::kmod_module_new_from_lookup(context, pointer(&name), list_at),
        };
        assert!(result <= 0);
        assert!(result == 0 || module.is_null() && list.is_null());
    }
    handles.add_module(module);
    handles.add_list(list);
    Ok(())
}

fn list(input: &mut Unstructured<'_>, handles: &mut Handles) -> Result<()> {
    let (list, other) = (any(input, &handles.lists)?, any(input, &handles.lists)?);
    // SAFETY: what is held, or NULL.
    unsafe {
        match input.int_in_range(0..=5)? {
            0 => handles.add_module(c::kmod_module_get_module(list)),
            1 => drop(std::hint::black_box(c::kmod_list_next(list, other))),
            2 => drop(std::hint::black_box(c::kmod_list_prev(list, other))),
            3 => drop(std::hint::black_box(c::kmod_list_last(list))),
            4 => {
                let context = any(input, &handles.contexts)?;
                let mut output = ptr::null_mut();
                let at = if input.ratio(1, 16)? { ptr::null_mut() } else { &raw mut output };
                let filter = input.int_in_range(0..=4)?;
                let result = if filter == 4 {
                    c::kmod_module_get_filtered_blacklist(context, list, at)
                } else {
                    c::kmod_module_apply_filter(context, filter, list, at)
                };
                assert!(result <= 0);
                handles.add_list(output);
            }
            _ => {
                let list = take(input, &mut handles.lists)?.unwrap_or(ptr::null_mut());
                free(list, input.arbitrary::<u8>()?.into());
            }
        }
    }
    Ok(())
}

fn of_module(input: &mut Unstructured<'_>, handles: &mut Handles) -> Result<()> {
    let module = any(input, &handles.modules)?;
    // SAFETY: what is held, or NULL.
    unsafe {
        match input.int_in_range(0..=10)? {
            0 => handles.add_module(c::kmod_module_ref(module)),
            1 => {
                c::kmod_module_unref(take(input, &mut handles.modules)?.unwrap_or(ptr::null_mut()));
            }
            2 => read(c::kmod_module_get_name(module)),
            3 => read(c::kmod_module_get_path(module)),
            4 => read(c::kmod_module_get_options(module)),
            5 => read(c::kmod_module_get_install_commands(module)),
            6 => read(c::kmod_module_get_remove_commands(module)),
            7 => {
                let state = c::kmod_module_get_initstate(module);
                assert!(state <= 3);
                read(c::kmod_module_initstate_str(state));
            }
            8 => drop(std::hint::black_box(c::kmod_module_get_refcnt(module))),
            9 => drop(std::hint::black_box(c::kmod_module_get_size(module))),
            _ => assert!(c::kmod_module_remove_module(module, input.arbitrary()?) < 0),
        }
    }
    Ok(())
}

fn relations(input: &mut Unstructured<'_>, handles: &mut Handles) -> Result<()> {
    let module = any(input, &handles.modules)?;
    let (mut first, mut second) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: what is held, or NULL.
    unsafe {
        match input.int_in_range(0..=4)? {
            0 => first = c::kmod_module_get_dependencies(module),
            1 => assert!(c::kmod_module_get_softdeps(module, &raw mut first, &raw mut second) <= 0),
            2 => assert!(c::kmod_module_get_weakdeps(module, &raw mut first) <= 0),
            3 => first = c::kmod_module_get_holders(module),
            _ => first = c::kmod_module_get_sections(module),
        }
    }
    handles.add_list(first);
    handles.add_list(second);
    Ok(())
}

fn contents(input: &mut Unstructured<'_>, handles: &mut Handles) -> Result<()> {
    let functions = [
        c::kmod_module_get_info as unsafe extern "C" fn(*const Module, *mut *mut List) -> c_int,
        c::kmod_module_get_versions,
        c::kmod_module_get_symbols,
        c::kmod_module_get_dependency_symbols,
    ];
    let module = any(input, &handles.modules)?;
    let function = input.choose(&functions)?;
    let mut list = if input.ratio(1, 8)? { any(input, &handles.lists)? } else { ptr::null_mut() };
    let before = list;
    // SAFETY: what is held, or NULL.
    let count = unsafe { function(module, &raw mut list) };
    if before.is_null() {
        assert!(count > 0 || list.is_null());
        handles.add_list(list);
    } else {
        assert!(list == before && (count == INVALID || module.is_null()));
    }
    Ok(())
}

fn load(input: &mut Unstructured<'_>, handles: &mut Handles) -> Result<()> {
    let module = any(input, &handles.modules)?;
    let (flags, options) = (input.arbitrary::<c_uint>()?, string(input)?);
    if input.ratio(1, 4)? {
        // SAFETY: what is held, or NULL.
        assert!(unsafe { c::kmod_module_insert_module(module, flags, pointer(&options)) } < 0);
        return Ok(());
    }
    let print_action = input.arbitrary::<bool>()?.then_some(print_action as c::PrintAction);
    let mut answer = input.choose(&[0, 1, -17, -2, c_int::MIN, c_int::MAX])?.to_owned();
    // There is always a function for commands: what they say is random, and would go to a shell.
    let run: Option<c::RunInstall> = Some(run_install);
    // SAFETY: what is held, or NULL; the data live during the call.
    unsafe {
        let data = (&raw mut answer).cast::<c_void>();
        c::kmod_module_probe_insert_module(module, flags, pointer(&options), run, data, print_action);
    }
    Ok(())
}

unsafe extern "C" fn run_install(module: *mut Module, line: *const c_char, data: *mut c_void) -> c_int {
    read(line);
    // SAFETY: the module is the library's; the data are those that were handed over.
    unsafe {
        read(c::kmod_module_get_path(module));
        *data.cast::<c_int>()
    }
}

unsafe extern "C" fn print_action(module: *mut Module, _is_command: bool, options: *const c_char) {
    read(options);
    // SAFETY: the module is the library's. That it may be held beyond the call is tested, too.
    unsafe {
        read(c::kmod_module_get_name(module));
        c::kmod_module_unref(c::kmod_module_ref(module));
    }
}
