//! A Debian system that exists for one scenario: an overlay on a minimal one, in a mount namespace of its own.
//!
//! Every program that is started, and every link, rename and removal is recorded. A scenario reads the record as
//! `/record`; after it, the record shows for certain whether a file was ever missing.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// What a scenario needs.
pub struct System<'a> {
    /// The minimal system; it stays as it is.
    pub base: &'a Path,
    /// Directories with packages, which the scenario finds in `/packages`.
    pub packages: &'a [PathBuf],
    /// Our packages, which are there, too, each as its name and `.deb`.
    pub ours: &'a [PathBuf],
    /// A directory that the scenario sees as `/reference`.
    pub reference: &'a Path,
}

/// Mounts, puts packages and script inside, and runs it. Arguments: work, base, reference, and packages. What is
/// exchanged with the outside lies in work: `script`, `record` and the directory `out`.
const ENTER: &str = r#"
set -e
work=$1 top=$1/top base=$2 reference=$3
shift 3
mount -t tmpfs scenario "$work/mount"
mkdir "$work/mount/upper" "$work/mount/work"
mount -t overlay scenario -o "lowerdir=$base,upperdir=$work/mount/upper,workdir=$work/mount/work" "$top"
mount -t proc proc "$top/proc"
mount -t sysfs -o ro sysfs "$top/sys"
mkdir "$top/packages" "$top/reference" "$top/out"
for package; do
    name=${package##*/}
    case $name in
        *modutils-rs*) cp "$package" "$top/packages/${name%%_*}.deb" ;;
        *) cp "$package" "$top/packages" ;;
    esac
done
mount --bind --read-only "$reference" "$top/reference"
mount --bind "$work/out" "$top/out"
touch "$top/scenario" "$top/record"
mount --bind "$work/script" "$top/scenario"
mount --bind "$work/record" "$top/record"
exec strace --follow-forks --seccomp-bpf --decode-fds=path --quiet=all --string-limit=200 --output="$work/record" \
    --trace=execve,unlink,unlinkat,rename,renameat,renameat2 \
    chroot "$top" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive \
    sh -eu /scenario
"#;

/// A scenario with this line has a moment at which nobody offers a modprobe.
const NONE_AT_TIMES: &str = "# There is no modprobe at times.";

/// What must never be missing: a directory with another name of it, and the name of the file.
const NEVER_MISSING: [([&str; 2], &str); 2] = [
    (["/sbin", "/usr/sbin"], "modprobe"),
    (["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu"], "libkmod.so.2"),
];

impl System<'_> {
    /// Runs a script; fails if a command of it fails, or if modprobe was ever missing. What the script puts into
    /// `/out` is found in `work/out` afterwards.
    pub fn play(&self, script: &str, work: &Path) -> Result<()> {
        for directory in ["mount", "top", "out"] {
            fs::create_dir(work.join(directory))?;
        }
        fs::write(work.join("script"), script)?;
        File::create(work.join("record"))?;
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", ENTER, "sh"]).arg(work);
        command.args([self.base, self.reference]).args(self.ours);
        for directory in self.packages {
            for package in fs::read_dir(directory).with_context(|| directory.display().to_string())? {
                command.arg(package?.path());
            }
        }
        let output = command.output().context("cannot start unshare")?;
        ensure!(
            output.status.success(),
            "{}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        if script.contains(NONE_AT_TIMES) {
            return Ok(());
        }
        let record = String::from_utf8_lossy(&fs::read(work.join("record"))?).into_owned();
        ensure!(record.contains("execve("), "nothing was recorded");
        let top = work.join("top").to_string_lossy().into_owned();
        let missing: Vec<&str> = record.lines().filter(|line| takes_away(line, &top)).collect();
        ensure!(missing.is_empty(), "something was missing for a moment:\n{}", missing.join("\n"));
        Ok(())
    }
}

/// Whether a recorded call in the system at `top` removes the name of modprobe or of the C library, or renames it to
/// something else. A name without a directory counts if the directory is unknown.
fn takes_away(call: &str, top: &str) -> bool {
    // How an interrupted line goes on is not looked up: it is taken for done.
    let done = ["= 0", "<unfinished ...>"].iter().any(|end| call.trim_end().ends_with(end));
    if !done || call.contains(" execve(") {
        return false;
    }
    let arguments = call.split_once('(').map_or("", |(_, arguments)| arguments);
    let Some((before, rest)) = arguments.split_once('"') else { return false };
    let name = rest.split('"').next().unwrap_or_default();
    let directory = before.rsplit_once('<').and_then(|(_, path)| path.split('>').next());
    let inside = directory.map(|path| path.strip_prefix(top).unwrap_or(path));
    NEVER_MISSING.iter().any(|(directories, file)| match name.rsplit_once('/') {
        Some((directory, last)) => last == *file && directories.contains(&directory),
        None => name == *file && inside.is_none_or(|directory| directories.contains(&directory)),
    })
}

#[cfg(test)]
mod tests {
    use super::takes_away;

    #[test]
    fn only_calls_that_leave_no_modprobe_or_library_are_found() {
        let found = |call: &str| takes_away(call, "/t/top");
        assert!(found("12 unlink(\"/sbin/modprobe\") = 0"));
        assert!(found("12 unlink(\"modprobe\") = 0"));
        assert!(found("12 unlink(\"/sbin/modprobe\" <unfinished ...>"));
        assert!(found("12 unlinkat(AT_FDCWD</t/top/root>, \"/usr/sbin/modprobe\", 0) = 0"));
        assert!(found("12 unlinkat(5</t/top/usr/sbin>, \"modprobe\", 0) = 0"));
        assert!(found("12 rename(\"/sbin/modprobe\", \"/sbin/modprobe.kmod\") = 0"));
        assert!(found("12 rename(\"/usr/lib/x86_64-linux-gnu/libkmod.so.2\", \"/x\") = 0"));
        assert!(!found("12 unlink(\"/usr/lib/x86_64-linux-gnu/libkmod.so.2.ours\") = 0"));
        assert!(!found("12 rename(\"/sbin/modprobe.ours\", \"/sbin/modprobe\") = 0"));
        assert!(!found("12 unlink(\"/sbin/modprobe\") = -1 ENOENT (No such file or directory)"));
        assert!(!found("12 unlinkat(5</t/top/var/tmp/mkinitramfs/usr/sbin>, \"modprobe\", 0) = 0"));
        assert!(!found("12 execve(\"/sbin/modprobe\", [\"/sbin/modprobe\"], 0x7f /* 9 vars */) = 0"));
    }
}
