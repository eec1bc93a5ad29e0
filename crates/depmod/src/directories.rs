//! The directories of a run, opened before anything in them is looked at, and never again by their paths.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use modcli::{Ended, Exit, Reporter};

use crate::messages;
use crate::moment::Moment;
use crate::output::OutputDirectory;
use crate::paths;
use crate::request::{Destination, Request};
use crate::tree::{OpenError, Tree};

/// The directories of a run.
pub(crate) struct Directories {
    /// The module directory.
    pub(crate) input: Result<Arc<Tree>, OpenError>,
}

impl Directories {
    /// Opens those that modules are read from. Returns also the root of the system that they belong to, and the request
    /// with the directory in which a root directory that was named has them.
    pub(crate) fn open(mut request: Request) -> (Request, Result<Tree, OpenError>, Self) {
        let root = Path::new(paths::ROOT);
        let base = Tree::open(&root.join(&request.base), request.is_contained).map_err(OpenError::from);
        let lacks = |base: &Tree, request: &Request| base.stat(&request.within).is_err();
        if let Ok(base) = &base
            && request.is_contained
            && !request.is_module_dir_named
            && lacks(base, &request)
        {
            let in_usr = request.clone().with_module_dir(paths::MODULE_DIRECTORY_IN_USR);
            if !lacks(base, &in_usr) {
                request = in_usr;
            }
        }
        let input = match &base {
            Ok(base) => base.subtree(&request.within, &request.input).map(Arc::new),
            Err(error) => Err(error.again()),
        };
        (request, base, Self { input })
    }

    /// Opens the directory of the database, which is made if it is another one than that of the modules and files
    /// are to be written. `None` if the run needs none.
    pub(crate) fn output(
        &self,
        request: &Request,
        moment: &Moment,
        reporter: &Reporter,
    ) -> Result<Option<OutputDirectory>, Ended> {
        let makes = match request.destination {
            Destination::Stdout => return Ok(None),
            Destination::Files => true,
            Destination::Comparison | Destination::Removal => false,
        };
        if request.output == request.input {
            return match &self.input {
                Ok(tree) => Ok(Some(OutputDirectory::new(tree))),
                Err(error) => Err(unsearchable(request, moment, error, reporter)),
            };
        }
        match elsewhere(request, makes) {
            Ok(tree) => Ok(Some(OutputDirectory::new(&Arc::new(tree)))),
            Err(error) if makes => {
                reporter.fatal(messages::cannot_create_directory(&request.output, &error.into()))?;
                Err(Ended(Exit::Failure))
            }
            Err(error) => {
                reporter.fatal(messages::cannot_open_directory(&request.output, &error.into()))?;
                Err(Ended(Exit::Failure))
            }
        }
    }

    /// The directory of a database that is to go.
    pub(crate) fn removable(self, request: &Request) -> Result<Arc<Tree>, OpenError> {
        if request.output == request.input { self.input } else { elsewhere(request, false).map(Arc::new) }
    }

    /// The module directory, without which there is nothing to search.
    pub(crate) fn searchable(
        &self,
        request: &Request,
        moment: &Moment,
        reporter: &Reporter,
    ) -> Result<&Arc<Tree>, Ended> {
        self.input.as_ref().map_err(|error| unsearchable(request, moment, error, reporter))
    }
}

/// The directory of a database that does not lie beside the modules. The caller named the first part of its path.
fn elsewhere(request: &Request, makes: bool) -> Result<Tree, OpenError> {
    let root = Tree::open(Path::new(paths::ROOT), false)?;
    let relative = request.output_base.strip_prefix(paths::ROOT).unwrap_or(&request.output_base);
    if makes {
        root.make_subtree(relative, &request.output_base)?.make_subtree(&request.within, &request.output)
    } else {
        root.subtree(relative, &request.output_base)?.subtree(&request.within, &request.output)
    }
}

/// The module directory cannot be read. If none was named, the message lists the kernels that there are.
fn unsearchable(request: &Request, moment: &Moment, error: &OpenError, reporter: &Reporter) -> Ended {
    let error = io::Error::from(error.again());
    reporter.error(messages::cannot_open_directory(&request.input, &error));
    let _ = reporter.fatal(messages::cannot_search(&error));
    let is_missing = error.kind() == io::ErrorKind::NotFound;
    if let Some(parent) = request.input.parent().filter(|_| is_missing && !moment.was_said) {
        reporter.sink().hint(&messages::installed_releases(parent, &releases_in(parent)));
    }
    Ended(Exit::Failure)
}

/// Names of the directories in one, sorted.
fn releases_in(directory: &Path) -> Vec<Vec<u8>> {
    let mut releases: Vec<Vec<u8>> = std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().as_bytes().to_vec())
        .collect();
    releases.sort();
    releases
}
