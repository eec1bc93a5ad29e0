//! `--explain NAME`: what a name means, what loading it would do, which lines of the configuration had a part in
//! it, and what would keep it from being loaded. One set of facts, printed for people or as JSON.

use std::fmt::Write;

use modcli::json;
use moddb::{FoundIn, ModuleDb, ModuleEntry};
use modhint::causes::kernel_blacklist;
use modkernel::{KernelOps, ModuleState};
use modload::plan::{self, Action, LoadPlan, Role, Target};

use modstate::rules::Rules;

use crate::show;

/// All that is known of one module that a name means.
pub(crate) struct Explained {
    module: String,
    found: &'static str,
    alias: Option<String>,
    file: Option<String>,
    state: &'static str,
    /// What loading it would do, as `-D` prints it, with the reason why each is there.
    steps: Vec<(String, &'static str)>,
    /// Lines of the configuration that had a part, with file and number.
    lines: Vec<String>,
    /// What keeps it from being loaded.
    blocked: Vec<String>,
}

/// Explains a name. `kernel` is only looked at.
pub(crate) fn explain(
    db: &ModuleDb,
    name: &[u8],
    kernel: &dyn KernelOps,
    command_line: &[u8],
    rules: &Rules,
) -> Vec<Explained> {
    let found = db.resolve(name);
    found.iter().map(|entry| one(db, name, entry, kernel, command_line, rules)).collect()
}

fn one(
    db: &ModuleDb,
    name: &[u8],
    entry: &ModuleEntry,
    kernel: &dyn KernelOps,
    command_line: &[u8],
    rules: &Rules,
) -> Explained {
    let plan = plan::load(db, &Target { entry, params: b"", ignore_commands: false, rules });
    let is_builtin = entry.is_builtin() || db.is_builtin(&entry.name);
    Explained {
        module: entry.name.to_text().into_owned(),
        found: source(entry.found_in),
        alias: entry.alias.as_deref().map(text),
        file: entry.path.as_ref().map(|path| path.display().to_string()),
        state: if is_builtin { "built in" } else { state(kernel, entry) },
        steps: plan
            .steps
            .iter()
            .filter_map(|step| Some((text(&show::insertion(step)?), role(step.role))))
            .collect(),
        lines: lines(db, name, entry, &plan),
        blocked: blocked(db, entry, &plan, command_line),
    }
}

fn source(found_in: FoundIn) -> &'static str {
    match found_in {
        FoundIn::ConfigAlias => "alias line of the configuration",
        FoundIn::Modules => "name of a module",
        FoundIn::Symbols => "symbol of a module",
        FoundIn::Command => "install or remove line of the configuration",
        FoundIn::Aliases => "alias of a module",
        FoundIn::Builtin => "name of what is built in",
        FoundIn::BuiltinAliases => "alias of what is built in",
        FoundIn::Path => "path",
    }
}

fn state(kernel: &dyn KernelOps, entry: &ModuleEntry) -> &'static str {
    match kernel.state(&entry.name) {
        Ok(ModuleState::Absent) => "not loaded",
        Ok(ModuleState::Coming) => "being loaded",
        Ok(ModuleState::Live) => "loaded",
        Ok(ModuleState::Going) => "being unloaded",
        Err(_) => "unknown",
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Target => "wanted",
        Role::Required => "dependency",
        Role::Wished => "softdep",
    }
}

/// The lines of the configuration that had a part, each once, in the order in which they are looked at.
fn lines(db: &ModuleDb, name: &[u8], entry: &ModuleEntry, plan: &LoadPlan) -> Vec<String> {
    let config = db.config();
    let mut lines: Vec<String> = Vec::new();
    let mut add = |line: String| {
        if !lines.contains(&line) {
            lines.push(line);
        }
    };
    if entry.found_in == FoundIn::ConfigAlias {
        let name = modfile::name::normalize_alias(name).unwrap_or_default();
        for alias in config.aliases_of(&name).filter(|alias| alias.module == entry.name.as_bytes()) {
            add(format!("{}: alias {} {}", alias.origin, text(&alias.pattern), text(&alias.module)));
        }
    }
    for step in &plan.steps {
        let module = step.module.as_bytes();
        let alias = if step.role == Role::Target { entry.alias.as_deref() } else { None };
        if let Some(line) = config.blacklisted(module) {
            add(format!("{}: blacklist {}", line.origin, text(&line.module)));
        }
        for softdep in config.softdeps_of(module) {
            let (pre, post) = (text(&softdep.pre.join(&b' ')), text(&softdep.post.join(&b' ')));
            add(format!("{}: softdep {} pre: {pre} post: {post}", softdep.origin, text(&softdep.pattern)));
        }
        for options in config.options_of(module, alias) {
            add(format!("{}: options {} {}", options.origin, text(&options.module), text(&options.text)));
        }
        if let Some(command) = config.install_command(module) {
            add(format!("{}: install {} {}", command.origin, text(&command.pattern), text(&command.line)));
        }
    }
    lines
}

