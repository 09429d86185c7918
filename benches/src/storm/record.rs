//! What is counted while clients come back.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::Rule;
use crate::outcome::{Outcome, Outcomes};

/// Counts while it happens.
#[derive(Debug)]
pub(super) struct Watch {
    begun: Instant,
    record: RunRecord,
}

/// How one storm went.
#[derive(Clone, Debug, Serialize)]
pub struct RunRecord {
    /// The clients' rule.
    pub rule: Rule,
    /// How many clients there are.
    pub clients: u64,
    /// How many were served in the end.
    pub back: u64,
    /// How many tries those made, in all.
    pub tries: u64,
    /// How many tries the most patient of them made.
    pub most_tries: u32,
    /// When half of all clients were back, in seconds.
    pub half_back_s: Option<f64>,
    /// When all clients were back, in seconds.
    pub all_back_s: Option<f64>,
    /// How their requests ended.
    pub outcomes: Outcomes,
    /// How many requests they sent within each second.
    pub sent: Vec<u64>,
    /// How those ended that ended within each second.
    pub ended: Vec<Outcomes>,
    /// How many came back within each second.
    pub back_in: Vec<u64>,
    /// How many requests reached the service within each second, if it is ours.
    pub at_service: Option<Vec<u64>>,
    /// How many of those it served, at most within one second.
    pub most_served_by_service: Option<u64>,
    /// How long it was watched, in seconds.
    pub took_s: f64,
    /// Whether it was stopped before its time.
    pub stopped: bool,
}

impl Watch {
    pub(super) fn new(rule: Rule, clients: u64) -> Self {
        let record = RunRecord {
            rule,
            clients,
            back: 0,
            tries: 0,
            most_tries: 0,
            half_back_s: None,
            all_back_s: None,
            outcomes: Outcomes::default(),
            sent: Vec::new(),
            ended: Vec::new(),
            back_in: Vec::new(),
            at_service: None,
            most_served_by_service: None,
            took_s: 0.0,
            stopped: false,
        };
        Self { begun: Instant::now(), record }
    }

    pub(super) fn sent(&mut self) {
        count_at(&mut self.record.sent, self.begun);
    }

    pub(super) fn ended(&mut self, outcome: Outcome) {
        self.record.outcomes.count(outcome);
        slot(&mut self.record.ended, self.begun).count(outcome);
    }

    pub(super) fn back(&mut self, tries: u32) {
        let now = self.begun.elapsed().as_secs_f64();
        let record = &mut self.record;
        record.back += 1;
        record.tries += u64::from(tries);
        record.most_tries = record.most_tries.max(tries);
        if record.back * 2 >= record.clients {
            record.half_back_s.get_or_insert(now);
        }
        if record.back == record.clients {
            record.all_back_s = Some(now);
        }
        count_at(&mut record.back_in, self.begun);
    }

    pub(super) fn record(&self) -> &RunRecord {
        &self.record
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    pub(super) fn finish(mut self, stopped: bool) -> RunRecord {
        self.record.stopped = stopped;
        self.record.took_s = self.begun.elapsed().as_secs_f64();
        self.record
    }
}

impl RunRecord {
    /// How many tries each made that is back, on average; `None` if nobody is.
    pub fn tries_each(&self) -> Option<f64> {
        (self.back > 0).then(|| self.tries as f64 / self.back as f64)
    }

    /// Most requests within a second, and most within one after the first, when all ask at once whatever their rule.
    pub fn peaks(&self) -> (u64, u64) {
        let most = |seconds: &[u64]| seconds.iter().copied().max().unwrap_or(0);
        (most(&self.sent), most(self.sent.get(1..).unwrap_or_default()))
    }

    /// How many were back by the end of each second.
    pub fn back_by(&self) -> Vec<u64> {
        let sum = |sum: &mut u64, more: &u64| {
            *sum += more;
            Some(*sum)
        };
        self.back_in.iter().scan(0, sum).collect()
    }

    /// How many erased themselves.
    pub fn wiped(&self) -> u64 {
        self.outcomes.of(Outcome::FalseRefusal)
    }
}

/// Counts one in the second that it is since `begun`.
pub(super) fn count_at(seconds: &mut Vec<u64>, begun: Instant) {
    *slot(seconds, begun) += 1;
}

fn slot<T: Clone + Default>(seconds: &mut Vec<T>, begun: Instant) -> &mut T {
    let second = usize::try_from(begun.elapsed().as_secs()).unwrap_or(0);
    if seconds.len() <= second {
        seconds.resize(second + 1, T::default());
    }
    &mut seconds[second]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_back_is_counted_once() {
        let mut watch = Watch::new(Rule::Exact, 4);
        for tries in [1, 5, 2] {
            watch.back(tries);
        }
        let record = watch.record();
        assert_eq!((record.back, record.tries, record.most_tries), (3, 8, 5));
        assert!(record.half_back_s.is_some() && record.all_back_s.is_none());
        watch.back(1);
        let record = watch.finish(false);
        assert!(record.all_back_s >= record.half_back_s);
        assert_eq!(record.tries_each(), Some(2.25));
        assert_eq!(record.back_by().last(), Some(&4));
    }

    #[test]
    fn the_first_second_is_a_peak_of_its_own() {
        let mut record = Watch::new(Rule::Jittered, 1).finish(false);
        assert_eq!(record.peaks(), (0, 0));
        record.sent = vec![90, 5, 30, 2];
        assert_eq!(record.peaks(), (90, 30));
    }
}
