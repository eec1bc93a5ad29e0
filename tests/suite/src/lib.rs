//! Which tools the suite has. Chores, tests, completions and packaging take their names from here, so a new tool is
//! one more line in [`TOOLS`].
//!
//! Shell scripts cannot read this list: what builds or starts them puts it in, see [`words`].

/// Every tool that is shipped, each a package of the workspace of that name with a page `man/NAME.8`.
pub const TOOLS: [&str; 7] = ["modprobe", "rmmod", "depmod", "insmod", "lsmod", "modinfo", "kmod"];

/// The tools as a list of words for a shell.
#[must_use]
pub fn words() -> String {
    TOOLS.join(" ")
}

/// Whether the suite has a tool of that name.
#[must_use]
pub fn has(name: &str) -> bool {
    TOOLS.contains(&name)
}
