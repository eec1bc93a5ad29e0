//! An index answers as its entries say, whatever its layout, and survives any damage.

#![allow(clippy::expect_used)] // A failed expectation is how a test speaks, in its helpers too.

use std::cell::Cell;
use std::fs;
use std::io;
use std::ops::ControlFlow;

use moddb::index::writer::IndexWriter;
use moddb::index::{Entry, Index, IndexError, Source, Value};
use modfile::wildcard::matches;
use proptest::prelude::*;

/// `foo` to `foo.ko:`, `food` to `food.ko: foo.ko`, `fox` to `fox.ko:`, a parent before its children.
const PARENT_FIRST: &[u8] = b"\xb0\x07\xf4\x57\x00\x02\x00\x01\x20\x00\x00\x0c\
    ff\xa0\x00\x00\x12\
    o\0ox\x60\x00\x00\x3e\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x40\x00\x00\x6c\
    dd\x40\x00\x00\x54\0\0\0\x01\0\0\0\0foo.ko:\0\
    \0\0\0\x01\0\0\0\x01food.ko: foo.ko\0\
    \0\0\0\x01\0\0\0\x02fox.ko:\0";

/// The same entries, children before their parent.
const CHILDREN_FIRST: &[u8] = b"\xb0\x07\xf4\x57\x00\x02\x00\x01\x20\x00\x00\x76\
    \0\0\0\x01\0\0\0\x01food.ko: foo.ko\0\
    dd\x40\x00\x00\x0c\0\0\0\x01\0\0\0\0foo.ko:\0\
    \0\0\0\x01\0\0\0\x02fox.ko:\0\
    o\0ox\x60\x00\x00\x24\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x40\x00\x00\x3a\
    ff\xa0\x00\x00\x4a";

type Triple = (Vec<u8>, Vec<u8>, u32);

fn write(entries: &[Triple]) -> Vec<u8> {
    let mut writer = IndexWriter::default();
    for (key, value, priority) in entries {
        writer.insert(key, value, *priority).expect("the test's entries are 7-bit");
    }
    writer.finish().expect("the test's entries are few")
}

fn index(bytes: &[u8]) -> Index<&[u8]> {
    Index::new(bytes).expect("the header is sound")
}

fn texts(values: Vec<Value>) -> Vec<String> {
    values.into_iter().map(|value| String::from_utf8_lossy(&value.text).into_owned()).collect()
}

#[test]
fn both_layouts_give_the_same_answers() {
    for bytes in [PARENT_FIRST, CHILDREN_FIRST] {
        assert_eq!(bytes.len(), 124);
        let index = index(bytes);
        for (key, value) in [
            ("foo", Some("foo.ko:")),
            ("food", Some("food.ko: foo.ko")),
            ("fox", Some("fox.ko:")),
            ("fo", None),
            ("fooda", None),
            ("g", None),
            ("", None),
        ] {
            let found = index.find(key.as_bytes()).expect("the index is sound");
            assert_eq!(found.as_deref(), value.map(str::as_bytes), "{key}");
        }
        let mut lines = Vec::new();
        moddb::index::dump::dump(&index, &mut lines).expect("the index is sound").expect("memory takes all");
        assert_eq!(
            String::from_utf8_lossy(&lines),
            "foo\tfoo.ko:\t0\nfood\tfood.ko: foo.ko\t1\nfox\tfox.ko:\t2\n"
        );
        let mut lines = Vec::new();
        moddb::index::dump::write_aliases(&index, &mut lines).expect("sound").expect("memory takes all");
        assert!(lines.starts_with(b"alias foo foo.ko:\nalias food food.ko: foo.ko\n"));
    }
}

#[test]
fn an_empty_index_has_no_entries() {
    for bytes in [&b""[..], b"\xb0\x07\xf4\x57\x00\x02\x00\x01\x00\x00\x00\x0c", &write(&[])] {
        let index = index(bytes);
        assert_eq!(index.find(b"a").expect("sound"), None);
        assert_eq!(index.search(b"").expect("sound"), []);
        assert_eq!(index.entries().expect("sound"), []);
    }
}

#[test]
fn what_is_no_index_is_refused_with_the_numbers_found() {
    for (bytes, message) in [
        (&b"\xb0\x07\xf4"[..], "shorter than the header of an index: 3 bytes"),
        (b"\x7fELF\x00\x02\x00\x01\x00\x00\x00\x0c", "magic check fail: 7f454c46 instead of b007f457"),
        (b"\xb0\x07\xf4\x57\x00\x03\x00\x01\x00\x00\x00\x0c", "major version check fail: 3 instead of 2"),
    ] {
        assert_eq!(Index::new(bytes).expect_err(message).to_string(), message);
    }
}

