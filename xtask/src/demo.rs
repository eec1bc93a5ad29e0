//! `cargo xtask demo`: the main job on the modules of a real Debian kernel, with kmod 34 beside it; then that
//! kernel itself with our tools in it.
//!
//! Every command is shown in the form in which it can be repeated from the root of the source tree. Nothing of
//! this machine is touched: the trees lie below the target directory.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use reference::{Cache, Kernel, Program, Release};

use crate::{project, setup, shell, vm};

/// Runs of each depmod; the order alternates.
const PAIRS: usize = 3;

/// What the kernel's build lists: read by depmod, not written.
const INPUTS: [&str; 3] = ["modules.order", "modules.builtin", "modules.builtin.modinfo"];

/// Shows everything.
pub fn run() -> Result<()> {
    println!("Bringing what is needed: a kernel of Debian 12 with its modules, and kmod 34.");
    let cache = setup::machine()?;
    let kernel = cache.kernel()?;
    let built = project::build("depmod")?;

    let scratch = project::target_directory()?.join("demo");
    match fs::remove_dir_all(&scratch) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| scratch.display().to_string());
        }
        _ => {}
    }
    let ours = Tree::copy(&kernel, &scratch.join("ours"))?;
    let theirs = Tree::copy(&kernel, &scratch.join("kmod-34"))?;
    println!(
        "\nThe kernel {}: {} modules, {} MB.\n",
        kernel.version,
        grouped(ours.count),
        grouped(ours.bytes / 1_000_000)
    );

    let commands = Commands::new(&cache, &kernel, &built.path, &scratch)?;
    if shown(&mut commands.ours(&["--stats"]))? == Complaints::None {
        println!("No symbol is missing: -e compared names and checksums with the kernel's Module.symvers.");
    }
    println!();
    let files = ours.database()?;
    for path in &files {
        println!("{:>12}  {}", grouped(fs::metadata(path)?.len()), name(path));
    }

    println!("\nThe same by kmod 34, on a copy of the tree:\n");
    shell::run(&mut commands.theirs())?;
    compare(&files, &theirs)?;
    println!("{} files, compared byte by byte: identical\n", files.len());
    times(&commands)?;
    on_the_kernel()
}

/// Whether a program wrote anything to its standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Complaints {
    None,
    Some,
}

/// Shows the command, runs it, and shows what it prints.
fn shown(command: &mut Command) -> Result<Complaints> {
    println!("$ {}", shell::shown(command));
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot start {}", shell::shown(command)))?;
    print!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{}: {}", shell::shown(command), output.status);
    Ok(if output.stderr.is_empty() { Complaints::None } else { Complaints::Some })
}

/// A root directory with a copy of the kernel's modules.
struct Tree {
    /// The module directory.
    directory: PathBuf,
    count: u64,
    bytes: u64,
}

impl Tree {
    /// The modules are links to the same files where the file system allows it; what may be written is copied.
    fn copy(kernel: &Kernel, root: &Path) -> Result<Self> {
        let directory = root.join("lib/modules").join(&kernel.version);
        let mut tree = Self { directory, count: 0, bytes: 0 };
        tree.copy_modules(&kernel.modules().join("kernel"), &tree.directory.join("kernel"))?;
        for input in INPUTS {
            let path = kernel.modules().join(input);
            fs::copy(&path, tree.directory.join(input)).with_context(|| path.display().to_string())?;
        }
        // On an installed system this link leads to the headers, and there depmod -e looks for the symbols.
        let headers = kernel.symvers();
        let headers = headers.parent().context("Module.symvers lies in no directory")?;
        symlink(headers, tree.directory.join("build"))?;
        Ok(tree)
    }

    fn copy_modules(&mut self, source: &Path, target: &Path) -> Result<()> {
        fs::create_dir_all(target).with_context(|| target.display().to_string())?;
        for entry in fs::read_dir(source).with_context(|| source.display().to_string())? {
            let entry = entry?;
            let place = target.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                self.copy_modules(&entry.path(), &place)?;
                continue;
            }
            if fs::hard_link(entry.path(), &place).is_err() {
                fs::copy(entry.path(), &place).with_context(|| place.display().to_string())?;
            }
            self.count += 1;
            self.bytes += entry.metadata()?.len();
        }
        Ok(())
    }

    /// The files that depmod has made, by name.
    fn database(&self) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            if path.is_file() && !INPUTS.contains(&&*name(&path)) {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }
}

/// How both are started.
struct Commands<'k> {
    kernel: &'k Kernel,
    depmod: PathBuf,
    /// Starts kmod 34's with the loader and the libraries that it brings.
    script: PathBuf,
    scratch: PathBuf,
}

impl<'k> Commands<'k> {
    fn new(cache: &Cache, kernel: &'k Kernel, depmod: &Path, scratch: &Path) -> Result<Self> {
        let program = Program::reference(cache, Release::Kmod34, "depmod")?;
        let words: Vec<String> = program.words().iter().map(|word| quoted(&word.to_string_lossy())).collect();
        let script = scratch.join("kmod-34-depmod");
        fs::write(&script, format!("#!/bin/sh\nexec {} \"$@\"\n", words.join(" ")))?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
        let scratch = from_root(scratch);
        Ok(Self { kernel, depmod: from_root(depmod), script: from_root(&script), scratch })
    }

