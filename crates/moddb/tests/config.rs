//! modprobe.d is read as the installed modprobe reads it.

#![allow(clippy::expect_used)] // A failed expectation is how a test speaks, in its helpers too.

use std::fs;
use std::path::Path;

use moddb::config::Config;
use moddb::paths;
use proptest::prelude::*;

/// The directives in the order and form of `modprobe -c`. Softdeps by name only: with repeated sections kmod
/// prints other names than it uses.
fn show(config: &Config) -> Vec<u8> {
    let mut shown = Vec::new();
    let mut line = |words: &[&[u8]]| {
        shown.extend_from_slice(&words.join(&b' '));
        shown.push(b'\n');
    };
    config.blacklist.iter().for_each(|entry| line(&[b"blacklist", &entry.module]));
    config.installs.iter().for_each(|entry| line(&[b"install", &entry.pattern, &entry.line]));
    config.removes.iter().for_each(|entry| line(&[b"remove", &entry.pattern, &entry.line]));
    config.aliases.iter().for_each(|entry| line(&[b"alias", &entry.pattern, &entry.module]));
    config.options.iter().for_each(|entry| line(&[b"options", &entry.module, &entry.text]));
    config.softdeps.iter().for_each(|entry| line(&[b"softdep", &entry.pattern]));
    shown
}

/// What the installed modprobe makes of a configuration file: its directives, and its complaints.
fn modprobe(config: &Path) -> Option<(Vec<u8>, Vec<String>)> {
    let program =
        ["/sbin/modprobe", "/usr/sbin/modprobe"].into_iter().find(|path| fs::metadata(path).is_ok())?;
    let output = std::process::Command::new(program)
        .args(["-c", "-S", "no-such-kernel", "-C"])
        .arg(config)
        .output()
        .expect("modprobe runs");
    let end = output.stdout.windows(7).position(|bytes| bytes == b"\n# End ").unwrap_or(output.stdout.len());
    let mut shown = Vec::new();
    for line in output.stdout.get(..end).unwrap_or_default().split_inclusive(|&byte| byte == b'\n') {
        let softdep = line.strip_prefix(b"softdep ").and_then(|rest| rest.split(|&byte| byte == b' ').next());
        match softdep {
            Some(name) => shown.extend_from_slice(&[b"softdep ", name, b"\n"].concat()),
            None => shown.extend_from_slice(line),
        }
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let complaints = errors
        .lines()
        .filter_map(|line| line.find(&*config.display().to_string()).and_then(|start| line.get(start..)))
        .map(str::to_owned)
        .collect();
    Some((shown, complaints))
}

#[test]
fn files_mean_what_they_mean_to_the_installed_modprobe() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let path = root.path().join("t.conf");
    fs::write(&path, "").expect("the file is written");
    if modprobe(&path).is_none() {
        eprintln!("SKIPPED: no modprobe is installed, so the configuration was not compared");
        return;
    }
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 150,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let word =
        "(alias|options|install|remove|blacklist|softdep|include|pre:|post:|#|a-b|\\[a-b\\]-c|x\\]|d\\.e|é)";
    let between = "( |  |\t| \t|\\\\\n|\\\\ |\\\\t|)";
    let text = format!("(({word}{between}){{1,5}}\n){{1,6}}");
    runner
        .run(&text.as_str(), |text| {
            fs::write(&path, &text).expect("the file is written");
            let (config, problems) =
                Config::load(std::slice::from_ref(&path), &[], Some(Path::new(paths::KERNEL_COMMAND_LINE)));
            let (shown, complaints) = modprobe(&path).expect("it is installed");
            prop_assert_eq!(
                String::from_utf8_lossy(&show(&config)).into_owned(),
                String::from_utf8_lossy(&shown).into_owned(),
                "{:?}",
                text
            );
            let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
            prop_assert_eq!(problems, complaints, "{:?}", text);
            Ok(())
        })
        .expect("the directives are the same");
}
