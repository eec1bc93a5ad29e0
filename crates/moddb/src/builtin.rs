//! What the kernel says of the modules built into it: `modules.builtin` and `modules.builtin.modinfo`.

use modfile::ModuleName;

/// The names in the text of `modules.builtin`: one path per line, which begins with a letter.
pub fn names(text: &[u8]) -> impl Iterator<Item = ModuleName> {
    text.split(|&byte| byte == b'\n')
        .filter(|line| line.first().is_some_and(u8::is_ascii_alphabetic))
        .map(ModuleName::of_path)
}

/// The facts in `modules.builtin.modinfo`: module, key and value of each `MODULE.KEY=VALUE`, ended by a NUL.
pub fn facts(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8], &[u8])> {
    text.split(|&byte| byte == 0).filter_map(|fact| {
        let dot = fact.iter().position(|&byte| byte == b'.')?;
        let (module, rest) = fact.split_at(dot);
        let equals = rest.iter().position(|&byte| byte == b'=')?;
        let (key, value) = rest.split_at(equals);
        Some((module, key.strip_prefix(b".")?, value.strip_prefix(b"=")?))
    })
}

/// The aliases among the [`facts`]: module and alias.
pub fn aliases(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    facts(text).filter(|(_, key, _)| *key == b"alias").map(|(module, _, alias)| (module, alias))
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
    fn facts_are_split_at_the_first_dot_and_the_first_equals_sign() {
        let text = b"a.alias=pci:v*.x=1\0a.license=GPL\0junk\0b.alias=\0\0c.alias";
        let found: Vec<_> = aliases(text).collect();
        assert_eq!(found, [(&b"a"[..], &b"pci:v*.x=1"[..]), (b"b", b"")]);
        assert_eq!(facts(text).count(), 3);
    }
}
