//! Files that are written whole or not at all.
//!
//! What we know from others must outlive a restart and a power cut, and half a file must never be taken for a whole
//! one. Everything here blocks: call it on a thread that may.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown},
    path::Path,
};

/// Which file it is, whatever it is called: two paths with the same lead to one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// The file that `about` is about.
    pub fn of(about: &fs::Metadata) -> Self {
        Self { device: about.dev(), inode: about.ino() }
    }
}

/// Which file is at `path`; `None` if there is none.
///
/// # Errors
/// Whatever else the file system says.
pub fn id(path: &Path) -> io::Result<Option<FileId>> {
    match fs::metadata(path) {
        Ok(about) => Ok(Some(FileId::of(&about))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes `content` to `path`, readable by its owner only: to a file beside it, synced, then renamed over it.
///
/// # Errors
/// Whatever the file system says; `path` is then as it was.
pub fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let beside = beside(path);
    // What a write that was cut short left there, or anything else: it is not written into.
    let _ = fs::remove_file(&beside);
    let mut file = make(&beside, OpenOptions::new().write(true))?;
    file.write_all(content)?;
    file.sync_all()?;
    rename_synced(&beside, path)
}

/// Renames `from` to `to` in the same folder, so that it holds after a power cut.
///
/// # Errors
/// Whatever the file system says.
pub fn rename_synced(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    match to.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

/// Reads `path`; `None` if there is no such file.
///
/// # Errors
/// Whatever the file system says, and a file of more than `cap` bytes.
pub fn read(path: &Path, cap: usize) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut content = Vec::new();
    file.take(cap as u64 + 1).read_to_end(&mut content)?;
    if content.len() > cap {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {cap} bytes")));
    }
    Ok(Some(content))
}

/// Makes an empty file that only its owner can read, if there is none: for what others will fill. SQLite gives the
/// files beside its own the same mode.
///
/// # Errors
/// Whatever the file system says.
pub fn make_private(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    open_or_make(path, OpenOptions::new().append(true)).map(drop)
}

/// Opens `path` as `options` say; makes it, readable by its owner only, if it is not there.
///
/// # Errors
/// Whatever the file system says.
pub fn open_or_make(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    match make(path, &mut options.clone()) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options.create(true).mode(0o600).open(path),
        made => made,
    }
}

/// Makes a file that is not there yet. What root makes belongs to whom the folder belongs: after a command of root's the
/// gateway's own user must be able to read it. Where root may not give it away, it stays as it is. (A file that was there
/// already is never given away: it may be a link that leads out of the folder.)
fn make(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let file = options.create_new(true).mode(0o600).open(path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (folder, made) = (fs::metadata(folder)?, file.metadata()?);
    if made.uid() == 0 && folder.uid() != 0 {
        let _ = fchown(&file, Some(folder.uid()), Some(folder.gid()));
    }
    Ok(file)
}

/// Makes the folder `path` and its parents where they are missing, readable by their owner only.
///
/// # Errors
/// Whatever the file system says.
pub fn make_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes the folder `path` where it is missing, readable by its owner only. Its parent must be there.
///
/// # Errors
/// Whatever the file system says.
pub fn make_subfolder(path: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

fn beside(path: &Path) -> std::path::PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_is_written_whole_and_for_its_owner_only() {
        let folder = crate::testing::Folder::new();
        let path = folder.path().join("a/b/file");
        make_folder(path.parent().expect("it has one")).expect("makes the folder");
        assert_eq!(read(&path, 10).expect("there is none"), None);
        write_whole(&path, b"first").expect("writes");
        write_whole(&path, b"second").expect("writes over it");
        assert_eq!(read(&path, 6).expect("reads").as_deref(), Some(&b"second"[..]));
        assert_eq!(fs::metadata(&path).expect("exists").permissions().mode() & 0o777, 0o600);
        assert_eq!(read(&path, 5).expect_err("too large").kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn what_root_makes_belongs_to_the_owner_of_the_folder() {
        let folder = crate::testing::Folder::new();
        // Only root can see this; for everybody else the folder is their own, and so is what they make in it.
        let owner = match std::os::unix::fs::chown(folder.path(), Some(65_534), Some(65_534)) {
            Ok(()) => 65_534,
            Err(_) => fs::metadata(folder.path()).expect("there is a folder").uid(),
        };
        let (written, made) = (folder.path().join("written"), folder.path().join("made"));
        write_whole(&written, b"first").expect("writes");
        make_private(&made).expect("makes");
        for file in [written, made] {
            assert_eq!(fs::metadata(&file).expect("exists").uid(), owner, "{}", file.display());
        }
    }

    #[test]
    fn a_failed_write_leaves_what_was_there() {
        let folder = crate::testing::Folder::new();
        let path = folder.path().join("file");
        write_whole(&path, b"good").expect("writes");
        fs::create_dir(folder.path().join("file.new")).expect("makes a folder in the way");
        write_whole(&path, b"bad").expect_err("a folder is in the way");
        assert_eq!(read(&path, 10).expect("reads").as_deref(), Some(&b"good"[..]));
    }
}
