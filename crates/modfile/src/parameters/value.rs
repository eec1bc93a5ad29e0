//! The values of parameters as the kernel's own types read them (`kernel/params.c`, `lib/kstrtox.c`).

/// The type of a parameter, as the module's `parmtype` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterType {
    /// `bool`, `invbool` and `bint`: a switch.
    Switch,
    /// A whole number, from the smallest to the largest that it takes.
    Number {
        /// The smallest.
        least: i128,
        /// The largest.
        most: i128,
    },
    /// `charp` and `string`: any text.
    Text,
}

impl ParameterType {
    /// The type of this name on a machine whose `long` has this many bits; `None` for one that only the module
    /// knows. An array has the type of its elements.
    #[must_use]
    pub fn of(name: &[u8], bits_of_long: u32) -> Option<Self> {
        let name = name.strip_prefix(b"array of ").unwrap_or(name);
        let signed = |bits: u32| Self::Number { least: -(1 << (bits - 1)), most: (1 << (bits - 1)) - 1 };
        let unsigned = |bits: u32| Self::Number { least: 0, most: (1 << bits) - 1 };
        Some(match name {
            b"bool" | b"invbool" | b"bint" => Self::Switch,
            b"byte" => unsigned(8),
            b"short" => signed(16),
            b"ushort" => unsigned(16),
            b"int" => signed(32),
            b"uint" | b"hexint" => unsigned(32),
            b"long" => signed(bits_of_long),
            b"ulong" => unsigned(bits_of_long),
            b"ullong" => unsigned(64),
            b"charp" | b"string" => Self::Text,
            _ => return None,
        })
    }

    /// Whether the kernel takes this value. Only a switch may stand without one.
    #[must_use]
    pub fn takes(self, value: Option<&[u8]>) -> bool {
        match (self, value) {
            (Self::Switch, None) => true,
            (_, None) => false,
            (Self::Switch, Some(value)) => switch(value).is_some(),
            (Self::Number { least, most }, Some(value)) => {
                number(value).is_some_and(|number| (least..=most).contains(&number))
            }
            (Self::Text, Some(_)) => true,
        }
    }
}

/// Whether a value that was given is the one that the kernel shows. Without a known type, values that can be read as
/// the same switch or number are taken for the same.
#[must_use]
pub fn is_same(given: Option<&[u8]>, shown: &[u8], kind: Option<ParameterType>) -> bool {
    let Some(given) = given else { return switch(shown) == Some(true) };
    let same_switch = || matches!(shown, b"Y" | b"N") && switch(given) == switch(shown);
    let same_numbers = || {
        let numbers = |text: &[u8]| text.split(|&byte| byte == b',').map(number).collect::<Option<Vec<_>>>();
        numbers(shown).is_some_and(|shown| numbers(given) == Some(shown))
    };
    given == shown
        || match kind {
            Some(ParameterType::Text) => false,
            Some(ParameterType::Switch) => {
                let parts =
                    |text: &[u8]| text.split(|&byte| byte == b',').map(switch).collect::<Option<Vec<_>>>();
                parts(shown).is_some_and(|shown| parts(given) == Some(shown))
            }
            Some(ParameterType::Number { .. }) => same_numbers(),
            None => same_switch() || same_numbers(),
        }
}

/// A whole number in decimal, in hexadecimal after `0x`, or in octal after `0`; a sign and a newline are allowed.
fn number(text: &[u8]) -> Option<i128> {
    let text = std::str::from_utf8(text.strip_suffix(b"\n").unwrap_or(text)).ok()?;
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (base, digits) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(digits) => (16, digits),
        None => (if digits.starts_with('0') { 8 } else { 10 }, digits),
    };
    if !digits.starts_with(|first: char| first.is_digit(base)) {
        return None;
    }
    Some(sign * i128::from(u64::from_str_radix(digits, base).ok()?))
}

/// A switch: the kernel looks at the first letter, and after an `o` at the second.
fn switch(text: &[u8]) -> Option<bool> {
    Some(match text {
        [b'y' | b'Y' | b't' | b'T' | b'1', ..] => true,
        [b'n' | b'N' | b'f' | b'F' | b'0', ..] => false,
        [b'o' | b'O', b'n' | b'N', ..] => true,
        [b'o' | b'O', b'f' | b'F', ..] => false,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(name: &str) -> Option<ParameterType> {
        ParameterType::of(name.as_bytes(), 64)
    }

    #[test]
    fn a_type_takes_what_the_kernel_takes() {
        for (name, taken, refused) in [
            (
                "int",
                &["5", "-5", "+5", "0x1f", "010", "2147483647"][..],
                &["", "abc", "5x", "2147483648", "08"][..],
            ),
            ("byte", &["255"], &["256", "-1"]),
            ("uint", &["0xffffffff"], &["-1", "0x"]),
            ("ulong", &["18446744073709551615"], &["18446744073709551616"]),
            ("bool", &["Y", "no", "1", "on", "OFF"], &["", "x", "o"]),
            ("charp", &["", "a b"], &[]),
        ] {
            let kind = kind(name).unwrap();
            for value in taken {
                assert!(kind.takes(Some(value.as_bytes())), "{name} {value}");
            }
            for value in refused {
                assert!(!kind.takes(Some(value.as_bytes())), "{name} {value}");
            }
        }
        assert!(kind("bool").unwrap().takes(None));
        assert!(!kind("int").unwrap().takes(None));
        assert_eq!(kind("array of int"), kind("int"));
        assert_eq!(kind("its own"), None);
        assert_ne!(ParameterType::of(b"ulong", 32), kind("ulong"));
    }

    #[test]
    fn equal_values_may_be_written_in_several_ways() {
        for (given, shown, name, same) in [
            ("0x10", "16", "int", true),
            ("020", "16", "int", true),
            ("16", "0x00000010", "hexint", true),
            ("1", "Y", "bool", true),
            ("yes", "Y", "bool", true),
            ("n", "N", "bool", true),
            ("2", "Y", "bool", false),
            ("1,2", "1,2", "array of int", true),
            ("0x1,2", "1,2", "array of int", true),
            ("1", "1,2", "array of int", false),
            ("0x10", "16", "charp", false),
            ("a b", "a b", "charp", true),
            // Without a type it is not known, so equal readings count as equal.
            ("0x10", "16", "", true),
            ("1", "Y", "", true),
            ("2", "Y", "", false),
            ("big", "small", "", false),
        ] {
            assert_eq!(
                is_same(Some(given.as_bytes()), shown.as_bytes(), kind(name)),
                same,
                "{given} {shown} {name}"
            );
        }
        assert!(is_same(None, b"Y", kind("bool")));
        assert!(!is_same(None, b"N", kind("bool")));
    }
}
