//! The two kinds of objects that C holds by counted references. They know each other: a module keeps its context, and
//! a context finds the modules that are held.
//!
//! A context has one object for each key, which is a module's name, or name and alias for what was found through an
//! alias. So two ways to one module give one pointer, and what one caller learns of it is not looked up again for the
//! next. What the kernel says is never remembered.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, CString, c_char, c_void};
use std::rc::{Rc, Weak};

use moddb::ModuleDb;
use moddb::config::{CommandRule, Config};
use modfile::ModuleName;
use modfile::file::Buffers;
use modkernel::Native;
use rustix::io::Errno;

use crate::boundary::text;
use crate::log::{self, INFO, Log};
use crate::stamps::{LoadedIndexes, Stamp};

/// Names, and paths with their module's name, are no longer than this with the NUL behind them.
pub(crate) const PATH_MAX: usize = 4096;

/// A context, `struct kmod_ctx`.
pub struct Context {
    pub(crate) log: Log,
    pub(crate) dirname: CString,
    pub(crate) db: ModuleDb,
    pub(crate) kernel: Native,
    /// Configuration paths that were there, and when they had changed.
    pub(crate) config_stamps: Vec<Stamp>,
    /// The indexes that the caller has asked to keep open.
    pub(crate) loaded: RefCell<LoadedIndexes>,
    pub(crate) userdata: Cell<*const c_void>,
    /// The modules that are held, by their keys. A module takes itself out when it ends.
    pub(crate) pool: RefCell<BTreeMap<Box<[u8]>, Weak<Module>>>,
    /// Memory for the next module file.
    pub(crate) buffers: RefCell<Buffers>,
    /// Strings of the configuration that C was given; they live as long as the context.
    pub(crate) strings: RefCell<BTreeSet<Box<CStr>>>,
}

impl Context {
    pub(crate) fn config(&self) -> &Config {
        self.db.config()
    }

    pub(crate) fn userdata(&self) -> *const c_void {
        self.userdata.get()
    }

    pub(crate) fn set_userdata(&self, data: *const c_void) {
        self.userdata.set(data);
    }

    /// The module of a key, if somebody holds it.
    pub(crate) fn pooled(&self, key: &[u8]) -> Option<Rc<Module>> {
        self.pool.borrow().get(key).and_then(Weak::upgrade)
    }

    pub(crate) fn add_to_pool(&self, key: &[u8], module: &Rc<Module>) {
        self.pool.borrow_mut().insert(key.into(), Rc::downgrade(module));
    }

    pub(crate) fn remove_from_pool(&self, key: &[u8]) {
        self.pool.borrow_mut().remove(key);
    }

    /// A string that lives as long as the context.
    pub(crate) fn keep(&self, bytes: &[u8]) -> *const c_char {
        let string = text(bytes);
        let mut strings = self.strings.borrow_mut();
        if let Some(kept) = strings.get(string.as_c_str()) {
            return kept.as_ptr();
        }
        let string = string.into_boxed_c_str();
        let pointer = string.as_ptr();
        strings.insert(string);
        pointer
    }

    /// Asks the database. Unless they are to be kept open, indexes are opened for this one question; what was wrong
    /// with them is said.
    pub(crate) fn ask<T>(&self, function: &CStr, question: impl FnOnce(&ModuleDb) -> T) -> T {
        let answer = question(&self.db);
        if !self.loaded.borrow().kept {
            self.db.close();
        }
        for problem in self.db.take_problems() {
            self.log.say(log::priority_of(problem.severity()), function, || problem.to_string());
        }
        answer
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        self.log.say(INFO, c"kmod_unref", || format!("context {:p} released", &raw const *self));
    }
}

/// A module, `struct kmod_module`.
pub struct Module {
    pub(crate) context: Rc<Context>,
    pub(crate) key: Box<[u8]>,
    pub(crate) name: ModuleName,
    pub(crate) c_name: CString,
    /// The alias through which it was found, in the form in which aliases are compared.
    pub(crate) alias: Option<Box<[u8]>>,
    pub(crate) path: OnceCell<CString>,
    pub(crate) dependencies: OnceCell<Vec<Rc<Module>>>,
    /// Whether all of them were found to be there.
    pub(crate) dependencies_are_there: Cell<bool>,
    pub(crate) is_builtin: Cell<Option<bool>>,
    /// Whether its file was given by a path, and not found in the database.
    pub(crate) is_given: Cell<bool>,
    pub(crate) options: OnceCell<Option<CString>>,
    /// The command whose name was looked up, if it was found that way.
    pub(crate) command: OnceCell<CommandRule>,
}

impl Module {
    /// The module of a name, found through this alias if any.
    ///
    /// # Errors
    /// Name and alias are too long together.
    pub(crate) fn new(
        context: &Rc<Context>,
        name: ModuleName,
        alias: Option<&[u8]>,
    ) -> Result<Rc<Self>, Errno> {
        let key = match alias {
            None => name.as_bytes().to_vec(),
            Some(alias) => [name.as_bytes(), b"\\", alias].concat(),
        };
        if key.len() >= PATH_MAX {
            return Err(Errno::NAMETOOLONG);
        }
        if let Some(module) = context.pooled(&key) {
            return Ok(module);
        }
        let module = Rc::new(Self {
            context: Rc::clone(context),
            key: key.as_slice().into(),
            c_name: text(name.as_bytes()),
            name,
            alias: alias.map(Box::from),
            path: OnceCell::new(),
            dependencies: OnceCell::new(),
            dependencies_are_there: Cell::new(false),
            is_builtin: Cell::new(None),
            is_given: Cell::new(false),
            options: OnceCell::new(),
            command: OnceCell::new(),
        });
        context.add_to_pool(&key, &module);
        Ok(module)
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        self.context.remove_from_pool(&self.key);
    }
}
