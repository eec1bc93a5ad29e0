//! Publishing a database under faults: whatever fails or kills depmod, each file is whole, old or new.

// long: one fault after the other, each shown whole
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed expectation is how a test speaks"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustix::fs::{FlockOperation, flock};

use crate::world::trace::{
    Call, calls, can_be_done_without, is_of_a_module, is_rename, publishing, trace, working,
};
use crate::world::{
    DEPMOD, OUTPUTS, VERSION, assert_clean, build, copy, database, depmod, directory, has, leftovers, stderr,
    tree, without_privileges,
};

mod world;

type Database = BTreeMap<&'static str, Vec<u8>>;

/// A tree whose database is old, and both complete databases.
struct Stage {
    temporary: tempfile::TempDir,
    old: Database,
    new: Database,
    /// Copies made so far.
    copies: AtomicUsize,
}

impl Stage {
    fn new() -> Self {
        Self::below(&std::env::temp_dir())
    }

    fn below(place: &Path) -> Self {
        let temporary = tempfile::tempdir_in(place).unwrap();
        let root = temporary.path().join("template");
        let reference = temporary.path().join("new");
        tree("old").write(&root).unwrap();
        build(&root, &["-a"]);
        let old = database(&root);
        // An old database by its time too, so that -A sees the change.
        let long_ago = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        File::open(directory(&root).join("modules.dep")).unwrap().set_modified(long_ago).unwrap();
        fs::remove_file(directory(&root).join("kernel/old.ko")).unwrap();
        tree("new").write(&root).unwrap();
        copy(&root, &reference);
        build(&reference, &["-a"]);
        let new = database(&reference);
        for name in OUTPUTS {
            assert!(old.contains_key(name) && old.get(name) != new.get(name), "{name} shows no generation");
        }
        Self { temporary, old, new, copies: AtomicUsize::new(0) }
    }

    /// A copy of the tree with the old database.
    fn root(&self) -> PathBuf {
        self.copy_of(&self.temporary.path().join("template"))
    }

    fn copy_of(&self, from: &Path) -> PathBuf {
        let number = self.copies.fetch_add(1, Ordering::Relaxed);
        let root = self.temporary.path().join(format!("root-{number}"));
        copy(from, &root);
        root
    }

    /// How much of the new database is there. Each file must be whole, of this or that generation.
    fn state(&self, root: &Path, what: &str) -> State {
        let found = database(root);
        let mut fresh = 0;
        for name in OUTPUTS {
            let content = found.get(name);
            assert!(content.is_some(), "{what}: {name} is gone");
            assert!(
                content == self.old.get(name) || content == self.new.get(name),
                "{what}: {name} is damaged"
            );
            fresh += usize::from(content == self.new.get(name));
        }
        match fresh {
            0 => State::Old,
            all if all == OUTPUTS.len() => State::New,
            _ => State::Mixed,
        }
    }

    fn assert_complete(&self, root: &Path, what: &str) {
        assert_eq!(self.state(root, what), State::New, "{what}");
        assert_clean(root);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Old,
    Mixed,
    New,
}

/// Does the work on all items, two at a time.
fn in_parallel<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    work(item);
                }
            });
        }
    });
}

/// Every fault at every call with `FAULTS=all`; otherwise one of them at each, in turn.
fn faults(place: usize) -> Vec<(&'static str, &'static str)> {
    let all = [
        ("EIO", "Input/output error"),
        ("ENOMEM", "Cannot allocate memory"),
        ("EMFILE", "Too many open files"),
        ("ENOSPC", "No space left on device"),
        ("EINTR", "Interrupted system call"),
    ];
    if std::env::var_os("FAULTS").is_some() {
        return all.to_vec();
    }
    vec![all[place % 5]]
}

