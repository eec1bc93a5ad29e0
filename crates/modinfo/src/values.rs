//! The values of parameters: what a loaded module has now, and what the configuration would give it.

use std::cell::OnceCell;

use moddb::config::{Config, ConfigProblem};
use modfile::ModuleName;
use modfile::parameters::{self, Given};
use modkernel::Sysfs;

use crate::places::System;

/// What the running system says of parameters; the configuration is read when it is first asked.
pub(crate) struct Values<'a> {
    system: &'a System,
    sysfs: Sysfs,
    config: OnceCell<(Config, Vec<ConfigProblem>)>,
}

/// The value that the configuration sets for a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Configured {
    /// The value; `None` for a switch that is only named.
    pub value: Option<Vec<u8>>,
    /// The file and line, or the kernel's command line.
    pub origin: String,
}

impl<'a> Values<'a> {
    pub fn new(system: &'a System) -> Self {
        Self { system, sysfs: Sysfs::new(&system.sys_module), config: OnceCell::new() }
    }

    /// What is wrong with the configuration, as far as it was read.
    pub fn problems(&self) -> &[ConfigProblem] {
        self.config.get().map_or(&[], |(_, problems)| problems)
    }

    /// The present value of a parameter; `None` if the module is not loaded, or does not show it.
    pub fn present(&self, module: &ModuleName, parameter: &[u8]) -> Option<Vec<u8>> {
        self.sysfs.parameter(module, parameter).ok().flatten()
    }

    /// What the configuration sets for a module, in the order in which the kernel gets it: of two values of one
    /// parameter the later counts.
    pub fn configured<'v>(&'v self, module: &'v ModuleName) -> Vec<(Given<'v>, String)> {
        let (config, _) = self
            .config
            .get_or_init(|| Config::load(&self.system.modprobe_d, &[], Some(&self.system.command_line)));
        let lines = config.options_of(module.as_bytes(), None);
        lines
            .flat_map(|line| {
                let origin = line.origin.to_string();
                parameters::given(&line.text).map(move |given| (given, origin.clone()))
            })
            .collect()
    }

    /// What counts of it for one parameter.
    pub fn of_parameter(configured: &[(Given<'_>, String)], parameter: &[u8]) -> Option<Configured> {
        let (given, origin) = configured.iter().rev().find(|(given, _)| given.is_named(parameter))?;
        Some(Configured { value: given.value.map(<[u8]>::to_vec), origin: origin.clone() })
    }
}
