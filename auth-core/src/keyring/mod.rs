//! Our private keys: the one that seals tickets, the one that signs identities and device tokens, the one that signs
//! statements about devices. The only files that touch them.
//!
//! They lie in `data/keyring`, readable by their owner only. Keyring and store belong together, since a store without
//! its keyring cannot open what it keeps, and a keyring with another's store would not know who has signed out. So
//! both are made only when both are absent, and each records the other's id. What does not fit is a
//! [`KeyringFault`], whose text says the way out; a store that cannot be read is merely down, and no fault.
//!
//! The statement key is apart from the one that signs tokens: a display erases what it holds on the word of that key
//! alone. A keyring from before there was one gets it at the next start; while the disk does not take it, nothing is
//! signed by it, since what displays are told to pin must still be there tomorrow.
//!
//! Keys are replaced while we run, and nothing that they made is lost: see `rotation`.

mod file;
pub(crate) mod mac;
mod permissions;
pub(crate) mod rotation;
pub(crate) mod seal;
#[cfg(test)]
mod tests;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use arc_swap::ArcSwap;
use serde::Serialize;

use self::file::KeyringFile;
pub use self::rotation::{
    KeyPurpose, KeyState, LONGEST_SEALED, LONGEST_SIGNED, ListedKey, PUBLISHED_BEFORE, RetireFault, TakeOver,
};
pub use crate::jws::SignFault;
use crate::{
    alarm::{self, Alarm},
    clock::Now,
    data_folder::{DataFolder, FolderPath},
    database::{Database, DatabaseAddress, Ids},
    dependency::Dependency,
    disk,
    jws::{PublicHalf, SigningKey, Unverified},
    keyring::{mac::MacKeys, seal::Seals},
    lock::lock,
    verdict::{OrUnavailable, Unavailable},
};

/// Our keys. Cheap to clone.
#[derive(Clone)]
pub struct Keyring(Arc<Held>);

struct Held {
    seals: Arc<Seals>,
    keys: ArcSwap<Keys>,
    /// As it lies on disk, to be written again if somebody removes it.
    file: Mutex<KeyringFile>,
    /// Whether it is gone and could not be written again: that rings once, not at every look.
    gone: AtomicBool,
}

/// All but the sealing keys, which say for themselves which are in use.
struct Keys {
    signing: SigningKey,
    /// Published, and not used yet.
    next_signing: Option<SigningKey>,
    /// They only verify; each with whether it is published.
    old_signing: Vec<(PublicHalf, bool)>,
    /// None while the disk does not take it.
    statement: Option<SigningKey>,
    macs: Arc<MacKeys>,
    /// Names of signing keys that are gone: what they signed is dead.
    retired_signing: Vec<String>,
}

/// What our keys say of who signed a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignedBy {
    /// The key of ours that it names.
    Us,
    /// It names a key of ours, and that did not sign it. The name is the key's own hash, so there is no other.
    Nobody,
    /// It names a key of ours that is gone.
    RetiredKey,
    /// It names none that we ever had: another gateway's, or a stranger's.
    UnknownKey,
}

/// What a start would find.
#[derive(Debug)]
pub enum Found {
    /// Keyring and store belong together.
    Both,
    /// Neither: a start makes both.
    Neither,
    /// The keyring, and a store that cannot be read: a start serves whom it knows.
    StoreDown(Unavailable),
}