#[test]
fn a_failure_at_any_system_call_leaves_the_old_database_or_the_new_one_and_is_told() {
    if !has("strace", &["--version"]) {
        return;
    }
    let stage = Stage::new();
    let (_, normal) = trace(&stage.root(), &[], &["-a"]);
    let points = working(&calls(&normal));
    assert!(points.len() > 8 * OUTPUTS.len(), "only {} calls:\n{normal}", points.len());
    let first_rename = points.iter().position(is_rename).unwrap();
    let last_rename = points.iter().rposition(is_rename).unwrap();
    // What closing says is of no interest: everything is synced before it is closed.
    let cases: Vec<(usize, &str, &str)> = (0..points.len())
        .filter(|&place| points[place].name != "close")
        .flat_map(|place| faults(place).into_iter().map(move |(errno, reason)| (place, errno, reason)))
        .collect();
    in_parallel(&cases, |&(place, errno, reason)| {
        let call = points.get(place).unwrap();
        let root = stage.root();
        let inject = format!("{}:error={errno}:when={}", call.name, call.ordinal);
        let (output, log) = trace(&root, &["-e".into(), format!("inject={inject}")], &["-a"]);
        let what = format!("{inject} at {}", call.text);
        assert!(log.contains("(INJECTED)"), "{what}: not reached\n{log}");
        let said = stderr(&output);
        let leftovers = leftovers(&root);
        match output.status.code() {
            Some(0) => {
                let is_harmless = can_be_done_without(call) || errno == "EINTR";
                assert!(is_harmless || said.contains(reason), "{what}: success all the same");
                assert_eq!(stage.state(&root, &what), State::New, "{what}: {said}");
                // Nobody can take away what cannot be taken away.
                assert!(leftovers.is_empty() || call.name == "unlinkat", "{what}: {leftovers:?}");
            }
            Some(1) => {
                assert!(said.contains(reason), "{what} is not told: {said}");
                if is_of_a_module(&points, place) {
                    assert_eq!(database(&root).len(), OUTPUTS.len(), "{what}");
                } else {
                    let state = stage.state(&root, &what);
                    assert_eq!(state == State::Old, place <= first_rename, "{what}: {state:?} {said}");
                    assert_eq!(state == State::New, place > last_rename, "{what}: {state:?} {said}");
                }
                let mixed = (first_rename + 1..=last_rename + 2).contains(&place);
                assert_eq!(leftovers, if mixed { vec![".depmod-running"] } else { vec![] }, "{what}");
                build(&root, &["-A"]);
                stage.assert_complete(&root, &what);
            }
            other => panic!("{what}: ended with {other:?}: {said}"),
        }
        fs::remove_dir_all(root).unwrap();
    });
}

#[test]
fn a_failure_where_there_was_no_database_leaves_all_of_one_or_is_told() {
    if !has("strace", &["--version"]) {
        return;
    }
    let stage = Stage::new();
    let without = || {
        let root = stage.root();
        OUTPUTS.iter().for_each(|name| fs::remove_file(directory(&root).join(name)).unwrap());
        root
    };
    let (_, normal) = trace(&without(), &[], &["-a"]);
    // The lock is made before anything else.
    let points = publishing(&calls(&normal));
    let is_made = |call: &Call| call.text.contains("O_CREAT") && !call.text.contains("running");
    let points = points.split_at(points.iter().position(is_made).unwrap()).1;
    let writes_before_the_last_file_is_made = {
        let first_sync = points.iter().position(|call| call.name == "fsync").unwrap();
        points.iter().take(first_sync).filter(|call| call.name == "write").count()
    };
    assert!(writes_before_the_last_file_is_made >= OUTPUTS.len(), "{normal}");
    let tried_again = AtomicUsize::new(0);
    let places: Vec<usize> = (0..points.len()).filter(|&place| points[place].name != "close").collect();
    in_parallel(&places, |&place| {
        let call = points.get(place).unwrap();
        let root = without();
        let (errno, reason) = faults(place)[0];
        let inject = format!("{}:error={errno}:when={}", call.name, call.ordinal);
        let (output, log) = trace(&root, &["-e".into(), format!("inject={inject}")], &["-a"]);
        let what = format!("{inject} at {}", call.text);
        assert!(log.contains("(INJECTED)"), "{what}: not reached\n{log}");
        if output.status.success() {
            assert_eq!(stage.state(&root, &what), State::New, "{what}");
            assert!(leftovers(&root).is_empty() || call.name == "unlinkat", "{what}: {:?}", leftovers(&root));
            tried_again.fetch_add(usize::from(call.name == "write" && errno != "EINTR"), Ordering::Relaxed);
        } else {
            let said = stderr(&output);
            assert!(output.status.code() == Some(1) && said.contains(reason), "{what} is not told: {said}");
            let is_mixed = !database(&root).is_empty();
            assert_eq!(leftovers(&root), if is_mixed { vec![".depmod-running"] } else { vec![] }, "{what}");
            build(&root, &[if is_mixed { "-A" } else { "-a" }]);
            stage.assert_complete(&root, &what);
        }
    });
    assert!(tried_again.into_inner() > 0, "a file that could not be written at first was never tried again");
}

