//! A line of `modules.devname`: `MODULE NODE cMAJOR:MINOR`, or `b` for a block device.

/// The longest piece of a line that is judged, in bytes; a longer line is taken in pieces.
const LONGEST_PIECE: usize = 4095;

/// A device node that a module asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    pub module: &'a [u8],
    /// Its path below /dev.
    pub node: &'a [u8],
    pub kind: Kind,
    pub major: u32,
    pub minor: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Character,
    Block,
}

impl Kind {
    pub fn letter(self) -> char {
        match self {
            Self::Character => 'c',
            Self::Block => 'b',
        }
    }
}

/// The lines that are not comments, each with the newline at its end.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = text.split_inclusive(|&byte| byte == b'\n');
    lines.flat_map(|line| line.chunks(LONGEST_PIECE)).filter(|line| !line.starts_with(b"#"))
}

/// The entry in a line, by the rules of scanf(3): numbers are decimal, may have a sign, and wrap; what follows the last
/// one does not matter.
pub(super) fn parse(line: &[u8]) -> Option<Entry<'_>> {
    let line = line.split(|&byte| byte == 0).next()?;
    let (module, rest) = word(line)?;
    let (node, rest) = word(rest)?;
    let (kind, rest) = skip_space(rest).split_first()?;
    let kind = match kind {
        b'c' => Kind::Character,
        b'b' => Kind::Block,
        _ => return None,
    };
    let (major, rest) = number(rest)?;
    let (minor, _) = number(rest.strip_prefix(b":")?)?;
    Some(Entry { module, node, kind, major, minor })
}

fn skip_space(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|&byte| !is_space(byte)).unwrap_or(text.len());
    text.get(start..).unwrap_or_default()
}

fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = skip_space(text);
    let end = text.iter().position(|&byte| is_space(byte)).unwrap_or(text.len());
    text.split_at_checked(end).filter(|(word, _)| !word.is_empty())
}

fn number(text: &[u8]) -> Option<(u32, &[u8])> {
    let text = skip_space(text);
    let (is_negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let end = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
    let (digits, rest) = digits.split_at_checked(end).filter(|(digits, _)| !digits.is_empty())?;
    let value = digits
        .iter()
        .try_fold(0_u64, |value, digit| value.checked_mul(10)?.checked_add(u64::from(digit - b'0')));
    let value = match value {
        Some(value) if is_negative => value.wrapping_neg(),
        Some(value) => value,
        None => u64::MAX,
    };
    Some((value as u32, rest))
}

fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(line: &str) -> Option<(u32, u32)> {
        parse(line.as_bytes()).map(|entry| (entry.major, entry.minor))
    }

    #[test]
    fn numbers_are_read_as_scanf_reads_them() {
        for (line, expected) in [
            ("m n c1:2\n", Some((1, 2))),
            (" m\tn  c 5:6 trailing", Some((5, 6))),
            ("m n c-1:3", Some((u32::MAX, 3))),
            ("m n c4294967296:5x", Some((0, 5))),
            ("m n c99999999999999999999:1", Some((u32::MAX, 1))),
            ("m n c5:0x10", Some((5, 0))),
            ("m n c5 :1", None),
            ("m n x5:1", None),
            ("m n c5", None),
            ("m n", None),
            ("\n", None),
        ] {
            assert_eq!(numbers(line), expected, "{line:?}");
        }
        let entry = parse(b" #x d/e b1:2").unwrap();
        assert_eq!((entry.module, entry.node, entry.kind), (&b"#x"[..], &b"d/e"[..], Kind::Block));
    }

    #[test]
    fn a_long_line_is_taken_in_pieces_and_a_comment_begins_with_its_first_byte() {
        let long = [b"m n c1:2".to_vec(), vec![b' '; 4095], b"\n".to_vec()].concat();
        let pieces: Vec<_> = lines(&long).map(<[u8]>::len).collect();
        assert_eq!(pieces, [4095, 9]);
        assert_eq!(lines(b"# a\n #b\nlast").collect::<Vec<_>>(), [&b" #b\n"[..], b"last"]);
    }
}
