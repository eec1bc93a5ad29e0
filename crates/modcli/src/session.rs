//! The frame of every `main`: what is there at the start, and what has to be done at the end.
//!
//! The order of the end is fixed: output is written, a failure of that is reported, messages for the system log go
//! out last, after all work, so that even a logging path that was itself loaded as a module is used only then.

use std::ffi::OsString;
use std::mem::ManuallyDrop;

use clap::Command;

use crate::common::{QUIET, SYSLOG, VERBOSE};
use crate::ended::{Ended, Exit};
use crate::errno;
use crate::getopt::{self, Failure, Options, Order, Parsed};
use crate::output::Output;
use crate::reporter::Reporter;
use crate::severity::Threshold;
use crate::sink::Sink;
use crate::startup::{Closed, closed_descriptors};

/// The first line begins as kmod's does: package scripts take the third word for the version of kmod whose
/// behaviour they may expect, and compare it as a whole number.
const VERSION: &str = concat!("kmod version 34 (modutils-rs ", env!("CARGO_PKG_VERSION"), ")\n");
/// What is built in, in kmod's notation; signatures are read without a library.
const FEATURES: &str = "+ZSTD +XZ +ZLIB -OPENSSL\n";

/// What a tool says about its command line.
pub struct Definition {
    /// Builds clap's definition, from [`common::command`](crate::common::command) on.
    pub command: fn() -> Command,
    /// Where the tool's threshold starts.
    pub threshold: Threshold,
    /// Long names that kmod does not have; see [`Options::of`].
    pub added: &'static [&'static str],
}

/// What a tool works with while it runs.
pub struct Session {
    /// The tool's name, as it stands before its messages.
    pub program: &'static str,
    /// The arguments as they came, the name of the program first.
    pub argv: Vec<OsString>,
    /// Which descriptors were closed when the program started.
    pub closed: Closed,
    /// Messages.
    pub reporter: Reporter,
    /// Standard output.
    pub output: Output,
}

impl Session {
    /// The session of a process that was started with these arguments. Costs no system call.
    #[must_use]
    pub fn of_system(program: &'static str, argv: Vec<OsString>) -> Self {
        let closed = closed_descriptors();
        Self {
            program,
            argv,
            closed,
            reporter: Reporter::new(Sink::of_system(program, closed.stderr)),
            output: Output::stdout(),
        }
    }

    /// Parses the arguments and applies `-v`, `-q` and `-s` in the order in which they stand.
    ///
    /// # Errors
    /// The run is over after a wrong option (it is reported, status 1), after help and after the version
    /// (both on standard output, status 0).
    pub fn parse(&self, definition: &Definition) -> Result<Parsed, Ended> {
        self.parse_arguments(definition, &self.argv)
    }

    /// Like [`parse`](Self::parse), with other arguments than those of the process: modprobe puts those of
    /// `MODPROBE_OPTIONS` before its own.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_arguments(&self, definition: &Definition, argv: &[OsString]) -> Result<Parsed, Ended> {
        let order =
            if std::env::var_os("POSIXLY_CORRECT").is_some() { Order::Posix } else { Order::Permuted };
        self.parse_in_order(definition, argv, order)
    }

    /// Like [`parse_arguments`](Self::parse_arguments), with the order that the caller says: where commands have
    /// options of their own, the first operand ends those before it.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_in_order(
        &self,
        definition: &Definition,
        argv: &[OsString],
        order: Order,
    ) -> Result<Parsed, Ended> {
        // Freed when the process ends: to take it apart would cost a twentieth of a short run.
        let command = ManuallyDrop::new((definition.command)());
        let options = Options::of(&command, definition.added);
        match getopt::parse(&options, argv, order) {
            Ok(parsed) => {
                self.apply(definition.threshold, &parsed);
                Ok(parsed)
            }
            Err(Failure::Sentence(sentence)) => {
                self.reporter.sink().say_plainly(&sentence);
                Err(Ended(Exit::Failure))
            }
            Err(Failure::Help) => {
                self.output.show(Command::clone(&command).render_help().to_string());
                Err(Ended(Exit::Success))
            }
            Err(Failure::Version) => {
                self.output.show(VERSION);
                self.output.show(FEATURES);
                Err(Ended(Exit::Success))
            }
        }
    }

    /// Sets threshold and sink as the options say. For a command line that was recognised without a parse, too.
    pub fn apply(&self, start: Threshold, parsed: &Parsed) {
        self.reporter.starts_at(start);
        for event in &parsed.events {
            match event.id.as_str() {
                VERBOSE => self.reporter.raise(),
                QUIET => self.reporter.silence(),
                SYSLOG => self.reporter.sink().use_system_log(),
                _ => {}
            }
        }
    }

    /// Ends the run: reports an error that came up to here, writes what is gathered, delivers what is held.
    #[must_use]
    pub fn finish(&self, result: anyhow::Result<Exit>) -> Exit {
        let exit = match result {
            Ok(exit) => exit,
            Err(error) => match error.downcast_ref::<Ended>() {
                Some(&Ended(exit)) => exit,
                None => {
                    self.reporter.error(errno::chain(error.as_ref()));
                    Exit::Failure
                }
            },
        };
        let exit = match self.output.finish() {
            Ok(()) => exit,
            Err(failure) => {
                self.reporter.error(format!("could not write standard output: {}", errno::reason(&failure)));
                Exit::Failure
            }
        };
        self.reporter.tell_remarks();
        self.reporter.sink().flush();
        exit
    }
}
