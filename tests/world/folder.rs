//! A folder for one world, removed with it.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use auth_core::lock::lock;

/// A folder in memory, or below `target/tmp`.
pub struct Folder(PathBuf);

/// In memory: a gateway syncs hundreds of small writes a second, which no test looks for, and which on a disk are half of
/// what the suite waits for.
const IN_MEMORY: &str = "/dev/shm";

/// So much must be free there, in bytes.
const ROOM: u64 = 512 * 1024 * 1024;

/// Folders whose worlds have ended, the latest last. A gateway that is just ending may write once more into one that was
/// removed, so each is removed again when so many others are.
static LEFT: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
const LATEST: usize = 32;

impl Folder {
    /// An empty folder, but for the secret that every configuration names.
    ///
    /// # Panics
    /// It cannot be made.
    #[expect(clippy::new_without_default, reason = "making a folder is no default")]
    pub fn new() -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let name = format!("world-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::SeqCst));
        let path = place().join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder can be made");
        fs::write(path.join("client_secret"), "a pretend secret").expect("a file can be written");
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
        let over: Vec<PathBuf> = {
            let mut left = lock(&LEFT);
            left.push(self.0.clone());
            let count = left.len().saturating_sub(LATEST);
            left.drain(..count).collect()
        };
        remove(&over);
    }
}

/// Removes what is left of the folders of this process: at its end, when no gateway runs any more.
pub fn remove_left() {
    remove(&std::mem::take(&mut *lock(&LEFT)));
    let _ = fs::remove_dir(place());
}

fn remove(left: &[PathBuf]) {
    for path in left {
        let _ = fs::remove_dir_all(path);
    }
}

/// Where folders are made in this process.
fn place() -> &'static Path {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| {
        let on_disk = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tmp");
        let has_room = rustix::fs::statvfs(IN_MEMORY).is_ok_and(|there| there.f_bavail * there.f_frsize >= ROOM);
        let in_memory = Path::new(IN_MEMORY).join(format!("candor-{}", std::process::id()));
        if has_room && fs::create_dir_all(&in_memory).is_ok() { in_memory } else { on_disk }
    })
}
