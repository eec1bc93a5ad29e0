//! The order of a pass: look at all, note what was found, unload, look again at what may have become idle.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;

use modcli::{Exit, Session};
use moddb::ModuleDb;
use moddb::config::Config as ModprobeConfig;
use modfile::ModuleName;
use modhint::aliases;
use modhint::evidence::{self, Kind, Sources, Subject};
use modkernel::{KernelOps, ModuleState, RemoveFlags};
use modstate::config::Config;
use modstate::marks::{Mark, Marks};
use modstate::memory::Entry;
use modstate::{BootId, BootTime, Identity, Memory, Record};
use rustix::io::Errno;

use super::policy::{self, Reason, Standing, Verdict};
use super::report::{Fate, Line};
use super::wanted::Wishes;
use super::{classes, loaded};
use crate::places::Places;
use crate::request::{Autoclean, Mode, Settings};
use crate::{messages, settings};

/// What a pass has in hand.
pub(crate) struct Pass<'a> {
    pub session: &'a Session,
    pub places: &'a Places,
    pub request: &'a Autoclean,
    pub config: &'a Config,
    pub memory: &'a Memory,
    /// The kinds of evidence that count.
    pub evidence: &'a [Kind],
    pub boot: BootId,
    /// When the pass began.
    pub now: BootTime,
    /// Where the modules' files are.
    pub db: ModuleDb,
}

/// A module that was loaded on demand and is still that load.
struct Recorded {
    module: ModuleName,
    record: Record,
    fate: Fate,
}

/// How a removal ended.
enum Removal {
    Done,
    /// Somebody uses it, or it went by itself.
    NotNow,
    /// It is told; the pass fails.
    Failed,
}

