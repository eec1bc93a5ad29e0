//! The reason that is given for a refusal is the true one, and where the same error has another cause it is not
//! given. What a module needs to be refused is put into a copy of one of this kernel's.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use super::patched::{Tree, changed, other_checksum, renamed, replaced, unsigned, without_checksums};
use crate::catalog::{Group, Scenario};
use crate::program::{Ended, modprobe, run, shell};
use crate::signature::OWN_SIGNER;
use crate::world::{MODPROBE, OWN, World};

/// A kernel that accepts signed modules and others.
pub const GROUP: Group = Group::new(
    "reasons",
    &[
        ours("built-for-another-kernel-counts-as-the-kernel-counts-it", &["minix", "fat"], vermagic),
        ours("a-symbol-that-another-module-exports-is-named-with-it", &["vfat"], duplicate),
        ours("a-symbol-with-another-checksum-is-named-with-its-module", &["vfat"], checksum),
        ours("a-changed-file-is-known-where-nothing-is-enforced", &["minix"], changed_file),
        ours("without-the-right-to-load-that-is-the-reason", &["minix"], privilege),
        ours("in-a-container-the-host-has-to-load", &["minix"], container),
    ],
);

/// A kernel that accepts signed modules only.
pub const SIGNED: Group = Group {
    kernel_arguments: "module.sig_enforce=1",
    ..Group::new(
        "signatures",
        &[
            ours("why-a-signature-does-not-count-is-told-apart", &["minix"], enforced),
            ours("a-key-of-ones-own-is-named-with-what-to-do", &["minix"], own_key)
                .with_compressed(&[("minix", "signed")]),
        ],
    )
};

/// A kernel that keeps root from changing it.
pub const LOCKED: Group = Group {
    kernel_arguments: "lockdown=integrity",
    ..Group::new("lockdown", &[ours("lockdown-is-named-with-its-state", &["minix"], locked)])
};

const fn ours(
    name: &'static str,
    modules: &'static [&'static str],
    run: fn(&mut World) -> Result<()>,
) -> Scenario {
    Scenario::new(name, modules, run).ours_only()
}

/// Puts a module into the tree and has modprobe load it, with hints.
fn load(tree: &Tree, file: &str, content: &[u8], options: &[&str]) -> Result<Ended> {
    tree.put(file, content)?;
    tree.index()?;
    let name = file.trim_end_matches(".ko");
    run(MODPROBE, &tree.with(&[options, &["--hints", name]].concat()))
}

/// The hint that must appear with an error, which is that of the first line.
fn expect_hint(ended: &Ended, error: &str, hint: &str) -> Result<()> {
    ended.expect_code(1)?;
    let hints: Vec<_> = ended.stderr.lines().filter_map(|line| line.split_once("hint: ")).collect();
    ensure!(ended.stderr.contains(error), "no {error:?}: {ended:?}");
    ensure!(hints.len() == 1 && hints.iter().all(|(_, told)| told.contains(hint)), "no {hint:?}: {ended:?}");
    Ok(())
}

fn vermagic(world: &mut World) -> Result<()> {
    let tree = Tree::new(world)?;
    let module = unsigned(&world.module("minix")?);
    let (release, other) =
        (world.plan.release.clone(), format!("9{}", world.plan.release.get(1..).unwrap_or("")));
    let of_release = |release: &str| format!("vermagic={release} SMP").into_bytes();
    // With checksums of symbols the kernel does not compare the release.
    let foreign = replaced(&module, &of_release(&release), &of_release(&other))?;
    let loaded = load(&tree, "minix.ko", &foreign, &[])?;
    loaded.expect_code(0)?;
    ensure!(loaded.stderr.is_empty(), "{loaded:?}");
    modprobe(&["-r", "minix"])?;
    // Without them it does.
    let bare = without_checksums(&foreign)?;
    let hint = format!("was built for {other} (vermagic), the running kernel is {release}");
    expect_hint(&load(&tree, "minix.ko", &bare, &[])?, "Exec format error", &hint)?;
    // What the kernel wants is read off a module of its own.
    tree.put("fat.ko", &world.module("fat")?)?;
    let featured = replaced(&module, b" SMP preempt", b" UMP preempt")?;
    let hint = "was built for a kernel with 'UMP preempt";
    expect_hint(&load(&tree, "minix.ko", &featured, &[])?, "Exec format error", hint)
}

