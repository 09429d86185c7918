//! Bugs planted on purpose (feature `breakable`, never in what is released): a model check that finds none of these
//! would find no other.

use super::DeviceClient;

/// One wrong rule in the device's own side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PlantedBug {
    /// One signed statement is enough to erase.
    OneStatementWipes,
    /// While it waits for a statement, no timer runs.
    CheckingWithoutTimer,
    /// The nonce of a statement is not compared, so that an old one counts.
    OldStatementCounts,
    /// A new key is stored only together with the first credential.
    KeyStoredLate,
}

impl DeviceClient {
    /// Plants it.
    pub fn plant(&mut self, bug: PlantedBug) {
        self.planted = Some(bug);
    }
}
