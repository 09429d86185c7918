//! The file of the gateway's own keys, and how it breaks while the gateway runs.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use auth_core::keyring::{KeyState, Keyring, TakeOver};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::World;

/// A way in which the file breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyringBreak {
    /// It was removed.
    Gone,
    /// Something else stands in it.
    Garbage,
    /// A folder stands in its place, so that it can be neither read nor written.
    AFolder,
}

impl KeyringBreak {
    /// Every way.
    pub const ALL: [Self; 3] = [Self::Gone, Self::Garbage, Self::AFolder];

    /// Breaks the keyring in the folder `data`.
    ///
    /// # Errors
    /// Whatever the file system says: the test is at fault.
    pub fn apply(self, data: &Path) -> io::Result<()> {
        let (file, aside) = files(data);
        match self {
            Self::Gone => fs::rename(file, aside),
            Self::Garbage => {
                fs::rename(&file, aside)?;
                fs::write(file, "These are no keys.\n")
            }
            // In one step: in between, the gateway might put its keys back.
            Self::AFolder => {
                fs::create_dir(&aside)?;
                Ok(renameat_with(CWD, &file, CWD, &aside, RenameFlags::EXCHANGE)?)
            }
        }
    }
}

/// Puts back the keyring of the folder `data`, if it was broken.
///
/// # Errors
/// Whatever the file system says: the test is at fault.
pub fn heal(data: &Path) -> io::Result<()> {
    let (file, aside) = files(data);
    if !aside.exists() {
        return Ok(());
    }
    if file.is_dir() {
        fs::remove_dir(&file)?;
    }
    fs::rename(aside, file)
}

fn files(data: &Path) -> (PathBuf, PathBuf) {
    (data.join("keyring"), data.join("keyring.aside"))
}

impl World {
    /// The gateway's keys.
    ///
    /// # Panics
    /// The gateway does not run.
    pub fn keyring(&self) -> Keyring {
        self.gateway().keyring.clone()
    }

    /// Replaces the gateway's keys, the signing key too.
    ///
    /// # Panics
    /// The gateway does not run, or its folder is broken.
    pub fn rotate_keys(&self) {
        let gateway = self.gateway();
        let rotated = gateway.keyring.rotate(gateway.data.place(), TakeOver::Now, gateway.now());
        rotated.expect("the folder can be written");
    }

    /// Throws away every key that only opens or verifies; how many there were.
    ///
    /// # Panics
    /// The gateway does not run, or its folder is broken.
    pub fn retire_old_keys(&self) -> usize {
        let gateway = self.gateway();
        let mut old = gateway.keyring.list();
        old.retain(|key| matches!(key.state, KeyState::Old(_)));
        for key in &old {
            gateway.keyring.retire(gateway.data.place(), &key.id).expect("the folder can be written");
        }
        old.len()
    }

    /// Does what the time has come for; the gateway does so by itself every few seconds of the machine's.
    ///
    /// # Panics
    /// The gateway does not run, or its folder is broken.
    pub fn advance_keys(&self) {
        let gateway = self.gateway();
        gateway.keyring.advance(gateway.data.place(), gateway.now()).expect("the folder can be written");
    }
}