#[test]
fn a_fifo_a_device_and_a_directory_are_refused_without_waiting() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let fifo = root.path().join("fifo");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).expect("a fifo");
    for path in [fifo.as_path(), "/dev/zero".as_ref(), root.path()] {
        assert!(matches!(Index::open(path), Err(IndexError::NotAFile)), "{}", path.display());
    }
    let missing = Index::open(&root.path().join("missing")).expect_err("it is missing");
    assert!(missing.is_missing());
}

#[test]
fn results_stand_by_priority_and_equal_ones_from_the_last_met_to_the_first() {
    // Seen with kmod 30 and 34 on an index of these keys, all of priority 0.
    let keys = [
        "abc", "*", "a*", "ab*", "abc*", "a?c", "ab?", "?bc", "[a]bc", "a[b]c", "ab[c]", "**", "*c", "*?",
        "*bc", "a*c", "a?*", "ab*c*", "abc**", "???", "abc[a]*",
    ];
    let entries: Vec<Triple> =
        keys.iter().map(|key| (key.as_bytes().to_vec(), key.as_bytes().to_vec(), 0)).collect();
    let bytes = write(&entries);
    assert_eq!(
        texts(index(&bytes).search(b"abc").expect("sound")),
        [
            "abc", "abc*", "abc**", "ab[c]", "ab?", "ab*", "ab*c*", "a[b]c", "a?c", "a?*", "a*", "a*c",
            "[a]bc", "?bc", "???", "*", "*c", "*bc", "*?", "**",
        ]
    );
    let entries: Vec<Triple> = [
        ("x", 0, "A"),
        ("x", 0, "B"),
        ("x", 1, "C"),
        ("x", 1, "D"),
        ("x*", 0, "E"),
        ("x*", 0, "F"),
        ("x", 5, "G"),
    ]
    .iter()
    .map(|(key, priority, value)| (key.as_bytes().to_vec(), value.as_bytes().to_vec(), *priority))
    .collect();
    let bytes = write(&entries);
    assert_eq!(texts(index(&bytes).search(b"x").expect("sound")), ["A", "B", "E", "F", "C", "D", "G"]);
    assert_eq!(texts(index(&bytes).find_all(b"x").expect("sound")), ["B", "A", "D", "C", "G"]);
}

#[test]
fn wildcards_of_the_text_mean_themselves_but_meet_their_like_twice() {
    let entries: Vec<Triple> = ["a*", "a*b", "*", "a?", "a[b", "a*c*"]
        .iter()
        .map(|key| (key.as_bytes().to_vec(), key.as_bytes().to_vec(), 0))
        .collect();
    let bytes = write(&entries);
    for (text, expected) in [
        ("a*", vec!["a*", "a?", "a*", "*"]),
        ("a*b", vec!["a*b", "a*", "a*b", "*"]),
        ("a?", vec!["a?", "a?", "a*", "*"]),
        ("a*cd", vec!["a*c*", "a*", "a*c*", "*"]),
        ("a[b]", vec!["a*", "*"]),
    ] {
        assert_eq!(texts(index(&bytes).search(text.as_bytes()).expect("sound")), expected, "{text}");
    }
}

/// Counts the reads.
struct Counting<'a>(&'a [u8], Cell<usize>);

impl Source for &Counting<'_> {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.1.set(self.1.get() + 1);
        self.0.read_at(buffer, offset)
    }
}

#[test]
fn a_question_reads_a_few_windows_of_a_large_index() {
    let keys: Vec<String> = (0..20_000).map(|n| format!("pci:v{n:08}d*sv*sd*bc*sc*i*")).collect();
    let entries: Vec<Triple> =
        keys.iter().zip(0..).map(|(key, n)| (key.clone().into_bytes(), b"driver".to_vec(), n)).collect();
    let bytes = write(&entries);
    let counting = Counting(&bytes, Cell::new(0));
    let index = Index::new(&counting).expect("sound");
    assert_eq!(counting.1.get(), 1, "opening reads the beginning");
    assert_eq!(index.search(b"pci:v00012345d1sv2sd3bc4sc5i6").expect("sound").len(), 1);
    assert!(counting.1.get() <= 10, "{} reads", counting.1.get());
    counting.1.set(0);
    assert_eq!(index.entries().expect("sound").len(), 20_000);
    assert_eq!(counting.1.get(), 1, "listing reads everything at once");
}

#[test]
fn an_index_that_leads_in_circles_ends_with_an_error() {
    // The root's only child, by any of its characters, is the root.
    let mut bytes = b"\xb0\x07\xf4\x57\x00\x02\x00\x01\x20\x00\x00\x0c*b".to_vec();
    for _ in b'*'..=b'b' {
        bytes.extend_from_slice(&[0x20, 0, 0, 12]);
    }
    let index = index(&bytes);
    assert!(matches!(index.entries(), Err(IndexError::Damaged { .. })));
    assert!(matches!(index.search(&[b'a'; 1000]), Err(IndexError::Damaged { .. })));
    assert!(matches!(index.find(&[b'a'; 1000]), Err(IndexError::Damaged { .. })));
}

