//! The prepared world: a root directory with modules, configuration and a kernel made of files.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use fixtures::{Module, Signature, Tree};
use reference::{Cache, Ending, Limits, Program, Release, run};

const CONFIGURATION: &str = "\
alias al-top top
alias my-* top
alias shared mid
alias shared base
alias mixed black
alias mixed inside
alias mixed top
alias [ab]-c lone
alias no-path nothing-of-this-name
options top a=1  b=\"x y\"
options top tab=\t1
options al_top by-alias=1
options base z=9
options other-one  spaced
install cmd-only echo $CMDLINE_OPTS and ${CMDLINE_OPTS}
install cmd-positive echo positive
install cmd-fails echo fails
install cmd_status exit 3
install cmd_writes echo \"$MODPROBE_MODULE $CMDLINE_OPTS\" >/written
install packed echo packed $CMDLINE_OPTS
install snd_* echo sound
remove remove-only echo gone
remove top echo top is going
blacklist black
blacklist snd-hda
softdep top pre: base post: needgone
softdep mid pre: b-lank a]  post: lone unheard-of
softdep oddsoft pre: al-top post: a[b
softdep looped pre: looped2 post: lone
softdep looped2 pre: looped
softdep [x-z]* post: lone
softdep nothing-listed foo
softdep interleaved pre: a post: b pre: c
foo is no command
install incomplete
";

/// The world, without its database.
pub fn tree() -> Tree {
    let module = |name: &str| Module::new(name).info("license=GPL").info("vermagic=6.1.0-test SMP ");
    let tree = Tree::new("6.1.0-test")
        .module(
            "kernel/base.ko",
            module("base").export("base_symbol", 0x11).export("base_other", 0xffff_ffff),
        )
        .module(
            "kernel/mid.ko",
            module("mid").versioned_need("base_symbol", 0x11).export("mid_symbol", 0x22).alias("mid:*"),
        )
        .module(
            "kernel/top.ko",
            module("top")
                .versioned_need("mid_symbol", 0x22)
                .weak_versioned_need("base_other", 0xffff_ffff)
                .need("nobody_has_this")
                .version("module_layout", 0x1234_5678)
                .info("flag")
                .info("empty=")
                .info("=valueless")
                .alias("pci:v00000001d*"),
        )
        .module("kernel/packed.ko.xz", module("packed").versioned_need("base_symbol", 0x11))
        .module("kernel/softly.ko", module("softly").info("softdep=pre: base mid").info("softdep=post: lone"))
        .module("kernel/weakly.ko", module("weakly").info("weakdep=top base").info("weakdep=unheard-of"))
        .module("kernel/lone.ko", module("lone").alias("pci:v0000000[1-3]d*"))
        .module("kernel/snd-hda.ko", module("snd_hda").alias("char-major-116-*"))
        .module("kernel/black.ko", module("black").alias("black-alias").export("black_symbol", 1))
        .module("kernel/needsblack.ko", module("needsblack").need("black_symbol"))
        .module("kernel/gone.ko", module("gone").export("gone_symbol", 3))
        .module("kernel/needgone.ko", module("needgone").need("gone_symbol").need("base_symbol"))
        .module(
            "kernel/firm.ko",
            module("firm")
                .info("firmware=a.bin")
                .info("firmware=b.bin")
                .info("parm=p:what")
                .info("parmtype=p:int"),
        )
        .module(
            "kernel/signed.ko",
            module("signed").signed(Signature {
                algorithm: 1,
                hash: 4,
                id_type: 1,
                signer: b"Some Key".to_vec(),
                key_id: (0..21).collect(),
                signature: (0..45).collect(),
            }),
        )
        .module("kernel/garbage.ko", module("garbage"))
        .module("kernel/short_one.ko", module("short_one"))
        .module("kernel/cut.ko", module("cut"))
        .module("kernel/damaged_xz.ko.xz", module("damaged_xz"))
        .module("kernel/nosections.ko", Module::new("nosections").without_symbol_table())
        .module("kernel/looped.ko", module("looped"))
        .module("kernel/looped2.ko", module("looped2"))
        .module("kernel/oddsoft.ko", module("oddsoft"))
        .builtin(&["kernel/x/inside.ko", "kernel/x/in-side2.ko"])
        .builtin_modinfo(&[
            "inside.alias=inner-*",
            "inside.license=GPL",
            "inside.parm=x:of it",
            "other.alias=inner-alias",
        ])
        .file("/conf/extra.conf", "options extra from=file\n")
        .module("/conf/base.ko", module("base"))
        .file("/etc/modprobe.d/world.conf", CONFIGURATION)
        .file("/proc/modules", PROC_MODULES)
        .file("/proc/cmdline", "quiet base.from_kernel=1 modprobe.blacklist=lone-cmdline,cmdline\n");
    let directories = ["/tools", "/programs", "/library", "/tmp"];
    let tree = directories.iter().fold(tree, |tree, path| tree.directory(path)).file("/bin/sh", "");
    SYSFS.iter().fold(tree, |tree, (path, text)| tree.file(&format!("/sys/module/{path}"), text))
}

const PROC_MODULES: &str = "\
top 16384 0 - Live 0x0000000000000000
base 20480 2 mid,top, Live 0x0000000000000000
dash-ed 100 0 - Live 0x0000000000000000 (OE)
base 20480 2 mid,top, Live 0x0000000000000000
unsized many 0 - Live 0x0000000000000000
";

/// The kernel's own files, as far as they are looked at.
const SYSFS: [(&str, &str); 21] = [
    ("base/initstate", "live\n"),
    ("base/refcnt", "2\n"),
    ("base/coresize", "20480\n"),
    ("base/holders/mid", ""),
    ("base/holders/dash-ed", ""),
    ("base/sections/.text", "0xffffffffc0000000\n"),
    ("base/sections/__param", "0x0000000000000000\n"),
    ("mid/initstate", "coming\n"),
    ("mid/refcnt", "-1\n"),
    ("mid/coresize", "99999999999999999999\n"),
    ("leaving/initstate", "going\n"),
    ("leaving/refcnt", "0x10\n"),
    ("leaving/coresize", "12 34\n"),
    ("begun/parameters/x", "1\n"),
    ("strange/initstate", "sleeping\n"),
    ("strange/coresize", "0x10\n"),
    ("strange/refcnt", "\n"),
    ("odd/sections/.bad", "no number\n"),
    ("odd/initstate", "live\n"),
    ("dash_ed/refcnt", " 7\n"),
    ("unnumbered/refcnt", "many\n"),
];

/// Writes the world to `root`, builds its database, and damages what is to be damaged.
pub fn write(tree: &Tree, cache: &Cache, root: &Path) -> Result<()> {
    let modules = tree.write(root)?;
    let mut depmod: Command = Program::reference(cache, Release::Kmod34, "depmod")?.command();
    depmod.arg("-b").arg(root).arg("-C").arg(root.join("none")).arg(tree.version());
    let outcome = run(depmod, &Limits::default())?;
    ensure!(
        outcome.ending == Ending::Exit(0),
        "depmod: {:?}: {}",
        outcome.ending,
        String::from_utf8_lossy(&outcome.stderr)
    );
    fs::remove_file(modules.join("kernel/gone.ko"))?;
    fs::write(modules.join("kernel/garbage.ko"), "this is no module at all, however long it is")?;
    fs::write(modules.join("kernel/short_one.ko"), "short")?;
    for (name, len) in [("cut.ko", 100), ("damaged_xz.ko.xz", 60)] {
        let path = modules.join("kernel").join(name);
        let bytes = fs::read(&path)?;
        fs::write(&path, bytes.get(..len).unwrap_or(&bytes))?;
    }
    // The running kernel is this one.
    symlink(tree.version(), root.join("lib/modules").join(running_release()?))?;
    Ok(())
}

/// What the running kernel calls itself.
pub fn running_release() -> Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned())
}
