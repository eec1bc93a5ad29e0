//! What the guest says to the host: one framed line per message, on a serial port of its own.
//!
//! A line is a record separator, a check sum, a sequence number and the message. Kernel text can neither
//! look like one nor go unnoticed inside one, and a line that got lost leaves a gap in the numbers.

use std::fmt::Write as _;

/// The byte that begins a line; no printed text holds it.
const LINE_START: char = '\u{1e}';
/// The byte between the fields of a message.
const FIELD_END: char = '\u{1f}';

/// One message of the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The scenario is about to run.
    Begun {
        /// Its full name.
        scenario: String,
    },
    /// The scenario did what its name says.
    Passed {
        /// Its full name.
        scenario: String,
        /// How long it took, in milliseconds.
        millis: u64,
    },
    /// The scenario did not.
    Failed {
        /// Its full name.
        scenario: String,
        /// How long it took, in milliseconds.
        millis: u64,
        /// What was expected and what was found; may have several lines.
        reason: String,
    },
    /// A figure or an observation that a scenario wants to be seen.
    Note {
        /// The scenario that says it.
        scenario: String,
        /// What it says.
        text: String,
    },
    /// Everything that was to be run has been run; the machine goes down.
    Finished,
}

impl Message {
    fn fields(&self) -> Vec<String> {
        let name = |kind: &str, rest: &[&str]| {
            std::iter::once(kind).chain(rest.iter().copied()).map(str::to_owned).collect()
        };
        match self {
            Self::Begun { scenario } => name("begun", &[scenario]),
            Self::Passed { scenario, millis } => name("passed", &[scenario, &millis.to_string()]),
            Self::Failed { scenario, millis, reason } => {
                name("failed", &[scenario, &millis.to_string(), reason])
            }
            Self::Note { scenario, text } => name("note", &[scenario, text]),
            Self::Finished => name("finished", &[]),
        }
    }

    fn from_fields(fields: &[String]) -> Option<Self> {
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        Some(match *fields.as_slice() {
            ["begun", scenario] => Self::Begun { scenario: scenario.into() },
            ["passed", scenario, millis] => {
                Self::Passed { scenario: scenario.into(), millis: millis.parse().ok()? }
            }
            ["failed", scenario, millis, reason] => Self::Failed {
                scenario: scenario.into(),
                millis: millis.parse().ok()?,
                reason: reason.into(),
            },
            ["note", scenario, text] => Self::Note { scenario: scenario.into(), text: text.into() },
            ["finished"] => Self::Finished,
            _ => return None,
        })
    }
}

/// The line, with its newline, that carries `message` as the `sequence`-th one.
#[must_use]
pub fn encode(sequence: u32, message: &Message) -> String {
    let fields: Vec<String> = message.fields().iter().map(|field| escape(field)).collect();
    let body = format!("{sequence}{FIELD_END}{}", fields.join(&FIELD_END.to_string()));
    format!("{LINE_START}{:08x}{body}\n", check_sum(body.as_bytes()))
}

/// The sequence number and the message of a line, or `None` if it is not whole.
#[must_use]
pub fn decode(line: &str) -> Option<(u32, Message)> {
    let line = line.trim_end_matches(['\n', '\r']).strip_prefix(LINE_START)?;
    let (sum, body) = line.split_at_checked(8)?;
    if u32::from_str_radix(sum, 16).ok()? != check_sum(body.as_bytes()) {
        return None;
    }
    let (sequence, fields) = body.split_once(FIELD_END)?;
    let fields: Option<Vec<String>> = fields.split(FIELD_END).map(unescape).collect();
    Some((sequence.parse().ok()?, Message::from_fields(&fields?)?))
}

/// FNV-1a over 32 bits: enough to notice a damaged line.
fn check_sum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |sum, &byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// Printable ASCII but for the backslash stands for itself, everything else is `\HEX;`.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if (' '..='~').contains(&letter) && letter != '\\' {
            escaped.push(letter);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "\\{:x};", u32::from(letter));
        }
    }
    escaped
}

fn unescape(text: &str) -> Option<String> {
    let mut parts = text.split('\\');
    let mut plain = parts.next()?.to_owned();
    for part in parts {
        let (code, rest) = part.split_once(';')?;
        plain.push(char::from_u32(u32::from_str_radix(code, 16).ok()?)?);
        plain.push_str(rest);
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages() -> Vec<Message> {
        vec![
            Message::Begun { scenario: "a/b".into() },
            Message::Passed { scenario: "a/b".into(), millis: 12 },
            Message::Failed {
                scenario: "a/b".into(),
                millis: 0,
                reason: "line\nline \\ \u{1e}\u{1f}é".into(),
            },
            Message::Note { scenario: String::new(), text: "1.5 ms".into() },
            Message::Finished,
        ]
    }

    #[test]
    fn what_is_encoded_is_one_line_and_decodes_to_itself() {
        for (sequence, message) in messages().into_iter().enumerate() {
            let sequence = u32::try_from(sequence).unwrap();
            let line = encode(sequence, &message);
            assert_eq!(line.matches('\n').count(), 1, "{line:?}");
            assert_eq!(decode(&line), Some((sequence, message)));
        }
    }

    #[test]
    fn a_serial_port_may_end_lines_with_a_carriage_return() {
        let line = encode(7, &Message::Finished).replace('\n', "\r\n");
        assert_eq!(decode(&line), Some((7, Message::Finished)));
    }

    #[test]
    fn a_line_with_any_byte_changed_or_cut_off_is_refused() {
        let line = encode(3, &Message::Passed { scenario: "a/b".into(), millis: 12 });
        let line = line.trim_end();
        for at in 0..line.len() {
            let mut bytes = line.as_bytes().to_vec();
            bytes[at] ^= 1;
            if let Ok(changed) = std::str::from_utf8(&bytes) {
                assert_eq!(decode(changed), None, "{changed:?}");
            }
            assert_eq!(decode(&line[..at]), None);
        }
    }

    #[test]
    fn kernel_text_is_no_message() {
        for line in ["", "[    0.1] passed", "\u{1e}", "\u{1e}0000000", "passed\u{1f}a\u{1f}1"] {
            assert_eq!(decode(line), None, "{line:?}");
        }
    }
}
