//! Who may read our keys and replace them: the gateway's user alone.
//!
//! The file must be its owner's only, and nobody else may write in its folder, since who can do that can put other keys
//! there. That others may list the folder is no harm. Root may work on a folder that it gave to the gateway's user.

use std::{
    fs::{self, Metadata},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use super::KeyringFault;

/// What nobody else may do with the file: anything.
const OF_THE_FILE: u32 = 0o077;

/// What nobody else may do with the folder: write.
const OF_THE_FOLDER: u32 = 0o022;

/// Checks the keyring at `path`, and its folder.
///
/// # Errors
/// Somebody else may read or replace it. The text says what mends that.
pub(super) fn check(path: &Path) -> Result<(), KeyringFault> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let about = |path: &Path| fs::metadata(path).map_err(|error| KeyringFault::Io { path: path.to_owned(), error });
    let file = match fs::metadata(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(KeyringFault::Io { path: path.to_owned(), error }),
    };
    let around = about(folder)?;
    // Whoever owns what we do is us.
    let us = fs::metadata("/proc/self").map_or(file.uid(), |own| own.uid());
    let root_works_for = |owner: u32| us == 0 && owner == around.uid();
    for (path, about) in [(folder, &around), (path, &file)] {
        let owner = about.uid();
        if owner != us && !root_works_for(owner) && !(owner == 0 && about.is_dir()) {
            return Err(KeyringFault::AnotherUsers { path: path.to_owned(), owner, us });
        }
    }
    closed(folder, &around, OF_THE_FOLDER)?;
    closed(path, &file, OF_THE_FILE)
}

fn closed(path: &Path, about: &Metadata, to_others: u32) -> Result<(), KeyringFault> {
    let mode = about.permissions().mode() & 0o7777;
    if mode & to_others == 0 {
        return Ok(());
    }
    Err(KeyringFault::OpenToOthers { path: path.to_owned(), mode, closed: mode & 0o700 })
}
