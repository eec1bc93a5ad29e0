//! What a pass found, as lines for people or as JSON for programs.

use modcli::{json, table};
use modfile::ModuleName;
use modstate::RecordedRole;

use super::policy::{Reason, Verdict};

/// What became of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is still there.
    Found(Verdict),
    /// It was unloaded.
    Removed,
    /// It was to go, and something went wrong.
    Failed,
}

/// One module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub module: ModuleName,
    pub request: Vec<u8>,
    pub role: RecordedRole,
    pub fate: Fate,
}

impl Row {
    fn state(&self) -> &'static str {
        match &self.fate {
            Fate::Removed => "removed",
            Fate::Failed => "failed",
            Fate::Found(Verdict::Goes { .. }) => "goes",
            Fate::Found(Verdict::Mark | Verdict::Waits { .. }) => "idle",
            Fate::Found(Verdict::Stays(reason)) => match reason {
                Reason::HeldBy(_) | Reason::Counted(_) | Reason::CameIntoUse => "in-use",
                Reason::Sign(sign) if sign.is_use() => "in-use",
                _ => "kept",
            },
        }
    }

    fn reason(&self) -> String {
        match &self.fate {
            Fate::Removed => "unloaded".to_owned(),
            Fate::Failed => "could not be unloaded".to_owned(),
            Fate::Found(Verdict::Stays(reason)) => reason.to_string(),
            Fate::Found(Verdict::Mark) => "idle, found in this pass".to_owned(),
            Fate::Found(Verdict::Waits { idle, left }) => {
                format!("idle for {} s, may go in {} s", idle / 1000, left.div_ceil(1000))
            }
            Fate::Found(Verdict::Goes { idle }) => format!("idle for {} s, goes now", idle / 1000),
        }
    }

    fn idle_seconds(&self) -> Option<u64> {
        match self.fate {
            Fate::Found(Verdict::Waits { idle, .. } | Verdict::Goes { idle }) => Some(idle / 1000),
            Fate::Found(Verdict::Mark) => Some(0),
            _ => None,
        }
    }
}

/// A table with a heading; nothing if there is nothing to show.
pub(crate) fn lines(lines: &[Row]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let heading = ["MODULE", "CAME IN BY", "STATE"].map(str::to_owned);
    let rows = lines
        .iter()
        .map(|line| [line.module.as_bytes(), &line.request, line.reason().as_bytes()].map(table::plain));
    table::lines(&[heading].into_iter().chain(rows).collect::<Vec<_>>())
}

/// An array with an object for each module, and a newline.
pub(crate) fn json(lines: &[Row]) -> String {
    json::lines(&lines.iter().map(object).collect::<Vec<_>>())
}

fn object(line: &Row) -> String {
    let role = match line.role {
        RecordedRole::Target => "target",
        RecordedRole::Dependency => "dependency",
    };
    json::object(&[
        ("module", json::bytes(line.module.as_bytes())),
        ("request", json::bytes(&line.request)),
        ("role", json::string(role)),
        ("state", json::string(line.state())),
        ("idle_seconds", json::optional(line.idle_seconds().map(|seconds| seconds.to_string()))),
        ("reason", json::string(&line.reason())),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(module: &str, fate: Fate) -> Row {
        Row { module: module.into(), request: b"fs-x".to_vec(), role: RecordedRole::Target, fate }
    }

    #[test]
    fn people_get_a_table() {
        let text = lines(&[
            line("a", Fate::Removed),
            line("long_name", Fate::Found(Verdict::Waits { idle: 1500, left: 58_500 })),
            line("b", Fate::Found(Verdict::Stays(Reason::HeldBy(vec!["c".into()])))),
        ]);
        assert_eq!(
            text,
            "MODULE     CAME IN BY  STATE\n\
             a          fs-x        unloaded\n\
             long_name  fs-x        idle for 1 s, may go in 59 s\n\
             b          fs-x        used by c\n"
        );
        assert_eq!(lines(&[]), "");
    }

    #[test]
    fn programs_get_json_whatever_is_in_the_names() {
        let hostile = Row { request: b"a\"\\\n\xff".to_vec(), ..line("m", Fate::Removed) };
        assert_eq!(
            json(&[hostile, line("n", Fate::Found(Verdict::Mark))]),
            "[\n{\"module\":\"m\",\"request\":{\"bytes\":\"61225c0aff\"},\"role\":\"target\",\
             \"state\":\"removed\",\"idle_seconds\":null,\"reason\":\"unloaded\"},\n{\"module\":\"n\",\
             \"request\":\"fs-x\",\"role\":\"target\",\"state\":\"idle\",\"idle_seconds\":0,\"reason\":\
             \"idle, found in this pass\"}\n]\n"
        );
        assert_eq!(json(&[]), "[]\n");
    }
}