/// Why the gateway must not start (exit code 20). The text says the way out.
#[derive(Debug, thiserror::Error)]
pub enum KeyringFault {
    /// The file system does not let us.
    #[error("cannot use the keyring {path}: {error}. Way out: let the gateway's user read and write that folder")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        error: io::Error,
    },
    /// The file is damaged.
    #[error(
        "the keyring {path} is damaged: {what}. Way out: restore it from a backup; or, if it is gone for good, move it \
         away, and `gateway keys adopt --config FILE` makes another"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where it is wrong. Never a part of a key.
        what: String,
    },
    /// A newer release wrote it.
    #[error(
        "the keyring {path} is of version {version}, which this release does not know. Way out: run the newer release"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// Others than the gateway's user could read or replace the keys.
    #[error(
        "{path} is open to others (mode {mode:03o}), and our private keys lie there. Way out: `chmod {closed:03o} {path}`; \
         if somebody may have read it, `gateway keys rotate --now` as well"
    )]
    OpenToOthers {
        /// The keyring, or its folder.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// What it should be.
        closed: u32,
    },
    /// It belongs to somebody else, who could read or replace the keys.
    #[error(
        "{path} belongs to user {owner}, this runs as user {us}, and our private keys lie there. Way out: \
         `chown {us} {path}`, or run as user {owner}"
    )]
    AnotherUsers {
        /// The keyring, or its folder.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who we are.
        us: u32,
    },
    /// The folder was replaced by one with another keyring.
    #[error("{path} is not the keyring that this gateway runs with. Way out: restart it")]
    Another {
        /// The file.
        path: PathBuf,
    },
    /// There is a store, and no keyring.
    #[error(
        "the store {store} is there, and its keyring {path} is not. Way out: restore the keyring from a backup; {ADOPT}"
    )]
    KeyringGone {
        /// Where the keyring should be.
        path: PathBuf,
        /// The store.
        store: DatabaseAddress,
    },
    /// There is a keyring, and no store.
    #[error(
        "the keyring {path} is there, and its store {store} is not: who has signed out would be forgotten. \
         Way out: restore the store from a backup; {ADOPT}"
    )]
    StoreGone {
        /// The keyring.
        path: PathBuf,
        /// Where the store should be.
        store: DatabaseAddress,
    },
    /// The store can be read, and is not this keyring's.
    #[error(
        "the store {store} is not the one that the keyring {path} belongs to: {what}. Way out: put the two that belong together back; {ADOPT}"
    )]
    AnothersStore {
        /// The keyring.
        path: PathBuf,
        /// The store.
        store: DatabaseAddress,
        /// What was found.
        what: String,
    },
    /// The store could not be made.
    #[error(
        "cannot make the store {store}: {cause}. Way out: let the gateway's user write that folder, and have room on the disk"
    )]
    CannotMakeStore {
        /// Where it should be.
        store: DatabaseAddress,
        /// What was missing.
        cause: Unavailable,
    },
}

/// The last way out, which costs everybody a sign-in at worst.
const ADOPT: &str =
    "or, if it is gone for good, `gateway keys adopt --config FILE` makes what is missing and joins the two";

impl Keyring {
    /// Loads the keyring of the folder `data`, or makes keyring and store if both are absent. Reads and writes small
    /// files: meant for the start, before anybody is served.
    ///
    /// # Errors
    /// What an operator must decide.
    pub async fn open(data: &DataFolder, store: &Database, now: Now) -> Result<Self, KeyringFault> {
        let path = data.path().join("keyring");
        let file = match KeyringFile::read(&path)? {
            Some(file) => {
                if let Found::StoreDown(down) = belongs(&path, &file, store).await? {
                    tracing::warn!("the store cannot be read at the start: {down}");
                }
                file
            }
            None => make(&path, store, now).await?,
        };
        store.must_have(file.ids());
        Self::from_file(&path, completed(&path, file))
    }

    /// What [`Keyring::open`] would find in the folder `data`. Makes and changes nothing.
    ///
    /// # Errors
    /// As [`Keyring::open`].
    pub async fn examine(data: &Path, store: &Database) -> Result<Found, KeyringFault> {
        let path = data.join("keyring");
        match KeyringFile::read(&path)? {
            Some(file) => {
                let found = belongs(&path, &file, store).await?;
                let _whole = Self::from_file(&path, file)?;
                Ok(found)
            }
            None => unfinished(&path, store).await.map(|_| Found::Neither),
        }
    }

    /// Whether this keyring may be written to the folder `data`: it holds none, or this one.
    ///
    /// # Errors
    /// It holds another, or one that cannot be read.
    pub fn may_lie_in(&self, data: &Path) -> Result<(), KeyringFault> {
        rotation::another(&data.join("keyring"), &lock(&self.0.file))
    }

