//! What devices were answered, and how fast.

use std::{
    fmt,
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Answers of every kind, counted.
#[derive(Debug)]
pub struct Answers {
    /// 2xx.
    good: AtomicU64,
    /// 401 and 403.
    refused: AtomicU64,
    /// 503.
    unavailable: AtomicU64,
    /// Anything else.
    other: AtomicU64,
    /// No whole answer.
    lost: AtomicU64,
    /// Requests of a device whose last one was in vain.
    retries: AtomicU64,
    /// How many took so many milliseconds; the last of them so many or more.
    took: Box<[AtomicU32]>,
}

/// What took longer is counted as if it had taken so long.
const LONGEST_MILLIS: usize = 60_000;

impl Default for Answers {
    fn default() -> Self {
        let took = (0..=LONGEST_MILLIS).map(|_| AtomicU32::new(0)).collect();
        let zero = AtomicU64::default;
        Self { good: zero(), refused: zero(), unavailable: zero(), other: zero(), lost: zero(), retries: zero(), took }
    }
}

impl Answers {
    /// How many were refused: 401 or 403.
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    /// Counts an answer: its status, if there was one, and how long the device waited for it. Whether the request was in vain.
    pub(super) fn heard(&self, status: Option<u16>, took: Duration) -> bool {
        let kind = match status {
            None => &self.lost,
            Some(200..=299) => &self.good,
            Some(401 | 403) => &self.refused,
            Some(503) => &self.unavailable,
            Some(_) => &self.other,
        };
        kind.fetch_add(1, Relaxed);
        if status.is_some() {
            let millis = usize::try_from(took.as_millis()).unwrap_or(LONGEST_MILLIS);
            self.took[millis.min(LONGEST_MILLIS)].fetch_add(1, Relaxed);
        }
        !matches!(status, Some(200..=299))
    }

    /// A request goes out after one that was in vain.
    pub(super) fn tried_again(&self) {
        self.retries.fetch_add(1, Relaxed);
    }

    /// In how many milliseconds this share of the answers came.
    fn within(&self, percent: u64) -> usize {
        let counts: Vec<u64> = self.took.iter().map(|count| u64::from(count.load(Relaxed))).collect();
        let wanted = (counts.iter().sum::<u64>() * percent).div_ceil(100).max(1);
        let mut so_far = 0;
        counts
            .iter()
            .position(|count| {
                so_far += count;
                so_far >= wanted
            })
            .unwrap_or(0)
    }
}

impl fmt::Display for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |kind: &AtomicU64| kind.load(Relaxed);
        write!(
            f,
            "{} good, {} refused (401 or 403), {} of 503, {} other, {} lost; {} retries; p50 {} ms, p99 {} ms",
            count(&self.good),
            self.refused(),
            count(&self.unavailable),
            count(&self.other),
            count(&self.lost),
            count(&self.retries),
            self.within(50),
            self.within(99),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_is_counted_once() {
        let answers = Answers::default();
        for millis in 1..=100 {
            assert!(!answers.heard(Some(200), Duration::from_millis(millis)));
        }
        for status in [Some(401), Some(403), Some(503), Some(429), None] {
            assert!(answers.heard(status, Duration::from_secs(3600)));
        }
        answers.tried_again();
        assert_eq!(
            answers.to_string(),
            "100 good, 2 refused (401 or 403), 1 of 503, 1 other, 1 lost; 1 retries; p50 52 ms, p99 60000 ms"
        );
    }
}
