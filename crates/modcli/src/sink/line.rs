//! The form of a message in the system log.

/// The tools' facility in syslog(3): daemon.
const DAEMON: u8 = 3;

/// `<facility|level>`, as both syslog and the kernel's log read it.
pub(super) fn priority(level: u8) -> String {
    format!("<{}>", DAEMON << 3 | level)
}

/// `PROGRAM[pid]: `, as log readers recognise a sender.
pub(super) fn sender(program: &str) -> String {
    format!("{program}[{}]: ", std::process::id())
}

/// `text` as one line. A module's name or a file's content must not forge further records.
pub(super) fn one_line(text: &[u8]) -> Vec<u8> {
    text.iter().map(|&byte| if byte.is_ascii_control() { b'?' } else { byte }).collect()
}

/// Splits `text` into pieces of at most `size` bytes, after a blank where there is one, inside no UTF-8 character.
pub(super) fn pieces(text: &[u8], size: usize) -> Vec<&[u8]> {
    let size = size.max(4);
    let mut pieces = Vec::new();
    let mut rest = text;
    while rest.len() > size {
        let (head, _) = rest.split_at(size);
        let cut = match head.iter().rposition(|&byte| byte == b' ') {
            Some(blank) if blank > size / 2 => blank + 1,
            _ => boundary(rest, size),
        };
        let (piece, after) = rest.split_at(cut);
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    pieces
}

/// The last place at or before `at` where no UTF-8 character is cut; `at` itself in bytes that are not UTF-8.
fn boundary(text: &[u8], at: usize) -> usize {
    let continues = |place: usize| text.get(place).is_some_and(|byte| byte & 0xc0 == 0x80);
    (at.saturating_sub(3).max(1)..=at).rev().find(|&place| !continues(place)).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_facility_is_daemon() {
        assert_eq!((priority(2), priority(3), priority(6)), ("<26>".into(), "<27>".into(), "<30>".into()));
    }

    #[test]
    fn long_text_is_cut_after_a_blank_where_there_is_one() {
        assert_eq!(pieces(b"aaaa bbbb cccc", 10), [b"aaaa bbbb ".as_slice(), b"cccc"]);
        assert_eq!(pieces(b"aaaabbbbcccc", 8), [b"aaaabbbb".as_slice(), b"cccc"]);
        assert_eq!(pieces(b"", 8), [b"".as_slice()]);
    }

    proptest! {
        #[test]
        fn pieces_of_text_are_text_and_make_up_the_whole(text in "[a-z\u{e9}\u{20ac}\u{1f600} ]{0,200}", size in 4usize..40) {
            let pieces = pieces(text.as_bytes(), size);
            prop_assert_eq!(pieces.concat(), text.as_bytes());
            for piece in pieces {
                prop_assert!(piece.len() <= size);
                prop_assert!(std::str::from_utf8(piece).is_ok());
            }
        }

        #[test]
        fn pieces_of_any_bytes_make_up_the_whole(bytes in prop::collection::vec(any::<u8>(), 0..200), size in 0usize..40) {
            let pieces = pieces(&bytes, size);
            prop_assert_eq!(&pieces.concat(), &bytes);
            prop_assert!(pieces.iter().all(|piece| piece.len() <= size.max(4)));
        }
    }
}