#[test]
fn a_kernel_without_a_call_for_what_stays_inside_of_a_directory_will_do() {
    if !has("strace", &["--version"]) {
        return;
    }
    let stage = Stage::new();
    let root = stage.root();
    let (output, log) = trace(&root, &["-e".into(), "inject=openat2:error=ENOSYS".into()], &["-a"]);
    assert!(log.contains("(INJECTED)") && output.status.success(), "{}", stderr(&output));
    stage.assert_complete(&root, "without openat2");
}

#[test]
fn a_run_that_is_killed_at_any_system_call_of_publishing_is_repaired_by_the_next() {
    if !has("strace", &["--version"]) {
        return;
    }
    let stage = Stage::new();
    let (_, normal) = trace(&stage.root(), &[], &["-a"]);
    let points = publishing(&calls(&normal));
    let first_rename = points.iter().position(is_rename).unwrap();
    let seen_mixed = AtomicUsize::new(0);
    let seen_leftovers = AtomicUsize::new(0);
    let places: Vec<usize> = (0..points.len()).collect();
    in_parallel(&places, |&place| {
        let call = points.get(place).unwrap();
        let root = stage.root();
        let inject = format!("{}:signal=KILL:when={}", call.name, call.ordinal);
        let (output, _) = trace(&root, &["-e".into(), format!("inject={inject}")], &["-a"]);
        let what = format!("{inject} at {}", call.text);
        assert_eq!(output.status.signal(), Some(9), "{what}");
        let state = stage.state(&root, &what);
        assert!(place > first_rename || state == State::Old, "{what}: {state:?}");
        seen_mixed.fetch_add(usize::from(state == State::Mixed), Ordering::Relaxed);
        seen_leftovers.fetch_add(leftovers(&root).len(), Ordering::Relaxed);
        let other = stage.copy_of(&root);
        for (root, option) in [(root, "-A"), (other, "-a")] {
            build(&root, &[option]);
            stage.assert_complete(&root, &format!("{what}, then {option}"));
            fs::remove_dir_all(root).unwrap();
        }
    });
    assert_eq!(seen_mixed.into_inner(), OUTPUTS.len() - 1, "each rename but the first is a state of its own");
    assert!(seen_leftovers.into_inner() > OUTPUTS.len(), "temporary files were never left");
}

