//! The module is part of the kernel, so its parameters belong on the kernel's command line.

use modfile::{ModuleName, parameters};

/// Where parameters given for a module that is built in would have an effect; `None` if there are none.
#[must_use]
pub fn hint(module: &ModuleName, given: &[u8]) -> Option<String> {
    // What follows a `#` was meant as a comment.
    let items: Vec<String> = parameters::given(given)
        .take_while(|param| !param.name.starts_with(b"#"))
        .map(|param| param.for_kernel_command_line(module.as_bytes()))
        .map(|item| String::from_utf8_lossy(&item).into_owned())
        .collect();
    if items.is_empty() {
        return None;
    }
    Some(format!("{module} is built into this kernel: put {} on the kernel command line", items.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_written_as_the_command_line_wants_them() {
        for (given, expected) in [
            ("autosuspend=5 x", "usbcore.autosuspend=5 usbcore.x"),
            // A value with a space stays one value, quoted once, wherever its quotes were.
            ("quirks=\"a b\" autosuspend=5", "usbcore.quirks=\"a b\" usbcore.autosuspend=5"),
            ("\"quirks=a b\"", "usbcore.quirks=\"a b\""),
            ("autosuspend=5 # seconds", "usbcore.autosuspend=5"),
        ] {
            let expected =
                format!("usbcore is built into this kernel: put {expected} on the kernel command line");
            assert_eq!(hint(&"usbcore".into(), given.as_bytes()), Some(expected), "{given}");
        }
        assert_eq!(hint(&"usbcore".into(), b" "), None);
    }
}
