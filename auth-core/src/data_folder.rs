//! The data folder, and the one process that may write in it.
//!
//! Keyring, store and revocation set are each read once and then held in memory, so two processes on one folder would
//! undo each other's writes. Whoever takes the folder holds a lock of the operating system's on `data/lock` for as long
//! as it lives; the lock goes with its process, however that ends. The file says who holds it, for whoever comes second.

use std::{
    fmt,
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    process,
    sync::{Arc, Mutex},
};

use serde::{Deserialize, Serialize};

use crate::{
    clock::{Now, Timestamp},
    disk::{self, FileId},
    lock::lock,
};

/// The data folder, ours for as long as this lives.
#[derive(Debug)]
pub struct DataFolder {
    place: FolderPath,
    holder: LockHolder,
    locked: Mutex<File>,
}

/// Where the data folder is, for whoever writes in it: it may be moved away or replaced while we run.
#[derive(Clone, Debug)]
pub struct FolderPath {
    path: Arc<Path>,
    /// The lock file that we hold.
    held: Arc<Mutex<FileId>>,
}

/// Who holds a data folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockHolder {
    /// Its process id.
    pub pid: u32,
    /// The machine or container where that id means something.
    pub host: Option<String>,
    /// Since when.
    pub since: Timestamp,
}

/// Why the data folder is not ours (exit code 20). The text says the way out.
#[derive(Debug, thiserror::Error)]
pub enum FolderFault {
    /// Another process has it.
    #[error(
        "the data folder {path} is held by {holder}. Way out: stop that one first, or give this one a folder of its own \
         (of the gateway: `server.data`)"
    )]
    Held {
        /// The folder.
        path: PathBuf,
        /// Who holds it.
        holder: ReportedHolder,
    },
    /// It cannot be made or locked.
    #[error(
        "the data folder {path} cannot be used: {error}. Way out: let the user of this process read and write that folder, on \
         a file system that can lock files"
    )]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the file system said.
        error: io::Error,
    },
}

/// Who holds a folder, as far as the lock file says.
#[derive(Debug)]
pub struct ReportedHolder(Option<LockHolder>);

const NAME: &str = "lock";

/// What the lock file says is a line.
const LONGEST: usize = 4096;

/// How often a lock file that somebody removes under our hands is tried again.
const TRIES: usize = 8;

impl DataFolder {
    /// Takes the folder at `path`; makes it, for its owner only, if it is not there. Until this succeeds, nothing in it
    /// may be made or changed.
    ///
    /// # Errors
    /// [`FolderFault`]. A folder that another process holds is left as it is.
    pub fn take(path: &Path, now: Now) -> Result<Self, FolderFault> {
        let holder = LockHolder::ourselves(now);
        let (locked, held) = locked(path, &holder)?;
        let place = FolderPath { path: path.into(), held: Arc::new(Mutex::new(held)) };
        Ok(Self { place, holder, locked: Mutex::new(locked) })
    }

    /// Takes what is now at the folder's path, after somebody moved or removed what was there.
    ///
    /// # Errors
    /// [`FolderFault`]; what we held before is held on.
    pub fn take_again(&self) -> Result<(), FolderFault> {
        let (file, held) = locked(self.path(), &self.holder)?;
        *lock(&self.locked) = file;
        *lock(&self.place.held) = held;
        Ok(())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.place.path
    }

    /// Who we are, as the lock file says it.
    pub fn holder(&self) -> &LockHolder {
        &self.holder
    }

    /// Where it is, for whoever writes in it.
    pub fn place(&self) -> &FolderPath {
        &self.place
    }
}

impl FolderPath {
    /// Whether the folder that we hold is the one at its path.
    pub fn is_ours(&self) -> bool {
        let found = disk::id(&self.path.join(NAME));
        // What cannot be looked at cannot be written either, and says so by itself.
        found.map_or(true, |found| found == Some(*lock(&self.held)))
    }

    /// The same, for `?`.
    ///
    /// # Errors
    /// It is not.
    pub fn must_be_ours(&self) -> io::Result<()> {
        if self.is_ours() {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::NotFound, format!("{} is not the folder that we hold", self.path.display())))
    }

    /// The path of `name` in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

fn locked(path: &Path, holder: &LockHolder) -> Result<(File, FileId), FolderFault> {
    let io = |error| FolderFault::Io { path: path.to_owned(), error };
    disk::make_folder(path).map_err(io)?;
    let _entrance = entrance(path);
    let at = path.join(NAME);
    for _ in 0..TRIES {
        let mut file = disk::open_or_make(&at, OpenOptions::new().read(true).write(true)).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            #[cfg(candor_mutants)]
            Err(TryLockError::WouldBlock) if crate::mutants::is("folder-unlocked") => {}
            Err(TryLockError::WouldBlock) => {
                return Err(FolderFault::Held {
                    path: path.to_owned(),
                    holder: ReportedHolder(LockHolder::read(&mut file)),
                });
            }
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        let id = FileId::of(&file.metadata().map_err(io)?);
        // Somebody may have removed it between the two: then another one can be locked at its path.
        if disk::id(&at).map_err(io)? == Some(id) {
            holder.write(&mut file).map_err(io)?;
            return Ok((file, id));
        }
    }
    Err(io(io::Error::other("its lock file does not stay where it is")))
}

