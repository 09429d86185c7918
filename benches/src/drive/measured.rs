//! What comes out of sending at a pace.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::Exchange;
use crate::{
    latency::Latency,
    outcome::{Outcome, Outcomes},
};

/// What was measured, so far or in all.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Measured {
    /// How many were due.
    pub due: u64,
    /// How they ended. Those under way, and those under way when it was stopped, are in no class.
    pub outcomes: Outcomes,
    /// From when it was due until the answer was there whole: of requests that were answered rightly (served, or
    /// refused as they should be), and of those that hung, for as long as was waited. A quick error is no low latency.
    pub latency: Latency,
    /// The same from when it was handed to a connection.
    pub service: Latency,
    /// How late this program was with those that had a connection.
    pub late: Latency,
    /// How many waited because all connections were busy.
    pub held_back: u64,
    /// How many connections were opened.
    pub opened: u64,
    /// How those ended that ended within each second.
    pub seconds: Vec<Outcomes>,
    /// How long it took.
    pub took: Duration,
}

impl Measured {
    /// Answers of any kind in each second, on average.
    pub fn answers_per_second(&self) -> f64 {
        let silent = self.outcomes.of(Outcome::Lost) + self.outcomes.of(Outcome::Hung);
        (self.outcomes.total() - silent) as f64 / self.took.as_secs_f64().max(f64::EPSILON)
    }

    pub(super) fn count(&mut self, exchange: &Exchange, outcome: Outcome, begun: Instant) {
        self.outcomes.count(outcome);
        if matches!(outcome, Outcome::Served | Outcome::Refused | Outcome::Hung) {
            self.latency.record(exchange.ended.saturating_duration_since(exchange.due));
            self.service.record(exchange.ended.saturating_duration_since(exchange.sent));
        }
        let second = usize::try_from(exchange.ended.saturating_duration_since(begun).as_secs()).unwrap_or(0);
        if self.seconds.len() <= second {
            self.seconds.resize(second + 1, Outcomes::default());
        }
        self.seconds[second].count(outcome);
    }
}
