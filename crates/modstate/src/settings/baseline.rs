//! The values right after a load, `/run/modutils/baseline/NAME`: what was changed since then is what somebody set.
//! It counts for one load only.
//!
//! Beside the values it says which saved ones have been in effect since that load. Only of these can a value that
//! is as it was at the load mean that somebody set it back; one that was never put back stays saved.

use std::io;

use modfile::ModuleName;
use modfile::regular::RegularError;

use super::key::Key;
use super::notice::Notice;
use crate::directory::{Directory, Durability, FOR_OWNER, name_of};
use crate::fields;
use crate::identity::Identity;
use crate::places::{BASELINES, Places};

/// The key of the lines that name saved settings in effect.
const IN_EFFECT: &str = "in-effect";
/// The key of the line that says that saved settings were looked for.
const SERVED: &str = "served";
/// The key of the lines that name parameters given for this load.
const GIVEN: &str = "given";
/// The key of the line that names the network namespace of the values below `net/`.
const NETWORK: &str = "network";

/// What is known of one load of a module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Baseline {
    /// The values right after it.
    pub values: Vec<(Key, Vec<u8>)>,
    /// Saved settings that the kernel has had since then.
    pub in_effect: Vec<Key>,
    /// Whether it was looked what is saved: before `/var` is there nobody can know.
    pub served: bool,
    /// The parameters that were given for this load, as far as they are known.
    pub given: Vec<Vec<u8>>,
}

impl Baseline {
    /// The value of a setting right after the load.
    pub fn value(&self, key: &Key) -> Option<&[u8]> {
        self.values.iter().find(|(other, _)| other == key).map(|(_, value)| value.as_slice())
    }

    /// Writes it for a load.
    pub fn write(&self, places: &Places, module: &ModuleName, identity: &Identity) -> io::Result<()> {
        let mut text = identity.format();
        for (key, value) in &self.values {
            text.extend(fields::line(&key.to_string(), value));
        }
        // A baseline without this line may be of another namespace.
        text.extend(fields::line(NETWORK, b"initial"));
        if self.served {
            text.extend(fields::line(SERVED, b"yes"));
        }
        for name in &self.given {
            text.extend(fields::line(GIVEN, name));
        }
        for key in &self.in_effect {
            text.extend(fields::line(IN_EFFECT, &key.format()));
        }
        let name = name_of(module).ok_or(io::ErrorKind::InvalidInput)?;
        let directory = Directory::make(&places.run, places.owner)?.make_inner(BASELINES)?;
        directory.replace(name, &text, FOR_OWNER, Durability::Volatile)
    }

    /// That of a load; `None` if it has none.
    ///
    /// # Errors
    /// There may be one, which cannot be read.
    pub fn read(places: &Places, module: &ModuleName, identity: &Identity) -> Result<Option<Self>, Notice> {
        let Some(name) = name_of(module) else { return Ok(None) };
        let read = || match Directory::open(&places.run, places.owner)? {
            Some(base) => base.inner(BASELINES)?.map_or(Ok(None), |directory| directory.read(name)),
            None => Ok(None),
        };
        match read() {
            Ok(text) => Ok(text.and_then(|text| Self::parse(&text.bytes, identity))),
            Err(RegularError::NotTrusted(_)) => Err(Notice::NotTrusted(places.baselines().join(name))),
            Err(error) => Err(Notice::CannotRead(places.baselines().join(name), error.into())),
        }
    }

    fn parse(text: &[u8], identity: &Identity) -> Option<Self> {
        let pairs = fields::parse(text).ok()?;
        if Identity::of_pairs(&pairs).as_ref() != Some(identity) {
            return None;
        }
        let mut baseline = Self::default();
        for (key, value) in &pairs {
            if *key == IN_EFFECT.as_bytes() {
                baseline.in_effect.extend(Key::parse(value));
            } else if *key == GIVEN.as_bytes() {
                baseline.given.push(value.clone());
            } else if let Some(key) = Key::parse(key) {
                baseline.values.push((key, value.clone()));
            }
        }
        baseline.served = fields::single(&pairs, SERVED) == Some(b"yes");
        if fields::single(&pairs, NETWORK) != Some(b"initial") {
            baseline.values.retain(|(key, _)| !key.is_of_network());
            baseline.in_effect.retain(|key| !key.is_of_network());
        }
        Some(baseline)
    }
}
