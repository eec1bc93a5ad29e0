//! Builds the database of a kernel from what its modules say.
//!
//! Each phase borrows the one before it: module files in database [`order`], the [`catalog`] of what they say,
//! the [`symbols`] that they provide, the [`graph`] of who needs whom, and the [`outputs`].

pub mod again;
mod binary;
mod bytes;
pub mod catalog;
pub mod cycles;
mod dependencies;
pub mod graph;
pub mod hash;
mod knots;
mod notes;
pub mod order;
pub mod outputs;
pub mod refuse;
pub mod search;
mod sources;
pub mod symbols;
mod text;
