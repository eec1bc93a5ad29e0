//! From what was heard of a boot to one result for each scenario. A scenario that did not report has failed.

use vm_guest::catalog::{Group, Scenario};
use vm_guest::report::Message;

use crate::machine::{Ending, Heard};

/// How one scenario went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Its full name.
    pub scenario: String,
    /// How it went.
    pub outcome: Outcome,
    /// What it wants to be seen.
    pub notes: Vec<String>,
}

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As its name says, in so many milliseconds.
    Passed(u64),
    /// Otherwise, for this reason.
    Failed(String),
    /// It was not run: the subject cannot pass it.
    Skipped,
}

/// One verdict for each of the scenarios, and one for the boot if it went wrong outside of them.
#[must_use]
pub fn judge(group: &Group, scenarios: &[&Scenario], heard: &Heard) -> Vec<Verdict> {
    let mut verdicts: Vec<Verdict> =
        scenarios.iter().map(|scenario| judge_one(&group.full_name(scenario), heard)).collect();
    let blamed = verdicts.iter().any(|verdict| matches!(verdict.outcome, Outcome::Failed(_)));
    let init_failed = heard.messages.iter().find_map(|message| match message {
        Message::Failed { scenario, reason, .. } if scenario == "init" => Some(reason.clone()),
        _ => None,
    });
    let reason =
        init_failed.or_else(|| (heard.ending != Ending::Finished && !blamed).then(|| why(&heard.ending)));
    if let Some(reason) = reason {
        let scenario = format!("{}/boot", group.name);
        verdicts.push(Verdict { scenario, outcome: Outcome::Failed(reason), notes: Vec::new() });
    }
    verdicts
}

fn judge_one(name: &str, heard: &Heard) -> Verdict {
    let mut notes = Vec::new();
    let mut begun = false;
    let mut outcome = None;
    for message in &heard.messages {
        match message {
            Message::Begun { scenario } if scenario == name => begun = true,
            Message::Note { scenario, text } if scenario == name => notes.push(text.clone()),
            Message::Passed { scenario, millis } if scenario == name => {
                outcome = Some(Outcome::Passed(*millis));
            }
            Message::Failed { scenario, reason, .. } if scenario == name => {
                outcome = Some(Outcome::Failed(reason.clone()));
            }
            _ => {}
        }
    }
    let outcome = outcome.unwrap_or_else(|| {
        let when = if begun { "did not report back" } else { "was never begun" };
        Outcome::Failed(format!("{when}: {}", why(&heard.ending)))
    });
    Verdict { scenario: name.into(), outcome, notes }
}

fn why(ending: &Ending) -> String {
    match ending {
        Ending::Finished => "the guest left it out".into(),
        Ending::Trouble(line) => format!("the kernel said: {line}"),
        Ending::Silence(limit) => format!("the machine said nothing for {} s", limit.as_secs()),
        Ending::TooLong(limit) => format!("the boot took more than {} s", limit.as_secs()),
        Ending::Stopped => "the machine stopped".into(),
        Ending::Damaged(line) => format!("a report was lost or damaged: {line:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Scenario = Scenario::new("one", &[], |_| Ok(()));
    const TWO: Scenario = Scenario::new("two", &[], |_| Ok(()));
    const GROUP: Group = Group::new("group", &[ONE, TWO]);

    fn heard(messages: Vec<Message>, ending: Ending) -> Heard {
        Heard { messages, ending, console: Vec::new(), boot: None }
    }

    fn begun(name: &str) -> Message {
        Message::Begun { scenario: name.into() }
    }

    fn passed(name: &str) -> Message {
        Message::Passed { scenario: name.into(), millis: 5 }
    }

    fn outcomes(heard: &Heard) -> Vec<(String, Outcome)> {
        let verdicts = judge(&GROUP, &[&ONE, &TWO], heard);
        verdicts.into_iter().map(|verdict| (verdict.scenario, verdict.outcome)).collect()
    }

    #[test]
    fn scenarios_that_report_are_believed() {
        let failed = Message::Failed { scenario: "group/two".into(), millis: 1, reason: "why".into() };
        let heard = heard(
            vec![begun("group/one"), passed("group/one"), begun("group/two"), failed, Message::Finished],
            Ending::Finished,
        );
        let expected =
            [("group/one".into(), Outcome::Passed(5)), ("group/two".into(), Outcome::Failed("why".into()))];
        assert_eq!(outcomes(&heard), expected);
    }

    #[test]
    fn a_scenario_that_did_not_report_has_failed_even_if_the_guest_finished() {
        let heard = heard(vec![passed("group/one"), Message::Finished], Ending::Finished);
        let last = outcomes(&heard).pop().unwrap();
        assert_eq!(
            last,
            ("group/two".into(), Outcome::Failed("was never begun: the guest left it out".into()))
        );
    }

    #[test]
    fn a_panic_fails_the_scenario_that_ran_and_those_after_it() {
        let line = "Kernel panic - not syncing".to_owned();
        let heard = heard(vec![begun("group/one")], Ending::Trouble(line));
        for (name, outcome) in outcomes(&heard) {
            assert!(
                matches!(&outcome, Outcome::Failed(reason) if reason.contains("panic")),
                "{name} {outcome:?}"
            );
        }
    }

    #[test]
    fn trouble_after_the_last_report_fails_the_boot() {
        let heard = heard(
            vec![passed("group/one"), passed("group/two"), Message::Finished],
            Ending::Trouble("BUG: late".into()),
        );
        let last = outcomes(&heard).pop().unwrap();
        assert_eq!(last, ("group/boot".into(), Outcome::Failed("the kernel said: BUG: late".into())));
    }
}
