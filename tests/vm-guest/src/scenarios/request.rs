//! How long the kernel's requests take: for a name that does not exist, so that nothing but modprobe's own start,
//! look-up and end is measured. All sets of tools of the image take turns in one boot.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::expect_requests;
use crate::ask;
use crate::catalog::{Group, Scenario};
use crate::world::{World, point_links_at};

/// Requests per set of tools.
const REQUESTS: usize = 200;
/// Requests until the other set has its turn.
const TURN: usize = 20;
/// The most that the first set may take of the second one's time.
const LIMIT: f64 = 0.6;

/// See the module.
pub const GROUP: Group = Group {
    by_default: false,
    ..Group::new("request", &[Scenario::new("time-of-an-unknown-request", &[], measure).within(300)])
};

fn measure(world: &mut World) -> Result<()> {
    let subjects = world.plan.subjects;
    let mut times = vec![Vec::with_capacity(REQUESTS); subjects];
    for turn in 0..REQUESTS / TURN {
        for (subject, times) in times.iter_mut().enumerate() {
            point_links_at(subject)?;
            if turn == 0 {
                // The first one reads the files of the tool; and it shows that the tool is started at all.
                let mounted = expect_requests(&["fs-nonesuch"], || ask::file_system("nonesuch"))?;
                ensure!(mounted.is_err());
            }
            for _ in 0..TURN {
                let started = Instant::now();
                let mounted = ask::file_system("nonesuch");
                times.push(started.elapsed());
                ensure!(mounted.is_err());
            }
        }
    }
    let medians: Vec<Duration> = times.iter_mut().filter_map(|times| median(times)).collect();
    for (subject, (median, times)) in medians.iter().zip(&times).enumerate() {
        let least = times.first().copied().unwrap_or_default();
        world.note(&format!(
            "subject {subject}: median {} us, minimum {} us, of {} requests",
            median.as_micros(),
            least.as_micros(),
            times.len()
        ))?;
    }
    if let [first, second] = medians.as_slice() {
        let ratio = first.as_secs_f64() / second.as_secs_f64();
        world.note(&format!(
            "subject 0 takes {ratio:.2} of the time of subject 1 (medians), at most {LIMIT}"
        ))?;
        ensure!(ratio <= LIMIT, "subject 0 takes {ratio:.2} of the time of subject 1");
    }
    ensure!(medians.len() == subjects, "a set of tools was not measured");
    medians.first().context("there is no set of tools").map(drop)
}

/// Sorts, and gives the one in the middle.
fn median(times: &mut [Duration]) -> Option<Duration> {
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let mut times = [3, 1, 2].map(Duration::from_millis);
        assert_eq!(median(&mut times), Some(Duration::from_millis(2)));
        assert_eq!(median(&mut []), None);
    }
}
