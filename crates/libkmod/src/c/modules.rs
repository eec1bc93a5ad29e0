//! Module objects: from names, paths and aliases; what the database and the configuration say of them.

use std::ffi::{CStr, c_char, c_int, c_uint};
use std::ptr;
use std::rc::Rc;

use rustix::io::Errno;

use super::{NOTHING, null_because};
use crate::boundary::{Held, Out, exported, number};
use crate::list::{Entry, Node};
use crate::log::ERROR;
use crate::lookup;
use crate::objects::Context;
use crate::objects::Module;

/// Kinds of modules that a filter leaves out, `enum kmod_filter`.
const FILTER_BLACKLIST: c_uint = 1;
const FILTER_BUILTIN: c_uint = 2;

/// Puts a new reference where the caller wants it.
fn put(out: &Out<*const Module>, module: Result<Rc<Module>, Errno>) -> c_int {
    number(module.map(|module| {
        out.put(Rc::into_raw(module));
        0
    }))
}

exported! {
    /// The module of a name; nothing is looked up.
    fn kmod_module_new_from_name(
        context: Held<Context>, name: &CStr, out: Out<*const Module>,
    ) -> c_int, else NOTHING; {
        put(&out, Module::of_name(&context, name.to_bytes()))
    }

    /// The module in a file.
    fn kmod_module_new_from_path(
        context: Held<Context>, path: &CStr, out: Out<*const Module>,
    ) -> c_int, else NOTHING; {
        put(&out, Module::of_path(&context, path.to_bytes(), c"kmod_module_new_from_path"))
    }

    /// The module of exactly that name, if it is installed or built in.
    fn kmod_module_new_from_name_lookup(
        context: Held<Context>, name: &CStr, out: Out<*const Module>,
    ) -> c_int, else NOTHING; {
        name_lookup(&context, name, &out)
    }

    /// The same for programs that were linked with kmod 30, where the function had an older version.
    fn kmod_module_new_from_name_lookup_since_5(
        context: Held<Context>, name: &CStr, out: Out<*const Module>,
    ) -> c_int, else NOTHING; {
        name_lookup(&context, name, &out)
    }

    /// All modules that a name or alias means.
    fn kmod_module_new_from_lookup(
        context: Held<Context>, alias: &CStr, out: Option<Out<*mut Node>>,
    ) -> c_int, else NOTHING; {
        const CALLED: &CStr = c"kmod_module_new_from_lookup";
        let Some(out) = out.filter(|out| out.left().is_null()) else {
            let said = || "An empty list is needed to create lookup".to_owned();
            context.log.say(ERROR, CALLED, said);
            return -Errno::NOSYS.raw_os_error();
        };
        number(lookup::all(&context, alias.to_bytes(), CALLED).map(|modules| {
            out.put(Node::list_of_modules(modules));
            0
        }))
    }

    /// One more reference of a module.
    fn kmod_module_ref(module: Held<Module>) -> *const Module, else ptr::null(); {
        Rc::into_raw(Rc::clone(&module))
    }

    /// Gives a reference back; NULL if it was the last one.
    fn kmod_module_unref(module: Rc<Module>) -> *const Module, else ptr::null(); {
        if Rc::strong_count(&module) > 1 { Rc::as_ptr(&module) } else { ptr::null() }
    }

    /// Gives back the references that a list holds, and frees it.
    fn kmod_module_unref_list(list: *mut Node) -> c_int, else 0; {
        // SAFETY: by contract NULL, or a list of ours that the caller forgets now.
        unsafe { Node::free(list) };
        0
    }

    /// The module in a node of a list, with one more reference.
    fn kmod_module_get_module(entry: &Node) -> *const Module, else ptr::null(); {
        match entry.entry() {
            Entry::Module(module) => Rc::into_raw(Rc::clone(module)),
            _ => ptr::null(),
        }
    }

    /// Its name.
    fn kmod_module_get_name(module: &Module) -> *const c_char, else ptr::null(); {
        module.c_name().as_ptr()
    }

    /// Its file; NULL for what is built in or unknown.
    fn kmod_module_get_path(module: &Module) -> *const c_char, else ptr::null(); {
        module.path(c"kmod_module_get_path").map_or(ptr::null(), CStr::as_ptr)
    }

    /// Its parameters by the configuration.
    fn kmod_module_get_options(module: &Module) -> *const c_char, else ptr::null(); {
        module.options().map_or(ptr::null(), CStr::as_ptr)
    }

    /// The command that stands for loading it.
    fn kmod_module_get_install_commands(module: &Module) -> *const c_char, else ptr::null(); {
        module.install_command()
    }

    /// The command that stands for unloading it.
    fn kmod_module_get_remove_commands(module: &Module) -> *const c_char, else ptr::null(); {
        module.remove_command()
    }

    /// All that it needs, in the order of loading.
    fn kmod_module_get_dependencies(module: &Module) -> *mut Node, else ptr::null_mut(); {
        match module.dependencies(c"kmod_module_get_dependencies") {
            Ok(modules) => Node::list_of_modules(modules.iter().cloned()),
            Err(errno) => null_because(errno),
        }
    }

    /// What the configuration wants before and after it.
    fn kmod_module_get_softdeps(
        module: &Module, pre: Out<*mut Node>, post: Out<*mut Node>,
    ) -> c_int, else NOTHING; {
        const CALLED: &CStr = c"kmod_module_get_softdeps";
        if !pre.left().is_null() || !post.left().is_null() {
            return -Errno::INVAL.raw_os_error();
        }
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for line in module.context.config().softdeps_of(module.name.as_bytes()) {
            lookup::add_new(&mut before, &line.pre);
            lookup::add_new(&mut after, &line.post);
        }
        for (out, names) in [(pre, before), (post, after)] {
            out.put(Node::list_of_modules(lookup::configured(&module.context, names, CALLED)));
        }
        0
    }

    /// What the configuration says that it may use.
    fn kmod_module_get_weakdeps(module: &Module, weak: Out<*mut Node>) -> c_int, else NOTHING; {
        if !weak.left().is_null() {
            return -Errno::INVAL.raw_os_error();
        }
        if let Some(line) = module.context.config().weakdeps(module.name.as_bytes()) {
            let modules = lookup::configured(&module.context, &line.modules, c"kmod_module_get_weakdeps");
            weak.put(Node::list_of_modules(modules));
        }
        0
    }

    /// A list without modules of some kinds.
    fn kmod_module_apply_filter(
        context: &Context, filter: c_uint, input: Option<&Node>, output: Out<*mut Node>,
    ) -> c_int, else NOTHING; {
        filtered(context, filter, input, &output)
    }

    /// A list without modules that are blacklisted.
    fn kmod_module_get_filtered_blacklist(
        context: &Context, input: Option<&Node>, output: Out<*mut Node>,
    ) -> c_int, else NOTHING; {
        filtered(context, FILTER_BLACKLIST, input, &output)
    }
}

