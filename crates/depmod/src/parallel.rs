//! Does the same work on many items, several at a time; the result does not depend on how many.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::room;

/// How the items of a run are spread over threads.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    /// Threads at most; `None` for one per processor.
    pub jobs: Option<NonZero<usize>>,
    /// Items that a thread takes at a time: enough that taking them does not matter.
    pub batch: usize,
    /// When whoever finds items works on some in between, and not only at the end.
    pub in_between: Option<InBetween>,
}

/// When whoever finds items works on some in between.
#[derive(Clone, Copy, Debug)]
pub struct InBetween {
    /// While so many batches wait for a thread: something is kept open for them.
    pub waiting: usize,
    /// And the work began no longer ago than this: in the end people want to know how many items there are.
    pub within: Duration,
}

impl Spread {
    fn threads(self) -> usize {
        let processors = || thread::available_parallelism().map_or(1, NonZero::get);
        self.jobs.map_or_else(processors, NonZero::get).min(room::threads())
    }
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
/// `find`, with some of the work [in between](Spread::in_between), and then helps, so that with one thread nothing happens
/// at the same time.
/// Returns what `find` returns, and the results in the order in which the items were handed out.
pub fn stream<I: Send, W: Default, T: Send, F>(
    spread: Spread,
    find: impl FnOnce(&mut dyn FnMut(I)) -> F,
    work: impl Fn(I, &mut W) -> T + Sync,
) -> (F, Vec<T>) {
    let threads = spread.threads();
    let began = Instant::now();
    let waiting = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel::<Batch<I>>();
    let receiver = Mutex::new(receiver);
    let results = Mutex::new(Vec::new());
    let take_batches = |mut worker: Worker<W, T>| {
        loop {
            let batch = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(batch) = batch else { break };
            waiting.fetch_sub(1, Ordering::Relaxed);
            worker.take(batch, &work);
        }
        results.lock().unwrap_or_else(PoisonError::into_inner).extend(worker.done);
    };
    let found = thread::scope(|scope| {
        let mut helpers = 1..threads;
        let mut own = Worker::default();
        let mut handed_out = 0_usize;
        let mut items = Vec::new();
        let is_enough = |InBetween { waiting: most, within }: InBetween| {
            waiting.load(Ordering::Relaxed) >= most && began.elapsed() < within
        };
        let send = |own: &mut Worker<W, T>, batch| {
            if spread.in_between.is_some_and(is_enough) {
                own.take(batch, &work);
            } else {
                waiting.fetch_add(1, Ordering::Relaxed);
                // The receiver outlives all threads, so sending never fails.
                drop(sender.send(batch));
            }
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
    use super::*;

    #[test]
    fn results_come_in_order_however_many_threads_there_are() {
        let often = InBetween { waiting: 1, within: Duration::MAX };
        for (jobs, in_between) in
            [1, 2, 3, 16].into_iter().flat_map(|jobs| [(jobs, None), (jobs, Some(often))])
        {
            for count in [0, 1, 7, 100] {
                let spread = Spread { jobs: NonZero::new(jobs), batch: 3, in_between };
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
            let spread = Spread { jobs: NonZero::new(jobs), batch: 1, in_between: None };
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
    fn whoever_finds_more_than_may_wait_works_in_between_in_the_first_moments() {
        for (within, in_between) in [(Duration::MAX, true), (Duration::ZERO, false)] {
            let done = AtomicUsize::new(0);
            let in_between_of = Some(InBetween { waiting: 2, within });
            let spread = Spread { jobs: NonZero::new(1), batch: 3, in_between: in_between_of };
            let find = |hand_out: &mut dyn FnMut(usize)| {
                (0..100)
                    .map(|number| {
                        hand_out(number);
                        number + 1 - done.load(Ordering::Relaxed)
                    })
                    .max()
            };
            let (most, results) = stream(spread, find, |number, (): &mut ()| {
                done.fetch_add(1, Ordering::Relaxed);
                number
            });
            // Two batches, and the one that is begun.
            assert_eq!(most, Some(if in_between { 2 * 3 + 2 } else { 100 }));
            assert_eq!(results, (0..100).collect::<Vec<_>>());
        }
    }
}
