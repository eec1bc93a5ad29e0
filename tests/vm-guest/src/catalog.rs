//! The catalogue of scenarios: what there is, what each needs in the image, and in which boot it runs.
//!
//! The host reads it to build images and to know what must report; the guest reads it to run them. It holds
//! no logic of its own.

use std::time::Duration;

use crate::scenarios;
use crate::world::World;

/// One thing to be shown on a real kernel.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// A sentence about behaviour, words joined by dashes; unique in its group.
    pub name: &'static str,
    /// The modules whose files the image must hold, without what they depend on.
    pub modules: &'static [&'static str],
    /// The same, where the kernel has them as modules: not every kernel does.
    pub modules_if_there: &'static [&'static str],
    /// Modules whose files the image must hold in another form as well, below `/vm/compressed`: each with the suffix
    /// that names the form. `xz`, `gz`, `zst`; `crc64.xz` and `two.xz`, which the kernel does not read; `signed` by a
    /// key that it does not know.
    pub compressed: &'static [(&'static str, &'static str)],
    /// Which tools can pass.
    pub passes: Passes,
    /// The longest it may take.
    pub limit: Duration,
    /// Runs it; an error says what was expected and what was found.
    pub run: fn(&mut World) -> anyhow::Result<()>,
}

/// Which tools can pass a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passes {
    /// The reference and ours.
    Any,
    /// Ours only: the reference has no such option, or fails there.
    OursOnly,
}

/// Scenarios that share a boot.
pub struct Group {
    /// The part of a scenario's full name before the `/`.
    pub name: &'static str,
    /// What is mounted before a scenario begins.
    pub mounts: Mounts,
    /// What is put on the kernel command line for this boot.
    pub kernel_arguments: &'static str,
    /// Processors of the machine.
    pub processors: u8,
    /// More arguments for QEMU: devices that the scenarios need.
    pub devices: &'static [&'static str],
    /// Mebibytes of an empty disk at the virtio bus; none if 0.
    pub disk_mib: u32,
    /// Whether it runs without being asked for by name.
    pub by_default: bool,
    /// The scenarios, in the order in which they run.
    pub scenarios: &'static [Scenario],
}

/// What the system under test finds mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mounts {
    /// `/proc`, `/sys`, `/dev` and `/run`, as after a boot.
    System,
    /// Nothing: the first instant of an initramfs. `/dev` holds the two nodes that the init itself uses.
    Nothing,
}

impl Scenario {
    /// A scenario that the reference passes too, with the usual time limit.
    #[must_use]
    pub const fn new(
        name: &'static str,
        modules: &'static [&'static str],
        run: fn(&mut World) -> anyhow::Result<()>,
    ) -> Self {
        Self {
            name,
            modules,
            modules_if_there: &[],
            compressed: &[],
            passes: Passes::Any,
            limit: Duration::from_secs(90),
            run,
        }
    }

    /// The same scenario, which only our tools can pass.
    #[must_use]
    pub const fn ours_only(self) -> Self {
        Self { passes: Passes::OursOnly, ..self }
    }

    /// The same scenario with more modules in its image, as far as the kernel has them.
    #[must_use]
    pub const fn if_there(self, modules: &'static [&'static str]) -> Self {
        Self { modules_if_there: modules, ..self }
    }

    /// The same scenario with compressed modules in its image.
    #[must_use]
    pub const fn with_compressed(self, compressed: &'static [(&'static str, &'static str)]) -> Self {
        Self { compressed, ..self }
    }

    /// The same scenario with another time limit.
    #[must_use]
    pub const fn within(self, seconds: u64) -> Self {
        Self { limit: Duration::from_secs(seconds), ..self }
    }
}

impl Group {
    /// A group that runs by default on one processor, with everything mounted.
    #[must_use]
    pub const fn new(name: &'static str, scenarios: &'static [Scenario]) -> Self {
        Self {
            name,
            mounts: Mounts::System,
            kernel_arguments: "",
            processors: 1,
            devices: &[],
            disk_mib: 0,
            by_default: true,
            scenarios,
        }
    }

    /// The full name of one of its scenarios.
    #[must_use]
    pub fn full_name(&self, scenario: &Scenario) -> String {
        format!("{}/{}", self.name, scenario.name)
    }
}

/// Every group, in the order in which they are started.
pub const GROUPS: &[Group] = &[
    scenarios::autoload::GROUP,
    scenarios::early::GROUP,
    scenarios::damage::GROUP,
    scenarios::syslog::GROUP,
    scenarios::storm::GROUP,
    scenarios::load::GROUP,
    scenarios::xz::GROUP,
    scenarios::request::GROUP,
    scenarios::autoclean::GROUP,
    scenarios::autoclean::CLASSES,
    scenarios::persist::GROUP,
    scenarios::reasons::GROUP,
    scenarios::reasons::SIGNED,
    scenarios::reasons::LOCKED,
    scenarios::devices::GROUP,
    scenarios::races::GROUP,
    scenarios::demo::GROUP,
    scenarios::hooks::GROUP,
    scenarios::hooks::STORM,
    scenarios::forbid::GROUP,
    scenarios::on_request::GROUP,
    scenarios::restore::GROUP,
];

/// The group of that name.
#[must_use]
pub fn group(name: &str) -> Option<&'static Group> {
    GROUPS.iter().find(|group| group.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn full_names_are_unique_and_plain() {
        let mut seen = BTreeSet::new();
        for group in GROUPS {
            for scenario in group.scenarios {
                let name = group.full_name(scenario);
                assert!(
                    name.chars().all(|letter| letter.is_ascii_lowercase()
                        || letter.is_ascii_digit()
                        || "-/".contains(letter)),
                    "{name}"
                );
                assert!(seen.insert(name.clone()), "{name} is there twice");
            }
        }
    }
}
