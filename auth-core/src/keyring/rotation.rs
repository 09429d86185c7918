//! Rotation: new keys take over, and the old ones go on opening and verifying what they made until it is over.
//!
//! | A key that | does |
//! |---|---|
//! | is next | stands in the published set, so that services which keep that set know it before it signs |
//! | is current | seals or signs |
//! | is old | opens or verifies; of a signing key only the public half is kept |
//! | is retired | nothing: its id is kept, and what it made is refused |
//!
//! A sealing key takes over at once, since nobody but us opens what it seals: it is on disk before it seals anything. With
//! it the keyed hashes change, so PINs that are open begin anew (a display fetches another by itself), and so do the
//! nonces of key proofs. A signing key is published for a day first, unless it is to be used at once. When the time of a
//! key has come is asked of the clock again and again ([`Keyring::advance`]); while the clock is in doubt it has not.
//!
//! The file is written whole before anything is in force, so whatever ends the process leaves a keyring that opens all that
//! it ever made.
//!
//! Deliberately absent: rotation of the statement key. Displays pin it at their activation and take no other, since whoever
//! could replace it could erase the fleet; one that nobody pinned would make no statement anybody believes.

use std::{fmt, path::Path, time::Duration};

use serde::Serialize;

use super::{
    Keyring, KeyringFault,
    file::{Key, KeyringFile, NextKey, OldSealingKey},
};
use crate::{
    clock::{Now, Past, Timestamp},
    data_folder::FolderPath,
    lock::lock,
};

/// The longest that anything sealed may last: a session, by its configuration.
pub const LONGEST_SEALED: Duration = Duration::from_secs(30 * DAY);

/// The longest that anything signed may last: the token of a device that cannot renew it.
pub const LONGEST_SIGNED: Duration = Duration::from_secs(3650 * DAY);

/// How long a signing key is published before it signs.
pub const PUBLISHED_BEFORE: Duration = Duration::from_secs(DAY);

/// How long the public half of one that signs no more stays published: services verify by it what lasts minutes.
const PUBLISHED_AFTER: Duration = Duration::from_secs(DAY);

/// For clocks that are not quite alike.
const MARGIN: Duration = Duration::from_secs(DAY);

const DAY: u64 = 24 * 3600;

/// When the next signing key takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakeOver {
    /// When it has been published for a day.
    OncePublished,
    /// At once: for a key that somebody else may have. Services that keep the published set may not know it yet.
    Now,
}

/// What a key does, and what it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListedKey {
    /// Its id: the hash of the key or of its public half.
    pub id: String,
    /// What it is for.
    pub purpose: KeyPurpose,
    /// What it does.
    pub state: KeyState,
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyPurpose {
    /// Tickets, pending sign-ins and tokens in the store.
    Sealing,
    /// Device tokens and identities for services.
    Signing,
    /// Statements about devices.
    Statement,
}

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyState {
    /// It is published, and used from then on.
    Next(Timestamp),
    /// It seals or signs.
    Current,
    /// It opens or verifies until then; until it is retired by hand, if there is no such time.
    Old(Option<Timestamp>),
    /// It is gone.
    Retired,
}

/// Why a key is not retired.
#[derive(Debug, thiserror::Error)]
pub enum RetireFault {
    /// The keyring does not let us.
    #[error(transparent)]
    Keyring(#[from] KeyringFault),
    /// There is none of that id that does nothing but open or verify.
    #[error("{0} is not the id of an old key: `gateway keys list` lists them; the current one is rotated first")]
    NotOld(String),
}

impl Keyring {
    /// Replaces the sealing key, and publishes a new signing key or lets the published one take over. In force when this
    /// returns. Blocks.
    ///
    /// # Errors
    /// The keyring cannot be written, or another lies in its place; then nothing has changed.
    pub fn rotate(&self, place: &FolderPath, when: TakeOver, now: Now) -> Result<(), KeyringFault> {
        self.change(place, |file| {
            file.advance(now);
            file.rotate_sealing(now);
            file.rotate_signing(when, now);
            true
        })
        .map(drop)
    }

    /// Does what the time has come for: the published key takes over, and keys whose last work is over are retired. Whether
    /// anything changed. Blocks.
    ///
    /// # Errors
    /// As [`Keyring::rotate`].
    pub fn advance(&self, place: &FolderPath, now: Now) -> Result<bool, KeyringFault> {
        self.change(place, |file| file.advance(now))
    }

    /// Throws an old key away before its time: whatever it made is refused from now on. Blocks.
    ///
    /// # Errors
    /// It is no old key; or as [`Keyring::rotate`].
    pub fn retire(&self, place: &FolderPath, id: &str) -> Result<(), RetireFault> {
        if self.change(place, |file| file.retire(id))? {
            return Ok(());
        }
        Err(RetireFault::NotOld(id.to_owned()))
    }

    /// All keys that there are or were.
    pub fn list(&self) -> Vec<ListedKey> {
        lock(&self.0.file).list()
    }

