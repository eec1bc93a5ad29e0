//! The text of given parameters, read as the kernel reads it (`next_arg` and `parse_args` of `lib/cmdline.c` and
//! `kernel/params.c`): for modules that are loaded, and for the kernel's own command line.
//!
//! Items stand between white space. A double quote anywhere opens and closes a stretch in which white space does not
//! end an item. The name ends at the first `=`. A quote that begins the item, or the value, is not part of it, nor is
//! one at its end then. Everything after an item `--` is for somebody else. Names are the same if they differ only in
//! `-` and `_`.

/// A parameter in such a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given<'a> {
    /// The item as it stands there, quotes included.
    pub text: &'a [u8],
    /// Its name as it stands there.
    pub name: &'a [u8],
    /// What stands after the `=`, without the quotes around it; `None` without a `=`.
    pub value: Option<&'a [u8]>,
}

/// The parameters in a text.
pub fn given(text: &[u8]) -> impl Iterator<Item = Given<'_>> {
    let mut rest = text.split(|&byte| byte == 0).next().unwrap_or_default();
    std::iter::from_fn(move || {
        let (word, after) = first_word(rest, is_space)?;
        rest = after;
        Some(Given::of(word))
    })
    .take_while(|param| param.value.is_some() || param.name != b"--")
}

/// The first stretch of a text that no white space outside of quotes interrupts, and what follows it.
pub fn first_word(text: &[u8], is_space: fn(u8) -> bool) -> Option<(&[u8], &[u8])> {
    let start = text.iter().position(|&byte| !is_space(byte))?;
    let text = text.get(start..)?;
    let mut quoted = false;
    let end = text.iter().position(|&byte| {
        quoted ^= byte == b'"';
        !quoted && is_space(byte)
    });
    Some(text.split_at(end.unwrap_or(text.len())))
}

/// White space as the kernel sees it: its tables take Latin 1's no-break space for a space.
fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b || byte == 0xa0
}

impl<'a> Given<'a> {
    fn of(text: &'a [u8]) -> Self {
        let (is_quoted, item) = match text.strip_prefix(b"\"") {
            Some(item) => (true, item),
            None => (false, text),
        };
        // A `=` in the first place is part of the name.
        let Some(equals) = item.iter().skip(1).position(|&byte| byte == b'=').map(|at| at + 1) else {
            let name = if is_quoted { item.strip_suffix(b"\"").unwrap_or(item) } else { item };
            return Self { text, name, value: None };
        };
        let (name, value) = item.split_at(equals);
        let value = value.get(1..).unwrap_or_default();
        let value = match value.strip_prefix(b"\"") {
            Some(inner) => inner.strip_suffix(b"\"").unwrap_or(inner),
            None if is_quoted => value.strip_suffix(b"\"").unwrap_or(value),
            None => value,
        };
        Self { text, name, value: Some(value) }
    }

    /// Whether it has this name, as the kernel compares names.
    #[must_use]
    pub fn is_named(&self, name: &[u8]) -> bool {
        is_same_name(self.name, name)
    }

    /// The name with every `-` made `_`, as sysfs shows it.
    #[must_use]
    pub fn shown_name(&self) -> Vec<u8> {
        self.name.iter().map(|&byte| underscore(byte)).collect()
    }

    /// The item as it has to be written on the kernel's command line for a module that is built in.
    #[must_use]
    pub fn for_kernel_command_line(&self, module: &[u8]) -> Vec<u8> {
        let item = match self.text.strip_prefix(b"\"") {
            // The quote before the name goes to the value, where it is read the same.
            Some(_) => {
                let value = self.value.map(|value| [b"=\"", value, b"\""].concat()).unwrap_or_default();
                [self.name, &value].concat()
            }
            None => self.text.to_vec(),
        };
        [module, b".", &item].concat()
    }
}

/// Whether two names of parameters are the same to the kernel.
#[must_use]
pub fn is_same_name(one: &[u8], other: &[u8]) -> bool {
    let (one, other) = (one.iter().copied(), other.iter().copied());
    one.map(underscore).eq(other.map(underscore))
}

fn underscore(byte: u8) -> u8 {
    if byte == b'-' { b'_' } else { byte }
}

