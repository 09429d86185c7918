//! What was last known good, on disk, so that a start with every dependency down still knows whom it knew.

use std::{io, path::PathBuf, sync::Mutex};

use aws_lc_rs::digest::{SHA256, digest};

use crate::{
    alarm::{self, Alarm},
    data_folder::{DataFolder, FolderPath},
    disk,
    lock::lock,
};

/// One thing's copy on disk; or none, where there is no folder for it: then nothing outlives the process.
pub(crate) struct DiskCopy(Option<CopyFile>);

/// The file that a copy is in, in a data folder that we hold.
#[derive(Clone)]
struct CopyFile {
    path: PathBuf,
    folder: FolderPath,
    kind: CopyKind,
}

/// What the copy is of: it decides what an operator is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CopyKind {
    OfAnIssuer,
    Revocations,
}

/// The folder of what issuers gave us, in the data folder.
const ISSUERS: &str = "issuers";

/// The longest copy that is read, in bytes: some hundred thousand revocations.
const LONGEST: usize = 64 * 1024 * 1024;

/// One issuer's keys may be held twice, for other algorithms: two who write one file at once would mix what they write.
static WRITING: Mutex<()> = Mutex::new(());

impl DiskCopy {
    /// Of what `name` and `of` say of an issuer. `of` may be any text; its hash names the file.
    pub(crate) fn of_an_issuer(data: Option<&DataFolder>, name: &str, of: &str) -> Self {
        let hash = digest(&SHA256, of.as_bytes());
        let short: String = hash.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self(data.map(|data| CopyFile {
            path: data.path().join(ISSUERS).join(format!("{short}.{name}.json")),
            folder: data.place().clone(),
            kind: CopyKind::OfAnIssuer,
        }))
    }

    /// Of the revocation set.
    pub(crate) fn of_revocations(data: &DataFolder) -> Self {
        let (path, folder) = (data.path().join("revocations"), data.place().clone());
        Self(Some(CopyFile { path, folder, kind: CopyKind::Revocations }))
    }

    /// Reads it by `read`. A file that is absent or makes no sense is none; the latter rings an alarm.
    pub(super) fn read<T>(&self, read: impl FnOnce(&[u8]) -> io::Result<T>) -> Option<T> {
        let CopyFile { path, kind, .. } = self.0.as_ref()?;
        let unread = match kind {
            CopyKind::OfAnIssuer => Alarm::LastGoodUnread,
            CopyKind::Revocations => Alarm::RevocationsUnreadable,
        };
        let copy = disk::read(path, LONGEST).and_then(|bytes| bytes.as_deref().map(read).transpose());
        copy.unwrap_or_else(|fault| {
            alarm::ring(unread, &format!("{} is left aside: {fault}", path.display()));
            None
        })
    }

    /// Replaces it, unless the folder at its path is not the one that we hold.
    ///
    /// # Errors
    /// Whatever the file system says; the copy is then as it was.
    pub(super) async fn write(&self, content: Vec<u8>) -> io::Result<()> {
        let Some(CopyFile { path, folder, kind }) = self.0.clone() else { return Ok(()) };
        let writing = move || {
            let _writing = lock(&WRITING);
            if kind == CopyKind::OfAnIssuer && folder.is_handed_over() {
                // The successor asks for itself.
                return Ok(());
            }
            let _ours = folder.writing()?;
            if kind == CopyKind::OfAnIssuer {
                // The data folder itself is not ours to make: it may have been moved away a moment ago.
                disk::make_subfolder(&folder.join(ISSUERS))?;
            }
            disk::write_whole(&path, &content)
        };
        tokio::task::spawn_blocking(writing).await.map_err(io::Error::other).flatten()
    }

