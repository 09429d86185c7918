//! The access log of a gateway in this process, kept in memory: what the gateway itself says about a request.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use auth_core::lock::lock;
use serde_json::Value;

/// Lines as they are written. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Every line so far, JSON.
    pub fn lines(&self) -> Vec<Value> {
        let written = lock(&self.0).clone();
        written.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }

    /// Forgets what was written.
    pub fn clear(&self) {
        lock(&self.0).clear();
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.0).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
