//! What the kernel says of the modules built into it: `modules.builtin` and `modules.builtin.modinfo`.

use modfile::ModuleName;

/// The names in the text of `modules.builtin`: one path per line, which begins with a letter.
pub fn names(text: &[u8]) -> impl Iterator<Item = ModuleName> {
    text.split(|&byte| byte == b'\n')
        .filter(|line| line.first().is_some_and(u8::is_ascii_alphabetic))
        .map(ModuleName::of_path)
}

/// The aliases in `modules.builtin.modinfo`, which holds `MODULE.KEY=VALUE` strings ended by NULs: module and
/// alias. An empty alias is none.
///
/// compat: a string that is not terminated does not count, and one with a dot but without `=` takes the string
/// after it along.
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
}
