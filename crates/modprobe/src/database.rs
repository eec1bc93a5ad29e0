//! Opens the module database with the configuration of a place.

use std::path::{Path, PathBuf};

use moddb::ModuleDb;
use moddb::config::{Config, ConfigProblem};
use moddb::paths::{self, ModuleDir};

/// The database in a module directory together with the system's configuration, or with that of these files and
/// directories instead; and what was wrong with the configuration.
pub(crate) fn open(
    directory: ModuleDir,
    config: &[PathBuf],
    kernel_command_line: &Path,
) -> (ModuleDb, Vec<ConfigProblem>) {
    let system = if config.is_empty() { paths::modprobe_d() } else { Vec::new() };
    let places = if config.is_empty() { &system } else { config };
    let (config, problems) = Config::load(places, &directory.configuration(), Some(kernel_command_line));
    (ModuleDb::new(directory, config), problems)
}
