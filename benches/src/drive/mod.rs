//! Many connections at once, and what came back.

mod alarm;
mod closed;
mod measured;
mod paced;

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use auth_core::lock::lock;
use bytes::Bytes;

pub use closed::saturate;
pub use measured::Measured;
pub use paced::{Clients, Exchange, Pace, Shot, pace, pace_requests};

use crate::exchange::{Answer, NoAnswer};

/// How long an answer is waited for.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The requests that are sent, by turns.
#[derive(Clone, Debug)]
pub struct Requests {
    /// Their heads, ready to be sent.
    pub heads: Vec<Bytes>,
    /// The body of each.
    pub body: Bytes,
    /// How long the body of the right answer is, where it is known.
    pub answered_with: Option<u64>,
    /// Whether each is sent once only, and nothing once all were.
    pub once: bool,
}

/// What came back.
#[derive(Debug, Default)]
pub struct Tally {
    served: AtomicU64,
    /// What else came back, and how often.
    other: Mutex<BTreeMap<String, u64>>,
}

impl Requests {
    /// `GET` requests for `path` at `host`, each with one of these further header fields (`name: value\r\n`, or nothing).
    pub fn get(host: &str, path: &str, fields: &[String]) -> Self {
        let head = |field| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\n{field}\r\n");
        let heads = fields.iter().map(|field| head(field).into()).collect();
        Self { heads, body: Bytes::new(), answered_with: None, once: false }
    }

    /// The same with `POST` and a body of `length`.
    pub fn post(host: &str, path: &str, length: usize) -> Self {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        Self { heads: vec![head.into()], body: vec![b' '; length].into(), answered_with: None, once: false }
    }

    /// The same, of which the right answer has a body of `length`.
    #[must_use]
    pub fn answered_with(self, length: u64) -> Self {
        Self { answered_with: Some(length), ..self }
    }

    /// The same, each sent once only.
    #[must_use]
    pub fn once(self) -> Self {
        Self { once: true, ..self }
    }
}

impl Tally {
    fn count(&self, met: &Result<Answer, NoAnswer>, requests: &Requests) {
        let other = match met {
            Ok(Answer { status: 200, length, .. }) if requests.answered_with.is_none_or(|right| right == *length) => {
                self.served.fetch_add(1, Ordering::Relaxed);
                return;
            }
            Ok(Answer { status: 200, .. }) => "answered 200 with another body".to_owned(),
            Ok(answer) => format!("answered {}", answer.status),
            Err(no_answer) => format!("no answer: {no_answer}"),
        };
        *lock(&self.other).entry(other).or_default() += 1;
    }

    /// How many were answered rightly.
    pub fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }

    /// What came back most often instead of the right answer, with how often of how many; `None` if nothing did.
    pub fn wrong(&self) -> Option<String> {
        let other = lock(&self.other);
        let all = self.served() + other.values().sum::<u64>();
        let (what, count) = other.iter().max_by_key(|(_, count)| **count)?;
        Some(format!("{what} ({count} of {all})"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_answer_counts_as_served() {
        let requests = Requests::get("h", "/", &[String::new()]).answered_with(128);
        let tally = Tally::default();
        let answer = |status, length| Ok(Answer { status, length, ..Answer::default() });
        tally.count(&answer(200, 128), &requests);
        assert_eq!((tally.served(), tally.wrong()), (1, None));
        tally.count(&answer(200, 4000), &requests);
        assert_eq!(tally.wrong().as_deref(), Some("answered 200 with another body (1 of 2)"));
        tally.count(&answer(401, 128), &requests);
        tally.count(&answer(401, 0), &requests);
        assert_eq!(tally.wrong().as_deref(), Some("answered 401 (2 of 4)"));
        for _ in 0..3 {
            tally.count(&Err(NoAnswer::Hung(Duration::from_secs(1))), &requests);
        }
        assert_eq!((tally.served(), tally.wrong().as_deref()), (1, Some("no answer: no answer within 1s (3 of 7)")));
    }
}
