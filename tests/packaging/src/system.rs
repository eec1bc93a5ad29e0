//! A Debian system that exists for one scenario: an overlay on a minimal one, in a mount namespace of its own.
//!
//! Every link, rename and removal is recorded, so that it can be said for certain that a file was never missing.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// What a scenario needs.
pub struct System<'a> {
    /// The minimal system; it stays as it is.
    pub base: &'a Path,
    /// A directory with kmod's packages.
    pub packages: &'a Path,
    /// Our package.
    pub ours: &'a Path,
}

/// Mounts, puts packages and script inside, and runs it. Arguments: work, base, packages, ours, script.
const ENTER: &str = r#"
set -e
mount -t tmpfs scenario "$1"
mkdir "$1/upper" "$1/work" "$1/top"
mount -t overlay scenario -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" "$1/top"
mount -t proc proc "$1/top/proc"
mkdir "$1/top/packages"
cp "$3"/*.deb "$1/top/packages"
cp "$4" "$1/top/packages/ours.deb"
cp "$5" "$1/top/scenario"
exec strace --follow-forks --quiet=all --string-limit=200 --output="$6" \
    --trace=unlink,unlinkat,rename,renameat,renameat2 \
    chroot "$1/top" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive \
    sh -eu /scenario
"#;

/// A scenario with this line has a moment at which nobody offers a modprobe.
const NONE_AT_TIMES: &str = "# There is no modprobe at times.";

impl System<'_> {
    /// Runs a scenario behind what all share; fails if a command of it fails, or if modprobe was ever missing.
    pub fn play(&self, common: &Path, scenario: &Path) -> Result<()> {
        let work = tempfile::tempdir()?;
        let text = fs::read_to_string(scenario)?;
        let script = work.path().join("script");
        fs::write(&script, fs::read_to_string(common)? + &text)?;
        let (mount, record) = (work.path().join("mount"), work.path().join("record"));
        fs::create_dir(&mount)?;
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", ENTER, "sh"]);
        command.arg(&mount).arg(self.base).arg(self.packages).arg(self.ours).arg(&script).arg(&record);
        let output = command.output().context("cannot start unshare")?;
        ensure!(
            output.status.success(),
            "{}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        if text.contains(NONE_AT_TIMES) {
            return Ok(());
        }
        let record = String::from_utf8_lossy(&fs::read(&record)?).into_owned();
        ensure!(record.contains("sbin/modprobe"), "nothing about modprobe was recorded");
        let missing: Vec<&str> = record.lines().filter(|line| takes_modprobe_away(line)).collect();
        ensure!(missing.is_empty(), "there was a moment without modprobe:\n{}", missing.join("\n"));
        Ok(())
    }
}

/// Whether a recorded call removes the name of modprobe, or renames it to something else.
fn takes_modprobe_away(call: &str) -> bool {
    let names = ["\"/sbin/modprobe\"", "\"/usr/sbin/modprobe\"", "\"modprobe\""];
    let done = call.trim_end().ends_with("= 0");
    let arguments = call.split_once('(').map_or("", |(_, arguments)| arguments);
    let first = arguments.split(", ").find(|argument| argument.starts_with('"')).unwrap_or_default();
    done && names.contains(&first.split(')').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::takes_modprobe_away;

    #[test]
    fn only_calls_that_leave_no_modprobe_are_found() {
        assert!(takes_modprobe_away("12 unlink(\"/sbin/modprobe\") = 0"));
        assert!(takes_modprobe_away("12 unlinkat(AT_FDCWD, \"/usr/sbin/modprobe\", 0) = 0"));
        assert!(takes_modprobe_away("12 rename(\"/sbin/modprobe\", \"/sbin/modprobe.kmod\") = 0"));
        assert!(!takes_modprobe_away("12 rename(\"/sbin/modprobe.ours\", \"/sbin/modprobe\") = 0"));
        assert!(!takes_modprobe_away(
            "12 unlink(\"/sbin/modprobe\") = -1 ENOENT (No such file or directory)"
        ));
    }
}