    /// Writes the keyring to our folder again if somebody removed it. Blocks.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn tend(&self, place: &FolderPath) -> Result<(), KeyringFault> {
        let path = place.join("keyring");
        let io = |error| KeyringFault::Io { path: path.clone(), error };
        let file = lock(&self.0.file);
        if disk::id(&path).map_err(io)?.is_some() {
            return Ok(());
        }
        let _writing = place.writing().map_err(io)?;
        let written = file.write(&path);
        let then = if written.is_ok() { "it is written again" } else { "it cannot be written again" };
        let told = format!("the keyring {} was removed; {then}", path.display());
        if self.0.gone.swap(written.is_err(), Ordering::Relaxed) {
            tracing::info!("{told}");
        } else {
            alarm::ring(Alarm::KeyringGone, &told);
        }
        written
    }

    /// Makes what is missing of keyring and store, and joins the two: the way out when one was lost for good. What
    /// another keyring sealed cannot be opened afterwards; what a lost store knew of logouts is forgotten, except
    /// for what `data/revocations` still holds.
    ///
    /// # Errors
    /// If a file cannot be written, or the store is there and cannot be used.
    pub async fn adopt(data: &DataFolder, store: &Database, now: Now) -> Result<(), KeyringFault> {
        let path = data.path().join("keyring");
        let mut file = match KeyringFile::read(&path)? {
            Some(file) => file,
            None => KeyringFile::generate(now),
        };
        let found = match store.is_absent() {
            Ok(true) => None,
            Ok(false) | Err(_) => store.ids().await.map_err(|cause| cannot_make(store, cause))?,
        };
        if let Some(found) = found {
            file.store = found.store;
        }
        file.write(&path)?;
        store.make(file.ids()).await.map_err(|cause| cannot_make(store, cause))
    }

    /// Our public keys as a JWK set (RFC 7517 §5).
    pub fn public_keys(&self) -> serde_json::Value {
        let keys = self.0.keys.load();
        let signing = std::iter::once(&keys.signing).chain(&keys.next_signing).map(SigningKey::public_jwk);
        let old = keys.old_signing.iter().filter(|(_, published)| *published).map(|(old, _)| old.jwk());
        serde_json::json!({ "keys": signing.chain(old).collect::<Vec<_>>() })
    }

    /// Signs `claims` as a JWT (RFC 7519) of the type `typ`, by EdDSA (RFC 8037), naming our key.
    ///
    /// # Errors
    /// If `claims` are no JSON object.
    pub fn sign(&self, typ: &str, claims: &impl Serialize) -> Result<String, SignFault> {
        self.0.keys.load().signing.sign(typ, claims)
    }

    /// The public half of the key that signs statements, as a JWK set: what a device pins. Empty while there is none.
    pub fn statement_keys(&self) -> serde_json::Value {
        let keys: Vec<_> = self.0.keys.load().statement.iter().map(SigningKey::public_jwk).collect();
        serde_json::json!({ "keys": keys })
    }

    /// Signs a statement about a device, as [`Keyring::sign`] does, by the statement key.
    ///
    /// # Errors
    /// Unavailable(Keyring), if there is no such key yet.
    pub fn sign_statement(&self, typ: &str, claims: &impl Serialize) -> Result<String, Unavailable> {
        let keys = self.0.keys.load();
        let Some(key) = &keys.statement else {
            return Err(Unavailable::because(Dependency::Keyring, "the disk has not taken the statement key yet"));
        };
        key.sign(typ, claims).or_unavailable(Dependency::Keyring)
    }

    pub(crate) fn macs(&self) -> Arc<MacKeys> {
        self.0.keys.load().macs.clone()
    }

    /// Who signed `token`, as far as our keys know.
    pub(crate) fn signer_of(&self, token: &Unverified<'_>) -> SignedBy {
        let keys = self.0.keys.load();
        let Some(kid) = token.kid() else { return SignedBy::UnknownKey };
        match keys.public(kid) {
            Some(key) if key.signed(token) => SignedBy::Us,
            Some(_) => SignedBy::Nobody,
            None if keys.has_retired(kid) => SignedBy::RetiredKey,
            None => SignedBy::UnknownKey,
        }
    }

    /// Whether the signing key of this name is gone.
    pub(crate) fn has_retired(&self, kid: &str) -> bool {
        self.0.keys.load().has_retired(kid)
    }

    pub(crate) fn seals(&self) -> &Arc<Seals> {
        &self.0.seals
    }

    fn from_file(path: &Path, file: KeyringFile) -> Result<Self, KeyringFault> {
        Ok(Self(Arc::new(Held {
            seals: Arc::new(file.seals(path)?),
            keys: ArcSwap::from_pointee(Keys::of(path, &file)?),
            file: Mutex::new(file),
            gone: AtomicBool::new(false),
        })))
    }
}

