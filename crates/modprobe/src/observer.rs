//! Turns what happens while plans are carried out into modprobe's lines and messages.

use std::ops::ControlFlow;

use modcli::Session;
use modfile::ModuleName;
use modkernel::InsertError;
use modload::command::{CommandError, Verb};
use modload::{Event, Observer, Refusal};

use crate::request::AfterFailure;
use crate::{messages, show};

/// Tells what happens.
pub struct Teller<'a> {
    /// Where to.
    pub session: &'a Session,
    /// Whether each step is shown.
    pub shows: bool,
    /// Whether a module that stays ends the run.
    pub after_failure: AfterFailure,
}

impl Teller<'_> {
    fn show(&self, line: &[u8]) {
        if self.shows {
            self.session.output.show_line(line);
        }
    }
}

impl Observer for Teller<'_> {
    fn event(&self, event: &Event<'_>) {
        let reporter = &self.session.reporter;
        match *event {
            Event::Step(step) => {
                if self.shows
                    && let Some(line) = show::insertion(step)
                {
                    self.show(&line);
                }
            }
            Event::Removing(module) => self.show(&show::removal(module)),
            Event::Command(command) => {
                // compat: unlike an install command it is shown with the marker gone.
                if command.verb == Verb::Remove {
                    self.show(&show::remove_command(&command.line));
                }
                // What was printed so far stands before what the command prints.
                self.session.output.flush();
            }
            Event::CommandFailed { command, error } => match (command.verb, error) {
                (verb, CommandError::NotStarted(error)) => {
                    reporter.error(messages::command_not_started(verb, &command.line, command.module, error));
                }
                (Verb::Install, &CommandError::Status(code)) => {
                    reporter.error(messages::command_failed(&command.line, command.module, code));
                }
                // That the module stays says it.
                (Verb::Remove, CommandError::Status(_)) => {}
            },
            Event::CommandWithinItself { module, line } => {
                reporter.error(messages::command_within_itself(module, line));
            }
            Event::NoFile(module) => reporter.error(messages::no_file(module)),
            Event::NotInserted { error: InsertError::Decompress(reason), .. } => {
                reporter.error(reason.to_string());
            }
            // It is told with the failure of the module that was wanted.
            Event::NotInserted { .. } => {}
            Event::NotRemoved { module, error } => reporter.error(messages::could_not_remove(module, error)),
        }
    }

    /// Tells why a module stays: FATAL, or with `-a` a warning.
    fn refused(&self, module: &ModuleName, refusal: Refusal) -> ControlFlow<()> {
        let text = messages::refused(module, refusal);
        match self.after_failure {
            AfterFailure::Stop => match self.session.reporter.fatal(text) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            },
            AfterFailure::GoOn => {
                self.session.reporter.warning(text);
                ControlFlow::Continue(())
            }
        }
    }
}
