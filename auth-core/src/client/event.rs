//! What happens to a device, and when.

use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use super::answer::HttpAnswer;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientEvent {
    /// It was switched on. The first event, once.
    Boot,
    /// A call was answered, or is known not to be.
    Answer {
        /// The number of the request.
        number: u64,
        /// What came.
        answer: HttpAnswer,
    },
    /// The time of the last timer is there. Too early or twice does no harm.
    Timer,
    /// Somebody pressed `Retry`.
    Retry,
    /// The last [`Store`](super::ClientAction::Store) failed. It is ordered again with the next timer.
    NotStored,
}

/// When something happened, and what chance had in store.
#[derive(Clone, Debug)]
pub struct Moment {
    /// The time since anything that does not change while the device runs. It never goes back.
    pub now: Duration,
    /// The wall clock in seconds since 1970, as far as the device knows it. Nothing depends on it.
    pub wall: i64,
    /// Fresh random bytes, for this event alone.
    pub entropy: [u8; 32],
}

impl Moment {
    /// Random bytes for one purpose: what is drawn for one says nothing about another.
    pub(super) fn random(&self, purpose: &str) -> [u8; 32] {
        let mut context = Context::new(&SHA256);
        context.update(purpose.as_bytes());
        context.update(&[0]);
        context.update(&self.entropy);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.finish().as_ref());
        bytes
    }

    /// A duration between zero and `most`, each as likely as the others, to the millisecond.
    pub(super) fn up_to(&self, most: Duration) -> Duration {
        let [a, b, c, d, e, f, g, h, ..] = self.random("jitter");
        let most = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(u64::from_be_bytes([a, b, c, d, e, f, g, h]) % most.saturating_add(1))
    }
}
