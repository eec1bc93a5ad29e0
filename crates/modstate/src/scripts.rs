//! Commands of modutils.d that are run around the loading and unloading of modules, and for requests of the kernel
//! that no module answers.
//!
//! ```text
//! pre-install MODULE-PATTERN COMMAND     before a module is loaded; if it fails, the module is not
//! post-install MODULE-PATTERN COMMAND    after it was
//! pre-remove MODULE-PATTERN COMMAND      before a module is unloaded; if it fails, the module stays
//! post-remove MODULE-PATTERN COMMAND     after it was
//! on-request NAME-PATTERN COMMAND        the kernel asks for a name that no module has
//! command-time SECONDS                   how long all commands of one run may take together
//! legacy-modules-conf yes                the first four count in /etc/modules.conf, too
//! ```
//!
//! Whoever can write such a line gives commands to root. Whether the file is one that only root can write is found out
//! by whoever reads it, who takes the commands out again if it is not: [`Scripts::distrust`].

use std::path::Path;
use std::time::Duration;

use modfile::ModuleName;
use modfile::wildcard;

use crate::fields;
use crate::pattern::{LineReason, normalized};
use crate::rules::Line;

/// How long all commands of one run may take together, where no line says otherwise.
pub const DEFAULT_TIME: Duration = Duration::from_secs(3);
/// The longest time that can be configured, in seconds.
const LONGEST_TIME: u64 = 3600;

/// When a command is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// Before a module is loaded.
    PreInstall,
    /// After it was loaded.
    PostInstall,
    /// Before a module is unloaded.
    PreRemove,
    /// After it was unloaded.
    PostRemove,
    /// The kernel asks for what no module answers.
    OnRequest,
}

impl Moment {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::PreInstall, Self::PostInstall, Self::PreRemove, Self::PostRemove, Self::OnRequest];

    /// The directive.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::PreInstall => "pre-install",
            Self::PostInstall => "post-install",
            Self::PreRemove => "pre-remove",
            Self::PostRemove => "post-remove",
            Self::OnRequest => "on-request",
        }
    }

    /// The moment of a directive.
    #[must_use]
    pub fn of_word(word: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|moment| moment.word().as_bytes() == word)
    }
}

/// A line with a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// When it is run.
    pub moment: Moment,
    /// Pattern of module names, or of requested names.
    pub names: Vec<u8>,
    /// The shell's line.
    pub command: Vec<u8>,
    /// Where it stands.
    pub line: Line,
}

impl Script {
    fn is_for(&self, moment: Moment, name: &[u8]) -> bool {
        self.moment == moment && wildcard::matches(&self.names, name)
    }
}

/// All commands, in the order of their lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scripts {
    scripts: Vec<Script>,
    /// Those that do not count.
    distrusted: Vec<Script>,
    times: Vec<(u64, Line)>,
    legacy: bool,
}

impl Scripts {
    /// The commands of a moment around a module.
    pub fn around<'s>(&'s self, moment: Moment, module: &'s ModuleName) -> impl Iterator<Item = &'s Script> {
        self.scripts.iter().filter(move |script| script.is_for(moment, module.as_bytes()))
    }

    /// The first command for a request of the kernel, by the name in the form in which aliases are compared.
    #[must_use]
    pub fn on_request(&self, normalized_name: &[u8]) -> Option<&Script> {
        self.scripts.iter().find(|script| script.is_for(Moment::OnRequest, normalized_name))
    }

    /// How long all commands of one run may take together.
    #[must_use]
    pub fn time(&self) -> Duration {
        self.times.last().map_or(DEFAULT_TIME, |(seconds, _)| Duration::from_secs(*seconds))
    }

    /// Whether `/etc/modules.conf` counts.
    #[must_use]
    pub fn reads_modules_conf(&self) -> bool {
        self.legacy
    }

    /// Whether a file has a line with a command.
    #[must_use]
    pub fn has_any_of(&self, file: &Path) -> bool {
        self.scripts.iter().any(|script| *script.line.file == *file)
    }

    /// Takes out the commands of a file that others than root can have written.
    pub fn distrust(&mut self, file: &Path) {
        let of_file = |script: &mut Script| *script.line.file == *file;
        self.distrusted.extend(self.scripts.extract_if(.., of_file));
    }

    /// All commands that count, in order.
    #[must_use]
    pub fn all(&self) -> &[Script] {
        &self.scripts
    }

    /// Those that were taken out.
    #[must_use]
    pub fn distrusted(&self) -> &[Script] {
        &self.distrusted
    }

    /// All `command-time` lines, in seconds and in order: the last counts.
    #[must_use]
    pub fn time_lines(&self) -> &[(u64, Line)] {
        &self.times
    }

    /// Adds a line with a command: the text behind the directive. The command is the rest of the line as it stands.
    pub(crate) fn add(&mut self, moment: Moment, text: &[u8], line: Line) -> Result<(), LineReason> {
        let need = match moment {
            Moment::OnRequest => "a pattern of requested names and a command",
            _ => "a pattern of module names and a command",
        };
        let text = text.trim_ascii();
        let missing = || LineReason::Missing(moment.word(), need);
        let end = text.iter().position(u8::is_ascii_whitespace).ok_or_else(missing)?;
        let (pattern, command) = text.split_at_checked(end).ok_or_else(missing)?;
        let command = command.trim_ascii();
        if command.contains(&0) {
            return Err(LineReason::NulInCommand);
        }
        self.scripts.push(Script { moment, names: normalized(pattern)?, command: command.to_vec(), line });
        Ok(())
    }

