//! How much of a fixed number of places one client's address may hold: as many as it likes while there are enough, and a
//! share of what is left once they are short.
//!
//! Nobody is turned away for holding many of many. Once three quarters are taken, an address that holds half of
//! what is left, or more, gets no further one; who holds none gets one for as long as there is any. So one address alone can
//! take three quarters of the places, and never the last.

use std::{collections::HashMap, net::IpAddr};

/// What counts as one address: whoever has an IPv6 address usually has the 2^64 of its /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prefix(pub(super) u128);

/// How many places each address holds. One that holds none is not kept, so that this is never larger than the number of
/// places that are taken.
#[derive(Debug, Default)]
pub struct Shares(HashMap<Prefix, usize>);

impl Prefix {
    /// That of `address`.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(u128::from(v4.to_bits())),
            IpAddr::V6(v6) => Self(v6.to_bits() >> 64 << 64),
        }
    }
}

impl Shares {
    /// Whether `address` may take one more place, of `most` of which `taken` are taken.
    pub fn allow(&self, address: Prefix, taken: usize, most: usize) -> bool {
        #[cfg(candor_mutants)]
        if auth_core::mutants::is("no-share-of-places") {
            return true;
        }
        share(taken, most).is_none_or(|share| self.held(address) < share)
    }

    /// Counts a place for `address`.
    pub fn add(&mut self, address: Prefix) {
        *self.0.entry(address).or_default() += 1;
    }

    /// One of its places is free again.
    pub fn remove(&mut self, address: Prefix) {
        if let Some(held) = self.0.get_mut(&address) {
            *held -= 1;
            if *held == 0 {
                self.0.remove(&address);
            }
        }
    }

    fn held(&self, address: Prefix) -> usize {
        self.0.get(&address).copied().unwrap_or(0)
    }
}

/// How many one address may hold; `None` while places are not short.
fn share(taken: usize, most: usize) -> Option<usize> {
    let left = most.saturating_sub(taken);
    (left <= most.div_ceil(4)).then(|| (left / 2).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(address: &str) -> Prefix {
        Prefix::of(address.parse().expect("an address"))
    }

    /// Takes places for `address` until it gets no more; how many it got.
    fn greedy(shares: &mut Shares, address: Prefix, taken: &mut usize, most: usize) -> usize {
        let before = *taken;
        while *taken < most && shares.allow(address, *taken, most) {
            shares.add(address);
            *taken += 1;
        }
        *taken - before
    }

    #[test]
    fn one_address_takes_three_quarters_and_leaves_some_for_many_others() {
        let (mut shares, mut taken) = (Shares::default(), 0);
        let mut of = |address: u128| greedy(&mut shares, Prefix(address), &mut taken, 64);
        assert_eq!(of(1), 48);
        let others: Vec<usize> = (2..12).map(&mut of).collect();
        assert_eq!(others, [5, 4, 2, 2, 1, 1, 1, 0, 0, 0], "less and less, and one each to the last");
    }

    #[test]
    fn what_is_given_back_may_be_taken_again() {
        let (mut shares, address) = (Shares::default(), prefix("192.0.2.1"));
        (0..48).for_each(|_| shares.add(address));
        assert!(!shares.allow(address, 48, 64));
        assert!(shares.allow(prefix("192.0.2.2"), 63, 64), "who holds none gets the last one");
        shares.remove(address);
        assert!(shares.allow(address, 47, 64));
        (0..60).for_each(|_| shares.remove(address));
        assert!(shares.0.is_empty(), "an address that holds nothing is not kept");
    }

    #[test]
    fn few_places_are_shared_too() {
        for most in 1..8 {
            let (mut shares, mut taken) = (Shares::default(), 0);
            let first = greedy(&mut shares, Prefix(1), &mut taken, most);
            let second = greedy(&mut shares, Prefix(2), &mut taken, most);
            assert!(first >= 1 && (most < 2 || second >= 1), "{most}: {first} and {second}");
        }
    }

    #[test]
    fn one_network_is_one_address() {
        assert_eq!(prefix("2001:db8::1"), prefix("2001:db8::ffff:1"));
        assert_ne!(prefix("2001:db8::1"), prefix("2001:db8:0:1::1"));
        assert_eq!(prefix("::ffff:192.0.2.1"), prefix("192.0.2.1"));
        assert_ne!(prefix("192.0.2.1"), prefix("192.0.2.2"));
    }
}
