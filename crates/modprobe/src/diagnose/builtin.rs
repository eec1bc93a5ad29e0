//! The module is part of the kernel, so its parameters belong on the kernel's command line.

use modfile::ModuleName;

pub(crate) fn hint(module: &ModuleName, params: &[u8]) -> Option<String> {
    let params = String::from_utf8_lossy(params);
    let items: Vec<String> = params.split_ascii_whitespace().map(|item| format!("{module}.{item}")).collect();
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
        assert_eq!(
            hint(&"usbcore".into(), b"autosuspend=5 x").as_deref(),
            Some(
                "usbcore is built into this kernel: put usbcore.autosuspend=5 usbcore.x on the kernel command line"
            )
        );
        assert_eq!(hint(&"usbcore".into(), b""), None);
    }
}
