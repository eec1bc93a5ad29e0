//! What the system says of itself.

use std::fs;

use modstate::Places;

/// The number of `CAP_SYS_MODULE` (linux/capability.h).
const CAP_SYS_MODULE: u32 = 16;
/// The inode numbers of the first PID and user namespaces are the same on every kernel (linux/proc_ns.h).
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";
const FIRST_USER_NAMESPACE: &str = "user:[4026531837]";

/// What the system says of itself. What cannot be read is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SystemFacts {
    /// The kernel's release.
    pub release: String,
    /// The processor, as by `uname -m`.
    pub machine: String,
    /// The kernel's command line.
    pub kernel_command_line: Vec<u8>,
    /// Whether only signed modules are accepted.
    pub enforces_signatures: Option<bool>,
    /// The state of lockdown other than `none`.
    pub lockdown: Option<String>,
    /// The descriptions of the keys of certificates that this process can see; `None` if it sees none.
    pub keys: Option<Vec<String>>,
    /// The algorithms that the kernel has now.
    pub algorithms: Option<Vec<String>>,
    /// What this process may do, in the kernel's eyes.
    pub privilege: Option<Privilege>,
    /// Whether `kernel.modules_disabled` is set.
    pub modules_disabled: Option<bool>,
    /// Whether the kernel can load modules at all.
    pub has_modules: Option<bool>,
    /// Whether this process is in a container: in another PID namespace than the first, or with another root
    /// directory than the first process.
    pub in_container: Option<bool>,
}

/// Whether a process may load modules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privilege {
    /// It may.
    May,
    /// It is not root.
    NotRoot,
    /// It is root without the capability.
    NoCapability,
    /// It has the capability in a user namespace only, where it does not count.
    UserNamespace,
}

impl SystemFacts {
    /// Reads what the system says.
    #[must_use]
    pub fn gather(places: &Places) -> Self {
        let uname = rustix::system::uname();
        let read = |path: &str| fs::read(places.proc.join(path)).ok();
        let enforced = fs::read(places.sys_module().join("module/parameters/sig_enforce")).ok();
        let lockdown = fs::read_to_string(places.sys.join("kernel/security/lockdown")).unwrap_or_default();
        let text = |path: &str| read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Self {
            release: uname.release().to_string_lossy().into_owned(),
            machine: uname.machine().to_string_lossy().into_owned(),
            kernel_command_line: kernel_command_line(places),
            enforces_signatures: enforced.map(|text| text.starts_with(b"Y")),
            lockdown: chosen(&lockdown).filter(|state| *state != "none").map(str::to_owned),
            keys: text("keys").map(|text| keys(&text)).filter(|keys| !keys.is_empty()),
            algorithms: text("crypto").map(|text| algorithms(&text)),
            privilege: text("self/status").and_then(|status| privilege(&status, namespace(places, "user"))),
            modules_disabled: read("sys/kernel/modules_disabled").map(|text| text.starts_with(b"1")),
            has_modules: places.proc.join("self").exists().then(|| places.proc.join("modules").exists()),
            in_container: in_container(places),
        }
    }
}

/// The text of the kernel's command line, empty if it cannot be read.
#[must_use]
pub fn kernel_command_line(places: &Places) -> Vec<u8> {
    fs::read(places.proc.join("cmdline")).unwrap_or_default()
}

/// Whether this process is in a container or has another root directory than the system.
#[must_use]
pub fn in_container(places: &Places) -> Option<bool> {
    if namespace(places, "pid")? != FIRST_PID_NAMESPACE {
        return Some(true);
    }
    let identity =
        |path: &std::path::Path| rustix::fs::stat(path).ok().map(|stat| (stat.st_dev, stat.st_ino));
    // Without root it cannot be seen; the process is in the first PID namespace.
    let root_of = |process: &str| identity(&places.proc.join(process).join("root").join("."));
    let first = root_of("1");
    Some(first.is_some_and(|first| root_of("self") != Some(first)))
}

