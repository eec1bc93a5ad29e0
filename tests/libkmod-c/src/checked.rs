//! All tests on our library where each access to memory is checked: nothing invalid, and nothing that is lost.
//!
//! What checks needs the system's own files beside those of the world.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use fixtures::Tree;
use reference::Cache;

use crate::compile::Compiled;
use crate::world;

/// valgrind's way of saying that it has found something.
const FOUND: &str = "9";

/// Who checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checker {
    /// Every instruction, those of the library too.
    Valgrind,
    /// What the compiler has put into the programs, and each piece of memory that is asked for and given back, the
    /// library's too.
    AddressSanitizer,
}

impl Checker {
    /// What the compiler is asked for.
    pub fn options(self) -> &'static [&'static str] {
        match self {
            Self::Valgrind => &[],
            Self::AddressSanitizer => {
                &["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-static-libasan"]
            }
        }
    }

    /// What starts a program.
    fn words(self) -> Vec<String> {
        match self {
            Self::AddressSanitizer => Vec::new(),
            Self::Valgrind => ["valgrind", "--quiet", "--leak-check=full"]
                .into_iter()
                .map(str::to_owned)
                .chain([
                    "--show-leak-kinds=definite,indirect".to_owned(),
                    "--errors-for-leak-kinds=definite,indirect".to_owned(),
                    format!("--error-exitcode={FOUND}"),
                ])
                .collect(),
        }
    }
}

/// Runs all tests of all programs.
pub fn run(
    checker: Checker,
    cache: &Cache,
    library: &Path,
    programs: &[Compiled],
    tree: &Tree,
) -> Result<()> {
    let shell = cache.directory().join("busybox/bin/busybox");
    let mut count = 0;
    for program in programs {
        let temporary = tempfile::tempdir()?;
        let root = temporary.path().join("root");
        world::write(tree, cache, &root)?;
        let output = command(checker, library, program, &root, &shell).output().context("unshare")?;
        let said = String::from_utf8_lossy(&output.stderr);
        let complaints: Vec<_> = said.lines().filter(|line| line.starts_with("==")).collect();
        ensure!(
            output.status.success() && complaints.is_empty(),
            "{} with {checker:?}: {}\n{}{said}",
            program.name,
            output.status,
            // What a test found otherwise than it should be.
            String::from_utf8_lossy(&output.stdout)
        );
        ensure!(!output.stdout.is_empty(), "{} has printed nothing", program.name);
        count += program.tests.len();
    }
    println!("libkmod: {count} tests with {checker:?} without a complaint");
    Ok(())
}

fn command(checker: Checker, library: &Path, program: &Compiled, root: &Path, shell: &Path) -> Command {
    const SCRIPT: &str = r#"
        root=$1 library=$2 programs=$3 shell=$4
        shift 4
        mkdir -p "$root/usr" "$root/lib64" "$root/dev" "$root/lib/$(cc -print-multiarch)"
        cp -a "$root/proc" "$root/proc-of-the-world"
        for directory in usr lib64 dev proc "lib/$(cc -print-multiarch)"; do
            if [ -d "/$directory" ]; then mount --rbind "/$directory" "$root/$directory"; fi
        done
        # What tests write is the world's, too.
        for file in modules cmdline sys/kernel/random/boot_id; do
            # A kernel without modules has no list of them.
            if [ -e "$root/proc/$file" ]; then
                mkdir -p "$(dirname "$root/proc-of-the-world/$file")"
                touch "$root/proc-of-the-world/$file"
                mount --bind "$root/proc-of-the-world/$file" "$root/proc/$file"
            fi
        done
        mount --bind "$library" "$root/library"
        mount --bind "$programs" "$root/programs"
        mount --bind "$shell" "$root/bin/sh"
        exec unshare --root="$root" --wd=/ "$@"
    "#;
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-euc", SCRIPT, "sh"]).arg(root);
    command.arg(library.parent().unwrap_or(library));
    command.arg(program.path.parent().unwrap_or(&program.path)).arg(shell);
    command.args(checker.words());
    command.arg(Path::new("/programs").join(program.name)).arg("--all");
    command.env("LD_LIBRARY_PATH", "/library").env("LC_ALL", "C");
    command
}
