//! The modules as JSON.

use std::collections::HashMap;

use modcli::json::{array, bytes, object, optional, string};
use modfile::ModuleName;
use modkernel::ModuleState;
use modkernel::proc_modules::{self, LoadedModule};

use crate::modules::Module;

/// An array with an object for each module, in the order of the list.
pub(crate) fn modules(modules: &[Module], list: &[u8]) -> String {
    let loaded: HashMap<ModuleName, LoadedModule> =
        proc_modules::parse(list).map(|loaded| (loaded.name.clone(), loaded)).collect();
    let objects: Vec<String> = modules.iter().map(|module| one(module, loaded.get(&module.name))).collect();
    modcli::json::lines(&objects)
}

/// What could not be read is null.
fn one(module: &Module, loaded: Option<&LoadedModule>) -> String {
    let number = |number: i64, least: i64| (number >= least).then(|| number.to_string());
    let state = loaded.map(|loaded| match loaded.state {
        ModuleState::Coming => "loading",
        ModuleState::Live => "live",
        ModuleState::Going | ModuleState::Absent => "unloading",
    });
    let taint = loaded.map(|loaded| bytes(&loaded.taint));
    let permanent = loaded.map(|loaded| loaded.permanent.to_string());
    object(&[
        ("name", bytes(module.name.as_bytes())),
        ("size", optional(number(module.size, 0))),
        // A module that is going counts -1.
        ("use_count", optional(number(module.use_count.into(), -1))),
        ("holders", array(module.holders.iter().map(|holder| bytes(holder.as_bytes())))),
        ("state", optional(state.map(string))),
        ("permanent", optional(permanent)),
        ("taint", optional(taint)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_null() {
        let fat =
            Module { name: "fat".into(), size: 90112, use_count: 1, holders: vec![ModuleName::from("vfat")] };
        let gone = Module { name: "gone".into(), size: -2, use_count: -2, holders: vec![] };
        assert_eq!(
            modules(&[fat, gone], b"fat 90112 1 vfat, Live 0x0 (OE)\n"),
            "[\n{\"name\":\"fat\",\"size\":90112,\"use_count\":1,\"holders\":[\"vfat\"],\"state\":\"live\",\
             \"permanent\":false,\"taint\":\"OE\"},\n{\"name\":\"gone\",\"size\":null,\"use_count\":null,\
             \"holders\":[],\"state\":null,\"permanent\":null,\"taint\":null}\n]\n"
        );
    }
}
