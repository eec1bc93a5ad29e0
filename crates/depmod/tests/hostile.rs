//! Trees that nobody would make by accident: depmod ends, says what is wrong, and builds the rest.

// long: one kind of tree after the other, each shown whole
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed expectation is how a test speaks")]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fixtures::{Compression, Module, Tree, compress};

use crate::world::bombs::{bomb, overlapping};
use crate::world::{
    DEPMOD, OUTPUTS, VERSION, arguments, assert_clean, build, bytes, contains, database, depmod, directory,
    has, skip, stderr, without_privileges,
};

mod world;

/// A root with one good module, and its module directory.
fn root() -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let tree = Tree::new(VERSION).directory("/etc/depmod.d").module("kernel/good.ko", Module::new("good"));
    let directory = tree.with_build_files().write(root.path()).unwrap();
    (root, directory)
}

fn run(root: &Path) -> Output {
    depmod(root, &["-a"]).output().unwrap()
}

/// The run has ended by itself, the database is whole, and the good module is in it.
fn assert_rest_is_built(root: &Path, output: &Output) {
    assert_rest_is_built_with(0, root, output);
}

fn assert_rest_is_built_with(status: i32, root: &Path, output: &Output) {
    assert_eq!(output.status.code(), Some(status), "{}", stderr(output));
    let database = database(root);
    assert_eq!(database.len(), OUTPUTS.len());
    assert!(contains(&database["modules.dep"], "kernel/good.ko:\n"));
    assert_clean(root);
}

/// The lines that name a path.
fn lines_about<'a>(said: &'a str, path: &Path) -> Vec<&'a str> {
    said.lines().filter(|line| line.contains(&*path.to_string_lossy())).collect()
}

#[test]
fn what_is_no_file_is_one_line_each_and_is_never_opened() {
    let (root, directory) = root();
    let [fifo, socket, dangling, itself, device] =
        ["fifo.ko", "socket.ko", "dangling.ko", "itself.ko", "device.ko"].map(|name| directory.join(name));
    Tree::new(VERSION).fifo("fifo.ko").write(root.path()).unwrap();
    let _socket = UnixListener::bind(&socket).unwrap();
    symlink("nowhere", &dangling).unwrap();
    symlink("itself.ko", &itself).unwrap();
    let mut wrong = vec![fifo, socket, dangling, itself];
    if Command::new("mknod").arg(&device).args(["c", "1", "5"]).status().unwrap().success() {
        wrong.push(device);
    } else {
        skip("devices cannot be made here");
    }
    let output = run(root.path());
    assert_rest_is_built(root.path(), &output);
    let said = stderr(&output);
    for path in wrong {
        assert_eq!(lines_about(&said, &path).len(), 1, "{}:\n{said}", path.display());
    }
    assert_eq!(String::from_utf8_lossy(&database(root.path())["modules.dep"]), "kernel/good.ko:\n");
}

#[test]
fn a_fifo_or_device_as_an_operand_is_refused_without_waiting() {
    let (root, directory) = root();
    let fifo = directory.join("fifo.ko");
    Tree::new(VERSION).fifo("fifo.ko").write(root.path()).unwrap();
    for operand in [fifo.as_path(), Path::new("/dev/zero"), Path::new("/dev/null")] {
        let output = depmod(root.path(), &["-n"]).arg(operand).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let said = stderr(&output);
        assert!(said.contains(&*operand.to_string_lossy()), "{said}");
    }
}

#[test]
fn directories_that_link_to_each_other_end() {
    const DIRECTORIES: usize = 9;
    let (root, directory) = root();
    for from in 0..DIRECTORIES {
        fs::create_dir(directory.join(format!("d{from}"))).unwrap();
    }
    for from in 0..DIRECTORIES {
        for to in (0..DIRECTORIES).filter(|&to| to != from) {
            symlink(format!("../d{to}"), directory.join(format!("d{from}/to{to}"))).unwrap();
        }
        fs::copy(directory.join("kernel/good.ko"), directory.join(format!("d{from}/m{from}.ko"))).unwrap();
    }
    // Each path without a repetition would be a visit: a million.
    let output = run(root.path());
    assert_rest_is_built(root.path(), &output);
    let said = stderr(&output);
    assert!(said.lines().count() < 1000, "{} lines", said.lines().count());
    assert!(said.contains("other ways through links to that directory"), "{said}");
    let dep = String::from_utf8(database(root.path())["modules.dep"].clone()).unwrap();
    for number in 0..DIRECTORIES {
        assert_eq!(dep.lines().filter(|line| line.ends_with(&format!("/m{number}.ko:"))).count(), 1, "{dep}");
    }
}

