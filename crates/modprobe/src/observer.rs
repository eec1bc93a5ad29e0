//! Turns what happens while plans are carried out into modprobe's lines and messages.

use std::ops::ControlFlow;

use modcli::{Severity, words};
use modfile::ModuleName;
use modkernel::InsertError;
use modload::command::{CommandError, Verb};
use modload::{Demand, Event, ModutilsProblem, Observer, Refusal};
use modstate::config::Directive;
use modstate::memory::Telling;
use modstate::modules_conf::OldLine;
use modstate::{LogKind, Memory};

use crate::context::Run;
use crate::request::{AfterFailure, How};
use crate::{messages, report, show};

/// Reports what happens.
pub(crate) struct Teller<'a> {
    run: &'a Run<'a>,
    /// Whether each step is shown.
    shows: bool,
    after_failure: AfterFailure,
}

impl<'a> Teller<'a> {
    /// Reports how plans are carried out.
    pub fn new(run: &'a Run<'_>, how: How) -> Self {
        Self { shows: how.show, after_failure: how.after_failure, ..Self::of_query(run) }
    }

    /// Reports what is met where nothing is carried out.
    pub fn of_query(run: &'a Run<'_>) -> Self {
        Self { run, shows: false, after_failure: AfterFailure::Stop }
    }

    fn show(&self, line: &[u8]) {
        if self.shows {
            self.run.session.output.show_line(line);
        }
    }
}

impl Teller<'_> {
    /// Reports what is wrong with modutils.d. A line that was meant to forbid something must not go unnoticed.
    fn modutils(&self, problem: &ModutilsProblem) {
        let reporter = &self.run.session.reporter;
        match problem {
            ModutilsProblem::File(problem) => reporter.error(words::config_file(problem)),
            ModutilsProblem::Distrusted { file, reason } => {
                self.once_for_the_kernel(
                    "modutils-commands",
                    words::distrusted(file, &reason.path, &reason.reason),
                );
            }
            ModutilsProblem::OldFile { file, error } => reporter.error(words::old_file(file, error)),
            ModutilsProblem::OldLine { file, line: line @ OldLine::Others(_) } => {
                reporter.when_verbose(words::old_line(file, line));
            }
            ModutilsProblem::OldLine { file, line } => reporter.warning(words::old_line(file, line)),
            ModutilsProblem::Line { file, problem } => {
                let text = messages::modutils(file, problem);
                match (problem.directive, &self.run.demand) {
                    (Directive::Other, _) => reporter.error(text),
                    (Directive::Closing, _) => self.once_for_the_kernel("modutils", text),
                }
            }
        }
    }
}

impl Teller<'_> {
    /// Reports what must not go unnoticed: to people each time, and once per boot in the log when the kernel calls.
    fn once_for_the_kernel(&self, cause: &str, text: Vec<u8>) {
        let is_told = match self.run.demand {
            Demand::Person => true,
            Demand::Kernel(_) => Memory::new(self.run.places).tell_once(cause) != Telling::Told,
        };
        if is_told {
            self.run.session.reporter.insist(Severity::Error, text);
        }
    }

    /// Reports what went wrong with commands: users can make the kernel ask again and again.
    fn of_scripts(&self, text: Vec<u8>) {
        match self.run.demand {
            Demand::Person => self.run.session.reporter.error(text),
            Demand::Kernel(_) => report::log(self.run, LogKind::Commands, text),
        }
    }
}

impl Observer for Teller<'_> {
    fn event(&self, event: &Event<'_>) {
        let reporter = &self.run.session.reporter;
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
                // compat: unlike an install command it is shown with the marker gone (case
                // modprobe/remove-command-marker).
                if command.verb == Verb::Remove {
                    self.show(&show::remove_command(&command.line));
                }
                // What was printed so far stands before what the command prints.
                self.run.session.output.flush();
            }
            Event::Script(script) => {
                self.show(&words::script(script));
                self.run.session.output.flush();
            }
            Event::ScriptFailed { script, about, error } => {
                self.of_scripts(words::script_failed(script, about, error));
            }
            Event::ScriptsNotRun { about, reason } => self.of_scripts(words::scripts_not_run(about, reason)),
            Event::CommandFailed { command, error } => match (command.verb, error) {
                (verb, CommandError::NotStarted(error)) => {
                    reporter.error(messages::command_not_started(verb, &command.line, command.module, error));
                }
                (Verb::Install, &CommandError::Status(code)) => {
                    reporter.error(messages::command_failed(&command.line, command.module, code));
                }
                // That the module stays is reported anyway.
                (Verb::Remove, CommandError::Status(_)) => {}
            },
            Event::CommandWithinItself { module, line } => {
                reporter.error(messages::command_within_itself(module, line));
            }
            Event::NoFile(module) => reporter.error(messages::no_file(module)),
            Event::NotInserted { error: InsertError::Decompress(reason), .. } => {
                reporter.error(reason.to_string());
            }
            // It is reported with the failure of the module that was wanted.
            Event::NotInserted { .. } => {}
            Event::NotRemoved { module, error } => reporter.error(messages::could_not_remove(module, error)),
            Event::Setting { module, notice } => {
                let text = messages::setting(module, notice);
                match &self.run.demand {
                    _ if notice.is_news() => reporter.when_verbose(text),
                    Demand::Person => reporter.warning(text),
                    // The kernel calls quietly and has nobody to report to.
                    Demand::Kernel(_) => reporter.insist(Severity::Warning, text),
                }
            }
            Event::Modutils(problem) => self.modutils(problem),
        }
    }

    /// Reports why a module stays: FATAL, or with `-a` a warning.
    fn refused(&self, module: &ModuleName, refusal: Refusal) -> ControlFlow<()> {
        let text = messages::refused(module, refusal);
        match self.after_failure {
            AfterFailure::Stop => match self.run.session.reporter.fatal(text) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            },
            AfterFailure::GoOn => {
                self.run.session.reporter.warning(text);
                ControlFlow::Continue(())
            }
        }
    }
}
