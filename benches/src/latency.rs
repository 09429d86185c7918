//! How long things took: an HDR histogram of microseconds, with three digits kept.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Serialize, Serializer, ser::SerializeStruct};

/// The longest that is told apart; longer ones count as this long.
const LONGEST: Duration = Duration::from_secs(600);

/// The quantiles that a report shows as points of a curve: equal steps on an axis of nines.
const CURVE: [f64; 15] =
    [0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99, 0.995, 0.9975, 0.999, 0.9995, 0.9999, 0.999_99, 1.0];

/// How long each of many things took.
#[derive(Clone, Debug)]
pub struct Latency(Histogram<u64>);

impl Latency {
    /// Nothing yet.
    pub fn new() -> Self {
        let Ok(histogram) = Histogram::new_with_max(micros(LONGEST), 3) else {
            unreachable!("three digits and ten minutes are bounds that a histogram can have")
        };
        Self(histogram)
    }

    /// One more.
    pub fn record(&mut self, took: Duration) {
        self.0.saturating_record(micros(took));
    }

    /// All of `other` too.
    pub fn add(&mut self, other: &Self) {
        // Both have the same bounds, so that it cannot fail.
        let _ = self.0.add(&other.0);
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The share `quantile` (0 to 1) took no longer than this; `None` if there were none.
    pub fn at(&self, quantile: f64) -> Option<Duration> {
        (!self.0.is_empty()).then(|| Duration::from_micros(self.0.value_at_quantile(quantile)))
    }

    /// Half of them took no longer.
    pub fn p50(&self) -> Option<Duration> {
        self.at(0.5)
    }

    /// All but a hundredth took no longer.
    pub fn p99(&self) -> Option<Duration> {
        self.at(0.99)
    }

    /// The arithmetic mean; `None` if there were none.
    pub fn mean(&self) -> Option<Duration> {
        (!self.0.is_empty()).then(|| Duration::from_secs_f64(self.0.mean() / 1e6))
    }

    /// Points of the percentile curve, as far as there are enough to tell them from the longest.
    pub fn curve(&self) -> Vec<(f64, Duration)> {
        let count = self.count() as f64;
        let told = CURVE.into_iter().filter(|quantile| *quantile == 1.0 || (1.0 - quantile) * count >= 1.0);
        told.filter_map(|quantile| Some((quantile, self.at(quantile)?))).collect()
    }
}

impl Default for Latency {
    fn default() -> Self {
        Self::new()
    }
}

/// The curve in microseconds, and how many it is made of.
impl Serialize for Latency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let curve: Vec<(f64, u64)> =
            self.curve().into_iter().map(|(quantile, took)| (quantile, micros(took))).collect();
        let mut latency = serializer.serialize_struct("Latency", 5)?;
        latency.serialize_field("count", &self.count())?;
        latency.serialize_field("mean_us", &self.mean().map(micros))?;
        latency.serialize_field("p50_us", &self.p50().map(micros))?;
        latency.serialize_field("p99_us", &self.p99().map(micros))?;
        latency.serialize_field("curve_us", &curve)?;
        latency.end()
    }
}

fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_all_that_was_recorded() {
        let mut latency = Latency::new();
        assert_eq!((latency.p50(), latency.mean(), latency.curve()), (None, None, vec![]));
        for millis in 1..=99 {
            latency.record(Duration::from_millis(millis));
        }
        latency.record(Duration::from_secs(4000));
        let near = |found: Option<Duration>, expected: u64| {
            let (found, expected) = (found.expect("a value").as_secs_f64() * 1e3, expected as f64);
            assert!((found / expected - 1.0).abs() < 0.001, "{found} ms instead of {expected} ms");
        };
        near(latency.p50(), 50);
        near(latency.p99(), 99);
        near(latency.at(1.0), 600_000);
        // With a hundred, 99 % is the last point before the longest.
        assert_eq!(latency.curve().iter().rev().take(2).map(|point| point.0).collect::<Vec<_>>(), [1.0, 0.99]);
        let mut twice = latency.clone();
        twice.add(&latency);
        assert_eq!(twice.count(), 200);
        near(twice.p50(), 50);
    }
}