#[test]
fn a_directory_that_several_links_lead_to_is_followed_through_each() {
    let (root, directory) = root();
    for number in 0..5 {
        symlink("kernel", directory.join(format!("link{number}"))).unwrap();
    }
    let output = run(root.path());
    assert_eq!(stderr(&output), "");
    assert_eq!(output.status.code(), Some(0));
    let dep = String::from_utf8(database(root.path())["modules.dep"].clone()).unwrap();
    assert_eq!(dep.lines().count(), 1, "{dep}");
}

#[test]
fn what_the_caller_may_not_read_is_one_line_each() {
    let (root, directory) = root();
    let setpriv = ["--reuid=65534", "--clear-groups", "true"];
    if rustix::process::geteuid().is_root() && !has("setpriv", &setpriv) {
        return;
    }
    let [hidden, closed] = ["kernel/hidden", "kernel/closed.ko"].map(|name| directory.join(name));
    fs::create_dir(&hidden).unwrap();
    fs::copy(directory.join("kernel/good.ko"), hidden.join("inside.ko")).unwrap();
    fs::copy(directory.join("kernel/good.ko"), &closed).unwrap();
    for (path, mode) in [(&hidden, 0o000), (&closed, 0o000), (&directory, 0o777)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let command = depmod(root.path(), &["-a"]);
    let output = without_privileges(&command, &root.path().join("depmod")).output().unwrap();
    assert_rest_is_built_with(1, root.path(), &output);
    let said = stderr(&output);
    for path in [&hidden, &closed] {
        let lines = lines_about(&said, path);
        assert!(lines.len() == 1 && lines.iter().all(|line| line.contains("Permission denied")), "{said}");
    }
    fs::set_permissions(&hidden, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn modules_keep_the_time_at_which_they_were_last_read() {
    let (root, directory) = root();
    let module = directory.join("kernel/good.ko");
    let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    let times = fs::FileTimes::new().set_accessed(long_ago).set_modified(std::time::SystemTime::now());
    File::options().write(true).open(&module).unwrap().set_times(times).unwrap();
    build(root.path(), &["-a"]);
    assert_eq!(fs::metadata(&module).unwrap().accessed().unwrap(), long_ago);
}

#[test]
fn names_with_line_breaks_and_odd_bytes_harm_nobody_else() {
    let (root, directory) = root();
    let module = fs::read(directory.join("kernel/good.ko")).unwrap();
    let refused: [&[u8]; 4] = [b"line\nbreak.ko", b"tab\t :.ko", b"\x1b[31mred.ko", b"back\\slash.ko"];
    let recorded: [&[u8]; 3] = [b"high\xff\xfe.ko", b"\xc3\xa9.ko", b"blank :.ko"];
    for name in refused.iter().chain(&recorded) {
        fs::write(directory.join(OsStr::from_bytes(name)), &module).unwrap();
    }
    let output = run(root.path());
    let database = database(root.path());
    assert_eq!(database.len(), OUTPUTS.len());
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for name in recorded {
        assert!(contains(&database["modules.dep"], [name, b":\n"].concat()), "{}", name.escape_ascii());
    }
    for name in refused {
        let line = format!("module file {} is left out: ", name.escape_ascii());
        assert!(said.contains(&line), "{line}:\n{said}");
    }
    let lines = database["modules.dep"].split_inclusive(|&byte| byte == b'\n').count();
    assert_eq!(lines, 1 + recorded.len(), "{}", database["modules.dep"].escape_ascii());
    // An index holds 7-bit characters only; what is left out is reported, and is no success.
    assert!(said.contains("only 7-bit ASCII is supported"), "{said}");
    let index = moddb::index::Index::open(&directory.join("modules.dep.bin")).unwrap();
    let keys: Vec<Vec<u8>> = index.entries().unwrap().into_iter().map(|entry| entry.key).collect();
    assert_eq!(keys, [b"blank :".to_vec(), b"good".to_vec()]);
    assert_clean(root.path());
}

#[test]
fn each_module_that_cannot_be_read_is_one_clear_line() {
    let (root, directory) = root();
    let good = fs::read(directory.join("kernel/good.ko")).unwrap();
    let short = good.get(..100).unwrap();
    let packed = compress(&good, Compression::Zstd).unwrap();
    let half = packed.get(..packed.len() / 2).unwrap();
    let wrong: [(&str, &[u8]); 4] = [
        ("empty.ko", b""),
        ("text.ko", b"#!/bin/sh\nthis is no module\n"),
        ("short.ko", short),
        ("half.ko.zst", half),
    ];
    for (name, content) in wrong {
        fs::write(directory.join(name), content).unwrap();
    }
    let output = run(root.path());
    assert_rest_is_built(root.path(), &output);
    let said = stderr(&output);
    for (name, _) in wrong {
        let lines = lines_about(&said, &directory.join(name));
        assert!(
            lines.len() == 1 && lines.iter().all(|line| line.contains("failed to load symbols from")),
            "{name}:\n{said}"
        );
        assert!(contains(&database(root.path())["modules.dep"], format!("{name}:\n")), "{name}");
    }
}

/// Runs depmod and returns its output and its maximum resident size in KiB.
fn measured(root: &Path) -> (Output, u64) {
    let report = root.join("time");
    let mut command = Command::new("time");
    command.args(["-f", "%M", "-o"]).arg(&report).arg(DEPMOD);
    arguments(&mut command, root, &["-a"]);
    let output = command.output().unwrap();
    let text = fs::read_to_string(report).unwrap();
    (output, text.lines().last().unwrap().parse().unwrap())
}

const PACKINGS: [Compression; 3] = [Compression::Gzip, Compression::Xz, Compression::Zstd];

#[test]
fn gigabytes_of_packed_zeros_are_refused_at_small_cost() {
    if !has("time", &["true"]) {
        return;
    }
    let (root, directory) = root();
    for how in PACKINGS {
        let name = format!("bomb{}.ko", how.suffix().replace('.', "_"));
        fs::write(directory.join(name), bomb(b"", how, 8 << 10)).unwrap();
    }
    let (output, kibibytes) = measured(root.path());
    assert_rest_is_built(root.path(), &output);
    let said = stderr(&output);
    assert_eq!(said.lines().filter(|line| line.contains("Exec format error")).count(), 3, "{said}");
    assert!(kibibytes < 100 << 10, "{kibibytes} KiB");
}

#[test]
fn a_module_of_more_than_512_mebibytes_is_refused_and_costs_no_more() {
    if !has("time", &["true"]) {
        return;
    }
    let (root, directory) = root();
    let packed = bomb(b"\x7fELF\x02\x01\x01", Compression::Zstd, 2 << 10);
    fs::write(directory.join("bomb.ko.zst"), packed).unwrap();
    let (output, kibibytes) = measured(root.path());
    assert_rest_is_built(root.path(), &output);
    let said = stderr(&output);
    assert!(said.contains("zstd: decompresses to more than 536870912 bytes"), "{said}");
    assert!(said.contains("bomb.ko.zst: File too large"), "{said}");
    assert!(kibibytes < 600 << 10, "{kibibytes} KiB");
}

#[test]
fn large_sections_on_top_of_each_other_cost_a_bounded_amount_of_memory() {
    if !has("time", &["true"]) {
        return;
    }
    let (root, directory) = root();
    for number in 0..2 {
        overlapping(&directory.join(format!("overlapping{number}.ko")));
    }
    let (output, kibibytes) = measured(root.path());
    assert_rest_is_built(root.path(), &output);
    assert!(kibibytes < 200 << 10, "{kibibytes} KiB");
}

#[test]
fn without_a_version_the_installed_ones_are_told() {
    let root = tempfile::tempdir().unwrap();
    for version in ["6.1.0-1-amd64", "5.10.0-x"] {
        fs::create_dir_all(root.path().join("lib/modules").join(version)).unwrap();
    }
    let output =
        Command::new(DEPMOD).arg("-b").arg(root.path()).arg("-a").env("LC_ALL", "C").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("5.10.0-x, 6.1.0-1-amd64"), "{said}");
    assert!(said.contains(&*root.path().join("lib/modules").to_string_lossy()), "{said}");
}

#[test]
fn a_directory_named_like_an_output_is_told_and_no_other_file_is_damaged() {
    for name in OUTPUTS {
        let (root, directory) = root();
        build(root.path(), &["-a"]);
        let old = database(root.path());
        fs::remove_file(directory.join(name)).unwrap();
        fs::create_dir_all(directory.join(name).join("kept")).unwrap();
        fs::write(directory.join("kernel/new.ko"), fs::read(directory.join("kernel/good.ko")).unwrap())
            .unwrap();
        let output = run(root.path());
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{name}: {said}");
        assert!(
            contains(&output.stderr, bytes(&directory.join(name))) && said.contains("Is a directory"),
            "{said}"
        );
        assert!(directory.join(name).join("kept").is_dir());
        assert_clean(root.path());
        for (other, content) in database(root.path()) {
            let is_new = other != "modules.dep" || contains(&content, "kernel/new.ko:\n");
            assert!(is_new || old.get(other) == Some(&content), "{name}: {other}");
        }
        fs::remove_dir_all(directory.join(name)).unwrap();
        let repaired = depmod(root.path(), &["-A"]).output().unwrap();
        assert!(repaired.status.success(), "{name}: {}", stderr(&repaired));
        assert_eq!(database(root.path()).len(), OUTPUTS.len(), "{name}");
        assert!(contains(&database(root.path())["modules.dep"], "kernel/new.ko:\n"), "{name}");
    }
}

#[test]
fn the_module_directory_may_be_a_file_or_missing() {
    let root = tempfile::tempdir().unwrap();
    let output = run(root.path());
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    fs::create_dir_all(directory(root.path()).parent().unwrap()).unwrap();
    fs::write(directory(root.path()), "a file").unwrap();
    let output = run(root.path());
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("Not a directory"), "{}", stderr(&output));
}

/// Files that depmod reads beside the modules, and what stands in their place.
#[test]
fn what_stands_in_place_of_a_file_is_not_waited_for_and_costs_nothing() {
    type Place = fn(&Path);
    let places: [(&str, Place); 4] = [
        ("a fifo", |path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success())),
        ("a device", |path| symlink("/dev/zero", path).unwrap()),
        ("a terabyte of nothing", |path| File::create(path).unwrap().set_len(1 << 40).unwrap()),
        ("a directory", |path| fs::create_dir(path).unwrap()),
    ];
    let names = [
        "modules.order",
        "modules.builtin",
        "modules.builtin.modinfo",
        "System.map",
        "Module.symvers",
        "modules.dep",
        "modules.alias.bin",
        ".depmod-running",
        ".depmod-1-modules.dep",
    ];
    for (what, place) in places {
        for name in names {
            let (root, directory) = root();
            let _ = fs::remove_file(directory.join(name));
            place(&directory.join(name));
            let mut command = Command::new("timeout");
            command.args(["20", DEPMOD]);
            arguments(&mut command, root.path(), &["-a", "-e", "--keep-going"]);
            let output = command.output().unwrap();
            let said = stderr(&output);
            assert!(
                matches!(output.status.code(), Some(0 | 1)),
                "{what} as {name}: {:?} {said}",
                output.status
            );
            let replaced = ["modules.dep", "modules.alias.bin", ".depmod-running"];
            if what == "a directory" && replaced.contains(&name) {
                assert!(said.contains("Is a directory"), "{what} as {name}: {said}");
            } else {
                assert_eq!(database(root.path()).len(), OUTPUTS.len(), "{what} as {name}: {said}");
            }
        }
    }
}

