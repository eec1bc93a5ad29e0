//! A real Debian kernel's module tree, all of it: as shipped, recompressed in each way, with modules added as
//! DKMS adds them, and with the options that look at every module.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fixtures::{Compression, Module, Tree, compress};
use reference::{Cache, Kernel, Limits, Program, Release};

use crate::observe::{Observation, observe_once};
use crate::snapshot::{Changes, Node};
use crate::subjects::Subjects;
use crate::tally::{Tally, Verdict};
use crate::{compare, index, neutral, parallel};

/// Minutes, since kmod 30 decompresses slowly on a busy machine; all outputs of `-v -w` fit.
const LIMITS: Limits = Limits { time: Duration::from_secs(300), output: 256 << 20 };

/// One comparison of whole trees.
struct Variant {
    name: &'static str,
    packing: Compression,
    prepare: fn(&Kernel, &Path) -> Result<()>,
    options: &'static [&'static str],
}

const VARIANTS: [Variant; 10] = [
    Variant { name: "plain", packing: Compression::Plain, prepare: as_shipped, options: &["-a"] },
    Variant { name: "xz", packing: Compression::Xz, prepare: as_shipped, options: &["-a"] },
    Variant { name: "zst", packing: Compression::Zstd, prepare: as_shipped, options: &["-a"] },
    Variant {
        name: "symvers",
        packing: Compression::Plain,
        prepare: as_shipped,
        options: &["-a", "-e", "-E", "{symvers}"],
    },
    Variant {
        name: "filesyms",
        packing: Compression::Plain,
        prepare: with_system_map,
        options: &["-a", "-e", "-F", "{root}/System.map"],
    },
    Variant { name: "dry-run", packing: Compression::Plain, prepare: as_shipped, options: &["-n"] },
    Variant { name: "verbose", packing: Compression::Plain, prepare: as_shipped, options: &["-v"] },
    Variant { name: "warnings", packing: Compression::Plain, prepare: as_shipped, options: &["-w"] },
    Variant { name: "no-order", packing: Compression::Plain, prepare: without_order, options: &["-a"] },
    Variant {
        name: "additions",
        packing: Compression::Plain,
        prepare: with_additions,
        options: &["-a", "-w"],
    },
];

/// Runs all comparisons whose names contain `only`, written `whole-NAME`.
pub fn run(subjects: &Subjects, cache: &Cache, only: &str) -> Result<Tally> {
    let mut tally = Tally::default();
    let wanted: Vec<&Variant> =
        VARIANTS.iter().filter(|variant| format!("whole-{}", variant.name).contains(only)).collect();
    let gzip = "whole-gz".contains(only);
    if wanted.is_empty() && !gzip {
        return Ok(tally);
    }
    let kernel = match cache.kernel() {
        Ok(kernel) => kernel,
        Err(error) => {
            tally.add("whole trees", &Verdict::Skipped(format!("{error:#}")));
            return Ok(tally);
        }
    };
    for packing in [Compression::Gzip, Compression::Xz, Compression::Zstd] {
        if gzip && packing == Compression::Gzip || wanted.iter().any(|variant| variant.packing == packing) {
            packed(cache, &kernel, packing)?;
        }
    }
    let results = parallel::map(&wanted, |variant| one(subjects, cache, &kernel, variant));
    for (variant, verdicts) in wanted.iter().zip(results) {
        for (release, verdict) in verdicts.with_context(|| format!("whole-{}", variant.name))? {
            tally.add(&format!("whole-{} against {release}", variant.name), &verdict);
        }
    }
    if gzip {
        tally.add("whole-gz against kmod 34 on the plain tree", &gzip_by_suffix(subjects, cache, &kernel)?);
    }
    Ok(tally)
}

