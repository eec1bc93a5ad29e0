//! Names are resolved in a fixed order of sources, from indexes or from the text beside them.

#![allow(clippy::expect_used)] // A failed expectation is how a test speaks, in its helpers too.

use std::fs;
use std::path::{Path, PathBuf};

use moddb::config::{Config, Gravity};
use moddb::index::writer::IndexWriter;
use moddb::paths::{ModuleDir, Table};
use moddb::{FoundIn, ModuleDb, ModuleEntry};
use proptest::prelude::*;

type Lines<'a> = &'a [(&'a str, u32, &'a str)];

/// A module directory below a root, which goes when this does.
struct Tree {
    root: tempfile::TempDir,
}

impl Tree {
    fn new() -> Self {
        let tree = Self { root: tempfile::tempdir().expect("a temporary directory") };
        fs::create_dir_all(tree.path("k")).expect("the module directory");
        for module in ["a", "b", "c", "x-y"] {
            fs::write(tree.path(&format!("k/{module}.ko")), "not looked at").expect("a module");
        }
        for (table, lines) in [
            (
                Table::Dependencies,
                &[
                    ("a", 0, "k/a.ko:"),
                    ("b", 1, "k/b.ko: k/x-y.ko k/a.ko"),
                    ("c", 2, "k/c.ko: k/missing.ko k/a.ko"),
                    ("x_y", 3, "k/x-y.ko: k/a.ko"),
                    ("hidden", 4, "k/hidden.ko:"),
                    ("odd", 5, "no colon"),
                ][..],
            ),
            (
                Table::Aliases,
                &[("net_pf_1", 0, "a"), ("net_*", 1, "b"), ("net_pf_?", 0, "a"), ("cmd", 0, "a")],
            ),
            (Table::Symbols, &[("symbol:printk", 0, "a")]),
            (Table::Builtin, &[("unix", 0, ""), ("net_pf_1", 0, "")]),
            (Table::BuiltinAliases, &[("fs_*", 0, "proc"), ("fs_proc", 0, "sysfs")]),
        ] {
            tree.write(table, lines);
        }
        tree
    }

    fn directory(&self) -> ModuleDir {
        ModuleDir::new(self.root.path(), "1.0".as_ref())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory().join(name.as_bytes())
    }

    fn write(&self, table: Table, lines: Lines<'_>) {
        let mut writer = IndexWriter::default();
        for (key, priority, value) in lines {
            writer.insert(key.as_bytes(), value.as_bytes(), *priority).expect("7-bit text");
        }
        let bytes = writer.finish().expect("it is small");
        fs::write(self.path(table.index_name()), bytes).expect("the index is written");
    }

    fn db(&self, config: &str) -> ModuleDb {
        let mut parsed = Config::default();
        assert_eq!(parsed.parse(Path::new("t.conf"), config.as_bytes()), []);
        ModuleDb::new(self.directory(), parsed)
    }
}

fn names(entries: &[ModuleEntry]) -> Vec<String> {
    entries.iter().map(|entry| entry.name.to_text().into_owned()).collect()
}

#[test]
fn the_first_source_that_knows_a_name_decides() {
    let tree = Tree::new();
    let db = tree
        .db("alias hidden a\nalias hid* b\nalias net-x.y c-c.d\ninstall cmd echo\nremove cut.at-dot true\n");
    for (name, found_in, modules) in [
        ("hidden", Some(FoundIn::ConfigAlias), vec!["a", "b"]),
        ("net-x.y", Some(FoundIn::ConfigAlias), vec!["c_c.d"]),
        ("x-y", Some(FoundIn::Modules), vec!["x_y"]),
        ("symbol:printk", Some(FoundIn::Symbols), vec!["a"]),
        ("cmd", Some(FoundIn::Command), vec!["cmd"]),
        ("cut.at_dot", Some(FoundIn::Command), vec!["cut"]),
        ("net-pf-1", Some(FoundIn::Aliases), vec!["a", "a", "b"]),
        ("net-pf-10", Some(FoundIn::Aliases), vec!["b"]),
        ("unix", Some(FoundIn::Builtin), vec!["unix"]),
        ("fs-proc", Some(FoundIn::BuiltinAliases), vec!["sysfs", "proc"]),
        ("a.ko", None, vec![]),
        ("net-]", None, vec![]),
        ("", None, vec![]),
    ] {
        let found = db.resolve(name.as_bytes());
        assert_eq!(names(&found), modules, "{name}");
        assert!(found.iter().all(|entry| Some(entry.found_in) == found_in), "{name}: {found:?}");
    }
    assert!(db.take_problems().is_empty());
}

