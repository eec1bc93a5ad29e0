//! The tools' options, as their definitions have them.

use clap::{Arg, ArgAction, Command};
use modcli::Definition;

/// A tool and its options.
#[derive(Clone, Debug)]
pub struct Tool {
    /// Its name.
    pub name: &'static str,
    /// The command of it that is meant, if it is not the tool itself.
    pub command: Option<&'static str>,
    /// Its options, in the order of the definition.
    pub options: Vec<Opt>,
}

/// One option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opt {
    /// Every spelling, with dashes: letter first, then the long names.
    pub spellings: Vec<String>,
    /// What follows it, if anything does.
    pub value: Option<Value>,
    /// One line for people.
    pub help: String,
    /// Whether it is accepted without being offered.
    pub hidden: bool,
}

/// What the value of an option is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// The root of a system that holds modules.
    Root,
    /// The directory that holds one directory per kernel.
    Modules,
    /// Any directory.
    Directory,
    /// A file.
    File,
    /// A kernel release.
    Release,
    /// A module.
    Module,
    /// A field of a module.
    Field,
    /// One of these words.
    Words(&'static [&'static str]),
    /// Something that nothing can be offered for.
    Other,
}

/// What each tool says about its command line, in the order of [`suite::TOOLS`].
pub const DEFINITIONS: [Definition; suite::TOOLS.len()] = [
    modprobe::DEFINITION,
    rmmod::DEFINITION,
    depmod::DEFINITION,
    insmod::DEFINITION,
    lsmod::DEFINITION,
    modinfo::DEFINITION,
    kmod_program::DEFINITION,
];

/// All tools of the suite.
#[must_use]
pub fn all() -> Vec<Tool> {
    let commands = DEFINITIONS.map(|definition| (definition.command)());
    suite::TOOLS.into_iter().zip(&commands).map(|(name, command)| Tool::of(name, command)).collect()
}

/// The same, and behind them the commands of kmod.
#[must_use]
pub fn with_commands() -> Vec<Tool> {
    let of_kmod = kmod_program::COMMAND_DEFINITIONS.map(|(name, definition)| {
        let tool = Tool::of("kmod", &(definition.command)());
        Tool { command: Some(name), ..tool }
    });
    all().into_iter().chain(of_kmod).collect()
}

/// The words that an option `--format` takes, by what the definition calls itself.
const FORMATS: [(&str, &[&str]); 2] =
    [("kmod static-nodes", &["human", "tmpfiles", "devname"]), ("kmod graph", &["dot", "mermaid"])];

impl Tool {
    /// The options that `command` defines.
    #[must_use]
    pub fn of(name: &'static str, command: &Command) -> Self {
        let arguments = command.get_arguments().filter(|arg| !arg.is_positional());
        let options = arguments.map(|arg| option(command.get_name(), arg)).collect();
        Self { name, command: None, options }
    }

    /// What stands for it in the names of variables.
    #[must_use]
    pub fn variable(&self) -> String {
        match self.command {
            None => self.name.to_owned(),
            Some(command) => format!("{}_{}", self.name, command.replace('-', "_")),
        }
    }

    /// The options that are offered.
    pub fn offered(&self) -> impl Iterator<Item = &Opt> {
        self.options.iter().filter(|option| !option.hidden)
    }
}

fn option(definition: &str, arg: &Arg) -> Opt {
    let letters = arg.get_short().into_iter().chain(arg.get_all_short_aliases().unwrap_or_default());
    let names = arg.get_long().into_iter().chain(arg.get_all_aliases().unwrap_or_default());
    let takes_value = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    Opt {
        spellings: letters
            .map(|letter| format!("-{letter}"))
            .chain(names.map(|name| format!("--{name}")))
            .collect(),
        value: takes_value.then(|| value(definition, arg)),
        help: arg.get_help().map(ToString::to_string).unwrap_or_default(),
        hidden: arg.is_hide_set(),
    }
}

fn value(definition: &str, arg: &Arg) -> Value {
    if arg.get_id() == "format"
        && let Some((_, words)) = FORMATS.iter().find(|(name, _)| *name == definition)
    {
        return Value::Words(words);
    }
    match (
        arg.get_id().as_str(),
        arg.get_value_names().and_then(<[_]>::first).map(clap::builder::Str::as_str),
    ) {
        ("basedir" | "dirname", _) => Value::Root,
        ("moduledir", _) => Value::Modules,
        ("type", _) => Value::Other,
        (_, Some("DIR")) => Value::Directory,
        (_, Some("FILE" | "PATH")) => Value::File,
        (_, Some("VERSION")) => Value::Release,
        (_, Some("NAME")) => Value::Module,
        (_, Some("FIELD")) => Value::Field,
        _ => Value::Other,
    }
}

#[cfg(test)]
mod tests {
    use modcli::getopt::{Failure, Options, Order, parse};

    #[test]
    fn each_tool_has_its_own_definition() {
        for (name, definition) in suite::TOOLS.into_iter().zip(super::DEFINITIONS) {
            assert_eq!((definition.command)().get_name(), name);
        }
    }

    #[test]
    fn what_only_our_tools_have_is_an_option_and_counts_only_when_written_out() {
        for definition in super::DEFINITIONS {
            let command = (definition.command)();
            let options = Options::of(&command, definition.added);
            let names: Vec<String> = super::Tool::of("t", &command)
                .options
                .into_iter()
                .flat_map(|option| option.spellings)
                .collect();
            let of_kmod = |beginning: &str| {
                names
                    .iter()
                    .filter_map(|name| name.strip_prefix("--"))
                    .any(|name| name.starts_with(beginning) && !definition.added.contains(&name))
            };
            for name in definition.added {
                let spelling = format!("--{name}");
                assert!(names.contains(&spelling), "{}: no option {spelling}", command.get_name());
                for len in 1..name.len() {
                    let beginning = &name[..len];
                    let argv = ["t".into(), format!("--{beginning}").into(), "value".into()];
                    let outcome = parse(&options, &argv, Order::Permuted);
                    if !of_kmod(beginning) {
                        let refusal = format!("t: unrecognized option '--{beginning}'");
                        assert_eq!(outcome, Err(Failure::Sentence(refusal.into_bytes())));
                    }
                }
            }
        }
    }
}
