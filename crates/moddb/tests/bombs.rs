//! Small inputs that ask for immense work: memory is measured by an allocator that counts, work is counted in steps
//! and reads. Nothing here is timed.
#![allow(clippy::unwrap_used, reason = "a failed expectation is how a test speaks")]
#![allow(unsafe_code, reason = "an allocator is an unsafe thing")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use moddb::build::catalog::{Catalog, TooMuch};
use moddb::build::graph::{Closures, DependencyGraph};
use moddb::build::order::Located;
use moddb::build::outputs::{self, Note, Sources};
use moddb::build::symbols::SymbolOwners;
use moddb::config::Config;
use moddb::index::{Index, IndexError, Source};
use moddb::paths::ModuleDir;
use moddb::{ModuleDb, TableProblem};
use modfile::info::{self, Lists, Workspace};
use modfile::{ModuleInfo, ModuleName, ReadError};

/// Counts what is allocated and not freed, and the most that ever was.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is the system's allocator; numbers are kept beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What no bomb may take, in bytes.
const LIMIT: usize = 256 << 20;

/// One bomb at a time, so that each is measured by itself.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does something and returns what it gives, and the most memory that it had.
fn measured<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = NOW.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let result = work();
    (result, PEAK.load(Ordering::Relaxed) - before)
}

/// Modules in a row, each of which needs the one before it, with paths of some length.
fn chain(count: usize, path_len: usize) -> (Catalog<'static>, DependencyGraph) {
    let modules = (0..count).map(|number| {
        let path = format!("kernel/{number:0>width$}.ko", width = path_len - 10);
        let located = Located { name: ModuleName::of_path(path.as_bytes()), path: path.into_bytes() };
        (located, ModuleInfo::default())
    });
    let direct = (0..count).map(|module| module.checked_sub(1).into_iter().collect()).collect();
    (Catalog::new(modules).unwrap(), DependencyGraph::new(direct).unwrap())
}

/// All files of a database, and whether one of them would be too large.
fn outputs(catalog: &Catalog<'_>, graph: &DependencyGraph) -> (usize, bool) {
    let symbols = SymbolOwners::new(catalog, None, None);
    let sources = Sources::new(catalog, &symbols, graph);
    let written: Vec<_> = outputs::recipes().map(|recipe| recipe.write(&sources)).collect();
    let bytes = written.iter().map(|(output, _)| output.bytes.len()).sum();
    (bytes, written.iter().any(|(_, notes)| notes.contains(&Note::TooLarge)))
}

#[test]
fn a_chain_of_three_thousand_takes_little_more_than_one_of_its_two_files() {
    let _alone = alone();
    let ((bytes, is_too_large), peak) = measured(|| {
        let (catalog, graph) = chain(3000, 20);
        outputs(&catalog, &graph)
    });
    assert!(!is_too_large);
    // The lines of the text stand in the index.
    assert!(peak < bytes / 2 + bytes / 16 + (4 << 20), "{peak} for {bytes}");
    assert!(peak < LIMIT, "{peak}");
}

#[test]
fn lines_that_grow_beyond_the_index_are_found_before_they_are_made() {
    let _alone = alone();
    for (count, path_len) in [(1000, 4000), (20_000, 20), (60_000, 14)] {
        let ((bytes, is_too_large), peak) = measured(|| {
            let (catalog, graph) = chain(count, path_len);
            outputs(&catalog, &graph)
        });
        assert!(is_too_large, "{count}");
        assert!(bytes < 32 << 20, "{bytes}: neither the text nor the index is made");
        assert!(peak < LIMIT, "{count} {peak}");
    }
}

#[test]
fn each_dependency_is_looked_at_once_for_each_module_that_has_it() {
    let _alone = alone();
    // Each of them needs all later ones.
    let count = 300;
    let graph =
        DependencyGraph::new((0..count).map(|module| (module + 1..count).collect()).collect()).unwrap();
    let mut closures = Closures::new(&graph);
    for module in 0..count {
        assert_eq!(closures.of(module).len(), count - module - 1);
    }
    let needs_below = |module: usize| (module..count).map(|user| count - user - 1).sum::<usize>();
    assert_eq!(closures.steps(), (0..count).map(needs_below).sum::<usize>() as u64);
}

#[test]
fn a_small_file_that_holds_a_million_aliases_gives_none() {
    let _alone = alone();
    let mut module = fixtures::Module::new("bomb").export("kept", 1);
    let alias = format!("alias={}", "a".repeat(9));
    // A million strings in 16 MB, in a file of some kilobytes.
    let strings =
        alias.as_bytes().iter().chain(&[0]).copied().cycle().take(16 * 1_000_000).collect::<Vec<u8>>();
    module = module.info(&strings[..strings.len() - 1]);
    let bytes = fixtures::compress(&module.bytes(), fixtures::Compression::Xz).unwrap();
    drop((module, strings));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &bytes).unwrap();
    assert!(bytes.len() < 64 << 10, "{}", bytes.len());
    let (reading, peak) = measured(|| info::read(file.path(), &mut Workspace::default()));
    assert!(matches!(reading.error, Some(ReadError::Malformed(_))), "{:?}", reading.error);
    assert_eq!((reading.info.aliases().count(), reading.info.exports().count()), (0, 1));
    assert!(peak < LIMIT, "{peak}");
}

