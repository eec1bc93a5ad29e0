//! A blacklist line keeps a module from being loaded through an alias, or does not keep it from being loaded.

use moddb::config::{Blacklist, CommandRule};
use modfile::ModuleName;

/// How a blacklisted module was named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// Through an alias.
    ByAlias,
    /// By its name, by which blacklisted modules are kept out with `-b`.
    ByName,
}

/// Why a blacklisted module is loaded anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// It was named.
    OfItsName,
    /// A module that is loaded depends on it.
    OfADependency,
    /// A softdep asks for it.
    OfASoftdep,
}

/// A blacklisted module is not loaded. `command` is the install command that its name would run.
#[must_use]
pub fn kept_out(
    module: &ModuleName,
    line: &Blacklist,
    named: Named,
    command: Option<&CommandRule>,
) -> String {
    let origin = &line.origin;
    match (named, command) {
        (Named::ByName, _) => format!("{origin} blacklists {module}, and -b has that hold for its name, too"),
        (Named::ByAlias, None) => {
            format!("{origin} blacklists {module}, so an alias does not load it; its name does")
        }
        (Named::ByAlias, Some(command)) => format!(
            "{origin} blacklists {module}, so an alias does not load it; its name runs: {}",
            String::from_utf8_lossy(&command.line).trim()
        ),
    }
}

/// A blacklisted module is loaded anyway, or would be.
#[must_use]
pub fn loaded_anyway(module: &ModuleName, line: &Blacklist, because: Because, is_rehearsed: bool) -> String {
    let is = if is_rehearsed { "would be" } else { "is" };
    let why = match because {
        Because::OfItsName => "it was named",
        Because::OfADependency => "another module depends on it",
        Because::OfASoftdep => "a softdep asks for it",
    };
    format!("{module} {is} loaded although {} blacklists it: {why}", line.origin)
}

#[cfg(test)]
mod tests {
    use moddb::config::Config;

    use super::*;

    #[test]
    fn the_line_is_named_and_what_it_does() {
        let mut config = Config::default();
        config.parse(std::path::Path::new("b.conf"), b"blacklist a\ninstall a  /bin/false\n");
        let line = config.blacklisted(b"a").unwrap();
        let module = ModuleName::from("a");
        assert_eq!(
            kept_out(&module, line, Named::ByAlias, None),
            "b.conf line 1 blacklists a, so an alias does not load it; its name does"
        );
        assert_eq!(
            kept_out(&module, line, Named::ByAlias, config.install_command(b"a")),
            "b.conf line 1 blacklists a, so an alias does not load it; its name runs: /bin/false"
        );
        assert_eq!(
            kept_out(&module, line, Named::ByName, None),
            "b.conf line 1 blacklists a, and -b has that hold for its name, too"
        );
        let anyway = |because, dry| loaded_anyway(&module, line, because, dry);
        assert_eq!(
            anyway(Because::OfItsName, false),
            "a is loaded although b.conf line 1 blacklists it: it was named"
        );
        assert!(anyway(Because::OfADependency, false).ends_with("another module depends on it"));
        assert!(anyway(Because::OfASoftdep, true).starts_with("a would be loaded although"));
        assert!(anyway(Because::OfASoftdep, true).ends_with("a softdep asks for it"));
        // Without a line for exactly that name there is nothing to report.
        assert_eq!(config.blacklisted(b"ab"), None);
    }
}
