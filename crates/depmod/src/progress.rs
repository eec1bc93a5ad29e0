//! A progress bar for runs that people wait for: on a terminal only, only after half a second, and never where the
//! terminal is one that somebody logs.

use std::ffi::OsString;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shorter runs are over before a bar could be read.
const PATIENCE: Duration = Duration::from_millis(500);

/// What dpkg sets for the scripts of packages (dpkg(1)). Below apt these run on a terminal of apt's own, everything
/// on which goes into `term.log`.
const SCRIPT_OF_A_PACKAGE: &str = "DPKG_MAINTSCRIPT_PACKAGE";

/// How far the reading of modules is.
pub struct Progress {
    /// How many modules there are, once that is known.
    total: OnceLock<u64>,
    began: Instant,
    bar: OnceLock<ProgressBar>,
}

impl Progress {
    /// Nothing is shown yet. On anything but a terminal nothing ever is.
    #[must_use]
    pub fn begin() -> Self {
        Self { total: OnceLock::new(), began: Instant::now(), bar: OnceLock::new() }
    }

    /// There will be this many modules.
    pub fn expect(&self, total: usize) {
        self.total.get_or_init(|| total as u64);
    }

    /// This many modules are done; some may have been reported before.
    pub fn reached(&self, done: usize) {
        let Some(&total) = self.total.get() else { return };
        if self.bar.get().is_some() || self.began.elapsed() >= PATIENCE {
            self.bar.get_or_init(|| Self::start(total)).set_position(done as u64);
        }
    }

    fn start(total: u64) -> ProgressBar {
        let target = match is_watched(|name| std::env::var_os(name)) {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(total), target);
        let style = ProgressStyle::with_template("reading modules {wide_bar} {pos}/{len}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}

/// Whether a terminal, if there is one, shows people a line that can be taken back, and keeps no record of it.
fn is_watched(variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let dumb = variable("TERM").is_none_or(|terminal| terminal.is_empty() || terminal == "dumb");
    !dumb && variable(SCRIPT_OF_A_PACKAGE).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_for_a_terminal_that_can_take_it_back_and_logs_nothing() {
        let watched = |set: &[(&str, &str)]| {
            is_watched(|name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into()))
        };
        assert!(watched(&[("TERM", "xterm-256color")]));
        assert!(!watched(&[("TERM", "xterm"), ("DPKG_MAINTSCRIPT_PACKAGE", "linux-image-6.1.0-56-amd64")]));
        assert!(!watched(&[("TERM", "dumb")]));
        assert!(!watched(&[("TERM", "")]));
        assert!(!watched(&[]));
    }
}