#[test]
fn a_run_that_is_killed_while_it_writes_its_cache_leaves_the_old_one_or_the_new_one() {
    if !has("strace", &["--version"]) {
        return;
    }
    // In memory, whose times are believed: an overlay's, as that of a container, are not.
    let stage = Stage::below(Path::new("/dev/shm"));
    let root = stage.root();
    let [cache, first] = ["cache", "first"].map(|name| root.with_extension(name));
    let with_cache = |cache: &Path| ["--cache".to_owned(), cache.display().to_string(), "--json".to_owned()];
    let summary = |options: &[&str]| {
        let output = depmod(&root, options).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    // Modules are remembered as soon as they are old enough, which some may be before the others.
    let written = (0..10_000)
        .find(|_| summary(&with_cache(&first).each_ref().map(String::as_str)).contains("\"read\":0,"));
    assert!(written.is_some(), "the cache never held all modules");
    let (_, normal) = trace(&root, &[], &with_cache(&cache).each_ref().map(String::as_str));
    let calls = calls(&normal);
    let start = calls.iter().position(|call| call.text.contains("cache.") && call.text.contains("O_CREAT"));
    let end = calls.iter().rposition(|call| is_rename(call) && call.text.contains("/root-0.cache\""));
    let (start, end) = (start.expect("a temporary file"), end.expect("it is renamed"));
    assert!(start + 2 <= end, "{normal}");
    // The last one is the first call after the cache was renamed.
    for (place, call) in calls.iter().enumerate().take(end + 2).skip(start) {
        let _ = fs::remove_file(&cache);
        let inject = format!("{}:signal=KILL:when={}", call.name, call.ordinal);
        let (output, _) = trace(
            &root,
            &["-e".into(), format!("inject={inject}")],
            &with_cache(&cache).each_ref().map(String::as_str),
        );
        let what = format!("{inject} at {}", call.text);
        assert_eq!(output.status.signal(), Some(9), "{what}");
        assert_eq!(cache.exists(), place > end, "{what}");
        // The modules are all in it, or it is not there; the run after that mends it.
        let remembered = place > end;
        for is_whole in [remembered, true] {
            let summary = summary(&with_cache(&cache).each_ref().map(String::as_str));
            assert_eq!(summary.contains("\"read\":0,"), is_whole, "{what}: {summary}");
        }
        stage.assert_complete(&root, &what);
    }
}

#[test]
fn everything_is_on_disk_before_the_first_rename_and_modules_dep_comes_last_with_the_time_of_the_start() {
    if !has("strace", &["--version"]) {
        return;
    }
    let stage = Stage::new();
    let root = stage.root();
    let (output, log) = trace(&root, &[], &["-a"]);
    assert!(output.status.success());
    let calls = calls(&log);
    let places = |is: &dyn Fn(&Call) -> bool| -> Vec<usize> {
        calls.iter().enumerate().filter(|(_, call)| is(call)).map(|(place, _)| place).collect()
    };
    let renames = places(&is_rename);
    let syncs = places(&|call| call.name == "fsync" && call.text.ends_with("= 0"));
    assert_eq!((renames.len(), syncs.len()), (OUTPUTS.len(), OUTPUTS.len() + 1), "{log}");
    assert!(syncs[OUTPUTS.len() - 1] < renames[0], "{log}");
    assert!(syncs[OUTPUTS.len()] > renames[OUTPUTS.len() - 1], "the directory is not synced: {log}");
    let descriptor = |place: usize| calls[place].text.split(['(', ',', ')']).nth(1).map(str::to_owned);
    for write in places(&|call| call.name == "write") {
        let synced = syncs.iter().find(|&&sync| sync > write && descriptor(sync) == descriptor(write));
        assert!(synced.is_some_and(|&sync| sync < renames[0]), "not synced: {}", calls[write].text);
    }
    let last = &calls[renames[OUTPUTS.len() - 1]];
    assert!(last.text.contains(" \"modules.dep\""), "{}", last.text);

    // The time lies between the start of the program and the first look at the module directory.
    let microseconds = |line: &str| -> i64 {
        let (seconds, fraction) = line.split_whitespace().nth(1).unwrap().split_once('.').unwrap();
        format!("{seconds}{fraction}").parse().unwrap()
    };
    let started = microseconds(log.lines().next().unwrap());
    let scanned = log.lines().find(|line| line.contains("getdents64(")).map(microseconds).unwrap();
    let metadata = fs::metadata(directory(&root).join("modules.dep")).unwrap();
    let modified = metadata.modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
    let modified = i64::try_from(modified.as_micros()).unwrap();
    assert!((started..=scanned).contains(&modified), "{started} {modified} {scanned}");
}

#[test]
fn also_files_that_are_written_at_the_same_time_are_on_disk_before_the_first_rename() {
    if !has("strace", &["--version"]) {
        return;
    }
    let stage = Stage::new();
    let root = stage.root();
    let (output, log) = trace(&root, &[], &["-a", "-j4"]);
    assert!(output.status.success());
    let threads: BTreeSet<&str> = log.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(threads.len() >= 4, "not at the same time: {log}");
    let lines: Vec<&str> = log.lines().collect();
    let first_rename = lines.iter().position(|line| line.contains("rename")).unwrap();
    let ended = |line: &&&str| line.contains("fsync") && line.ends_with("= 0");
    assert_eq!(lines[..first_rename].iter().filter(ended).count(), OUTPUTS.len(), "{log}");
    stage.assert_complete(&root, "written at the same time");
}

#[test]
fn where_no_thread_may_be_started_one_does_it_all() {
    if !has("strace", &["--version"]) {
        return;
    }
    let stage = Stage::new();
    let root = stage.root();
    let inject = "inject=clone,clone3:error=EAGAIN".to_owned();
    let (output, log) = trace(&root, &["-e".into(), inject], &["-a", "-j4"]);
    assert!(log.contains("(INJECTED)"), "no thread was asked for: {log}");
    assert!(output.status.success() && stderr(&output).is_empty(), "{}", stderr(&output));
    stage.assert_complete(&root, "without threads");
}

#[test]
fn a_file_that_cannot_be_synced_while_others_are_changes_nothing() {
    if !has("strace", &["--version"]) {
        return;
    }
    let stage = Stage::new();
    // strace counts for each thread, so that the first call of every one fails.
    for inject in ["fsync:error=EIO:when=1", "write:error=ENOSPC:when=1", "fsync:signal=KILL:when=1"] {
        let root = stage.root();
        let (output, log) = trace(&root, &["-e".into(), format!("inject={inject}")], &["-a", "-j4"]);
        assert!(!output.status.success(), "{inject}: {log}");
        assert_eq!(stage.state(&root, inject), State::Old, "{inject}");
        if output.status.signal().is_none() {
            assert!(stderr(&output).contains("no file of the database was changed"), "{}", stderr(&output));
            assert_clean(&root);
        }
        build(&root, &["-A"]);
        stage.assert_complete(&root, inject);
    }
}

#[test]
fn several_depmods_at_once_on_one_directory_leave_one_complete_database() {
    let stage = Stage::new();
    for _ in 0..5 {
        let root = stage.root();
        let start = |option: &&str| depmod(&root, &[*option]).stderr(Stdio::piped()).spawn().unwrap();
        let children: Vec<_> = ["-a", "-A", "-a", "-a"].iter().map(start).collect();
        for child in children {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", stderr(&output));
        }
        stage.assert_complete(&root, "four at once");
    }
}

#[test]
fn another_run_is_waited_for_and_the_wait_is_told() {
    let stage = Stage::new();
    let root = stage.root();
    let lock = File::create_new(directory(&root).join(".depmod-running")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    let mut child = depmod(&root, &["-a"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    let expected = format!("depmod: WARNING: waiting for another depmod in {}\n", directory(&root).display());
    assert_eq!(line, expected);
    assert_eq!(stage.state(&root, "while the lock is held"), State::Old);
    assert_eq!(leftovers(&root), [".depmod-running"]);
    flock(&lock, FlockOperation::Unlock).unwrap();
    assert!(child.wait().unwrap().success());
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
    stage.assert_complete(&root, "after the lock was given back");
}

#[test]
fn who_locks_the_directory_does_not_wait_for_his_own_depmod() {
    let stage = Stage::new();
    let root = stage.root();
    let lock = File::open(directory(&root)).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    build(&root, &["-a"]);
    stage.assert_complete(&root, "with the directory locked");
}

#[test]
fn show_takes_no_lock_and_writes_nothing() {
    let stage = Stage::new();
    let root = stage.root();
    let lock = File::create_new(directory(&root).join(".depmod-running")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    let output = depmod(&root, &["-n"]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", stderr(&output));
    let shown: Vec<u8> = OUTPUTS
        .iter()
        .filter(|name| !name.ends_with(".bin"))
        .flat_map(|name| stage.new.get(name).unwrap().clone())
        .collect();
    assert_eq!(output.stdout, shown);
    assert_eq!(stage.state(&root, "-n"), State::Old);
}

#[test]
fn show_to_a_full_device_fails() {
    let stage = Stage::new();
    let mut command = depmod(&stage.root(), &["-n"]);
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = command.stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output), "depmod: ERROR: could not write standard output: No space left on device\n");
}

/// Runs a script with a small file system of its own mounted on `$1`, which holds a copy of the tree `$2`;
/// afterwards that is copied to `$3`. `$4` is our depmod.
fn on_own_file_system(stage: &Stage, size: &str, script: &str) -> (Output, PathBuf) {
    let mount = stage.temporary.path().join("mount");
    fs::create_dir_all(&mount).unwrap();
    let number = stage.copies.fetch_add(1, Ordering::Relaxed);
    let result = stage.temporary.path().join(format!("root-{number}"));
    let script = format!(
        "mount -t tmpfs -o size={size},mode=755 tmpfs \"$1\"; cp -a \"$2/.\" \"$1\"\n\
         run() {{ \"$4\" -b \"$1\" -C \"$1/etc/depmod.d\" -a {VERSION}; status=$?; }}\n\
         status=none; {script}\n\
         cp -a \"$1\" \"$3\"; exit $status"
    );
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-uc", &script, "sh"])
        .arg(&mount)
        .arg(stage.temporary.path().join("template"))
        .arg(&result)
        .arg(DEPMOD)
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    (output, result)
}

#[test]
fn a_full_disk_changes_nothing_however_little_is_missing() {
    if !has("unshare", &["--user", "--map-root-user", "--mount", "true"]) {
        return;
    }
    let stage = Stage::new();
    let mut failed = 0;
    // Pages that are left free: each file takes one.
    for free in 0..=13 {
        let script = format!(
            "cat /dev/zero > \"$1/filler\" 2>/dev/null; \
             truncate -s $(( $(stat -c %s \"$1/filler\") - {free} * 4096 )) \"$1/filler\"; run \"$@\"; rm \"$1/filler\""
        );
        let (output, root) = on_own_file_system(&stage, "512k", &script);
        let said = stderr(&output);
        match output.status.code() {
            Some(0) => stage.assert_complete(&root, &said),
            Some(1) => {
                failed += 1;
                assert!(said.contains("No space left on device"), "{free} free: {said}");
                assert!(said.contains("/modules.") || said.contains(".depmod-"), "{free} free: {said}");
                assert_eq!(stage.state(&root, &said), State::Old, "{free} free");
                assert_clean(&root);
            }
            other => panic!("{free} pages free: {other:?} {said}"),
        }
    }
    assert!((2..=13).contains(&failed), "{failed} of 14 runs met a full disk");
}

#[test]
fn a_read_only_file_system_is_one_clear_failure() {
    if !has("unshare", &["--user", "--map-root-user", "--mount", "true"]) {
        return;
    }
    let stage = Stage::new();
    let (output, root) = on_own_file_system(&stage, "1m", "mount -o remount,ro \"$1\"; run \"$@\"");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("/.depmod-running: Read-only file system"), "{said}");
    assert_eq!(stage.state(&root, &said), State::Old);
}

#[test]
fn a_caller_who_may_not_write_is_told_and_nothing_changes() {
    let stage = Stage::new();
    let root = stage.root();
    let setpriv = ["--reuid=65534", "--clear-groups", "true"];
    if rustix::process::geteuid().is_root() && !has("setpriv", &setpriv) {
        return;
    }
    open_to_all(stage.temporary.path());
    fs::set_permissions(directory(&root), std::os::unix::fs::PermissionsExt::from_mode(0o555)).unwrap();
    let command = depmod(&root, &["-a"]);
    let output = without_privileges(&command, &stage.temporary.path().join("depmod")).output().unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains(&*directory(&root).to_string_lossy()) && said.contains("Permission denied"),
        "{said}"
    );
    assert_eq!(stage.state(&root, &said), State::Old);
    assert_clean(&root);
}

/// Temporary directories are their owner's alone.
fn open_to_all(directory: &Path) {
    fs::set_permissions(directory, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
}
