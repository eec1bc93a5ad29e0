//! One look at a module: the facts that the policy asks for, each found out when it is first needed.

use std::cell::OnceCell;
use std::io;

use moddb::ModuleDb;
use modfile::ModuleName;
use modfile::regular;
use modhint::aliases;
use modhint::evidence::{Kind, Sign, Sources, Subject};
use modkernel::proc_modules::{self, LoadedModule};
use modkernel::{KernelOps, ModuleState};
use modstate::config::ModutilsConfig;
use modstate::marks::Mark;
use modstate::{BootTime, Identity, Memory, Record};

use super::policy::{Facts, Standing, Wanted};
use super::wanted::Wishes;
use crate::places::Layout;

/// The longest `/proc/modules` that is read; a thousand modules take 100 kB.
const LONGEST_LIST: usize = 64 << 20;

/// The system at one moment. What several modules have in common is read once.
pub(crate) struct Moment<'a> {
    layout: &'a Layout,
    db: &'a ModuleDb,
    kinds: &'a [Kind],
    loaded: &'a List,
    memory: &'a Memory,
    now: BootTime,
    wishes: Wishes<'a>,
    sources: Sources,
}

impl<'a> Moment<'a> {
    /// Nothing is read yet. `kinds` are the kinds of evidence that count.
    pub fn new(
        layout: &'a Layout,
        config: &'a ModutilsConfig,
        memory: &'a Memory,
        db: &'a ModuleDb,
        kinds: &'a [Kind],
        loaded: &'a List,
        now: BootTime,
    ) -> Self {
        Self {
            layout,
            db,
            kinds,
            loaded,
            memory,
            now,
            wishes: Wishes::new(layout, config, memory),
            sources: Sources::new(&layout.places.sys, &layout.places.proc),
        }
    }

    /// The facts about a module. An earlier pass's `mark` may have its aliases, so that its file is not read.
    pub fn look(
        &self,
        module: &'a ModuleName,
        record: &'a Record,
        standing: Option<Standing>,
        mark: Option<Mark>,
    ) -> Look<'_> {
        Look { moment: self, module, record, standing, mark, aliases: OnceCell::new() }
    }
}

/// What is found out about a module at one moment.
pub(crate) struct Look<'a> {
    moment: &'a Moment<'a>,
    module: &'a ModuleName,
    record: &'a Record,
    standing: Option<Standing>,
    mark: Option<Mark>,
    aliases: OnceCell<Option<Vec<Vec<u8>>>>,
}

impl Facts for Look<'_> {
    fn standing(&self) -> Option<&Standing> {
        self.standing.as_ref()
    }

    fn request(&self) -> &[u8] {
        &self.record.request
    }

    fn mark(&self) -> Option<&Mark> {
        self.mark.as_ref()
    }

    fn is_loaded(&self, module: &ModuleName) -> bool {
        self.moment.loaded.standing(module).is_some()
    }

    fn since_request(&self) -> u64 {
        let asked = self.moment.memory.asked_for(self.module, self.moment.now);
        self.moment.now.since(asked.map_or(self.record.loaded, |asked| asked.max(self.record.loaded)))
    }

    fn wanted(&self) -> Option<Wanted> {
        self.moment.wishes.of(self.module, &self.record.identity)
    }

    fn aliases(&self) -> Option<&[Vec<u8>]> {
        let read = || match &self.mark {
            Some(Mark::Idle { aliases, .. }) => Some(aliases.clone()),
            _ => {
                let sys_module = self.moment.layout.sys_module();
                let mut aliases = aliases::of_loaded(&sys_module, self.moment.db, self.module)?;
                aliases.push(self.record.request.clone());
                Some(aliases)
            }
        };
        self.aliases.get_or_init(read).as_deref()
    }

    fn sign(&self, counts: &dyn Fn(&Sign) -> bool) -> Option<Sign> {
        let aliases = self.aliases().unwrap_or_default().to_vec();
        let subject = Subject { name: self.module.clone(), aliases };
        let found = |kind: &Kind| {
            let signs = kind(&self.moment.sources, &subject).unwrap_or_else(|unreadable| vec![unreadable]);
            signs.into_iter().find(counts)
        };
        self.moment.kinds.iter().find_map(found)
    }
}

/// All loaded modules. Only for choosing candidates: before a module goes, the kernel is asked about it alone.
pub(crate) struct List(Vec<LoadedModule>);

impl List {
    /// Reads the kernel's list.
    pub fn read(layout: &Layout) -> io::Result<Self> {
        let text = regular::read(&layout.places.proc.join("modules"), LONGEST_LIST)?;
        let mut loaded: Vec<_> = proc_modules::parse(&text).collect();
        loaded.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Self(loaded))
    }

    /// What it says of a module.
    pub fn standing(&self, module: &ModuleName) -> Option<Standing> {
        let at = self.0.binary_search_by(|loaded| loaded.name.cmp(module)).ok()?;
        let loaded = self.0.get(at)?;
        Some(Standing {
            state: loaded.state,
            use_count: loaded.use_count.and_then(|count| u32::try_from(count).ok()),
            holders: loaded.holders.clone(),
            permanent: loaded.permanent,
        })
    }
}

/// What the kernel says of one module now; `None` if it is another load, or gone. That it can never be unloaded is
/// not shown here: the list says so.
pub(crate) fn standing_now(
    layout: &Layout,
    module: &ModuleName,
    identity: &Identity,
    kernel: &dyn KernelOps,
) -> Option<Standing> {
    let present = Identity::of_loaded(&layout.sys_module(), module, &identity.boot).ok().flatten();
    if present.as_ref() != Some(identity) {
        return None;
    }
    let (state, holders) = (kernel.state(module).ok()?, kernel.holders(module).ok());
    Some(Standing {
        state: if holders.is_some() { state } else { ModuleState::Going },
        use_count: kernel.use_count(module).ok().flatten(),
        holders: holders.unwrap_or_default(),
        permanent: false,
    })
}
