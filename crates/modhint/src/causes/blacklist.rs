//! A blacklist line keeps a module from being loaded through an alias, or does not keep it from being loaded.

use moddb::config::Blacklist;
use modfile::ModuleName;

/// An alias means a blacklisted module, so nothing is loaded.
#[must_use]
pub fn kept_out(module: &ModuleName, line: &Blacklist) -> String {
    format!("{} blacklists {module}, so an alias does not load it; its name does", line.origin)
}

/// A blacklisted module is loaded all the same: it was named, or another one depends on it.
#[must_use]
pub fn loaded_anyway(module: &ModuleName, line: &Blacklist, is_target: bool) -> String {
    let why = if is_target { "it was named" } else { "another module depends on it" };
    format!("{module} is loaded although {} blacklists it: {why}", line.origin)
}

#[cfg(test)]
mod tests {
    use moddb::config::Config;

    use super::*;

    #[test]
    fn the_line_is_named_and_what_it_does() {
        let mut config = Config::default();
        config.parse(std::path::Path::new("b.conf"), b"blacklist a\n");
        let line = config.blacklisted(b"a").unwrap();
        let module = ModuleName::from("a");
        assert_eq!(
            kept_out(&module, line),
            "b.conf line 1 blacklists a, so an alias does not load it; its name does"
        );
        assert!(loaded_anyway(&module, line, true).ends_with("b.conf line 1 blacklists it: it was named"));
        assert!(loaded_anyway(&module, line, false).ends_with("another module depends on it"));
        // Without a line of exactly that name there is nothing to tell.
        assert_eq!(config.blacklisted(b"ab"), None);
    }
}
