//! The files that a configuration is read from, and whether they still hold what they held.
//!
//! Content alone counts: a link that leads elsewhere, a file put in another's place and one that was written in place are the
//! same to us, and one that was merely touched has not changed.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{SHA256, digest};

/// Files are read to this length: none that is longer is taken.
const LONGEST: u64 = (1 << 20) + 1;

/// A file, and what it held when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    path: PathBuf,
    /// The SHA-256 of what it held; none if it could not be read.
    held: Option<[u8; 32]>,
}

impl SourceFile {
    /// The file at `path`, which held `content`; or could not be read.
    pub fn new(path: PathBuf, content: Option<&[u8]>) -> Self {
        let held = content.and_then(|content| digest(&SHA256, content).as_ref().try_into().ok());
        Self { path, held }
    }

    /// Reads it once more. Blocks.
    pub fn read_again(&self) -> Self {
        let mut content = Vec::new();
        let read = File::open(&self.path).and_then(|file| file.take(LONGEST).read_to_end(&mut content));
        Self::new(self.path.clone(), read.is_ok().then_some(&content))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn what_it_holds_counts_however_it_came_there() {
        let folder = std::env::temp_dir().join(format!("candor-source-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder can be made");
        let write = |name: &str, text: &str| fs::write(folder.join(name), text).expect("it can be written");
        let path = folder.join("file");
        let absent = SourceFile::new(path.clone(), None);
        assert_eq!(absent.read_again(), absent);
        write("one", "1");
        symlink(folder.join("one"), &path).expect("a link can be made");
        let one = absent.read_again();
        assert_ne!(one, absent);
        assert_eq!(one, SourceFile::new(path.clone(), Some(b"1")));
        write("one", "1");
        assert_eq!(one.read_again(), one, "it was touched alone");
        write("two", "2");
        symlink(folder.join("two"), folder.join("next")).expect("a link can be made");
        fs::rename(folder.join("next"), &path).expect("a link can be replaced");
        assert_eq!(one.read_again(), SourceFile::new(path.clone(), Some(b"2")), "the link leads elsewhere");
        write("two", "1");
        assert_eq!(one.read_again(), one, "it was written in place");
        fs::remove_dir_all(&folder).expect("the folder goes");
        assert_eq!(one.read_again(), absent);
    }
}
