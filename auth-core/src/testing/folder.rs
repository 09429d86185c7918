//! A folder for one test, removed at its end.

use std::path::{Path, PathBuf};

use aws_lc_rs::rand;

use crate::{
    clock::{Now, Timestamp},
    data_folder::DataFolder,
};

/// The folder.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let mut name = [0_u8; 8];
        rand::fill(&mut name).expect("the system has randomness");
        let path = std::env::temp_dir().join(format!("candor-test-{:016x}", u64::from_be_bytes(name)));
        std::fs::create_dir(&path).expect("the temporary folder can be written");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The folder, taken as a data folder.
    pub(crate) fn taken(&self) -> DataFolder {
        DataFolder::take(&self.0, Now::at(Timestamp::from_secs(0))).expect("nobody else has it")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