#[test]
fn an_entry_has_its_file_its_dependencies_and_the_alias_it_came_through() {
    let tree = Tree::new();
    let db = tree.db("alias my-* b\n");
    let [entry] = db.resolve(b"my-b").try_into().expect("one module");
    assert_eq!(entry.alias.as_deref(), Some(&b"my_*"[..]));
    assert_eq!(entry.path, Some(tree.path("k/b.ko")));
    let order: Vec<_> = entry.dependencies.iter().map(|dependency| dependency.path.clone()).collect();
    assert_eq!(order, [tree.path("k/a.ko"), tree.path("k/x-y.ko")]);
    let [entry] = db.resolve(b"net-pf-10").try_into().expect("one module");
    assert_eq!(entry.alias.as_deref(), Some(&b"net_pf_10"[..]));
    assert_eq!(entry.path, Some(tree.path("k/b.ko")));
    let [entry] = db.find(b"net-pf-10").try_into().expect("one module");
    assert_eq!((entry.path, entry.dependencies.len()), (None, 0), "nobody has asked for them");
    let [entry] = db.resolve(b"b").try_into().expect("one module");
    assert_eq!(entry.alias, None);
    let [entry] = db.resolve(b"odd").try_into().expect("one module");
    assert_eq!((entry.path, entry.dependencies.len()), (None, 0));
    let entry = db.at_path(Path::new("/else/b.ko"));
    assert_eq!((entry.path, entry.dependencies.len()), (Some("/else/b.ko".into()), 2));
    assert!(db.is_builtin(&"unix".into()) && !db.is_builtin(&"a".into()));
}

#[test]
fn by_its_own_name_only_what_is_installed_or_built_in_is_found() {
    let tree = Tree::new();
    let db = tree.db("alias a b\ninstall cmd echo\n");
    for (name, found_in) in [
        ("a", Some(FoundIn::Modules)),
        ("unix", Some(FoundIn::Builtin)),
        ("fs_proc", Some(FoundIn::BuiltinAliases)),
        ("cmd", None),
        ("net_pf_10", None),
    ] {
        let found = db.resolve_name(&name.into());
        assert_eq!(found.first().map(|entry| entry.found_in), found_in, "{name}");
    }
}

#[test]
fn a_closed_table_is_answered_from_what_is_there_then() {
    let tree = Tree::new();
    let db = tree.db("");
    assert!(db.is_usable(Table::Dependencies));
    assert_eq!(names(&db.resolve(b"hidden")), ["hidden"]);
    tree.write(Table::Dependencies, &[("new", 0, "k/new.ko:")]);
    db.close();
    assert_eq!(names(&db.resolve(b"hidden")), [""; 0]);
    assert_eq!(names(&db.resolve(b"new")), ["new"]);
    assert_eq!(db.lines(Table::Dependencies, b"").as_deref(), Some(&b"new k/new.ko:\n"[..]));
    assert_eq!(db.lines(Table::Builtin, b"-").as_deref(), Some(&b"-net_pf_1 \n-unix \n"[..]));
}

