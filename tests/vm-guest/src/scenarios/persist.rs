//! Settings that survive an unload: changed in a running module, saved when it goes in whichever way, and put back
//! when it comes again in whichever way.

mod files;
mod namespaces;
mod request;
mod tour;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::ask;
use crate::catalog::{Group, Scenario};
use crate::netlink;
use crate::program::{Ended, modprobe, run};
use crate::world::{MODPROBE, PROC, SYS};

/// The modules of most scenarios: one with parameters that the kernel asks for itself, and one with parameters and
/// sysctls on which the wanted one depends. The last is what that one needs to be initialised.
const MODULES: &[&str] = &["tcp_vegas", "nf_conntrack_netlink", "crc32c_generic"];

/// See the module. The kernel's command line gives a parameter.
pub const GROUP: Group = Group {
    kernel_arguments: "tcp_vegas.gamma=3",
    ..Group::new(
        "persist",
        &[
            Scenario::new("values-come-back-after-modprobe-r", MODULES, tour::after_modprobe).ours_only(),
            Scenario::new("values-come-back-after-rmmod", MODULES, tour::after_rmmod).ours_only(),
            Scenario::new("values-come-back-after-rmmod-a", MODULES, tour::after_autoclean).ours_only(),
            Scenario::new("what-was-not-changed-follows-a-new-default", MODULES, tour::new_default)
                .ours_only(),
            Scenario::new("a-parameter-that-is-given-wins", MODULES, tour::given).ours_only(),
            Scenario::new("a-value-set-back-is-forgotten", MODULES, tour::set_back).ours_only(),
            Scenario::new("a-text-comes-back-as-it-was", &["usb_storage"], tour::text).ours_only(),
            Scenario::new("no-persist-skips-both-directions-once", MODULES, tour::no_persist).ours_only(),
            Scenario::new("settings-are-shown-and-saved-without-unloading", MODULES, tour::on_request)
                .ours_only(),
            Scenario::new("without-a-line-no-state-is-read-or-written", MODULES, tour::without_a_line)
                .ours_only(),
            Scenario::new(
                "what-needs-another-module-is-not-put-back-in-a-request",
                REQUESTING,
                request::other,
            )
            .ours_only(),
            Scenario::new("a-refused-value-is-one-warning", MODULES, request::refused).ours_only(),
            Scenario::new(
                "another-network-namespace-changes-nothing",
                &["br_netfilter"],
                namespaces::network,
            )
            .ours_only(),
            Scenario::new("values-that-bound-each-other-come-back", &["sunrpc"], request::bounds).ours_only(),
            Scenario::new("a-hostile-file-sets-nothing-else", MODULES, files::hostile).ours_only(),
            Scenario::new("a-file-that-others-can-have-written-is-ignored", MODULES, files::untrusted)
                .ours_only(),
            Scenario::new("what-is-no-file-is-ignored", MODULES, files::no_file).ours_only(),
            Scenario::new("a-damaged-file-gives-what-it-can", MODULES, files::damaged).ours_only(),
            Scenario::new("a-read-only-var-keeps-no-module", MODULES, files::read_only).ours_only(),
            Scenario::new("a-full-var-keeps-the-old-file", MODULES, files::full).ours_only(),
        ],
    )
};

const REQUESTING: &[&str] = &["tcp_vegas", "tcp_westwood"];

const LINES: &str = "\
persist tcp_vegas
persist nf_conntrack
persist nf-conntrack sysctl net/netfilter/nf_conntrack_*
";

/// Where settings are saved.
const SAVED: &str = "/var/lib/modutils/settings";

/// A value that is a file: of a parameter or a sysctl.
#[derive(Clone, Copy)]
struct Value(&'static str);

const ALPHA: Value = Value("parameters/tcp_vegas/alpha");
const BETA: Value = Value("parameters/tcp_vegas/beta");
const GAMMA: Value = Value("parameters/tcp_vegas/gamma");
const QUIRKS: Value = Value("parameters/usb_storage/quirks");
const ACCOUNTING: Value = Value("parameters/nf_conntrack/acct");
const BUCKETS: Value = Value("parameters/nf_conntrack/hashsize");
const MOST: Value = Value("sysctl/net/netfilter/nf_conntrack_max");
const TIMEOUT: Value = Value("sysctl/net/netfilter/nf_conntrack_tcp_timeout_established");
const CONTROL: Value = Value("sysctl/net/ipv4/tcp_congestion_control");

impl Value {
    fn path(self) -> PathBuf {
        match self.0.strip_prefix("sysctl/") {
            Some(sysctl) => Path::new(PROC).join("sys").join(sysctl),
            None => {
                let (module, name) = self
                    .0
                    .strip_prefix("parameters/")
                    .and_then(|rest| rest.split_once('/'))
                    .unwrap_or_default();
                Path::new(SYS).join("module").join(module).join("parameters").join(name)
            }
        }
    }

    fn read(self) -> Result<String> {
        let text = fs::read_to_string(self.path()).with_context(|| format!("cannot read {}", self.0))?;
        Ok(text.trim_end().to_owned())
    }

    fn set(self, value: &str) -> Result<()> {
        fs::write(self.path(), value).with_context(|| format!("cannot set {}", self.0))
    }

    fn expect(self, expected: &str) -> Result<()> {
        let found = self.read()?;
        ensure!(found == expected, "{} is {found}, expected {expected}", self.0);
        Ok(())
    }
}

fn configure(text: &str) -> Result<()> {
    fs::create_dir_all("/etc/modutils.d")?;
    Ok(fs::write("/etc/modutils.d/vm.conf", text)?)
}

/// What was said must be nothing.
fn quietly(ended: Ended) -> Result<()> {
    ended.expect_code(0)?;
    ensure!(ended.stdout.is_empty() && ended.stderr.is_empty(), "{ended:?}");
    Ok(())
}

/// Loads both modules by their names.
fn by_name() -> Result<()> {
    quietly(modprobe(&["-a", "tcp_vegas", "nf_conntrack_netlink"])?)
}

/// Makes the kernel ask for both; nobody uses them afterwards.
fn by_request() -> Result<()> {
    ask::congestion_control("vegas").context("the congestion control")?;
    netlink::netfilter(1).context("the subsystem of netfilter")
}

/// The lines of a settings file that are no comments.
fn saved(module: &str) -> Result<Vec<String>> {
    let path = Path::new(SAVED).join(module);
    let text = fs::read_to_string(&path).with_context(|| format!("no {}", path.display()))?;
    Ok(text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect())
}

/// Puts a text where the settings of tcp_vegas are saved.
fn save_as(text: &[u8]) -> Result<PathBuf> {
    let path = Path::new(SAVED).join("tcp_vegas");
    fs::create_dir_all(SAVED)?;
    fs::write(&path, text)?;
    Ok(path)
}

/// Loads or unloads with a warning, which is given.
fn with_warning(arguments: &[&str]) -> Result<String> {
    let ended = run(MODPROBE, arguments)?;
    ended.expect_code(0)?;
    ensure!(ended.stderr.starts_with("modprobe: WARNING: settings of "), "{ended:?}");
    Ok(ended.stderr)
}
