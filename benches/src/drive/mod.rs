//! Many connections at once, and what came back.

mod alarm;
mod closed;
mod paced;

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use bytes::Bytes;

pub use closed::saturate;
pub use paced::{Clients, Exchange, Measured, Pace, Shot, pace, pace_requests};

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
}

/// What came back.
#[derive(Debug, Default)]
pub struct Tally {
    /// Answers with 200.
    pub served: AtomicU64,
    /// Answers with another status.
    pub other: AtomicU64,
    /// No answer.
    pub none: AtomicU64,
}

impl Requests {
    /// `GET` requests for `path` at `host`, each with one of these further header fields (`name: value\r\n`, or nothing).
    pub fn get(host: &str, path: &str, fields: &[String]) -> Self {
        let head = |field| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\n{field}\r\n");
        Self { heads: fields.iter().map(|field| head(field).into()).collect(), body: Bytes::new() }
    }

    /// The same with `POST` and a body of `length`.
    pub fn post(host: &str, path: &str, length: usize) -> Self {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        Self { heads: vec![head.into()], body: vec![b' '; length].into() }
    }
}

impl Tally {
    fn count(&self, met: &Result<Answer, NoAnswer>) {
        let counter = match met {
            Ok(answer) if answer.status == 200 => &self.served,
            Ok(_) => &self.other,
            Err(_) => &self.none,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// How many were served, were answered otherwise, and were not answered.
    pub fn read(&self) -> (u64, u64, u64) {
        let [served, other, none] =
            [&self.served, &self.other, &self.none].map(|counter| counter.load(Ordering::Relaxed));
        (served, other, none)
    }
}
