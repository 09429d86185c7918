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
    jws::{PublicHalf, SigningKey},
    keyring::{
        mac::MacKeys,
        permissions,
        seal::{SealId, Seals},
    },
};

const VERSION: u32 = 1;

/// A keyring is some hundreds of bytes.
const CAP: usize = 256 * 1024;

/// The file. No `Debug`; its keys are wiped when dropped.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct KeyringFile {
    version: u32,
    /// Its id, which the store records.
    pub(super) id: String,
    /// The id of the store that it belongs to.
    pub(super) store: String,
    made: Timestamp,
    pub(super) sealing: SealingKeys,
    pub(super) signing: Key,
    /// The signing key that comes next: published, and not used yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) next_signing: Option<NextKey>,
    /// Public halves of signing keys that sign no more: what they signed is good until it is over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) old_signing: Vec<OldSigningKey>,
    /// The key of statements about devices. A file from before there were any has none, and gets one at the next start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) statement: Option<Key>,
    /// Names of signing keys that are gone: what they signed is dead.
    #[serde(default)]
    pub(super) retired_signing: Vec<String>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct SealingKeys {
    pub(super) current: Key,
    /// Keys that only open.
    pub(super) others: Vec<OldSealingKey>,
    /// Ids of keys that are gone: what they sealed is dead.
    pub(super) retired: Vec<String>,
}

/// A key and the hash that names it, by which damage is noticed.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Key {
    pub(super) id: String,
    key: String,
}

/// A sealing key that seals no more.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct OldSealingKey {
    #[serde(flatten)]
    pub(super) key: Key,
    /// When the last of what it sealed is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<Timestamp>,
}

/// A signing key that is published before it is used.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct NextKey {
    #[serde(flatten)]
    pub(super) key: Key,
    /// When it takes over.
    pub(super) from: Timestamp,
}

/// What is kept of a signing key that signs no more. Its private half is gone.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct OldSigningKey {
    pub(super) id: String,
    x: String,
    /// Until when it is published; `None` once it is not any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) published_until: Option<Timestamp>,
    /// When the last of what it signed is over.
    pub(super) until: Timestamp,
}

impl KeyringFile {
    /// New keys, and new ids for keyring and store.
    pub(super) fn generate(now: Now) -> Self {
        Self {
            version: VERSION,
            id: encode(&*random::<16>()),
            store: encode(&*random::<16>()),
            made: now.wall(),
            sealing: SealingKeys { current: Key::generate_sealing(), others: Vec::new(), retired: Vec::new() },
            signing: Key::generate(),
            next_signing: None,
            old_signing: Vec::new(),
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
        permissions::check(path)?;
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
        let others: Vec<_> = self.sealing.others.iter().map(|old| key(&old.key)).collect::<Result<_, _>>()?;
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

    /// The key that signs next, if one is published.
    pub(super) fn next_signing(&self, path: &Path) -> Result<Option<SigningKey>, KeyringFault> {
        self.next_signing.as_ref().map(|next| next.key.signs(path, "next signing key")).transpose()
    }

    /// The keys that only verify, and whether each is published.
    pub(super) fn old_signing(&self, path: &Path) -> Result<Vec<(PublicHalf, bool)>, KeyringFault> {
        let public = |old: &OldSigningKey| {
            let bytes = decode(&old.x).filter(|bytes| thumbprint(bytes) == old.id);
            let bytes = bytes.ok_or_else(|| damaged(path, "an old signing key is not the one that its id names"))?;
            let public = PublicHalf::new(old.id.as_str(), bytes.to_vec());
            let public =
                public.map_err(|fault| damaged(path, format!("an old signing key cannot be used: {fault}")))?;
            Ok((public, old.published_until.is_some()))
        };
        self.old_signing.iter().map(public).collect()
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
    /// A new key to seal with.
    pub(super) fn generate_sealing() -> Self {
        let key = random::<{ Seals::KEY_LEN }>();
        Self { id: encode(SealId::of(&*key).as_bytes()), key: encode(&*key) }
    }

    /// A new Ed25519 key.
    pub(super) fn generate() -> Self {
        let (id, key) = Ed25519KeyPair::generate()
            .and_then(|pair| {
                Ok((thumbprint(pair.public_key().as_ref()), Zeroizing::new(pair.to_pkcs8v1()?.as_ref().to_vec())))
            })
            .expect("an Ed25519 key can be made from any 32 random bytes");
        Self { id, key: encode(&key) }
    }

    /// What is kept of it once it signs no more.
    pub(super) fn public(&self, published_until: Timestamp, until: Timestamp) -> Option<OldSigningKey> {
        let pair = Ed25519KeyPair::from_pkcs8(&decode(&self.key)?).ok()?;
        let x = encode(pair.public_key().as_ref());
        Some(OldSigningKey { id: self.id.clone(), x, published_until: Some(published_until), until })
    }

    fn signs(&self, path: &Path, what: &str) -> Result<SigningKey, KeyringFault> {
        let key = decode(&self.key).ok_or_else(|| damaged(path, format!("the {what} is not base64url")))?;
        let pair = Ed25519KeyPair::from_pkcs8(&key).map_err(|_| damaged(path, format!("the {what} is no key")))?;
        if thumbprint(pair.public_key().as_ref()) != self.id {
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
fn thumbprint(public: &[u8]) -> String {
    let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, encode(public));
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
