//! An install line of the configuration stands for the load: its command failed, or it voids other lines.

use moddb::config::{Config, Origin};
use modfile::ModuleName;
use modfile::wildcard::matches;

/// The line that stands for the load.
#[must_use]
pub fn hint(origin: &Origin, line: &[u8]) -> String {
    format!("{origin} replaces the load by: {}", String::from_utf8_lossy(line).trim())
}

/// The install lines for a module that have no effect, since another one comes before.
#[must_use]
pub fn voided(config: &Config, module: &ModuleName) -> Vec<String> {
    let mut lines = config.installs.iter().filter(|line| matches(&line.pattern, module.as_bytes()));
    let Some(first) = lines.next() else { return Vec::new() };
    let hint = |origin: &Origin| {
        format!(
            "{origin} has no effect: {} comes before, and only the first install line for {module} counts",
            first.origin
        )
    };
    lines.map(|line| hint(&line.origin)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_lines_those_that_do_not_count_are_named() {
        let mut config = Config::default();
        let text = b"install a one\ninstall b two\ninstall a* three\ninstall a four\n";
        config.parse(std::path::Path::new("c"), text);
        let counts = "c line 1 comes before, and only the first install line for a counts";
        assert_eq!(
            voided(&config, &"a".into()),
            [3, 4].map(|line| format!("c line {line} has no effect: {counts}"))
        );
        assert_eq!(voided(&config, &"b".into()), [""; 0]);
        assert_eq!(voided(&config, &"none".into()), [""; 0]);
    }

    #[test]
    fn the_line_is_named_with_file_and_number() {
        let mut config = Config::default();
        config.parse(std::path::Path::new("/etc/modprobe.d/h.conf"), b"\n\ninstall floppy  /bin/false\n");
        let command = config.install_command(b"floppy").unwrap();
        assert_eq!(
            hint(&command.origin, &command.line),
            "/etc/modprobe.d/h.conf line 3 replaces the load by: /bin/false"
        );
        // Another module that is refused with the same number has no command to blame.
        assert_eq!(config.install_command(b"fd"), None);
    }
}
