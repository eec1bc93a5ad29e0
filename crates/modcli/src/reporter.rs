//! The voice of a tool: weighs its messages, counts them, and hands those that are to be shown to the sink.
//!
//! Messages are bytes, because they quote names that need not be UTF-8. This module does not word them; the
//! sentences stand with each tool, and messages that libraries return as values come through
//! [`message`](Reporter::message).

use std::cell::{Cell, RefCell};

use crate::ended::{Ended, Exit};
use crate::severity::{Severity, Threshold};
use crate::sink::Sink;

/// When hints are shown, unless `-q` forbids all messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hints {
    /// To a person at a terminal, and with `-v`.
    #[default]
    OnTerminalOrVerbose,
    /// To a person at a terminal: what a dry run prints is read by scripts, which merge the streams.
    OnTerminal,
    /// Always: they were asked for.
    Always,
}

/// How a tool reports. Shared by reference: nothing needs to be mutable to report.
pub struct Reporter {
    sink: Sink,
    start: Cell<Threshold>,
    threshold: Cell<Threshold>,
    warnings: Cell<usize>,
    errors: Cell<usize>,
    hints: Cell<Hints>,
    remarks: RefCell<Vec<Vec<u8>>>,
}

impl Reporter {
    /// A reporter that passes warnings and worse to `sink`.
    #[must_use]
    pub fn new(sink: Sink) -> Self {
        Self {
            sink,
            start: Cell::new(Threshold::WARNINGS),
            threshold: Cell::new(Threshold::WARNINGS),
            warnings: Cell::new(0),
            errors: Cell::new(0),
            hints: Cell::new(Hints::default()),
            remarks: RefCell::default(),
        }
    }

    /// Sets where the tool starts before any `-v` or `-q`.
    pub fn starts_at(&self, threshold: Threshold) {
        self.start.set(threshold);
        self.threshold.set(threshold);
    }

    /// `-v`: shows one level more.
    pub fn raise(&self) {
        self.threshold.set(self.threshold.get().raised());
    }

    /// `-q`: shows nothing.
    pub fn silence(&self) {
        self.threshold.set(Threshold::SILENT);
    }

    /// The highest level that is shown now.
    #[must_use]
    pub fn threshold(&self) -> Threshold {
        self.threshold.get()
    }

    /// Whether more is shown than without options.
    #[must_use]
    pub fn is_verbose(&self) -> bool {
        self.threshold.get() > self.start.get()
    }

    /// Where the messages go.
    #[must_use]
    pub fn sink(&self) -> &Sink {
        &self.sink
    }

    /// What keeps the tool from going on.
    ///
    /// # Errors
    /// Shown, it ends the run with status 1. Under `-q` it is not shown, and the tool goes on with a failure.
    pub fn fatal(&self, text: impl AsRef<[u8]>) -> Result<(), Ended> {
        if self.message(Severity::Fatal, text) { Err(Ended(Exit::Failure)) } else { Ok(()) }
    }

    /// Something asked for was not done.
    pub fn error(&self, text: impl AsRef<[u8]>) {
        self.message(Severity::Error, text);
    }

    /// Done, but not all is as it should be.
    pub fn warning(&self, text: impl AsRef<[u8]>) {
        self.message(Severity::Warning, text);
    }

    /// Worth knowing, nothing wrong.
    pub fn notice(&self, text: impl AsRef<[u8]>) {
        self.message(Severity::Notice, text);
    }

    /// What the tool is doing.
    pub fn info(&self, text: impl AsRef<[u8]>) {
        self.message(Severity::Info, text);
    }

    /// For those who look for a fault in the tool.
    pub fn debug(&self, text: impl AsRef<[u8]>) {
        self.message(Severity::Debug, text);
    }

    /// A message of any severity; returns whether it was shown. It is counted either way.
    pub fn message(&self, severity: Severity, text: impl AsRef<[u8]>) -> bool {
        match severity {
            Severity::Fatal | Severity::Error => self.errors.set(self.errors.get() + 1),
            Severity::Warning => self.warnings.set(self.warnings.get() + 1),
            _ => {}
        }
        let told = self.tells(severity);
        if told {
            self.sink.tell(severity, text.as_ref());
        }
        told
    }

    /// A message that is shown whatever the threshold: a request of the kernel that fails for want of a database
    /// is logged even under `-q`.
    pub fn insist(&self, severity: Severity, text: impl AsRef<[u8]>) {
        self.sink.tell(severity, text.as_ref());
    }

    /// For whoever gave `-v`, once, at whatever level the tool starts.
    pub fn when_verbose(&self, text: impl AsRef<[u8]>) {
        if self.is_verbose() {
            self.insist(Severity::Notice, text);
        }
    }

    /// Whether a message of this severity would be shown: saves wording one that is not.
    #[must_use]
    pub fn tells(&self, severity: Severity) -> bool {
        self.threshold.get().admits(severity)
    }

    /// Sets when hints are shown.
    pub fn gives_hints(&self, hints: Hints) {
        self.hints.set(hints);
    }

    /// Whether hints are shown; never under `-q`. Ask before looking for the facts of a hint.
    #[must_use]
    pub fn wants_hints(&self) -> bool {
        self.tells(Severity::Error)
            && match self.hints.get() {
                Hints::OnTerminalOrVerbose => self.is_verbose() || self.sink.is_terminal(),
                Hints::OnTerminal => self.sink.is_terminal(),
                Hints::Always => true,
            }
    }

    /// What was found about the message before it and what to do, as a line `hint: TEXT`.
    pub fn hint(&self, text: impl AsRef<[u8]>) {
        self.explain(|| vec![text]);
    }

    /// A message with what was found about it and what to do, as lines `hint: TEXT` after it. The hints are looked
    /// for only if somebody reads them.
    pub fn explained<H: AsRef<[u8]>>(
        &self,
        severity: Severity,
        text: impl AsRef<[u8]>,
        hints: impl FnOnce() -> Vec<H>,
    ) -> bool {
        let told = self.message(severity, text);
        self.explain(hints);
        told
    }

    /// What was found about the message before.
    pub fn explain<H: AsRef<[u8]>>(&self, hints: impl FnOnce() -> Vec<H>) {
        if self.wants_hints() {
            for hint in hints() {
                self.sink.hint(hint.as_ref());
            }
        }
    }

    /// A hint about something that went well: it comes when all is done, so that it never stands between the lines
    /// of a plan.
    pub fn remark<H: AsRef<[u8]>>(&self, hints: impl FnOnce() -> Vec<H>) {
        if self.wants_hints() {
            self.remarks.borrow_mut().extend(hints().iter().map(|hint| hint.as_ref().to_vec()));
        }
    }

    /// Shows the remarks, each once. To be called when everything is printed.
    pub fn tell_remarks(&self) {
        let mut told: Vec<Vec<u8>> = Vec::new();
        for remark in self.remarks.take() {
            if !told.contains(&remark) {
                self.sink.hint(&remark);
                told.push(remark);
            }
        }
    }

    /// How many errors there were, FATAL included, shown or not.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.errors.get()
    }

    /// How many warnings there were, shown or not.
    #[must_use]
    pub fn warnings(&self) -> usize {
        self.warnings.get()
    }
}
