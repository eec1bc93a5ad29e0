//! Whatever modules say, the text files of the database parsed back are exactly that, and nothing else: what is
//! refused is missing, what is not refused is there in order, and nothing becomes a line of its own.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use moddb::build::catalog::{Catalog, Module};
use moddb::build::graph::{self, Check, DependencyGraph};
use moddb::build::order::Located;
use moddb::build::outputs::{self, Sources};
use moddb::build::symbols::SymbolOwners;
use moddb::config::Config;
use moddb::depend::DependencyLine;
use moddb::index::Index;
use moddb::paths::ModuleDir;
use modfile::info::Lists;
use modfile::name::normalize_alias;
use modfile::symbols::{Export, Need};
use modfile::{ModuleInfo, ModuleName};

/// The path of a module, and strings with what they are.
type Said = (Vec<u8>, Vec<(u8, Vec<u8>)>);

fn info(strings: &[(u8, Vec<u8>)]) -> ModuleInfo<'static> {
    let mut lists = Lists::default();
    for (kind, text) in strings {
        match kind % 6 {
            0 => lists.aliases.push(text),
            1 => lists.softdeps.push(text),
            2 => lists.weakdeps.push(text),
            3 => lists.exports.push(Export { name: text, crc: 7 }),
            4 => lists.needs.push(Need { name: text, crc: 0, weak: kind & 0x80 != 0 }),
            _ => lists.aliases.push(&[b"devname:", text.as_slice()].concat()),
        }
    }
    ModuleInfo::from(&lists)
}

/// Whether text may stand in a line, said once more and otherwise.
fn is_plain(text: &[u8]) -> bool {
    text.len() <= 4096 && !text.iter().any(|byte| byte.is_ascii_control() || *byte == b'\\')
}

fn is_word(name: &ModuleName) -> bool {
    !name.as_bytes().iter().any(|byte| b" *?[]".contains(byte))
}

/// The lines of a text; a path may begin as a comment does.
fn all_lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty())
}

/// The lines of a text that are no comment of depmod's own at its beginning.
fn lines(text: &[u8]) -> Vec<&[u8]> {
    all_lines(text).enumerate().filter(|(number, line)| *number > 0 || !line.starts_with(b"# ")).map(|(_, line)| line).collect()
}

fn expect(text: &[u8], expected: impl Iterator<Item = Vec<u8>>) {
    let expected: Vec<Vec<u8>> = expected.collect();
    assert_eq!(lines(text), expected, "{}", text.escape_ascii());
}

fuzz_target!(|said: Vec<Said>| {
    let mut names = std::collections::HashSet::new();
    let modules: Vec<(Located, ModuleInfo<'static>)> = said
        .iter()
        .map(|(path, strings)| (Located { name: ModuleName::of_path(path), path: path.clone() }, info(strings)))
        .filter(|(located, _)| names.insert(located.name.clone()))
        .collect();
    let Ok(catalog) = Catalog::new(modules.clone()) else { return };
    let kept: Vec<&Module<'_>> = catalog.modules().iter().collect();
    let expected = modules.iter().filter(|(located, _)| {
        !located.path.iter().any(|byte| byte.is_ascii_control() || *byte == b'\\')
    });
    assert!(kept.iter().map(|module| &module.path).eq(expected.map(|(located, _)| &located.path)));
    let symbols = SymbolOwners::new(&catalog, None, None);
    let direct: Vec<_> =
        (0..kept.len()).map(|module| graph::resolve(&catalog, &symbols, Check::Names, module).direct).collect();
    let graph = match DependencyGraph::new(direct) {
        Ok(graph) => graph,
        Err(cycles) => {
            assert!(!cycles.members.is_empty() && !cycles.chains.is_empty());
            return;
        }
    };
    let mut sources = Sources::new(&catalog, &symbols, &graph);
    sources.builtin = said.first().map(|(path, _)| path.as_slice());
    sources.builtin_modinfo = said.last().map(|(path, _)| path.as_slice());
    let written: std::collections::HashMap<_, _> = outputs::recipes()
        .map(|recipe| {
            let (output, _) = recipe.write(&sources);
            (output.name, output.bytes.to_vec())
        })
        .collect();
    let of_all = |line: &dyn Fn(&Module<'_>) -> Vec<Vec<u8>>| kept.iter().flat_map(|module| line(module)).collect::<Vec<_>>();
    let aliases = of_all(&|module| {
        let plain = module.info.aliases().filter(|alias| is_plain(alias));
        plain.map(|alias| [b"alias ", alias, b" ", module.name.as_bytes()].concat()).collect()
    });
    expect(&written["modules.alias"], aliases.into_iter());
    for (file, word) in [("modules.softdep", "softdep "), ("modules.weakdep", "weakdep ")] {
        let expected = of_all(&|module| {
            let values: Vec<&[u8]> =
                if word == "softdep " { module.info.softdeps().collect() } else { module.info.weakdeps().collect() };
            let plain = values.into_iter().filter(|text| {
                is_word(&module.name) && !text.iter().any(|byte| byte.is_ascii_control() || *byte == b'\\')
            });
            plain.map(|text| [word.as_bytes(), module.name.as_bytes(), b" ", text].concat()).collect()
        });
        let count = expected.len();
        expect(&written[file], expected.into_iter());
        // Read as configuration by the full language, as kmod does, it is nothing else either.
        let mut config = Config::default();
        let problems = config.parse(Path::new(file), written[file].as_slice());
        assert!(config.installs.is_empty() && config.removes.is_empty() && config.aliases.is_empty());
        assert!(config.options.is_empty() && config.blacklist.is_empty());
        assert_eq!(config.softdeps.len() + config.weakdeps.len() + problems.len(), count, "{problems:?}");
    }
    let dep: Vec<&[u8]> = all_lines(&written["modules.dep"]).collect();
    assert_eq!(dep.len(), kept.len());
    for (line, module) in dep.iter().zip(&kept) {
        assert!(line.starts_with(&module.path));
        if !module.path.contains(&b':') {
            let parsed = DependencyLine::parse(line, &ModuleDir::at("/m".into())).expect("it has a colon");
            assert_eq!(parsed.path, ModuleDir::at("/m".into()).join(&module.path));
        }
    }
    for line in lines(&written["modules.devname"]) {
        let words: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
        let [_, node, _] = words.as_slice() else { panic!("{}", line.escape_ascii()) };
        assert!(!node.starts_with(b"/") && !node.split(|&byte| byte == b'/').any(|part| part == b".."));
    }
    let provided = symbols.provided().iter().filter(|(name, _)| is_plain(name));
    let provided = provided.map(|(name, owner)| [b"alias symbol:", *name, b" ", kept[*owner].name.as_bytes()].concat());
    expect(&written["modules.symbols"], provided);
    // The index says what the text says, as far as it can.
    let index = Index::new(written["modules.alias.bin"].as_slice()).expect("an index");
    let mut entries: Vec<_> =
        index.entries().expect("sound").into_iter().map(|entry| (entry.key, entry.value.text)).collect();
    let mut expected: Vec<_> = kept
        .iter()
        .flat_map(|module| module.info.aliases().map(|alias| (alias, module.name.as_bytes())))
        .filter(|(alias, name)| is_plain(alias) && alias.is_ascii() && name.is_ascii())
        .filter_map(|(alias, name)| Some((normalize_alias(alias).ok()?.into_owned(), name.to_vec())))
        .collect();
    entries.sort();
    expected.sort();
    assert_eq!(entries, expected);
});