#[test]
fn modules_that_together_say_too_much_are_refused_before_anything_is_made_of_it() {
    let _alone = alone();
    let mut lists = Lists::default();
    (0..100_000).for_each(|_| lists.aliases.push(b"a"));
    let bytes = ModuleInfo::from(&lists);
    let located = |number: usize| {
        let path = format!("{number}.ko");
        Located { name: ModuleName::of_path(path.as_bytes()), path: path.into_bytes() }
    };
    let (refused, peak) = measured(|| {
        let stored = |number| (located(number), ModuleInfo::stored(bytes.as_bytes()).unwrap());
        let few = Catalog::new((0..10).map(stored));
        assert!(few.is_ok());
        Catalog::new((0..11).map(stored)).unwrap_err()
    });
    assert_eq!(refused, TooMuch::Said);
    assert!(peak < 1 << 20, "{peak}");
}

#[test]
fn one_alias_of_more_modules_than_there_can_be_makes_no_index() {
    let _alone = alone();
    let mut lists = Lists::default();
    (0..70_000).for_each(|_| lists.aliases.push(b"a"));
    let info = ModuleInfo::from(&lists);
    let (is_too_large, peak) = measured(|| {
        let located = Located { name: ModuleName::from("m"), path: b"m.ko".to_vec() };
        let catalog = Catalog::new([(located, info)]).unwrap();
        outputs(&catalog, &DependencyGraph::new(vec![Vec::new()]).unwrap()).1
    });
    assert!(is_too_large);
    assert!(peak < LIMIT, "{peak}");
}

#[test]
fn soft_dependencies_that_modprobe_would_not_read_are_not_written() {
    let _alone = alone();
    let mut lists = Lists::default();
    (0..10_000).for_each(|_| lists.softdeps.push(&[b'a'; 100]));
    let bytes = ModuleInfo::from(&lists);
    for (modules, expected) in [(3, false), (5, true)] {
        let catalog = Catalog::new((0..modules).map(|number| {
            let path = format!("{number}.ko");
            let located = Located { name: ModuleName::of_path(path.as_bytes()), path: path.into_bytes() };
            (located, ModuleInfo::stored(bytes.as_bytes()).unwrap())
        }));
        let graph = DependencyGraph::new(vec![Vec::new(); modules]).unwrap();
        assert_eq!(outputs(&catalog.unwrap(), &graph).1, expected);
    }
}

/// An index whose root has one child, `a`, that says it has four billion values; then zeros.
fn endless(size: u64) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    let bytes = b"\xb0\x07\xf4\x57\0\x02\0\x01\x20\0\0\x0caa\x40\0\0\x12\xff\xff\xff\xff";
    file.as_file().write_all_at(bytes, 0).unwrap();
    file.as_file().set_len(size).unwrap();
    file
}

/// Counts the reads of a file.
struct Reads(File, u64, Cell<usize>);

impl Source for &Reads {
    fn size(&self) -> u64 {
        self.1
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.2.set(self.2.get() + 1);
        self.0.read_at(buffer, offset)
    }
}

#[test]
fn an_index_of_a_terabyte_is_refused_and_one_with_endless_values_gives_an_error() {
    let _alone = alone();
    let terabyte = endless(1 << 40);
    assert!(matches!(Index::open(terabyte.path()), Err(IndexError::TooLong(_))));
    let file = endless(256 << 20);
    let reads = Reads(file.reopen().unwrap(), 256 << 20, Cell::new(0));
    let index = Index::new(&reads).unwrap();
    let ((), peak) = measured(|| {
        assert!(matches!(index.search(b"a"), Err(IndexError::TooMuchWork)));
        assert!(matches!(index.find_all(b"a"), Err(IndexError::TooMuchWork)));
        assert_eq!(index.find(b"a").unwrap(), Some(Vec::new()));
    });
    assert!(peak < 16 << 20, "{peak}");
    assert!(reads.2.get() < 4000, "{} reads", reads.2.get());
    let (listed, peak) = measured(|| index.entries().map(|entries| entries.len()));
    assert!(matches!(listed, Err(IndexError::TooMuchWork)));
    assert!(peak < LIMIT, "{peak}");
}

#[test]
fn a_small_index_whose_keys_share_long_beginnings_is_not_listed_without_end() {
    let _alone = alone();

    let long = "x".repeat(60_000);
    let mut writer = moddb::index::writer::IndexWriter::default();
    for number in 0..1500 {
        writer.insert(format!("{long}{number:06}").into_bytes(), b"v", 0).unwrap();
    }
    // The entries themselves hold the keys; only the index is small.
    let bytes = writer.finish().unwrap();
    assert!(bytes.len() < 8 << 20, "{}", bytes.len());
    let index = Index::new(bytes).unwrap();
    let mut shown = 0;
    let (result, peak) = measured(|| {
        index.visit(|key, _| {
            shown += key.len();
            std::ops::ControlFlow::Continue(())
        })
    });
    assert!(matches!(result, Err(IndexError::TooMuchWork)));
    assert!(shown < 128 << 20, "{shown}");
    assert!(peak < 16 << 20, "{peak}");
}

#[test]
fn a_text_of_millions_of_lines_does_not_take_the_place_of_an_index() {
    let _alone = alone();
    let root = tempfile::tempdir().unwrap();
    for (name, line) in [("modules.alias", "alias a b\n"), ("modules.dep", "a:\n")] {
        std::fs::write(root.path().join(name), line.repeat((60 << 20) / line.len())).unwrap();
    }
    let db = ModuleDb::new(ModuleDir::at(root.path().into()), Config::default());
    let (found, peak) = measured(|| db.resolve(b"a"));
    assert_eq!(found, []);
    let problems = db.take_problems();
    assert!(problems.iter().all(|problem| matches!(problem, TableProblem::Unusable { .. })), "{problems:?}");
    assert!(peak < LIMIT, "{peak}");
}
