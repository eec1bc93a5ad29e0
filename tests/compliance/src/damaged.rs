//! Modules with bytes changed at random, in their plain or their packed form, and modules cut short: what kmod 34
//! makes of each, ours must too. The seed is fixed unless told otherwise.
//!
//! Where the reference crashes there is nothing to compare with; ours must then build the rest all the same.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fixtures::{ALL_KINDS, Compression, CrcStyle, Module, Tree, compress};
use reference::{Ending, Limits, Program, Release};

use crate::observe::{Observation, observe_once};
use crate::snapshot::Node;
use crate::subjects::Subjects;
use crate::tally::{Tally, Verdict};
use crate::{compare, parallel};

/// How many modules.
const MODULES: usize = 1000;

const VERSION: &str = "6.1.0-damaged";

/// The intended differences. In each the rest of the database is built.
const CRASHES: &str = "the reference crashes or never ends";
const ENDS: &str =
    "the reference ends at a byte that is no 7-bit character; ours leaves the entry out, status 1";
const COPIES: &str = "the reference copies control characters and backslashes into text files; ours leaves the string out, status 1";
const REPEATS: &str =
    "the reference opens the module three times, and each time says what the decompressor says";
const NAMELESS: &str = "the reference shows foreign memory as the name of an exported symbol that has none";
const UNSIZED: &str = "the reference reads no zstd frame without a size; ours goes on to see what is in it";

/// SplitMix64: the sequence is part of the test, so no library may change it.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap_or_default()
    }

    fn pick<T: Copy>(&mut self, items: &[T], otherwise: T) -> T {
        items.get(self.below(items.len())).copied().unwrap_or(otherwise)
    }
}

/// A damaged module file, and how it came to be.
struct Damaged {
    description: String,
    suffix: &'static str,
    bytes: Vec<u8>,
}

/// Compares [`MODULES`] modules damaged by `seed`.
pub fn run(subjects: &Subjects, seed: u64) -> Result<Tally> {
    println!("damaged modules: {MODULES} from seed {seed}");
    let numbers: Vec<usize> = (0..MODULES).collect();
    let reference = subjects.reference(Release::Kmod34)?;
    let verdicts = parallel::map(&numbers, |&number| {
        let damaged = damaged(&mut Random(seed.wrapping_mul(1_000_003).wrapping_add(number as u64)))?;
        let (verdict, intended) = check(&subjects.ours, reference, &damaged)
            .with_context(|| format!("damaged module {number} ({})", damaged.description))?;
        anyhow::Ok((damaged.description, verdict, intended))
    });
    let mut tally = Tally::default();
    let mut counts = BTreeMap::new();
    for (number, result) in verdicts.into_iter().enumerate() {
        let (description, verdict, intended) = result?;
        if let Some(difference) = intended {
            *counts.entry(difference).or_insert(0) += 1;
        }
        tally.add(&format!("damaged module {number} ({description}) against kmod 34"), &verdict);
    }
    for (difference, count) in counts {
        println!("damaged modules: {count} different by intent: {difference}");
    }
    Ok(tally)
}

fn damaged(random: &mut Random) -> Result<Damaged> {
    let kind = random.pick(&ALL_KINDS, fixtures::Kind::LE64);
    let style = random.pick(&[CrcStyle::Absolute, CrcStyle::Section, CrcStyle::None], CrcStyle::Absolute);
    let packing = random.pick(&[Compression::Plain, Compression::Xz, Compression::Zstd], Compression::Plain);
    let module = Module::new("sample")
        .kind(kind)
        .crc_style(style)
        .alias("pci:v00008086d*")
        .alias("fs-sample")
        .info("softdep=pre: other")
        .info("weakdep=third")
        .export("sample_register", 0x1122_3344)
        .export("sample_unregister", 0x5566_7788)
        .version("module_layout", 7)
        .versioned_need("printk", 0x0102_0304)
        .need("good_help")
        .weak_need("maybe");
    let mut bytes = module.bytes();
    let mut description = format!("{kind:?} {style:?} {packing:?}");
    let after_packing = packing != Compression::Plain && random.below(2) == 0;
    if after_packing {
        bytes = compress(&bytes, packing)?;
        description.push_str(" packed");
    }
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len());
        // Single bits, and the values at the ends of what a number can be.
        let flip = 1 << random.below(8);
        let choice = random.below(4);
        if let Some(byte) = bytes.get_mut(at) {
            *byte = match choice {
                0 => 0xFF,
                1 => 0,
                _ => *byte ^ flip,
            };
            description.push_str(&format!(" {at}={byte:#x}"));
        }
    }
    if random.below(10) == 0 {
        let len = random.below(bytes.len());
        bytes.truncate(len);
        description.push_str(&format!(" cut at {len}"));
    }
    if !after_packing {
        bytes = compress(&bytes, packing)?;
    }
    Ok(Damaged { description, suffix: packing.suffix(), bytes })
}

