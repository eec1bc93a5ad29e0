//! The order of a pass: look at all, note what was found, unload, look again at what may have become idle.

use modcli::{Exit, Session, Severity};
use moddb::ModuleDb;
use moddb::config::Config as ModprobeConfig;
use modhint::evidence::Kind;
use modkernel::KernelOps;
use modload::scripts::{Beginning, Change, Refused};
use modload::{CommandEnvironment, Effect, Observer, Scripts};
use modstate::config::ModutilsConfig;
use modstate::marks::{Mark, Marks};
use modstate::memory::Entry;
use modstate::{BootId, BootTime, Clock, Memory, Record};

use super::look::{List, Look, Moment, standing_now};
use super::policy::{self, Facts, Reason, Verdict};
use super::records::{self, Recorded};
use super::removal::{self, Removal};
use super::report::{Fate, Row};
use crate::messages;
use crate::places::Layout;
use crate::request::Autoclean;

/// The context of a pass.
pub(crate) struct Pass<'a> {
    pub session: &'a Session,
    pub layout: &'a Layout,
    pub request: &'a Autoclean,
    pub config: &'a ModutilsConfig,
    /// For remove commands.
    pub commands: &'a CommandEnvironment,
    /// The commands of modutils.d around each removal.
    pub scripts: &'a Scripts<'a>,
    pub observer: &'a dyn Observer,
    pub memory: &'a Memory,
    /// The kinds of evidence that count.
    pub evidence: &'a [Kind],
    pub boot: BootId,
    pub clock: &'a dyn Clock,
    /// When the pass began.
    pub now: BootTime,
    /// Where the modules' files are.
    pub db: ModuleDb,
}

/// A module and what becomes of it.
struct Judged {
    recorded: Recorded,
    fate: Fate,
}

