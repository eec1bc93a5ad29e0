//! Texts of errors come from `modcli::errno` alone: what a tool shows of an error never is Rust's own wording, which
//! ends in `(os error 5)` and depends on the C library.
//!
//! A text cannot be asked for the types in it, so names decide: what is called an error is not put into a text by
//! itself.

use super::source;

/// What errors are called in this project.
const NAMES: [&str; 8] = ["error", "err", "errno", "problem", "failure", "failed", "refused", "cause"];

/// Places of a tool's file where an error shows itself.
pub fn check(text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(source::shipped(text).lines()) {
        let line = line.split("//").next().unwrap_or_default();
        let shows = |name: &str| {
            let bare = [format!("{{{name}}}"), format!("{{{name}:")];
            let call = format!("{name}.to_string()");
            let at = line.find(&call);
            let is_whole = |at: usize| !line.get(..at).unwrap_or_default().ends_with(is_of_a_name);
            bare.iter().any(|bare| line.contains(bare)) || at.is_some_and(is_whole)
        };
        if let Some(name) = NAMES.iter().find(|name| shows(name)) {
            findings.push(format!(
                "line {number} shows '{name}' by itself; modcli::errno or modcli::words words it"
            ));
        }
    }
    findings
}

fn is_of_a_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_that_shows_itself_is_found() {
        for wrong in ["format!(\"x: {error}\")", "x.push(problem.to_string())", "write!(f, \"{failure:?}\")"]
        {
            assert_eq!(check(wrong).len(), 1, "{wrong}");
        }
        for right in ["errno::chain(error)", "no_error.to_string()", "// {error}", "\"{errors}\""] {
            assert!(check(right).is_empty(), "{right}");
        }
    }
}
