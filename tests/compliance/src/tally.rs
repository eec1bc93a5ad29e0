//! Counting results, and saying them at the end.

use std::fmt;

/// How a case compared with one reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing differs.
    Equal,
    /// Different exactly as written down.
    DifferentByIntent,
    /// Not run, and why.
    Skipped(String),
    /// Different otherwise, or an expectation of the case itself does not hold.
    Failed(String),
}

/// Results of many cases.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    equal: usize,
    intended: usize,
    skipped: usize,
    failed: usize,
}

impl Tally {
    /// One result.
    pub fn of(name: &str, verdict: &Verdict) -> Self {
        let mut tally = Self::default();
        tally.add(name, verdict);
        tally
    }

    /// Adds one result, and says at once what is wrong.
    pub fn add(&mut self, name: &str, verdict: &Verdict) {
        match verdict {
            Verdict::Equal => self.equal += 1,
            Verdict::DifferentByIntent => self.intended += 1,
            Verdict::Skipped(why) => {
                println!("SKIPPED: {name}: {why}");
                self.skipped += 1;
            }
            Verdict::Failed(why) => {
                println!("FAILED: {name}: {why}");
                self.failed += 1;
            }
        }
    }

    /// Adds the results of another.
    pub fn join(&mut self, other: &Self) {
        self.equal += other.equal;
        self.intended += other.intended;
        self.skipped += other.skipped;
        self.failed += other.failed;
    }

    /// Whether the whole may count as passed. In CI nothing may be skipped.
    pub fn passed(&self, in_ci: bool) -> bool {
        self.failed == 0 && self.equal > 0 && !(in_ci && self.skipped > 0)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let run = self.equal + self.intended + self.failed;
        write!(
            formatter,
            "{run} comparisons run: {} equal, {} different by intent, {} failed, {} skipped",
            self.equal, self.intended, self.failed, self.skipped
        )
    }
}
