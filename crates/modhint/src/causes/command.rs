//! An install line of the configuration stands for the load, and its command failed.

use moddb::config::Origin;

/// The line that stands for the load.
#[must_use]
pub fn hint(origin: &Origin, line: &[u8]) -> String {
    format!("{origin} replaces the load by: {}", String::from_utf8_lossy(line).trim())
}

#[cfg(test)]
mod tests {
    use moddb::config::Config;

    use super::*;

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
