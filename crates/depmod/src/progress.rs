//! A progress bar for runs that people wait for: on a terminal only, and only after half a second.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shorter runs are over before a bar could be read.
const PATIENCE: Duration = Duration::from_millis(500);

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

    /// There will be so many modules.
    pub fn expect(&self, total: usize) {
        self.total.get_or_init(|| total as u64);
    }

    /// So many modules are done, of which some may have been done before.
    pub fn reached(&self, done: usize) {
        let Some(&total) = self.total.get() else { return };
        if self.bar.get().is_some() || self.began.elapsed() >= PATIENCE {
            self.bar.get_or_init(|| Self::start(total)).set_position(done as u64);
        }
    }

    fn start(total: u64) -> ProgressBar {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
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
