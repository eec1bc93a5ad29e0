//! What modutils.d says, read when it is first asked for.

use std::cell::OnceCell;
use std::path::PathBuf;

use moddb::config::files;
use modstate::config::ModutilsConfig;

use crate::observer::{Event, ModutilsProblem, Observer};

/// The configuration of what the suite remembers.
#[derive(Debug)]
pub struct Modutils<'a> {
    directories: &'a [PathBuf],
    config: OnceCell<ModutilsConfig>,
}

impl<'a> Modutils<'a> {
    /// What the files of these directories say, first ones first.
    #[must_use]
    pub fn new(directories: &'a [PathBuf]) -> Self {
        Self { directories, config: OnceCell::new() }
    }

    /// What the files say. What is wrong with them is reported to the observer the first time.
    pub fn config(&self, observer: &dyn Observer) -> &ModutilsConfig {
        self.config.get_or_init(|| self.read(observer))
    }

    fn read(&self, observer: &dyn Observer) -> ModutilsConfig {
        let mut config = ModutilsConfig::default();
        let problems = files::parse_all(self.directories, &[], ModutilsProblem::File, |file, text| {
            let line = |problem| ModutilsProblem::Line { file: file.to_owned(), problem };
            config.add(file, text).into_iter().map(line).collect()
        });
        for problem in &problems {
            observer.event(&Event::Modutils(problem));
        }
        config
    }
}
