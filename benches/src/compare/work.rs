//! What every gateway is given to do.

use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;

use super::tokens::Tokens;
use crate::{drive::Requests, peer::Way};

/// How long the bodies of the works with large bodies are.
const LARGE: usize = 1 << 20;

/// How long the answer to every other request is.
const SMALL: u64 = 128;

/// A work: one kind of request, of which the cost is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// Bare proxying: 128 bytes for anybody.
    Open,
    /// The same with a bearer token that the gateway passes on unchecked.
    Bearer,
    /// An RS256 token is verified; 5,000 are in rotation, and each was seen before.
    Remembered,
    /// An RS256 token is verified that was never seen before.
    Fresh,
    /// Somebody who signed in, by their cookie.
    Session,
    /// 1 MiB comes from the service.
    Down,
    /// 1 MiB goes to the service.
    Up,
    /// 8,000 connections are open, and idle after one request each.
    Idle,
}

/// The requests of one round at one gateway.
pub(super) struct Batch {
    /// For the warm-up.
    pub(super) warm: Requests,
    /// For as many as the gateway can take.
    pub(super) closed: Requests,
    /// At a fixed rate.
    pub(super) paced: Requests,
}

impl Work {
    /// Its name in a report.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Open => "bare proxying",
            Self::Bearer => "a bearer token passed on unchecked",
            Self::Remembered => "RS256 verified, seen before (5,000 tokens in rotation)",
            Self::Fresh => "RS256 verified, never seen before",
            Self::Session => "a session cookie",
            Self::Down => "1 MiB down",
            Self::Up => "1 MiB up",
            Self::Idle => "8,000 idle connections",
        }
    }

    /// The way that it takes.
    pub const fn way(self) -> Way {
        match self {
            Self::Open | Self::Bearer | Self::Down | Self::Up | Self::Idle => Way::Open,
            Self::Remembered | Self::Fresh => Way::Token,
            Self::Session => Way::Session,
        }
    }

    /// Over how many connections it comes.
    pub(super) const fn connections(self) -> usize {
        match self {
            Self::Down | Self::Up => 8,
            Self::Open | Self::Bearer | Self::Remembered | Self::Fresh | Self::Session | Self::Idle => 32,
        }
    }

    /// How many a second come while latency is measured: what the slowest can do with a core for itself.
    pub(super) const fn rate(self) -> f64 {
        match self {
            Self::Down | Self::Up => 50.0,
            Self::Open | Self::Bearer | Self::Remembered | Self::Fresh | Self::Session | Self::Idle => 1000.0,
        }
    }

    /// The requests of round `round` at `host`.
    pub(super) fn batch(self, host: &str, tokens: &Tokens, cookie: &str, round: usize, span: Duration) -> Batch {
        let get = |path: &str, fields: &[String]| Requests::get(host, path, fields).answered_with(SMALL);
        let bearing = |tokens: &[String]| {
            let fields: Vec<String> = tokens.iter().map(|token| format!("Authorization: Bearer {token}\r\n")).collect();
            get("/api/calendar", &fields)
        };
        match self {
            Self::Open | Self::Idle => get("/open/calendar", &[String::new()]).into(),
            Self::Bearer => get("/open/calendar", &[format!("Authorization: Bearer {}\r\n", tokens.passed)]).into(),
            Self::Remembered => {
                let all = bearing(&tokens.remembered);
                // The first round begins with one pass through all, whatever it takes.
                let warm = if round == 0 { all.clone().once() } else { all.clone() };
                Batch { warm, closed: all.clone(), paced: all }
            }
            Self::Fresh => {
                let round = tokens.fresh.get(round).map_or(&[][..], Vec::as_slice);
                let paced = round.len().min((self.rate() * span.as_secs_f64()).ceil() as usize);
                let (paced, rest) = round.split_at(paced);
                let (warm, closed) = rest.split_at(rest.len().min(super::tokens::WARM));
                Batch { warm: bearing(warm).once(), closed: bearing(closed).once(), paced: bearing(paced) }
            }
            Self::Session => get("/app/calendar", &[format!("Cookie: {cookie}\r\n")]).into(),
            Self::Down => {
                let path = format!("/open/bytes/{LARGE}");
                Requests::get(host, &path, &[String::new()]).answered_with(LARGE as u64).into()
            }
            Self::Up => Requests::post(host, "/open/calendar", LARGE).answered_with(SMALL).into(),
        }
    }
}

impl From<Requests> for Batch {
    fn from(same: Requests) -> Self {
        Self { warm: same.clone(), closed: same.clone(), paced: same }
    }
}
