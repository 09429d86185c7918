//! A worker's own connections to endpoints: idle ones, the last used first.

/// The upstream connections of one worker.
pub struct Pools {}
