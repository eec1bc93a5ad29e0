//! Does the same work on many items, several at a time; the result does not depend on how many.

use std::num::NonZero;
use std::sync::mpsc::{self, TrySendError};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// How the items of a run are spread over threads.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    /// Threads at most; `None` for one per processor.
    pub jobs: Option<NonZero<usize>>,
    /// Items that a thread takes at a time: enough that taking them does not matter.
    pub batch: usize,
    /// Batches that wait for a thread at most: whoever finds more of them does one in between.
    pub waiting: usize,
}

/// Batches that may wait where nothing is kept open for them: more than there are files in a database.
pub const AT_LEISURE: usize = 32;

impl Spread {
    fn threads(self) -> usize {
        let processors = || thread::available_parallelism().map_or(1, NonZero::get);
        self.jobs.map_or_else(processors, NonZero::get).min(affordable())
    }
}

/// Address space that a thread takes: its stack, and what the allocator reserves for it.
const ADDRESS_SPACE: u64 = 64 << 20;

/// How many threads there is room for, where address space is limited: a process that runs out of it is aborted.
fn affordable() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::As).current;
    limit.map_or(usize::MAX, |limit| {
        // The first thread has as much as all others together.
        usize::try_from(limit / 2 / ADDRESS_SPACE).unwrap_or(usize::MAX).max(1)
    })
}

/// Applies `work` to the numbers below `count`, in order of the numbers. Each thread has a workspace of its own.
pub fn map<W: Default, T: Send>(
    count: usize,
    spread: Spread,
    work: impl Fn(usize, &mut W) -> T + Sync,
) -> Vec<T> {
    stream(spread, |hand_out| (0..count).for_each(hand_out), work).1
}

/// Applies `work` to each item that `find` hands out, while that still looks for more. The calling thread runs
/// `find`, works itself where enough items wait, and then helps; with one thread nothing happens at the same time.
/// Returns what `find` returns, and the results in the order in which the items were handed out.
pub fn stream<I: Send, W: Default, T: Send, F>(
    spread: Spread,
    find: impl FnOnce(&mut dyn FnMut(I)) -> F,
    work: impl Fn(I, &mut W) -> T + Sync,
) -> (F, Vec<T>) {
    let threads = spread.threads();
    let (sender, receiver) = mpsc::sync_channel::<Batch<I>>(spread.waiting);
    let receiver = Mutex::new(receiver);
    let results = Mutex::new(Vec::new());
    let take_batches = |mut worker: Worker<W, T>| {
        loop {
            let batch = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(batch) = batch else { break };
            worker.take(batch, &work);
        }
        results.lock().unwrap_or_else(PoisonError::into_inner).extend(worker.done);
    };
    let found = thread::scope(|scope| {
        let mut helpers = 1..threads;
        let mut own = Worker::default();
        let mut handed_out = 0_usize;
        let mut items = Vec::new();
        let send = |own: &mut Worker<W, T>, batch| match sender.try_send(batch) {
            // The receiver outlives all threads.
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
            Err(TrySendError::Full(batch)) => own.take(batch, &work),
        };
        let found = find(&mut |item| {
            items.push(item);
            if items.len() >= spread.batch {
                send(&mut own, Batch { first: handed_out, items: std::mem::take(&mut items) });
                handed_out = handed_out.saturating_add(spread.batch.max(1));
                if helpers.next().is_some() {
                    // Where no more threads are allowed, those that there are do the work.
                    let _ = thread::Builder::new().spawn_scoped(scope, || take_batches(Worker::default()));
                }
            }
        });
        send(&mut own, Batch { first: handed_out, items });
        drop(sender);
        take_batches(own);
        found
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_unstable_by_key(|&(first, _)| first);
    let mut all = Vec::with_capacity(results.iter().map(|(_, done)| done.len()).sum());
    results.into_iter().for_each(|(_, done)| all.extend(done));
    (found, all)
}

/// What a thread takes at a time.
struct Batch<I> {
    /// The number of the first of them.
    first: usize,
    items: Vec<I>,
}

/// What a thread has done.
struct Worker<W, T> {
    workspace: W,
    done: Vec<(usize, Vec<T>)>,
}

impl<W: Default, T> Default for Worker<W, T> {
    fn default() -> Self {
        Self { workspace: W::default(), done: Vec::new() }
    }
}

impl<W, T> Worker<W, T> {
    fn take<I>(&mut self, batch: Batch<I>, work: &impl Fn(I, &mut W) -> T) {
        let done = batch.items.into_iter().map(|item| work(item, &mut self.workspace)).collect();
        self.done.push((batch.first, done));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn results_come_in_order_however_many_threads_there_are() {
        for jobs in [1, 2, 3, 16] {
            for count in [0, 1, 7, 100] {
                let spread = Spread { jobs: NonZero::new(jobs), batch: 3, waiting: 2 };
                let squares = map(count, spread, |number, workspace: &mut usize| {
                    *workspace += 1;
                    number * number
                });
                assert_eq!(squares, (0..count).map(|number| number * number).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn work_begins_while_more_is_looked_for_unless_there_is_one_thread() {
        let begun_before_the_end = |jobs| {
            let begun = AtomicUsize::new(0);
            let spread = Spread { jobs: NonZero::new(jobs), batch: 1, waiting: 2 };
            let (seen, results) = stream(
                spread,
                |hand_out| {
                    hand_out("first");
                    while jobs > 1 && begun.load(Ordering::Relaxed) == 0 {
                        thread::yield_now();
                    }
                    let seen = begun.load(Ordering::Relaxed);
                    hand_out("second");
                    seen
                },
                |item, (): &mut ()| {
                    begun.fetch_add(1, Ordering::Relaxed);
                    item.len()
                },
            );
            assert_eq!(results, [5, 6]);
            seen
        };
        assert_eq!(begun_before_the_end(1), 0);
        assert_eq!(begun_before_the_end(2), 1);
    }

    #[test]
    fn whoever_finds_more_than_may_wait_works_in_between() {
        let done = AtomicUsize::new(0);
        let spread = Spread { jobs: NonZero::new(1), batch: 3, waiting: 2 };
        let find = |hand_out: &mut dyn FnMut(usize)| {
            for number in 0..100 {
                hand_out(number);
                let waiting = number + 1 - done.load(Ordering::Relaxed);
                assert!(waiting <= 3 * 2 + 2, "{number}");
            }
        };
        let ((), results) = stream(spread, find, |number, (): &mut ()| {
            done.fetch_add(1, Ordering::Relaxed);
            number
        });
        assert_eq!(results, (0..100).collect::<Vec<_>>());
    }
}
