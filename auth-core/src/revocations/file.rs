//! The set as it lies on disk: a line with the hash of the rest, then JSON.
//!
//! The hash tells a damaged file from a good one. A damaged one is no set at all: half a set would let in whom the
//! other half names.

use std::{io, sync::Arc};

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use super::{
    entry::{RevocationEntry, RevocationSet},
    registry_mark::RegistryMark,
};
use crate::clock::Steady;

const VERSION: &str = "candor revocations 1";

#[derive(Serialize, Deserialize)]
struct Content {
    confirmed: Option<Steady>,
    entries: Vec<Arc<RevocationEntry>>,
    pending: Vec<Arc<RevocationEntry>>,
    /// Those of bindings, apart: an older release, which knows of no devices, still reads the rest.
    #[serde(default)]
    bindings: Vec<Arc<RevocationEntry>>,
    #[serde(default)]
    pending_bindings: Vec<Arc<RevocationEntry>>,
    #[serde(default)]
    registry: Option<RegistryMark>,
}

/// The file's bytes.
pub(super) fn write(set: &RevocationSet, confirmed: Option<Steady>) -> io::Result<Vec<u8>> {
    let (bindings, entries) = set.all().cloned().partition(|entry| entry.standing().is_some());
    let (pending_bindings, pending) = set.pending().cloned().partition(|entry| entry.standing().is_some());
    let registry = set.registry.clone();
    let content = Content { confirmed, entries, pending, bindings, pending_bindings, registry };
    let json = serde_json::to_vec(&content)?;
    let mut bytes = format!("{VERSION} {}\n", hash(&json)).into_bytes();
    bytes.extend_from_slice(&json);
    Ok(bytes)
}

/// The set that a file of these bytes holds, and when it was last confirmed.
pub(super) fn read(bytes: &[u8]) -> io::Result<(RevocationSet, Option<Steady>)> {
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let end = bytes.iter().position(|byte| *byte == b'\n').ok_or_else(|| wrong("it has no first line"))?;
    let (head, json) = (&bytes[..end], &bytes[end + 1..]);
    if head != format!("{VERSION} {}", hash(json)).as_bytes() {
        return Err(wrong("its first line does not fit the rest"));
    }
    let content: Content = serde_json::from_slice(json)?;
    let mut set = RevocationSet::default();
    set.registry = content.registry;
    content.entries.iter().chain(&content.bindings).for_each(|entry| set.add(entry));
    content.pending.iter().chain(&content.pending_bindings).for_each(|entry| set.add_pending(entry));
    Ok((set, content.confirmed))
}

fn hash(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, bytes))
}
