//! What the host wants of this boot: a small text file in the image, and not the kernel command line, which
//! the tools under test read as well.

use std::fmt::Write as _;

use anyhow::{Context as _, Result, bail};

/// Where the host puts the plan.
pub const PLAN: &str = "/vm/plan";

/// Whose tools are under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Ours: everything has to pass.
    Ours,
    /// The reference: scenarios marked as ours only do not run.
    Reference,
}

/// What the host wants of this boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Whose tools are under test.
    pub subject: Subject,
    /// The release of the kernel, which is the name of its module directory.
    pub release: String,
    /// The group that this boot is for.
    pub group: String,
    /// The scenarios to run, by their names in the group.
    pub scenarios: Vec<String>,
    /// How many sets of tools the image holds below `/subjects`; the first one is under test.
    pub subjects: usize,
}

impl Plan {
    /// The text that [`Plan::parse`] reads.
    #[must_use]
    pub fn to_text(&self) -> String {
        let subject = match self.subject {
            Subject::Ours => "ours",
            Subject::Reference => "reference",
        };
        let mut text = format!(
            "subject {subject}\nrelease {}\ngroup {}\nsubjects {}\n",
            self.release, self.group, self.subjects
        );
        for scenario in &self.scenarios {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "scenario {scenario}");
        }
        text
    }

    /// Reads what [`Plan::to_text`] wrote.
    ///
    /// # Errors
    /// Names the line that is not understood or the entry that is missing.
    pub fn parse(text: &str) -> Result<Self> {
        let (mut subject, mut release, mut group, mut subjects) = (None, None, None, None);
        let mut scenarios = Vec::new();
        for line in text.lines() {
            match line.split_once(' ') {
                Some(("subject", "ours")) => subject = Some(Subject::Ours),
                Some(("subject", "reference")) => subject = Some(Subject::Reference),
                Some(("release", name)) => release = Some(name.to_owned()),
                Some(("group", name)) => group = Some(name.to_owned()),
                Some(("subjects", count)) => subjects = Some(count.parse()?),
                Some(("scenario", name)) => scenarios.push(name.to_owned()),
                _ => bail!("{PLAN}: the line `{line}` is not understood"),
            }
        }
        let missing = |entry| format!("{PLAN}: no `{entry}`");
        Ok(Self {
            subject: subject.with_context(|| missing("subject"))?,
            release: release.with_context(|| missing("release"))?,
            group: group.with_context(|| missing("group"))?,
            subjects: subjects.with_context(|| missing("subjects"))?,
            scenarios,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_survives_its_text() {
        let plan = Plan {
            subject: Subject::Reference,
            release: "6.1.0-56-amd64".into(),
            group: "load".into(),
            scenarios: vec!["a".into(), "b".into()],
            subjects: 2,
        };
        assert_eq!(Plan::parse(&plan.to_text()).unwrap(), plan);
    }

    #[test]
    fn a_plan_with_a_line_missing_or_unknown_is_refused() {
        let text = "subject ours\nrelease 6\ngroup g\nsubjects 1\n";
        assert!(Plan::parse(text).is_ok());
        for line in text.lines() {
            assert!(Plan::parse(&text.replace(&format!("{line}\n"), "")).is_err(), "{line}");
        }
        assert!(Plan::parse(&format!("{text}colour red\n")).is_err());
    }
}
