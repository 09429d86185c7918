//! Which files a pool has open: SQLite does not notice that somebody removes or replaces them, and goes on in files that
//! nobody will find again.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use crate::disk::{self, FileId};

/// The database, its write-ahead log, and that log's index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Files {
    main: Option<FileId>,
    beside: [Option<FileId>; 2],
}

/// What became of the files under a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// There is no database any more.
    Gone,
    /// There is another in its place.
    Replaced,
    /// Its log, or that log's index, is not the one that is open.
    Log,
}

const BESIDE: [&str; 2] = ["-wal", "-shm"];

impl Files {
    /// Whether there is no database.
    pub(super) fn is_absent(self) -> bool {
        self.main.is_none()
    }

    /// Those of the database at `path`.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        let [log, index] = BESIDE.map(|end| disk::id(&beside(path, end)));
        Ok(Self { main: disk::id(path)?, beside: [log?, index?] })
    }

    /// What became of these, if `now` is what lies there.
    pub(super) fn loss(self, now: Self) -> Option<Loss> {
        match now.main {
            None => Some(Loss::Gone),
            Some(_) if now.main != self.main => Some(Loss::Replaced),
            Some(_) if now.beside != self.beside => Some(Loss::Log),
            Some(_) => None,
        }
    }
}

/// Removes what a lost database left beside it: it belongs to no other.
pub(super) fn remove_leftovers(path: &Path) -> io::Result<()> {
    BESIDE.iter().try_for_each(|end| remove(&beside(path, end)))
}

/// Removes a database that was begun and never put in its place.
pub(super) fn remove_all(path: &Path) -> io::Result<()> {
    remove(path).and_then(|()| remove_leftovers(path))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gone => "its file was removed while it was open",
            Self::Replaced => "its file was replaced while it was open",
            Self::Log => "its write-ahead log was removed while it was open",
        })
    }
}
