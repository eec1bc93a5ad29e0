//! The build identifier that the linker puts into a module.

use crate::elf::Layout;
use crate::file::{Image, ReadError};

/// `NT_GNU_BUILD_ID` of the ELF notes.
const BUILD_ID: u32 = 3;
/// Three numbers stand before the name and the contents of a note.
const NUMBERS: usize = 12;

/// The identifier in the section `.note.gnu.build-id`, of which only the first note counts. `None` if there is
/// none that can be used.
///
/// # Errors
/// The file cannot be read.
pub fn read(image: &Image<'_>, layout: &Layout<'_>) -> Result<Option<Vec<u8>>, ReadError> {
    let Some(range) = layout.section(b".note.gnu.build-id") else { return Ok(None) };
    let mut buffer = Vec::new();
    let note = image.bytes(range.offset, range.len, &mut buffer)?;
    Ok(identifier(layout, note).map(<[u8]>::to_vec))
}

fn identifier<'a>(layout: &Layout<'_>, note: &'a [u8]) -> Option<&'a [u8]> {
    let (numbers, rest) = note.split_at_checked(NUMBERS)?;
    let ([name_len, len, kind], []) = numbers.as_chunks::<4>().0.split_first_chunk()? else { return None };
    let [name_len, len, kind] = [*name_len, *len, *kind].map(|number| layout.u32(number));
    let (name, rest) = rest.split_at_checked(usize::try_from(name_len).ok()?)?;
    let is_gnu = name.split(|&byte| byte == 0).next() == Some(b"GNU") && name.contains(&0);
    // The name is four bytes long, so nothing is padded.
    (kind == BUILD_ID && is_gnu).then(|| rest.get(..usize::try_from(len).ok()?))?
}

#[cfg(test)]
mod tests {
    use fixtures::{ALL_KINDS, Kind, Module};

    use super::*;

    fn of(kind: Kind, note: &[u8]) -> Option<Vec<u8>> {
        let module = Module::new("a").kind(kind).section(".note.gnu.build-id", note).bytes();
        let image = Image::Memory(&module);
        let mut buffers = Default::default();
        let layout = Layout::read(&image, &mut buffers).unwrap();
        read(&image, &layout).unwrap()
    }

    fn note(kind: Kind, numbers: [u32; 3], rest: &[u8]) -> Vec<u8> {
        numbers.iter().flat_map(|&number| kind.u32(number)).chain(rest.iter().copied()).collect()
    }

    #[test]
    fn the_identifier_is_read_in_either_byte_order_and_only_from_a_whole_note() {
        for kind in ALL_KINDS {
            let whole = note(kind, [4, 3, 3], b"GNU\0\xab\x01\x02and more");
            assert_eq!(of(kind, &whole).as_deref(), Some(&b"\xab\x01\x02"[..]));
            for (numbers, rest) in [
                ([4, 3, 1], &b"GNU\0abc"[..]),
                ([4, 3, 3], b"GNX\0abc"),
                ([3, 3, 3], b"GNUabc"),
                ([4, 4, 3], b"GNU\0abc"),
                ([u32::MAX, 3, 3], b"GNU\0abc"),
            ] {
                assert_eq!(of(kind, &note(kind, numbers, rest)), None, "{numbers:?}");
            }
            assert_eq!(of(kind, b"short"), None);
            assert_eq!(of(kind, &note(kind, [4, 0, 3], b"GNU\0")).as_deref(), Some(&b""[..]));
        }
    }
}