fn filtered(context: &Context, filter: c_uint, input: Option<&Node>, output: &Out<*mut Node>) -> c_int {
    let stays = |module: &&Rc<Module>| {
        let is_blacklisted = || context.config().blacklisted(module.name.as_bytes()).is_some();
        let is_out = filter & FILTER_BLACKLIST != 0 && is_blacklisted()
            || filter & FILTER_BUILTIN != 0 && module.is_builtin(c"kmod_module_apply_filter");
        !is_out
    };
    let modules: Vec<_> = input.into_iter().flat_map(Node::modules).filter(stays).cloned().collect();
    output.put(Node::list_of_modules(modules));
    0
}

// The plain names are taken away: only the two versions stay.
#[cfg(feature = "symbol-versions")]
std::arch::global_asm!(
    ".symver kmod_module_new_from_name_lookup, kmod_module_new_from_name_lookup@@LIBKMOD_30, remove",
    ".symver kmod_module_new_from_name_lookup_since_5, kmod_module_new_from_name_lookup@LIBKMOD_5, remove",
);

fn name_lookup(context: &Rc<Context>, name: &CStr, out: &Out<*const Module>) -> c_int {
    match lookup::by_name(context, name.to_bytes(), c"kmod_module_new_from_name_lookup") {
        Ok(None) => 0,
        Ok(Some(module)) => put(out, Ok(module)),
        Err(errno) => -errno.raw_os_error(),
    }
}