impl Pass<'_> {
    /// Runs the pass; gives what became of each module, and the status.
    pub fn run(
        &mut self,
        records: Vec<Entry<Record>>,
        loaded: BTreeMap<ModuleName, Standing>,
        kernel: &mut dyn KernelOps,
    ) -> (Vec<Line>, Exit) {
        let before = self.memory.marks();
        let mut marks = before.clone();
        let mut found = self.living(records);
        marks.retain(|module| found.iter().any(|recorded| recorded.module == *module));
        found.retain(|recorded| {
            self.request.names.is_empty() || self.request.names.contains(&recorded.module)
        });
        let wishes = Wishes::new(self.places, self.config, self.memory);
        let sources = Sources::new(&self.places.shared.sys, &self.places.shared.proc);
        for recorded in &mut found {
            let standing = loaded.get(&recorded.module);
            let verdict = self.judge(recorded, standing, &wishes, &sources, &mut marks);
            recorded.fate = Fate::Found(verdict);
        }
        if self.request.mode == Mode::Dry {
            return (lines(found), Exit::Success);
        }
        // Before anything is removed, so that signs of use hold even if this process is killed.
        self.note(&before, &marks);
        let noted = marks.clone();
        let exit = self.remove_all(&mut found, &mut marks, kernel);
        self.note(&noted, &marks);
        (lines(found), exit)
    }

    /// The records of loads that still are; the others are forgotten.
    fn living(&self, records: Vec<Entry<Record>>) -> Vec<Recorded> {
        let mut living = Vec::new();
        for (module, record) in records {
            let present = Identity::of_loaded(&self.places.sys_module(), &module, &self.boot);
            match (record, present) {
                (Ok(record), Ok(Some(present))) if record.identity == present => {
                    let fate = Fate::Found(Verdict::Stays(Reason::NotLive));
                    living.push(Recorded { module, record, fate });
                }
                (_, Err(_)) => {}
                (_, Ok(_)) if self.request.mode == Mode::Real => {
                    // One that stays is looked at again next time.
                    let _ = self.memory.forget_record(&module);
                }
                (_, Ok(_)) => {}
            }
        }
        living
    }

    /// What becomes of a module, and what is noted of it.
    fn judge(
        &self,
        recorded: &Recorded,
        standing: Option<&Standing>,
        wishes: &Wishes<'_>,
        sources: &Sources,
        marks: &mut Marks,
    ) -> Verdict {
        let Recorded { module, record, .. } = recorded;
        let identity = &record.identity;
        let mark = marks.of(module, identity).cloned();
        let verdict = match self.candidate(recorded, standing, wishes, mark.as_ref()) {
            Err(reason) => Verdict::Stays(reason),
            Ok(subject) => match evidence::first(self.evidence, sources, &subject) {
                Some(sign) => Verdict::Stays(Reason::Sign(sign)),
                None => {
                    let since = match &mark {
                        Some(Mark::Idle { since, .. }) => Some(*since),
                        _ => None,
                    };
                    let verdict = policy::idle(since, self.now, self.interval());
                    if verdict == Verdict::Mark {
                        let aliases = subject.aliases.iter().filter(|alias| !alias.is_empty()).cloned();
                        let mark = Mark::Idle { since: self.now, aliases: aliases.collect() };
                        marks.set(module, identity, mark);
                    }
                    verdict
                }
            },
        };
        match &verdict {
            Verdict::Stays(Reason::Untrusted(alias)) => {
                marks.set(module, identity, Mark::Alias(alias.clone()));
            }
            Verdict::Stays(_) => marks.clear(module),
            Verdict::Mark | Verdict::Waits { .. } | Verdict::Goes { .. } => {}
        }
        verdict
    }

    /// Milliseconds.
    fn interval(&self) -> u64 {
        self.config.interval().saturating_mul(1000)
    }

    /// Whether the module's use count is 0 and says something; cheap questions first.
    fn candidate(
        &self,
        recorded: &Recorded,
        standing: Option<&Standing>,
        wishes: &Wishes<'_>,
        mark: Option<&Mark>,
    ) -> Result<Subject, Reason> {
        let Recorded { module, record, .. } = recorded;
        let Some(standing) = standing else { return Err(Reason::NotLive) };
        if let Some(reason) = policy::stays(standing) {
            return Err(reason);
        }
        let untrusted = |alias: &[u8]| Reason::Untrusted(alias.to_vec());
        if let Some(request) = classes::untrusted(&record.request, &[], self.config) {
            return Err(untrusted(request));
        }
        if let Some(Mark::Alias(alias)) = mark
            && !self.config.trusts(&modfile::name::normalize_alias(alias).unwrap_or_default())
        {
            // Found in the file by an earlier pass.
            return Err(untrusted(alias));
        }
        if let Some(wanted) = wishes.of(module, &record.identity) {
            return Err(Reason::Wanted(wanted));
        }
        let aliases = match mark {
            // Before it goes the file is read again.
            Some(Mark::Idle { aliases, .. }) => aliases.clone(),
            _ => {
                let told = aliases::of_loaded(&self.places.sys_module(), &self.db, module);
                [told.ok_or(Reason::UnknownAliases)?, vec![record.request.clone()]].concat()
            }
        };
        if let Some(alias) = classes::untrusted(&record.request, &aliases, self.config) {
            return Err(untrusted(alias));
        }
        Ok(Subject { name: module.clone(), aliases })
    }

    fn note(&self, old: &Marks, new: &Marks) {
        if old != new
            && let Err(error) = self.memory.write_marks(new)
        {
            self.session.reporter.error(messages::cannot_work_in(&self.places.shared.run, &error));
        }
    }

    /// Unloads what is to go, each after another look at it, and marks what becomes idle thereby.
    fn remove_all(&self, found: &mut [Recorded], marks: &mut Marks, kernel: &mut dyn KernelOps) -> Exit {
        let mut commands = None;
        let mut failed = false;
        let mut removed = false;
        for recorded in found.iter_mut() {
            let Fate::Found(Verdict::Goes { .. }) = recorded.fate else { continue };
            if let Some(reason) = self.changed_its_mind(recorded, kernel) {
                recorded.fate = Fate::Found(Verdict::Stays(reason));
                marks.clear(&recorded.module);
                continue;
            }
            let commands = commands.get_or_insert_with(|| self.commands());
            match self.remove(recorded, commands, kernel) {
                Removal::Done => {
                    removed = true;
                    recorded.fate = Fate::Removed;
                    // One that stays is that of a load that is no more.
                    let _ = self.memory.forget_record(&recorded.module);
                }
                Removal::NotNow => recorded.fate = Fate::Found(Verdict::Stays(Reason::CameIntoUse)),
                Removal::Failed => {
                    failed = true;
                    recorded.fate = Fate::Failed;
                }
            }
            marks.clear(&recorded.module);
        }
        if removed {
            self.look_again(found, marks);
        }
        Exit::failed_if(failed)
    }

    /// Looks at everything again, asking the kernel about this module alone; the reason why it stays after all.
    fn changed_its_mind(&self, recorded: &Recorded, kernel: &dyn KernelOps) -> Option<Reason> {
        let Recorded { module, record, .. } = recorded;
        match Identity::of_loaded(&self.places.sys_module(), module, &self.boot) {
            Ok(Some(present)) if present == record.identity => {}
            _ => return Some(Reason::NotLive),
        }
        let standing = Standing {
            state: kernel.state(module).unwrap_or(ModuleState::Going),
            use_count: kernel.use_count(module).ok().flatten(),
            holders: match kernel.holders(module) {
                Ok(holders) => holders,
                Err(_) => return Some(Reason::NotCounted),
            },
            permanent: false,
            wanted: None,
        };
        let wishes = Wishes::new(self.places, self.config, self.memory);
        match self.candidate(recorded, Some(&standing), &wishes, None) {
            Err(reason) => Some(reason),
            Ok(subject) => {
                let sources = Sources::new(&self.places.shared.sys, &self.places.shared.proc);
                evidence::first(self.evidence, &sources, &subject).map(Reason::Sign)
            }
        }
    }

    /// The remove commands of modprobe.d.
    fn commands(&self) -> ModprobeConfig {
        let (config, problems) = ModprobeConfig::load(&self.places.modprobe_d, &[], None);
        for problem in problems {
            self.session.reporter.error(problem.to_string());
        }
        config
    }

    fn remove(&self, recorded: &Recorded, commands: &ModprobeConfig, kernel: &mut dyn KernelOps) -> Removal {
        let Recorded { module, record, .. } = recorded;
        let reporter = &self.session.reporter;
        if self.request.settings == Settings::Save {
            settings::save(self.places, self.config, module, reporter);
        }
        if let Some(command) = commands.remove_command(module.as_bytes()) {
            if !self.run_command(module, &command.line, kernel) {
                return Removal::Failed;
            }
            // The command decides; one that leaves the module where it is has its reasons.
            if !matches!(kernel.state(module), Ok(ModuleState::Absent)) {
                return Removal::NotNow;
            }
        } else if let Err(error) = kernel.remove(module, RemoveFlags { force: false }) {
            return match Errno::from_io_error(&error) {
                Some(Errno::AGAIN | Errno::BUSY | Errno::NOENT) => Removal::NotNow,
                _ => {
                    reporter.error(messages::cannot_remove(module, &error));
                    Removal::Failed
                }
            };
        }
        if self.request.logged {
            reporter.insist(modcli::Severity::Info, messages::removed(module, &record.request));
        }
        Removal::Done
    }

    /// Runs a remove command as modprobe does; says whether it succeeded.
    fn run_command(&self, module: &ModuleName, line: &[u8], kernel: &mut dyn KernelOps) -> bool {
        let reporter = &self.session.reporter;
        let line = without_options(line);
        let environment = [("MODPROBE_MODULE", OsStr::from_bytes(module.as_bytes()))];
        self.session.output.flush();
        match kernel.run_shell(OsStr::from_bytes(&line), &environment) {
            Ok(status) if status.success() => true,
            Ok(status) => {
                reporter.error(messages::command_failed(module, status.code()));
                false
            }
            Err(error) => {
                reporter.error(messages::command_not_started(module, &error));
                false
            }
        }
    }

    /// Marks what has become idle because something that used it went. It does not go in this pass.
    fn look_again(&self, found: &mut [Recorded], marks: &mut Marks) {
        let Ok(text) = read_modules(self.places) else { return };
        let loaded = loaded::parse(&text);
        let wishes = Wishes::new(self.places, self.config, self.memory);
        let sources = Sources::new(&self.places.shared.sys, &self.places.shared.proc);
        for recorded in found {
            let used =
                matches!(recorded.fate, Fate::Found(Verdict::Stays(Reason::HeldBy(_) | Reason::Counted(_))));
            if used {
                let standing = loaded.get(&recorded.module);
                recorded.fate = Fate::Found(self.judge(recorded, standing, &wishes, &sources, marks));
            }
        }
    }
}

fn read_modules(places: &Places) -> io::Result<Vec<u8>> {
    std::fs::read(places.shared.proc.join("modules"))
}

/// A command may ask for the options of modprobe's command line; there are none.
fn without_options(line: &[u8]) -> Vec<u8> {
    const OPTIONS: &[u8] = b"$CMDLINE_OPTS";
    let mut left = line;
    let mut out = Vec::with_capacity(line.len());
    while let Some((&byte, rest)) = left.split_first() {
        match left.strip_prefix(OPTIONS) {
            Some(after) => left = after,
            None => {
                out.push(byte);
                left = rest;
            }
        }
    }
    out
}

fn lines(found: Vec<Recorded>) -> Vec<Line> {
    found
        .into_iter()
        .map(|recorded| Line {
            module: recorded.module,
            request: recorded.record.request,
            role: recorded.record.role,
            fate: recorded.fate,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_gets_no_options() {
        assert_eq!(without_options(b"a $CMDLINE_OPTS b$CMDLINE_OPTS $CMDLINE"), b"a  b $CMDLINE");
    }
}