fn blocked(db: &ModuleDb, entry: &ModuleEntry, plan: &LoadPlan, command_line: &[u8]) -> Vec<String> {
    let mut blocked = Vec::new();
    if let (Some(line), Some(_)) = (db.config().blacklisted(entry.name.as_bytes()), &entry.alias) {
        blocked.push(format!("{} blacklists {}, and it was found through an alias", line.origin, entry.name));
    }
    for prohibition in plan.forbidden.iter().filter(|prohibition| prohibition.role != Role::Wished) {
        let reason = prohibition.by.reason.as_deref().map(|reason| format!(": {}", text(reason)));
        let reason = reason.unwrap_or_default();
        blocked.push(format!("{} forbids {}{reason}", prohibition.by.line, prohibition.module));
    }
    for step in plan.steps.iter().filter(|step| step.role != Role::Wished) {
        match &step.action {
            Action::File(path) if !path.exists() => {
                blocked.push(format!("{} is not there: run depmod", path.display()));
            }
            Action::NoFile => blocked.push(format!("{} is only a name: it has no file", step.module)),
            Action::Command { line, origin } => {
                blocked.push(format!(
                    "{origin} replaces the load of {} by: {}",
                    step.module,
                    text(line).trim()
                ));
            }
            _ => {}
        }
        if kernel_blacklist::forbids(command_line, step.module.as_bytes()) {
            blocked.push(format!("module_blacklist= on the kernel command line forbids {}", step.module));
        }
    }
    blocked
}

/// The explanation for people.
pub(crate) fn as_text(explained: &[Explained]) -> String {
    let mut page = String::new();
    for one in explained {
        let alias = one.alias.as_deref().map(|alias| format!(" ({alias})")).unwrap_or_default();
        let _ = writeln!(page, "module:   {}", one.module);
        let _ = writeln!(page, "found as: {}{alias}", one.found);
        let _ = writeln!(page, "file:     {}", one.file.as_deref().unwrap_or("none"));
        let _ = writeln!(page, "state:    {}", one.state);
        section(
            &mut page,
            "plan:",
            one.steps.iter().map(|(line, role)| format!("{} [{role}]", line.trim_end())),
        );
        section(&mut page, "configuration:", one.lines.iter().cloned());
        section(&mut page, "in the way:", one.blocked.iter().cloned());
    }
    page
}

fn section(page: &mut String, title: &str, lines: impl Iterator<Item = String>) {
    let lines: Vec<String> = lines.collect();
    if !lines.is_empty() {
        let _ = writeln!(page, "{title}");
        for line in lines {
            let _ = writeln!(page, "    {line}");
        }
    }
}

/// The explanation for programs: one array with an object for each module.
pub(crate) fn as_json(explained: &[Explained]) -> String {
    let objects = explained.iter().map(|one| {
        let steps = one.steps.iter().map(|(line, role)| {
            json::object(&[("action", json::string(line.trim_end())), ("role", json::string(role))])
        });
        json::object(&[
            ("module", json::string(&one.module)),
            ("found", json::string(one.found)),
            ("alias", json::optional(one.alias.as_deref().map(json::string))),
            ("file", json::optional(one.file.as_deref().map(json::string))),
            ("state", json::string(one.state)),
            ("plan", json::array(steps)),
            ("configuration", json::array(one.lines.iter().map(|line| json::string(line)))),
            ("blocked", json::array(one.blocked.iter().map(|line| json::string(line)))),
        ])
    });
    json::array(objects) + "\n"
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use moddb::config::Config;
    use moddb::paths::ModuleDir;
    use modkernel::Recording;

    use super::*;

    #[test]
    fn lookup_plan_lines_and_obstacles_are_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        for file in ["a.ko", "b.ko"] {
            std::fs::write(path(file), "").unwrap();
        }
        std::fs::write(path("modules.dep"), "a.ko: b.ko\nb.ko:\n").unwrap();
        let mut config = Config::default();
        config.parse(Path::new("x.conf"), b"alias al-* a\nblacklist a\noptions b x=1\ninstall b \"run\"\n");
        let db = ModuleDb::new(ModuleDir::at(directory.path().into()), config);
        let kernel = Recording::default().with_loaded("a", &[]);
        let explained = explain(&db, b"al-1", &kernel, b"module_blacklist=c,a", Rules::NONE);
        let shown = as_text(&explained);
        for part in [
            "module:   a\n",
            "found as: alias line of the configuration (al_*)\n",
            "state:    loaded\n",
            "    install \"run\" x=1 [dependency]\n",
            "[wanted]\n",
            "    x.conf line 1: alias al_* a\n",
            "    x.conf line 2: blacklist a\n",
            "    x.conf line 3: options b x=1\n",
            "    x.conf line 2 blacklists a, and it was found through an alias\n",
            "    x.conf line 4 replaces the load of b by: \"run\"\n",
            "    module_blacklist= on the kernel command line forbids a\n",
        ] {
            assert!(shown.contains(part), "{part}\n{shown}");
        }
        let json = as_json(&explained);
        assert!(json.starts_with("[{\"module\":\"a\","), "{json}");
        assert!(json.contains("\"install \\\"run\\\" x=1\",\"role\":\"dependency\""), "{json}");
        assert!(explain(&db, b"unknown", &kernel, b"", Rules::NONE).is_empty());
    }
}
