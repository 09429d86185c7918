//! Keys for devices that are to be known before they are switched on: a thousand new ones behind one address would meet
//! the limit of PINs that are open to a network, and somebody would have to type them all.

use std::{
    fs::DirBuilder,
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use auth_core::client::{ClientKey, Moment, StoredState};
use csv::WriterBuilder;

use super::write_private;
use crate::server::control::fleet::MOST_IMPORTED;

/// Devices that have keys, and are to be imported.
#[derive(Debug)]
pub struct Enrolled {
    /// What each has stored: its key.
    pub stored: Vec<StoredState>,
    /// Where that is kept, as JSON lines.
    pub keys: PathBuf,
    /// What `gateway device import` takes, each as long as it may be.
    pub lists: Vec<PathBuf>,
}

/// Makes keys for so many devices of `tenant`, and writes them into `folder`, which must not be there yet.
///
/// # Errors
/// It is there, or cannot be written; or the system gives no randomness.
pub fn enrol(folder: &Path, devices: usize, tenant: &str) -> io::Result<Enrolled> {
    // It holds keys: nobody else reads it.
    DirBuilder::new().mode(0o700).create(folder)?;
    let stored: Vec<StoredState> = (0..devices).map(|_| with_a_key()).collect::<io::Result<_>>()?;
    let lines: Result<Vec<String>, _> = stored.iter().map(serde_json::to_string).collect();
    let keys = folder.join("keys.jsonl");
    write_private(&keys, &lines.map_err(io::Error::other)?.join("\n"))?;
    let mut lists = Vec::new();
    for (list, some) in stored.chunks(MOST_IMPORTED).enumerate() {
        let file = folder.join(format!("devices-{}.csv", list + 1));
        let mut writer = WriterBuilder::new().from_path(&file)?;
        writer.write_record(["hardware_id", "model", "tenant", "room", "jwk"])?;
        for (number, stored) in some.iter().enumerate() {
            let number = list * MOST_IMPORTED + number;
            let jwk = stored.key.as_ref().map(ClientKey::jwk).unwrap_or_default();
            let (serial, room) = (format!("simulated-{number}"), format!("Room {number}"));
            writer.write_record([&*serial, "simulated", tenant, &*room, &*jwk])?;
        }
        writer.flush()?;
        lists.push(file);
    }
    Ok(Enrolled { stored, keys, lists })
}

fn with_a_key() -> io::Result<StoredState> {
    let mut entropy = [0; 32];
    aws_lc_rs::rand::fill(&mut entropy).map_err(|_| io::Error::other("the system gives no randomness"))?;
    let moment = Moment { now: Duration::ZERO, wall: 0, entropy };
    Ok(StoredState { key: Some(ClientKey::new(&moment)), ..StoredState::default() })
}
