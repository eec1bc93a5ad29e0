//! The command line of modprobe: kmod 34's options, what scripts still use of older tools, and ours.
//!
//! The order of the definitions is that in which getopt lists the candidates for a shortened name.

use clap::{Arg, Command};
use modcli::common;
use modcli::{Definition, Threshold};

pub(crate) const ALL: &str = "all";
pub(crate) const REMOVE: &str = "remove";
pub(crate) const REMOVE_HOLDERS: &str = "remove-dependencies";
pub(crate) const WAIT: &str = "wait";
pub(crate) const FIRST_TIME: &str = "first-time";
pub(crate) const IGNORE_COMMANDS: &str = "ignore-install";
pub(crate) const USE_BLACKLIST: &str = "use-blacklist";
pub(crate) const FORCE: &str = "force";
pub(crate) const FORCE_MODVERSION: &str = "force-modversion";
pub(crate) const FORCE_VERMAGIC: &str = "force-vermagic";
pub(crate) const RESOLVE_ALIAS: &str = "resolve-alias";
pub(crate) const SHOW_DEPENDS: &str = "show-depends";
pub(crate) const SHOW_CONFIG: &str = "showconfig";
pub(crate) const SHOW_MODVERSIONS: &str = "show-modversions";
pub(crate) const SHOW_EXPORTS: &str = "show-exports";
pub(crate) const DRY_RUN: &str = "dry-run";
pub(crate) const CONFIG: &str = "config";
pub(crate) const DIRNAME: &str = "dirname";
pub(crate) const SET_VERSION: &str = "set-version";
/// The old kernels' way to say that nobody asked for the module by hand.
pub(crate) const AUTOCLEAN: &str = "autoclean";
pub(crate) const LIST: &str = "list";
pub(crate) const TYPE: &str = "type";
pub(crate) const EXPLAIN: &str = "explain";
pub(crate) const CHECK: &str = "check";
pub(crate) const JSON: &str = "json";
/// Ours: what went wrong, or has no effect, and why, also for a program that reads it.
pub(crate) const HINTS: &str = "hints";
pub(crate) const NO_PERSIST: &str = "no-persist";
pub(crate) const SAVE_SETTINGS: &str = "save-settings";
pub(crate) const RESTORE_SETTINGS: &str = "restore-settings";
pub(crate) const SHOW_SETTINGS: &str = "show-settings";
/// Another name of [`RESOLVE_ALIAS`] in later versions of kmod.
const SHOW_ALIAS: &str = "show-alias";

/// The definition that `modcli` works from.
pub const DEFINITION: Definition = Definition {
    command,
    threshold: Threshold::WARNINGS,
    added: &[
        SHOW_ALIAS,
        AUTOCLEAN,
        LIST,
        TYPE,
        EXPLAIN,
        CHECK,
        JSON,
        HINTS,
        NO_PERSIST,
        SAVE_SETTINGS,
        RESTORE_SETTINGS,
        SHOW_SETTINGS,
    ],
};

/// The definition from which parser, help, manual checks and completions come.
#[must_use]
pub fn command() -> Command {
    common::command("modprobe")
        .about("Load or unload kernel modules together with what they depend on")
        .override_usage(
            "modprobe [OPTION]... MODULE [PARAMETER=VALUE]...\n       \
             modprobe [OPTION]... -a MODULE...\n       \
             modprobe [OPTION]... -r MODULE...\n       \
             modprobe -c | -l [PATTERN] | --explain MODULE... | --check [MODULE]...\n       \
             modprobe --show-settings | --save-settings | --restore-settings [MODULE]...",
        )
        .args(actions())
        .args(queries())
        .args(general())
}

fn actions() -> [Arg; 14] {
    [
        common::flag(ALL).short('a').help("Every operand is a module, none a parameter"),
        common::flag(REMOVE).short('r').help("Unload instead of loading"),
        // Both names mean the same option, but getopt lists both: they are not one option there.
        common::flag(REMOVE_HOLDERS)
            .alias("remove-holders")
            .help("With or without -r, unload the modules that use it, too [better: --remove-holders]"),
        common::valued(WAIT, "MSEC")
            .short('w')
            .help("With -r, wait up to MSEC milliseconds for users to go away"),
        common::flag(FIRST_TIME).help("Fail if the module is there, or gone, already"),
        common::flag(IGNORE_COMMANDS)
            .short('i')
            .alias("ignore-remove")
            .help("Ignore install and remove commands, and softdeps, of the named module"),
        common::flag(USE_BLACKLIST).short('b').help("Apply the blacklist to modules named directly, too"),
        common::flag(FORCE).short('f').help("Load whatever it was built for; unload even if used"),
        common::flag(FORCE_MODVERSION).help("Load with other symbol versions than the kernel's"),
        common::flag(FORCE_VERMAGIC).help("Load although built for another kernel"),
        common::flag(AUTOCLEAN).short('k').help("Quietly load a module that rmmod -a may unload again"),
        common::flag(NO_PERSIST)
            .help("Neither save settings of modules before they go nor put them back after they came"),
        common::flag(SAVE_SETTINGS)
            .help("Save the settings of loaded modules, or of those named, as modutils.d says"),
        common::flag(RESTORE_SETTINGS)
            .help("Put settings back of loaded modules, or of those named, that others have loaded"),
    ]
}

fn queries() -> [Arg; 14] {
    [
        common::flag(RESOLVE_ALIAS)
            .short('R')
            .alias(SHOW_ALIAS)
            .help("Print the modules that a name means, load nothing"),
        common::flag(SHOW_DEPENDS)
            .short('D')
            .help("Print what would be done if nothing were loaded, do nothing"),
        common::flag(SHOW_CONFIG)
            .short('c')
            .alias("show-config")
            .help("Print the configuration and all aliases"),
        common::flag(SHOW_MODVERSIONS)
            .alias("dump-modversions")
            .help("Print the symbol versions that a module needs"),
        common::flag(SHOW_EXPORTS).help("Print the symbol versions that a module exports"),
        common::flag(DRY_RUN).short('n').alias("show").help("Do nothing; with -v, print what would be done"),
        common::flag(LIST).short('l').help("Print the files of all modules, or of those that match PATTERN"),
        common::valued(TYPE, "DIR").short('t').help("With -l, only modules below a directory DIR"),
        common::flag(EXPLAIN).help("Print what each MODULE means, what loading it would do, and why"),
        common::flag(CHECK).help("Print what in the configuration is wrong or has no effect"),
        common::flag(JSON).help("With --explain or --check, print JSON"),
        common::flag(HINTS)
            .help("Say why something failed or has no effect, also where no terminal reads it"),
        common::flag(SHOW_SETTINGS)
            .help("Print the settings that modutils.d names: now, after the load, and saved"),
        common::valued(CONFIG, "PATH")
            .short('C')
            .help("Read PATH, a file or directory, instead of the modprobe.d directories"),
    ]
}

fn general() -> [Arg; 7] {
    [
        common::valued(DIRNAME, "DIR").short('d').help("Look for modules below DIR instead of /"),
        common::valued(SET_VERSION, "VERSION")
            .short('S')
            .help("Use the modules of kernel VERSION instead of the running one's"),
        common::syslog(),
        common::quiet(),
        common::verbose(),
        common::version(),
        common::help(),
    ]
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_definition_is_consistent() {
        super::command().debug_assert();
    }
}
