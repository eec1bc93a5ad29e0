//! The records of modules that came in on demand: those of loads that are still present, and the removal of all others.

use modfile::ModuleName;
use modstate::memory::Entry;
use modstate::{BootId, Identity, Memory, Record};

use crate::places::Layout;

/// A module that was loaded on demand and has not been loaded anew since.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub module: ModuleName,
    pub record: Record,
}

/// Records, sorted by whether they say anything.
#[derive(Debug, Default)]
pub(crate) struct Sorted {
    /// Those of present loads.
    pub present: Vec<Recorded>,
    /// Modules whose record is damaged, not believed, or of a load that is over. Nothing is kept or taken for them.
    pub over: Vec<ModuleName>,
}

/// Finds out which loads are still present. What cannot be looked at is in neither list, and is looked at next time.
pub(crate) fn sort(layout: &Layout, boot: &BootId, records: Vec<Entry<Record>>) -> Sorted {
    let mut sorted = Sorted::default();
    for (module, record) in records {
        let Ok(load) = Identity::of_loaded(&layout.sys_module(), &module, boot) else { continue };
        match record {
            Ok(record) if load.as_ref() == Some(&record.identity) => {
                sorted.present.push(Recorded { module, record });
            }
            _ => sorted.over.push(module),
        }
    }
    sorted
}

/// Removes the records of loads that are over. One that stays is looked at again next time.
pub(crate) fn forget(memory: &Memory, over: &[ModuleName]) {
    for module in over {
        let _ = memory.forget_record(module);
    }
}
