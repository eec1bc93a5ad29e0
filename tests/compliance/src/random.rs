//! Trees made at random, compared byte for byte with kmod 34. A difference is shrunk to a small tree and
//! printed. The seed is fixed unless told otherwise, so that every run is the same run.
//!
//! Needs go only to symbols of lower levels: the reference does not end on cycles that share a module.

use anyhow::{Result, ensure};
use fixtures::{ALL_KINDS, CrcStyle, Module, Tree};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use reference::{Limits, Program, Release};

use crate::compare;
use crate::observe::{Observation, observe_once};
use crate::subjects::Subjects;
use crate::tally::{Tally, Verdict};

/// How many trees.
pub const TREES: u32 = 150;

const VERSION: &str = "6.1.0-random";
const DIRECTORIES: [&str; 7] =
    ["kernel", "kernel/fs", "kernel/net/x", "updates", "updates/dkms", "extra", "."];
const NAMES: [&str; 12] =
    ["a", "b", "ab", "abc", "a-b", "a_b", "crc32c", "snd-hda", "ext4", "zz", "x86-thing", "mod_loop_d"];
const SUFFIXES: [&str; 4] = [".ko", ".ko", ".ko.xz", ".ko.zst"];
const ALIASES: [&str; 14] = [
    "pci:v00008086d00001234sv*sd*bc*sc*i*",
    "pci:v00008086d*",
    "pci:v0000",
    "fs-ext4",
    "fs-ext-4",
    "net-pf-10",
    "a",
    "ab*",
    "abc[0-9]d-e",
    "bad[bracket",
    "devname:thing",
    "char-major-10-200",
    "block-major-8-*",
    "",
];
const INFOS: [&str; 7] =
    ["softdep=pre: a b-c", "softdep=post: zz", "weakdep=a", "license=GPL", "weakdep=", "depends=x", "odd"];
const CONFIGS: [&str; 10] = [
    "search updates built-in",
    "search extra updates",
    "search built-in updates",
    "override a * extra",
    "override a-b * kernel",
    "override ext4 6.1 updates",
    "exclude fs",
    "exclude b.ko x",
    "external * /nonexistent",
    "# nothing",
];
const OPTIONS: [&[&str]; 7] = [
    &[],
    &["-v"],
    &["-w"],
    &["-n"],
    &["-e", "-E", "{root}/symvers"],
    &["-e", "-F", "{root}/map"],
    &["-P", "_"],
];

#[derive(Clone, Debug)]
struct Input {
    tree: Tree,
    options: &'static [&'static str],
}

/// Compares [`TREES`] trees made from `seed`.
pub fn run(subjects: &Subjects, seed: u64) -> Result<Tally> {
    println!("random trees: {TREES} from seed {seed}");
    let config =
        Config { cases: TREES, failure_persistence: None, max_shrink_iters: 400, ..Config::default() };
    let mut bytes = [0; 32];
    for (place, byte) in bytes.iter_mut().zip(seed.to_le_bytes()) {
        *place = byte;
    }
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let reference = subjects.reference(Release::Kmod34)?;
    let result = runner.run(&input(), |input| {
        check(&subjects.ours, reference, &input).map_err(|error| TestCaseError::fail(format!("{error:#}")))
    });
    let mut tally = Tally::default();
    match result {
        Ok(()) => (0..TREES).for_each(|_| tally.add("random tree", &Verdict::Equal)),
        Err(TestError::Fail(reason, input)) => {
            tally.add("random tree against kmod 34", &Verdict::Failed(format!("{reason}\n{input:#?}")));
        }
        Err(TestError::Abort(reason)) => {
            tally.add("random trees", &Verdict::Failed(format!("gave up: {reason}")));
        }
    }
    Ok(tally)
}

fn check(ours: &Program, reference: &Program, input: &Input) -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let go = |program: &Program, name: &str| -> Result<Observation> {
        let root = temporary.path().join(name);
        input.tree.write(&root)?;
        let mut command = program.command();
        command.arg("-b").arg(&root).arg("-C").arg(root.join("etc/depmod.d"));
        command.args(input.options.iter().map(|option| option.replace("{root}", &root.to_string_lossy())));
        command.arg(VERSION);
        observe_once(command, &root, &Limits::default())
    };
    let ours = go(ours, "root-xx")?;
    let theirs = go(reference, "root-34")?;
    ensure!(!theirs.changes.is_empty() || !theirs.stdout.is_empty(), "the reference has done nothing");
    match compare::one(&ours, &theirs, Release::Kmod34, false)? {
        None => Ok(()),
        Some(difference) => anyhow::bail!("{difference}"),
    }
}

