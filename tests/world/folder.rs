//! A folder for one world, removed with it.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

/// A folder below `target/tmp`.
pub struct Folder(PathBuf);

impl Folder {
    /// An empty folder, but for the secret that every configuration names.
    ///
    /// # Panics
    /// It cannot be made.
    #[expect(clippy::new_without_default, reason = "making a folder is no default")]
    pub fn new() -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let name = format!("world-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::SeqCst));
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tmp").join(name);
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
    }
}
