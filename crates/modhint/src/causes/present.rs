//! The module is loaded already, so the parameters given now have no effect.

use std::path::{Path, PathBuf};

use modfile::ModuleName;
use modfile::parameters::{self, ParameterType};
use modkernel::Sysfs;

use crate::declared::Declared;

/// A parameter that was given, and what is known of it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresentValue {
    /// Its name, as the kernel shows it.
    pub name: String,
    /// The value that was given, if one was.
    pub wanted: Option<Vec<u8>>,
    /// Its type, as far as it is known.
    pub kind: Option<ParameterType>,
    /// What the kernel shows; `None` if it does not.
    pub present: Option<Vec<u8>>,
    /// The file to write it to, if the kernel takes it there.
    pub writable: Option<PathBuf>,
}

/// The parameters in a text, with what the kernel shows of them and what the module's file says of their types.
#[must_use]
pub fn given(
    sysfs: &Sysfs,
    module: &ModuleName,
    text: &[u8],
    declared: Option<&Declared>,
) -> Vec<PresentValue> {
    parameters::given(text).map(|param| one(sysfs, module, &param, declared)).collect()
}

fn one(
    sysfs: &Sysfs,
    module: &ModuleName,
    param: &parameters::Given<'_>,
    declared: Option<&Declared>,
) -> PresentValue {
    let name = param.shown_name();
    let present = sysfs.parameter(module, &name).ok().flatten();
    let name = String::from_utf8_lossy(&name).into_owned();
    let file = sysfs.directory(module).map(|directory| directory.join("parameters").join(&name));
    let is_writable =
        |file: &Path| std::fs::metadata(file).is_ok_and(|metadata| !metadata.permissions().readonly());
    PresentValue {
        wanted: param.value.map(<[u8]>::to_vec),
        kind: declared.and_then(|declared| declared.kind(param.name)),
        writable: file.filter(|file| present.is_some() && is_writable(file)),
        present,
        name,
    }
}

/// What stays as it is although other values were given; `None` if everything is as requested.
#[must_use]
pub fn hint(module: &ModuleName, given: &[PresentValue]) -> Option<String> {
    let differs: Vec<&PresentValue> = given.iter().filter(|given| !is_as_wanted(given)).collect();
    if differs.is_empty() {
        return None;
    }
    let stays: Vec<String> = differs.iter().map(|given| stays(given)).collect();
    let writable: Vec<String> =
        differs.iter().filter_map(|given| Some(given.writable.as_ref()?.display().to_string())).collect();
    let mut hint = format!("{module} is already loaded; {}", stays.join(", "));
    if !writable.is_empty() {
        hint.push_str(&format!(". Writable now: {}", writable.join(" ")));
    }
    Some(hint)
}

fn is_as_wanted(given: &PresentValue) -> bool {
    let wanted = given.wanted.as_deref();
    given.present.as_deref().is_some_and(|present| parameters::is_same(wanted, present, given.kind))
}

/// What is known about a parameter that does not get the requested value.
fn stays(given: &PresentValue) -> String {
    let name = &given.name;
    match given.present.as_deref().map(String::from_utf8_lossy) {
        Some(value) if value.is_empty() || value.contains(char::is_whitespace) => {
            format!("{name} stays \"{value}\"")
        }
        Some(value) => format!("{name} stays {value}"),
        // A parameter without permissions has no file; its value is known to the module alone.
        None => format!("{name} stays as it is, which the kernel does not show"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use modfile::elf::Class;

    use super::*;

    /// The hint about parameters of a module `m` that shows these values.
    fn told(shown: &[(&str, &str)], declared: &[&str], text: &str) -> String {
        let root = tempfile::tempdir().unwrap();
        let parameters = root.path().join("m/parameters");
        fs::create_dir_all(&parameters).unwrap();
        for (name, value) in shown {
            fs::write(parameters.join(name), format!("{value}\n")).unwrap();
        }
        let declared = Declared::of_section(
            &declared.iter().flat_map(|line| format!("parmtype={line}\0").into_bytes()).collect::<Vec<_>>(),
            Class::Elf64,
        );
        let given = given(&Sysfs::new(root.path()), &"m".into(), text.as_bytes(), Some(&declared));
        let hint = hint(&"m".into(), &given).unwrap_or_default();
        hint.replace(&parameters.display().to_string(), "P")
    }

    #[test]
    fn only_what_differs_is_named() {
        assert_eq!(
            told(&[("hashsize", "16384"), ("acct", "Y")], &[], "hashsize=65536 acct=1"),
            "m is already loaded; hashsize stays 16384. Writable now: P/hashsize"
        );
    }

    #[test]
    fn quotes_hold_a_value_together_and_are_no_part_of_it() {
        for text in ["label=\"a b\"", "\"label=a b\""] {
            assert_eq!(told(&[("label", "a b")], &["label:charp"], text), "", "{text}");
        }
        assert_eq!(
            told(&[("label", "none")], &["label:charp"], "label=\"a b\""),
            "m is already loaded; label stays none. Writable now: P/label"
        );
        assert_eq!(
            told(&[("l-is-t", "")], &[], "l_is_t=1"),
            "m is already loaded; l_is_t stays as it is, which the kernel does not show"
        );
        assert!(told(&[("arr", "")], &[], "arr=1,2").starts_with("m is already loaded; arr stays \"\""));
    }

    #[test]
    fn what_the_kernel_does_not_show_is_not_called_unset() {
        assert_eq!(
            told(&[], &["secret:int"], "secret=5"),
            "m is already loaded; secret stays as it is, which the kernel does not show"
        );
    }

    #[test]
    fn equal_values_of_one_type_make_no_hint() {
        for (shown, declared, text) in [
            ("16", "x:int", "x=0x10"),
            ("16", "x:int", "x=020"),
            ("Y", "x:bool", "x"),
            ("N", "x:bool", "x=off"),
            ("1,2", "x:array of int", "x=0x1,2"),
            ("7", "", "x=7"),
        ] {
            assert_eq!(told(&[("x", shown)], &[declared], text), "", "{text}");
        }
        // A text is no number: these differ.
        assert!(told(&[("x", "16")], &["x:charp"], "x=0x10").contains("x stays 16"));
        assert!(told(&[("x", "Y")], &[], "x=2").contains("x stays Y"));
        assert_eq!(told(&[], &[], ""), "");
    }
}
