//! The file of the gateway's own keys, and how it breaks while the gateway runs.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

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
        fs::rename(&file, aside)?;
        match self {
            Self::Gone => Ok(()),
            Self::Garbage => fs::write(file, "These are no keys.\n"),
            Self::AFolder => fs::create_dir(file),
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
