//! `kmod graph`: which module needs which, as text that `dot` (Graphviz) or Mermaid draws.
//!
//! The database names for a module all that it needs, also by way of others. Drawn is the shortest set of edges that
//! says the same.

pub(crate) mod cli;
mod edges;
mod text;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use modcli::getopt::{Order, Parsed};
use modcli::{Exit, Session, words};
use moddb::ModuleDb;
use moddb::config::Config;
use moddb::paths::ModuleDir;
use modfile::ModuleName;
use modfile::regular;

use edges::Graph;
use text::Language;

/// Far more than any kernel's list of modules, in bytes.
const LONGEST: usize = 256 << 20;

/// Runs the command.
pub(crate) fn run(session: &Session, arguments: &[OsString]) -> anyhow::Result<Exit> {
    let parsed = session.parse_in_order(&cli::DEFINITION, arguments, Order::Posix)?;
    let Some(language) = language(&parsed) else {
        session.reporter.error("--format is dot or mermaid");
        return Ok(Exit::Failure);
    };
    let release = OsString::from_vec(rustix::system::uname().release().to_bytes().to_vec());
    let root = parsed.value(cli::BASEDIR).unwrap_or_default();
    let directory = ModuleDir::new(Path::new(root), parsed.value(cli::SET_VERSION).unwrap_or(&release));
    let is_running = directory == ModuleDir::new(Path::new(""), &release);
    let loaded = if is_running {
        let list = regular::read(Path::new(crate::paths::PROC_MODULES), LONGEST).unwrap_or_default();
        modkernel::proc_modules::parse(&list).collect()
    } else {
        Vec::new()
    };
    let (config, problems) = Config::load(&[], &directory.configuration(), None);
    for (severity, text) in problems.iter().map(words::config) {
        session.reporter.message(severity, text);
    }
    let db = ModuleDb::new(directory, config);
    let (names, missing) = wanted(&db, &parsed.operands);
    for name in &missing {
        session.reporter.error([b"Module ", name.as_bytes(), b" not found."].concat());
    }
    let graph = Graph::of(&db, names, &loaded);
    for (severity, text) in db.take_problems().iter().map(words::table) {
        session.reporter.message(severity, text);
    }
    session.output.print(text::draw(&graph, language))?;
    Ok(Exit::failed_if(!missing.is_empty()))
}

fn language(parsed: &Parsed) -> Option<Language> {
    match parsed.value(cli::FORMAT).map(OsStr::as_bytes) {
        None | Some(b"dot") => Some(Language::Dot),
        Some(b"mermaid") => Some(Language::Mermaid),
        Some(_) => None,
    }
}

/// The modules that operands mean, and the operands that mean none; all modules without an operand.
fn wanted<'a>(db: &ModuleDb, operands: &'a [OsString]) -> (Vec<ModuleName>, Vec<&'a OsString>) {
    if operands.is_empty() {
        return (edges::all(db), Vec::new());
    }
    let (mut names, mut missing) = (Vec::new(), Vec::new());
    for operand in operands {
        let found = db.resolve(operand.as_bytes());
        if found.is_empty() {
            missing.push(operand);
        }
        names.extend(found.into_iter().map(|entry| entry.name));
    }
    (names, missing)
}

#[cfg(test)]
mod tests {
    use fixtures::Tree;

    use super::*;

    /// What Debian's database says of these modules, as far as it matters here.
    const DEPENDENCIES: &str = include_str!("../../tests/graph/modules.dep");
    const SOFTDEPS: &str = include_str!("../../tests/graph/modules.softdep");
    const ALIASES: &str = include_str!("../../tests/graph/modules.alias");

    fn drawn(name: &str, language: Language) -> String {
        let root = tempfile::tempdir().unwrap();
        let tree = Tree::new("6.1")
            .file("modules.dep", DEPENDENCIES)
            .file("modules.softdep", SOFTDEPS)
            .file("modules.alias", ALIASES);
        tree.write(root.path()).unwrap();
        let directory = ModuleDir::new(root.path(), OsStr::new("6.1"));
        let (config, problems) = Config::load(&[], &directory.configuration(), None);
        assert_eq!(problems, []);
        let db = ModuleDb::new(directory, config);
        let operands = [OsString::from(name)];
        let (names, missing) = wanted(&db, &operands);
        assert!(missing.is_empty());
        let list = b"libcrc32c 1 1 xfs, Live 0x0\nxfs 1 0 - Live 0x0\nother 1 1 libcrc32c, Live 0x0\n";
        let loaded: Vec<_> = modkernel::proc_modules::parse(list).collect();
        text::draw(&Graph::of(&db, names, &loaded), language)
    }

    #[test]
    fn graphs_of_known_modules_are_as_they_were_looked_at() {
        for (name, dot, mermaid) in [
            ("xfs", include_str!("../../tests/graph/xfs.dot"), include_str!("../../tests/graph/xfs.mmd")),
            ("i915", include_str!("../../tests/graph/i915.dot"), include_str!("../../tests/graph/i915.mmd")),
            (
                "nf_nat",
                include_str!("../../tests/graph/nf_nat.dot"),
                include_str!("../../tests/graph/nf_nat.mmd"),
            ),
        ] {
            for (language, expected) in [(Language::Dot, dot), (Language::Mermaid, mermaid)] {
                assert_eq!(drawn(name, language), expected, "{name}");
            }
        }
    }
}
