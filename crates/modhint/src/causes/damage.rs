//! The file is no module, or firmware that it names is missing.

use rustix::io::Errno;

use crate::facts::{FileFacts, SystemFacts};

/// More names than this are counted.
const NAMED: usize = 3;

/// What is wrong with the file.
pub(super) fn hint(file: &FileFacts, _: &SystemFacts) -> Option<String> {
    let damage = file.damage.as_ref()?;
    Some(format!("{} {damage}: install it anew", file.shown))
}

/// Firmware that the module names and that is not there. Only a module whose symbols are all there can have asked for
/// it in vain.
pub(super) fn firmware(file: &FileFacts, _: &SystemFacts) -> Option<String> {
    let is_possible = file.errno == Errno::NOENT.raw_os_error() && file.missing.is_empty();
    if !is_possible || file.missing_firmware.is_empty() {
        return None;
    }
    let names: Vec<&str> = file.missing_firmware.iter().take(NAMED).map(String::as_str).collect();
    let more = file.missing_firmware.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Some(format!("{} names firmware that is not installed: {}{more}", file.shown, names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::MissingSymbol;

    #[test]
    fn a_damaged_file_is_described_and_a_whole_one_is_no_cause() {
        let file = |damage: Option<&str>| FileFacts {
            errno: Errno::INVAL.raw_os_error(),
            shown: "a.ko".into(),
            damage: damage.map(str::to_owned),
            ..FileFacts::default()
        };
        let system = SystemFacts::default();
        assert_eq!(hint(&file(Some("is empty")), &system).as_deref(), Some("a.ko is empty: install it anew"));
        assert_eq!(hint(&file(None), &system), None);
    }

    #[test]
    fn missing_firmware_is_named_only_where_it_can_be_the_cause() {
        let firmware = |errno: Errno, names: &[&str], missing: &[&str]| {
            let symbol = |&name: &&str| MissingSymbol { name: name.into(), provider: None };
            let file = FileFacts {
                errno: errno.raw_os_error(),
                shown: "a.ko".into(),
                missing_firmware: names.iter().map(|&name| name.into()).collect(),
                missing: missing.iter().map(symbol).collect(),
                ..FileFacts::default()
            };
            firmware(&file, &SystemFacts::default()).unwrap_or_default()
        };
        assert_eq!(
            firmware(Errno::NOENT, &["w", "x", "y", "z"], &[]),
            "a.ko names firmware that is not installed: w, x, y and 1 more"
        );
        assert_eq!(firmware(Errno::NOENT, &["w"], &["symbol"]), "");
        assert_eq!(firmware(Errno::INVAL, &["w"], &[]), "");
        assert_eq!(firmware(Errno::NOENT, &[], &[]), "");
    }
}