    /// Says that it could not be written. What is in memory stands.
    pub(super) fn unwritten(&self, fault: &io::Error) {
        let Some(CopyFile { path, kind, folder }) = &self.0 else { return };
        let path = path.display();
        match kind {
            _ if folder.is_handed_over() => tracing::debug!("{path}: {fault}"),
            CopyKind::OfAnIssuer => alarm::ring(Alarm::LastGoodUnwritten, &format!("{path}: {fault}")),
            CopyKind::Revocations => tracing::warn!("the revocation set, or its age, is not in {path}: {fault}"),
        }
    }

    /// Whether somebody removed the revocation set, which must always be there. That rings an alarm.
    pub(super) async fn was_removed(&self) -> bool {
        let Some(CopyFile { path, kind, .. }) = self.0.clone() else { return false };
        if kind == CopyKind::OfAnIssuer {
            return false;
        }
        let shown = path.display().to_string();
        let found = tokio::task::spawn_blocking(move || disk::id(&path)).await;
        let removed = matches!(found, Ok(Ok(None)));
        if removed {
            alarm::ring(Alarm::RevocationsFileGone, &format!("{shown} was removed; it is written again"));
        }
        removed
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, sync::Arc};

    use super::*;
    use crate::testing::Folder;

    fn copy(data: &Folder, of: &str) -> DiskCopy {
        DiskCopy::of_an_issuer(Some(&data.taken()), "keys", of)
    }

    fn plain<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
        Ok(serde_json::from_slice(bytes)?)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn two_who_write_at_once_do_not_mix() {
        let data = Folder::new();
        let copy = Arc::new(copy(&data, "https://idp.example"));
        let writes = (1..=40_usize).map(|n| {
            let (copy, content) = (Arc::clone(&copy), serde_json::to_vec(&vec![n; n * 500]).expect("plain"));
            tokio::spawn(async move { copy.write(content).await })
        });
        for write in writes.collect::<Vec<_>>() {
            write.await.expect("writes").expect("the folder is ours");
        }
        let read: Vec<usize> = copy.read(plain).expect("the last of them");
        assert!(read.iter().all(|n| n * 500 == read.len()), "one of them, whole");
    }

    #[tokio::test]
    async fn what_was_written_reads_back_and_garbage_is_nothing() {
        let data = Folder::new();
        let one = copy(&data, "https://idp.example");
        assert_eq!(one.read(plain::<Vec<u8>>), None);
        one.write(b"[1,2]".to_vec()).await.expect("the folder is ours");
        assert_eq!(one.read(plain), Some(vec![1_u8, 2]));
        fs::write(&one.0.as_ref().expect("it has a folder").path, b"{half").expect("the folder is there");
        assert_eq!(one.read(plain::<Vec<u8>>), None);
        assert_eq!(copy(&data, "https://other.example").read(plain::<Vec<u8>>), None);
    }

    #[tokio::test]
    async fn nothing_is_written_to_a_folder_that_is_not_the_one_we_hold() {
        let data = Folder::new();
        let path = data.path().join("data");
        let ours = DataFolder::take(&path, crate::Now::at(crate::Timestamp::from_secs(0))).expect("nobody has it");
        let copy = DiskCopy::of_an_issuer(Some(&ours), "keys", "https://idp.example");
        copy.write(b"[1]".to_vec()).await.expect("it is ours");
        fs::rename(&path, data.path().join("elsewhere")).expect("it is there");
        copy.write(b"[2]".to_vec()).await.expect_err("there is no folder of ours");
        assert!(!path.exists(), "none was made");
        fs::create_dir(&path).expect("the path is free");
        fs::write(path.join("lock"), b"").expect("somebody else's");
        copy.write(b"[2]".to_vec()).await.expect_err("it is somebody else's");
        assert!(!path.join("issuers").exists(), "nothing was put there");
        fs::remove_dir_all(&path).expect("it is there");
        fs::rename(data.path().join("elsewhere"), &path).expect("it is there");
        assert_eq!(copy.read(plain), Some(vec![1_u8]));
        copy.write(b"[2]".to_vec()).await.expect("it is ours again");
    }
}