    fn ours(&self, options: &[&str]) -> Command {
        let mut command = start(&self.depmod);
        command.arg("-ae").args(options).arg("-b").arg(self.scratch.join("ours")).arg(&self.kernel.version);
        command
    }

    /// kmod's depmod checks only against a file that is named.
    fn theirs(&self) -> Command {
        let mut command = start(&self.script);
        let symvers = Path::new("lib/modules").join(&self.kernel.version).join("build/Module.symvers");
        let tree = self.scratch.join("kmod-34");
        command.arg("-ae").arg("-E").arg(tree.join(symvers)).arg("-b").arg(tree).arg(&self.kernel.version);
        command
    }
}

/// A command that runs in the root of the source tree.
fn start(program: &Path) -> Command {
    // A relative program is looked for from here, a printed one is typed there: both are that root.
    let mut command = Command::new(program);
    command.current_dir(project::root());
    command
}

/// The path as seen from the root of the source tree, if it lies there.
fn from_root(path: &Path) -> PathBuf {
    path.strip_prefix(project::root()).map_or_else(|_| path.to_owned(), Path::to_owned)
}

fn compare(files: &[PathBuf], theirs: &Tree) -> Result<()> {
    let others = theirs.database()?;
    let names = |files: &[PathBuf]| files.iter().map(|path| name(path)).collect::<Vec<_>>();
    ensure!(names(files) == names(&others), "kmod 34 made other files: {}", names(&others).join(" "));
    ensure!(!files.is_empty(), "no database was made");
    for (our, their) in files.iter().zip(&others) {
        let same = fs::read(our)? == fs::read(their)?;
        ensure!(same, "{} and {} differ", our.display(), their.display());
    }
    Ok(())
}

/// Runs both in turns and shows what each took.
fn times(commands: &Commands<'_>) -> Result<()> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for pair in 0..PAIRS {
        if pair % 2 == 0 {
            ours.push(time(commands.ours(&[]))?);
            theirs.push(time(commands.theirs())?);
        } else {
            theirs.push(time(commands.theirs())?);
            ours.push(time(commands.ours(&[]))?);
        }
    }
    ours.sort_unstable();
    theirs.sort_unstable();
    let median = |times: &[Duration]| times.get(times.len() / 2).map_or(f64::NAN, Duration::as_secs_f64);
    let (ours, theirs) = (median(&ours), median(&theirs));
    println!(
        "depmod, median of {PAIRS}: {ours:.3} s; kmod 34: {theirs:.3} s; {:.1} times as long",
        theirs / ours
    );
    Ok(())
}

fn time(mut command: Command) -> Result<Duration> {
    let start = Instant::now();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
    let time = start.elapsed();
    let status = status.with_context(|| format!("cannot start {}", shell::shown(&command)))?;
    ensure!(status.success(), "{}: {status}", shell::shown(&command));
    Ok(time)
}

/// The kernel loads by our modprobe, and our rmmod unloads what nobody uses.
fn on_the_kernel() -> Result<()> {
    println!("\nThe same kernel in QEMU, with our tools in its initramfs:\n");
    let subject = vm::Subject::prepare()?;
    shell::run(subject.harness()?.args(["--transcript", "demo"]))
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A number with a comma between each three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The word as a shell reads it whatever it holds.
fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-:=".contains(letter);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_says_on_standard_error_is_a_complaint() {
        let run = |script: &str| shown(Command::new("sh").args(["-c", script]));
        assert_eq!(run("echo fine").unwrap(), Complaints::None);
        assert_eq!(run("echo trouble >&2").unwrap(), Complaints::Some);
        assert!(run("exit 3").is_err());
    }

    #[test]
    fn digits_are_grouped_from_the_right() {
        let shown = [0, 12, 123, 1234, 526_626, 1_000_000].map(grouped);
        assert_eq!(shown, ["0", "12", "123", "1,234", "526,626", "1,000,000"]);
    }

    #[test]
    fn words_that_a_shell_would_take_apart_are_quoted() {
        assert_eq!(quoted("/a/b-c.so.2"), "/a/b-c.so.2");
        assert_eq!(quoted("/a b/it's"), r"'/a b/it'\''s'");
    }

    #[test]
    fn databases_that_differ_in_a_byte_or_a_file_are_not_taken_for_the_same() {
        let root = tempfile::tempdir().unwrap();
        let tree = |name: &str| {
            let directory = root.path().join(name);
            fs::create_dir(&directory).unwrap();
            fs::write(directory.join("modules.dep"), "a:\n").unwrap();
            Tree { directory, count: 0, bytes: 0 }
        };
        let (ours, theirs) = (tree("ours"), tree("theirs"));
        let files = ours.database().unwrap();
        compare(&files, &theirs).unwrap();
        fs::write(theirs.directory.join("modules.alias"), "").unwrap();
        assert!(compare(&files, &theirs).unwrap_err().to_string().contains("modules.alias"));
        fs::remove_file(theirs.directory.join("modules.alias")).unwrap();
        fs::write(theirs.directory.join("modules.dep"), "b:\n").unwrap();
        assert!(compare(&files, &theirs).unwrap_err().to_string().contains("differ"));
    }
}
