//! Starts a shell on a terminal of its own, with loaded modules as a test wants them, and types.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A directory with `root`, a system's modules, and `sys/module`, those that are loaded.
pub struct World {
    /// Everything is in here.
    pub directory: TempDir,
}

impl World {
    /// The root of the system whose modules are offered.
    pub fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }
}

/// A shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Makes readline insert all completions of a word.
const BASH_KEYS: &str = "\x1b*";
/// Bound to a widget that inserts all completions, in the settings below.
const ZSH_INSERT: &str = "\x18";
/// Bound to a widget that lists them.
const ZSH_LIST: &str = "\x19";

/// The tools only show what they get, one word a line.
const BASH_SETTINGS: &str = r"
unset HISTFILE
bind 'set enable-bracketed-paste off'
PS1=
for tool in @TOOLS@; do eval $tool'() { printf \<%s\>\\n $@ ; }'; done
";

const ZSH_SETTINGS: &str = r"
PS1=
unset zle_bracketed_paste HISTFILE
autoload -U compinit
compinit -u -D
insert-all() { _main_complete; compstate[insert]=all }
zle -C insert-all complete-word insert-all
bindkey '^X' insert-all
list-all() { _main_complete; compstate[list]='list force'; compstate[insert]= }
zle -C list-all list-choices list-all
bindkey '^Y' list-all
for tool in @TOOLS@; do eval $tool'() { print -rl -- \<$^@\> }'; done
";

impl Shell {
    /// All that there are completions for.
    pub const ALL: [Self; 3] = [Self::Bash, Self::Zsh, Self::Fish];

    /// The words that completion offers after `line`.
    pub fn offers(self, world: &World, line: &str) -> Vec<String> {
        let typed = line.split(' ').filter(|word| !word.is_empty()).count() - 1;
        let complete = usize::from(!line.ends_with(' '));
        let last = line.rsplit(' ').next().unwrap_or_default();
        match self {
            Self::Fish => {
                let shown = self.shows(world, line);
                let words = shown.lines().filter_map(|line| line.split('\t').next()).map(str::to_owned);
                let (beginning, containing): (Vec<_>, Vec<_>) =
                    words.partition(|word| word.starts_with(last));
                // Behind those that begin with what was typed, fish 4 lists others that have the same letters.
                if beginning.is_empty() { containing } else { beginning }
            }
            Self::Bash | Self::Zsh => {
                let keys = if self == Self::Bash { BASH_KEYS } else { ZSH_INSERT };
                let screen = self.on_terminal(world, &format!("{line}{keys}\n"));
                let word =
                    |line: &str| Some(line.trim_end().strip_prefix('<')?.strip_suffix('>')?.to_owned());
                let words: Vec<String> = screen.lines().filter_map(word).collect();
                let offered: Vec<String> = words.into_iter().skip(typed - complete).collect();
                // Without an offer the word stays as it was typed.
                if offered == [last] { Vec::new() } else { offered }
            }
        }
    }

    /// What the shell shows when it lists what it offers.
    pub fn shows(self, world: &World, line: &str) -> String {
        match self {
            Self::Fish => {
                let script = "source $argv[1]; complete -C $argv[2]";
                let mut command = inside(world, "fish");
                command.args(["--no-config", "-c", script]).arg(completion("modutils-rs.fish")).arg(line);
                let output = command.output().unwrap();
                assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
                String::from_utf8(output.stdout).unwrap()
            }
            Self::Bash | Self::Zsh => self.on_terminal(world, &format!("{line}{ZSH_LIST}\n")),
        }
    }

    /// Types `keys` and gives all that appears on the terminal.
    fn on_terminal(self, world: &World, keys: &str) -> String {
        let home = world.directory.path().join(format!("{self:?}"));
        fs::create_dir_all(&home).unwrap();
        let command = match self {
            Self::Bash => {
                let source = completion("modutils-rs.bash");
                let settings = format!("source {}\n{}", source.display(), with_tools(BASH_SETTINGS));
                let file = home.join("settings");
                fs::write(&file, settings).unwrap();
                format!("bash --rcfile {} -i", file.display())
            }
            _ => {
                let settings = with_tools(ZSH_SETTINGS);
                let functions = format!("fpath=({} $fpath)\n{settings}", completion("").display());
                fs::write(home.join(".zshrc"), functions).unwrap();
                "zsh -d -i".to_owned()
            }
        };
        let mut script = inside(world, "script");
        script.args(["--quiet", "--flush", "--return", "--command", &command, "/dev/null"]);
        script.env("ZDOTDIR", &home).env("HOME", &home).env("TERM", "xterm").env_remove("ENV");
        let mut child =
            script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(format!("{keys}exit\n").as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// Settings with the names of the tools put in.
fn with_tools(settings: &str) -> String {
    settings.replace("@TOOLS@", &suite::words())
}

/// A file of the completions.
fn completion(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../completions").join(name).canonicalize().unwrap()
}

/// A program for which the modules of `world` are those that are loaded.
fn inside(world: &World, program: &str) -> Command {
    let mut command = Command::new("unshare");
    let script = r#"mount --bind "$0" /sys/module && exec "$@""#;
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]);
    command.arg(world.directory.path().join("sys/module")).arg(program);
    command
}