#[test]
fn an_index_without_a_byte_is_damage_except_of_what_is_built_in() {
    let tree = Tree::new();
    let indexes = ["dep", "alias", "symbols", "builtin", "builtin.alias"];
    for name in indexes {
        fs::write(tree.path(&format!("modules.{name}.bin")), "").expect("the index is written");
    }
    fs::write(tree.path("modules.dep"), "k/a.ko:\n").expect("the text is written");
    let db = tree.db("");
    assert_eq!(names(&db.resolve(b"a")), ["a"], "the text answers");
    assert_eq!(names(&db.resolve(b"unix")), [""; 0], "there may be nothing that is built in");
    let problems: Vec<_> = db.take_problems().iter().map(ToString::to_string).collect();
    for name in indexes {
        let told = problems.iter().any(|problem| problem.contains(&format!("modules.{name}.bin")));
        assert_eq!(told, !name.starts_with("builtin") && name != "symbols", "{name}: {problems:?}");
    }
}

#[test]
fn opening_reads_no_index_and_a_bad_one_disturbs_no_other() {
    let tree = Tree::new();
    let db = tree.db("");
    // Written after opening: nothing was read before.
    fs::write(tree.path("modules.alias.bin"), "rubbish that is no index").expect("the index is written");
    // An index of nothing: a root without children and values.
    let nothing = b"\xb0\x07\xf4\x57\x00\x02\x00\x01\x00\x00\x00\x0c";
    fs::write(tree.path("modules.symbols.bin"), nothing).expect("the index is written");
    fs::remove_file(tree.path("modules.builtin.alias.bin")).expect("it was there");
    assert_eq!(names(&db.resolve(b"a")), ["a"]);
    assert!(db.take_problems().is_empty(), "only the dependencies were asked");
    assert_eq!(names(&db.resolve(b"symbol:printk")), [""; 0]);
    assert_eq!(names(&db.resolve(b"unix")), ["unix"]);
    assert_eq!(names(&db.resolve(b"net-pf-1")), ["net_pf_1"], "the built-in module of that name is next");
    let problems: Vec<_> =
        db.take_problems().iter().map(|problem| (problem.severity(), problem.to_string())).collect();
    let [alias, builtin] = problems.try_into().expect("each table complains once");
    let path = tree.path("modules.alias.bin");
    let message = format!("{}: magic check fail: 72756262 instead of b007f457", path.display());
    assert_eq!(alias, (Gravity::Error, message));
    assert_eq!(builtin.0, Gravity::Info);
}

#[test]
fn the_text_is_used_where_the_index_is_missing_or_damaged() {
    let tree = Tree::new();
    for (name, text) in [
        ("modules.dep", &b"k/a.ko:\nk/b.ko: k/x-y.ko k/a.ko\nk/x-y.ko: k/a.ko\n"[..]),
        (
            "modules.alias",
            b"# Aliases extracted from modules themselves.\nalias net-pf-1 a\nalias net-pf-? a\nalias net-* b\nalias a b c x-y\nalias  a\n",
        ),
        ("modules.symbols", b"# Aliases for symbols.\nalias symbol:printk a\n"),
        ("modules.builtin", b"kernel/net/unix/unix.ko\n"),
        ("modules.builtin.modinfo", b"proc.alias=fs-*\0sysfs.license=GPL\0sysfs.alias=fs-proc\0"),
    ] {
        fs::write(tree.path(name), text).expect("the text is written");
    }
    let questions = ["b", "net-pf-1", "a b c", "symbol:printk", "unix", "fs-proc", "nothing"];
    let expected =
        [vec!["b"], vec!["a", "a", "b"], vec!["x-y"], vec!["a"], vec!["unix"], vec!["sysfs", "proc"], vec![]];
    for damage in [None, Some(&b"\xb0\x07\xf4\x57\x00\x02\x00\x01\xe0\xff\xff\xff"[..]), Some(b"\xb0\x07")] {
        for table in Table::ALL {
            let index = tree.path(table.index_name());
            match damage {
                Some(bytes) => fs::write(index, bytes).expect("the index is written"),
                None => fs::remove_file(index).expect("it was there"),
            }
        }
        let db = tree.db("");
        let found = questions.map(|name| names(&db.resolve(name.as_bytes())));
        assert_eq!(found, expected, "{damage:?}");
        let [entry] = db.resolve(b"b").try_into().expect("one module");
        assert_eq!(entry.dependencies.len(), 2);
        assert!(db.alias_lines().starts_with(b"alias  a\nalias a b c x-y\nalias net_* b\n"));
        let problems = db.take_problems();
        assert_eq!(problems.len(), 5, "one for each table: {problems:?}");
        assert!(problems.iter().all(|problem| problem.to_string().contains("run depmod")));
    }
}

