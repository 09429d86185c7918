//! When devices were heard of last: to the hour, gathered in memory, and written behind.
//!
//! A request takes no lock for it but the first of a device in an hour, and never waits for the store. What a crash loses is
//! a minute of it; what a store that is down does not take is kept, one entry a device, and written later. Whether the store
//! took the last of it tells whether a device could have its token renewed.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{family::TokenUses, registry::Registry, token::DeviceClaims};
use crate::{
    clock::{Now, Timestamp},
    lock::lock,
    principal::DeviceId,
    verdict::Unavailable,
};

/// What is to be written of one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sighting {
    pub(super) at: Timestamp,
    pub(super) address: Option<IpAddr>,
}

/// What is to be written. Cheap to clone.
#[derive(Clone)]
pub(super) struct LastSeen {
    registry: Registry,
    waiting: Arc<Mutex<HashMap<DeviceId, Sighting>>>,
    refused: Arc<AtomicBool>,
    uses: TokenUses,
}

const HOUR_MILLIS: i64 = 3_600_000;

/// How long what is gathered waits for more.
const GATHERED_FOR: Duration = Duration::from_secs(60);

/// So many devices are written in one transaction: others write too.
const WRITTEN_AT_ONCE: usize = 500;

/// Which hour it is.
pub(super) fn hour_of(now: Now) -> i64 {
    now.earlier().as_millis().div_euclid(HOUR_MILLIS)
}

impl LastSeen {
    pub(super) fn new(registry: Registry) -> Self {
        Self { registry, waiting: Arc::default(), refused: Arc::default(), uses: TokenUses::default() }
    }

    /// Whether the store did not take what was written last.
    pub(super) fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// A token was used. Its device is noted next.
    pub(super) fn note_use(&self, claims: &DeviceClaims, now: Now) {
        self.uses.note(claims, now);
    }

    /// A device was heard of. An address that is not known leaves the one before. The first that waits begins the writing.
    pub(super) fn note(&self, device: DeviceId, address: Option<IpAddr>, now: Now) {
        let at = Timestamp::from_millis(hour_of(now) * HOUR_MILLIS);
        let is_first = {
            let mut waiting = lock(&self.waiting);
            let is_first = waiting.is_empty();
            let before = waiting.insert(device, Sighting { at, address });
            if let (None, Some(before), Some(now)) = (address, before, waiting.get_mut(&device)) {
                now.address = before.address;
            }
            is_first
        };
        if is_first {
            let this = self.clone();
            self.registry.revocations().background().spawn(async move { this.write_behind().await });
        }
    }

    async fn write_behind(&self) {
        loop {
            tokio::time::sleep(GATHERED_FOR).await;
            match self.write().await {
                Ok(()) => return,
                Err(down) => tracing::debug!("when devices were seen last is written later: {down}"),
            }
        }
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// Unavailable, if the store is. What it did not take waits on.
    pub(super) async fn write(&self) -> Result<(), Unavailable> {
        self.write_sightings().await?;
        self.uses.look_at(&self.registry).await
    }

    async fn write_sightings(&self) -> Result<(), Unavailable> {
        loop {
            let some: Vec<(DeviceId, Sighting)> =
                lock(&self.waiting).iter().take(WRITTEN_AT_ONCE).map(|(device, seen)| (*device, *seen)).collect();
            if some.is_empty() {
                return Ok(());
            }
            let done = self.registry.seen(some.clone()).await;
            self.refused.store(done.is_err(), Ordering::Relaxed);
            done?;
            // Whoever was seen again meanwhile waits on.
            let mut waiting = lock(&self.waiting);
            for (device, written) in some {
                if waiting.get(&device) == Some(&written) {
                    waiting.remove(&device);
                }
            }
            if waiting.is_empty() {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        database::Disturbance,
        device::{registry::RegisteredDevice, token::tests::Site},
        lock::without_locks,
    };

    async fn shown(site: &Site) -> RegisteredDevice {
        let shown = site.devices.registry().show(site.binding.device).await;
        shown.expect("healthy").expect("it is registered")
    }

    #[tokio::test]
    async fn a_device_is_seen_once_an_hour_and_written_behind() {
        let site = Site::new().await;
        let token = site.token();
        let verify = |now| site.devices.verify(&token, now).map(drop).expect("it holds");
        let now = site.clock.now();
        verify(now);
        without_locks(|| {
            for _ in 0..10 {
                verify(now);
            }
        });
        assert_eq!(shown(&site).await.last_seen, None, "no request writes");
        site.devices.write_last_seen().await.expect("healthy");
        assert_eq!(shown(&site).await.last_seen, Some(Timestamp::from_secs(43_200)));
        site.clock.advance(Duration::from_secs(3600 + 59));
        verify(site.clock.now());
        site.devices.saw(site.binding.device, Some([192, 0, 2, 7].into()), site.clock.now());
        site.devices.saw(site.binding.device, None, site.clock.now());
        site.devices.write_last_seen().await.expect("healthy");
        let device = shown(&site).await;
        assert_eq!(device.last_seen, Some(Timestamp::from_secs(46_800)), "to the hour");
        assert_eq!(device.last_address.as_deref(), Some("192.0.2.7"));
    }

    #[tokio::test]
    async fn what_a_store_that_is_down_does_not_take_is_written_later() {
        let site = Site::new().await;
        let store = site.devices.registry().store().clone();
        store.disturb(Disturbance::Closed).await.expect("healthy until now");
        site.devices.saw(site.binding.device, None, site.clock.now());
        let _ = site.devices.write_last_seen().await.expect_err("closed");
        store.heal().await.expect("nothing else is wrong");
        site.devices.write_last_seen().await.expect("healed");
        assert!(shown(&site).await.last_seen.is_some());
    }
}
