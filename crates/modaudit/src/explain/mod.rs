//! What a name means, what loading it would do, which lines of the configuration concern it and whether they count, how
//! configured and present values compare, and what would keep it from being loaded. One set of facts, written for people
//! or as JSON.

mod device;
mod lines;
mod obstacles;
mod page;
mod steps;

use moddb::{FoundIn, ModuleDb, ModuleEntry};
use modfile::name::normalize_alias;
use modfile::parameters;
use modhint::causes::present::{self, PresentValue};
use modhint::declared::Declared;
use modkernel::{KernelOps, ModuleState, Sysfs};
use modload::plan::{self, Action, Role, Step, Target};
use modstate::Places;
use modstate::config::ModutilsConfig;

use crate::text;
pub use device::Driver;
pub use lines::ConfigLine;
use lines::{Asked, Nothing};
pub use page::{as_json, as_text};
pub use steps::ShownStep;

/// What an explanation is made of. The kernel is only looked at.
pub struct Around<'a> {
    /// The module database, with modprobe.d.
    pub db: &'a ModuleDb,
    /// What modutils.d says.
    pub modutils: &'a ModutilsConfig,
    /// The kernel.
    pub kernel: &'a dyn KernelOps,
    /// What it shows of its modules.
    pub sysfs: &'a Sysfs,
    /// Where the system shows itself.
    pub places: &'a Places,
    /// That of the kernel.
    pub command_line: &'a [u8],
    /// The line that `-D` prints for a step, if it prints one.
    pub shown: fn(&Step) -> Option<Vec<u8>>,
}

/// All that is known of one module that a name means.
#[derive(Debug)]
pub struct Explained {
    /// The module.
    pub module: String,
    /// What of the database or the configuration knows the name.
    pub found: &'static str,
    /// The alias that led to it.
    pub alias: Option<String>,
    /// Its file.
    pub file: Option<String>,
    /// Whether it is there already.
    pub state: &'static str,
    /// The device with this alias, and what drives it now.
    pub device: Option<(String, Option<Driver>)>,
    /// Of several modules for a device, which one's driver comes to have it.
    pub wins: Option<String>,
    /// What loading it would do.
    pub steps: Vec<ShownStep>,
    /// Lines of the configuration that concern it.
    pub lines: Vec<ConfigLine>,
    /// Configured parameters, and what the kernel shows of them.
    pub parameters: Vec<(String, String, Option<String>)>,
    /// What keeps it from being loaded.
    pub blocked: Vec<String>,
}

/// Explains a name that means these modules.
#[must_use]
pub fn explain(around: &Around<'_>, name: &[u8], found: &[ModuleEntry]) -> Vec<Explained> {
    let mut explained: Vec<Explained> = found.iter().map(|entry| one(around, name, entry)).collect();
    // Modules for an alias come in one after the other, and a device stays with the first driver that takes it.
    if explained.len() > 1 && name.contains(&b':') {
        let comes_in = |one: &&Explained| one.blocked.is_empty() && one.state != LOADED;
        let first = explained.iter().find(comes_in).map(|one| one.module.clone());
        for one in &mut explained {
            one.wins = Some(device::wins(one, first.as_deref()));
        }
    }
    explained
}

/// The lines that concern a name that nothing has; `None` if there are none.
#[must_use]
pub fn of_nothing(around: &Around<'_>, name: &[u8]) -> Option<Explained> {
    let normalized = normalize_alias(name).ok()?;
    let nothing = Nothing { db: around.db, modutils: around.modutils, name: &normalized };
    let lines = lines::of_nothing(&nothing);
    let state = if lines.iter().any(ConfigLine::answers_the_kernel) { ANSWERED } else { "not installed" };
    (!lines.is_empty()).then(|| Explained {
        module: text(name),
        found: "nothing",
        alias: None,
        file: None,
        state,
        device: None,
        wins: None,
        steps: Vec::new(),
        lines,
        parameters: Vec::new(),
        blocked: Vec::new(),
    })
}

impl Explained {
    /// Whether the kernel gets an answer if it asks for a name that nothing has.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.state == ANSWERED
    }
}

fn one(around: &Around<'_>, name: &[u8], entry: &ModuleEntry) -> Explained {
    let (db, modutils) = (around.db, around.modutils);
    let rules = modutils.rules();
    let is_builtin = entry.is_builtin() || entry.found_in != FoundIn::Path && db.is_builtin(&entry.name);
    let mut plan = plan::load(db, &Target { entry, params: b"", ignore_commands: false, rules });
    let asked = Asked { db, modutils, command_line: around.command_line, name, entry, is_builtin };
    let lines = lines::all(&asked, &plan.steps);
    if obstacles::prohibitions(around, &plan).next().is_some() {
        plan.steps.clear();
    }
    if is_builtin {
        // Nothing is done for what the kernel has, whatever is configured.
        plan.steps.retain(|step| step.role == Role::Target);
        for step in &mut plan.steps {
            step.action = Action::Builtin;
            step.params.clear();
        }
    }
    Explained {
        module: entry.name.to_text().into_owned(),
        found: source(entry.found_in),
        alias: entry.alias.as_deref().map(text),
        file: entry.path.as_ref().map(|path| path.display().to_string()),
        state: if is_builtin { "built in" } else { state(around.kernel, entry) },
        device: device::with_alias(around.places, name),
        wins: None,
        steps: plan.steps.iter().flat_map(|step| steps::shown(around, step)).collect(),
        lines,
        parameters: configured(around, entry),
        blocked: if is_builtin { Vec::new() } else { obstacles::of_plan(around, entry, &plan) },
    }
}

/// The parameters that the configuration gives the module, with what the kernel shows of them now.
fn configured(around: &Around<'_>, entry: &ModuleEntry) -> Vec<(String, String, Option<String>)> {
    let texts = around.db.config().options_for(entry.name.as_bytes(), entry.alias.as_deref());
    let declared = entry.path.as_deref().and_then(|path| Declared::of_file(path).ok());
    let given = present::given(around.sysfs, &entry.name, &texts, declared.as_ref());
    let shown = |given: &PresentValue| {
        let wanted = given.wanted.as_deref().map_or_else(String::new, text);
        (given.name.clone(), wanted, given.present.as_deref().map(text))
    };
    // Of several values of one parameter the last counts.
    let is_last = |place: usize, one: &PresentValue| {
        !given
            .iter()
            .skip(place + 1)
            .any(|other| parameters::is_same_name(other.name.as_bytes(), one.name.as_bytes()))
    };
    given.iter().enumerate().filter(|(place, one)| is_last(*place, one)).map(|(_, one)| shown(one)).collect()
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

const LOADED: &str = "loaded";
const ANSWERED: &str = "answered by a command";

fn state(kernel: &dyn KernelOps, entry: &ModuleEntry) -> &'static str {
    match kernel.state(&entry.name) {
        Ok(ModuleState::Absent) => "not loaded",
        Ok(ModuleState::Coming) => "being loaded",
        Ok(ModuleState::Live) => LOADED,
        Ok(ModuleState::Going) => "being unloaded",
        Err(_) => "unknown",
    }
}

#[cfg(test)]
mod tests;
