//! Saves the settings of a module before it goes, where modutils.d asks for that.

use std::time::{SystemTime, UNIX_EPOCH};

use modcli::Reporter;
use moddb::config::files;
use modfile::ModuleName;
use modstate::config::Config;
use modstate::settings::{Header, Saving, save_before_removal};

use crate::messages;
use crate::places::Places;

/// Root: the only user whose settings files are believed.
const OWNER: u32 = 0;

/// What modutils.d says. What is wrong with it is told, and the rest counts.
pub(crate) fn configuration(places: &Places, reporter: &Reporter) -> Config {
    let mut config = Config::default();
    let problems = files::parse_all(
        &places.modutils_d,
        &[],
        |problem| problem.to_string(),
        |file, text| config.add(text).iter().map(|problem| format!("{} {problem}", file.display())).collect(),
    );
    for problem in problems {
        reporter.error(problem);
    }
    config
}

/// Saves what differs from the values right after the load. Nothing that goes wrong here keeps a module loaded.
pub(crate) fn save(places: &Places, config: &Config, module: &ModuleName, reporter: &Reporter) {
    let rules: Vec<_> = config.persist(module).collect();
    if rules.is_empty() {
        return;
    }
    let Some(identity) = places.settings.load_of(module) else { return };
    let header = Header {
        release: rustix::system::uname().release().to_bytes().to_vec(),
        time: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
    };
    let saving = Saving { module, rules: &rules, identity: &identity, header: &header, owner: OWNER };
    for notice in save_before_removal(&places.settings, &saving).notices {
        // rmmod tells nothing below an error; that a setting is lost is one.
        reporter.error(messages::setting(module, &notice));
    }
}
