//! The keyring as it lies on disk: JSON, keys as base64url, each beside its own hash.

use std::{io, path::Path};

use aws_lc_rs::{
    digest, rand,
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::KeyringFault;
use crate::{
    clock::{Now, Timestamp},
    disk,
    jws::SigningKey,
    keyring::{
        mac::MacKeys,
        seal::{SealId, Seals},
    },
};

const VERSION: u32 = 1;

/// A keyring is some hundreds of bytes.
const CAP: usize = 256 * 1024;

/// The file. No `Debug`; wiped when dropped.
#[derive(Serialize, Deserialize)]
pub(super) struct KeyringFile {
    version: u32,
    /// Its id, which the store records.
    pub(super) id: String,
    /// The id of the store that it belongs to.
    pub(super) store: String,
    made: Timestamp,
    sealing: SealingKeys,
    signing: Key,
    /// The key of statements about devices. A file from before there were any has none, and gets one at the next start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    statement: Option<Key>,
    /// Names of signing keys that are gone: what they signed is dead.
    #[serde(default)]
    pub(super) retired_signing: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct SealingKeys {
    current: Key,
    /// Keys that only open.
    others: Vec<Key>,
    /// Ids of keys that are gone: what they sealed is dead.
    retired: Vec<String>,
}

/// A key and the hash that names it, by which damage is noticed.
#[derive(Serialize, Deserialize)]
struct Key {
    id: String,
    key: String,
}

impl KeyringFile {
    /// New keys, and new ids for keyring and store.
    pub(super) fn generate(now: Now) -> Self {
        let sealing = random::<{ Seals::KEY_LEN }>();
        Self {
            version: VERSION,
            id: encode(&*random::<16>()),
            store: encode(&*random::<16>()),
            made: now.wall(),
            sealing: SealingKeys {
                current: Key { id: encode(SealId::of(&*sealing).as_bytes()), key: encode(&*sealing) },
                others: Vec::new(),
                retired: Vec::new(),
            },
            signing: Key::generate(),
            statement: Some(Key::generate()),
            retired_signing: Vec::new(),
        }
    }

    /// Gives the file what this release adds to it. Whether anything was missing: then it is to be written.
    pub(super) fn complete(&mut self) -> bool {
        let lacking = self.statement.is_none();
        if lacking {
            self.statement = Some(Key::generate());
        }
        lacking
    }

    /// Takes back what [`KeyringFile::complete`] gave: a key that is not on disk must not sign anything.
    pub(super) fn without_statement_key(mut self) -> Self {
        self.statement = None;
        self
    }

    /// The file at `path`; `None` if there is none.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, KeyringFault> {
        /// What every version has.
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let content = disk::read(path, CAP).map_err(|error| KeyringFault::Io { path: path.to_owned(), error })?;
        let Some(content) = content.map(Zeroizing::new) else { return Ok(None) };
        // What serde says of wrong JSON may quote it; where it is wrong is enough.
        let wrong = |error: serde_json::Error| {
            damaged(path, format!("no keyring from line {}, column {}", error.line(), error.column()))
        };
        let Versioned { version } = serde_json::from_slice(&content).map_err(wrong)?;
        if version != VERSION {
            return Err(KeyringFault::Newer { path: path.to_owned(), version });
        }
        warn_if_open_to_others(path);
        serde_json::from_slice(&content).map(Some).map_err(wrong)
    }

    /// Writes the file, whole or not at all, for its owner only.
    pub(super) fn write(&self, path: &Path) -> Result<(), KeyringFault> {
        let mut content = Zeroizing::new(Vec::with_capacity(8 * 1024));
        serde_json::to_writer_pretty(&mut *content, self)
            .map_err(io::Error::from)
            .and_then(|()| path.parent().map_or(Ok(()), disk::make_folder))
            .and_then(|()| disk::write_whole(path, &content))
            .map_err(|error| KeyringFault::Io { path: path.to_owned(), error })
    }

    pub(super) fn seals(&self, path: &Path) -> Result<Seals, KeyringFault> {
        let key = |key: &Key| {
            let bytes = decode(&key.key).ok_or_else(|| damaged(path, "a sealing key is not base64url"))?;
            if encode(SealId::of(&bytes).as_bytes()) != key.id {
                return Err(damaged(path, "a sealing key is not the one that its id names"));
            }
            Ok(bytes)
        };
        let others: Vec<_> = self.sealing.others.iter().map(key).collect::<Result<_, _>>()?;
        let retired = self.sealing.retired.iter().map(|id| {
            let bytes = decode(id).and_then(|bytes| <[u8; 8]>::try_from(&**bytes).ok());
            bytes.map(SealId::from_bytes).ok_or_else(|| damaged(path, "the id of a retired key is no id"))
        });
        let retired = retired.collect::<Result<_, _>>()?;
        Seals::new(&key(&self.sealing.current)?, &others, retired)
            .ok_or_else(|| damaged(path, "a sealing key has the wrong length"))
    }

    pub(super) fn signing(&self, path: &Path) -> Result<SigningKey, KeyringFault> {
        self.signing.signs(path, "signing key")
    }

    /// The key of statements; `None` if the file has none yet.
    pub(super) fn statement(&self, path: &Path) -> Result<Option<SigningKey>, KeyringFault> {
        self.statement.as_ref().map(|key| key.signs(path, "statement key")).transpose()
    }

    pub(super) fn mac_keys(&self, path: &Path) -> Result<MacKeys, KeyringFault> {
        let key = decode(&self.sealing.current.key).ok_or_else(|| damaged(path, "a sealing key is not base64url"))?;
        Ok(MacKeys::derive(&key))
    }
}

impl Key {
    /// A new Ed25519 key.
    fn generate() -> Self {
        let (id, key) = Ed25519KeyPair::generate()
            .and_then(|pair| Ok((thumbprint(&pair), Zeroizing::new(pair.to_pkcs8v1()?.as_ref().to_vec()))))
            .expect("an Ed25519 key can be made from any 32 random bytes");
        Self { id, key: encode(&key) }
    }

    fn signs(&self, path: &Path, what: &str) -> Result<SigningKey, KeyringFault> {
        let key = decode(&self.key).ok_or_else(|| damaged(path, format!("the {what} is not base64url")))?;
        let pair = Ed25519KeyPair::from_pkcs8(&key).map_err(|_| damaged(path, format!("the {what} is no key")))?;
        if thumbprint(&pair) != self.id {
            return Err(damaged(path, format!("the {what} is not the one that its id names")));
        }
        SigningKey::from_pkcs8(self.id.as_str(), &key)
            .map_err(|fault| damaged(path, format!("the {what} cannot be used: {fault}")))
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

/// The name of a signing key: the JWK thumbprint of its public half (RFC 7638, RFC 8037 §2).
fn thumbprint(pair: &Ed25519KeyPair) -> String {
    let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, encode(pair.public_key().as_ref()));
    encode(digest::digest(&digest::SHA256, jwk.as_bytes()).as_ref())
}

fn random<const N: usize>() -> Zeroizing<[u8; N]> {
    let mut bytes = Zeroizing::new([0; N]);
    rand::fill(&mut *bytes).expect("the system has randomness");
    bytes
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    URL_SAFE_NO_PAD.decode(text).ok().map(Zeroizing::new)
}

fn damaged(path: &Path, what: impl Into<String>) -> KeyringFault {
    KeyringFault::Damaged { path: path.to_owned(), what: what.into() }
}

fn warn_if_open_to_others(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    if std::fs::metadata(path).is_ok_and(|about| about.permissions().mode() & 0o077 != 0) {
        tracing::warn!("the keyring {} can be read by others than its owner: chmod 600 it", path.display());
    }
}