/// Held from before the lock is tried until its holder's name is written, so that whoever finds it taken finds a name. It
/// blocks for as long as another one writes a line. A file system that cannot lock a folder costs the name alone.
fn entrance(path: &Path) -> Option<File> {
    let folder = File::open(path).ok()?;
    folder.lock().ok()?;
    Some(folder)
}

impl LockHolder {
    /// This process.
    fn ourselves(now: Now) -> Self {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|host| host.trim().to_owned());
        Self { pid: process::id(), host: host.filter(|host| !host.is_empty()), since: now.wall() }
    }

    fn read(file: &mut File) -> Option<Self> {
        let mut text = Vec::new();
        file.take(LONGEST as u64).read_to_end(&mut text).ok()?;
        serde_json::from_slice(&text).ok()
    }

    fn write(&self, file: &mut File) -> io::Result<()> {
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(&serde_json::to_vec(self)?)
    }
}

impl fmt::Display for LockHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.pid)?;
        if let Some(host) = &self.host {
            write!(f, " on {}", host.escape_debug())?;
        }
        write!(f, ", since {}", self.since)
    }
}

impl fmt::Display for ReportedHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(holder) => holder.fmt(f),
            None => f.write_str("another process"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, sync::Barrier, thread};

    use super::*;
    use crate::testing::Folder;

    const NOW: Now = Now::at(Timestamp::from_secs(43_200));

    #[test]
    fn one_process_has_it_and_the_second_is_told_who() {
        let folder = Folder::new();
        let path = folder.path().join("a/data");
        let ours = DataFolder::take(&path, NOW).expect("nobody has it");
        let listed = || fs::read_dir(&path).expect("it was made").count();
        let before = listed();
        let held = DataFolder::take(&path, NOW).expect_err("we have it").to_string();
        assert!(held.contains(&format!("process {}", process::id())), "{held}");
        assert!(held.contains("since 1970-01-01T12:00:00Z"), "{held}");
        assert_eq!(listed(), before, "it was left as it was");
        drop(ours);
        let _ = DataFolder::take(&path, NOW).expect("nobody has it any more");
    }

    #[test]
    fn whatever_the_lock_file_says_is_said_and_no_more() {
        let folder = Folder::new();
        let path = folder.path().join("data");
        let _ours = DataFolder::take(&path, NOW).expect("nobody has it");
        for (text, expected) in [
            (format!(r#"{{"pid":7,"host":null,"since":{}}}"#, i64::MAX), "process 7, since 9999-12-30T22:00:00Z"),
            ("{half".to_owned(), "another process"),
        ] {
            fs::write(path.join(NAME), text).expect("the folder is ours");
            let held = DataFolder::take(&path, NOW).expect_err("we have it").to_string();
            assert!(held.contains(expected), "{held}");
        }
    }

    #[test]
    fn of_many_that_start_at_once_one_has_it() {
        for _ in 0..20 {
            let folder = Folder::new();
            let (path, start) = (folder.path().join("data"), Barrier::new(8));
            let take = || {
                start.wait();
                DataFolder::take(&path, NOW)
            };
            let taken: Vec<_> = thread::scope(|scope| {
                let all: Vec<_> = (0..8).map(|_| scope.spawn(take)).collect();
                all.into_iter().map(|one| one.join().expect("none panics")).collect()
            });
            assert_eq!(taken.iter().filter(|one| one.is_ok()).count(), 1);
            assert!(taken.iter().flatten().all(|one| one.place().is_ours()));
            let told = taken.iter().filter_map(|one| one.as_ref().err()).map(ToString::to_string);
            let named = format!("process {}", process::id());
            told.for_each(|told| assert!(told.contains(&named), "{told}"));
        }
    }

    #[test]
    fn a_folder_that_was_replaced_is_not_ours_until_it_is_taken_again() {
        let folder = Folder::new();
        let path = folder.path().join("data");
        let ours = DataFolder::take(&path, NOW).expect("nobody has it");
        assert!(ours.place().is_ours());
        fs::rename(&path, folder.path().join("elsewhere")).expect("it is there");
        assert!(!ours.place().is_ours());
        let theirs = DataFolder::take(&path, NOW).expect("nobody has the new one");
        assert!(!ours.place().is_ours() && theirs.place().is_ours());
        ours.take_again().expect_err("another has it");
        drop(theirs);
        ours.take_again().expect("nobody has it any more");
        assert!(ours.place().is_ours());
        fs::remove_file(path.join(NAME)).expect("it is there");
        assert!(ours.place().must_be_ours().is_err(), "anybody could lock another");
    }
}
