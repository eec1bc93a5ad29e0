//! The project's chores, as `cargo xtask TASK`. Without a task it lists them.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a chore talks to the person who runs it")]

mod advisories;
mod bare;
mod bench;
mod calls;
mod compliance;
mod demo;
mod dist;
mod documents;
mod fuzz;
mod libkmod;
mod packaging;
mod project;
mod setup;
mod shell;
mod test;
mod tidy;
mod tour;
mod vm;

use std::process::ExitCode;

use anyhow::{Result, bail};

const TASKS: &str = "\
usage: cargo xtask TASK

  setup                 bring what tests and comparisons need; harmless to repeat
  demo                  the main job on a real kernel's modules, beside kmod's
  test                  every test, as CI runs them
  compliance [TOOL]     ours against kmod 30 and kmod 34; depmod, modprobe or rmmod
  calls                 system calls of the builds: those that a kernel's request may make, and their number
  vm [SCENARIO|GROUP]   the tools on a real kernel in QEMU; --kernel 6.12 for a newer one
  man                   manual pages against the tools' options
  tour                  the examples of README.md and the manual pages, run and compared
  completions [--check] renew what completions know of the tools' options, or only compare it
  dist [ARCHITECTURE]   static tarballs and Debian packages, the C library's too, for x86_64 and aarch64
  reproducible          the last commit built in two directories: the same bytes
  install --prefix DIR  the tools for this machine with pages and completions, below DIR
  packaging [NAME]      the Debian packages in throwaway systems: with kernels, initramfs images, DKMS; see there.
                        after --debian 13: the packages alone, in that release
  bare 12|13 TASK       demo, setup or test in a bare Debian of that release with this machine's Rust
  libkmod [test]        the C library; or C programs on it and on kmod's, the answers compared;
                        --target aarch64 for that architecture, whose programs an emulator runs
  libkmod dependants    whether Debian's programs find in the C library all that they use
  libkmod install --prefix DIR  the C library for this machine, with header and libkmod.pc, below DIR
  tidy                  rules of the source tree that no other tool checks
  advisories DATABASE   known faults of what is linked, from a copy of the RustSec database
  fuzz [TARGET] [--minutes N]  random bytes and made files for everything that reads files
  bench depmod          ours against kmod 30 and kmod 34, in time and memory
  bench modprobe        the same in instructions, system calls, size and time
  bench queries         lsmod, modinfo and kmod static-nodes beside kmod 34's, in time
  bench libkmod         the C library beside kmod's, in size, time and memory
  budget                whether modprobe stays as small as it is said to be
  bench request         a request of the kernel answered by ours and by kmod 30, in time
  bench autoclean       a pass of rmmod -a that has nothing to do, in time
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match task(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn task(arguments: &[String]) -> Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["setup"] => setup::run(),
        ["test"] => test::run(),
        ["compliance", options @ ..] => compliance::run(options),
        ["tidy"] => tidy::run(),
        ["tour"] => tour::run(),
        ["man" | "completions", ..] => documents::run(&words),
        ["reproducible"] => dist::reproducible::run(),
        ["dist", options @ ..] => dist::run(options),
        ["libkmod", options @ ..] => libkmod::run(options),
        ["bare", options @ ..] => bare::run(options),
        ["packaging", options @ ..] => packaging::run(options),
        ["install", options @ ..] => dist::install(options),
        ["demo"] => demo::run(),
        ["vm", options @ ..] => vm::run(options),
        ["calls"] => calls::run(),
        ["bench", "autoclean"] => calls::time_of_a_pass(),
        ["bench", "request"] => vm::time_of_a_request(),
        ["bench", options @ ..] => bench::run(options),
        ["fuzz", options @ ..] => fuzz::run(options),
        ["advisories", database] => advisories::run(database),
        ["budget"] => bench::budget(),
        ["measure", command @ ..] => bench::measure(command),
        [] | ["help" | "--help" | "-h"] => {
            print!("{TASKS}");
            Ok(())
        }
        [unknown, ..] => bail!("no task '{unknown}'\n{TASKS}"),
    }
}
