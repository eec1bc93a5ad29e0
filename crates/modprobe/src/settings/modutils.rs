//! What modutils.d says, read when it is first asked for.

use std::cell::OnceCell;
use std::path::PathBuf;

use modcli::Reporter;
use moddb::config::files;
use moddb::paths;
use modstate::config::Config;

use crate::messages;

/// The configuration of what the suite remembers.
#[derive(Debug, Default)]
pub struct Modutils {
    /// `None` for the system's.
    directories: Option<Vec<PathBuf>>,
    config: OnceCell<Config>,
}

impl Modutils {
    /// What the files of these directories say, first ones first.
    #[must_use]
    pub fn of(directories: Vec<PathBuf>) -> Self {
        Self { directories: Some(directories), config: OnceCell::new() }
    }

    /// What the files say. What is wrong with them is told the first time, and the rest counts.
    pub fn config(&self, reporter: &Reporter) -> &Config {
        self.config.get_or_init(|| match &self.directories {
            Some(directories) => read(directories, reporter),
            None => read(&paths::modutils_d(), reporter),
        })
    }
}

fn read(directories: &[PathBuf], reporter: &Reporter) -> Config {
    let mut config = Config::default();
    let problems = files::parse_all(
        directories,
        &[],
        |problem| problem.to_string().into_bytes(),
        |file, text| config.add(text).iter().map(|problem| messages::modutils(file, problem)).collect(),
    );
    for problem in problems {
        reporter.error(problem);
    }
    config
}
