//! The smallest tool: every part of a session, for tests from outside and for measuring what the frame costs.
//!
//! Operands are instructions: `fatal:T`, `error:T`, `warning:T`, `info:T`, `hint:T`, `show:T`, `fill:N` (N lines
//! of output, stopping when nobody reads), `missing:PATH` (an error that names the reason).

#![cfg_attr(not(test), no_main)]

use anyhow::Context;
use clap::Command;
use modcli::{Definition, Exit, Session, Threshold, common};

const TOOL: Definition = Definition { command, threshold: Threshold::WARNINGS, added: &["added"] };

fn command() -> Command {
    common::command("tool").args([
        common::valued("config", "PATH").short('C'),
        common::flag("added"),
        common::syslog(),
        common::quiet(),
        common::verbose(),
        common::version(),
        common::help(),
    ])
}

modcli::main!("tool", tool);

fn tool(session: &Session) -> anyhow::Result<Exit> {
    let parsed = session.parse(&TOOL)?;
    for operand in &parsed.operands {
        let operand = operand.to_string_lossy();
        let (verb, text) = operand.split_once(':').unwrap_or((&operand, ""));
        match verb {
            "fatal" => session.reporter.fatal(text)?,
            "error" => session.reporter.error(text),
            "warning" => session.reporter.warning(text),
            "info" => session.reporter.info(text),
            "hint" => session.reporter.hint(text),
            "show" => session.output.show_line(text),
            "fill" => {
                for number in 0..text.parse()? {
                    session.output.print_line(format!("line {number}"))?;
                }
            }
            "missing" => {
                std::fs::File::open(text).with_context(|| format!("could not open {text}"))?;
            }
            _ => session.reporter.error(format!("unknown instruction {verb}")),
        }
    }
    Ok(Exit::failed_if(session.reporter.errors() > 0))
}
