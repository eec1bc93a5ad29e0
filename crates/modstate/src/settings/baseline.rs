//! The values right after a load, `/run/modutils/baseline/NAME`: what was changed since then is what somebody set.
//! It counts for one load only.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;

use modfile::ModuleName;

use super::Places;
use super::key::Key;
use crate::fields;
use crate::identity::Identity;
use crate::small_file::{self, Durability};

/// Writes the baseline of a load. Without a place for it nothing is written.
pub(super) fn write(
    places: &Places,
    module: &ModuleName,
    identity: &Identity,
    values: &[(Key, Vec<u8>)],
) -> io::Result<()> {
    let mut text = identity.format();
    for (key, value) in values {
        text.extend(fields::line(&key.to_string(), value));
    }
    let path = small_file::of_module(&places.baselines, module).ok_or(io::ErrorKind::InvalidInput)?;
    fs::DirBuilder::new().recursive(true).mode(0o755).create(&places.baselines)?;
    small_file::replace(&path, &text, Durability::Volatile)
}

/// The baseline of a load; `None` if it has none.
pub(super) fn read(places: &Places, module: &ModuleName, identity: &Identity) -> Option<Vec<(Key, Vec<u8>)>> {
    let text = small_file::read(&small_file::of_module(&places.baselines, module)?).ok()?;
    let pairs = fields::parse(&text).ok()?;
    if Identity::of_pairs(&pairs).as_ref() != Some(identity) {
        return None;
    }
    Some(pairs.into_iter().filter_map(|(key, value)| Some((Key::parse(key)?, value))).collect())
}
