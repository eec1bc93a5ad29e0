//! The configuration's lists, entry by entry.

use std::cell::{Cell, RefCell};
use std::ffi::{CString, c_char};
use std::ptr;

use moddb::config::{Config, Softdep};

use crate::boundary::text;
use crate::objects::Context;

/// A kind of lines.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Blacklist,
    Install,
    Remove,
    Alias,
    Options,
    Softdep,
    Weakdep,
}

/// An iterator over the lines of one kind, `struct kmod_config_iter`. It holds no reference of the context.
pub struct Lines {
    context: *const Context,
    kind: Kind,
    /// How many entries were passed; the present one is the last of them.
    passed: Cell<usize>,
    /// What the last question for a value made; the caller may use it until the next one.
    made: RefCell<CString>,
}

impl Lines {
    pub(crate) fn new(context: &Context, kind: Kind) -> Self {
        Self { context, kind, passed: Cell::new(0), made: RefCell::default() }
    }

    fn context(&self) -> &Context {
        // SAFETY: by contract an iterator is not used after its context.
        unsafe { &*self.context }
    }

    /// Goes to the next entry. After the last one it stands before the first again.
    pub(crate) fn advance(&self) -> bool {
        let next = self.passed.get() + 1;
        let is_there = self.kind.key(self.context().config(), next - 1).is_some();
        self.passed.set(if is_there { next } else { 0 });
        is_there
    }

    fn place(&self) -> Option<usize> {
        self.passed.get().checked_sub(1)
    }

    pub(crate) fn key(&self) -> *const c_char {
        let context = self.context();
        let key = self.place().and_then(|place| self.kind.key(context.config(), place));
        key.map_or(ptr::null(), |key| context.keep(key))
    }

    pub(crate) fn value(&self) -> *const c_char {
        let context = self.context();
        let Some(place) = self.place() else { return ptr::null() };
        match self.kind.value(context.config(), place) {
            None => ptr::null(),
            Some(Value::Kept(value)) => context.keep(value),
            Some(Value::Made(value)) => {
                let value = text(&value);
                let pointer = value.as_ptr();
                *self.made.borrow_mut() = value;
                pointer
            }
        }
    }
}

/// A value that stands in the configuration, or is put together from it.
enum Value<'a> {
    Kept(&'a [u8]),
    Made(Vec<u8>),
}

impl Kind {
    fn key(self, config: &Config, place: usize) -> Option<&[u8]> {
        let key = match self {
            Self::Blacklist => &config.blacklist.get(place)?.module,
            Self::Install => &config.installs.get(place)?.pattern,
            Self::Remove => &config.removes.get(place)?.pattern,
            Self::Alias => &config.aliases.get(place)?.pattern,
            Self::Options => &config.options.get(place)?.module,
            Self::Softdep => &config.softdeps.get(place)?.pattern,
            Self::Weakdep => &config.weakdeps.get(place)?.pattern,
        };
        Some(key)
    }

    fn value(self, config: &Config, place: usize) -> Option<Value<'_>> {
        let value = match self {
            Self::Blacklist => return None,
            Self::Install => Value::Kept(&config.installs.get(place)?.line),
            Self::Remove => Value::Kept(&config.removes.get(place)?.line),
            Self::Alias => Value::Kept(&config.aliases.get(place)?.module),
            Self::Options => Value::Kept(&config.options.get(place)?.text),
            Self::Softdep => Value::Made(softdep(config.softdeps.get(place)?)),
            Self::Weakdep => Value::Made(config.weakdeps.get(place)?.modules.join(&b' ')),
        };
        Some(value)
    }
}

/// The sections of a softdep line as one text.
fn softdep(line: &Softdep) -> Vec<u8> {
    let section = |name: &[u8], modules: &[Vec<u8>]| {
        if modules.is_empty() { Vec::new() } else { [name, b" ", &modules.join(&b' ')].concat() }
    };
    let sections = [section(b"pre:", &line.pre), section(b"post:", &line.post)];
    let sections: Vec<_> = sections.into_iter().filter(|section| !section.is_empty()).collect();
    sections.join(&b' ')
}
