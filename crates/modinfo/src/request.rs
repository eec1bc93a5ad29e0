//! What a run of modinfo is to do, as data: after this nobody looks at options.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use modcli::getopt::Parsed;
use moddb::paths::ModuleDir;

use crate::cli;
use crate::places::System;

/// The kernel takes no longer paths, with the NUL at their end.
const PATH_MAX: usize = 4096;

/// A run of modinfo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// Names, aliases or files, as given; at least one.
    pub operands: Vec<OsString>,
    pub operand: Operand,
    /// Where names are looked up.
    pub directory: ModuleDir,
    pub show: Show,
}

/// What an operand may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operand {
    /// A file, a name or an alias.
    Any,
    /// The name of a module.
    Name,
}

/// What is shown of each module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Show {
    /// All of it, for people and scripts.
    All(Separator),
    /// The values of one field.
    Field(Vec<u8>, Separator),
    /// All of it, as JSON.
    Json,
    /// Its parameters and their values, as a table.
    Parameters,
}

/// What ends an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Separator {
    Newline,
    Nul,
}

impl Separator {
    pub fn byte(self) -> u8 {
        match self {
            Self::Newline => b'\n',
            Self::Nul => 0,
        }
    }
}

/// What is wrong with a command line that getopt accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// Nothing is named.
    NoOperand,
    /// The module directory that is asked for cannot exist.
    PathTooLong(PathBuf),
    /// Two forms of output at once.
    TwoForms,
}

impl Request {
    /// Reads a request from parsed options.
    ///
    /// # Errors
    /// The first [`Problem`].
    pub fn new(parsed: &Parsed, system: &System) -> Result<Self, Problem> {
        if parsed.operands.is_empty() {
            return Err(Problem::NoOperand);
        }
        Ok(Self {
            operands: parsed.operands.clone(),
            operand: if parsed.has(cli::MODNAME) { Operand::Name } else { Operand::Any },
            show: show(parsed)?,
            directory: directory(parsed.value(cli::BASEDIR), parsed.value(cli::SET_VERSION), system)?,
        })
    }
}

fn show(parsed: &Parsed) -> Result<Show, Problem> {
    let separator = if parsed.has(cli::NULL) { Separator::Nul } else { Separator::Newline };
    // Of several the last counts.
    let field = parsed.events.iter().rev().find_map(|event| match event.id.as_str() {
        cli::AUTHOR => Some(b"author".to_vec()),
        cli::DESCRIPTION => Some(b"description".to_vec()),
        cli::LICENSE => Some(b"license".to_vec()),
        cli::PARAMETERS => Some(b"parm".to_vec()),
        cli::FILENAME => Some(b"filename".to_vec()),
        cli::FIELD => event.value.clone().map(OsString::into_vec),
        _ => None,
    });
    match (parsed.has(cli::JSON), parsed.has(cli::PARAMS), field) {
        (false, false, None) => Ok(Show::All(separator)),
        (false, false, Some(field)) => Ok(Show::Field(field, separator)),
        (true, _, None) => Ok(Show::Json),
        (false, true, None) => Ok(Show::Parameters),
        (_, _, Some(_)) => Err(Problem::TwoForms),
    }
}

/// The module directory. It is put together as text, since its path is shown.
fn directory(root: Option<&OsStr>, version: Option<&OsStr>, system: &System) -> Result<ModuleDir, Problem> {
    let version = version.unwrap_or(&system.release);
    let directory = ModuleDir::new(Path::new(root.unwrap_or_default()), version);
    if directory.path().as_os_str().len() >= PATH_MAX {
        return Err(Problem::PathTooLong(directory.path().to_owned()));
    }
    Ok(if directory.path().is_absolute() {
        directory
    } else {
        ModuleDir::at(system.absolute(directory.path()))
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use modcli::getopt::{self, Options, Order};

    use super::*;

    fn request(arguments: &[&str]) -> Result<Request, Problem> {
        let command = (cli::DEFINITION.command)();
        let argv: Vec<OsString> =
            std::iter::once("modinfo").chain(arguments.iter().copied()).map(OsString::from).collect();
        let parsed = getopt::parse(&Options::of(&command, &[]), &argv, Order::Permuted).unwrap();
        let system = System { cwd: "/here".into(), release: "6.1".into(), ..System::default() };
        Request::new(&parsed, &system)
    }

    #[test]
    fn of_several_fields_the_last_counts() {
        for (arguments, field) in [
            (&["-a", "-d", "m"][..], "description"),
            (&["-F", "license", "-n", "m"], "filename"),
            (&["-n", "-F", "x y", "m"], "x y"),
            (&["-p", "m"], "parm"),
        ] {
            let show = request(arguments).unwrap().show;
            assert_eq!(show, Show::Field(field.into(), Separator::Newline), "{arguments:?}");
        }
        assert_eq!(request(&["-0", "m"]).unwrap().show, Show::All(Separator::Nul));
        assert_eq!(request(&["--json", "-F", "license", "m"]), Err(Problem::TwoForms));
        assert_eq!(request(&["-a"]), Err(Problem::NoOperand));
    }

    #[test]
    fn the_module_directory_is_put_together_as_text_and_made_absolute() {
        for (arguments, directory) in [
            (&["m"][..], "/lib/modules/6.1"),
            (&["-b", "/", "m"], "//lib/modules/6.1"),
            (&["-b", "x/", "-k", "5", "m"], "/here/x//lib/modules/5"),
            (&["-k", "", "m"], "/lib/modules/"),
            (&["-k", "../modules/5", "m"], "/lib/modules/../modules/5"),
        ] {
            let found = request(arguments).unwrap().directory;
            assert_eq!(found.path().as_os_str().as_bytes(), directory.as_bytes(), "{arguments:?}");
        }
        let long = "x".repeat(4096 - "/lib/modules/".len());
        assert!(matches!(request(&["-k", &long, "m"]), Err(Problem::PathTooLong(_))));
        assert!(request(&["-k", &long[1..], "m"]).is_ok());
    }
}
