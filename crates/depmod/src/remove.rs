//! `depmod --remove RELEASE`: takes away what depmod made for a kernel, so that its directory can go.

use modcli::{Exit, Session};
use moddb::build::outputs;

use crate::cache;
use crate::directories::Directories;
use crate::messages;
use crate::output::OutputDirectory;
use crate::request::Request;
use crate::running::{PATIENCE, Running};

/// Removes the files of a database, what killed runs left beside them, and the cache. Missing files are not an error.
pub(crate) fn run(session: &Session, request: Request) -> anyhow::Result<Exit> {
    let reporter = &session.reporter;
    let mut failed = false;
    let (request, _, directories) = Directories::open(request);
    match directories.removable(&request) {
        Ok(tree) => {
            let directory = OutputDirectory::new(&tree);
            let running = Running::begin(&tree, reporter, PATIENCE);
            let names = outputs::recipes().map(|recipe| recipe.name);
            for (file, error) in directory.remove(names, running.is_ok_and(|running| running.is_held())) {
                reporter.error(messages::cannot_remove(&file, &error));
                failed = true;
            }
        }
        Err(error) if error.is_nothing() => {}
        Err(error) => {
            reporter.error(messages::cannot_open_directory(&request.output, &error.into()));
            failed = true;
        }
    }
    if let Err(error) = cache::remove(&request.cache) {
        reporter.error(messages::cannot_remove_cache(&request.cache, &error));
        failed = true;
    }
    Ok(Exit::failed_if(failed))
}
