//! Turns what happens to commands and settings into rmmod's messages.

use modcli::{Session, words};
use modload::command::CommandError;
use modload::{Event, ModutilsProblem, Observer};

use crate::messages;

/// Reports what happens.
pub(crate) struct Teller<'a> {
    pub session: &'a Session,
}

impl Observer for Teller<'_> {
    fn event(&self, event: &Event<'_>) {
        let reporter = &self.session.reporter;
        match *event {
            // What was printed so far stands before what the command prints.
            Event::Command(_) => self.session.output.flush(),
            Event::CommandFailed { command, error: CommandError::NotStarted(error) } => {
                reporter.error(messages::command_not_started(command.module, error));
            }
            Event::CommandFailed { command, error: &CommandError::Status(code) } => {
                reporter.error(messages::command_failed(command.module, code));
            }
            Event::NotRemoved { module, error } => reporter.error(messages::cannot_remove(module, error)),
            // rmmod reports nothing below an error; that a setting is lost is one.
            Event::Setting { module, notice } => reporter.error(words::setting(module, notice)),
            Event::Modutils(ModutilsProblem::File(problem)) => reporter.error(words::config_file(problem)),
            Event::Modutils(ModutilsProblem::Line { file, problem }) => {
                reporter.error(words::modutils(file, problem));
            }
            // Plans are not carried out here.
            _ => {}
        }
    }
}
