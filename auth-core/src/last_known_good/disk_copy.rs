//! What was last known good, on disk, so that a start with every dependency down still knows whom it knew.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Mutex,
};

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    alarm::{self, Alarm},
    disk,
    lock::lock,
};

/// One thing's last good copy.
#[derive(Clone, Debug)]
pub(crate) struct LastGood {
    path: PathBuf,
}

/// The longest copy that is read, in bytes: a key set of the longest kind, written as text inside text.
const LONGEST: usize = 2 * 1024 * 1024;

/// One issuer's keys may be held twice, for other algorithms: two who write one file at once would mix what they write.
static WRITING: Mutex<()> = Mutex::new(());

impl LastGood {
    /// The copy of what `name` and `of` say, under `data`. `of` may be any text; its hash names the file.
    pub(crate) fn new(data: &Path, name: &str, of: &str) -> Self {
        let hash = digest(&SHA256, of.as_bytes());
        let short: String = hash.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self { path: data.join("issuers").join(format!("{short}.{name}.json")) }
    }

    /// Reads it. A file that is absent or makes no sense is none; the latter rings an alarm.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Option<T> {
        let read = disk::read(&self.path, LONGEST)
            .and_then(|bytes| Ok(bytes.as_deref().map(serde_json::from_slice).transpose()?));
        read.unwrap_or_else(|fault| {
            alarm::ring(Alarm::LastGoodUnread, &format!("{}: {fault}", self.path.display()));
            None
        })
    }

    /// Replaces it. What is in memory stands whether or not this works, so a failure only rings an alarm.
    pub(crate) async fn write<T: Serialize + Send + 'static>(&self, value: T) {
        let path = self.path.clone();
        let written = tokio::task::spawn_blocking(move || {
            let _writing = lock(&WRITING);
            disk::make_folder(path.parent().unwrap_or(Path::new(".")))?;
            disk::write_whole(&path, &serde_json::to_vec(&value)?)
        });
        if let Err(fault) = written.await.map_err(io::Error::other).flatten() {
            alarm::ring(Alarm::LastGoodUnwritten, &format!("{}: {fault}", self.path.display()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn two_who_write_at_once_do_not_mix() {
        let data = Folder::new();
        let copy = LastGood::new(data.path(), "keys", "https://idp.example");
        let writes = (1..=40_usize).map(|n| {
            let copy = copy.clone();
            tokio::spawn(async move { copy.write(vec![n; n * 500]).await })
        });
        for write in writes.collect::<Vec<_>>() {
            write.await.expect("writes");
        }
        let read: Vec<usize> = copy.read().expect("the last of them");
        assert!(read.iter().all(|n| n * 500 == read.len()), "one of them, whole");
    }

    #[tokio::test]
    async fn what_was_written_reads_back_and_garbage_is_nothing() {
        let data = Folder::new();
        let copy = LastGood::new(data.path(), "keys", "https://idp.example");
        assert_eq!(copy.read::<Vec<u8>>(), None);
        copy.write(vec![1_u8, 2]).await;
        assert_eq!(copy.read(), Some(vec![1_u8, 2]));
        std::fs::write(&copy.path, b"{half").expect("the folder is there");
        assert_eq!(copy.read::<Vec<u8>>(), None);
        assert_eq!(LastGood::new(data.path(), "keys", "https://other.example").read::<Vec<u8>>(), None);
    }
}
