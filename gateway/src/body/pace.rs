//! How fast bytes must come from a client, or be taken by it, on average over the time that they were waited for.
//!
//! Only waiting counts: an upstream that has nothing to send, or takes nothing, is not a slow client. There is no timer
//! here: bytes that never come are a matter of the idle limit, and each that comes is an occasion to look.

use std::time::Duration;

use tokio::time::Instant;

/// How fast a client must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinRate {
    /// Bytes a second; 0: as slow as it likes.
    pub bytes: u64,
    /// Averaged over so much waiting.
    pub over: Duration,
}

/// How fast a client has been lately.
#[derive(Debug, Default)]
pub struct Pace {
    waiting_since: Option<Instant>,
    waited: Duration,
    moved: u64,
}

impl Pace {
    /// Bytes are being waited for.
    pub fn waits(&mut self, now: Instant) {
        self.waiting_since.get_or_insert(now);
    }

    /// So many have moved; `now` is asked only if they were waited for.
    ///
    /// # Errors
    /// [`TooSlow`], if they were fewer than `least` over all of its time.
    pub fn moves(&mut self, bytes: usize, least: MinRate, now: impl FnOnce() -> Instant) -> Result<(), TooSlow> {
        self.moved += bytes as u64;
        let Some(since) = self.waiting_since.take() else { return Ok(()) };
        self.waited += now().saturating_duration_since(since);
        if self.waited < least.over {
            return Ok(());
        }
        let due = u128::from(least.bytes) * self.waited.as_millis() / 1000;
        let slow = u128::from(self.moved) < due;
        *self = Self::default();
        #[cfg(candor_mutants)]
        if auth_core::mutants::is("slow-clients-hold-places") {
            return Ok(());
        }
        if slow { Err(TooSlow) } else { Ok(()) }
    }
}

/// A client is slower than it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooSlow;

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: MinRate = MinRate { bytes: 256, over: Duration::from_secs(30) };

    /// What becomes of a client that moves `bytes` after each `wait` seconds of waiting, `times` times.
    fn client(bytes: usize, wait: u64, times: usize) -> Result<(), TooSlow> {
        let (mut pace, mut now) = (Pace::default(), Instant::now());
        (0..times).try_for_each(|_| {
            pace.waits(now);
            now += Duration::from_secs(wait);
            pace.moves(bytes, LEAST, || now)
        })
    }

    #[test]
    fn a_drip_is_too_slow_and_a_slow_line_is_not() {
        assert_eq!(client(1, 20, 1), Ok(()), "nothing is said before its time");
        assert_eq!(client(1, 20, 2), Err(TooSlow));
        assert_eq!(client(255, 1, 30), Err(TooSlow));
        assert_eq!(client(256, 1, 3000), Ok(()));
        assert_eq!(client(20_000, 29, 100), Ok(()), "in bursts");
    }

    #[test]
    fn what_came_in_a_burst_does_not_last_for_ever() {
        let (mut pace, mut now) = (Pace::default(), Instant::now());
        assert_eq!(pace.moves(1 << 20, LEAST, || panic!("nobody waited")), Ok(()));
        let mut drip = || {
            pace.waits(now);
            now += Duration::from_secs(20);
            pace.moves(1, LEAST, || now)
        };
        assert_eq!((drip(), drip()), (Ok(()), Ok(())), "the first half minute was good");
        assert_eq!((drip(), drip()), (Ok(()), Err(TooSlow)));
    }

    #[test]
    fn zero_is_as_slow_as_they_like() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        pace.waits(now);
        let never = MinRate { bytes: 0, ..LEAST };
        assert_eq!(pace.moves(0, never, || now + Duration::from_secs(3600)), Ok(()));
    }
}