fn input() -> impl Strategy<Value = Input> {
    let ordered = vec(any::<Index>(), 0..6);
    (
        vec(module(), 1..14),
        vec(select(&CONFIGS[..]), 0..4),
        prop::option::weighted(0.8, ordered),
        any::<bool>(),
        select(&OPTIONS[..]),
    )
        .prop_map(|(modules, config, order, built_in, options)| {
            let mut tree = Tree::new(VERSION);
            let mut paths: Vec<String> = Vec::new();
            for (path, module) in modules {
                if !paths.iter().any(|other| may_have_one_rank(other, &path)) {
                    tree = tree.module(&path, module);
                    paths.push(path);
                }
            }
            tree = tree
                .config("x.conf", &config.iter().map(|line| format!("{line}\n")).collect::<String>())
                .file("/symvers", symvers())
                .file("/map", "0 T __ksymtab_s0_0\n0 r __ksymtab_printk\n");
            if let Some(order) = order {
                let picked: Vec<&str> = order.iter().map(|index| index.get(&paths).as_str()).collect();
                tree = tree.order(&picked);
            }
            if built_in {
                tree = tree.builtin(&["kernel/built-in.ko", "kernel/ext4.ko"]);
                tree =
                    tree.builtin_modinfo(&["built_in.alias=fs-x", "ext4.alias=fs-ext-4", "ext4.license=GPL"]);
            }
            Input { tree, options }
        })
}

/// Whether two paths are of one module, and the file system may be what decides between them: kmod takes the one that
/// is listed first or last, and ours has a rule.
fn may_have_one_rank(one: &str, other: &str) -> bool {
    let parts = |path: &str| {
        let (directory, file) = path.rsplit_once('/').unwrap_or(("", path));
        let name = file.split('.').next().unwrap_or_default().replace('-', "_");
        (directory.starts_with("updates"), name)
    };
    parts(one) == parts(other)
}

fn symvers() -> &'static str {
    "0x00000001\ts0_0\tvmlinux\tEXPORT_SYMBOL\t\n0x00000002\tprintk\tvmlinux\tEXPORT_SYMBOL_GPL\t\n"
}

/// A module file: what it exports is of its own level, what it needs is of lower ones.
fn module() -> impl Strategy<Value = (String, Module)> {
    (0u32..4).prop_flat_map(|level| {
        let export = (0u32..4, 0u32..3).prop_map(move |(number, crc)| (format!("s{level}_{number}"), crc));
        let need = (0..level.max(1), 0u32..4, any::<bool>(), prop::option::of(0u32..3));
        (
            (select(&DIRECTORIES[..]), select(&NAMES[..]), select(&SUFFIXES[..])),
            (select(&ALL_KINDS[..]), select(&[CrcStyle::Absolute, CrcStyle::Section, CrcStyle::None][..])),
            vec(export, 0..4),
            vec(need, 0..5),
            vec(select(&ALIASES[..]), 0..5),
            vec(select(&INFOS[..]), 0..3),
        )
            .prop_map(
                move |((directory, name, suffix), (kind, style), exports, needs, aliases, infos)| {
                    let mut module = Module::new(name).kind(kind).crc_style(style);
                    for (symbol, crc) in exports {
                        module = module.export(symbol, crc);
                    }
                    for (of_level, number, weak, crc) in needs {
                        // On the lowest level there is nothing below: those needs stay unknown.
                        let symbol =
                            if level == 0 { format!("u{number}") } else { format!("s{of_level}_{number}") };
                        module = match (weak, crc) {
                            (false, None) => module.need(symbol),
                            (true, None) => module.weak_need(symbol),
                            (false, Some(crc)) => module.versioned_need(symbol, crc),
                            (true, Some(crc)) => module.weak_versioned_need(symbol, crc),
                        };
                    }
                    module = aliases.into_iter().fold(module, Module::alias);
                    module = infos.into_iter().fold(module, Module::info);
                    let path = format!("{directory}/{name}{suffix}");
                    (path.trim_start_matches("./").to_owned(), module)
                },
            )
    })
}
