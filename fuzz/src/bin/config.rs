//! Configuration of any bytes: modprobe.d, the kernel's command line, depmod.d, modutils.d.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use moddb::build::search::SearchRules;
use moddb::config::depmod::DepmodConfig;
use moddb::config::Config;

fuzz_target!(|input: (Vec<u8>, Vec<u8>)| {
    let (text, name) = input;
    let file = Path::new("a.conf");
    let mut modprobe = Config::default();
    let _ = modprobe.parse(file, &text);
    let _ = modprobe.parse_kernel_command_line(&text);
    let _ = modprobe.aliases_of(&name).count();
    let _ = modprobe.options_for(&name, Some(&name));
    let _ = (modprobe.softdeps_of(&name).count(), modprobe.weakdeps(&name), modprobe.blacklisted(&name));
    let mut depmod = DepmodConfig::default();
    let _ = depmod.parse(file, &text, &name);
    let rules = SearchRules::new(&depmod);
    assert_eq!(rules.rank(&name, 0).cmp(&rules.rank(&text, 0)), rules.rank(&text, 0).cmp(&rules.rank(&name, 0)).reverse());
    let mut modutils = modstate::config::ModutilsConfig::default();
    let _ = modutils.add(file, &text);
    let module = modfile::ModuleName::new(&name);
    let _ = (modutils.keeps(&module), modutils.trusts(&name), modutils.persist(&module).count());
});