fn one(
    subjects: &Subjects,
    cache: &Cache,
    kernel: &Kernel,
    variant: &Variant,
) -> Result<Vec<(Release, Verdict)>> {
    let temporary = tempfile::tempdir()?;
    let go = |program: &Program, name: &str| {
        let root = temporary.path().join(name);
        kernel.lay_out(&packed(cache, kernel, variant.packing)?, &root)?;
        (variant.prepare)(kernel, &root)?;
        observe(program, kernel, &root, variant.options)
    };
    let ours = go(&subjects.ours, "root-xx")?;
    let mut verdicts = Vec::new();
    for (release, program) in &subjects.references {
        let theirs = go(program, &format!("root-{}", release.number()))?;
        substantial(&theirs, variant.options)?;
        // kmod 30's -n does not print the file of weak dependencies, which it does not know.
        let comparable = *release == Release::Kmod34 || !variant.options.contains(&"-n");
        if comparable {
            let difference = compare::one(&ours, &theirs, *release, false)?;
            verdicts.push((*release, difference.map_or(Verdict::Equal, Verdict::Failed)));
        }
    }
    Ok(verdicts)
}

fn observe(program: &Program, kernel: &Kernel, root: &Path, options: &[&str]) -> Result<Observation> {
    let mut command = program.command();
    command.arg("-b").arg(root).arg("-C").arg(root.join("etc/depmod.d"));
    for option in options {
        let option = option.replace("{root}", &root.to_string_lossy());
        command.arg(option.replace("{symvers}", &kernel.symvers().to_string_lossy()));
    }
    command.arg(&kernel.version);
    observe_once(command, root, &LIMITS)
}

/// Two empty databases are equal too: the reference must have found the modules.
fn substantial(theirs: &Observation, options: &[&str]) -> Result<()> {
    let dep = theirs.changes.iter().find(|(path, _)| path.ends_with(b"/modules.dep"));
    let text = match dep {
        Some((_, Some(Node::File(_, content)))) => content,
        _ if options.contains(&"-n") => &theirs.stdout,
        _ => &theirs.stderr,
    };
    let modules = text.split(|byte| *byte == b'\n').filter(|line| line.contains(&b':')).count();
    ensure!(modules > 1000, "the reference has found only {modules} modules");
    Ok(())
}

fn as_shipped(_: &Kernel, _: &Path) -> Result<()> {
    Ok(())
}

fn without_order(kernel: &Kernel, root: &Path) -> Result<()> {
    Ok(fs::remove_file(root.join("lib/modules").join(&kernel.version).join("modules.order"))?)
}

/// A System.map with the kernel's exported symbols, made from the list with their checksums; what Debian ships
/// under that name is a stub.
fn with_system_map(kernel: &Kernel, root: &Path) -> Result<()> {
    let symvers = fs::read_to_string(kernel.symvers())?;
    let mut map = String::new();
    for line in symvers.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        if let [_, symbol, "vmlinux", ..] = fields.as_slice() {
            map.push_str(&format!("ffffffff81000000 r __ksymtab_{symbol}\n"));
        }
    }
    ensure!(map.lines().count() > 1000, "{}: too few symbols", kernel.symvers().display());
    Ok(fs::write(root.join("System.map"), map)?)
}

/// Modules beside the kernel's own, as DKMS and administrators put them: some replace the kernel's, some are
/// new and need the kernel's, some are compressed, one is broken.
fn with_additions(kernel: &Kernel, root: &Path) -> Result<()> {
    let replaced =
        Module::new("e1000e").alias("pci:v00008086d0000FFFFsv*sd*bc*sc*i*").need("ptp_clock_register");
    let new = Module::new("vendor_net")
        .alias("pci:v0000ABCDd00000001sv*sd*bc02sc00i*")
        .info("softdep=pre: e1000e post: vendor_helper")
        .export("vendor_register", 0x1234_5678)
        .need("cfg80211_scan_done")
        .need("vendor_help");
    let helper = Module::new("vendor_helper").export("vendor_help", 0x9abc_def0).info("weakdep=vendor_net");
    let tree = Tree::new(&kernel.version)
        .module("updates/dkms/e1000e.ko", replaced)
        .module("updates/dkms/vendor-net.ko.xz", new)
        .module("updates/dkms/vendor-helper.ko.zst", helper)
        .module("misc/mine.ko", Module::new("mine").need("vendor_register").need("crc32c_impl"))
        .file("updates/broken.ko", "not a module, but long enough to be looked at")
        .config("ubuntu.conf", "search updates ubuntu built-in\n")
        .config("override.conf", "override e1000e * updates/dkms\n");
    tree.write(root)?;
    Ok(())
}

