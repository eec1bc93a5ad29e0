//! Process 1: puts the world in order, runs each scenario as a process of its own, reports, and ends the machine.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use rustix::system::{RebootCommand, reboot};

use crate::catalog::{self, Group, Scenario};
use crate::program::{self, KERNEL_ENVIRONMENT};
use crate::report::{self, Message};
use crate::trace;
use crate::world::{self, Baseline, PLAN, Plan, World};

/// The serial port that belongs to the reports; the kernel writes to the other one.
const REPORTS: &str = "/dev/ttyS1";
/// The name under which the init starts itself for one scenario.
const SCENARIO: &str = "scenario";

/// Runs a single scenario when asked to by an init, and is the init otherwise.
#[must_use]
pub fn main(arguments: &[OsString]) -> ExitCode {
    match arguments {
        [role, name] if role == SCENARIO => run_scenario(&name.to_string_lossy()),
        _ => {
            run_all();
            // Nothing follows: the host takes a machine that stops without `Finished` for a failure.
            let _ = reboot(RebootCommand::PowerOff);
            let _ = reboot(RebootCommand::Restart);
            ExitCode::FAILURE
        }
    }
}

/// The reports' serial port.
struct Reporter {
    port: File,
    sequence: u32,
}

impl Reporter {
    fn send(&mut self, message: &Message) -> Result<()> {
        self.port.write_all(report::encode(self.sequence, message).as_bytes())?;
        self.sequence += 1;
        Ok(())
    }
}

fn run_all() {
    let Ok(port) = OpenOptions::new().write(true).open(REPORTS) else { return };
    let mut reporter = Reporter { port, sequence: 0 };
    let message = match run_plan(&mut reporter) {
        Ok(()) => Message::Finished,
        Err(error) => Message::Failed { scenario: "init".into(), millis: 0, reason: format!("{error:#}") },
    };
    // Without the port there is nobody to tell.
    let _ = reporter.send(&message);
    let _ = rustix::termios::tcdrain(&reporter.port);
}

fn open_world() -> Result<(World, &'static Group)> {
    let plan = Plan::parse(&fs::read_to_string(PLAN).with_context(|| format!("cannot read {PLAN}"))?)?;
    let group = catalog::group(&plan.group).with_context(|| format!("there is no group {}", plan.group))?;
    Ok((World { plan, mounts: group.mounts }, group))
}

fn find<'a>(group: &'a Group, name: &str) -> Result<&'a Scenario> {
    let found = group.scenarios.iter().find(|scenario| scenario.name == name);
    found.with_context(|| format!("there is no scenario {}/{name}", group.name))
}

fn run_plan(reporter: &mut Reporter) -> Result<()> {
    let (world, group) = open_world()?;
    world::observe()?;
    world::provide(group.mounts)?;
    trace::start()?;
    let mut baseline = Baseline::take(&world)?;
    for name in &world.plan.scenarios {
        let scenario = find(group, name)?;
        let full = group.full_name(scenario);
        reporter.send(&Message::Begun { scenario: full.clone() })?;
        let started = Instant::now();
        let mut outcome = supervise(scenario);
        let millis = u64::try_from(started.elapsed().as_millis())?;
        for text in fs::read_to_string(world::notes_path()).unwrap_or_default().lines() {
            reporter.send(&Message::Note { scenario: full.clone(), text: text.into() })?;
        }
        if let Err(left) = baseline.restore(&world) {
            outcome = outcome.and(Err(left.context("afterwards")));
        }
        reporter.send(&match outcome {
            Ok(()) => Message::Passed { scenario: full, millis },
            Err(error) => Message::Failed { scenario: full, millis, reason: format!("{error:#}") },
        })?;
    }
    Ok(())
}

/// Runs the scenario in a process of its own, so that neither a panic nor a blocked system call stops the rest.
fn supervise(scenario: &Scenario) -> Result<()> {
    let mut child = Command::new("/init")
        .arg0("init")
        .args([SCENARIO, scenario.name])
        .env_clear()
        .envs(KERNEL_ENVIRONMENT)
        .spawn()
        .context("cannot start the scenario")?;
    let status = program::wait(&mut child, scenario.limit).context("the scenario")?;
    let reason = fs::read_to_string(world::reason_path()).unwrap_or_default();
    ensure!(reason.is_empty(), "{reason}");
    ensure!(status.success(), "the scenario's process ended with {status}");
    Ok(())
}

fn run_scenario(name: &str) -> ExitCode {
    let outcome = open_world().and_then(|(mut world, group)| (find(group, name)?.run)(&mut world));
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    // If even this cannot be written, the status alone says that it failed.
    let _ = fs::write(world::reason_path(), format!("{error:#}"));
    ExitCode::FAILURE
}
