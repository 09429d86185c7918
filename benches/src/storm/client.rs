//! One display that comes back, and the rule by which it asks again.

use std::{cell::RefCell, net::SocketAddr, time::Duration};

use bytes::Bytes;
use clap::ValueEnum;
use serde::Serialize;
use tokio::time::{sleep, timeout};

use super::record::Watch;
use crate::{
    exchange::{Answer, Connection, NoAnswer},
    outcome::{Asked, Outcome},
};

/// Nobody waits longer for want of a `Retry-After`.
const LONGEST: Duration = Duration::from_secs(60);

/// When a client that was told "not now" asks again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// After `Retry-After`, and up to as long again, at random. Without one: at random within 2 s, 4 s, 8 s … 60 s.
    Jittered,
    /// After exactly `Retry-After`; without one after a second.
    Exact,
}

/// What all clients of a storm have in common.
pub(super) struct Storm<'a> {
    pub(super) address: SocketAddr,
    pub(super) asked: &'a Asked,
    pub(super) rule: Rule,
    pub(super) patience: Duration,
    pub(super) watch: &'a RefCell<Watch>,
}

impl Rule {
    /// Its name in a report.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jittered => "with jitter",
            Self::Exact => "exactly Retry-After",
        }
    }

    /// The end of a sentence: they ask again …
    pub const fn phrase(self) -> &'static str {
        match self {
            Self::Jittered => "after Retry-After with jitter",
            Self::Exact => "after exactly Retry-After",
        }
    }

    /// How long to wait after try number `tries` (from 1), with a random number from 0 to 1.
    fn wait(self, retry_after: Option<Duration>, tries: u32, random: f64) -> Duration {
        match (self, retry_after) {
            (Self::Exact, told) => told.unwrap_or(Duration::from_secs(1)),
            (Self::Jittered, Some(told)) if !told.is_zero() => told + told.mul_f64(random),
            (Self::Jittered, _) => Duration::from_secs(1 << tries.min(6)).min(LONGEST).mul_f64(random),
        }
    }
}

impl Storm<'_> {
    /// Display `number` asks until it is served, or erases itself. Its connection, which it keeps.
    pub(super) async fn come_back(&self, number: u64, head: Bytes) -> Option<Connection> {
        let mut held = None;
        for tries in 1.. {
            self.watch.borrow_mut().sent();
            let met = self.ask(&mut held, &head).await;
            let outcome = self.asked.judge(&met);
            self.watch.borrow_mut().ended(outcome);
            match outcome {
                Outcome::Served => {
                    self.watch.borrow_mut().back(tries);
                    return held;
                }
                // What a display does that believes a 401: there is nobody left to come back.
                Outcome::FalseRefusal => return None,
                _ => {
                    let told = met.ok().and_then(|answer| answer.retry_after).map(Duration::from_secs);
                    sleep(self.rule.wait(told, tries, random(number, tries))).await;
                }
            }
        }
        None
    }

    async fn ask(&self, held: &mut Option<Connection>, head: &[u8]) -> Result<Answer, NoAnswer> {
        // The other side may have closed it meanwhile.
        let open = held.take().and_then(|mut connection| connection.is_open().then_some(connection));
        let both = async {
            let mut connection = match open {
                Some(connection) => connection,
                None => Connection::open(self.address, None).await?,
            };
            let answer = connection.exchange(head, &[], self.patience).await?;
            Ok((answer, connection))
        };
        let (answer, connection) = timeout(self.patience, both).await.map_err(|_| NoAnswer::Hung(self.patience))??;
        *held = Some(connection).filter(|_| answer.keeps_alive);
        Ok(answer)
    }
}

/// A number from 0 to 1 that looks random and is the same in every run (SplitMix64).
fn random(client: u64, tries: u32) -> f64 {
    let mut mixed = client.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(u64::from(tries) << 32 | 0x2021);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (mixed ^ (mixed >> 31)) as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_wait_as_their_rule_says() {
        let check = |rule: Rule, told: Option<u64>, tries: u32, random: f64, expected: f64| {
            let waits = rule.wait(told.map(Duration::from_secs), tries, random).as_secs_f64();
            assert!((waits - expected).abs() < 1e-9, "{rule:?} {told:?} {tries}: {waits}");
        };
        check(Rule::Exact, Some(5), 1, 0.9, 5.0);
        check(Rule::Exact, Some(5), 9, 0.1, 5.0);
        check(Rule::Exact, None, 9, 0.1, 1.0);
        check(Rule::Jittered, Some(5), 1, 0.0, 5.0);
        check(Rule::Jittered, Some(5), 3, 0.5, 7.5);
        check(Rule::Jittered, Some(5), 3, 1.0, 10.0);
        check(Rule::Jittered, None, 1, 0.5, 1.0);
        check(Rule::Jittered, Some(0), 3, 0.5, 4.0);
        check(Rule::Jittered, None, 40, 1.0, 60.0);
    }

    #[test]
    fn random_numbers_are_spread_evenly() {
        for tries in 1..4 {
            let mut tenths = [0; 10];
            for client in 0..10_000 {
                let number = random(client, tries);
                assert!((0.0..=1.0).contains(&number));
                tenths[((number * 10.0) as usize).min(9)] += 1;
            }
            assert!(tenths.iter().all(|tenth| (850..1150).contains(tenth)), "{tenths:?}");
        }
    }
}