#[test]
fn a_directory_that_is_missing_knows_nothing() {
    let db = ModuleDb::new(ModuleDir::at("missing/directory".into()), Config::default());
    assert_eq!(db.resolve(b"a"), []);
    assert_eq!(db.alias_lines(), b"");
    assert!(db.take_problems().iter().all(|problem| problem.severity() == Gravity::Info));
}

/// Runs the installed modprobe on a tree; `None` if there is none.
fn modprobe(tree: &Tree, config: &Path, arguments: &[&str]) -> Option<String> {
    let program =
        ["/sbin/modprobe", "/usr/sbin/modprobe"].into_iter().find(|path| fs::metadata(path).is_ok())?;
    let output = std::process::Command::new(program)
        .arg("-d")
        .arg(tree.root.path())
        .args(["-S", "1.0", "-q", "-C"])
        .arg(config)
        .args(arguments)
        .output()
        .expect("modprobe runs");
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn names_mean_what_they_mean_to_the_installed_modprobe() {
    let tree = Tree::new();
    let config = tree.root.path().join("t.conf");
    fs::write(&config, "").expect("the configuration is written");
    if modprobe(&tree, &config, &["-R", "a"]).is_none() {
        eprintln!("SKIPPED: no modprobe is installed, so the meaning of names was not compared");
        return;
    }
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 40,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let name =
        "(a|b|x-y|hidden|cmd|unix|off|net-pf-1|net-pf-9|fs-proc|symbol:printk|odd|[a-c.:\\[\\]-]{1,3})";
    let pattern = "(net-\\*|\\*-1|a|b\\*|\\?|\\[ab\\]|unix|zz|fs-\\?roc|cmd)";
    let line = format!("(alias {pattern} {name}|install {name} x|remove {name} y)");
    let strategy = (proptest::collection::vec(line.as_str(), 0..5), proptest::collection::vec(name, 1..4));
    runner
        .run(&strategy, |(lines, asked)| {
            let text = lines.join("\n");
            fs::write(&config, &text).expect("the configuration is written");
            let (parsed, _) = Config::load(std::slice::from_ref(&config), &[], None);
            let db = ModuleDb::new(tree.directory(), parsed);
            for name in asked {
                let expected = modprobe(&tree, &config, &["-R", "--", &name]).expect("it is installed");
                let found = names(&db.resolve(name.as_bytes()));
                prop_assert_eq!(
                    found,
                    expected.lines().map(str::to_owned).collect::<Vec<_>>(),
                    "{} {}",
                    name,
                    text
                );
            }
            Ok(())
        })
        .expect("the modules are the same");
    fs::write(&config, "").expect("the configuration is written");
    let listed = modprobe(&tree, &config, &["-c"]).expect("it is installed");
    let indexes = listed.split("Dumping indexes now:\n\n").nth(1).unwrap_or_default();
    assert_eq!(String::from_utf8_lossy(&tree.db("").alias_lines()), indexes);
    let shown = modprobe(&tree, &config, &["-D", "b"]).expect("it is installed");
    let [entry] = tree.db("").resolve(b"b").try_into().expect("one module");
    let paths = entry.dependencies.iter().map(|dependency| &dependency.path).chain(entry.path.iter());
    assert_eq!(paths.map(|path| format!("insmod {} \n", path.display())).collect::<String>(), shown);
}