fn duplicate(world: &mut World) -> Result<()> {
    let tree = Tree::new(world)?;
    let fat = unsigned(&world.module("fat")?);
    let twin = renamed(&fat, "fat", "fax")?;
    modprobe(&["fat"])?;
    let ended = load(&tree, "fax.ko", &twin, &[])?;
    expect_hint(&ended, "Exec format error", "exports what somebody exports already: ")?;
    ensure!(ended.stderr.contains("(of fat, which is loaded)"), "{ended:?}");
    // The same error with the same module loaded has another cause.
    let damaged = twin.get(..twin.len() / 2).unwrap_or_default();
    tree.put("fax.ko", damaged)?;
    let ended = run(MODPROBE, &tree.with(&["--hints", "fax"]))?;
    ended.expect_code(1)?;
    ensure!(!ended.stderr.contains("exports what"), "{ended:?}");
    Ok(())
}

fn checksum(world: &mut World) -> Result<()> {
    let tree = Tree::new(world)?;
    let module = unsigned(&world.module("vfat")?);
    tree.put("fat.ko", &world.module("fat")?)?;
    let other = other_checksum(&module, b"fat_attach\0")?;
    let hint = "was built against other versions of these symbols: fat_attach of fat";
    expect_hint(&load(&tree, "vfat.ko", &other, &[])?, "Invalid argument", hint)?;
    // By force it is accepted, whatever the checksum.
    let ended = load(&tree, "vfat.ko", &other, &["--force-modversion"])?;
    ended.expect_code(0)
}

fn changed_file(world: &mut World) -> Result<()> {
    let tree = Tree::new(world)?;
    let module = world.module("minix")?;
    let ended = load(&tree, "minix.ko", &changed(&module)?, &[])?;
    expect_hint(&ended, "Key was rejected by service", "was changed after it was signed by '")?;
    let loaded = load(&tree, "minix.ko", &module, &[])?;
    loaded.expect_code(0)
}

fn privilege(world: &mut World) -> Result<()> {
    // Of this process and all that it starts, which is this scenario.
    rustix::thread::remove_capability_from_bounding_set(rustix::thread::CapabilitySet::SYS_MODULE)?;
    let ended = run(MODPROBE, &["--hints", "minix"])?;
    let hint = "this process does not have the capability CAP_SYS_MODULE";
    expect_hint(&ended, "Operation not permitted", hint)?;
    world.expect_absent(&["minix"])
}

/// As a container runtime makes one: namespaces of its own, its own /proc, the host's kernel and no modules.
fn container(world: &mut World) -> Result<()> {
    fs::rename(world.modules_dir(), world.hidden_modules_dir())?;
    fs::create_dir_all("/lib/modules/9.9-of-the-image")?;
    let said = format!("{}/said", crate::world::WORK);
    let inside = format!(
        "unshare -m -p -f sh -c 'mount -t proc proc /proc; echo >/run/.containerenv; \
         {MODPROBE} --hints minix 2>{said}; echo $? >>{said}'"
    );
    let ran = shell(&inside);
    fs::remove_dir("/lib/modules/9.9-of-the-image")?;
    let _ = fs::remove_file("/run/.containerenv");
    ran?;
    let told = fs::read_to_string(&said)?;
    ensure!(told.ends_with("\n1\n") && told.contains("minix"), "{told}");
    ensure!(told.contains("there are no modules here for the running kernel"), "{told}");
    ensure!(told.contains("in a container the host has to load modules"), "{told}");
    ensure!(!told.contains("reboot"), "{told}");
    // The same failure outside of one has nothing to do with containers.
    let ended = run(MODPROBE, &["--hints", "minix"])?;
    ended.expect_code(1)?;
    ensure!(!ended.stderr.contains("container"), "{ended:?}");
    Ok(())
}

/// A module that is signed by somebody whom the kernel does not know: the name of the signer is another.
fn by_a_stranger(module: &[u8]) -> Result<Vec<u8>> {
    // The text as it stands in the signature, behind its length.
    let content = unsigned(module);
    let signature = module.get(content.len()..).unwrap_or_default();
    let (known, stranger) = (&b"autogenerated"[..], &b"unknown to it"[..]);
    let signature = replaced(signature, known, stranger).context("who signed this kernel's modules?")?;
    Ok([content, signature].concat())
}