/// The verdict, and which intended difference it is.
fn check(ours: &Program, reference: &Program, damaged: &Damaged) -> Result<(Verdict, Option<&'static str>)> {
    let temporary = tempfile::tempdir()?;
    let good = Module::new("good").export("good_help", 0x99).alias("fs-good");
    let tree = Tree::new(VERSION)
        .module("kernel/good.ko", good)
        .file(&format!("kernel/sample.ko{}", damaged.suffix), &damaged.bytes)
        .directory("/etc/depmod.d")
        .builtin(&[])
        .builtin_modinfo(&[])
        .order(&["kernel/good.ko", "kernel/sample.ko"]);
    let go = |program: &Program, name: &str| -> Result<Observation> {
        let root = temporary.path().join(name);
        tree.write(&root)?;
        let mut command = program.command();
        command.arg("-b").arg(&root).arg("-C").arg(root.join("etc/depmod.d")).arg(VERSION);
        observe_once(command, &root, &Limits { time: Duration::from_secs(10), ..Limits::default() })
    };
    let ours = go(ours, "root-xx")?;
    let theirs = go(reference, "root-34")?;
    match intended(&ours, &theirs)? {
        Some(difference) => Ok((Verdict::DifferentByIntent, Some(difference))),
        None => {
            // Damage can make a module need itself, which ends the run.
            let has_failed = theirs.ending == Ending::Exit(1) && !theirs.stderr.is_empty();
            ensure!(has_failed || !theirs.changes.is_empty(), "the reference has done nothing");
            let difference = compare::one(&ours, &theirs, Release::Kmod34, false)?;
            Ok((difference.map_or(Verdict::Equal, Verdict::Failed), None))
        }
    }
}

/// What ours does otherwise, and exactly how; nothing else counts as intended.
fn intended(ours: &Observation, theirs: &Observation) -> Result<Option<&'static str>> {
    if !is_whole(ours) {
        return Ok(None);
    }
    if matches!(theirs.ending, Ending::Signal(_) | Ending::Stopped) {
        return Ok(Some(CRASHES));
    }
    let [our_first, their_first] = [ours, theirs].map(|run| first_line(&run.stderr));
    let bad_character = b" Module index: bad character '".as_slice();
    let is_left_out = |line: &[u8]| line.ends_with(b"is left out: it has a control character or a backslash");
    if ours.stderr.split(|&byte| byte == b'\n').any(is_left_out) {
        // Theirs need not be written at all: such a name may end the run for another reason.
        let is_odd = |byte: &u8| *byte < b' ' && *byte != b'\n' || matches!(byte, 0x7f | b'\\');
        let text_files = ["alias", "softdep", "weakdep", "symbols"];
        let files = text_files.map(|name| format!("/modules.{name}"));
        let is_clean = files.iter().all(|name| !written(ours, name.as_bytes()).iter().any(is_odd));
        return Ok((ours.ending == Ending::Exit(1) && is_clean).then_some(COPIES));
    }
    let ends =
        |line: &[u8], severity: &[u8]| line.starts_with(&[b"depmod: ", severity, bad_character].concat());
    if ends(their_first, b"FATAL:") && ends(our_first, b"ERROR:") {
        return Ok((ours.ending == Ending::Exit(1)).then_some(ENDS));
    }
    let [our_symbols, their_symbols] = [ours, theirs].map(|run| written(run, b"/modules.symbols"));
    if our_symbols.windows(14).any(|line| line == b"alias symbol: ") && our_symbols != their_symbols {
        return Ok(Some(NAMELESS));
    }
    if their_first.ends_with(b"zstd: Failed to determine decompression size") {
        return Ok(Some(UNSIZED));
    }
    let starts = [&b"depmod: ERROR: xz: "[..], b"depmod: ERROR: zstd: "];
    let Some(start) = starts.into_iter().find(|start| their_first.starts_with(start)) else {
        return Ok(None);
    };
    let mut lines = theirs.stderr.split_inclusive(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default().iter();
    let once: Vec<u8> =
        first.chain(lines.filter(|line| !line.starts_with(start)).flatten()).copied().collect();
    if once != theirs.stderr {
        let theirs = Observation { stderr: once, ..theirs.clone() };
        let difference = compare::one(ours, &theirs, Release::Kmod34, false)?;
        return Ok(difference.is_none().then_some(REPEATS));
    }
    Ok(None)
}

fn first_line(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == b'\n').next().unwrap_or_default()
}

/// What a run wrote to the file whose path ends so.
fn written<'a>(run: &'a Observation, name: &[u8]) -> &'a [u8] {
    let change = run.changes.iter().find(|(path, _)| path.ends_with(name));
    match change {
        Some((_, Some(Node::File(_, content)))) => content,
        _ => b"",
    }
}

/// Whether a run has ended by itself and the database lists the module that is not damaged.
fn is_whole(run: &Observation) -> bool {
    let lists_good = written(run, b"/modules.dep").starts_with(b"kernel/good.ko:\n");
    matches!(run.ending, Ending::Exit(0 | 1)) && run.changes.len() == 11 && lists_good
}
