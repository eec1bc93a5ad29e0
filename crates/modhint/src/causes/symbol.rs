//! The module needs a symbol that the kernel does not have, or has in another version.

use rustix::io::Errno;

use crate::facts::{FileFacts, SystemFacts};

/// More names than this are counted.
const NAMED: usize = 3;

pub(super) fn hint(file: &FileFacts, _: &SystemFacts) -> Option<String> {
    match Errno::from_raw_os_error(file.errno) {
        Errno::NOENT => missing(file),
        Errno::NOEXEC | Errno::INVAL => changed(file),
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

fn changed(file: &FileFacts) -> Option<String> {
    let named = file.changed.iter().map(|symbol| format!("{} of {}", symbol.name, symbol.provider));
    list(named).map(|list| {
        format!("{} was built against other versions of these symbols: {list}: rebuild it", file.shown)
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
    use crate::facts::{ChangedSymbol, MissingSymbol};

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
        let changed: Vec<_> =
            (0..5).map(|number| ChangedSymbol { name: format!("s{number}"), provider: "b".into() }).collect();
        assert_eq!(
            hint(&FileFacts { changed, ..file(Errno::INVAL) }).as_deref(),
            Some(
                "a.ko was built against other versions of these symbols: s0 of b, s1 of b, s2 of b and 2 more: \
                 rebuild it"
            )
        );
        assert_eq!(hint(&file(Errno::INVAL)), None);
    }
}
