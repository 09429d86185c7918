//! What has been seen, judged as the outage matrix judges it.

use std::time::Duration;

use world::caller::{Form, Heard};

use crate::outages::{
    oracle,
    table::{Flow, Outcome},
};

/// How often what was healed is asked again before it counts as not healed.
const TRIES: u32 = 150;

/// What has been seen.
#[derive(Default)]
pub(super) struct Tally {
    pub round: String,
    pub cells: usize,
    pub false_refusals: usize,
    pub wrongly_admitted: usize,
    pub complaints: Vec<String>,
}

impl Tally {
    /// What comes of asking again until it is served. Every answer on the way is judged too.
    pub(super) async fn until_served(&mut self, flow: Flow, form: Form, mut ask: impl AsyncFnMut() -> Heard) -> Heard {
        let mut beat = tokio::time::interval(Duration::from_millis(100));
        let mut heard = ask().await;
        for _ in 0..TRIES {
            if oracle::meets(Outcome::Served, form, &heard) {
                break;
            }
            self.judge("while it heals", &heard, flow, Outcome::Served);
            beat.tick().await;
            heard = ask().await;
        }
        heard
    }

    /// One cell with a good credential of `subject`'s, or with none.
    pub(super) fn good(&mut self, name: &str, heard: &Heard, subject: &str, flow: Flow, expected: Outcome, form: Form) {
        self.cells += 1;
        self.judge(name, heard, flow, expected);
        for other in oracle::others(heard, subject) {
            self.wrongly_admitted += 1;
            self.complaints.push(format!("{}: {name}: {subject} went on as {other}", self.round));
        }
        if !oracle::meets(expected, form, heard) {
            self.complaints.push(format!("{}: {name}: {expected:?} expected, heard {}", self.round, heard.line()));
        }
    }

    fn judge(&mut self, name: &str, heard: &Heard, flow: Flow, expected: Outcome) {
        if let Some(how) = oracle::blame(heard, flow, expected) {
            self.false_refusals += 1;
            self.complaints.push(format!("{}: {name} {how}: {}", self.round, heard.line()));
        }
    }

    /// One cell with a bad one, who may be told anything.
    pub(super) fn twin(&mut self, name: &str, heard: &Heard) {
        self.cells += 1;
        if !heard.identities().is_empty() {
            self.wrongly_admitted += 1;
            self.complaints.push(format!("{}: {name} went on as somebody: {}", self.round, heard.line()));
        }
    }
}
