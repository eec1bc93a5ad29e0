//! Whether anything is changed.

/// Whether plans change anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// They do.
    Real,
    /// The kernel only rehearses, and what would never get as far as the kernel succeeds.
    Rehearsed,
}
