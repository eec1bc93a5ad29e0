//! Does the same work on many items, several at a time; the result does not depend on how many.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// How the items of a run are spread over threads.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    /// Threads at most; `None` for one per processor.
    pub jobs: Option<NonZero<usize>>,
    /// Items that a thread takes at a time: enough that taking them does not matter.
    pub batch: usize,
}

/// Applies `work` to the numbers below `count`, in order of the numbers. Each thread has a workspace of its own.
pub fn map<W: Default, T: Send>(
    count: usize,
    spread: Spread,
    work: impl Fn(usize, &mut W) -> T + Sync,
) -> Vec<T> {
    let processors = || thread::available_parallelism().map_or(1, NonZero::get);
    let batch = spread.batch.max(1);
    let threads = spread.jobs.map_or_else(processors, NonZero::get).min(count.div_ceil(batch));
    if threads <= 1 {
        let mut workspace = W::default();
        return (0..count).map(|number| work(number, &mut workspace)).collect();
    }
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(count));
    let take_batches = || {
        let mut workspace = W::default();
        let mut own = Vec::new();
        loop {
            let start = next.fetch_add(batch, Ordering::Relaxed);
            if start >= count {
                break;
            }
            let end = start.saturating_add(batch).min(count);
            own.extend((start..end).map(|number| (number, work(number, &mut workspace))));
        }
        results.lock().unwrap_or_else(PoisonError::into_inner).extend(own);
    };
    thread::scope(|scope| {
        // The calling thread is one of them.
        for _ in 1..threads {
            scope.spawn(take_batches);
        }
        take_batches();
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_unstable_by_key(|&(number, _)| number);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_however_many_threads_there_are() {
        for jobs in [1, 2, 3, 16] {
            for count in [0, 1, 7, 100] {
                let spread = Spread { jobs: NonZero::new(jobs), batch: 3 };
                let squares = map(count, spread, |number, workspace: &mut usize| {
                    *workspace += 1;
                    number * number
                });
                assert_eq!(squares, (0..count).map(|number| number * number).collect::<Vec<_>>());
            }
        }
    }
}
