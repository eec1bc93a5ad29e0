//! The generated parts of the completions: one table of options per tool and shell.
//!
//! Everything else in those files is written by hand and left as it is.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::tool::{Opt, Tool, Value};

const BEGIN: &str = "# Generated from the tools' definitions; cargo xtask completions renews it.\n";
const END: &str = "# End of the generated part.\n";

/// Fields that modules have, and those that modinfo adds.
const FIELDS: &str = "alias author build-id depends description filename firmware import_ns intree license name parm \
                      parmtype retpoline sig_hashalgo sig_id sig_key signature signer softdep srcversion staging \
                      vermagic version weakdep";

type Part = fn(&[Tool]) -> String;

/// The files, and what makes their generated part.
const FILES: [(&str, Part); 3] =
    [("modutils-rs.bash", bash), ("_modutils-rs", zsh), ("modutils-rs.fish", fish)];

/// Writes the generated part of every file anew.
///
/// # Errors
/// If a file cannot be read or written, or has no place for it.
pub fn renew(directory: &Path, tools: &[Tool]) -> Result<()> {
    for (name, part) in FILES {
        let file = directory.join(name);
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let renewed = with_part(&text, &part(tools)).with_context(|| file.display().to_string())?;
        fs::write(&file, renewed).with_context(|| file.display().to_string())?;
    }
    Ok(())
}

/// The files whose generated part is not what it would be now.
///
/// # Errors
/// As [`renew`].
pub fn check(directory: &Path, tools: &[Tool]) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for (name, part) in FILES {
        let file = directory.join(name);
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        if with_part(&text, &part(tools)).with_context(|| file.display().to_string())? != text {
            findings.push(format!("{name} is not what the definitions say: run cargo xtask completions"));
        }
    }
    Ok(findings)
}

fn with_part(text: &str, part: &str) -> Result<String> {
    let (before, rest) = text.split_once(BEGIN).context("no line where the generated part begins")?;
    let (_, after) = rest.split_once(END).context("no line where the generated part ends")?;
    Ok([before, BEGIN, part, END, after].concat())
}

/// One variable per tool: every spelling, with `:KIND` where a value follows.
fn bash(tools: &[Tool]) -> String {
    let fields: Vec<String> = FIELDS.split(' ').map(str::to_owned).collect();
    let mut out = format!("_modutils_rs_fields='\n    {}'\n", wrapped(&fields, 110).join("\n    "));
    for tool in tools {
        let mut words = Vec::new();
        for option in tool.offered() {
            let kind = option.value.map(|value| format!(":{}", kind(value))).unwrap_or_default();
            words.extend(option.spellings.iter().map(|name| format!("{name}{kind}")));
        }
        let lines = wrapped(&words, 110).join("\n    ");
        let _ = writeln!(out, "_modutils_rs_of_{}='\n    {lines}'", tool.variable());
    }
    out
}

fn kind(value: Value) -> String {
    let name = match value {
        Value::Root => "ROOT",
        Value::Modules => "MODULES",
        Value::Directory => "DIR",
        Value::File => "FILE",
        Value::Release => "VERSION",
        Value::Module => "NAME",
        Value::Field => "FIELD",
        Value::Words(words) => return format!("ONE/{}", words.join("/")),
        Value::Other => "OTHER",
    };
    name.to_owned()
}

