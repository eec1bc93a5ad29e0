//! What modutils.d says, read when it is first asked for.

use std::cell::OnceCell;
use std::path::Path;

use moddb::config::files;
use modfile::regular::{self, NotTrusted, RegularError};
use modstate::Places;
use modstate::config::ModutilsConfig;
use modstate::modules_conf;
use rustix::fs::FileType;
use rustix::io::Errno;

use crate::observer::{Distrust, Event, ModutilsProblem, Observer};

/// The longest `/etc/modules.conf` that is read, in bytes.
const LONGEST_MODULES_CONF: usize = 1 << 20;

/// The configuration of what the suite remembers.
#[derive(Debug)]
pub struct Modutils<'a> {
    places: &'a Places,
    config: OnceCell<ModutilsConfig>,
}

impl<'a> Modutils<'a> {
    /// What the files of this system say.
    #[must_use]
    pub fn new(places: &'a Places) -> Self {
        Self { places, config: OnceCell::new() }
    }

    /// What the files say. What is wrong with them is reported to the observer the first time.
    pub fn config(&self, observer: &dyn Observer) -> &ModutilsConfig {
        self.config.get_or_init(|| self.read(observer))
    }

    fn read(&self, observer: &dyn Observer) -> ModutilsConfig {
        let mut config = ModutilsConfig::default();
        let directories = &self.places.modutils_d;
        let mut problems = files::parse_all(directories, &[], ModutilsProblem::File, |file, text| {
            let line = |problem| ModutilsProblem::Line { file: file.to_owned(), problem };
            let mut problems: Vec<_> = config.add(file, text).into_iter().map(line).collect();
            if config.scripts().has_any_of(file)
                && let Err(reason) = self.may_give_commands(file)
            {
                config.scripts_mut().distrust(file);
                problems.push(ModutilsProblem::Distrusted { file: file.to_owned(), reason });
            }
            problems
        });
        if config.scripts().reads_modules_conf() {
            problems.extend(self.read_modules_conf(&mut config));
        }
        for problem in &problems {
            observer.event(&Event::Modutils(problem));
        }
        config
    }

    fn read_modules_conf(&self, config: &mut ModutilsConfig) -> Vec<ModutilsProblem> {
        let file = &self.places.modules_conf;
        let text = match regular::read(file, LONGEST_MODULES_CONF) {
            Ok(text) => text,
            Err(error) if error.is_missing() => return Vec::new(),
            Err(error) => return vec![ModutilsProblem::OldFile { file: file.clone(), error }],
        };
        let old = |line| ModutilsProblem::OldLine { file: file.clone(), line };
        let mut problems: Vec<_> =
            modules_conf::add(config.scripts_mut(), file, &text).into_iter().map(old).collect();
        if config.scripts().has_any_of(file)
            && let Err(reason) = self.may_give_commands(file)
        {
            config.scripts_mut().distrust(file);
            problems.push(ModutilsProblem::Distrusted { file: file.clone(), reason });
        }
        problems
    }

