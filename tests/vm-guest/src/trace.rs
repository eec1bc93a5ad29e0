//! What the kernel did, from its own tracepoints: the module requests that it made, and the programs that were
//! started for them. Nothing stands between the kernel and the tool, so what is counted is what happens.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

/// Where the init mounts tracefs for itself.
pub const TRACING: &str = "/vm/tracing";

/// Whatever is started below one of these names counts as a modprobe.
const FILTER: &str = "filename ~ \"*/modprobe\"";

/// What was seen while something ran.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The names that the kernel requested, in order.
    pub requests: Vec<String>,
    /// How many modprobe processes were started, by the kernel or by anyone.
    pub modprobes: usize,
    /// The processes that a signal of their own making ended: a crash, or a panic that aborts.
    pub crashes: Vec<String>,
}

/// Illegal instruction, abort, bus error, arithmetic, segmentation violation, bad system call.
const CRASHES: &str = "sig == 4 || sig == 6 || sig == 7 || sig == 8 || sig == 11 || sig == 31";

/// Turns the tracepoints on; once per boot.
///
/// # Errors
/// Names the file of tracefs that refused.
pub fn start() -> Result<()> {
    // The requests of a storm fit many times; the default would take memory and time.
    put("buffer_size_kb", "512")?;
    put("events/sched/sched_process_exec/filter", FILTER)?;
    put("events/signal/signal_deliver/filter", CRASHES)?;
    for event in ["module/module_request", "sched/sched_process_exec", "signal/signal_deliver"] {
        put(&format!("events/{event}/enable"), "1")?;
    }
    put("tracing_on", "1")
}

/// Runs `action` and gives its value with what was seen meanwhile.
///
/// # Errors
/// When the trace cannot be read or lost events.
pub fn watch<T>(action: impl FnOnce() -> T) -> Result<(T, Seen)> {
    put("trace", "")?;
    let value = action();
    let path = file("trace");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    ensure!(!text.contains("LOST"), "the trace lost events");
    Ok((value, parse(&text)))
}

/// Runs `action` and gives its value with the system calls that handed a module to the kernel meanwhile, in order.
///
/// # Errors
/// When the trace cannot be read or lost events.
pub fn insertions<T>(action: impl FnOnce() -> T) -> Result<(T, Vec<String>)> {
    const CALLS: [&str; 2] = ["finit_module", "init_module"];
    let enable = |value: &str| {
        CALLS.iter().try_for_each(|call| put(&format!("events/syscalls/sys_enter_{call}/enable"), value))
    };
    enable("1")?;
    let watched = watch(action).map(|(value, _)| value);
    enable("0")?;
    let text = fs::read_to_string(file("trace"))?;
    let call = |line: &str| {
        let (_, rest) = line.split_once(": sys_")?;
        Some(rest.split_once('(')?.0.to_owned())
    };
    Ok((watched?, text.lines().filter(|line| !line.starts_with('#')).filter_map(call).collect()))
}

fn file(name: &str) -> PathBuf {
    Path::new(TRACING).join(name)
}

fn put(name: &str, value: &str) -> Result<()> {
    let path = file(name);
    fs::write(&path, value).with_context(|| format!("cannot write {value:?} to {}", path.display()))
}

fn parse(text: &str) -> Seen {
    let mut seen = Seen::default();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some((_, request)) = line.split_once(": module_request: ") {
            let name = request.rsplit_once(" wait=").map_or(request, |(name, _)| name);
            seen.requests.push(name.to_owned());
        } else if line.contains(": sched_process_exec: ") {
            seen.modprobes += 1;
        } else if line.contains(": signal_deliver: ") {
            let process = line.split_ascii_whitespace().next().unwrap_or_default();
            let signal = line.split_ascii_whitespace().find(|word| word.starts_with("sig="));
            seen.crashes.push(format!("{process} {}", signal.unwrap_or_default()));
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_processes_are_read_from_the_trace() {
        let text = "# tracer: nop\n\
            # ... : module_request: no\n\
            vm-guest-65      [000] .....     2.515: module_request: fs-a b wait=1 call_site=get_fs_type\n\
            modprobe-66      [000] .....     2.520: sched_process_exec: filename=/sbin/modprobe pid=66 old_pid=66\n\
            modprobe-66 [000] d.... 2.521: signal_deliver: sig=11 errno=0 code=1 sa_handler=0 sa_flags=0\n";
        let crashes = vec!["modprobe-66 sig=11".into()];
        let seen = Seen { requests: vec!["fs-a b".into()], modprobes: 1, crashes };
        assert_eq!(parse(text), seen);
    }
}
