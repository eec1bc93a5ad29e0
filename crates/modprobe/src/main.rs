//! `modprobe`: see the library of the same name.

#![cfg_attr(not(test), no_main)]

#[global_allocator]
static ALLOCATOR: modcli::memory::OfShortRuns = modcli::memory::of_short_runs();

modcli::main!("modprobe", modprobe::run);
