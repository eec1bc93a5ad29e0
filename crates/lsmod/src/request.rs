//! What a run of lsmod is to do, as data: after this nobody looks at options.

use std::os::unix::ffi::OsStrExt;

use modcli::getopt::Parsed;
use modfile::ModuleName;

use crate::cli;

/// A run of lsmod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub form: Form,
    /// Only these modules; all if empty.
    pub names: Vec<ModuleName>,
}

/// How the modules are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The table that scripts read.
    Table,
    Json,
    Tree,
    Why,
}

/// What is wrong with a command line that getopt accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// The table takes no names.
    Operands,
    /// Two forms of output at once.
    TwoForms,
}

impl Request {
    /// Reads a request from parsed options.
    ///
    /// # Errors
    /// The first [`Problem`].
    pub fn new(parsed: &Parsed) -> Result<Self, Problem> {
        let form = match [cli::JSON, cli::TREE, cli::WHY].map(|form| parsed.has(form)) {
            [false, false, false] => Form::Table,
            [true, false, false] => Form::Json,
            [false, true, false] => Form::Tree,
            [false, false, true] => Form::Why,
            _ => return Err(Problem::TwoForms),
        };
        if form == Form::Table && !parsed.operands.is_empty() {
            return Err(Problem::Operands);
        }
        let names = parsed.operands.iter().map(|name| ModuleName::new(name.as_bytes())).collect();
        Ok(Self { form, names })
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use modcli::getopt::{self, Options, Order};

    use super::*;

    fn request(arguments: &[&str]) -> Result<Request, Problem> {
        let command = (cli::DEFINITION.command)();
        let argv: Vec<OsString> =
            std::iter::once("lsmod").chain(arguments.iter().copied()).map(OsString::from).collect();
        Request::new(&getopt::parse(&Options::of(&command, &[]), &argv, Order::Permuted).unwrap())
    }

    #[test]
    fn names_are_for_the_forms_that_kmod_does_not_have() {
        assert_eq!(request(&["-s", "x"]), Err(Problem::Operands));
        assert_eq!(request(&["-v"]), Ok(Request { form: Form::Table, names: vec![] }));
        assert_eq!(request(&["--why", "a-b"]), Ok(Request { form: Form::Why, names: vec!["a_b".into()] }));
        assert_eq!(request(&["--tree", "--json"]), Err(Problem::TwoForms));
    }
}
