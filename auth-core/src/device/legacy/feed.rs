//! Keeping memory true to the store: all of it after a start, as far as it fits, and then what has changed.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use super::{Inner, LegacyTokens, sql};
use crate::{clock::Timestamp, verdict::Unavailable};

/// So many tokens are read in one call of the store.
const PAGE: u32 = 2048;

/// How far back is read again: clocks of gateways differ, and a write takes a while to be seen.
const OVERLAP: Duration = Duration::from_secs(120);

impl LegacyTokens {
    /// Reads what is on record, and again and again what has changed, until the last clone of this is dropped. To be
    /// started again changes nothing.
    pub fn start(&self) {
        if self.0.started.swap(true, Ordering::SeqCst) {
            return;
        }
        let (inner, poll) = (Arc::downgrade(&self.0), self.0.policy.poll);
        self.0.background.spawn(async move {
            let mut beat = tokio::time::interval(poll);
            beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            let mut since = None;
            loop {
                beat.tick().await;
                let Some(inner) = inner.upgrade() else { return };
                let asked = inner.clock.now().earlier();
                let read = match since {
                    None => inner.read_all().await,
                    Some(since) => inner.read_changed(since).await,
                };
                match read {
                    Ok(()) => since = Some(asked - OVERLAP),
                    Err(unavailable) => tracing::debug!(%unavailable, "tokens of before are served from memory"),
                }
            }
        });
    }

    /// Reads what has changed, now.
    ///
    /// # Errors
    /// Unavailable, if the store is.
    pub async fn poll(&self) -> Result<(), Unavailable> {
        self.0.read_changed(self.now().earlier() - OVERLAP).await
    }
}

impl Inner {
    async fn read_all(&self) -> Result<(), Unavailable> {
        let mut after = None;
        while self.known.has_room() {
            let page = sql::page(self.registry.store(), after, PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(*last);
            for (hash, token) in page {
                self.known.set(hash, token);
            }
        }
        Ok(())
    }

    async fn read_changed(&self, since: Timestamp) -> Result<(), Unavailable> {
        for (hash, token) in sql::changed(self.registry.store(), since).await? {
            if self.known.has_room() {
                self.known.set(hash, token);
            } else {
                self.known.correct(hash, token);
            }
        }
        Ok(())
    }
}
