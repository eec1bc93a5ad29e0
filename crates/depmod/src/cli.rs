//! The command line of depmod: kmod 34's options, what is left of older ones, and ours.

use clap::{Arg, ArgAction, Command};
use modcli::common;
use modcli::{Definition, Threshold};

pub(crate) const ALL: &str = "all";
pub(crate) const QUICK: &str = "quick";
pub(crate) const BASE_DIR: &str = "basedir";
pub(crate) const MODULE_DIR: &str = "moduledir";
pub(crate) const OUT_DIR: &str = "outdir";
pub(crate) const CONFIG: &str = "config";
pub(crate) const SYMVERS: &str = "symvers";
pub(crate) const SYSTEM_MAP: &str = "filesyms";
pub(crate) const CHECK: &str = "errsyms";
pub(crate) const PREFIX: &str = "symbol-prefix";
pub(crate) const WARN: &str = "warn";
pub(crate) const SHOW: &str = "show";
pub(crate) const DRY_RUN: &str = "dry-run";
pub(crate) const JOBS: &str = "jobs";
pub(crate) const CACHE: &str = "cache";
pub(crate) const NO_CACHE: &str = "no-cache";
pub(crate) const STATS: &str = "stats";
pub(crate) const JSON: &str = "json";
pub(crate) const KEEP_GOING: &str = "keep-going";
pub(crate) const STRICT: &str = "strict";
pub(crate) const COMPARE: &str = "check";
pub(crate) const ROOT: &str = "root";
pub(crate) const REMOVE: &str = "remove";

/// Options of older versions that do nothing, as they are spelled: each spelling is an option of its own,
/// because the warning repeats it.
pub(crate) const IGNORED: [&str; 6] = ["-u", "--unresolved-error", "-q", "--quiet", "-r", "--map"];

/// The definition that `modcli` works from.
pub const DEFINITION: Definition = Definition {
    command,
    threshold: Threshold::WARNINGS,
    added: &[
        JOBS,
        CACHE,
        NO_CACHE,
        STATS,
        JSON,
        KEEP_GOING,
        STRICT,
        COMPARE,
        ROOT,
        REMOVE,
        "unresolved-error",
        "quiet",
        "map",
    ],
};

/// The definition from which parser, help, manual checks and completions come.
#[must_use]
pub fn command() -> Command {
    let mut command = common::command("depmod")
        .about("Build the database from which modprobe knows the modules of a kernel")
        .override_usage("depmod [OPTION]... [VERSION [FILE]...]")
        .arg(common::flag(ALL).short('a').help("Take all modules of the kernel; the default without FILE"))
        .arg(
            common::flag(QUICK)
                .short('A')
                .help("Do nothing if the database is whole and no module has changed"),
        )
        .arg(dir(BASE_DIR, 'b').help("Look for the module directory below DIR"))
        .arg(dir(MODULE_DIR, 'm').help("Module directories are in DIR instead of lib/modules"))
        .arg(dir(OUT_DIR, 'o').help("Write the database below DIR instead of the base directory"))
        .arg(
            file(CONFIG, 'C', "PATH")
                .help("Read PATH, a file or directory, instead of the depmod.d directories"),
        )
        .arg(file(SYMVERS, 'E', "FILE").help("Module.symvers of the kernel: its symbols and checksums"))
        .arg(file(SYSTEM_MAP, 'F', "FILE").help("System.map of the kernel: its symbols"))
        .arg(common::flag(CHECK).short('e').help("Report symbols that nobody provides"))
        .arg(common::flag(SHOW).short('n').help("Print the text files, write nothing"))
        .arg(common::flag(DRY_RUN).help("The same as --show"))
        .arg(file(PREFIX, 'P', "CHARACTER").help("This architecture puts CHARACTER before every symbol"))
        .arg(common::flag(WARN).short('w').help("Report aliases that a module gives twice"))
        .arg(file(JOBS, 'j', "N").help("Read N modules at a time; the default is all processors"))
        .arg(common::valued(CACHE, "FILE").help("Remember in FILE what modules say, for the next run"))
        .arg(common::flag(NO_CACHE).help("Read every module, and remember nothing"))
        .arg(common::valued(ROOT, "DIR").help("Work inside DIR alone, its own depmod.d included"))
        .arg(common::valued(REMOVE, "VERSION").help("Remove what was made for that kernel, and leave"))
        .arg(common::flag(COMPARE).help("Say which files of the database are out of date, write nothing"))
        .arg(common::flag(STRICT).help("End with status 1 after any warning"))
        .arg(common::flag(KEEP_GOING).help("Replace the database even if a directory cannot be read"))
        .arg(common::flag(STATS).help("Sum the run up in a line"))
        .arg(common::flag(JSON).help("Sum the run up as JSON"))
        .arg(common::verbose())
        .arg(common::version())
        .arg(common::help());
    for spelling in IGNORED {
        let arg = Arg::new(spelling).action(ArgAction::SetTrue).hide(true).help("Ignored");
        command = command.arg(match (spelling.strip_prefix("--"), spelling.chars().nth(1)) {
            (None, Some(letter)) => arg.short(letter),
            (long, _) => arg.long(long.unwrap_or(spelling)),
        });
    }
    command
}

fn dir(id: &'static str, letter: char) -> Arg {
    file(id, letter, "DIR")
}

fn file(id: &'static str, letter: char, value: &'static str) -> Arg {
    common::valued(id, value).short(letter)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_definition_contradicts_itself_nowhere() {
        super::command().debug_assert();
    }
}
