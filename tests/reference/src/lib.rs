//! The kmod programs that ours are compared with: where they and the Debian kernel's modules are kept, and
//! running any program within limits of time and output.
//!
//! Nothing is fetched here; `cargo xtask setup` does that. What is missing is said, with that command.

mod cache;
pub mod names;
mod program;
mod run;

pub use cache::{Cache, Kernel};
pub use program::{Program, Release};
pub use run::{Ending, Limits, Outcome, run, run_at_terminal, run_with_stdout_set};
