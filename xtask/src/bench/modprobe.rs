//! What a run of modprobe costs beside kmod's: instructions, system calls, size, and time in paired runs.
//!
//! All run on the database of a real kernel's modules, in a mount namespace in which modprobe.d is like that of
//! a fresh Debian: what this machine is configured to do must not count.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use reference::{Cache, Kernel, Limits, Program, Release};

use super::median;
use crate::{project, shell};

/// Instructions of `-q -- net-pf-99`, which is what the kernel asks for when nothing is there.
const MOST_INSTRUCTIONS: u64 = 300_000;
/// System calls of `-D ext4`: 58, and one for each directory of modutils.d, which says what may be loaded.
const MOST_SYSTEM_CALLS: u64 = 62;
/// Bytes of the static program that is all tools.
const MOST_BYTES: u64 = 2_800_000;
/// The same as it is shipped, packed by `zstd -19`.
const MOST_PACKED_BYTES: u64 = 1_150_000;

/// Milliseconds of `--check` on a Debian system.
const MOST_MILLISECONDS_OF_CHECK: f64 = 100.0;

/// Configurations that are checked beside the distribution's own.
const CHECKED: &str = "tests/documents/hardening";

/// The commands that are measured.
const UNKNOWN: [&str; 3] = ["-q", "--", "net-pf-99"];
const DEPENDS: [&str; 2] = ["-D", "ext4"];

/// Directories of configuration that may be on this machine.
const CONFIGURATION: [&str; 5] = [
    "/etc/modprobe.d",
    "/run/modprobe.d",
    "/usr/local/lib/modprobe.d",
    "/usr/lib/modprobe.d",
    "/lib/modprobe.d",
];

/// As many lines as Debian's own two files have.
const FILES: [(&str, &str, usize); 2] =
    [("aliases.conf", "alias net-pf-0 off\n", 12), ("systemd.conf", "options bonding max_bonds=0\n", 4)];

/// A root with the database, and directories that stand for those of the configuration.
struct Place {
    root: tempfile::TempDir,
    kernel: Kernel,
}

impl Place {
    fn prepare(cache: &Cache) -> Result<Self> {
        let kernel = cache.kernel()?;
        let root = tempfile::tempdir()?;
        kernel.lay_out(&kernel.modules(), root.path())?;
        let mut depmod = Program::reference(cache, Release::Kmod34, "depmod")?.command();
        shell::quietly(depmod.arg("-b").arg(root.path()).arg("-C").arg("/nonexistent").arg(&kernel.version))?;
        for name in ["distribution", "empty"] {
            fs::create_dir(root.path().join(name))?;
        }
        for (name, line, count) in FILES {
            fs::write(root.path().join("distribution").join(name), line.repeat(count))?;
            fs::create_dir_all(root.path().join("checked"))?;
            fs::write(root.path().join("checked").join(name), line.repeat(count))?;
        }
        for entry in fs::read_dir(project::root().join(CHECKED))? {
            let entry = entry?;
            fs::copy(entry.path(), root.path().join("checked").join(entry.file_name()))?;
        }
        Ok(Self { root, kernel })
    }

