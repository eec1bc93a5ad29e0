//! How many threads and open files a run may have, by the limits of its process.

use rustix::process::{Resource, getrlimit};

/// How many files a process has room for at first. The kernel makes room for more only when no processor looks one up any
/// more, for which a program of several threads waits ten milliseconds.
const AT_FIRST: u64 = 64;

/// How many levels of directories a walk keeps open on the way down. With those that are lent, and what else a run has
/// open, there is room for them.
const OPEN_LEVELS: usize = 8;

/// How many directories are kept open for those who read files in them.
pub const LENT_LIMIT: usize = 24;

/// Other files that a run has open while it reads modules: what it was started with, the directories that it works in,
/// locks, and the directory that is listed.
const OTHERS: u64 = 16;

/// What a thread has open: the file that it reads, and its directory.
const OF_A_THREAD: u64 = 2;

/// Address space that a thread takes: its stack, and what the allocator reserves for it.
const ADDRESS_SPACE: u64 = 64 << 20;

/// How many levels of directories may be kept open: none if the process may not have many files open.
#[must_use]
pub fn open_levels() -> usize {
    levels(getrlimit(Resource::Nofile).current)
}

/// How many threads there is room for. A process that runs out of address space is aborted; a file that cannot be opened
/// because too many are makes the run fail.
#[must_use]
pub fn threads() -> usize {
    let [space, files] = [Resource::As, Resource::Nofile].map(|resource| getrlimit(resource).current);
    in_address_space(space).min(with_open_files(files))
}

fn levels(open_files: Option<u64>) -> usize {
    if open_files.is_none_or(|limit| limit >= AT_FIRST) { OPEN_LEVELS } else { 0 }
}

fn in_address_space(limit: Option<u64>) -> usize {
    // The first thread has as much as all others together.
    limit.map_or(usize::MAX, |limit| at_least_one(limit / 2 / ADDRESS_SPACE))
}

fn with_open_files(limit: Option<u64>) -> usize {
    let kept = if levels(limit) > 0 { (OPEN_LEVELS + LENT_LIMIT) as u64 } else { 0 };
    limit.map_or(usize::MAX, |limit| at_least_one(limit.saturating_sub(OTHERS + kept) / OF_A_THREAD))
}

fn at_least_one(threads: u64) -> usize {
    usize::try_from(threads).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_threads_and_the_directories_that_are_kept_open_have_room_together() {
        for limit in 18..2000 {
            let kept = if levels(Some(limit)) > 0 { OPEN_LEVELS + LENT_LIMIT } else { 0 };
            let open = OTHERS + OF_A_THREAD * with_open_files(Some(limit)) as u64 + kept as u64;
            assert!(open <= limit, "{limit}: {open}");
        }
        // The least, what a process has room for at first, and what systems give to users.
        assert_eq!([0, 1, 64, 1024].map(|limit| with_open_files(Some(limit))), [1, 1, 8, 488]);
        assert_eq!(with_open_files(None), usize::MAX);
    }

    #[test]
    fn a_thread_has_its_address_space_and_there_is_always_one() {
        assert_eq!([0, 1 << 20, 1 << 30].map(|limit| in_address_space(Some(limit))), [1, 1, 8]);
        assert_eq!(in_address_space(None), usize::MAX);
    }
}
