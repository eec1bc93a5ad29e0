//! What a module exports and what it needs, with checksums.
//!
//! Exports are the `__crc_` symbols; a kernel without symbol versions has none, and then the names in
//! `__ksymtab_strings` are the exports. Needs are the undefined symbols; their checksums stand in
//! `__versions`, or since Linux 6.14 in `__version_ext_crcs` and `__version_ext_names`.

mod exports;
mod list;
mod needs;
mod table;
mod versions;

pub use exports::{exported_names, exports};
pub use list::{Export, Exported, Exports, Need, Needed, Needs};
pub use needs::{NeedsScratch, needs};
pub use table::SymbolTable;
pub(crate) use table::until_nul;
pub use versions::{Version, Versions};
