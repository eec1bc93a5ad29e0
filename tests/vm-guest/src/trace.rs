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
}

/// Turns the tracepoints on; once per boot.
///
/// # Errors
/// Names the file of tracefs that refused.
pub fn start() -> Result<()> {
    // The requests of a storm fit many times; the default would take memory and time.
    put("buffer_size_kb", "512")?;
    put("events/sched/sched_process_exec/filter", FILTER)?;
    for event in ["module/module_request", "sched/sched_process_exec"] {
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
            modprobe-66      [000] .....     2.520: sched_process_exec: filename=/sbin/modprobe pid=66 old_pid=66\n";
        let seen = Seen { requests: vec!["fs-a b".into()], modprobes: 1 };
        assert_eq!(parse(text), seen);
    }
}
