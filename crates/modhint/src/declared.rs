//! The parameters that a module declares, by name and type.

use std::path::Path;

use modfile::elf::Class;
use modfile::parameters::{self, ParameterType};
use modfile::{ReadError, modinfo};

/// The parameters of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Names, and the names of their types, empty where the module does not say.
    parameters: Vec<(Vec<u8>, Vec<u8>)>,
    /// How many bits a `long` of the module's kernel has.
    bits_of_long: u32,
}

impl Declared {
    /// Those that a `.modinfo` section in a file of this word size describes.
    #[must_use]
    pub fn of_section(section: &[u8], class: Class) -> Self {
        let described = parameters::described(section).all.into_iter();
        let parameters =
            described.map(|parameter| (parameter.name.to_vec(), parameter.kind.unwrap_or_default().to_vec()));
        Self { parameters: parameters.collect(), bits_of_long: if class == Class::Elf32 { 32 } else { 64 } }
    }

    /// Those of the module in a file.
    ///
    /// # Errors
    /// The file cannot be read, or holds no module.
    pub fn of_file(path: &Path) -> Result<Self, ReadError> {
        let strings = modinfo::of_file(path)?;
        Ok(Self::of_section(&strings.section, strings.class))
    }

    /// The name of a parameter's type, as the module declares it.
    #[must_use]
    pub fn type_name(&self, name: &[u8]) -> Option<&[u8]> {
        let declared = self.parameters.iter().find(|(declared, _)| parameters::is_same_name(declared, name));
        declared.map(|(_, kind)| kind.as_slice())
    }

    /// The type of a parameter; `None` if there is no such parameter, or only the module knows its type.
    #[must_use]
    pub fn kind(&self, name: &[u8]) -> Option<ParameterType> {
        ParameterType::of(self.type_name(name)?, self.bits_of_long)
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.parameters.iter().map(|(name, _)| name.as_slice())
    }
}