fn enforced(world: &mut World) -> Result<()> {
    let tree = Tree::new(world)?;
    let module = world.module("minix")?;
    load(&tree, "minix.ko", &module, &[])?.expect_code(0).context("as it came")?;
    modprobe(&["-r", "minix"])?;
    let rejected = "Key was rejected by service";
    let expect = |content: &[u8], options: &[&str], hint: &str| {
        expect_hint(&load(&tree, "minix.ko", content, options)?, rejected, hint)
            .with_context(|| hint.to_owned())
    };
    expect(&unsigned(&module), &[], "carries no signature and this kernel accepts only signed modules")?;
    expect(&by_a_stranger(&module)?, &[], "which is not among this kernel's keys")?;
    expect(&changed(&module)?, &[], "the file was changed after it was signed")?;
    expect(&module, &["-f"], "forcing voids the signature of")?;
    // Another error of a module whose signature is beyond doubt.
    tree.put("minix.ko", &module)?;
    let ended = run(MODPROBE, &tree.with(&["--hints", "nonesuch"]))?;
    ended.expect_code(1)?;
    ensure!(!ended.stderr.contains("sign"), "{ended:?}");
    Ok(())
}

/// As DKMS leaves a module: signed with a key that was made on the machine, and is not enrolled. Into the kernel's
/// secondary keyring goes only what one of its own keys has signed, so a key that it knows cannot be shown here.
fn own_key(world: &mut World) -> Result<()> {
    let tree = Tree::new(world)?;
    let path = format!("{OWN}/compressed/minix.ko.signed");
    let module = fs::read(&path).with_context(|| format!("cannot read {path}"))?;
    let ended = load(&tree, "minix.ko", &module, &[])?;
    let hint = format!("is signed by '{OWN_SIGNER}' (key ");
    expect_hint(&ended, "Key was rejected by service", &hint)?;
    let what_to_do = "enrol its certificate (mokutil --import CERTIFICATE) and reboot";
    ensure!(ended.stderr.contains(what_to_do), "{ended:?}");
    // The key in the hint is the one that modinfo names.
    let shown =
        run("/sbin/modinfo", &["-F", "sig_key", &tree.modules.join("kernel/minix.ko").to_string_lossy()])?;
    let key = shown.stdout.trim().replace(':', "").to_ascii_lowercase();
    ensure!(key.len() >= 8 && ended.stderr.contains(&format!("(key {key})")), "{key:?}: {ended:?}");
    // The same file with a byte changed is as little known: whether it was changed cannot be seen.
    let ended = load(&tree, "minix.ko", &changed(&module)?, &[])?;
    expect_hint(&ended, "Key was rejected by service", "which is not among this kernel's keys")?;
    // The same error of a file that Debian signed has another cause.
    let ended = load(&tree, "minix.ko", &changed(&world.module("minix")?)?, &[])?;
    expect_hint(&ended, "Key was rejected by service", "was changed after it was signed")?;
    ensure!(!ended.stderr.contains("mokutil"), "{ended:?}");
    Ok(())
}

fn locked(world: &mut World) -> Result<()> {
    let security = "/sys/kernel/security";
    mount("securityfs", security, "securityfs", MountFlags::empty(), None)?;
    let told = locked_with_its_state(world);
    unmount(security, UnmountFlags::DETACH)?;
    told
}

fn locked_with_its_state(world: &World) -> Result<()> {
    let tree = Tree::new(world)?;
    let module = world.module("minix")?;
    load(&tree, "minix.ko", &module, &[])?.expect_code(0).context("as it came")?;
    modprobe(&["-r", "minix"])?;
    let hint = "carries no signature and this kernel accepts only signed modules (lockdown: integrity)";
    let ended = load(&tree, "minix.ko", &unsigned(&module), &[])?;
    expect_hint(&ended, "Operation not permitted", hint)?;
    let ended = load(&tree, "minix.ko", &module, &["-f"])?;
    expect_hint(&ended, "Operation not permitted", "forcing voids the signature of")?;
    // The same error without the right to load is not about signatures.
    rustix::thread::remove_capability_from_bounding_set(rustix::thread::CapabilitySet::SYS_MODULE)?;
    let ended = load(&tree, "minix.ko", &module, &[])?;
    expect_hint(&ended, "Operation not permitted", "CAP_SYS_MODULE")
}
