//! The table of a module's parameters: type, present and configured value, description.

use modcli::table;
use modfile::parameters;

use crate::facts::Facts;
use crate::find::Found;
use crate::values::{Configured, Values};

/// A row for each parameter, in the order in which the module describes them.
pub(crate) fn table(found: &Found, facts: &Facts, values: Option<&Values<'_>>) -> String {
    let configured = values.map(|values| values.configured(&found.name)).unwrap_or_default();
    let described = parameters::described(&facts.strings);
    let rows: Vec<[String; 4]> = described
        .all
        .iter()
        .map(|parameter| {
            let present = values.and_then(|values| values.present(&found.name, parameter.name));
            let configured = Values::of_parameter(&configured, parameter.name);
            [
                table::plain(parameter.name),
                parameter.kind.map_or_else(|| "-".to_owned(), table::plain),
                value(present.as_deref(), configured.as_ref()),
                table::plain(parameter.description.unwrap_or_default()),
            ]
        })
        .collect();
    table::lines(&rows)
}

/// The present value, and what the configuration says of it.
fn value(present: Option<&[u8]>, configured: Option<&Configured>) -> String {
    let mut text = match present {
        Some(b"") => "\"\"".to_owned(),
        Some(value) => table::plain(value),
        None => "-".to_owned(),
    };
    if let Some(Configured { value, origin }) = configured {
        let value = value.as_deref().map_or_else(|| "set".to_owned(), table::plain);
        text.push_str(&format!(" (configured: {value}, {origin})"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::find::Says;
    use crate::places::System;

    #[test]
    fn a_row_has_the_present_and_the_configured_value() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("sys/loop/parameters/max_part", "15\n");
        write("sys/loop/parameters/label", "\n");
        write("modprobe.d/a.conf", "# none\noptions loop max_part=7 hw-depth\noptions loop max-part=8\n");
        write("cmdline", "quiet loop.max_loop=4\n");
        let system = System {
            sys_module: root.path().join("sys"),
            modprobe_d: vec![root.path().join("modprobe.d")],
            command_line: root.path().join("cmdline"),
            ..System::default()
        };
        let found = Found { name: "loop".into(), path: None, says: Says::Builtin };
        let strings = b"parmtype=max_loop:int\0parm=max_loop:How many\0parm=max_part:Parts\nof each\0\
                        parmtype=label:charp\0parmtype=hw_depth:bool\0";
        let facts = Facts { strings: strings.to_vec(), ..Facts::default() };
        let directory = root.path().display();
        let text = table(&found, &facts, Some(&Values::new(&system)));
        let rows: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
            .collect();
        assert_eq!(
            rows,
            [
                vec!["max_loop", "int", "- (configured: 4, the kernel command line)", "How many"],
                vec![
                    "max_part",
                    "-",
                    &format!("15 (configured: 8, {directory}/modprobe.d/a.conf line 3)"),
                    "Parts of each"
                ],
                vec!["label", "charp", "\"\""],
                vec![
                    "hw_depth",
                    "bool",
                    &format!("- (configured: set, {directory}/modprobe.d/a.conf line 2)")
                ],
            ]
        );
        assert_eq!(
            table(&found, &facts, None),
            "max_loop  int    -  How many\nmax_part  -      -  Parts of each\nlabel     charp  -\nhw_depth  bool   -\n"
        );
    }
}
