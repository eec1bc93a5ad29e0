//! The lines of modutils.d about what the kernel asks for.

use modfile::ModuleName;
use modstate::config::ModutilsConfig;
use modstate::rules::Line;
use modstate::scripts::{Moment, Script};

use super::{ConfigLine, DISTRUSTED, line};
use crate::patterns::{covers, may_meet};
use crate::text;

/// Names by which the kernel may ask for something, in the form in which they are compared.
pub(super) struct Names {
    /// The name that was given.
    pub given: Vec<u8>,
    /// Others of the same module, which may be patterns.
    pub others: Vec<Vec<u8>>,
}

impl Names {
    fn all(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(self.given.as_slice()).chain(self.others.iter().map(Vec::as_slice))
    }

    /// Those that a pattern may stand for.
    pub fn met(&self, pattern: &[u8]) -> Vec<&[u8]> {
        self.all().filter(|name| may_meet(pattern, name)).collect()
    }

    /// `it` for the name that was given.
    fn shown(&self, name: &[u8]) -> String {
        if name == self.given { "it".to_owned() } else { text(name) }
    }

    fn when_asked(&self, name: &[u8]) -> String {
        match name == self.given {
            true => "when the kernel asks".to_owned(),
            false => format!("when the kernel asks for {}", text(name)),
        }
    }
}

/// What is said about requests for these names; `answering` is the module that has them.
pub(super) fn all(config: &ModutilsConfig, names: &Names, answering: Option<&ModuleName>) -> Vec<ConfigLine> {
    let mut lines = denials(config, names);
    lines.extend(exceptions(config, names));
    lines.extend(commands(config, names, answering));
    lines.extend(log(config));
    lines
}

/// A line that concerns some of the names: it counts if it does for one of them.
fn judged<'n>(
    names: &Names,
    met: Vec<&'n [u8]>,
    void: impl Fn(&'n [u8]) -> Option<String>,
    (origin, text): (&Line, String),
) -> Option<ConfigLine> {
    let counting = met.iter().find(|name| void(name).is_none());
    match (counting, met.first()) {
        (Some(name), _) => {
            Some(ConfigLine { note: Some(names.when_asked(name)), ..line(origin, text, None) })
        }
        (None, Some(name)) => Some(line(origin, text, void(name))),
        (None, None) => None,
    }
}

fn denials(config: &ModutilsConfig, names: &Names) -> Vec<ConfigLine> {
    let rules = config.rules();
    let denied: Vec<_> = rules.denied_requests().collect();
    let of = |(place, &(pattern, origin)): (usize, &(&[u8], &Line))| {
        let void = |name: &[u8]| {
            if let Some((_, allowed)) = rules.allowed_requests().find(|(allowed, _)| covers(allowed, name)) {
                return Some(format!("{allowed} allows {}", names.shown(name)));
            }
            let first = denied.iter().take(place).find(|(earlier, _)| covers(earlier, name))?;
            Some(format!("{} says so already", first.1))
        };
        let shown = format!("deny-request {}", text(pattern));
        judged(names, names.met(pattern), void, (origin, shown))
    };
    denied.iter().enumerate().filter_map(of).collect()
}

fn exceptions(config: &ModutilsConfig, names: &Names) -> Vec<ConfigLine> {
    let rules = config.rules();
    let allowed: Vec<_> = rules.allowed_requests().collect();
    let of = |(place, &(pattern, origin)): (usize, &(&[u8], &Line))| {
        let void = |name: &[u8]| {
            if let Some((_, first)) = allowed.iter().take(place).find(|(earlier, _)| covers(earlier, name)) {
                return Some(format!("{first} says so already"));
            }
            let is_denied = rules.denied_requests().any(|(denied, _)| may_meet(denied, name));
            (!is_denied).then(|| format!("nothing denies {}", names.shown(name)))
        };
        let shown = format!("allow-request {}", text(pattern));
        judged(names, names.met(pattern), void, (origin, shown))
    };
    allowed.iter().enumerate().filter_map(of).collect()
}

fn commands(config: &ModutilsConfig, names: &Names, answering: Option<&ModuleName>) -> Vec<ConfigLine> {
    let of_requests = |scripts| -> Vec<&Script> {
        let scripts: std::slice::Iter<'_, Script> = scripts;
        scripts.filter(|script| script.moment == Moment::OnRequest).collect()
    };
    let counting = of_requests(config.scripts().all().iter());
    let of = |(place, script): (usize, &&Script)| {
        let void = |name: &[u8]| {
            if let Some(module) = answering {
                return Some(format!("{module} answers {}", names.shown(name)));
            }
            if let Some(denied) = config.rules().denied(name) {
                return Some(format!("{denied} denies {}", names.shown(name)));
            }
            let first = counting.iter().take(place).find(|earlier| covers(&earlier.names, name))?;
            Some(format!("{} comes before, and only the first counts", first.line))
        };
        judged(names, names.met(&script.names), void, (&script.line, shown(script)))
    };
    let mut lines: Vec<ConfigLine> = counting.iter().enumerate().filter_map(of).collect();
    for script in of_requests(config.scripts().distrusted().iter()) {
        let void = |_: &[u8]| Some(DISTRUSTED.to_owned());
        lines.extend(judged(names, names.met(&script.names), void, (&script.line, shown(script))));
    }
    lines
}

/// A line with a command, as it stands in its file but for what lies between its words.
pub(super) fn shown(script: &Script) -> String {
    format!("{} {} {}", script.moment.word(), text(&script.names), text(&script.command))
}

/// A line without further words.
pub(super) const LOG: &str = "log-requests";

fn log(config: &ModutilsConfig) -> Vec<ConfigLine> {
    let lines = config.log_requests_lines();
    let of = |(place, origin): (usize, &Line)| {
        let first = lines.first().filter(|_| place > 0);
        let void = first.map(|first| format!("{first} says so already"));
        let note = Some(void.clone().unwrap_or_else(|| "when the kernel asks".to_owned()));
        ConfigLine { note, ..line(origin, LOG.to_owned(), void) }
    };
    lines.iter().enumerate().map(of).collect()
}
