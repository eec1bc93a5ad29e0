//! `insmod`: see the library of the same name.

#![cfg_attr(not(test), no_main)]

modcli::main!("insmod", insmod::run);