/// One array per tool: specifications for `_arguments`.
fn zsh(tools: &[Tool]) -> String {
    let fields = format!(":field:({FIELDS})");
    let mut out = String::new();
    for tool in tools {
        let _ = writeln!(out, "typeset -ga _modutils_rs_of_{}=(", tool.variable());
        for option in tool.offered() {
            let words = match option.value {
                Some(Value::Words(words)) => format!(":word:({})", words.join(" ")),
                _ => String::new(),
            };
            let (suffixes, action) = match option.value {
                None => (["", ""], ""),
                Some(Value::Root | Value::Modules | Value::Directory) => {
                    (["+", "="], ":directory:_directories")
                }
                Some(Value::File) => (["+", "="], ":file:_files"),
                Some(Value::Release) => (["+", "="], ":release:_modutils_rs_releases"),
                Some(Value::Module) => (["+", "="], ":module:_modutils_rs_modules"),
                Some(Value::Field) => (["+", "="], fields.as_str()),
                Some(Value::Words(_)) => (["+", "="], words.as_str()),
                Some(Value::Other) => (["+", "="], ":value: "),
            };
            for name in &option.spellings {
                let [short, long] = suffixes;
                let suffix = if name.starts_with("--") { long } else { short };
                let help = option.help.replace('[', "(").replace(']', ")");
                let _ = writeln!(out, "    {}", quoted(&format!("*{name}{suffix}[{help}]{action}")));
            }
        }
        out.push_str(")\n");
    }
    out
}

/// One command per option, and the spellings that a value follows.
fn fish(tools: &[Tool]) -> String {
    let mut out = String::new();
    for tool in tools {
        let name = tool.name;
        let valued: Vec<&str> = tool
            .offered()
            .filter(|option| option.value.is_some())
            .flat_map(|option| option.spellings.iter().map(String::as_str))
            .collect();
        let _ = writeln!(out, "set -g __modutils_rs_valued_{} {}", tool.variable(), valued.join(" "));
        let condition =
            tool.command.map(|command| format!(" -n '__modutils_rs_command {command}'")).unwrap_or_default();
        for option in tool.offered() {
            let _ = writeln!(out, "complete -c {name}{condition}{}", fish_option(name, option));
        }
    }
    out
}

fn fish_option(tool: &str, option: &Opt) -> String {
    let mut out = String::new();
    for name in &option.spellings {
        let _ = match name.strip_prefix("--") {
            Some(long) => write!(out, " -l {long}"),
            None => write!(out, " -s {}", name.trim_start_matches('-')),
        };
    }
    match option.value {
        None => {}
        Some(Value::Root | Value::Modules | Value::Directory) => {
            out.push_str(" -x -a '(__fish_complete_directories (commandline -ct))'");
        }
        Some(Value::File) => out.push_str(" -r -F"),
        Some(Value::Release) => {
            let _ = write!(out, " -x -a '(__modutils_rs_releases {tool})'");
        }
        Some(Value::Module) => out.push_str(" -x -a '(__modutils_rs_modules)'"),
        Some(Value::Field) => {
            let _ = write!(out, " -x -a {}", quoted(FIELDS));
        }
        Some(Value::Words(words)) => {
            let _ = write!(out, " -x -a {}", quoted(&words.join(" ")));
        }
        Some(Value::Other) => out.push_str(" -x"),
    }
    let _ = write!(out, " -d {}", quoted(&option.help));
    out
}

/// A word for zsh and fish. Help texts hold no single quotes but as an apostrophe.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "\u{2019}"))
}

fn wrapped(words: &[String], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() < width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.clone()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_marked_part_is_replaced() {
        let text = format!("a\n{BEGIN}old\n{END}b\n");
        assert_eq!(with_part(&text, "new\n").unwrap(), format!("a\n{BEGIN}new\n{END}b\n"));
        assert!(with_part("a\n", "new\n").is_err());
    }

    #[test]
    fn hidden_options_are_not_offered() {
        let command = clap::Command::new("t").arg(clap::Arg::new("old").long("old").hide(true)).arg(
            clap::Arg::new("dir").short('d').long("dir").value_name("DIR").action(clap::ArgAction::Append),
        );
        let tools = [Tool::of("t", &command)];
        assert!(bash(&tools).ends_with("\n_modutils_rs_of_t='\n    -d:DIR --dir:DIR'\n"));
        assert!(!zsh(&tools).contains("old") && !fish(&tools).contains("old"));
    }
}
