//! How often one address may do what costs us something: a bucket each, by address, IPv6 by its /64; how many devices
//! at once, wherever they are; and, in [`Shares`], how many of a fixed number of places one address may hold.
//!
//! Beginning a sign-in and coming back from the provider are limited, each by itself: both make us ask a provider. Being
//! limited is 429 and no verdict. What is allowed is an argument: buckets outlive a configuration, and the next one may
//! allow something else.
//!
//! Of devices, whatever needs the store is limited, each kind by itself, so that a storm of one leaves room for the others:
//! renewals, coming back without a token, beginning an activation. Checking a token is never limited: it is local, and a
//! display that is turned away stays dark.

mod backlog;
mod shares;

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
    sync::{Mutex, OnceLock},
    time::Duration,
};

use auth_core::{
    clock::{Now, Steady},
    lock::lock,
};

pub use self::{
    backlog::Backlog,
    shares::{Prefix, Shares},
};
use crate::fault::Fault;

/// How often something may be done: how many sign-ins one address may begin, and as many finish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// So many at once, from 1.
    pub at_once: u32,
    /// After that so many a minute, from 1.
    pub per_minute: u32,
}

/// What addresses have used up, in one process.
#[derive(Debug, Default)]
pub struct RateLimits {
    begins: Mutex<Buckets>,
    callbacks: Mutex<Buckets>,
    /// Of the fleet, by kind.
    fleet: [Mutex<Buckets>; 3],
    /// Made when the first device comes.
    backlog: OnceLock<Backlog>,
}

/// What devices ask for that needs the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FleetWork {
    /// Another token for the present one.
    Renewal,
    /// Coming back without a token.
    Reactivation,
    /// A PIN to show, or what has become of one.
    Activation,
}

/// One bucket an address. A full bucket says nothing and is not kept.
#[derive(Debug, Default)]
struct Buckets(HashMap<Prefix, Bucket>);

/// A bucket is a moment: when it will be full again.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    full_at: Steady,
}

const MINUTE: Duration = Duration::from_secs(60);
/// How many addresses are remembered at most.
const MOST: usize = 100_000;

impl RateLimits {
    /// Counts a sign-in that `address` wants to begin.
    ///
    /// # Errors
    /// [`Fault::RateLimited`], if it has begun too many just now.
    pub fn begin_sign_in(&self, address: IpAddr, limit: Allowance, now: Now) -> Result<(), Fault> {
        take(&self.begins, address, limit, now)
    }

    /// Counts a callback: a sign-in that `address` wants to finish.
    ///
    /// # Errors
    /// [`Fault::RateLimited`], if it has sent too many just now.
    pub fn finish_sign_in(&self, address: IpAddr, limit: Allowance, now: Now) -> Result<(), Fault> {
        take(&self.callbacks, address, limit, now)
    }

    /// Counts `work` for some device, of which `a_second` are taken.
    ///
    /// # Errors
    /// [`Fault::Overloaded`], if there is more of it than is taken: the device's own `Retry-After` spreads the rest.
    pub fn work_for_device(&self, work: FleetWork, a_second: u32, now: Now) -> Result<(), Fault> {
        let allowance = Allowance { at_once: a_second, per_minute: a_second.saturating_mul(60) };
        let everywhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        take(&self.fleet[work as usize], everywhere, allowance, now).map_err(|_| Fault::Overloaded)
    }

    /// The devices that come and go.
    pub fn backlog(&self) -> &Backlog {
        self.backlog.get_or_init(Backlog::default)
    }
}

fn take(buckets: &Mutex<Buckets>, address: IpAddr, limit: Allowance, now: Now) -> Result<(), Fault> {
    let taken = lock(buckets).take(Prefix::of(address), limit, now.steady());
    taken.map_err(|retry_after| Fault::RateLimited { retry_after })
}

impl Allowance {
    /// An office behind one address, all signing in after lunch.
    pub const DEFAULT: Self = Self { at_once: 60, per_minute: 120 };

    /// How long one more takes to become available.
    fn refill(self) -> Duration {
        MINUTE / self.per_minute.max(1)
    }
}

impl Buckets {
    fn take(&mut self, prefix: Prefix, limit: Allowance, now: Steady) -> Result<(), Duration> {
        let full_at = self.0.get(&prefix).map_or(now, |bucket| bucket.full_at.max(now));
        let missing = full_at.since(now) + limit.refill();
        let most = limit.refill() * limit.at_once.max(1);
        if missing > most {
            return Err(missing - most);
        }
        if self.0.len() >= MOST {
            self.forget_the_full(now);
        }
        self.0.insert(prefix, Bucket { full_at: now + missing });
        Ok(())
    }

