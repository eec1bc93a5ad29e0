//! What a run did, in numbers: for people and for programs.

use std::time::{Duration, Instant};

use modcli::json;
use moddb::build::catalog::Catalog;
use moddb::build::symbols::SymbolOwners;

/// The form in which a run is summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SummaryForm {
    /// Not at all.
    None,
    /// A line for people.
    Text,
    /// An object for programs.
    Json,
}

/// What is in a database.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Modules.
    pub modules: usize,
    /// Aliases of all modules.
    pub aliases: usize,
    /// Symbols that modules provide.
    pub symbols: usize,
}

/// The numbers of a run.
#[derive(Debug)]
pub struct Summary {
    /// What is in the database.
    pub counts: Counts,
    /// Modules that were known from an earlier run.
    pub reused: usize,
    /// Files of the database that were made, to be compared or written.
    pub made: usize,
    phases: Vec<(&'static str, Duration)>,
    began: Instant,
    last: Instant,
}

impl Summary {
    /// Starts the clock.
    #[must_use]
    pub fn begin() -> Self {
        let now = Instant::now();
        Self { counts: Counts::default(), reused: 0, made: 0, phases: Vec::new(), began: now, last: now }
    }

    /// Notes that a phase has ended.
    pub fn phase(&mut self, name: &'static str) {
        let now = Instant::now();
        self.phases.push((name, now - self.last));
        self.last = now;
    }

    /// Counts what is in the database.
    pub fn count(&mut self, catalog: &Catalog<'_>, symbols: &SymbolOwners<'_>) {
        self.counts = Counts {
            modules: catalog.modules().len(),
            aliases: catalog.modules().iter().map(|module| module.info.alias_count()).sum(),
            symbols: symbols.provided_count(),
        };
    }

    /// The summary in a form, ended by a newline.
    #[must_use]
    pub fn show(&self, form: SummaryForm, release: &str, warnings: usize, errors: usize) -> String {
        let Counts { modules, aliases, symbols } = self.counts;
        let Self { reused, made, .. } = self;
        let read = modules.saturating_sub(*reused);
        match form {
            SummaryForm::None => String::new(),
            SummaryForm::Text => {
                let phases: Vec<String> = self
                    .phases
                    .iter()
                    .map(|(name, time)| format!("{name} {:.0} ms", time.as_secs_f64() * 1000.0))
                    .collect();
                format!(
                    "depmod: {release}: {modules} modules ({read} read, {reused} unchanged), {aliases} aliases, \
                     {symbols} symbols in {:.2} s ({})\n\
                     depmod: {warnings} warnings, {errors} errors\n",
                    (self.last - self.began).as_secs_f64(),
                    phases.join(", ")
                )
            }
            SummaryForm::Json => {
                let seconds: Vec<_> =
                    self.phases.iter().map(|(name, time)| (*name, time.as_secs_f64().to_string())).collect();
                let summary = json::object(&[
                    ("release", json::string(release)),
                    ("modules", modules.to_string()),
                    ("reused", reused.to_string()),
                    ("read", read.to_string()),
                    ("aliases", aliases.to_string()),
                    ("symbols", symbols.to_string()),
                    ("made", made.to_string()),
                    ("warnings", warnings.to_string()),
                    ("errors", errors.to_string()),
                    ("seconds", json::object(&seconds)),
                ]);
                format!("{summary}\n")
            }
        }
    }
}
