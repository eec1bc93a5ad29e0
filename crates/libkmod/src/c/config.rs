//! Iterators over the configuration.

use std::ffi::c_char;
use std::ptr;

use crate::boundary::exported;
use crate::config_lists::{Kind, Lines};
use crate::objects::Context;

fn lines(context: &Context, kind: Kind) -> *mut Lines {
    Box::into_raw(Box::new(Lines::new(context, kind)))
}

exported! {
    /// The `blacklist` lines.
    fn kmod_config_get_blacklists(context: &Context) -> *mut Lines, else ptr::null_mut(); {
        lines(context, Kind::Blacklist)
    }

    /// The `install` lines.
    fn kmod_config_get_install_commands(context: &Context) -> *mut Lines, else ptr::null_mut(); {
        lines(context, Kind::Install)
    }

    /// The `remove` lines.
    fn kmod_config_get_remove_commands(context: &Context) -> *mut Lines, else ptr::null_mut(); {
        lines(context, Kind::Remove)
    }

    /// The `alias` lines.
    fn kmod_config_get_aliases(context: &Context) -> *mut Lines, else ptr::null_mut(); {
        lines(context, Kind::Alias)
    }

    /// The `options` lines.
    fn kmod_config_get_options(context: &Context) -> *mut Lines, else ptr::null_mut(); {
        lines(context, Kind::Options)
    }

    /// The `softdep` lines.
    fn kmod_config_get_softdeps(context: &Context) -> *mut Lines, else ptr::null_mut(); {
        lines(context, Kind::Softdep)
    }

    /// The `weakdep` lines.
    fn kmod_config_get_weakdeps(context: &Context) -> *mut Lines, else ptr::null_mut(); {
        lines(context, Kind::Weakdep)
    }

    /// The name or pattern of the present line.
    fn kmod_config_iter_get_key(iter: &Lines) -> *const c_char, else ptr::null(); {
        iter.key()
    }

    /// What the present line says of it.
    fn kmod_config_iter_get_value(iter: &Lines) -> *const c_char, else ptr::null(); {
        iter.value()
    }

    /// Goes to the next line.
    fn kmod_config_iter_next(iter: &Lines) -> bool, else false; {
        iter.advance()
    }

    /// Frees an iterator.
    fn kmod_config_iter_free_iter(iter: Box<Lines>), else (); {
        drop(iter);
    }
}
