//! The table that scripts read, its columns where kmod has them.

use crate::modules::Module;

pub(crate) const HEADING: &str = "Module                  Size  Used by\n";

/// The line of one module.
pub(crate) fn line(module: &Module) -> Vec<u8> {
    let name = module.name.as_bytes();
    let mut line = name.to_vec();
    line.extend(std::iter::repeat_n(b' ', 19_usize.saturating_sub(name.len())));
    line.extend(format!(" {:8}  {}", module.size, module.use_count).bytes());
    for (number, holder) in module.holders.iter().enumerate() {
        line.push(if number == 0 { b' ' } else { b',' });
        line.extend_from_slice(holder.as_bytes());
    }
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_padded_and_nothing_follows_a_module_without_holders() {
        let module = |name: &str, size, use_count, holders: &[&str]| Module {
            name: name.into(),
            size,
            use_count,
            holders: holders.iter().map(|&holder| holder.into()).collect(),
        };
        for (module, expected) in [
            (module("fat", 90112, 1, &["vfat"]), "fat                    90112  1 vfat\n"),
            (module("vfat", 24576, 0, &[]), "vfat                   24576  0\n"),
            (
                module("a_name_longer_than_its_column", -2, -2, &["b", "c"]),
                "a_name_longer_than_its_column       -2  -2 b,c\n",
            ),
        ] {
            assert_eq!(String::from_utf8(line(&module)).unwrap(), expected);
        }
    }
}