    /// Adds a `command-time` line.
    pub(crate) fn set_time(&mut self, words: &[&[u8]], line: Line) -> Result<(), LineReason> {
        let seconds = match words {
            [] => return Err(LineReason::Missing("command-time", "a number of seconds")),
            [text] => fields::number(text)
                .filter(|seconds| (1..=LONGEST_TIME).contains(seconds))
                .ok_or_else(|| LineReason::BadTime(text.to_vec()))?,
            _ => return Err(LineReason::TooMany("command-time")),
        };
        self.times.push((seconds, line));
        Ok(())
    }

    /// Adds a `legacy-modules-conf` line.
    pub(crate) fn set_legacy(&mut self, words: &[&[u8]]) -> Result<(), LineReason> {
        self.legacy = match words {
            [b"yes"] => true,
            [b"no"] => false,
            [_, _, ..] => return Err(LineReason::TooMany("legacy-modules-conf")),
            _ => return Err(LineReason::Missing("legacy-modules-conf", "'yes' or 'no'")),
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{ModutilsConfig, Problem};

    use super::*;

    fn config(text: &str) -> (ModutilsConfig, Vec<String>) {
        let mut config = ModutilsConfig::default();
        let problems = config.add(Path::new("a.conf"), text.as_bytes());
        (config, problems.iter().map(Problem::to_string).collect())
    }

    #[test]
    fn a_command_is_the_rest_of_its_line_as_it_stands() {
        let (config, problems) = config(
            "  pre-install  snd-*   echo  'a  b' # \"c\" \\\t\npost-install snd_x b\npre-install snd-x c\r\n\
             pre-remove * d\npost-remove *y e\n",
        );
        assert_eq!(problems, [""; 0]);
        let found = |moment, module: &str| -> Vec<String> {
            let module = module.into();
            let found = config.scripts().around(moment, &module);
            found
                .map(|script| format!("{} ({})", String::from_utf8_lossy(&script.command), script.line))
                .collect()
        };
        assert_eq!(
            found(Moment::PreInstall, "snd_x"),
            ["echo  'a  b' # \"c\" \\ (a.conf line 1)", "c (a.conf line 3)"]
        );
        assert_eq!(found(Moment::PostInstall, "snd_x"), ["b (a.conf line 2)"]);
        assert_eq!(found(Moment::PreRemove, "snd_x"), ["d (a.conf line 4)"]);
        assert_eq!(found(Moment::PostRemove, "snd_x"), [""; 0]);
        assert_eq!(found(Moment::PostRemove, "y"), ["e (a.conf line 5)"]);
    }

    #[test]
    fn the_first_line_for_a_request_counts_and_module_names_are_none() {
        let (config, _) = config("on-request net-pf-2[0-9] a\non-request net-pf-* b\npre-install * c\n");
        let found = |name: &[u8]| config.scripts().on_request(name).map(|script| script.command.clone());
        assert_eq!(found(b"net_pf_28"), Some(b"a".to_vec()));
        assert_eq!(found(b"net_pf_3"), Some(b"b".to_vec()));
        assert_eq!(found(b"fs_ext4"), None);
    }

    #[test]
    fn wrong_lines_are_named() {
        for (line, reason) in [
            ("pre-install", "'pre-install' needs a pattern of module names and a command"),
            ("post-remove a", "'post-remove' needs a pattern of module names and a command"),
            ("on-request a\t ", "'on-request' needs a pattern of requested names and a command"),
            ("pre-remove a[ b", "unmatched bracket in 'a['"),
            ("pre-install a b\0c", "a command cannot hold a NUL"),
            ("command-time", "'command-time' needs a number of seconds"),
            ("command-time 0", "'0' is no number of seconds from 1 to 3600"),
            ("command-time 3601", "'3601' is no number of seconds from 1 to 3600"),
            ("command-time 1 2", "'command-time' takes no more words"),
            ("legacy-modules-conf", "'legacy-modules-conf' needs 'yes' or 'no'"),
            ("legacy-modules-conf maybe", "'legacy-modules-conf' needs 'yes' or 'no'"),
            ("legacy-modules-conf yes no", "'legacy-modules-conf' takes no more words"),
        ] {
            let (config, problems) = config(&format!("{line}\ncommand-time 7\n"));
            assert_eq!(problems, [format!("line 1: {reason}")], "{line}");
            assert_eq!(config.scripts().time(), Duration::from_secs(7));
        }
    }

    #[test]
    fn the_last_line_about_time_and_the_old_file_counts() {
        let scripts = |text: &str| config(text).0.scripts().clone();
        assert_eq!(scripts("").time(), Duration::from_secs(3));
        assert_eq!(scripts("command-time 5\ncommand-time 9\n").time(), Duration::from_secs(9));
        assert!(!scripts("").reads_modules_conf());
        assert!(scripts("legacy-modules-conf yes\n").reads_modules_conf());
        assert!(!scripts("legacy-modules-conf yes\nlegacy-modules-conf no\n").reads_modules_conf());
    }

    #[test]
    fn commands_of_a_file_that_is_not_trusted_are_taken_out_and_the_rest_stays() {
        let mut config = ModutilsConfig::default();
        config.add(Path::new("a.conf"), b"pre-install * a\nforbid x\n");
        config.add(Path::new("b.conf"), b"pre-install * b\n");
        assert!(config.scripts().has_any_of(Path::new("a.conf")));
        config.scripts_mut().distrust(Path::new("a.conf"));
        let module = ModuleName::from("m");
        let left: Vec<_> =
            config.scripts().around(Moment::PreInstall, &module).map(|script| &script.command).collect();
        assert_eq!(left, [b"b"]);
        assert!(!config.scripts().has_any_of(Path::new("a.conf")));
        assert!(config.rules().forbidden(&"x".into()).is_some());
    }
}
