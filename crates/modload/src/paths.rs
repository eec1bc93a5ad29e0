//! The only module of this crate with absolute paths.

/// Where a command looks for programs if nobody has set a path.
pub const COMMANDS: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The home of a command that has no user.
pub const HOME: &str = "/";
