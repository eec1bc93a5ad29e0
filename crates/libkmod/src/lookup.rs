//! Which modules a name, an alias or a list of names means.

use std::ffi::CStr;
use std::rc::Rc;

use modfile::ModuleName;
use modfile::name::normalize_alias;
use rustix::io::Errno;

use crate::log::ERROR;
use crate::objects::Context;
use crate::objects::{Module, PATH_MAX};

/// All modules that a name or alias means, in their order.
///
/// # Errors
/// Its brackets do not match, or a name and its alias are too long together.
pub(crate) fn all(context: &Rc<Context>, name: &[u8], function: &CStr) -> Result<Vec<Rc<Module>>, Errno> {
    let name = name.get(..PATH_MAX - 1).unwrap_or(name);
    if normalize_alias(name).is_err() {
        return Err(Errno::INVAL);
    }
    let entries = context.ask(function, |db| db.find(name));
    let modules: Vec<_> =
        entries.iter().map(|entry| Module::of_entry(context, entry, function)).collect::<Result<_, _>>()?;
    Ok(modules)
}

/// The one module of a name: installed, built in, or what is built in and has the name as an alias.
///
/// # Errors
/// A name and its alias are too long together.
pub(crate) fn by_name(
    context: &Rc<Context>,
    name: &[u8],
    function: &CStr,
) -> Result<Option<Rc<Module>>, Errno> {
    let name = ModuleName::new(name.get(..PATH_MAX - 1).unwrap_or(name));
    let entries = context.ask(function, |db| db.resolve_name(&name));
    entries.first().map(|entry| Module::of_entry(context, entry, function)).transpose()
}

/// The modules that names in the configuration mean. What means nothing is left out.
pub(crate) fn configured<'a>(
    context: &Rc<Context>,
    names: impl IntoIterator<Item = &'a Vec<u8>>,
    function: &CStr,
) -> Vec<Rc<Module>> {
    let mut modules = Vec::new();
    for name in names {
        match all(context, name, function) {
            Ok(found) => modules.extend(found),
            Err(_) => context.log.say(ERROR, function, || {
                let name = String::from_utf8_lossy(name);
                format!("failed to lookup dependency '{name}', continuing anyway.")
            }),
        }
    }
    modules
}

/// Adds the names that are not there yet: several lines may name the same.
pub(crate) fn add_new<'a>(names: &mut Vec<&'a Vec<u8>>, more: &'a [Vec<u8>]) {
    for name in more {
        if !names.contains(&name) {
            names.push(name);
        }
    }
}