#[test]
fn a_fifo_in_place_of_the_module_directory_is_not_opened() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(directory(root.path()).parent().unwrap()).unwrap();
    assert!(Command::new("mkfifo").arg(directory(root.path())).status().unwrap().success());
    let mut command = Command::new("timeout");
    command.args(["20", DEPMOD]);
    arguments(&mut command, root.path(), &["-a"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("Not a directory"), "{}", stderr(&output));
}

#[test]
fn whatever_the_umask_nobody_else_can_write_a_file_or_directory() {
    if !has("strace", &["--version"]) {
        return;
    }
    for umask in ["0", "077"] {
        let (root, _) = root();
        let [out, log] = ["out", "trace"].map(|name| root.path().join(name));
        let script = format!("umask {umask}; exec strace -f -e trace=openat,openat2,open -o \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &script, "sh"]).arg(&log).arg(DEPMOD);
        arguments(&mut command, root.path(), &["-a", "-o", out.to_str().unwrap()]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        for created in fs::read_to_string(log).unwrap().lines().filter(|line| line.contains("O_CREAT")) {
            assert!(created.contains(", 0600) = "), "{created}");
        }
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        for path in [out.clone(), out.join("lib"), out.join("lib/modules"), directory(&out)] {
            assert_eq!(mode(&path), 0o755, "{}", path.display());
        }
        for name in OUTPUTS {
            assert_eq!(mode(&directory(&out).join(name)), 0o644, "{name}");
        }
    }
}

#[test]
fn links_of_another_user_are_followed_inside_of_the_tree_and_nowhere_else() {
    const NOBODY: Option<u32> = Some(65534);
    if !rustix::process::geteuid().is_root() {
        skip("files cannot be given to another user");
        return;
    }
    let (root, directory) = root();
    let secret = root.path().join("secret");
    fs::write(&secret, "kernel/topsecret.ko\n").unwrap();
    let outside = root.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("stolen.ko"), Module::new("stolen").bytes()).unwrap();
    let links: [(&str, PathBuf); 6] = [
        ("modules.builtin", secret.clone()),
        ("modules.order", "../../../secret".into()),
        ("kernel/out", outside.clone()),
        ("kernel/other.ko", outside.join("stolen.ko")),
        ("kernel/inside.ko", "good.ko".into()),
        ("kernel/back.ko", "../kernel/good.ko".into()),
    ];
    let own = |owner| {
        for (name, _) in &links {
            std::os::unix::fs::lchown(directory.join(name), owner, owner).unwrap();
        }
    };
    for (name, target) in &links {
        let _ = fs::remove_file(directory.join(name));
        symlink(target, directory.join(name)).unwrap();
    }
    own(NOBODY);
    let output = run(root.path());
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let files = database(root.path()).into_values().collect::<Vec<_>>().concat();
    for foreign in ["topsecret", "stolen", "kernel/other.ko"] {
        assert!(!contains(&files, foreign), "{foreign}: {said}");
    }
    assert!(contains(&files, "kernel/inside.ko:") && contains(&files, "kernel/back.ko:"), "{said}");
    for name in ["modules.builtin", "modules.order", "kernel/out", "kernel/other.ko"] {
        let why = "a link that user 65534 made leads out of the tree";
        assert!(said.lines().any(|line| line.contains(name) && line.contains(why)), "{name}: {said}");
    }
    // What root made, root may mean.
    own(Some(0));
    let output = run(root.path());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(contains(&database(root.path())["modules.dep"], "kernel/out/stolen.ko:"));
}

#[test]
fn a_directory_that_cannot_be_read_costs_no_old_database_unless_told_so() {
    let (root, directory) = root();
    let setpriv = ["--reuid=65534", "--clear-groups", "true"];
    if rustix::process::geteuid().is_root() && !has("setpriv", &setpriv) {
        return;
    }
    let hidden = directory.join("kernel/hidden");
    fs::create_dir(&hidden).unwrap();
    fs::write(hidden.join("inside.ko"), Module::new("inside").bytes()).unwrap();
    build(root.path(), &["-a"]);
    let old = database(root.path());
    fs::write(directory.join("kernel/new.ko"), Module::new("new").bytes()).unwrap();
    for (path, mode) in [(hidden.as_path(), 0o000), (&directory, 0o777), (root.path(), 0o755)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let run = |options: &[&str]| {
        let command = depmod(root.path(), options);
        without_privileges(&command, &root.path().join("depmod")).output().unwrap()
    };
    let output = run(&["-a"]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(contains(&output.stderr, bytes(&hidden)) && said.contains("--keep-going"), "{said}");
    assert!(database(root.path()) == old, "{said}");
    let output = run(&["-a", "--keep-going"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let dep = database(root.path())["modules.dep"].clone();
    assert!(contains(&dep, "kernel/new.ko:") && !contains(&dep, "hidden"));
    assert_clean(root.path());
    fs::set_permissions(&hidden, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn the_same_tree_gives_the_same_files_and_messages_however_it_was_made() {
    let names = ["a", "b-c", "d_e", "f"];
    let mut results = Vec::new();
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
        for place in ["/dev/shm", "/tmp"].map(Path::new).into_iter().filter(|place| place.is_dir()) {
            for jobs in ["-j1", "-j4"] {
                let root = tempfile::tempdir_in(place).unwrap();
                let mut tree = Tree::new(VERSION).directory("/etc/depmod.d").with_build_files();
                for name in order.map(|index| names[index]) {
                    for path in ["kernel", "extra", "updates", "updates/dkms"] {
                        let module = Module::new(name).alias(path).need("nobody");
                        tree = tree.module(&format!("{path}/{name}.ko"), module.clone());
                        tree = tree.module(&format!("{path}/{name}.ko.xz"), module.alias("packed"));
                    }
                    tree = tree.file(&format!("kernel/{name}-damaged.ko"), "no module");
                    tree = tree.link(&format!("kernel/{name}-dangling.ko"), "nowhere");
                }
                tree.write(root.path()).unwrap();
                let output = depmod(root.path(), &["-a", "-w", jobs]).output().unwrap();
                let said = stderr(&output).replace(&*root.path().to_string_lossy(), "ROOT");
                results.push((database(root.path()), said, output.status.code()));
            }
        }
    }
    assert!(results[0].1.contains("two files of equal rank"), "{}", results[0].1);
    for result in &results {
        assert!(*result == results[0], "{}\n{}", result.1, results[0].1);
    }
}

#[test]
fn inside_of_a_root_directory_absolute_links_are_its_own() {
    let root = tempfile::tempdir().unwrap();
    let modules = root.path().join("usr/lib/modules").join(VERSION);
    fs::create_dir_all(modules.join("kernel")).unwrap();
    fs::write(modules.join("kernel/good.ko"), Module::new("good").versioned_need("printk", 1).bytes())
        .unwrap();
    let sources = root.path().join("usr/src/linux");
    fs::create_dir_all(&sources).unwrap();
    fs::write(sources.join("Module.symvers"), "0x1\tprintk\tvmlinux\tEXPORT_SYMBOL\n").unwrap();
    symlink("/usr/src/linux", modules.join("build")).unwrap();
    fs::create_dir_all(root.path().join("etc/depmod.d")).unwrap();
    for name in ["modules.order", "modules.builtin", "modules.builtin.modinfo"] {
        fs::write(modules.join(name), "").unwrap();
    }
    // Once without lib, and once with a link that leads out of the directory unless it is the root directory.
    for layout in [None, Some("/usr/lib")] {
        if let Some(target) = layout {
            symlink(target, root.path().join("lib")).unwrap();
        }
        let mut command = Command::new(DEPMOD);
        command.args(["-v", "-e", "--strict", "--root"]).arg(root.path()).arg(VERSION).env("LC_ALL", "C");
        let output = command.output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(0), "{layout:?}: {said}");
        assert!(said.contains("/build/Module.symvers (1)"), "{layout:?}: {said}");
        for name in OUTPUTS {
            assert!(modules.join(name).exists(), "{layout:?}: {name}");
            fs::remove_file(modules.join(name)).unwrap();
        }
    }
}
