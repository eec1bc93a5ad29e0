//! Settings that survive an unload, as far as modutils.d asks for it: taken and put back when a module came in,
//! saved before one goes.
//!
//! What may be saved and put back, and how, is decided in [`modstate::settings`]. Nothing that goes wrong here
//! keeps a module from coming or going; the observer sees it.

mod guard;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use modfile::{ModuleName, parameters};
use modstate::config::What;
use modstate::settings::{self, Header, Notice, PutBack, Restoring, Saved, Saving};
use modstate::{Clock, Places};

use crate::demand::Demand;
use crate::modutils::Modutils;
use crate::observer::{Event, Observer};

pub use guard::{Guard, Inserted};

/// Whether settings are saved before a module goes and put back after it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persist {
    /// As modutils.d says.
    AsConfigured,
    /// Neither.
    NotThisTime,
}

/// What settings are kept by.
pub struct Settings<'a> {
    /// Where they are.
    pub places: &'a Places,
    /// What modutils.d says.
    pub modutils: &'a Modutils<'a>,
    /// On whose behalf modules come in.
    pub demand: &'a Demand,
    /// Whether this run saves them and puts them back.
    pub persist: Persist,
    /// The release of the running kernel.
    pub release: &'a OsStr,
    /// The time.
    pub clock: &'a dyn Clock,
    /// Sees what could not be done.
    pub observer: &'a dyn Observer,
}

impl Settings<'_> {
    /// The `persist` lines that name a module.
    pub fn rules<'m>(&'m self, module: &'m ModuleName) -> impl Iterator<Item = &'m What> {
        self.modutils.config(self.observer).persist(module)
    }

    /// Takes the baselines of modules that came in, and puts back what was saved of them.
    fn restore(&self, inserted: &[Inserted]) {
        for Inserted { module, params } in inserted {
            let rules: Vec<_> = self.rules(module).collect();
            if rules.is_empty() {
                continue;
            }
            // It may be gone again.
            let Some(identity) = self.places.load_of(module) else { continue };
            let restoring = Restoring {
                module,
                rules: &rules,
                identity: &identity,
                put_back: self.put_back(),
                given: &parameters::given(params).map(|given| given.shown_name()).collect::<Vec<_>>(),
            };
            for notice in &settings::restore_after_insertion(self.places, &restoring) {
                self.notice(module, notice);
            }
        }
    }

    /// Serves the present load of a module, whoever made it, if nobody has done that. `given` are parameters that were
    /// given for it, as far as they are known. Says whether the module is there.
    pub fn restore_later(&self, module: &ModuleName, given: &[u8]) -> bool {
        let Some(identity) = self.places.load_of(module) else { return false };
        let rules: Vec<_> = self.rules(module).collect();
        let restoring = Restoring {
            module,
            rules: &rules,
            identity: &identity,
            put_back: self.put_back(),
            given: &parameters::given(given).map(|given| given.shown_name()).collect::<Vec<_>>(),
        };
        for notice in &settings::restore_later(self.places, &restoring) {
            self.notice(module, notice);
        }
        true
    }

    fn put_back(&self) -> PutBack {
        match (self.persist, self.demand) {
            (Persist::NotThisTime, _) => PutBack::Nothing,
            (Persist::AsConfigured, Demand::Kernel(_)) => PutBack::WhatLoadsNothing,
            (Persist::AsConfigured, Demand::Person) => PutBack::Everything,
        }
    }

    /// Saves what was changed since a module came in; `None` if no line names it, or it is not there.
    #[must_use]
    pub fn save(&self, module: &ModuleName) -> Option<Saved> {
        let rules: Vec<_> = self.rules(module).collect();
        if rules.is_empty() {
            return None;
        }
        let identity = self.places.load_of(module)?;
        let header = Header { release: self.release.as_bytes().to_vec(), time: self.clock.since_1970() };
        let saving = Saving { module, rules: &rules, identity: &identity, header: &header };
        Some(settings::save_before_removal(self.places, &saving))
    }

    fn notice(&self, module: &ModuleName, notice: &Notice) {
        self.observer.event(&Event::Setting { module, notice });
    }
}
