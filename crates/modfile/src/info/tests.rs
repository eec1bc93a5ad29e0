use proptest::strategy::{Just, Strategy};

use super::*;
use crate::symbols::{Export, Need};

fn lists() -> Lists {
    let mut lists = Lists::default();
    lists.exports.push(Export { name: b"exported", crc: 0x1234 });
    lists.needs.push(Need { name: b"needed", crc: u64::MAX, weak: true });
    lists.needs.push(Need { name: b"", crc: 0, weak: false });
    lists.aliases.push(b"pci:v*");
    lists.weakdeps.push(b"b");
    lists
}

#[test]
fn everything_comes_back_as_it_was_put_in_and_as_it_was_stored() {
    let lists = lists();
    let info = ModuleInfo::from(&lists);
    assert!(info.exports().eq(lists.exports.iter()));
    assert_eq!((info.export_count(), info.alias_count()), (1, 1));
    assert!(info.needs().eq(lists.needs.iter()));
    assert!(info.aliases().eq([b"pci:v*"]));
    assert!(info.softdeps().next().is_none());
    assert!(info.weakdeps().eq([b"b"]));
    assert_eq!(ModuleInfo::stored(info.as_bytes()), Some(info.clone()));
    let nothing = ModuleInfo::default();
    assert_eq!(ModuleInfo::stored(nothing.as_bytes()), Some(nothing.clone()));
}

#[test]
fn bytes_that_were_cut_off_or_go_on_are_refused() {
    let lists = lists();
    let info = ModuleInfo::from(&lists);
    for len in 0..info.as_bytes().len() {
        assert_eq!(ModuleInfo::stored(&info.as_bytes()[..len]), None, "{len}");
    }
    assert_eq!(ModuleInfo::stored(&[info.as_bytes(), b"x"].concat()), None);
    for (count, len) in [(EXPORT_COUNT, lists.exports.as_bytes().len()), (ALIAS_COUNT, 7)] {
        let mut bytes = info.as_bytes().to_vec();
        let mut with = |number: usize| {
            bytes[count * 4..][..4].copy_from_slice(&u32::try_from(number).unwrap().to_le_bytes());
            ModuleInfo::stored(&bytes).is_some()
        };
        assert!(with(len) && !with(len + 1), "more items than bytes");
    }
}

fn read_bytes(bytes: &[u8]) -> Reading {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    read(file.path(), &mut Workspace::default())
}

#[test]
fn exports_have_their_names_whether_or_not_their_checksums_are_read() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for kind in fixtures::ALL_KINDS {
        let module = fixtures::Module::new("a").kind(kind).export("first", 0x1234).export("second", 7);
        std::fs::write(file.path(), module.bytes()).unwrap();
        for (without_checksums, crcs) in [(false, [0x1234, 7]), (true, [0, 0])] {
            let mut workspace = Workspace { without_checksums, ..Workspace::default() };
            let reading = read(file.path(), &mut workspace);
            assert!(reading.error.is_none());
            let expected = [b"first".as_slice(), b"second"].into_iter().zip(crcs);
            assert!(reading.info.exports().map(|export| (export.name, export.crc)).eq(expected), "{kind:?}");
        }
    }
}

#[test]
fn a_file_of_debug_information_is_no_module() {
    let module = fixtures::Module::new("a").alias("x").export("e", 1);
    for kind in fixtures::ALL_KINDS {
        let mut bytes = module.clone().kind(kind).bytes();
        assert!(read_bytes(&bytes).error.is_none());
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &bytes).unwrap();
        let opened = file::open(file.path()).unwrap();
        let (mut buffers, mut headers) = (Buffers::default(), Default::default());
        let image = file::image(&opened, &mut buffers).unwrap();
        let range = Layout::read(&image, &mut headers).unwrap().section(b".modinfo").unwrap();
        // The header of the section that begins there, by its offset: the type stands some bytes before it.
        let (before, number) = match kind.class {
            fixtures::Class::Elf32 => (12, u32::try_from(range.offset).unwrap().to_le_bytes().to_vec()),
            fixtures::Class::Elf64 => (20, range.offset.to_le_bytes().to_vec()),
        };
        let number: Vec<u8> = match kind.endian {
            fixtures::Endian::Little => number,
            fixtures::Endian::Big => number.into_iter().rev().collect(),
        };
        let at = bytes.windows(number.len()).rposition(|window| window == number).unwrap();
        let low = if kind.endian == fixtures::Endian::Little { at - before } else { at - before + 3 };
        assert_eq!(bytes[low], 1, "PROGBITS");
        bytes[low] = 8;
        let reading = read_bytes(&bytes);
        assert!(matches!(reading.error, Some(ReadError::DebugOnly)), "{kind:?} {:?}", reading.error);
        assert_eq!(reading.info, ModuleInfo::default());
    }
}

#[test]
fn more_strings_than_any_module_has_are_refused_and_the_rest_is_kept() {
    let mut module = fixtures::Module::new("a").export("e", 1).alias("x");
    let reading = read_bytes(&module.bytes());
    assert_eq!(reading.info.aliases().count(), 1);
    for number in 0..STRINGS_LIMIT / 100 + 1 {
        module = module.info(format!("alias={number:099}"));
    }
    let reading = read_bytes(&module.bytes());
    assert!(matches!(reading.error, Some(ReadError::Malformed(_))), "{:?}", reading.error);
    assert_eq!((reading.info.aliases().count(), reading.info.exports().count()), (0, 1));
}

proptest::proptest! {
    #[test]
    fn each_need_has_its_own_version_in_whatever_order_they_stand(
        order in Just((0..40_u32).collect::<Vec<_>>()).prop_shuffle(),
        swapped in proptest::collection::vec(0..39_usize, 0..8),
        is_shuffled: bool,
        without in 0..4_u32,
        is_extended: bool,
    ) {
        let mut order = if is_shuffled { order } else { (0..40).collect() };
        swapped.into_iter().for_each(|place| order.swap(place, place + 1));
        // Some needs have no version, and some versions no need.
        order.retain(|number| number % 7 != without);
        let name = |number: u32| format!("symbol_{number:0width$}", width = number as usize % 11);
        let mut module = fixtures::Module::new("a");
        for number in 0..35 {
            module = module.need(name(number));
        }
        for &number in &order {
            module = module.version(name(number), number + 1);
        }
        if is_extended {
            module = module.extended_versions();
        }
        let crc = |number| if order.contains(&number) { u64::from(number) + 1 } else { 0 };
        let left = order.iter().copied().filter(|&number| number >= 35 && !is_extended);
        let expected: Vec<_> = (0..35).chain(left).map(|number| (name(number), crc(number))).collect();
        let reading = read_bytes(&module.bytes());
        let text = |name: &[u8]| String::from_utf8(name.to_vec()).unwrap();
        let needs: Vec<_> = reading.info.needs().map(|need| (text(need.name), need.crc)).collect();
        proptest::prop_assert_eq!(needs, expected);
    }

    #[test]
    fn any_bytes_give_lists_or_nothing(
        sizes in proptest::array::uniform7(0..40_u32),
        lists in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
    ) {
        let sizes = sizes.map(u32::to_le_bytes);
        let bytes = [sizes.as_flattened(), &lists].concat();
        let info = ModuleInfo(Cow::Borrowed(&bytes));
        let items = info.exports().count() + info.needs().count() + info.aliases().count();
        proptest::prop_assert!(items <= lists.len());
        if let Some(stored) = ModuleInfo::stored(&bytes) {
            proptest::prop_assert_eq!(stored.as_bytes(), &*bytes);
        }
    }
}
