//! What a run of insmod is to do, as data: after this nobody looks at options.

use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStrExt;

use modcli::getopt::Parsed;
use modfile::parameters;
use modkernel::InsertFlags;

use crate::cli;

/// A run of insmod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// The module's file, as given.
    pub file: OsString,
    /// Its parameters, as the kernel takes them.
    pub params: CString,
    pub flags: InsertFlags,
}

/// What is wrong with a command line that getopt accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// Nothing is named.
    NoFile,
    /// Standard input is named.
    Stdin,
}

impl Request {
    /// Reads a request from parsed options.
    ///
    /// # Errors
    /// The first [`Problem`].
    pub fn new(parsed: &Parsed) -> Result<Self, Problem> {
        let (file, params) = parsed.operands.split_first().ok_or(Problem::NoFile)?;
        if file == "-" {
            return Err(Problem::Stdin);
        }
        let force = parsed.has(cli::FORCE);
        let params = parameters::from_arguments(params.iter().map(|param| param.as_bytes()));
        Ok(Self {
            file: file.clone(),
            // Arguments of a process hold no NUL.
            params: CString::new(params).unwrap_or_default(),
            flags: InsertFlags {
                ignore_modversions: force || parsed.has(cli::FORCE_MODVERSION),
                ignore_vermagic: force || parsed.has(cli::FORCE_VERMAGIC),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use modcli::getopt::{self, Options, Order};

    use super::*;

    fn request(arguments: &[&str]) -> Result<Request, Problem> {
        let command = (cli::DEFINITION.command)();
        let argv: Vec<OsString> =
            std::iter::once("insmod").chain(arguments.iter().copied()).map(OsString::from).collect();
        let options = Options::of(&command, cli::DEFINITION.added);
        Request::new(&getopt::parse(&options, &argv, Order::Permuted).unwrap())
    }

    #[test]
    fn parameters_follow_the_file_and_values_with_spaces_are_quoted() {
        let params = |arguments: &[&str]| request(arguments).unwrap().params.into_string().unwrap();
        assert_eq!(
            params(&["m.ko", "a=b", "c=d e", "f=\"g h\"", "noeq x y"]),
            "a=b c=\"d e\" f=\"g h\" noeq x y"
        );
        assert_eq!(params(&["m.ko", "", "a=1"]), "a=1");
        assert_eq!(params(&["m.ko", "x", "--", "-z"]), "x -z");
        assert_eq!(request(&["-v"]), Err(Problem::NoFile));
        assert_eq!(request(&["--", "-"]), Err(Problem::Stdin));
    }

    #[test]
    fn each_check_is_left_out_alone_or_with_the_other() {
        let flags = |option: &str| {
            let flags = request(&[option, "m.ko"]).unwrap().flags;
            (flags.ignore_modversions, flags.ignore_vermagic)
        };
        assert_eq!(flags("-f"), (true, true));
        assert_eq!(flags("--forc"), (true, true));
        assert_eq!(flags("--force-modversion"), (true, false));
        assert_eq!(flags("--force-vermagic"), (false, true));
        assert_eq!(flags("-p"), (false, false));
    }
}