impl Keys {
    fn of(path: &Path, file: &KeyringFile) -> Result<Self, KeyringFault> {
        Ok(Self {
            signing: file.signing(path)?,
            next_signing: file.next_signing(path)?,
            old_signing: file.old_signing(path)?,
            statement: file.statement(path)?,
            macs: Arc::new(file.mac_keys(path)?),
            retired_signing: file.retired_signing.clone(),
        })
    }

    /// The public half of the signing key that is called `kid`, if we have it.
    fn public(&self, kid: &str) -> Option<&PublicHalf> {
        let signing = std::iter::once(&self.signing).chain(&self.next_signing).map(SigningKey::public);
        signing.chain(self.old_signing.iter().map(|(old, _)| old)).find(|key| key.kid() == kid)
    }

    fn has_retired(&self, kid: &str) -> bool {
        #[cfg(candor_mutants)]
        if crate::mutants::is("retired-key-opens") {
            return false;
        }
        self.retired_signing.iter().any(|retired| retired == kid)
    }
}

/// Whether the store is this keyring's. A store that cannot be read is down: it is looked at again when it is used.
async fn belongs(path: &Path, file: &KeyringFile, store: &Database) -> Result<Found, KeyringFault> {
    if matches!(store.is_absent(), Ok(true)) {
        return Err(KeyringFault::StoreGone { path: path.to_owned(), store: store.address().clone() });
    }
    let what = match store.ids().await {
        Err(down) => return Ok(Found::StoreDown(down)),
        Ok(Some(ids)) if ids == file.ids() => return Ok(Found::Both),
        Ok(Some(ids)) => {
            format!("it is {} of keyring {}, not {} of keyring {}", ids.store, ids.keyring, file.store, file.id)
        }
        Ok(None) => "it can be read, and holds no store".to_owned(),
    };
    Err(KeyringFault::AnothersStore { path: path.to_owned(), store: store.address().clone(), what })
}

/// The file with what this release adds to it, written. Where the disk does not take that, the file as it was: whom it
/// knows is served all the same.
fn completed(path: &Path, mut file: KeyringFile) -> KeyringFile {
    if !file.complete() {
        return file;
    }
    match file.write(path) {
        Ok(()) => file,
        Err(fault) => {
            tracing::warn!("no statements about devices are signed until the next start: {fault}");
            file.without_statement_key()
        }
    }
}

/// Makes both. The keys are on disk before the store names them, and get their name only after that, so that a start
/// that was cut short at any point is taken up by the next.
async fn make(path: &Path, store: &Database, now: Now) -> Result<KeyringFile, KeyringFault> {
    let begun = begun(path);
    let file = match unfinished(path, store).await? {
        Some(left) => left,
        None => {
            let fresh = KeyringFile::generate(now);
            fresh.write(&begun)?;
            fresh
        }
    };
    store.make(file.ids()).await.map_err(|cause| cannot_make(store, cause))?;
    disk::rename_synced(&begun, path).map_err(|error| KeyringFault::Io { path: path.to_owned(), error })?;
    Ok(file)
}

/// The keyring of a start that was cut short; `None` if nothing was made at all.
async fn unfinished(path: &Path, store: &Database) -> Result<Option<KeyringFile>, KeyringFault> {
    if let Ok(true) = store.is_absent() {
        return Ok(None);
    }
    let left = KeyringFile::read(&begun(path)).ok().flatten();
    match (left, store.ids().await) {
        (Some(left), Ok(None)) => Ok(Some(left)),
        (Some(left), Ok(Some(ids))) if ids == left.ids() => Ok(Some(left)),
        (Some(_) | None, Ok(_) | Err(_)) => {
            Err(KeyringFault::KeyringGone { path: path.to_owned(), store: store.address().clone() })
        }
    }
}

/// What the keyring is called until its store names it.
fn begun(path: &Path) -> PathBuf {
    path.with_file_name("keyring.begun")
}

impl KeyringFile {
    fn ids(&self) -> Ids {
        Ids { store: self.store.clone(), keyring: self.id.clone() }
    }
}

fn cannot_make(store: &Database, cause: Unavailable) -> KeyringFault {
    KeyringFault::CannotMakeStore { store: store.address().clone(), cause }
}
