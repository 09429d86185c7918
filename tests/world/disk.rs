//! The folder `data`, and how it breaks: as disks do that fill up, are remounted or vanish. Whoever runs the tests may be
//! root, whom no permission stops; so what would be written finds a folder in its way.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// A way in which the folder breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DiskBreak {
    /// It is gone, with everything in it.
    Gone,
    /// A file stands in its place.
    AFile,
    /// Nothing of our own can be written into it: neither what is there anew, nor what is not. The database has its own
    /// ways to be full.
    Unwritable,
}

impl DiskBreak {
    /// Every way.
    pub const ALL: [Self; 3] = [Self::Gone, Self::AFile, Self::Unwritable];

    /// Breaks the folder `data`.
    ///
    /// # Errors
    /// Whatever the file system says: the test is at fault.
    pub fn apply(self, data: &Path) -> io::Result<()> {
        match self {
            Self::Gone => fs::rename(data, aside(data)),
            Self::AFile => {
                fs::rename(data, aside(data))?;
                fs::write(data, "This is no folder.\n")
            }
            Self::Unwritable => blockades(data)?.iter().try_for_each(|path| stand_in_the_way(path)),
        }
    }
}

/// Puts everything back.
///
/// # Errors
/// Whatever the file system says: the test is at fault.
pub fn heal(data: &Path) -> io::Result<()> {
    let aside = aside(data);
    if !aside.exists() {
        let mut standing = blockades(data)?.into_iter().filter(|path| path.is_dir());
        return standing.try_for_each(fs::remove_dir);
    }
    // What was written meanwhile went somewhere else, and may go on being written: the gateway takes the place again.
    for number in 0.. {
        if data.exists() {
            fs::rename(data, data.with_file_name(format!("data.meanwhile.{number}")))?;
        }
        match fs::rename(&aside, data) {
            Err(taken) if taken.kind() == io::ErrorKind::DirectoryNotEmpty => {}
            done => return done,
        }
    }
    Ok(())
}

/// A folder in place of a file. What is being written there just now is lost.
fn stand_in_the_way(path: &Path) -> io::Result<()> {
    loop {
        match fs::create_dir(path) {
            Err(there) if there.kind() == io::ErrorKind::AlreadyExists && !path.is_dir() => match fs::remove_file(path)
            {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Err(_) | Ok(()) => {}
            },
            made => return made,
        }
    }
}

fn aside(data: &Path) -> PathBuf {
    data.with_file_name("data.aside")
}

/// Where new versions of our files are written first: the files themselves are renamed over.
fn blockades(data: &Path) -> io::Result<Vec<PathBuf>> {
    let beside = |path: &Path| {
        let mut name = path.as_os_str().to_owned();
        name.push(".new");
        PathBuf::from(name)
    };
    let mut all = vec![beside(&data.join("revocations")), beside(&data.join("keyring.begun"))];
    let issuers = data.join("issuers");
    if issuers.is_dir() {
        for entry in fs::read_dir(issuers)? {
            let path = entry?.path();
            if path.extension().is_some_and(|end| end == "json") {
                all.push(beside(&path));
            }
        }
    }
    Ok(all)
}