/// Ours on the tree in .gz must give what kmod 34 gives for the plain tree with the suffix rewritten, as the
/// reference was built without gzip.
fn gzip_by_suffix(subjects: &Subjects, cache: &Cache, kernel: &Kernel) -> Result<Verdict> {
    let temporary = tempfile::tempdir()?;
    let our_root = temporary.path().join("root-xx");
    kernel.lay_out(&packed(cache, kernel, Compression::Gzip)?, &our_root)?;
    let ours = observe(&subjects.ours, kernel, &our_root, &["-a"])?;
    let their_root = temporary.path().join("root-34");
    kernel.lay_out(&kernel.modules(), &their_root)?;
    let theirs = observe(subjects.reference(Release::Kmod34)?, kernel, &their_root, &["-a"])?;
    substantial(&theirs, &["-a"])?;

    let (our_index, our_rest) = without_dependencies(ours.changes)?;
    let (their_index, mut their_rest) = without_dependencies(theirs.changes)?;
    for (path, node) in &mut their_rest {
        if let (true, Some(Node::File(_, content))) = (path.ends_with(b"/modules.dep"), node) {
            *content = neutral::replace(content, b".ko", b".ko.gz");
        }
    }
    let rewritten: Vec<index::Entry> = their_index
        .into_iter()
        .map(|entry| {
            let values = entry.values.into_iter();
            let values =
                values.map(|(priority, text)| (priority, neutral::replace(&text, b".ko", b".ko.gz")));
            index::Entry { key: entry.key, values: values.collect() }
        })
        .collect();
    if our_index != rewritten {
        return Ok(Verdict::Failed("modules.dep.bin has other entries".to_owned()));
    }
    let difference = compare::files(&our_rest, &their_rest, Release::Kmod34)?;
    Ok(difference.map_or(Verdict::Equal, Verdict::Failed))
}

/// The entries of modules.dep.bin, whose bytes depend on the length of the suffix, and all other files.
fn without_dependencies(mut changes: Changes) -> Result<(Vec<index::Entry>, Changes)> {
    let path = changes.keys().find(|path| path.ends_with(b"/modules.dep.bin")).cloned();
    let removed = path.and_then(|path| changes.remove(&path)).flatten();
    let Some(Node::File(_, content)) = removed else { anyhow::bail!("no modules.dep.bin was written") };
    Ok((index::decode(&content)?, changes))
}

/// The kernel's modules, compressed; made once and kept in the cache.
fn packed(cache: &Cache, kernel: &Kernel, packing: Compression) -> Result<PathBuf> {
    if packing == Compression::Plain {
        return Ok(kernel.modules());
    }
    let suffix = packing.suffix();
    let target = cache.derived(&format!("{}{suffix}", kernel.version));
    if target.is_dir() {
        return Ok(target);
    }
    println!("compressing the modules of {} to {suffix}; this is done once", kernel.version);
    let parent = target.parent().context("the cache is a directory")?;
    fs::create_dir_all(parent)?;
    let work = tempfile::Builder::new().prefix(".partial-").tempdir_in(parent)?;
    let mut files = Vec::new();
    list(&kernel.modules().join("kernel"), &mut files)?;
    let results = parallel::map(&files, |file| pack_one(kernel, file, work.path(), packing));
    results.into_iter().collect::<Result<Vec<()>>>()?;
    match fs::rename(work.path(), &target) {
        Err(_) if target.is_dir() => {}
        result => result.with_context(|| target.display().to_string())?,
    }
    Ok(target)
}

fn pack_one(kernel: &Kernel, file: &Path, work: &Path, packing: Compression) -> Result<()> {
    let bytes = fs::read(file)?;
    let relative = file.strip_prefix(kernel.modules())?;
    let mut name = work.join(relative).into_os_string();
    name.push(packing.suffix());
    let target = PathBuf::from(name);
    fs::create_dir_all(target.parent().unwrap_or(work))?;
    fs::write(&target, compress(&bytes, packing)?)?;
    Ok(())
}

fn list(directory: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(directory).with_context(|| directory.display().to_string())? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            list(&entry.path(), files)?;
        } else if entry.path().extension().is_some_and(|extension| extension == "ko") {
            files.push(entry.path());
        }
    }
    Ok(())
}
