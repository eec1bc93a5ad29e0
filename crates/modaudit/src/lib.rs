//! What the configuration does with a name, and what in it is wrong or has no effect.
//!
//! [`explain`] looks at one name, [`check`] at every line. Both give data, and can write it for people and for programs.
//! The kernel is only looked at, nothing is changed, and nothing is printed. A person asks for either, and nobody waits
//! on it: what is here is compiled to be small.

pub mod check;
pub mod explain;
mod patterns;

/// Text of bytes that need not be any.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
