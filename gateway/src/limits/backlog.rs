//! When devices that were turned away come back: each at its own moment, spread over the time that the service needs to
//! take them all back.
//!
//! A fleet that lost its service at one moment comes back at one moment, unless somebody says otherwise; and whoever is
//! turned away knows least of all when there is room. So `Retry-After` is drawn between one second and the backlog over
//! the capacity: the devices known to be active, less those served since they were first turned away.
//!
//! Devices are counted without being listed: each sets one bit of a field, by its hash, and the number of bits still
//! clear says how many there are (linear counting: within 1 % for a hundred thousand devices, in 128 KiB). A request
//! takes no lock for it and, once its bit stands, writes nothing. What is counted decides how long somebody waits, and
//! nothing else; so two threads that begin a new count at once may lose a few devices of it.

use std::{
    sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use auth_core::clock::Now;

/// The devices that come and go, in one process.
#[derive(Debug, Default)]
pub struct Backlog {
    /// Those served in the period under way, and in the one before.
    active: [Census; 2],
    /// Those served since devices were first turned away.
    back: Census,
    /// When the period under way began, by the steady clock.
    period: AtomicI64,
    /// Whether devices are being turned away.
    outage: AtomicBool,
    /// When one was turned away last.
    turned_away: AtomicI64,
}

/// How many different devices there were.
#[derive(Debug)]
struct Census {
    bits: Box<[AtomicU64]>,
    ones: AtomicU32,
}

/// A power of two: good for some three million devices.
const BITS: u32 = 1 << 20;
/// How long a period is: devices poll within it.
const PERIOD: i64 = 10 * 60 * 1000;
/// Once nobody was turned away for so long, it is over.
const OVER: i64 = 60 * 1000;
/// Nobody is asked to wait for longer.
const LONGEST: Duration = Duration::from_secs(30 * 60);

impl Backlog {
    /// A device was served; `device` is a hash of its name.
    pub fn served(&self, device: u64, now: Now) {
        let at = now.steady().as_millis();
        if self.outage.load(Relaxed) {
            if at - self.turned_away.load(Relaxed) > OVER {
                self.outage.store(false, Relaxed);
            } else {
                self.back.insert(device);
            }
        } else {
            self.turn_over(at);
        }
        self.active[0].insert(device);
    }

    /// A device was turned away through no fault of its own.
    pub fn turned_away(&self, now: Now) {
        let at = now.steady().as_millis();
        let last = self.turned_away.swap(at, Relaxed);
        if !self.outage.swap(true, Relaxed) || at - last > OVER {
            self.back.clear();
        }
    }

    /// Over how long those that are turned away now should come back, when so many a second can be taken back.
    pub fn spread(&self, a_second: u32) -> Duration {
        let [now, before] = &self.active;
        let active = now.count().max(before.count());
        let missing = active.saturating_sub(self.back.count());
        Duration::from_secs(u64::from(missing.div_ceil(a_second.max(1)))).min(LONGEST)
    }

    /// Begins a new period, if the one under way is over: during an outage none does, since nobody is active then.
    fn turn_over(&self, at: i64) {
        let begun = self.period.load(Relaxed);
        if at - begun < PERIOD || self.period.compare_exchange(begun, at, Relaxed, Relaxed).is_err() {
            return;
        }
        let [now, before] = &self.active;
        before.take(now);
    }
}

impl Census {
    fn insert(&self, device: u64) {
        let bit = u32::try_from(device % u64::from(BITS)).unwrap_or(0);
        let (word, mask) = (&self.bits[(bit / 64) as usize], 1_u64 << (bit % 64));
        if word.load(Relaxed) & mask == 0 && word.fetch_or(mask, Relaxed) & mask == 0 {
            self.ones.fetch_add(1, Relaxed);
        }
    }

    /// So many devices set that many bits, as a rule.
    fn count(&self) -> u32 {
        let bits = f64::from(BITS);
        let clear = f64::from(BITS.saturating_sub(self.ones.load(Relaxed)).max(1));
        let estimate = (bits * (bits / clear).ln()).round();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to BITS * ln(BITS)")]
        let estimate = estimate as u32;
        estimate
    }

    fn clear(&self) {
        self.ones.store(0, Relaxed);
        self.bits.iter().for_each(|word| word.store(0, Relaxed));
    }

    /// Becomes what `other` is, which is empty then.
    fn take(&self, other: &Self) {
        self.ones.store(other.ones.swap(0, Relaxed), Relaxed);
        for (mine, theirs) in self.bits.iter().zip(&other.bits) {
            mine.store(theirs.swap(0, Relaxed), Relaxed);
        }
    }
}

impl Default for Census {
    fn default() -> Self {
        Self { bits: (0..BITS / 64).map(|_| AtomicU64::new(0)).collect(), ones: AtomicU32::new(0) }
    }
}

#[cfg(test)]
mod tests {
    use auth_core::clock::Timestamp;

    use super::*;

    fn at(millis: i64) -> Now {
        Now::at(Timestamp::from_millis(millis))
    }

    /// A hash of a device, spread as a good one is.
    fn device(number: u64) -> u64 {
        let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn within_a_percent(found: Duration, expected: u64) {
        let off = found.as_secs().abs_diff(expected);
        assert!(off * 100 <= expected, "{found:?} for {expected} s");
    }

    #[test]
    fn the_wait_is_the_backlog_over_the_capacity_and_shrinks_as_devices_come_back() {
        let backlog = Backlog::default();
        (0..100_000).for_each(|number| backlog.served(device(number), at(1000)));
        assert_eq!(Backlog::default().spread(500), Duration::ZERO, "nobody is known");
        backlog.turned_away(at(60_000));
        within_a_percent(backlog.spread(500), 200);
        (0..50_000).for_each(|number| backlog.served(device(number), at(61_000)));
        within_a_percent(backlog.spread(500), 100);
        backlog.turned_away(at(62_000));
        within_a_percent(backlog.spread(500), 100);
        (50_000..100_000).for_each(|number| backlog.served(device(number), at(63_000)));
        assert!(backlog.spread(500) < Duration::from_secs(3), "{:?}", backlog.spread(500));
    }

    #[test]
    fn an_outage_that_is_over_leaves_nothing_to_the_next() {
        let backlog = Backlog::default();
        (0..10_000).for_each(|number| backlog.served(device(number), at(0)));
        backlog.turned_away(at(1000));
        (0..10_000).for_each(|number| backlog.served(device(number), at(2000)));
        (0..10_000).for_each(|number| backlog.served(device(number), at(120_000)));
        backlog.turned_away(at(130_000));
        within_a_percent(backlog.spread(100), 100);
    }

    #[test]
    fn a_long_outage_does_not_make_the_fleet_be_forgotten() {
        let backlog = Backlog::default();
        (0..10_000).for_each(|number| backlog.served(device(number), at(0)));
        (0..120).for_each(|minute| backlog.turned_away(at(minute * 60_000)));
        within_a_percent(backlog.spread(100), 100);
    }

    #[test]
    fn who_has_not_been_seen_for_two_periods_is_not_waited_for() {
        let backlog = Backlog::default();
        (0..10_000).for_each(|number| backlog.served(device(number), at(0)));
        for period in 1..4 {
            (0..1000).for_each(|number| backlog.served(device(number), at(period * PERIOD)));
        }
        within_a_percent(backlog.spread(10), 100);
    }
}
