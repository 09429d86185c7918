//! The data folder, and the one process that may write in it.
//!
//! Keyring, store and revocation set are each read once and then held in memory, so two processes on one folder would
//! undo each other's writes. Whoever takes the folder holds a lock of the operating system's on `data/lock` for as long
//! as it lives; the lock goes with its process, however that ends. The file says who holds it, for whoever comes second.
//!
//! A process may hand the folder over to its successor while it still ends what it has begun. Both hold the one lock then, so
//! that nobody comes between, and the successor alone writes: what the other one still has to say goes to the store, of
//! which the successor is told at once.

use std::{
    fmt,
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    pin::Pin,
    process,
    sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard},
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
    /// Whom it was handed over to, if it was. Read-locked by whoever writes in the folder, while they do.
    successor: Arc<RwLock<Option<Arc<dyn Successor>>>>,
}

/// The process that a data folder was handed over to.
pub trait Successor: fmt::Debug + Send + Sync {
    /// Lets it read the store at once: this process has written something there that counts from now on. Returns when it
    /// has read it, or cannot be reached; then it reads the store as soon as it does by itself.
    fn read_store(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// While this lives the folder is not handed over.
pub(crate) struct Writing<'a>(#[expect(dead_code, reason = "held")] RwLockReadGuard<'a, Option<Arc<dyn Successor>>>);

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
        Ok(Self { place: FolderPath::held(path, held), holder, locked: Mutex::new(locked) })
    }

    /// Takes the folder at `path` over from the process that holds it, with the lock that it handed over.
    ///
    /// # Errors
    /// [`FolderFault`]: the lock is not that of this folder.
    pub fn take_over(path: &Path, mut lock: File, now: Now) -> Result<Self, FolderFault> {
        let holder = LockHolder::ourselves(now);
        let io = |error| FolderFault::Io { path: path.to_owned(), error };
        let id = FileId::of(&lock.metadata().map_err(io)?);
        if disk::id(&path.join(NAME)).map_err(io)? != Some(id) {
            return Err(io(io::Error::other("the lock that was handed over is another folder's")));
        }
        holder.write(&mut lock).map_err(io)?;
        Ok(Self { place: FolderPath::held(path, id), holder, locked: Mutex::new(lock) })
    }

    /// Hands the folder over: from the return of this on, this process writes nothing in it. Waits for what is being written.
    /// The lock, for [`DataFolder::take_over`]; it is ours as well until this is dropped. Blocks.
    ///
    /// # Errors
    /// The system gives us no second handle of the lock; then the folder is ours alone, as before.
    pub fn hand_over(&self, successor: Arc<dyn Successor>) -> io::Result<File> {
        let locked = lock(&self.locked).try_clone()?;
        *self.place.successor.write().unwrap_or_else(PoisonError::into_inner) = Some(successor);
        Ok(locked)
    }

    /// Takes back what was handed over to a process that is gone. Blocks.
    pub fn take_back(&self) {
        // Who holds it is for people to read: that it is written matters to nothing else.
        let _ = self.holder.write(&mut lock(&self.locked));
        *self.place.successor.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether it was handed over: this process only ends what it has begun.
    pub fn is_handed_over(&self) -> bool {
        self.place.successor().is_some()
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
    fn held(path: &Path, held: FileId) -> Self {
        Self { path: path.into(), held: Arc::new(Mutex::new(held)), successor: Arc::default() }
    }

    fn successor(&self) -> Option<Arc<dyn Successor>> {
        self.successor.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the folder was handed over.
    pub(crate) fn is_handed_over(&self) -> bool {
        self.successor().is_some()
    }

    /// Tells the process that the folder was handed over to, if it was, that there is something new in the store.
    pub(crate) async fn tell_successor(&self) {
        #[cfg(candor_mutants)]
        if crate::mutants::is("successor-untold") {
            return;
        }
        if let Some(successor) = self.successor() {
            successor.read_store().await;
        }
    }

    /// Whether the folder that we hold is the one at its path.
    pub fn is_ours(&self) -> bool {
        let found = disk::id(&self.path.join(NAME));
        // What cannot be looked at cannot be written either, and says so by itself.
        found.map_or(true, |found| found == Some(*lock(&self.held)))
    }

    /// That we may write in it, for as long as what this returns lives: the folder at its path is the one that we hold, and it
    /// was not handed over.
    ///
    /// # Errors
    /// It is not, or it was.
    pub(crate) fn writing(&self) -> io::Result<Writing<'_>> {
        let successor = self.successor.read().unwrap_or_else(PoisonError::into_inner);
        let elsewhere = match (successor.is_some(), self.is_ours()) {
            (false, true) => return Ok(Writing(successor)),
            (true, _) => "was handed over to a newer process",
            (false, false) => "is not the folder that we hold",
        };
        Err(io::Error::new(io::ErrorKind::NotFound, format!("{} {elsewhere}", self.path.display())))
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

    #[derive(Debug)]
    struct Nobody;

    impl Successor for Nobody {
        fn read_store(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
            Box::pin(std::future::ready(()))
        }
    }

    #[test]
    fn of_two_that_hold_it_the_successor_alone_writes() {
        let folder = Folder::new();
        let path = folder.path().join("data");
        let before = DataFolder::take(&path, NOW).expect("nobody has it");
        let lock = before.hand_over(Arc::new(Nobody)).expect("a handle");
        assert!(before.is_handed_over());
        assert!(before.place().writing().is_err_and(|fault| fault.to_string().contains("newer process")));
        let other = folder.path().join("other");
        let _other = DataFolder::take(&other, NOW).expect("nobody has it");
        let of_another = lock.try_clone().expect("a handle");
        DataFolder::take_over(&other, of_another, NOW).expect_err("it is the lock of the first");
        let after = DataFolder::take_over(&path, lock, NOW).expect("it is its lock");
        assert!(after.place().writing().is_ok());
        DataFolder::take(&path, NOW).expect_err("both have it");
        drop(before);
        DataFolder::take(&path, NOW).expect_err("the successor has it");
        drop(after);
        let _ = DataFolder::take(&path, NOW).expect("nobody has it any more");
    }

    #[test]
    fn what_was_taken_back_is_ours_as_before() {
        let folder = Folder::new();
        let path = folder.path().join("data");
        let ours = DataFolder::take(&path, NOW).expect("nobody has it");
        drop(DataFolder::take_over(&path, ours.hand_over(Arc::new(Nobody)).expect("a handle"), NOW));
        assert!(ours.place().writing().is_err());
        ours.take_back();
        assert!(ours.place().writing().is_ok() && !ours.is_handed_over());
        DataFolder::take(&path, NOW).expect_err("we have it");
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
        assert!(ours.place().writing().is_err(), "anybody could lock another");
    }
}
