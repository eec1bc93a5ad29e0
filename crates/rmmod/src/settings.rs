//! Saves the settings of a module before it goes, where modutils.d asks for that.

use modcli::Reporter;
use moddb::config::files;
use modfile::ModuleName;
use modstate::config::Config;
use modstate::settings::{Header, Saving, save_before_removal};
use modstate::{Clock, SystemClock};

use crate::messages;
use crate::places::Places;

/// What modutils.d says. What is wrong with it is told, and the rest counts.
pub(crate) fn configuration(places: &Places, reporter: &Reporter) -> Config {
    let mut config = Config::default();
    let problems = files::parse_all(
        &places.shared.modutils_d,
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
    let Some(identity) = places.shared.load_of(module) else { return };
    let header = Header {
        release: rustix::system::uname().release().to_bytes().to_vec(),
        time: SystemClock.since_1970(),
    };
    let saving = Saving { module, rules: &rules, identity: &identity, header: &header };
    for notice in save_before_removal(&places.shared, &saving).notices {
        // rmmod tells nothing below an error; that a setting is lost is one.
        reporter.error(messages::setting(module, &notice));
    }
}
