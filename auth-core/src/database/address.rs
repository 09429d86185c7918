//! Where a store is, so that nobody above has to know what kind of store it is.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

/// Where a store is: today always a SQLite file. It is shown as its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseAddress(PathBuf);

impl DatabaseAddress {
    /// The store of a gateway whose configuration names none: a file in its data folder.
    pub fn in_folder(data: &Path) -> Self {
        Self(data.join("candor.sqlite"))
    }

    /// Whether it is there and may be written by us, as far as that can be seen without using it. Changes nothing.
    ///
    /// # Errors
    /// Why not.
    pub fn is_writable(&self) -> io::Result<()> {
        fs::OpenOptions::new().read(true).write(true).open(&self.0).map(drop)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

/// The SQLite file at this path.
impl From<PathBuf> for DatabaseAddress {
    fn from(path: PathBuf) -> Self {
        Self(path)
    }
}

impl fmt::Display for DatabaseAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}
