//! What would keep a module from being loaded.

use moddb::ModuleEntry;
use modhint::causes::kernel_blacklist;
use modkernel::ModuleState;
use modload::plan::{Action, LoadPlan, Prohibition, Role};

use super::Around;
use crate::text;

/// Each obstacle, in words.
pub(super) fn of_plan(around: &Around<'_>, entry: &ModuleEntry, plan: &LoadPlan) -> Vec<String> {
    let mut blocked = Vec::new();
    if let (Some(line), Some(_)) = (around.db.config().blacklisted(entry.name.as_bytes()), &entry.alias) {
        blocked.push(format!("{} blacklists {}, and it was found through an alias", line.origin, entry.name));
    }
    let forbidden: Vec<String> = prohibitions(around, plan).map(told).collect();
    if !forbidden.is_empty() {
        // Nothing is begun, so nothing else can be in the way.
        blocked.extend(forbidden);
        return blocked;
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
        if kernel_blacklist::forbids(around.command_line, step.module.as_bytes()) {
            blocked.push(format!("module_blacklist= on the kernel command line forbids {}", step.module));
        }
    }
    blocked
}

/// The lines that end the load before it begins: they forbid something that is not there yet.
pub(super) fn prohibitions<'p>(
    around: &Around<'_>,
    plan: &'p LoadPlan,
) -> impl Iterator<Item = &'p Prohibition> {
    let is_there = |module| around.kernel.state(module).is_ok_and(|state| state == ModuleState::Live);
    let needed = plan.forbidden.iter().filter(|prohibition| prohibition.role != Role::Wished);
    needed.filter(move |prohibition| !is_there(&prohibition.module))
}

fn told(prohibition: &Prohibition) -> String {
    let reason = prohibition.by.reason.as_deref().map(|reason| format!(": {}", text(reason)));
    format!("{} forbids {}{}", prohibition.by.line, prohibition.module, reason.unwrap_or_default())
}
