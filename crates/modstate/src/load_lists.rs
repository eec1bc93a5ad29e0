//! Modules that are loaded at every boot: `/etc/modules`, modules-load.d, `modules_load=` on the kernel's
//! command line. Whoever loads them does not call our tool, so no pin says that they are wanted; these lists do.
//!
//! The text is passed in. A name may be an alias; what it stands for is not known here.

/// The names in a file of modules-load.d or in `/etc/modules`: the first word of each line that is not a comment
/// (modules-load.d(5): `#` and `;`).
pub fn names(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| byte == b'\n')
        .filter_map(|line| line.split(u8::is_ascii_whitespace).find(|word| !word.is_empty()))
        .filter(|word| !matches!(word.first(), Some(b'#' | b';')))
}

/// The names after `modules_load=` and `rd.modules_load=` on a kernel command line, separated by commas; the
/// kernel takes `-` and `_` for the same.
pub fn names_on_command_line(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(u8::is_ascii_whitespace)
        .filter_map(|item| {
            let at = item.iter().position(|&byte| byte == b'=')?;
            let (key, value) = item.split_at(at);
            let key: Vec<u8> = key.iter().map(|&byte| if byte == b'-' { b'_' } else { byte }).collect();
            matches!(key.as_slice(), b"modules_load" | b"rd.modules_load").then_some(value.get(1..)?)
        })
        .flat_map(|value| value.split(|byte| matches!(byte, b',' | b'"')))
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_a_module_by_its_first_word() {
        let text = b"# comment\n;other\n\n  loop max_loop=8\nsg\n\tcoretemp \n #x\nlast";
        assert_eq!(names(text).collect::<Vec<_>>(), [&b"loop"[..], b"sg", b"coretemp", b"last"]);
    }

    #[test]
    fn the_command_line_names_modules_under_two_keys_in_two_spellings() {
        let text =
            b"quiet modules_load=a,b-c rd.modules-load=d modules_load=,e xmodules_load=f modules_load=\n";
        assert_eq!(names_on_command_line(text).collect::<Vec<_>>(), [&b"a"[..], b"b-c", b"d", b"e"]);
    }
}