fn namespace(places: &Places, kind: &str) -> Option<String> {
    let target = fs::read_link(places.proc.join("self/ns").join(kind)).ok()?;
    Some(target.to_string_lossy().into_owned())
}

/// Whether a process with this `/proc/PID/status` may load modules.
fn privilege(status: &str, user_namespace: Option<String>) -> Option<Privilege> {
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let effective = u64::from_str_radix(field("CapEff:")?, 16).ok()?;
    let is_root = field("Uid:")?.split_whitespace().nth(1)? == "0";
    let has_capability = effective >> CAP_SYS_MODULE & 1 == 1;
    Some(match (has_capability, is_root) {
        (true, _) if user_namespace.is_some_and(|namespace| namespace != FIRST_USER_NAMESPACE) => {
            Privilege::UserNamespace
        }
        (true, _) => Privilege::May,
        (false, true) => Privilege::NoCapability,
        (false, false) => Privilege::NotRoot,
    })
}

/// The word in brackets: `none [integrity] confidentiality`.
fn chosen(text: &str) -> Option<&str> {
    text.split_once('[')?.1.split_once(']').map(|(state, _)| state)
}

/// The descriptions of the asymmetric keys in the text of `/proc/keys`: what follows the eighth word. The kernel cuts
/// the names of types to nine letters.
fn keys(text: &str) -> Vec<String> {
    let of_line = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let kind = words.nth(7)?;
        let is_asymmetric = kind.trim_end_matches(':').starts_with("asymmetri");
        is_asymmetric.then(|| words.collect::<Vec<_>>().join(" "))
    };
    text.lines().filter_map(of_line).collect()
}

/// The names of algorithms in the text of `/proc/crypto`.
fn algorithms(text: &str) -> Vec<String> {
    let names = text.lines().filter_map(|line| line.strip_prefix("name"));
    names.map(|rest| rest.trim_start_matches([' ', '\t', ':']).trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_lockdown_stands_in_brackets() {
        assert_eq!(chosen("none [integrity] confidentiality\n"), Some("integrity"));
        assert_eq!(chosen("[none] integrity confidentiality\n"), Some("none"));
        assert_eq!(chosen(""), None);
    }

    #[test]
    fn keys_of_certificates_are_listed_with_their_subjects() {
        let text = "04a4c78f I------     1 perm 1f030000     0     0 asymmetri Debian Secure Boot CA: 6ccece7e: X509.rsa 6ccece7e []\n\
                    0521f1d3 I------     2 perm 1f0b0000     0     0 keyring   .builtin_trusted_keys: 1\n";
        assert_eq!(keys(text), ["Debian Secure Boot CA: 6ccece7e: X509.rsa 6ccece7e []"]);
        assert_eq!(keys(""), [""; 0]);
    }

    #[test]
    fn algorithms_are_named() {
        let text = "name         : sha512\ndriver       : sha512-generic\nmodule       : kernel\n\nname : crct10dif\n";
        assert_eq!(algorithms(text), ["sha512", "crct10dif"]);
    }

    #[test]
    fn a_capability_counts_in_the_first_user_namespace_only() {
        let status = |uid: u32, capabilities: &str| {
            format!("Name:\tx\nUid:\t0\t{uid}\t0\t0\nCapEff:\t{capabilities}\n")
        };
        let first = Some(FIRST_USER_NAMESPACE.to_owned());
        let of = |uid, capabilities| privilege(&status(uid, capabilities), first.clone());
        assert_eq!(of(0, "000001ffffffffff"), Some(Privilege::May));
        assert_eq!(of(0, "00000000a80425fb"), Some(Privilege::NoCapability));
        assert_eq!(of(1000, "0000000000000000"), Some(Privilege::NotRoot));
        let other = Some("user:[4026532001]".to_owned());
        assert_eq!(privilege(&status(0, "000001ffffffffff"), other), Some(Privilege::UserNamespace));
        assert_eq!(privilege("", None), None);
    }
}