fn entries() -> impl Strategy<Value = Vec<Triple>> {
    let key = proptest::string::string_regex("[abc*?\\[\\]]{0,6}").expect("a regular expression");
    let value = proptest::string::string_regex("[a-z]{0,3}").expect("a regular expression");
    proptest::collection::vec(
        (key.prop_map(String::into_bytes), value.prop_map(String::into_bytes), 0..4u32),
        0..25,
    )
}

/// Everything an index can be asked.
fn ask_everything(bytes: &[u8], text: &[u8]) {
    let Ok(index) = Index::new(bytes) else { return };
    let _ = (index.find(text), index.find_all(text), index.search(text));
    let mut seen = 0;
    let _ = index.visit(|key, value| {
        seen += value.text.len() + 1;
        assert!(key.len() <= bytes.len() && seen <= bytes.len(), "more is shown than there is");
        ControlFlow::Continue(())
    });
}

proptest! {
    #[test]
    fn entries_come_back_sorted(entries in entries()) {
        let mut expected = entries.clone();
        expected.reverse();
        expected.sort_by(|a, b| (&a.0, a.2).cmp(&(&b.0, b.2)));
        let expected: Vec<Entry> = expected
            .into_iter()
            .map(|(key, text, priority)| Entry { key, value: Value { priority, text } })
            .collect();
        let bytes = write(&entries);
        prop_assert_eq!(index(&bytes).entries().expect("sound"), expected);
    }

    #[test]
    fn a_search_finds_exactly_the_patterns_that_match(entries in entries(), text in "[abc]{0,6}") {
        let bytes = write(&entries);
        let mut found = index(&bytes).search(text.as_bytes()).expect("sound");
        prop_assert!(found.is_sorted_by_key(|value| value.priority));
        let mut expected: Vec<Value> = entries
            .into_iter()
            .filter(|(key, ..)| matches(key, text.as_bytes()))
            .map(|(_, text, priority)| Value { priority, text })
            .collect();
        let order = |value: &Value| (value.priority, value.text.clone());
        found.sort_by_key(order);
        expected.sort_by_key(order);
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn any_bytes_behind_a_header_are_survived(
        root in any::<u32>(),
        body in proptest::collection::vec(any::<u8>(), 0..400),
        text in "[a-c*]{0,20}",
    ) {
        let mut bytes = b"\xb0\x07\xf4\x57\x00\x02\x00\x01".to_vec();
        bytes.extend_from_slice(&(root & 0xe000_01ff).to_be_bytes());
        bytes.extend_from_slice(&body);
        ask_everything(&bytes, text.as_bytes());
    }

    #[test]
    fn a_damaged_index_is_survived(
        entries in entries(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
        text in "[abc*?]{0,8}",
    ) {
        let mut bytes = write(&entries);
        for (position, byte) in damage {
            let position = position.index(bytes.len());
            bytes[position] = byte;
        }
        ask_everything(&bytes, text.as_bytes());
        bytes.truncate(cut.index(bytes.len() + 1));
        ask_everything(&bytes, text.as_bytes());
    }
}

/// Where modprobe is, if it is installed.
fn modprobe() -> Option<&'static str> {
    ["/sbin/modprobe", "/usr/sbin/modprobe"].into_iter().find(|path| fs::metadata(path).is_ok())
}

#[test]
fn search_results_stand_in_the_order_of_the_installed_modprobe() {
    let Some(modprobe) = modprobe() else {
        eprintln!("SKIPPED: no modprobe is installed, so the order was not compared");
        return;
    };
    let root = tempfile::tempdir().expect("a temporary directory");
    let modules = root.path().join("lib/modules/1.0");
    fs::create_dir_all(&modules).expect("the module directory");
    for name in ["dep", "symbols", "builtin", "builtin.alias"] {
        fs::write(modules.join(format!("modules.{name}.bin")), write(&[])).expect("an empty index");
    }
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 60,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let strategy = (entries(), proptest::collection::vec("[abc*?]{1,6}", 1..4));
    runner
        .run(&strategy, |(mut entries, names)| {
            for (number, (_, value, _)) in entries.iter_mut().enumerate() {
                *value = format!("m{number}").into_bytes();
            }
            let bytes = write(&entries);
            fs::write(modules.join("modules.alias.bin"), &bytes).expect("the index is written");
            for name in names {
                let output = std::process::Command::new(modprobe)
                    .args(["-q", "-C", "/dev/null", "-S", "1.0", "-R", &name, "-d"])
                    .arg(root.path())
                    .output()
                    .expect("modprobe runs");
                let expected = String::from_utf8_lossy(&output.stdout).into_owned();
                let found = texts(index(&bytes).search(name.as_bytes()).expect("sound"));
                prop_assert_eq!(found, expected.lines().map(str::to_owned).collect::<Vec<_>>(), "{}", name);
            }
            Ok(())
        })
        .expect("the order is the same");
}
