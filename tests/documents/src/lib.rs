//! Manual pages and completions, held against the definitions of the tools, so that an option is never in the
//! program alone, nor in its papers alone.
//!
//! What an option means is written by hand in the pages; what completions know of options is generated.

pub mod completions;
pub mod page;
pub mod tool;
