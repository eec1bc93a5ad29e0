//! Settings that survive an unload, as far as modutils.d asks for it: taken and put back when a module came in,
//! saved before one goes, and on request.
//!
//! What may be saved and put back, and how, is decided in [`modstate::settings`]. Nothing that goes wrong here
//! keeps a module from coming or going.

mod keeping;
mod modutils;
mod on_request;
mod params;

use std::path::Path;

use modcli::{Reporter, Severity};
use modfile::ModuleName;
use modload::Demand;
use modstate::config::What;
use modstate::settings::{self, Header, Notice, PutBack, Restoring, Saved, Saving};

use modstate::{Clock, SystemClock};

use crate::messages;
use crate::paths::Places;
use crate::request::Persist;

pub use keeping::{Inserted, Keeping};
pub use modutils::Modutils;
pub(crate) use on_request::{save, show};

/// What settings are kept by.
pub struct Settings<'a> {
    /// Where they are.
    pub places: &'a Places,
    /// The directory that has an entry for each module.
    pub sys_module: &'a Path,
    /// What modutils.d says.
    pub modutils: &'a Modutils,
    /// On whose behalf modules come in.
    pub origin: &'a Demand,
    /// Whether this run saves them and puts them back.
    pub persist: Persist,
    /// Messages.
    pub reporter: &'a Reporter,
}

impl Settings<'_> {
    /// The `persist` lines that name a module.
    fn rules<'m>(&'m self, module: &'m ModuleName) -> impl Iterator<Item = &'m What> {
        self.modutils.config(self.reporter).persist(module)
    }

    /// Takes the baselines of modules that came in, and puts back what was saved of them.
    fn restore(&self, inserted: &[Inserted]) {
        let places = self.places;
        for Inserted { module, params } in inserted {
            let rules: Vec<_> = self.rules(module).collect();
            if rules.is_empty() {
                continue;
            }
            // It may be gone again.
            let Some(identity) = places.load_of(module) else { continue };
            let restoring = Restoring {
                module,
                rules: &rules,
                identity: &identity,
                put_back: self.put_back(),
                given: &params::names(params),
            };
            for notice in settings::restore_after_insertion(places, &restoring) {
                self.tell(module, &notice);
            }
        }
    }

    fn put_back(&self) -> PutBack {
        match (self.persist, self.origin) {
            (Persist::NotThisTime, _) => PutBack::Nothing,
            (Persist::AsConfigured, Demand::Kernel(_)) => PutBack::WhatLoadsNothing,
            (Persist::AsConfigured, Demand::Person) => PutBack::Everything,
        }
    }

    /// Saves what was changed since a module came in; `None` if no line names it, or it is not there.
    fn save(&self, module: &ModuleName) -> Option<Saved> {
        let rules: Vec<_> = self.rules(module).collect();
        if rules.is_empty() {
            return None;
        }
        let places = self.places;
        let identity = places.load_of(module)?;
        let header = Header {
            release: rustix::system::uname().release().to_bytes().to_vec(),
            time: SystemClock.since_1970(),
        };
        let saving = Saving { module, rules: &rules, identity: &identity, header: &header };
        Some(settings::save_before_removal(places, &saving))
    }

    fn tell(&self, module: &ModuleName, notice: &Notice) {
        let text = messages::setting(module, notice);
        match self.origin {
            Demand::Person => self.reporter.warning(text),
            // The kernel calls quietly and has nobody to tell.
            Demand::Kernel(_) => self.reporter.insist(Severity::Warning, text),
        }
    }
}
