//! The four directives of `/etc/modules.conf` that modutils.d took over, in the syntax of Linux 2.4's modutils, as
//! modules.conf(5) of that time describes it.
//!
//! A `#` begins a comment that ends with the line. A backslash at the end of a line joins the next one to it. The
//! pattern may stand in quotes, and a backslash takes from the next character what it means. The command is the shell's,
//! which has quotes of its own: of it nothing is changed but joined lines. Whatever stands in an `if` block depended on
//! that program's expressions, which are not evaluated here.

use std::path::Path;
use std::sync::Arc;

use crate::pattern::LineReason;
use crate::rules::Line;
use crate::scripts::{Moment, Scripts};

/// Something in the file that does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OldLine {
    /// A directive that would count stands in an `if` block.
    #[error("line {line}: '{word}' within 'if' does not count; put it into modutils.d")]
    WithinIf {
        /// Counted from 1.
        line: usize,
        /// The directive.
        word: &'static str,
    },
    /// A directive that would count is wrong.
    #[error("line {line}: {reason}")]
    Wrong {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        reason: LineReason,
    },
    /// Lines of other kinds, which modprobe.d has taken over.
    #[error("{}", of_modprobe_d(.0))]
    Others(Vec<usize>),
}

fn of_modprobe_d(lines: &[usize]) -> String {
    match lines {
        [line] => format!("line {line} does not count: modprobe.d(5) is the place for it"),
        _ => {
            let lines: Vec<_> = lines.iter().map(usize::to_string).collect();
            format!("lines {} do not count: modprobe.d(5) is the place for them", lines.join(", "))
        }
    }
}

/// Adds what the file says to the commands.
pub fn add(scripts: &mut Scripts, file: &Path, text: &[u8]) -> Vec<OldLine> {
    let file: Arc<Path> = file.into();
    let mut problems = Vec::new();
    let mut others = Vec::new();
    let mut depth = 0_usize;
    for (line, content) in logical_lines(text) {
        let content = without_comment(&content).trim_ascii();
        let end = content.iter().position(u8::is_ascii_whitespace).unwrap_or(content.len());
        let (word, rest) = content.split_at_checked(end).unwrap_or((content, b""));
        let moment = Moment::of_word(word).filter(|moment| *moment != Moment::OnRequest);
        match (word, moment) {
            (b"", _) => {}
            (b"if", _) => depth += 1,
            (b"endif", _) => depth = depth.saturating_sub(1),
            (b"else" | b"elseif", _) if depth > 0 => {}
            (_, Some(moment)) if depth > 0 => {
                problems.push(OldLine::WithinIf { line, word: moment.word() });
            }
            (_, Some(moment)) => {
                let place = Line { file: Arc::clone(&file), number: line };
                if let Err(reason) = scripts.add(moment, &unquoted_pattern(rest), place) {
                    problems.push(OldLine::Wrong { line, reason });
                }
            }
            (_, None) => others.push(line),
        }
    }
    if !others.is_empty() {
        problems.push(OldLine::Others(others));
    }
    problems
}

/// Lines with those joined that a backslash joins, and the number of the first.
fn logical_lines(text: &[u8]) -> Vec<(usize, Vec<u8>)> {
    let mut lines: Vec<(usize, Vec<u8>)> = Vec::new();
    let mut continues = false;
    for (number, line) in (1..).zip(text.split(|&byte| byte == b'\n')) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let backslashes = line.iter().rev().take_while(|&&byte| byte == b'\\').count();
        // Two of them are one that means itself.
        let is_joined = backslashes % 2 == 1;
        let line = if is_joined { line.strip_suffix(b"\\").unwrap_or(line) } else { line };
        match lines.last_mut() {
            Some((_, last)) if continues => {
                last.push(b' ');
                last.extend_from_slice(line.trim_ascii_start());
            }
            _ => lines.push((number, line.to_vec())),
        }
        continues = is_joined;
    }
    lines
}

/// A line up to its comment: a `#` at the beginning of a word, outside of quotes.
fn without_comment(line: &[u8]) -> &[u8] {
    let mut quote = None;
    let mut before = b' ';
    let mut bytes = line.iter().copied().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match (byte, quote) {
            (b'\\', None | Some(b'"')) => drop(bytes.next()),
            (b'"' | b'\'', None) => quote = Some(byte),
            (byte, Some(open)) if byte == open => quote = None,
            (b'#', None) if before.is_ascii_whitespace() => return line.get(..at).unwrap_or(line),
            _ => {}
        }
        before = byte;
    }
    line
}

/// The text behind a directive with the quotes of its first word, the pattern, taken away. A blank in the pattern stays
/// one that ends it: no module has a blank in its name.
fn unquoted_pattern(text: &[u8]) -> Vec<u8> {
    let text = text.trim_ascii();
    let mut pattern = Vec::new();
    let mut quote = None;
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        match (byte, quote) {
            (byte, None) if byte.is_ascii_whitespace() => break,
            (b'"' | b'\'', None) => quote = Some(byte),
            (byte, Some(open)) if byte == open => quote = None,
            _ => pattern.push(byte),
        }
        rest = after;
    }
    [pattern.as_slice(), rest].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> (Vec<(String, String)>, Vec<String>) {
        let mut scripts = Scripts::default();
        let problems = add(&mut scripts, Path::new("/etc/modules.conf"), text.as_bytes());
        let module = "snd_mixer".into();
        let found = [Moment::PreInstall, Moment::PostInstall, Moment::PreRemove, Moment::PostRemove]
            .into_iter()
            .flat_map(|moment| scripts.around(moment, &module).collect::<Vec<_>>())
            .map(|script| {
                let command = String::from_utf8_lossy(&script.command).into_owned();
                (format!("{} {}", script.line.number, script.moment.word()), command)
            });
        (found.collect(), problems.iter().map(ToString::to_string).collect())
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(place, command)| ((*place).into(), (*command).into())).collect()
    }

    #[test]
    fn the_four_directives_count_with_comments_joined_lines_and_quotes() {
        let (found, problems) = read(
            "# a comment\npost-install snd-mixer \\\n  /bin/restore -q \\\n -a # why\npre-remove \"snd-mixer\" echo \"a # b\" 'c'\n\
             pre-install snd-* echo x#y \\\\\n  \t\npost-remove 'other' z\n",
        );
        assert_eq!(problems, [""; 0]);
        assert_eq!(
            found,
            pairs(&[
                ("6 pre-install", "echo x#y \\\\"),
                ("2 post-install", "/bin/restore -q  -a"),
                ("5 pre-remove", "echo \"a # b\" 'c'"),
            ])
        );
    }

    #[test]
    fn what_depends_on_a_condition_is_refused_and_other_lines_are_named_together() {
        let (found, problems) = read(
            "alias eth0 tulip\nif -f /x\n pre-install snd-mixer a\n if -f /y\n endif\nelse\npost-remove * b\nendif\n\
             options snd x=1\npre-install snd-mixer c\npre-install\non-request * d\n",
        );
        assert_eq!(found, pairs(&[("10 pre-install", "c")]));
        assert_eq!(
            problems,
            [
                "line 3: 'pre-install' within 'if' does not count; put it into modutils.d",
                "line 7: 'post-remove' within 'if' does not count; put it into modutils.d",
                "line 11: 'pre-install' needs a pattern of module names and a command",
                "lines 1, 9, 12 do not count: modprobe.d(5) is the place for them",
            ]
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(text in prop::collection::vec(any::<u8>(), 0..300)) {
            add(&mut Scripts::default(), Path::new("a"), &text);
        }
    }
}
