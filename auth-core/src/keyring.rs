//! Our private keys.

use std::{path::Path, sync::Arc};

use serde::Serialize;

use crate::{clock::Now, database::Database, seal::Seals};

/// Our keys: one that seals, one that signs identities. Cheap to clone.
#[derive(Clone)]
pub struct Keyring(Arc<Keys>);

struct Keys {
    seals: Arc<Seals>,
}

/// Why the gateway must not start: its text says the way out.
#[derive(Debug, thiserror::Error)]
pub enum KeyringFault {
    /// Placeholder.
    #[error("placeholder")]
    Placeholder,
}

/// A claim set could not be written as JSON.
#[derive(Debug, thiserror::Error)]
#[error("cannot sign: {0}")]
pub struct SignFault(String);

impl Keyring {
    /// Loads the keyring of the folder `data`, or makes keyring and store if both are absent.
    ///
    /// # Errors
    /// Whatever an operator must decide (exit code 20). A store that cannot be read is down, and no fault.
    pub async fn open(_data: &Path, _store: &Database, _now: Now) -> Result<Self, KeyringFault> {
        todo!()
    }

    /// Our public keys as a JWK set (RFC 7517 §5).
    pub fn public_keys(&self) -> serde_json::Value {
        todo!()
    }

    /// Signs `claims` as a JWT (RFC 7519) of type `typ`, by EdDSA (RFC 8037), naming our key.
    ///
    /// # Errors
    /// If `claims` cannot be written as a JSON object.
    pub fn sign(&self, _typ: &str, _claims: &impl Serialize) -> Result<String, SignFault> {
        todo!()
    }

    pub(crate) fn seals(&self) -> &Arc<Seals> {
        &self.0.seals
    }
}