    /// Writes the file as `change` leaves it, and puts it in force. Whether it changed anything.
    fn change(&self, place: &FolderPath, change: impl FnOnce(&mut KeyringFile) -> bool) -> Result<bool, KeyringFault> {
        let mut held = lock(&self.0.file);
        let mut next = held.clone();
        if !change(&mut next) {
            return Ok(false);
        }
        let path = place.join("keyring");
        let _writing = place.writing().map_err(|error| KeyringFault::Io { path: path.clone(), error })?;
        another(&path, &next)?;
        // What cannot be used is not written.
        let keys = super::Keys::of(&path, &next)?;
        let seals = next.seals(&path)?;
        next.write(&path)?;
        self.0.seals.replace(&seals);
        self.0.keys.store(keys.into());
        *held = next;
        Ok(true)
    }
}

/// That the file at `path` is none or of this keyring.
pub(super) fn another(path: &Path, ours: &KeyringFile) -> Result<(), KeyringFault> {
    match KeyringFile::read(path)? {
        Some(other) if other.id != ours.id => Err(KeyringFault::Another { path: path.to_owned() }),
        Some(_) | None => Ok(()),
    }
}

impl KeyringFile {
    fn rotate_sealing(&mut self, now: Now) {
        let key = std::mem::replace(&mut self.sealing.current, Key::generate_sealing());
        #[cfg(candor_mutants)]
        if crate::mutants::is("rotated-key-forgets-old") {
            self.sealing.retired.push(key.id.clone());
            return;
        }
        self.sealing.others.push(OldSealingKey { key, until: Some(now.later() + LONGEST_SEALED + MARGIN) });
    }

    fn rotate_signing(&mut self, when: TakeOver, now: Now) {
        let from = now.later() + PUBLISHED_BEFORE;
        let next = self.next_signing.take().unwrap_or_else(|| NextKey { key: Key::generate(), from });
        match when {
            TakeOver::OncePublished => self.next_signing = Some(next),
            TakeOver::Now => self.sign_by(next.key, now),
        }
    }

    fn sign_by(&mut self, key: Key, now: Now) {
        let old = std::mem::replace(&mut self.signing, key);
        let later = now.later();
        // A key that we signed with has a public half.
        self.old_signing.extend(old.public(later + PUBLISHED_AFTER, later + LONGEST_SIGNED + MARGIN));
    }

    /// Whether anything changed.
    fn advance(&mut self, now: Now) -> bool {
        let over = |at: Timestamp| now.past(at) == Past::Yes;
        let mut changed = false;
        if let Some(next) = self.next_signing.take_if(|next| over(next.from)) {
            self.sign_by(next.key, now);
            changed = true;
        }
        for old in self.sealing.others.extract_if(.., |old| old.until.is_some_and(over)) {
            self.sealing.retired.push(old.key.id.clone());
            changed = true;
        }
        for old in self.old_signing.extract_if(.., |old| over(old.until)) {
            self.retired_signing.push(old.id);
            changed = true;
        }
        for old in &mut self.old_signing {
            changed |= old.published_until.take_if(|until| over(*until)).is_some();
        }
        changed
    }

    /// Whether there was such a key.
    fn retire(&mut self, id: &str) -> bool {
        let before = (self.sealing.others.len(), self.old_signing.len());
        self.sealing.others.retain(|old| old.key.id != id);
        self.old_signing.retain(|old| old.id != id);
        let (sealing, signing) = (self.sealing.others.len() < before.0, self.old_signing.len() < before.1);
        self.sealing.retired.extend(sealing.then(|| id.to_owned()));
        self.retired_signing.extend(signing.then(|| id.to_owned()));
        sealing || signing
    }

    fn list(&self) -> Vec<ListedKey> {
        let listed = |purpose, id: &str, state| ListedKey { id: id.to_owned(), purpose, state };
        let (sealing, signing) = (&self.sealing, &self.signing);
        let mut keys = vec![listed(KeyPurpose::Sealing, &sealing.current.id, KeyState::Current)];
        let of = KeyPurpose::Sealing;
        keys.extend(sealing.others.iter().map(|old| listed(of, &old.key.id, KeyState::Old(old.until))));
        keys.extend(sealing.retired.iter().map(|id| listed(of, id, KeyState::Retired)));
        let of = KeyPurpose::Signing;
        keys.extend(self.next_signing.iter().map(|next| listed(of, &next.key.id, KeyState::Next(next.from))));
        keys.push(listed(of, &signing.id, KeyState::Current));
        keys.extend(self.old_signing.iter().map(|old| listed(of, &old.id, KeyState::Old(Some(old.until)))));
        keys.extend(self.retired_signing.iter().map(|id| listed(of, id, KeyState::Retired)));
        keys.extend(self.statement.iter().map(|key| listed(KeyPurpose::Statement, &key.id, KeyState::Current)));
        keys
    }
}

impl fmt::Display for ListedKey {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let purpose = match self.purpose {
            KeyPurpose::Sealing => "sealing",
            KeyPurpose::Signing => "signing",
            KeyPurpose::Statement => "statement",
        };
        write!(to, "{purpose:<9}  {:<43}  ", self.id)?;
        match self.state {
            KeyState::Next(from) => write!(to, "next, from {from}"),
            KeyState::Current => write!(to, "current"),
            KeyState::Old(Some(until)) => write!(to, "old, until {until}"),
            KeyState::Old(None) => write!(to, "old, until it is retired"),
            KeyState::Retired => write!(to, "retired"),
        }
    }
}

#[cfg(test)]
#[path = "rotation_tests.rs"]
mod tests;