    /// A full bucket is as good as none. If an attack leaves no full one, all are forgotten: strangers lose their limit
    /// rather than we our memory.
    fn forget_the_full(&mut self, now: Steady) {
        self.0.retain(|_, bucket| bucket.full_at > now);
        if self.0.len() >= MOST {
            self.0.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use auth_core::clock::Timestamp;

    use super::*;

    const LIMIT: Allowance = Allowance::DEFAULT;

    fn begins(limits: &RateLimits, address: &str, at: i64) -> bool {
        let address = address.parse().expect("an address");
        limits.begin_sign_in(address, Allowance::DEFAULT, Now::at(Timestamp::from_millis(at))).is_ok()
    }

    #[test]
    fn an_office_may_sign_in_after_lunch_and_a_loop_may_not() {
        let limits = RateLimits::default();
        let good = (0..200).filter(|_| begins(&limits, "192.0.2.1", 0)).count();
        assert_eq!(good, 60);
        assert!(begins(&limits, "192.0.2.2", 0), "another address has its own");
        assert!(!begins(&limits, "192.0.2.1", 499));
        assert!(begins(&limits, "192.0.2.1", 500));
        assert!(!begins(&limits, "192.0.2.1", 500));
        assert_eq!((0..200).filter(|_| begins(&limits, "192.0.2.1", 1_000_000)).count(), 60);
    }

    #[test]
    fn whoever_may_begin_may_also_come_back() {
        let limits = RateLimits::default();
        let address = "192.0.2.1".parse().expect("an address");
        let now = Now::at(Timestamp::from_secs(0));
        assert_eq!((0..100).filter(|_| limits.begin_sign_in(address, LIMIT, now).is_ok()).count(), 60);
        assert_eq!((0..1000).filter(|_| limits.finish_sign_in(address, LIMIT, now).is_ok()).count(), 60);
    }

    #[test]
    fn a_limited_address_is_told_when_to_come_back() {
        let limits = RateLimits::default();
        let now = Now::at(Timestamp::from_secs(0));
        let address = "192.0.2.1".parse().expect("an address");
        let refused = (0..61).find_map(|_| limits.begin_sign_in(address, LIMIT, now).err());
        assert!(
            matches!(refused, Some(Fault::RateLimited { retry_after }) if retry_after == LIMIT.refill()),
            "{refused:?}"
        );
    }

    #[test]
    fn the_configuration_says_how_many_and_the_next_one_may_say_otherwise() {
        let limits = RateLimits::default();
        let address = "192.0.2.1".parse().expect("an address");
        let at = |seconds| Now::at(Timestamp::from_secs(seconds));
        let few = Allowance { at_once: 2, per_minute: 6 };
        assert_eq!((0..9).filter(|_| limits.begin_sign_in(address, few, at(0)).is_ok()).count(), 2);
        assert!(limits.begin_sign_in(address, few, at(9)).is_err());
        assert!(limits.begin_sign_in(address, few, at(10)).is_ok(), "six a minute");
        let many = Allowance { at_once: 1000, per_minute: 6 };
        assert!((0..900).all(|_| limits.begin_sign_in(address, many, at(10)).is_ok()));
    }

    #[test]
    fn one_network_is_one_address() {
        let limits = RateLimits::default();
        for host in 0..60 {
            assert!(begins(&limits, &format!("2001:db8::{host:x}"), 0));
        }
        assert!(!begins(&limits, "2001:db8::ffff", 0));
        assert!(begins(&limits, "2001:db8:0:1::1", 0));
        assert_eq!(Prefix::of("::ffff:192.0.2.1".parse().expect("it")), Prefix::of("192.0.2.1".parse().expect("it")));
    }

    #[test]
    fn a_storm_of_renewals_leaves_room_for_activations() {
        let limits = RateLimits::default();
        let now = Now::at(Timestamp::from_secs(0));
        let taken = |work| (0..2000).filter(|_| limits.work_for_device(work, 500, now).is_ok()).count();
        assert_eq!((taken(FleetWork::Renewal), taken(FleetWork::Activation)), (500, 500));
        let later = Now::at(Timestamp::from_secs(1));
        assert_eq!((0..2000).filter(|_| limits.work_for_device(FleetWork::Renewal, 500, later).is_ok()).count(), 500);
    }

    #[test]
    fn memory_is_bounded() {
        let mut buckets = Buckets::default();
        for address in 0..MOST as u128 + 10 {
            assert!(buckets.take(Prefix(address), LIMIT, Steady::from_millis(1000)).is_ok());
        }
        assert!(buckets.0.len() <= MOST);
    }
}
