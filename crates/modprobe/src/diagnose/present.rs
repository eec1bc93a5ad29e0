//! The module is loaded already, so the parameters given now have no effect.

use modfile::ModuleName;

/// A parameter that was given, and what is known of it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    pub name: String,
    pub wanted: String,
    /// What the kernel shows; `None` if it does not.
    pub present: Option<String>,
    /// The file to write it to, if the kernel takes it there.
    pub writable: Option<String>,
}

pub(crate) fn hint(module: &ModuleName, given: &[Given]) -> Option<String> {
    let differs: Vec<&Given> = given.iter().filter(|given| !is_same(given)).collect();
    if differs.is_empty() {
        return None;
    }
    let stays: Vec<String> = differs
        .iter()
        .map(|given| match &given.present {
            Some(value) => format!("{} stays {value}", given.name),
            None => format!("{} is not set", given.name),
        })
        .collect();
    let writable: Vec<&str> = differs.iter().filter_map(|given| given.writable.as_deref()).collect();
    let mut hint = format!("{module} is already loaded; {}", stays.join(", "));
    if !writable.is_empty() {
        hint.push_str(&format!(". Writable now: {}", writable.join(" ")));
    }
    Some(hint)
}

/// Whether a parameter has the wanted value, as far as text can tell: the kernel shows switches as Y and N and
/// numbers in decimal.
fn is_same(given: &Given) -> bool {
    let Some(present) = given.present.as_deref() else { return false };
    let wanted = given.wanted.trim_matches('"');
    let number = |text: &str| match text.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    };
    let switch = |text: &str| match text {
        "Y" | "y" | "1" | "on" | "" => Some(true),
        "N" | "n" | "0" | "off" => Some(false),
        _ => None,
    };
    present == wanted
        || (number(present).is_some() && number(present) == number(wanted))
        || (matches!(present, "Y" | "N") && switch(present) == switch(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(name: &str, wanted: &str, present: Option<&str>, writable: bool) -> Given {
        Given {
            name: name.into(),
            wanted: wanted.into(),
            present: present.map(str::to_owned),
            writable: writable.then(|| format!("/p/{name}")),
        }
    }

    #[test]
    fn only_what_differs_is_named() {
        let module = ModuleName::from("nf_conntrack");
        let list = [given("hashsize", "65536", Some("16384"), true), given("acct", "1", Some("Y"), true)];
        assert_eq!(
            hint(&module, &list).as_deref(),
            Some("nf_conntrack is already loaded; hashsize stays 16384. Writable now: /p/hashsize")
        );
        assert_eq!(
            hint(&module, &[given("x", "1", None, false)]).as_deref(),
            Some("nf_conntrack is already loaded; x is not set")
        );
    }

    #[test]
    fn what_is_as_wanted_makes_no_hint() {
        let module = ModuleName::from("m");
        for (wanted, present) in [("0x10", "16"), ("", "Y"), ("n", "N"), ("\"a b\"", "a b"), ("7", "7")] {
            assert_eq!(hint(&module, &[given("x", wanted, Some(present), true)]), None, "{wanted}");
        }
        assert_eq!(hint(&module, &[]), None);
        assert!(hint(&module, &[given("x", "2", Some("Y"), false)]).is_some());
    }
}