impl Pass<'_> {
    /// Runs the pass; returns what became of each module, and the status.
    pub fn run(
        &self,
        records: Vec<Entry<Record>>,
        loaded: &List,
        kernel: &mut dyn KernelOps,
    ) -> (Vec<Row>, Exit) {
        if self.request.effect == Effect::Real
            && let Err(error) = self.memory.announce_pass()
        {
            self.session.reporter.error(messages::cannot_work_in(&self.layout.places.run, &error));
            return (Vec::new(), Exit::Failure);
        }
        let sorted = records::sort(self.layout, &self.boot, records);
        let before = self.memory.marks();
        let mut marks = before.clone();
        marks.retain(|module| sorted.present.iter().any(|recorded| recorded.module == *module));
        let names = &self.request.names;
        let mut present = sorted.present;
        present.retain(|recorded| names.is_empty() || names.contains(&recorded.module));
        let moment = self.moment(loaded);
        let judge = |recorded: Recorded| {
            let fate = Fate::Found(self.judge(&recorded, loaded, &moment, &mut marks));
            Judged { recorded, fate }
        };
        let mut judged: Vec<_> = present.into_iter().map(judge).collect();
        if self.request.effect == Effect::Rehearsed {
            return (lines(judged), Exit::Success);
        }
        records::forget(self.memory, &sorted.over);
        self.memory.remove_abandoned();
        // Before anything is removed, so that signs of use hold even if this process is killed.
        self.note(&before, &marks);
        let noted = marks.clone();
        let exit = self.remove_all(&mut judged, loaded, &mut marks, kernel);
        self.note(&noted, &marks);
        (lines(judged), exit)
    }

    /// A new look at the system.
    fn moment<'b>(&'b self, loaded: &'b List) -> Moment<'b> {
        Moment::new(
            self.layout,
            self.config,
            self.memory,
            &self.db,
            self.evidence,
            loaded,
            self.clock.since_boot(),
        )
    }

    /// What becomes of a module, which is noted for the next pass.
    fn judge(&self, recorded: &Recorded, loaded: &List, moment: &Moment<'_>, marks: &mut Marks) -> Verdict {
        let Recorded { module, record } = recorded;
        let mark = marks.of(module, &record.identity).cloned();
        let look = moment.look(module, record, loaded.standing(module), mark);
        let verdict = policy::judge(&look, self.config, self.now);
        match &verdict {
            Verdict::Stays(Reason::Untrusted(alias)) => {
                marks.set(module, &record.identity, Mark::Alias(alias.clone()));
            }
            Verdict::Stays(_) => marks.clear(module),
            Verdict::Mark => marks.set(module, &record.identity, self.idle_mark(&look)),
            Verdict::Waits { .. } | Verdict::Goes { .. } => {}
        }
        verdict
    }

    fn idle_mark(&self, look: &Look<'_>) -> Mark {
        let aliases = look.aliases().unwrap_or_default().iter().filter(|alias| !alias.is_empty());
        Mark::Idle { since: self.now, aliases: aliases.cloned().collect() }
    }

    fn note(&self, old: &Marks, new: &Marks) {
        if old != new
            && let Err(error) = self.memory.write_marks(new)
        {
            self.session.reporter.error(messages::cannot_work_in(&self.layout.places.run, &error));
        }
    }

    /// Unloads what is to go, each after another look at it, and marks what becomes idle thereby.
    fn remove_all(
        &self,
        judged: &mut [Judged],
        loaded: &List,
        marks: &mut Marks,
        kernel: &mut dyn KernelOps,
    ) -> Exit {
        let mut config = None;
        let mut exit = Exit::Success;
        let mut removed = false;
        for Judged { recorded, fate } in judged.iter_mut() {
            let Fate::Found(Verdict::Goes { .. }) = fate else { continue };
            let config = config.get_or_insert_with(|| self.modprobe_config());
            *fate = self.remove(recorded, loaded, config, kernel);
            match fate {
                Fate::Removed => {
                    removed = true;
                    if self.request.logged {
                        let text = messages::removed(&recorded.module, &recorded.record.request);
                        self.session.reporter.insist(Severity::Info, text);
                    }
                    records::forget(self.memory, std::slice::from_ref(&recorded.module));
                }
                Fate::Failed => exit = Exit::Failure,
                Fate::Found(_) => {}
            }
            marks.clear(&recorded.module);
        }
        if removed {
            self.look_again(judged, marks);
        }
        exit
    }

    /// Unloads a module, unless it turns out not to be idle any more. Whoever asks for it from now on waits until this
    /// is over; earlier requests are noticed.
    fn remove(
        &self,
        recorded: &Recorded,
        loaded: &List,
        config: &ModprobeConfig,
        kernel: &mut dyn KernelOps,
    ) -> Fate {
        // The removal that a remove command makes has its own commands around it.
        if config.remove_command(recorded.module.as_bytes()).is_some() {
            return self.remove_now(recorded, loaded, config, kernel);
        }
        // A command may load modules itself, which would wait for us: so it comes before that.
        let begun = match self.scripts.begin(kernel, Change::Remove, &recorded.module) {
            Ok(Beginning::Now(begun)) => begun,
            Ok(Beginning::Made) => return Fate::Found(Verdict::Stays(Reason::CameIntoUse)),
            Err(Refused) => return Fate::Failed,
        };
        let fate = self.remove_now(recorded, loaded, config, kernel);
        self.scripts.end(kernel, begun, matches!(fate, Fate::Removed));
        fate
    }

    fn remove_now(
        &self,
        recorded: &Recorded,
        loaded: &List,
        config: &ModprobeConfig,
        kernel: &mut dyn KernelOps,
    ) -> Fate {
        let stays = |reason| Fate::Found(Verdict::Stays(reason));
        let unloading = match self.memory.begin_unloading(self.clock) {
            Ok(Some(unloading)) => unloading,
            Ok(None) => return stays(Reason::CameIntoUse),
            Err(error) => {
                let run = &self.layout.places.run;
                self.session.reporter.error(messages::cannot_work_in(run, &error));
                return Fate::Failed;
            }
        };
        if let Some(reason) = self.changed_its_mind(recorded, loaded, kernel) {
            return stays(reason);
        }
        let module = &recorded.module;
        match removal::remove(module, config, self.commands, self.observer, unloading, kernel) {
            Removal::Done => Fate::Removed,
            Removal::NotNow => stays(Reason::CameIntoUse),
            Removal::Failed => Fate::Failed,
        }
    }

    /// Looks at everything again, asking the kernel about this module alone; the reason why it stays after all.
    fn changed_its_mind(&self, recorded: &Recorded, loaded: &List, kernel: &dyn KernelOps) -> Option<Reason> {
        let Recorded { module, record } = recorded;
        let standing = standing_now(self.layout, module, &record.identity, kernel);
        // Without the mark: its file is read again.
        policy::reason_to_stay(&self.moment(loaded).look(module, record, standing, None), self.config)
    }

    /// What modprobe.d says, for its remove commands.
    fn modprobe_config(&self) -> ModprobeConfig {
        let (config, problems) = ModprobeConfig::load(&self.layout.modprobe_d, &[], None);
        for problem in problems {
            let (severity, text) = modcli::words::config(&problem);
            self.session.reporter.message(severity, text);
        }
        config
    }

    /// Marks what has become idle because something that used it went. It does not go in this pass.
    fn look_again(&self, judged: &mut [Judged], marks: &mut Marks) {
        let Ok(loaded) = List::read(self.layout) else { return };
        let moment = self.moment(&loaded);
        for Judged { recorded, fate } in judged {
            if matches!(fate, Fate::Found(Verdict::Stays(Reason::HeldBy(_) | Reason::Counted(_)))) {
                *fate = Fate::Found(self.judge(recorded, &loaded, &moment, marks));
            }
        }
    }
}

fn lines(judged: Vec<Judged>) -> Vec<Row> {
    let line = |Judged { recorded: Recorded { module, record }, fate }| Row {
        module,
        request: record.request,
        role: record.role,
        fate,
    };
    judged.into_iter().map(line).collect()
}
