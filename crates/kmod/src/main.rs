//! `kmod`: all tools in one program, which is the one by whose name it is called.

#![cfg_attr(not(test), no_main)]

#[global_allocator]
static ALLOCATOR: modcli::memory::OfTools = modcli::memory::of_tools();

modcli::main!(
    "modprobe", modprobe::run;
    "kmod", kmod::run;
    "lsmod", lsmod::run;
    "modinfo", modinfo::run;
    "rmmod", rmmod::run;
    "insmod", insmod::run;
    "depmod", depmod::run
);
