//! Settings on the kernel's command line: `MODULE.PARAM=VALUE` and `modprobe.blacklist=A,B`.
//!
//! Items are separated by white space outside of double quotes. The first `.` of an item separates module and
//! parameter and must come before any `=`; a second one before the `=` makes the item somebody else's. Quotes
//! may stand in the value, where they are kept, or open the whole item; then they move to the value.

use modfile::name::normalize_alias;
use modfile::parameters;

use super::Config;
use super::directives::{Blacklist, OptionsRule, Origin};
use super::problem::ConfigProblem;

/// How much of the command line counts, in bytes.
pub const LONGEST: usize = 4095;

impl Config {
    /// Appends what the kernel's command line says; returns what is ignored and why. Most items are for the
    /// kernel or for others and no reason to complain.
    pub fn parse_kernel_command_line(&mut self, text: &[u8]) -> Vec<ConfigProblem> {
        let text = text.get(..LONGEST).unwrap_or(text);
        let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
        items(text).filter_map(|item| self.add_item(&item).err()).collect()
    }

    fn add_item(&mut self, item: &Item<'_>) -> Result<(), ConfigProblem> {
        let origin = Origin::KernelCommandLine;
        if let (b"modprobe", b"blacklist", Some(value)) = (item.module, item.parameter, &item.value) {
            // compat: these names are not normalised, so one with a `-` never matches (case
            // modprobe/cmdline-blacklist-dash).
            let modules = value.split(|&byte| byte == b',');
            self.blacklist
                .extend(modules.map(|module| Blacklist { module: module.to_vec(), origin: origin.clone() }));
            return Ok(());
        }
        let module = normalize_alias(item.module)
            .map_err(|_| ConfigProblem::BadKernelOption { module: item.module.to_vec() })?;
        let mut text = item.parameter.to_vec();
        if let Some(value) = &item.value {
            text.push(b'=');
            text.extend_from_slice(value);
        }
        self.options.push(OptionsRule { module: module.into_owned(), text, origin });
        Ok(())
    }
}

/// An item that sets a parameter of a module.
struct Item<'a> {
    module: &'a [u8],
    parameter: &'a [u8],
    value: Option<Vec<u8>>,
}

fn items(text: &[u8]) -> impl Iterator<Item = Item<'_>> {
    let mut rest = text;
    let words = std::iter::from_fn(move || {
        let (word, after) = parameters::first_word(rest, is_space)?;
        rest = after;
        Some(word)
    });
    // Most items are for the kernel itself, and have no dot before the `=`.
    let has_module =
        |word: &&[u8]| memchr::memchr2(b'.', b'=', word).is_some_and(|at| word.get(at) == Some(&b'.'));
    // An item whose quotes are not closed does not count.
    let is_closed = |word: &&[u8]| memchr::memchr_iter(b'"', word).count().is_multiple_of(2);
    words.filter(has_module).filter(is_closed).filter_map(split)
}

fn split(item: &[u8]) -> Option<Item<'_>> {
    let (quoted, text) = match item.strip_prefix(b"\"") {
        Some(text) => (true, text),
        None => (false, item),
    };
    let equals = text.iter().position(|&byte| byte == b'=');
    let (key, value) = text.split_at(equals.unwrap_or(text.len()));
    if key.iter().any(|&byte| byte == b'"' || is_space(byte)) {
        return None;
    }
    let dot = key.iter().position(|&byte| byte == b'.')?;
    let (module, parameter) = key.split_at(dot);
    let parameter = parameter.strip_prefix(b".").filter(|parameter| !parameter.contains(&b'.'))?;
    let value = value.strip_prefix(b"=").map(|value| {
        let opening: &[u8] = if quoted { b"\"" } else { b"" };
        [opening, value].concat()
    });
    Some(Item { module, parameter, value })
}

fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> (Vec<String>, Vec<String>) {
        let mut config = Config::default();
        let problems = config.parse_kernel_command_line(text.as_bytes());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let blacklist = config.blacklist.iter().map(|line| format!("blacklist {}", text(&line.module)));
        let options =
            config.options.iter().map(|line| format!("{} {}", text(&line.module), text(&line.text)));
        (blacklist.chain(options).collect(), problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn items_mean_what_they_mean_to_kmod() {
        // Seen with kmod 30 and 34.
        for (text, expected) in [
            ("m-a.p-x=1 m.p a.b.c=1 =x.y quiet root=/dev/sda1\n", vec!["m_a p-x=1", "m p"]),
            (
                "modprobe.blacklist=a-b,c,,d modprobe.blacklist=\n",
                vec!["blacklist a-b", "blacklist c", "blacklist ", "blacklist d", "blacklist "],
            ),
            (
                "modprobe.x=1 modprobe.blacklist mod-probe.blacklist=x",
                vec!["modprobe x=1", "modprobe blacklist", "mod_probe blacklist=x"],
            ),
            (
                "m.p=\"a b\" \"m.q=a b\" m.r='a b' m.\"p\"=1 m\"x.p=1 n.p=\"x\n",
                vec!["m p=\"a b\"", "m q=\"a b\"", "m r='a"],
            ),
            (".p=1 m.=1 m. . m.p= x\n", vec![" p=1", "m =1", "m ", " ", "m p="]),
            (
                "m.p=a\"b c\"d j.k=\"l\"m\tn.o=p\x0bq.r=s\n",
                vec!["m p=a\"b c\"d", "j k=\"l\"m", "n o=p", "q r=s"],
            ),
            ("\"a.b=c\"d e.f=1\n", vec!["a b=\"c\"d", "e f=1"]),
            ("\"a b.c=d\" \"x.y\" \"z.w=1\n", vec![]),
            ("\"modprobe.blacklist=x-y\"", vec!["blacklist \"x-y\""]),
            ("\"a.b\"c=1 a\"b.c\"=d x\" \"a.b=1 c.d=2", vec!["c d=2"]),
            ("a.b=1\0c.d=2", vec!["a b=1"]),
            ("a.b=c\" \nd\" e.f=g", vec!["a b=c\" \nd\"", "e f=g"]),
            ("\"a.b=1 2\" \"c.d", vec!["a b=\"1 2\""]),
            ("a.b=c\" d", vec![]),
            ("\"\" a.b=1 m.p==1 m.p=a=b.c", vec!["a b=1", "m p==1", "m p=a=b.c"]),
            ("a-[x-y].p=1", vec!["a_[x-y] p=1"]),
            ("", vec![]),
        ] {
            assert_eq!(parse(text).0, expected, "{text:?}");
        }
    }

    #[test]
    fn an_unmatched_bracket_in_a_module_is_reported() {
        let (found, problems) = parse("m[.p=1 o.p");
        assert_eq!(found, ["o p"]);
        assert_eq!(problems, ["Ignoring bad option on kernel command line while parsing module name: 'm['"]);
    }

    #[test]
    fn only_the_first_4095_bytes_count() {
        let (found, _) = parse(&format!("a.b{} c.d=1", "x".repeat(5000)));
        assert_eq!(found, [format!("a b{}", "x".repeat(4092))]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed(text in "[a.=\" ,\\[\n]{0,40}") {
            parse(&text);
        }
    }
}
