//! Takes out of a module's image what the kernel would check, for init_module(2), which has no flags.

use modfile::ReadError;
use modfile::elf::Layout;
use modfile::file::Image;
use object::elf::{FileHeader32, FileHeader64};
use object::endian::Endianness;
use object::pod;
use object::read::elf::{FileHeader, SectionHeader};

use crate::ops::InsertError;

const SHF_ALLOC: u64 = 2;
/// `sh_flags` stands behind two 32-bit fields in both classes.
const FLAGS_OFFSET: usize = 8;

/// Makes the checksums of used symbols invisible to the loader: their section is no longer one to load. An
/// image without them is left as it is.
pub(super) fn hide_modversions(image: &mut [u8]) -> Result<(), InsertError> {
    let Some(place) = flags_of(image, b"__versions")? else { return Ok(()) };
    let Some(field) = image.get_mut(place.offset..).and_then(|rest| rest.get_mut(..place.len)) else {
        return Ok(());
    };
    // The flag is in the lowest byte, which is the last one of a big-endian field.
    let lowest = if place.big_endian { field.last_mut() } else { field.first_mut() };
    if let Some(byte) = lowest {
        *byte &= !(SHF_ALLOC as u8);
    }
    Ok(())
}

/// Overwrites the `vermagic=` string with NULs.
pub(super) fn erase_vermagic(image: &mut [u8]) -> Result<(), InsertError> {
    let mut buffers = Default::default();
    let range = Layout::read(&Image::Memory(image), &mut buffers)?.section(b".modinfo");
    let section = range.and_then(|range| {
        let start = usize::try_from(range.offset).ok()?;
        image.get_mut(start..start.checked_add(usize::try_from(range.len).ok()?)?)
    });
    let Some(section) = section else { return Err(InsertError::NoVermagic) };
    let string = section
        .split_mut(|&byte| byte == 0)
        .find(|string| string.starts_with(b"vermagic="))
        .ok_or(InsertError::NoVermagic)?;
    string.fill(0);
    Ok(())
}

/// Where the flags of a section stand in the image.
struct FlagsField {
    offset: usize,
    len: usize,
    big_endian: bool,
}

fn flags_of(image: &[u8], section: &[u8]) -> Result<Option<FlagsField>, ReadError> {
    // All structure is checked here once, by the rules by which modules are read.
    Layout::read(&Image::Memory(image), &mut Default::default())?;
    let endian = if image.get(5) == Some(&2) { Endianness::Big } else { Endianness::Little };
    Ok(match image.get(4) {
        Some(1) => find::<FileHeader32<Endianness>>(image, endian, section, 4),
        _ => find::<FileHeader64<Endianness>>(image, endian, section, 8),
    })
}

fn find<Elf: FileHeader<Endian = Endianness>>(
    image: &[u8],
    endian: Endianness,
    wanted: &[u8],
    len: usize,
) -> Option<FlagsField> {
    let (header, _) = pod::from_bytes::<Elf>(image).ok()?;
    let table = usize::try_from(Into::<u64>::into(header.e_shoff(endian))).ok()?;
    let count = usize::from(header.e_shnum(endian));
    let (headers, _) = pod::slice_from_bytes::<Elf::SectionHeader>(image.get(table..)?, count).ok()?;
    let names = headers.get(usize::from(header.e_shstrndx(endian).0))?;
    let names = image.get(usize::try_from(Into::<u64>::into(names.sh_offset(endian))).ok()?..)?;
    let number = headers.iter().position(|header| {
        let name = names.get(header.sh_name(endian) as usize..).and_then(|rest| rest.strip_prefix(wanted));
        name.is_some_and(|rest| rest.first() == Some(&0))
    })?;
    let offset = table.checked_add(number.checked_mul(size_of::<Elf::SectionHeader>())?)?;
    Some(FlagsField { offset: offset.checked_add(FLAGS_OFFSET)?, len, big_endian: endian == Endianness::Big })
}

#[cfg(test)]
mod tests {
    use fixtures::{ALL_KINDS, Module};

    use super::*;

    fn modules() -> impl Iterator<Item = Vec<u8>> {
        ALL_KINDS.into_iter().map(|kind| {
            Module::new("a").kind(kind).info("vermagic=6.1 SMP").version("printk", 0x1234).bytes()
        })
    }

    #[test]
    fn only_the_flag_of_the_checksums_section_is_cleared() {
        for before in modules() {
            let mut after = before.clone();
            hide_modversions(&mut after).unwrap();
            let changed: Vec<_> = before
                .iter()
                .zip(&after)
                .filter(|(old, new)| old != new)
                .map(|(old, new)| old ^ new)
                .collect();
            assert_eq!(changed, [SHF_ALLOC as u8]);
            // Doing it twice changes nothing else.
            let once = after.clone();
            hide_modversions(&mut after).unwrap();
            assert_eq!(after, once);
        }
    }

    #[test]
    fn only_the_vermagic_string_is_erased() {
        for before in modules() {
            let mut after = before.clone();
            erase_vermagic(&mut after).unwrap();
            let at = before.windows(9).position(|window| window == b"vermagic=").unwrap();
            let (start, rest) = after.split_at(at);
            let (erased, end) = rest.split_at(b"vermagic=6.1 SMP".len());
            assert!(erased.iter().all(|&byte| byte == 0));
            assert_eq!((start, end), (&before[..at], &before[at + erased.len()..]));
            assert!(matches!(erase_vermagic(&mut after), Err(InsertError::NoVermagic)));
        }
    }

    #[test]
    fn what_is_no_module_is_refused_and_left_alone() {
        let mut rubbish = b"\x7fELF and then something else entirely, long enough".to_vec();
        let before = rubbish.clone();
        assert!(hide_modversions(&mut rubbish).is_err());
        assert!(erase_vermagic(&mut rubbish).is_err());
        assert_eq!(rubbish, before);
    }
}
