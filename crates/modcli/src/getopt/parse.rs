//! The pass over the arguments.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use clap::{Arg, ArgAction};

use super::table::{Named, Options, takes_value};
use super::{Occurrence, Order, Parsed};

/// Why the parse ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A wrong option: getopt's sentence, whole, as bytes because it may quote bytes that are no text.
    Sentence(Vec<u8>),
    /// An option with clap's `Help` action was met; what follows it is not looked at.
    Help,
    /// The same for `Version`.
    Version,
}

/// Takes `argv` apart, program name first.
///
/// # Errors
/// At the first wrong option with the sentence that getopt prints for it, which begins with the program name as
/// it was called; at the first option that asks for help or the version, with that.
pub fn parse(options: &Options<'_>, argv: &[OsString], order: Order) -> Result<Parsed, Failure> {
    let (program, arguments) = match argv.split_first() {
        Some((program, arguments)) => (program.as_os_str(), arguments),
        None => (OsStr::new(""), argv),
    };
    let mut pass = Pass { options, program, rest: arguments.iter(), parsed: Parsed::default() };
    while let Some(argument) = pass.rest.next() {
        match argument.as_bytes() {
            b"--" => break,
            [b'-', b'-', long @ ..] => pass.long(long)?,
            [b'-', shorts @ ..] if !shorts.is_empty() => pass.shorts(shorts)?,
            _ => {
                pass.parsed.operands.push(argument.clone());
                if order == Order::Posix {
                    break;
                }
            }
        }
    }
    let Pass { rest, mut parsed, .. } = pass;
    parsed.operands.extend(rest.cloned());
    Ok(parsed)
}

struct Pass<'a> {
    options: &'a Options<'a>,
    program: &'a OsStr,
    rest: std::slice::Iter<'a, OsString>,
    parsed: Parsed,
}

impl Pass<'_> {
    /// `--NAME` or `--NAME=VALUE`, given without the dashes.
    fn long(&mut self, argument: &[u8]) -> Result<(), Failure> {
        let mut halves = argument.splitn(2, |&byte| byte == b'=');
        let name = halves.next().unwrap_or_default();
        let attached = halves.next();
        let (arg, full) = match self.options.long(name) {
            Named::One(arg, full) => (arg, full),
            Named::Several(names) => return Err(self.ambiguous(argument, &names)),
            Named::Unknown => return Err(self.wrong(&[b"unrecognized option '--", argument, b"'"])),
        };
        match (takes_value(arg), attached) {
            (true, Some(value)) => self.met(arg, Some(value)),
            (true, None) => match self.rest.next() {
                Some(value) => self.met(arg, Some(value.as_bytes())),
                None => Err(self.wrong(&[b"option '--", full.as_bytes(), b"' requires an argument"])),
            },
            (false, None) => self.met(arg, None),
            (false, Some(_)) => {
                Err(self.wrong(&[b"option '--", full.as_bytes(), b"' doesn't allow an argument"]))
            }
        }
    }

    /// One or more letters after a single dash; the first that takes a value takes the rest, or the next argument.
    fn shorts(&mut self, letters: &[u8]) -> Result<(), Failure> {
        let mut letters = letters;
        while let Some((&letter, rest)) = letters.split_first() {
            // getopt reads bytes: of a letter beyond ASCII it names the first byte.
            let known = if letter.is_ascii() { self.options.short(letter.into()) } else { None };
            let Some(arg) = known else { return Err(self.wrong(&[b"invalid option -- '", &[letter], b"'"])) };
            if !takes_value(arg) {
                self.met(arg, None)?;
                letters = rest;
                continue;
            }
            if !rest.is_empty() {
                return self.met(arg, Some(rest));
            }
            return match self.rest.next() {
                Some(value) => self.met(arg, Some(value.as_bytes())),
                None => Err(self.wrong(&[b"option requires an argument -- '", &[letter], b"'"])),
            };
        }
        Ok(())
    }

    fn met(&mut self, arg: &Arg, value: Option<&[u8]>) -> Result<(), Failure> {
        match arg.get_action() {
            ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong => return Err(Failure::Help),
            ArgAction::Version => return Err(Failure::Version),
            _ => {}
        }
        let value = value.map(|value| OsString::from_vec(value.to_vec()));
        self.parsed.events.push(Occurrence { id: arg.get_id().clone(), value });
        Ok(())
    }

    fn ambiguous(&self, argument: &[u8], names: &[&str]) -> Failure {
        let listed: String = names.iter().map(|name| format!(" '--{name}'")).collect();
        self.wrong(&[b"option '--", argument, b"' is ambiguous; possibilities:", listed.as_bytes()])
    }

    fn wrong(&self, parts: &[&[u8]]) -> Failure {
        let mut sentence = self.program.as_bytes().to_vec();
        sentence.extend_from_slice(b": ");
        for part in parts {
            sentence.extend_from_slice(part);
        }
        Failure::Sentence(sentence)
    }
}
