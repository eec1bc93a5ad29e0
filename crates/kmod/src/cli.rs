//! The command line of kmod: its own options end where the command begins.

use clap::Command;
use modcli::common;
use modcli::{Definition, Threshold};

/// What the frame of every tool needs to know.
pub const DEFINITION: Definition = Definition { command, threshold: Threshold::ERRORS, added: &[] };

/// The definition from which parser, help, manual checks and completions come.
fn command() -> Command {
    common::command("kmod")
        .about("Manage kernel modules")
        .override_usage("kmod [OPTION]... COMMAND [ARGUMENT]...")
        .arg(common::version())
        .arg(common::help())
        .after_help(
            "Commands:\n  \
             help          Print this text and leave\n  \
             list          Show the modules that are loaded, as lsmod does\n  \
             static-nodes  Show the device nodes that modules ask for before they are loaded\n  \
             devices       Show which modules drive the devices of this system, or could\n  \
             graph         Show which modules need which, as a graph to be drawn\n\n\
             Called as depmod, insmod, lsmod, modinfo, modprobe or rmmod, the program is that tool.",
        )
}
