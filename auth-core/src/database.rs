//! The store.

use std::{path::PathBuf, sync::Arc, time::Duration};

use crate::keeper::Keeper;

/// The store: a SQLite file. Cheap to clone. Connects when it is first needed, and again after every fault.
#[derive(Clone)]
pub struct Database(Arc<Inner>);

struct Inner {
    path: PathBuf,
    keeper: Keeper,
    deadline: Duration,
}

impl Database {
    /// How long a call waits for a connection, and for another writer.
    pub const DEADLINE: Duration = Duration::from_secs(1);

    /// The store in the SQLite file at `path`. Never fails: a store that cannot be used is Unavailable when used.
    pub fn sqlite(path: impl Into<PathBuf>, keeper: Keeper, deadline: Duration) -> Self {
        Self(Arc::new(Inner { path: path.into(), keeper, deadline }))
    }
}
