//! A module as C holds it: a name, and what is found out about it when it is asked.

use std::collections::BTreeSet;
use std::ffi::{CStr, CString, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::rc::Rc;

use moddb::config::CommandRule;
use moddb::depend::Dependency;
use moddb::{FoundIn, ModuleEntry};
use modfile::ModuleName;
use rustix::io::Errno;

use crate::boundary::text;
use crate::context::absolute;
use crate::log::{ERROR, strerror};
use crate::objects::{Context, Module, PATH_MAX};

impl Module {
    /// The module of a name as a caller writes it.
    ///
    /// # Errors
    /// Never for names: longer ones are cut.
    pub(crate) fn of_name(context: &Rc<Context>, name: &[u8]) -> Result<Rc<Self>, Errno> {
        let name = name.get(..PATH_MAX - 1).unwrap_or(name);
        Self::new(context, ModuleName::new(name), None)
    }

    /// The module in the file at a path.
    ///
    /// # Errors
    /// There is nothing at the path, it names no file, or the module is known from another path.
    pub(crate) fn of_path(context: &Rc<Context>, path: &[u8], function: &CStr) -> Result<Rc<Self>, Errno> {
        let path = absolute(path)?;
        rustix::fs::stat(&path)?;
        Self::at(context, text(path.as_bytes()), function)
    }

    /// The module of the file at an absolute path. Nobody looks whether it is there.
    ///
    /// # Errors
    /// The path names no file, or the module is known from another path.
    fn at(context: &Rc<Context>, path: CString, function: &CStr) -> Result<Rc<Self>, Errno> {
        let name = path.to_bytes().rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        if name.is_empty() {
            return Err(Errno::NOENT);
        }
        let module = Self::of_name(context, name)?;
        let known = module.path.get_or_init(|| path.clone());
        if *known != path {
            context.log.say(ERROR, function, || {
                let (new, old) = (path.to_string_lossy(), known.to_string_lossy());
                format!(
                    "kmod_module '{}' already exists with different path: new-path='{new}' old-path='{old}'",
                    module.name
                )
            });
            return Err(Errno::EXIST);
        }
        module.is_builtin.set(Some(false));
        module.is_given.set(true);
        Ok(module)
    }

    /// The module of an answer of the database.
    ///
    /// # Errors
    /// Name and alias are too long together.
    pub(crate) fn of_entry(
        context: &Rc<Context>,
        entry: &ModuleEntry,
        function: &CStr,
    ) -> Result<Rc<Self>, Errno> {
        let module = Self::new(context, entry.name.clone(), entry.alias.as_deref())?;
        if let Some(path) = &entry.path {
            // What is wrong with them is said again to who asks for them.
            let _ = module.learn(path, &entry.dependencies, function);
        }
        if entry.is_builtin() {
            module.is_builtin.set(Some(true));
        }
        if let Some(command) = &entry.command {
            module.command.get_or_init(|| command.clone());
        }
        Ok(module)
    }

    /// Where its file is. A path that is known already stays.
    pub(crate) fn know_path(&self, path: &Path) {
        self.path.get_or_init(|| text(path.as_os_str().as_bytes()));
    }

    /// Takes what a line of the index says. Whether the files are there is looked up when the dependencies are asked
    /// for: few who ask for a module do.
    ///
    /// # Errors
    /// One of the modules is known from another path, or needs this one; then none of them counts.
    fn learn(&self, path: &Path, dependencies: &[Dependency], function: &CStr) -> Result<(), Errno> {
        self.know_path(path);
        if self.dependencies.get().is_some() {
            return Ok(());
        }
        // compat: the last one to be loaded is the first one that is looked at (tests/libkmod-c/c/each.c).
        let mut modules = Vec::with_capacity(dependencies.len());
        for Dependency { path, .. } in dependencies.iter().rev() {
            let path = text(path.as_os_str().as_bytes());
            let module = Self::at(&self.context, path.clone(), function);
            // Modules that held each other would never end; no depmod writes such lines.
            let module =
                module.and_then(|found| if found.leads_to(self) { Err(Errno::LOOP) } else { Ok(found) });
            modules.push(module.inspect_err(|&errno| self.complain(&path, errno, function))?);
        }
        modules.reverse();
        self.dependencies.get_or_init(|| modules);
        Ok(())
    }

    /// Whether a module is this one, or among what this one is known to need.
    fn leads_to(&self, module: &Self) -> bool {
        let (mut seen, mut next) = (BTreeSet::new(), vec![self]);
        while let Some(present) = next.pop() {
            if ptr::eq(present, module) {
                return true;
            }
            if seen.insert(ptr::from_ref(present)) {
                next.extend(present.dependencies.get().into_iter().flatten().map(Rc::as_ref));
            }
        }
        false
    }

    /// Says that a dependency cannot be used.
    fn complain(&self, path: &CStr, errno: Errno, function: &CStr) {
        self.context.log.say(ERROR, function, || {
            let context = Rc::as_ptr(&self.context);
            format!("ctx={context:p} path={} error={}", path.to_string_lossy(), strerror(errno))
        });
    }

    /// Looks whether the files of the dependencies are there, until they are.
    fn find_dependencies(&self, function: &CStr) -> Result<(), Errno> {
        if self.dependencies_are_there.get() {
            return Ok(());
        }
        for path in self.dependencies.get().into_iter().flatten().rev().filter_map(|module| module.path.get())
        {
            rustix::fs::stat(path.as_c_str()).inspect_err(|&errno| self.complain(path, errno, function))?;
        }
        self.dependencies_are_there.set(true);
        Ok(())
    }

    /// Asks the index where the module is and what it needs.
    ///
    /// # Errors
    /// As [`Module::learn`].
    fn look_up(&self, function: &CStr) -> Result<(), Errno> {
        match self.context.ask(function, |db| db.installed(&self.name)) {
            Some(line) => self.learn(&line.path, &line.dependencies, function),
            None => Ok(()),
        }
    }

    pub(crate) fn c_name(&self) -> &CStr {
        &self.c_name
    }

    /// Its file, if it has one that is known. Nobody has looked whether it is there.
    pub(crate) fn path(&self, function: &CStr) -> Option<&CStr> {
        if self.path.get().is_none() {
            let _ = self.look_up(function);
        }
        self.path.get().map(CString::as_c_str)
    }

    /// Its file as a path.
    pub(crate) fn file(&self, function: &CStr) -> Option<&Path> {
        self.path(function).map(|path| Path::new(OsStr::from_bytes(path.to_bytes())))
    }

    /// All that it needs, in the order of loading.
    ///
    /// # Errors
    /// One of the files is not there, or its module is known from another path. It is tried again the next time.
    pub(crate) fn dependencies(&self, function: &CStr) -> Result<&[Rc<Self>], Errno> {
        if self.dependencies.get().is_none() {
            self.look_up(function)?;
        }
        self.find_dependencies(function)?;
        Ok(self.dependencies.get().map(Vec::as_slice).unwrap_or_default())
    }

    /// Whether it is part of the kernel itself.
    pub(crate) fn is_builtin(&self, function: &CStr) -> bool {
        self.is_builtin.get().unwrap_or_else(|| {
            let answer = self.context.ask(function, |db| db.is_builtin(&self.name));
            self.is_builtin.set(Some(answer));
            answer
        })
    }

    /// Its parameters by the configuration.
    pub(crate) fn options(&self) -> Option<&CStr> {
        let options = self.options.get_or_init(|| {
            let options = self.context.config().options_for(self.name.as_bytes(), self.alias.as_deref());
            (!options.is_empty()).then(|| text(&options))
        });
        options.as_deref()
    }

    /// The command that stands for loading it; NULL if none does. It lives as long as the context.
    pub(crate) fn install_command(&self) -> *const c_char {
        let config = self.context.config();
        self.command_among(&config.installs, config.install_command(self.name.as_bytes()))
    }

    /// The command that stands for unloading it.
    pub(crate) fn remove_command(&self) -> *const c_char {
        let config = self.context.config();
        self.command_among(&config.removes, config.remove_command(self.name.as_bytes()))
    }

    /// The command through which the module was found, if it is one of these, else the one that matches its name.
    fn command_among(&self, commands: &[CommandRule], matching: Option<&CommandRule>) -> *const c_char {
        let own = self.command.get().filter(|command| commands.contains(command));
        own.or(matching).map_or(ptr::null(), |command| self.context.keep(&command.line))
    }

    /// What the database would say of it, for a plan.
    pub(crate) fn as_entry(&self, function: &CStr) -> ModuleEntry {
        // compat: if one of them cannot be used, all are left out (tests/libkmod-c/c/each.c).
        let dependencies = self.dependencies(function).unwrap_or_default();
        let dependency = |module: &Rc<Self>| {
            Some(Dependency { name: module.name.clone(), path: module.file(function)?.to_owned() })
        };
        ModuleEntry {
            name: self.name.clone(),
            path: self.file(function).map(Path::to_owned),
            dependencies: dependencies.iter().filter_map(dependency).collect(),
            alias: self.alias.as_deref().map(<[u8]>::to_vec),
            found_in: match self.is_given.get() {
                true => FoundIn::Path,
                false if self.is_builtin(function) => FoundIn::Builtin,
                false => FoundIn::Modules,
            },
            command: self.command.get().cloned(),
        }
    }
}