    /// Whether nobody but root can have written a file, or put it where it is: it gives commands to root. By the file
    /// itself, its directory and the one above. A link may lead to where others can exchange what it leads to.
    fn may_give_commands(&self, file: &Path) -> Result<(), Distrust> {
        for (path, kind) in [
            (Some(file), FileType::RegularFile),
            (file.parent(), FileType::Directory),
            (file.parent().and_then(Path::parent), FileType::Directory),
        ] {
            let Some(path) = path else { continue };
            let distrust = |reason: RegularError| Distrust { path: path.to_owned(), reason };
            let stat = rustix::fs::lstat(path).map_err(|errno: Errno| distrust(errno.into()))?;
            let found = FileType::from_raw_mode(stat.st_mode);
            if found != kind {
                return Err(distrust(RegularError::NotRegular(found)));
            }
            regular::check_trust(&stat, self.places.owner)
                .map_err(|reason: NotTrusted| distrust(reason.into()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use modstate::scripts::Moment;

    use super::*;

    #[derive(Default)]
    struct Heard(RefCell<Vec<String>>);

    impl Observer for Heard {
        fn event(&self, event: &Event<'_>) {
            if let Event::Modutils(problem) = event {
                self.0.borrow_mut().push(match problem {
                    ModutilsProblem::Distrusted { file, reason } => {
                        let name = |path: &Path| path.file_name().unwrap().display().to_string();
                        format!("{}: {}: {}", name(file), name(&reason.path), reason.reason)
                    }
                    ModutilsProblem::OldLine { line, .. } => line.to_string(),
                    other => format!("{other:?}"),
                });
            }
        }
    }

    /// The commands before a module is loaded, and what was said.
    fn commands(places: &Places) -> (Vec<String>, Vec<String>) {
        let heard = Heard::default();
        let modutils = Modutils::new(places);
        let module = "m".into();
        let scripts = modutils.config(&heard).scripts();
        let found = scripts.around(Moment::PreInstall, &module);
        let found = found.map(|script| String::from_utf8(script.command.clone()).unwrap()).collect();
        (found, heard.0.into_inner())
    }

    fn world() -> (tempfile::TempDir, Places) {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("etc/modutils.d");
        fs::create_dir_all(&directory).unwrap();
        for directory in [root.path().join("etc"), directory.clone()] {
            fs::set_permissions(directory, Permissions::from_mode(0o755)).unwrap();
        }
        fs::write(directory.join("a.conf"), "pre-install m a\nforbid x\n").unwrap();
        fs::set_permissions(directory.join("a.conf"), Permissions::from_mode(0o644)).unwrap();
        let places = Places::below(root.path(), rustix::process::geteuid().as_raw());
        (root, places)
    }

    #[test]
    fn commands_count_only_where_nobody_else_can_write() {
        for (path, mode) in [
            ("etc/modutils.d/a.conf", 0o664),
            ("etc/modutils.d/a.conf", 0o646),
            ("etc/modutils.d", 0o775),
            ("etc/modutils.d", 0o1777),
            ("etc", 0o757),
        ] {
            let (root, places) = world();
            assert_eq!(commands(&places), (vec!["a".into()], vec![]));
            fs::set_permissions(root.path().join(path), Permissions::from_mode(mode)).unwrap();
            let (found, said) = commands(&places);
            assert_eq!(found, [""; 0], "{path}");
            let name = path.rsplit('/').next().unwrap();
            let expected = format!("a.conf: {name}: others than its owner may write to it (mode {mode:04o})");
            assert_eq!(said, [expected]);
        }
    }

    #[test]
    fn commands_of_somebody_elses_file_do_not_count_but_what_it_forbids_does() {
        let (_root, mut places) = world();
        places.owner += 1;
        assert_eq!(commands(&places).0, [""; 0]);
        assert!(Modutils::new(&places).config(&crate::Silent).rules().forbidden(&"x".into()).is_some());
    }

    #[test]
    fn commands_behind_a_link_do_not_count() {
        let (root, places) = world();
        let directory = root.path().join("etc/modutils.d");
        fs::rename(directory.join("a.conf"), root.path().join("elsewhere")).unwrap();
        symlink("../../elsewhere", directory.join("a.conf")).unwrap();
        let (found, said) = commands(&places);
        assert_eq!((found.len(), said.len()), (0, 1), "{said:?}");
        fs::remove_file(directory.join("a.conf")).unwrap();
        fs::rename(root.path().join("elsewhere"), directory.join("a.conf")).unwrap();
        fs::rename(&directory, root.path().join("real")).unwrap();
        symlink("../real", &directory).unwrap();
        assert_eq!(commands(&places).0, [""; 0]);
    }

    #[test]
    fn the_old_file_counts_only_where_a_line_says_so() {
        let (root, places) = world();
        let old = root.path().join("etc/modules.conf");
        fs::write(&old, "pre-install m old # why\nalias a b\n").unwrap();
        fs::set_permissions(&old, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(commands(&places), (vec!["a".into()], vec![]));
        fs::write(root.path().join("etc/modutils.d/b.conf"), "legacy-modules-conf yes\n").unwrap();
        let (found, said) = commands(&places);
        assert_eq!(found, ["a", "old"]);
        assert_eq!(said, ["line 2 does not count: modprobe.d(5) is the place for it"]);
        fs::set_permissions(&old, Permissions::from_mode(0o666)).unwrap();
        assert_eq!(commands(&places).0, ["a"]);
    }
}