/// Parameters out of the arguments of a command line, separated by spaces: a value with a space is put between quotes
/// unless it begins with one.
pub fn from_arguments<'a>(arguments: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut text = Vec::new();
    for argument in arguments {
        // compat: empty arguments count only behind another (case modprobe/option-parameter-empty).
        if !text.is_empty() {
            text.push(b' ');
        }
        let value = argument.iter().position(|&byte| byte == b'=').and_then(|at| at.checked_add(1));
        let (key, value) = argument.split_at(value.unwrap_or(argument.len()));
        let is_quoted = matches!(value.first(), Some(b'"' | b'\''));
        let quote: &[u8] = if value.contains(&b' ') && !is_quoted { b"\"" } else { b"" };
        for part in [key, quote, value, quote] {
            text.extend_from_slice(part);
        }
    }
    text
}

/// The value of a parameter of the kernel itself, such as `module_blacklist`, on its command line; the last one
/// counts.
#[must_use]
pub fn of_kernel<'a>(command_line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    given(command_line).filter(|param| param.is_named(name)).last()?.value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let text = given(text.as_bytes()).map(|param| {
            let name = String::from_utf8_lossy(param.name);
            match param.value {
                Some(value) => format!("{name}[{}]", String::from_utf8_lossy(value)),
                None => name.into_owned(),
            }
        });
        text.collect()
    }

    #[test]
    fn items_are_read_as_the_kernel_reads_them() {
        for (text, expected) in [
            ("", &[][..]),
            ("a=1 b", &["a[1]", "b"]),
            ("  a=\"x y=2\"  b-c==3\t", &["a[x y=2]", "b-c[=3]"]),
            // A quote before the name opens the whole item.
            ("\"a=x y\" b=1", &["a[x y]", "b[1]"]),
            ("\"a b\" c", &["a b", "c"]),
            // In the middle of a value quotes stay, and hold it together.
            ("a=x\"y z\"w b", &["a[x\"y z\"w]", "b"]),
            ("a=x\"y z\" b", &["a[x\"y z\"]", "b"]),
            ("a=\"open b=1", &["a[open b=1]"]),
            ("a=\"x\"y b", &["a[x\"y]", "b"]),
            ("a=\"\" b=\"", &["a[]", "b[]"]),
            ("=1 ==1", &["=1", "=[1]"]),
            ("a.b=1 c=d.e", &["a.b[1]", "c[d.e]"]),
            ("a=1 -- b=2", &["a[1]"]),
            ("--=1 b", &["--[1]", "b"]),
            ("a=1\0b=2", &["a[1]"]),
            ("a\x0bb", &["a", "b"]),
        ] {
            assert_eq!(shown(text), expected, "{text:?}");
        }
    }

    #[test]
    fn arguments_are_quoted_where_their_values_have_spaces() {
        for (arguments, expected) in [
            (&["a=b c", "d"][..], "a=\"b c\" d"),
            (&["a=\"b c\"", "x='y z'", "e f"], "a=\"b c\" x='y z' e f"),
            (&["", "a=1", "", "b"], "a=1  b"),
            (&[], ""),
        ] {
            let text = from_arguments(arguments.iter().map(|argument| argument.as_bytes()));
            assert_eq!(text, expected.as_bytes(), "{arguments:?}");
        }
    }

    #[test]
    fn dashes_in_names_are_underscores() {
        assert!(is_same_name(b"a-b_c", b"a_b-c"));
        assert!(!is_same_name(b"a-b", b"a-bc"));
        assert_eq!(given(b"a-b=c-d").next().unwrap().shown_name(), b"a_b");
    }

    #[test]
    fn for_the_kernels_command_line_the_module_stands_before_and_quotes_stay_single() {
        for (text, expected) in [
            ("quirks=\"a b\"", "usbcore.quirks=\"a b\""),
            ("\"quirks=a b\"", "usbcore.quirks=\"a b\""),
            ("x-y", "usbcore.x-y"),
            ("\"x\"", "usbcore.x"),
        ] {
            let param = given(text.as_bytes()).next().unwrap();
            assert_eq!(param.for_kernel_command_line(b"usbcore"), expected.as_bytes(), "{text}");
        }
    }

    #[test]
    fn the_last_parameter_of_the_kernel_counts_and_what_is_for_init_does_not() {
        let line = b"quiet module_blacklist=a \"module-blacklist=b,c d\" ro -- module_blacklist=e\n";
        assert_eq!(of_kernel(line, b"module_blacklist"), Some(b"b,c d".as_slice()));
        assert_eq!(of_kernel(b"m.module_blacklist=a", b"module_blacklist"), None);
        assert_eq!(of_kernel(b"module_blacklist", b"module_blacklist"), None);
    }
}
