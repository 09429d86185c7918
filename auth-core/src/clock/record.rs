//! Where the readings stood, as it lies on disk: so that a restart carries the anchor on.

use std::{io, path::Path};

use serde::{Deserialize, Serialize};

use super::{
    reckoning::Reckoning,
    source::{Reading, Source},
};
use crate::{
    alarm::{self, Alarm},
    disk,
};

/// What lies on disk.
#[derive(Serialize, Deserialize)]
struct Record {
    /// Which start of the machine it was.
    boot: Option<String>,
    wall: i64,
    since_boot: i64,
    reckoning: Reckoning,
}

/// The longest record that is read, in bytes.
const LONGEST: usize = 16 * 1024;

/// The reckoning of this machine: carried on from the record at `path`, or begun.
pub(super) fn carry_on(path: &Path, source: &Source) -> Reckoning {
    let read = disk::read(path, LONGEST)
        .and_then(|bytes| Ok(bytes.as_deref().map(serde_json::from_slice::<Record>).transpose()?));
    let record = read.unwrap_or_else(|fault| {
        let told = format!("{}: {fault}; the wall clock is taken at its word", path.display());
        alarm::ring(Alarm::ClockUnread, &told);
        None
    });
    let now = source.read();
    let Some(Record { boot, wall, since_boot, reckoning }) = record else { return Reckoning::begun(now) };
    let here = source.boot();
    if boot.is_some() && boot == here && since_boot <= now.since_boot {
        return reckoning;
    }
    // A machine that was set back to an earlier moment of the same boot says nothing about how long it was away.
    let up = if here.is_some() && boot != here { now.since_boot } else { 0 };
    reckoning.after_a_boot(Reading { wall, since_boot }, up, now)
}

/// Writes the record. Blocks.
pub(super) fn write(path: &Path, source: &Source, reckoning: Reckoning) -> io::Result<()> {
    let Reading { wall, since_boot } = source.read();
    let record = Record { boot: source.boot(), wall, since_boot, reckoning };
    disk::write_whole(path, &serde_json::to_vec(&record)?)
}
