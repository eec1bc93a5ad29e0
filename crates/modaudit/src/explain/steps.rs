//! What loading a module would do, step by step.

use modcli::words;
use modload::plan::{Action, Role, Step};
use modstate::scripts::Moment;

use super::Around;
use crate::text;

/// A step of a plan.
#[derive(Debug)]
pub struct ShownStep {
    /// As `-D` prints it.
    pub action: String,
    /// The module.
    pub module: String,
    /// Why it is there.
    pub role: &'static str,
}

/// A step, with the commands of modutils.d around it.
pub(super) fn shown(around: &Around<'_>, step: &Step) -> Vec<ShownStep> {
    let scripts = around.modutils.scripts();
    let shown = |action: &[u8]| ShownStep {
        action: text(action.trim_ascii_end()),
        module: step.module.to_text().into_owned(),
        role: role(step.role),
    };
    let Some(insertion) = (around.shown)(step) else { return Vec::new() };
    let around = |moment| {
        let scripts = scripts.around(moment, &step.module).filter(|_| matches!(step.action, Action::File(_)));
        scripts.map(|script| shown(&words::script(script))).collect::<Vec<_>>()
    };
    let (before, after) = (around(Moment::PreInstall), around(Moment::PostInstall));
    before.into_iter().chain([shown(&insertion)]).chain(after).collect()
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Target => "wanted",
        Role::Required => "dependency",
        Role::Wished => "softdep",
    }
}
