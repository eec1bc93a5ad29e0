//! A parameter has a value that its type does not accept, or the module has no such parameter.

use modfile::ModuleName;
use modfile::parameters::{self, Given, ParameterType};
use rustix::io::Errno;

use crate::declared::Declared;
use crate::facts::{FileFacts, SystemFacts};
use crate::nearest::nearest;

/// Parameters that the kernel takes for every module (`unknown_module_param_cb` of `kernel/module/main.c`).
const OF_EVERY_MODULE: [&[u8]; 2] = [b"async_probe", b"dyndbg"];

/// A value that the kernel cannot have taken.
pub(super) fn hint(file: &FileFacts, _: &SystemFacts) -> Option<String> {
    if ![Errno::INVAL, Errno::RANGE].contains(&Errno::from_raw_os_error(file.errno)) {
        return None;
    }
    let declared = file.declared.as_ref()?;
    parameters::given(&file.params).find_map(|given| {
        let problem = misfit(&given, declared)?;
        Some(format!("{} does not take {}: {problem}", file.module, text(given.text)))
    })
}

/// Why a parameter's type does not take its value.
#[must_use]
pub fn misfit(given: &Given<'_>, declared: &Declared) -> Option<String> {
    let name = text(given.name);
    let kind = declared.kind(given.name)?;
    let type_name = text(declared.type_name(given.name)?);
    let Some(value) = given.value else {
        return (!kind.takes(None)).then(|| format!("{name} needs a value ({type_name})"));
    };
    let is_array = type_name.starts_with("array of ");
    let values: Vec<&[u8]> = if is_array { value.split(|&byte| byte == b',').collect() } else { vec![value] };
    let wrong = values.into_iter().find(|value| !kind.takes(Some(value)))?;
    Some(match kind {
        ParameterType::Number { least, most } => {
            format!("'{}' is no number from {least} to {most} ({type_name})", text(wrong))
        }
        ParameterType::Switch => format!("'{}' is neither yes nor no ({type_name})", text(wrong)),
        ParameterType::Text => return None,
    })
}

/// What to say about parameters that a module does not have: the kernel ignores them and reports them in its log
/// only. `is_module` says whether a name is that of a module.
#[must_use]
pub fn unknown(
    module: &ModuleName,
    params: &[u8],
    declared: &Declared,
    is_module: &dyn Fn(&[u8]) -> bool,
) -> Vec<String> {
    let mut hints = Vec::new();
    for given in parameters::given(params) {
        let name = text(given.name);
        if given.name.starts_with(b"#") {
            hints.push(comment(module, given.name));
            break;
        }
        let is_known = declared.type_name(given.name).is_some()
            || OF_EVERY_MODULE.iter().any(|known| parameters::is_same_name(known, given.name));
        if is_known {
            continue;
        }
        if given.value.is_none() && is_module(given.name) {
            hints.push(format!(
                "{name} was taken for a parameter of {module}; to load several modules: modprobe -a"
            ));
            continue;
        }
        let nearest = nearest(given.name, declared.names());
        let meant = nearest.map(|name| format!("; did you mean {}?", text(name))).unwrap_or_default();
        hints.push(format!("{module} has no parameter {name}, so it has no effect{meant}"));
    }
    hints
}

/// That what begins with this word was meant as a comment.
#[must_use]
pub fn comment(module: &ModuleName, word: &[u8]) -> String {
    let word = text(word);
    format!("{module} was given '{word}' and what follows as parameters: a comment needs a line of its own")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use modfile::elf::Class;

    use super::*;

    fn declared() -> Declared {
        Declared::of_section(
            b"parmtype=num:int\0parmtype=arr:array of byte\0parmtype=on:bool\0parmtype=label:charp\0parmtype=own:x\0",
            Class::Elf64,
        )
    }

    fn told(errno: Errno, params: &str) -> String {
        let file = FileFacts {
            errno: errno.raw_os_error(),
            module: "m".into(),
            params: params.into(),
            declared: Some(declared()),
            ..FileFacts::default()
        };
        hint(&file, &SystemFacts::default()).unwrap_or_default()
    }

    #[test]
    fn a_value_that_its_type_does_not_take_is_named() {
        for (params, expected) in [
            ("label=x num=abc", "num=abc: 'abc' is no number from -2147483648 to 2147483647 (int)"),
            ("num", "num: num needs a value (int)"),
            ("arr=1,256", "arr=1,256: '256' is no number from 0 to 255 (array of byte)"),
            ("on=maybe", "on=maybe: 'maybe' is neither yes nor no (bool)"),
        ] {
            assert_eq!(told(Errno::INVAL, params), format!("m does not take {expected}"), "{params}");
        }
        assert!(told(Errno::RANGE, "num=99999999999").contains("is no number from"));
        // Values that fit, or whose type only the module knows, are no cause.
        for params in ["num=5 arr=1,2 on label=", "own=abc", "nosuch=1"] {
            assert_eq!(told(Errno::INVAL, params), "", "{params}");
        }
        assert_eq!(told(Errno::NOMEM, "num=abc"), "");
    }

    #[test]
    fn parameters_that_the_module_does_not_have_are_named_with_the_nearest() {
        let told =
            |params: &str| unknown(&"m".into(), params.as_bytes(), &declared(), &|name| name == b"vfat");
        assert_eq!(told("nmu=5"), ["m has no parameter nmu, so it has no effect; did you mean num?"]);
        assert_eq!(told("lable=x"), ["m has no parameter lable, so it has no effect; did you mean label?"]);
        assert_eq!(told("elsewhere=5"), ["m has no parameter elsewhere, so it has no effect"]);
        assert_eq!(
            told("vfat"),
            ["vfat was taken for a parameter of m; to load several modules: modprobe -a"]
        );
        assert_eq!(
            told("num=1 # the number"),
            ["m was given '#' and what follows as parameters: a comment needs a line of its own"]
        );
        assert_eq!(told("num=1 own=2 async-probe dyndbg=+p"), [""; 0]);
    }
}
