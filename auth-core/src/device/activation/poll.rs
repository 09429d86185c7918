//! Polling for an activation. It writes nothing; how often each device asked is remembered here only.

use std::{collections::HashMap, sync::Mutex, time::Duration};

use aws_lc_rs::constant_time::verify_slices_are_equal;

use super::{ActivationId, sql};
use crate::{
    clock::{Now, Steady, Timestamp},
    device::{Devices, grant::Grant, proof::ProvenDeviceKey},
    lock::lock,
    principal::BindingState,
    verdict::Unavailable,
};

/// What a device hears that polls (RFC 8628 §3.5, without its errors).
pub enum PollAnswer {
    /// Nobody has typed the PIN yet.
    Pending {
        /// How long to wait before the next poll.
        interval: Duration,
    },
    /// The same, and it asks too often.
    SlowDown {
        /// How long to wait before the next poll.
        interval: Duration,
    },
    /// It is activated.
    Granted(Box<Grant>),
    /// There is no such activation: over, unknown, or another device's. It begins anew, and keeps what it holds.
    Expired,
}

/// When devices polled last, by their activations.
#[derive(Default)]
pub(in crate::device) struct LastPolls(Mutex<HashMap<ActivationId, Steady>>);

/// How early a poll may come: networks are not punctual.
const EARLY: Duration = Duration::from_secs(1);

/// What is remembered at most, before what is old is looked for. Only who knows a code of ours can add to it.
const MANY: usize = 4_096;

impl Devices {
    /// What has become of an activation. `device_code` is what [`Devices::begin_activation`] gave to the holder of `key`.
    ///
    /// # Errors
    /// Unavailable, if the store is.
    pub async fn poll_activation(
        &self,
        key: &ProvenDeviceKey,
        activation: &str,
        device_code: &str,
        now: Now,
    ) -> Result<PollAnswer, Unavailable> {
        let Ok(id) = activation.parse::<ActivationId>() else { return Ok(PollAnswer::Expired) };
        let expected = self.device_code(&id, key);
        if verify_slices_are_equal(expected.as_bytes(), device_code.as_bytes()).is_err() {
            return Ok(PollAnswer::Expired);
        }
        let known = sql::activation(self.registry().store(), id.clone()).await;
        #[cfg(candor_mutants)]
        if known.is_err() && crate::mutants::is("registry-outage-ends-activation") {
            return Ok(PollAnswer::Expired);
        }
        let Some(known) = known? else {
            return self.registry().absence_is_known().map(|()| PollAnswer::Expired);
        };
        if let Some(binding) = known.binding {
            // What was confirmed stands, however late the device asks; and no longer than the binding does.
            let Some((_, device)) = self.registry().of_key(key.thumbprint()).await? else {
                return Ok(PollAnswer::Expired);
            };
            let bound = device.bindings.iter().find(|bound| bound.id == binding && bound.state == BindingState::Active);
            let Some(bound) = bound else { return Ok(PollAnswer::Expired) };
            return self.grant(bound, key, now).map(|grant| PollAnswer::Granted(Box::new(grant)));
        }
        if !is_open(known.begun, known.until, now.anchor()) {
            return Ok(PollAnswer::Expired);
        }
        let interval = self.policy().activation.interval;
        Ok(if self.0.polls.is_too_early(id, interval, now) {
            PollAnswer::SlowDown { interval: interval * 2 }
        } else {
            PollAnswer::Pending { interval }
        })
    }
}

/// What begins in the future is over too: the clock was set back since.
pub(super) fn is_open(begun: Timestamp, until: Timestamp, now: Timestamp) -> bool {
    begun <= now && now < until
}

impl LastPolls {
    /// Whether the last poll was less than `interval` ago. This one is the last from now on.
    fn is_too_early(&self, id: ActivationId, interval: Duration, now: Now) -> bool {
        let mut last = lock(&self.0);
        if last.len() >= MANY {
            last.retain(|_, at| now.steady().since(*at) <= interval);
        }
        let before = last.insert(id, now.steady());
        before.is_some_and(|before| now.steady().since(before) + EARLY < interval)
    }
}
