//! The module needs a symbol that the kernel does not have, or has in another version, or exports one that somebody
//! exports already.

use rustix::io::Errno;

use crate::facts::{FileFacts, SystemFacts};

/// More names than this are counted.
const NAMED: usize = 3;

pub(super) fn hint(file: &FileFacts, _: &SystemFacts) -> Option<String> {
    match Errno::from_raw_os_error(file.errno) {
        Errno::NOENT => missing(file),
        Errno::NOEXEC => duplicate(file).or_else(|| changed(file)),
        Errno::INVAL => changed(file),
        _ => None,
    }
}

fn missing(file: &FileFacts) -> Option<String> {
    let named = file.missing.iter().map(|symbol| match &symbol.provider {
        Some(provider) => format!("{} (provided by {provider}, which is not loaded)", symbol.name),
        None => format!("{} (no installed module provides it)", symbol.name),
    });
    list(named).map(|list| format!("{} needs symbols that this kernel does not have: {list}", file.shown))
}

fn duplicate(file: &FileFacts) -> Option<String> {
    let named = file.duplicates.iter().map(|symbol| match &symbol.owner {
        Some(owner) => format!("{} (of {owner}, which is loaded)", symbol.name),
        None => format!("{} (of the kernel itself)", symbol.name),
    });
    list(named).map(|list| format!("{} exports what somebody exports already: {list}", file.shown))
}

fn changed(file: &FileFacts) -> Option<String> {
    if file.flags.ignore_modversions {
        return None;
    }
    let named = file.changed.iter().map(|symbol| match &symbol.provider {
        Some(provider) => format!("{} of {provider}", symbol.name),
        None => format!("{} of the kernel", symbol.name),
    });
    list(named).map(|list| {
        format!(
            "{} was built against other versions of these symbols: {list}: rebuild it against this kernel",
            file.shown
        )
    })
}

fn list(mut names: impl ExactSizeIterator<Item = String>) -> Option<String> {
    let rest = names.len().saturating_sub(NAMED);
    let named: Vec<String> = names.by_ref().take(NAMED).collect();
    if named.is_empty() {
        return None;
    }
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    Some(named.join(", ") + &more)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{ChangedSymbol, Duplicate, MissingSymbol};

    fn file(errno: Errno) -> FileFacts {
        FileFacts { errno: errno.raw_os_error(), shown: "a.ko".into(), ..FileFacts::default() }
    }

    fn hint(file: &FileFacts) -> Option<String> {
        super::hint(file, &SystemFacts::default())
    }

    #[test]
    fn missing_symbols_are_named_with_their_providers() {
        let symbol = |name: &str, provider: Option<&str>| MissingSymbol {
            name: name.into(),
            provider: provider.map(str::to_owned),
        };
        let missing = vec![symbol("x", Some("b")), symbol("y", None)];
        assert_eq!(
            hint(&FileFacts { missing: missing.clone(), ..file(Errno::NOENT) }).as_deref(),
            Some(
                "a.ko needs symbols that this kernel does not have: x (provided by b, which is not loaded), \
                 y (no installed module provides it)"
            )
        );
        // A parameter that is unknown fails with the same number.
        assert_eq!(hint(&file(Errno::NOENT)), None);
        assert_eq!(hint(&FileFacts { missing, ..file(Errno::NOMEM) }), None);
    }

    #[test]
    fn changed_symbols_are_named_and_many_are_counted() {
        let changed: Vec<_> = (0..5)
            .map(|number| ChangedSymbol { name: format!("s{number}"), provider: Some("b".into()) })
            .collect();
        assert_eq!(
            hint(&FileFacts { changed, ..file(Errno::INVAL) }).as_deref(),
            Some(
                "a.ko was built against other versions of these symbols: s0 of b, s1 of b, s2 of b and 2 more: \
                 rebuild it against this kernel"
            )
        );
        assert_eq!(hint(&file(Errno::INVAL)), None);
        let changed = vec![ChangedSymbol { name: "module_layout".into(), provider: None }];
        let hint = hint(&FileFacts { changed, ..file(Errno::NOEXEC) }).unwrap_or_default();
        assert!(hint.contains("symbols: module_layout of the kernel: rebuild"), "{hint}");
    }

    #[test]
    fn a_symbol_that_is_exported_twice_is_named_with_its_owner() {
        let duplicate = |name: &str, owner: Option<&str>| Duplicate {
            name: name.into(),
            owner: owner.map(str::to_owned),
        };
        let duplicates = vec![duplicate("f", Some("b")), duplicate("g", None)];
        assert_eq!(
            hint(&FileFacts { duplicates: duplicates.clone(), ..file(Errno::NOEXEC) }).as_deref(),
            Some(
                "a.ko exports what somebody exports already: f (of b, which is loaded), g (of the kernel itself)"
            )
        );
        assert_eq!(hint(&FileFacts { duplicates, ..file(Errno::NOMEM) }), None);
        assert_eq!(hint(&file(Errno::NOEXEC)), None);
    }
}
