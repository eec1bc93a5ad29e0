//! What the kernel says of the modules built into it: `modules.builtin` and `modules.builtin.modinfo`.

use modfile::ModuleName;

/// The names in the text of `modules.builtin`: one path per line, which begins with a letter.
pub fn names(text: &[u8]) -> impl Iterator<Item = ModuleName> {
    text.split(|&byte| byte == b'\n')
        .filter(|line| line.first().is_some_and(u8::is_ascii_alphabetic))
        .map(ModuleName::of_path)
}

/// The aliases in `modules.builtin.modinfo`, which holds `MODULE.KEY=VALUE` strings ended by NULs: module and
/// alias. An empty alias does not count.
///
/// compat: a string that is not terminated does not count, and one with a dot but without `=` takes the string
/// after it along (cases depmod/input-builtin-modinfo-unterminated, depmod/input-builtin-modinfo-odd).
pub fn aliases(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut strings = text.split_inclusive(|&byte| byte == 0).map_while(|string| string.strip_suffix(&[0]));
    std::iter::from_fn(move || {
        loop {
            let string = strings.next()?;
            let Some(dot) = string.iter().position(|&byte| byte == b'.') else { continue };
            let (module, rest) = string.split_at_checked(dot)?;
            if !rest.contains(&b'=') {
                strings.next();
            } else if let Some(value) = rest.strip_prefix(b".alias=")
                && !module.is_empty()
                && !value.is_empty()
            {
                return Some((module, value));
            }
        }
    })
}

/// A string of `modules.builtin.modinfo` does not begin with the name of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a string without the name of a module")]
pub struct NoModuleName;

/// What `modules.builtin.modinfo` says of one module, in the form of a `.modinfo` section (see
/// [`modfile::modinfo`]); empty if it says nothing.
///
/// compat: only the strings that stand together count, and one without a dot is noticed only if it comes before
/// their end (test `the_first_run_of_a_modules_strings_is_its_modinfo`).
///
/// # Errors
/// [`NoModuleName`].
pub fn modinfo(text: &[u8], module: &[u8]) -> Result<Vec<u8>, NoModuleName> {
    let mut section = Vec::new();
    for string in text.strip_suffix(&[0]).unwrap_or(text).split(|&byte| byte == 0) {
        // The file may be empty.
        if text.is_empty() {
            break;
        }
        let dot = string.iter().position(|&byte| byte == b'.').ok_or(NoModuleName)?;
        let (name, rest) = string.split_at(dot);
        if name == module {
            section.extend_from_slice(rest.get(1..).unwrap_or_default());
            section.push(0);
        } else if !section.is_empty() {
            break;
        }
    }
    Ok(section)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_base_names_of_the_paths() {
        let found: Vec<_> = names(b"kernel/fs/ext-4.ko\n\n#x\nb.ko").collect();
        assert_eq!(found, [ModuleName::from("ext_4"), ModuleName::from("b")]);
    }

    #[test]
    fn aliases_are_split_at_the_first_dot_and_the_first_equals_sign() {
        let text =
            b"a.alias=pci:v*.x=1\0a.license=GPL\0junk\0b.alias=\0b.c.alias=no\0\0b.alias=y\0c.alias=cut";
        let found: Vec<_> = aliases(text).collect();
        assert_eq!(found, [(&b"a"[..], &b"pci:v*.x=1"[..]), (b"b", b"y")]);
    }

    #[test]
    fn a_string_without_a_value_takes_the_next_one_along() {
        let found: Vec<_> = aliases(b"a.alias=x\0a.alias\0a.alias=y\0a.alias=z\0").collect();
        assert_eq!(found, [(&b"a"[..], &b"x"[..]), (b"a", b"z")]);
    }

    #[test]
    fn the_first_run_of_a_modules_strings_is_its_modinfo() {
        for (text, section) in [
            (&b"a.x=1\0b.x=2\0b.y=3\0a.z=4\0nameless\0"[..], Ok(&b"x=2\0y=3\0"[..])),
            (b"b.x=1\0b.y", Ok(b"x=1\0y\0")),
            (b"bb.x=1\0b", Err(NoModuleName)),
            (b"nameless\0b.x=1\0", Err(NoModuleName)),
            (b"b.x=1\0\0b.y=2\0", Err(NoModuleName)),
            (b"a.x=1\0", Ok(b"")),
            (b"", Ok(b"")),
        ] {
            assert_eq!(modinfo(text, b"b"), section.map(<[u8]>::to_vec), "{}", text.escape_ascii());
        }
    }
}