    /// A command that runs `around` and then the tool with `arguments`, in the prepared world.
    fn command(&self, around: &[&str], program: &Program, arguments: &[&str]) -> Command {
        const SCRIPT: &str = r#"
            root=$1; shift
            for directory in $1; do
                if [ -d "$directory" ]; then
                    case "$(readlink -f "$directory")" in
                        /usr/lib/*) mount --bind "$root/distribution" "$directory";;
                        *) mount --bind "$root/empty" "$directory";;
                    esac
                fi
            done
            shift
            exec "$@"
        "#;
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-euc", SCRIPT, "sh"]);
        command.arg(self.root.path()).arg(CONFIGURATION.join(" ")).args(around).args(program.words());
        command.arg("-d").arg(self.root.path()).arg("-S").arg(&self.kernel.version).args(arguments);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
    }

    /// Instructions in user space.
    fn instructions(&self, program: &Program, arguments: &[&str]) -> Result<u64> {
        let around = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"];
        let outcome = reference::run(self.command(&around, program, arguments), &Limits::default())?;
        let text = String::from_utf8_lossy(&outcome.stderr);
        let line = text.lines().find_map(|line| Some(line.split_once("Collected : ")?.1.trim()));
        let line = line.with_context(|| format!("callgrind has counted nothing:\n{text}"))?;
        Ok(line.parse()?)
    }

    /// System calls, from the one that starts the program to the one that ends it.
    fn system_calls(&self, program: &Program, arguments: &[&str]) -> Result<u64> {
        let report = self.root.path().join("strace");
        let report_path = report.to_str().context("the temporary directory's name is not UTF-8")?;
        let around = ["strace", "-f", "-c", "-U", "calls,name", "-o", report_path];
        let outcome = reference::run(self.command(&around, program, arguments), &Limits::default())?;
        let text = fs::read_to_string(&report)
            .with_context(|| format!("strace: {}", String::from_utf8_lossy(&outcome.stderr)))?;
        let total = text.lines().find_map(|line| line.trim().strip_suffix("total"));
        Ok(total.with_context(|| format!("strace has counted nothing:\n{text}"))?.trim().parse()?)
    }

    /// Milliseconds of wall time of a run, without those of the preparation.
    fn time(&self, program: &Program, arguments: &[&str], rounds: usize) -> Result<Vec<f64>> {
        let mut words = program.words().into_iter();
        let executable = words.next().context("no program")?;
        let words: Vec<_> = words.collect();
        let mut times = Vec::new();
        for _ in 0..rounds {
            let mut command = Command::new(&executable);
            command.args(&words).arg("-d").arg(self.root.path()).arg("-S").arg(&self.kernel.version);
            command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let start = Instant::now();
            command.status()?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        Ok(times)
    }
}

/// Options: `[--rounds N]`.
pub fn run(options: &[&str]) -> Result<()> {
    let rounds = match options {
        [] => 200,
        ["--rounds", number] => number.parse().context("--rounds takes a number")?,
        _ => bail!("bench modprobe takes --rounds N and nothing else"),
    };
    ensure!(rounds > 0, "at least one round is needed");
    let cache = Cache::of_user()?;
    let place = Place::prepare(&cache)?;
    let built = project::build("modprobe")?;
    println!("ours: {}", built.description);
    let mut subjects = vec![("ours".to_owned(), Program::plain("modprobe", &built.path), size(&built.path)?)];
    for release in Release::ALL {
        let program = Program::reference(&cache, release, "modprobe")?;
        println!("{release}: {}", program.version()?);
        let bytes = size(program.executable())?;
        subjects.push((release.to_string(), program, bytes));
    }
    println!(
        "\n{:10}{:>16}{:>16}{:>12}{:>12}{:>10}",
        "", "instructions of", "system calls", "bytes of", "ms of", "ours /"
    );
    println!(
        "{:10}{:>16}{:>16}{:>12}{:>12}{:>10}",
        "",
        UNKNOWN.join(" "),
        DEPENDS.join(" "),
        "the file",
        "net-pf-99",
        "this"
    );
    let times = paired(&place, &subjects, rounds)?;
    let ours = times.first().cloned().unwrap_or_default();
    for ((name, program, bytes), times) in subjects.iter().zip(&times) {
        let ratio = median(ours.iter().zip(times).map(|(our, their)| our / their).collect());
        println!(
            "{name:10}{:>16}{:>16}{bytes:>12}{:>12.2}{ratio:>10.2}",
            place.instructions(program, &UNKNOWN)?,
            place.system_calls(program, &DEPENDS)?,
            median(times.clone()),
        );
    }
    check(&place, &subjects, rounds)?;
    println!(
        "\n{rounds} rounds; kmod's is one file for all tools beside its libraries, and is started by its own loader"
    );
    Ok(())
}

/// How long a check of the whole configuration takes; fails if it is longer than promised.
fn check(place: &Place, subjects: &[(String, Program, u64)], rounds: usize) -> Result<()> {
    let (_, ours, _) = subjects.first().context("ours is not measured")?;
    let directory = place.root.path().join("checked");
    let directory = directory.to_str().context("the temporary directory's name is not UTF-8")?;
    let time = median(place.time(ours, &["-C", directory, "--check"], rounds)?);
    let lines: usize = fs::read_dir(directory)?
        .map(|entry| Ok(fs::read_to_string(entry?.path())?.lines().count()))
        .sum::<Result<usize>>()?;
    println!(
        "\n--check of {lines} lines against {} MB of database: {time:.1} ms, promised {MOST_MILLISECONDS_OF_CHECK}",
        database_megabytes(place)?
    );
    ensure!(time <= MOST_MILLISECONDS_OF_CHECK, "--check takes too long");
    Ok(())
}

/// The size of the database that is read.
fn database_megabytes(place: &Place) -> Result<u64> {
    let directory = place.root.path().join("lib/modules").join(&place.kernel.version);
    let mut bytes = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            bytes += entry.metadata()?.len();
        }
    }
    Ok(bytes / 1_000_000)
}

/// Runs all in turns, so that whatever else the machine does falls on all of them.
fn paired(place: &Place, subjects: &[(String, Program, u64)], rounds: usize) -> Result<Vec<Vec<f64>>> {
    let mut times = vec![Vec::new(); subjects.len()];
    for round in 0..=rounds {
        for ((_, program, _), list) in subjects.iter().zip(&mut times) {
            let time = place.time(program, &UNKNOWN, 1)?;
            // The first one warms up.
            if round > 0 {
                list.extend(time);
            }
        }
    }
    Ok(times)
}

fn size(path: &Path) -> Result<u64> {
    Ok(fs::metadata(path).with_context(|| path.display().to_string())?.len())
}

/// The size of a file when it is packed as distributions pack; 0 where there is no zstd to ask.
fn packed_size(path: &Path) -> Result<u64> {
    if !shell::exists("zstd") {
        return Ok(0);
    }
    let output = Command::new("zstd").args(["-19", "--quiet", "--stdout"]).arg(path).output()?;
    ensure!(output.status.success(), "zstd {}: {}", path.display(), output.status);
    Ok(output.stdout.len() as u64)
}

/// Fails if the static build of modprobe costs more than is promised.
pub fn budget() -> Result<()> {
    let built = project::build("modprobe")?;
    if !built.is_static {
        return shell::skipped("the budget of modprobe", "it is that of the static build, which needs musl");
    }
    let place = Place::prepare(&Cache::of_user()?)?;
    let path: PathBuf = built.path;
    let ours = Program::plain("modprobe", &path);
    let mut exceeded = 0;
    for (what, cost, most) in [
        ("instructions of -q -- net-pf-99", place.instructions(&ours, &UNKNOWN)?, MOST_INSTRUCTIONS),
        ("system calls of -D ext4", place.system_calls(&ours, &DEPENDS)?, MOST_SYSTEM_CALLS),
        ("bytes of the program that is all tools", size(&path)?, MOST_BYTES),
        ("the same, packed", packed_size(&path)?, MOST_PACKED_BYTES),
    ] {
        let verdict = if cost <= most { "within" } else { "ABOVE" };
        println!("budget: {what}: {cost}, {verdict} {most}");
        exceeded += u32::from(cost > most);
    }
    ensure!(exceeded == 0, "modprobe costs more than it may");
    Ok(())
}
