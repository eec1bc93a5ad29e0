//! The modules of a run that is about the files of its command line alone.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use modcli::{Ended, Exit, Reporter};
use moddb::build::order::Located;
use modfile::ModuleName;
use rustix::io::Errno;

use crate::messages;
use crate::request::Request;
use crate::scan::FoundModule;
use crate::source::ModuleSource;

/// The files of the command line, one of each name.
pub(crate) fn named(
    request: &Request,
    files: &[PathBuf],
    reporter: &Reporter,
) -> Result<Vec<FoundModule>, Ended> {
    let mut files_by_name = HashMap::new();
    let mut found = Vec::new();
    for (number, file) in files.iter().enumerate() {
        if let Err(error) = std::fs::metadata(file) {
            reporter.fatal(messages::cannot_create_module(file, &error))?;
            return Err(Ended(Exit::Failure));
        }
        let name = ModuleName::of_path(file.as_os_str().as_bytes());
        if let Some(older) = files_by_name.insert(name.clone(), file) {
            if older == file {
                reporter.error(messages::duplicate_file(&name));
                reporter.fatal(messages::cannot_add_module(file))?;
            } else {
                reporter.error(messages::two_files(&name, file, older));
                reporter.fatal(messages::cannot_create_module(file, &Errno::EXIST.into()))?;
            }
            return Err(Ended(Exit::Failure));
        }
        let recorded = file.strip_prefix(&request.input).unwrap_or(file).as_os_str().as_bytes().to_vec();
        let source = ModuleSource::named(file);
        found.push(FoundModule { located: Located { name, path: recorded }, source, number });
    }
    Ok(found)
}
