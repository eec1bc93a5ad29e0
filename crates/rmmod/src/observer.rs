//! Turns what happens to commands and settings into rmmod's messages.

use modcli::{Session, words};
use modload::command::CommandError;
use modload::{Event, ModutilsProblem, Observer};
use modstate::modules_conf::OldLine;

use crate::messages;

/// Reports what happens.
pub(crate) struct Teller<'a> {
    pub session: &'a Session,
    /// Whether what is done is shown.
    pub shows: bool,
}

impl Observer for Teller<'_> {
    fn event(&self, event: &Event<'_>) {
        let reporter = &self.session.reporter;
        match *event {
            // What was printed so far stands before what the command prints.
            Event::Command(_) => self.session.output.flush(),
            Event::Script(script) => {
                if self.shows {
                    self.session.output.show_line(words::script(script));
                }
                self.session.output.flush();
            }
            Event::ScriptFailed { script, about, error } => {
                reporter.error(words::script_failed(script, about, error));
            }
            Event::ScriptsNotRun { about, reason } => reporter.error(words::scripts_not_run(about, reason)),
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
            Event::Modutils(ModutilsProblem::Distrusted { file, reason }) => {
                reporter.error(words::distrusted(file, &reason.path, &reason.reason));
            }
            Event::Modutils(ModutilsProblem::OldFile { file, error }) => {
                reporter.error(words::old_file(file, error));
            }
            Event::Modutils(ModutilsProblem::OldLine { file, line }) => {
                let text = words::old_line(file, line);
                if let OldLine::Others(_) = line {
                    reporter.when_verbose(text);
                } else {
                    reporter.warning(text);
                }
            }
            // Plans are not carried out here.
            _ => {}
        }
    }
}
