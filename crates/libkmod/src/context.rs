//! A context: the database of one kernel, the configuration as it was when the context was made, and the modules
//! that callers hold.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::rc::Rc;

use moddb::ModuleDb;
use moddb::config::{Config, ConfigProblem};
use moddb::paths::{self, ModuleDir};
use modkernel::Native;
use rustix::io::Errno;

use crate::boundary::text;
use crate::log::{self, INFO, Log, strerror};
use crate::objects::Context;
use crate::stamps::Stamp;

impl Context {
    /// The context of a module directory, by default the running kernel's, and of these files or directories of
    /// configuration instead of the system's.
    ///
    /// # Errors
    /// The directory is relative and nobody knows to what.
    pub(crate) fn new(dirname: Option<&CStr>, config: Option<Vec<PathBuf>>) -> Result<Rc<Self>, Errno> {
        let log = Log::new(log::priority_of_environment().unwrap_or(log::ERROR));
        let dirname = match dirname {
            None => running_kernel().into_os_string(),
            Some(name) => absolute(name.to_bytes())?,
        };
        let directory = ModuleDir::at(PathBuf::from(&dirname));
        let config_paths = config.unwrap_or_else(paths::modprobe_d);
        let command_line = PathBuf::from(paths::KERNEL_COMMAND_LINE);
        let config_stamps = config_paths.iter().filter_map(|path| Stamp::of(path)).collect();
        let (config, problems) = Config::load(&config_paths, &directory.configuration(), Some(&command_line));
        for problem in &problems {
            log.say(log::priority_of(problem.severity()), c"kmod_new", || wording(problem));
        }
        let context = Rc::new(Self {
            log,
            dirname: text(dirname.as_bytes()),
            db: ModuleDb::new(directory, config),
            kernel: Native::of_system(),
            config_stamps,
            loaded: RefCell::default(),
            userdata: Cell::new(std::ptr::null()),
            pool: RefCell::default(),
            buffers: RefCell::default(),
            strings: RefCell::default(),
        });
        context.log.say(INFO, c"kmod_new", || format!("ctx {:p} created", Rc::as_ptr(&context)));
        Ok(context)
    }
}

fn running_kernel() -> PathBuf {
    let name = rustix::system::uname();
    let release = OsStr::from_bytes(name.release().to_bytes());
    ModuleDir::new(&PathBuf::new(), release).path().to_owned()
}

/// A path as text behind the current directory, unless it is absolute.
///
/// # Errors
/// The current directory is not known.
pub(crate) fn absolute(path: &[u8]) -> Result<OsString, Errno> {
    if path.starts_with(b"/") {
        return Ok(OsString::from_vec(path.to_vec()));
    }
    let mut absolute = std::env::current_dir()
        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::NOENT))?
        .into_os_string();
    absolute.push("/");
    absolute.push(OsStr::from_bytes(path));
    Ok(absolute)
}

fn wording(problem: &ConfigProblem) -> String {
    let sentence = String::from_utf8_lossy(&problem.sentence()).into_owned();
    problem.reason().map_or(sentence.clone(), |errno| format!("{sentence}: {}", strerror(errno)))
}
