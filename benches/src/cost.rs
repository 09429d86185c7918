//! What one request costs in things that can be counted, and how much of each it may cost.
//!
//! A count is the same on a quiet machine and on a busy one, so a request that became dearer is seen wherever tests run.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How far a figure may be from its limit and still be the same: both have one decimal.
const SAME: f64 = 0.05;

/// How often something happens for one request of each kind that is counted, to one decimal.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PerRequest {
    /// On a route that is open to anybody.
    pub open: f64,
    /// With an access token that was verified before and is remembered.
    pub bearer: f64,
    /// With a session cookie.
    pub ticket: f64,
}

/// What was counted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Counts {
    /// How often memory was taken, or taken again for something that grew.
    pub allocations: PerRequest,
    /// How often the kernel was called; if that could not be counted here, why.
    pub system_calls: Result<PerRequest, String>,
    /// How often a thread had nothing to do and slept until it was woken.
    pub wake_ups: PerRequest,
}

/// How much a request may cost: `benches/limits.toml`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountLimits {
    allocations: PerRequest,
    system_calls: PerRequest,
    wake_ups: PerRequest,
}

/// How counts compare with their limits, a sentence each.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// What is over its limit, or so surely below it that the limit is none any more.
    pub wrong: Vec<String>,
    /// What is below its limit on this machine.
    pub below: Vec<String>,
}

impl PerRequest {
    fn named(self) -> [(&'static str, f64); 3] {
        [("an open request", self.open), ("a remembered bearer", self.bearer), ("a ticket", self.ticket)]
    }
}

impl CountLimits {
    /// Reads the file's text.
    ///
    /// # Errors
    /// It is no TOML, or lacks a limit.
    pub fn read(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// Holds `counts` against the limits.
    ///
    /// Allocations depend on the code alone, so a limit that they stay below has to be lowered, or the gain could be lost
    /// again unseen. How often a thread sleeps, and what it calls for that, is also the kernel's choice: there, less is
    /// only worth a word.
    pub fn compare(&self, counts: &Counts) -> Comparison {
        let mut comparison = Comparison::default();
        let Comparison { wrong, below } = &mut comparison;
        let allocations = judge("allocations", counts.allocations, self.allocations);
        wrong.extend(allocations.over.into_iter().chain(allocations.under));
        for (what, counted, limits) in [
            ("system calls", counts.system_calls.as_ref().ok(), self.system_calls),
            ("wake-ups", Some(&counts.wake_ups), self.wake_ups),
        ] {
            let Some(counted) = counted else { continue };
            let judged = judge(what, *counted, limits);
            wrong.extend(judged.over);
            below.extend(judged.under);
        }
        comparison
    }
}

struct Judged {
    over: Vec<String>,
    under: Vec<String>,
}

fn judge(what: &str, counted: PerRequest, limits: PerRequest) -> Judged {
    let mut judged = Judged { over: Vec::new(), under: Vec::new() };
    for ((who, counted), (_, limit)) in counted.named().into_iter().zip(limits.named()) {
        if counted > limit + SAME {
            judged.over.push(format!(
                "{who} takes {counted:.1} {what}, {:.1} more than its limit of {limit:.1}: find what is new on the way of \
                 every request; if it is worth that, raise the limit in benches/limits.toml and say why",
                counted - limit
            ));
        } else if counted < limit - SAME {
            judged.under.push(format!(
                "{who} takes {counted:.1} {what}, {:.1} fewer than its limit of {limit:.1}: lower it to {counted:.1} in \
                 benches/limits.toml, so that the gain is kept",
                limit - counted
            ));
        }
    }
    judged
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PerRequest { open, bearer, ticket } = self.allocations;
        write!(f, "allocations: {open:.1} open {bearer:.1} bearer {ticket:.1} ticket, ")?;
        match &self.system_calls {
            Ok(PerRequest { open, bearer, ticket }) => write!(f, "system calls: {open:.1} {bearer:.1} {ticket:.1}, ")?,
            Err(why) => write!(f, "system calls: not counted, because {why}, ")?,
        }
        let PerRequest { open, bearer, ticket } = self.wake_ups;
        write!(f, "wake-ups: {open:.1} {bearer:.1} {ticket:.1}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: &str = "
        allocations = { open = 62.0, bearer = 76.0, ticket = 99.0 }
        system_calls = { open = 9.0, bearer = 9.0, ticket = 9.5 }
        wake_ups = { open = 3.0, bearer = 3.0, ticket = 3.0 }
    ";

    fn counts() -> Counts {
        Counts {
            allocations: PerRequest { open: 62.0, bearer: 76.0, ticket: 99.0 },
            system_calls: Ok(PerRequest { open: 9.0, bearer: 9.0, ticket: 9.5 }),
            wake_ups: PerRequest { open: 3.0, bearer: 3.0, ticket: 3.0 },
        }
    }

    fn check(change: impl Fn(&mut Counts), wrong: &[&str], below: &[&str]) {
        let mut counts = counts();
        change(&mut counts);
        let comparison = CountLimits::read(LIMITS).expect("limits").compare(&counts);
        let begin = |said: &[String], expected: &[&str]| {
            said.len() == expected.len() && said.iter().zip(expected).all(|(said, expected)| said.starts_with(expected))
        };
        assert!(begin(&comparison.wrong, wrong) && begin(&comparison.below, below), "{comparison:#?}");
    }

    #[test]
    fn what_is_over_its_limit_is_wrong() {
        check(|_| {}, &[], &[]);
        check(
            |counts| counts.allocations.ticket = 99.1,
            &["a ticket takes 99.1 allocations, 0.1 more than its limit of 99.0"],
            &[],
        );
        check(
            |counts| counts.wake_ups.open = 4.0,
            &["an open request takes 4.0 wake-ups, 1.0 more than its limit of 3.0"],
            &[],
        );
        check(
            |counts| counts.system_calls = Ok(PerRequest { bearer: 10.0, open: 9.0, ticket: 9.5 }),
            &["a remembered bearer takes 10.0 system calls, 1.0 more than its limit of 9.0"],
            &[],
        );
    }

    #[test]
    fn a_limit_far_above_what_is_allocated_is_wrong_too() {
        let fewer = "an open request takes 60.0 allocations, 2.0 fewer than its limit of 62.0: lower it to 60.0";
        check(|counts| counts.allocations.open = 60.0, &[fewer], &[]);
        let fewer = "a ticket takes 2.5 wake-ups, 0.5 fewer than its limit of 3.0: lower it to 2.5";
        check(|counts| counts.wake_ups.ticket = 2.5, &[], &[fewer]);
    }

    #[test]
    fn what_could_not_be_counted_is_said_and_held_against_nothing() {
        let uncounted = |counts: &mut Counts| counts.system_calls = Err("there is no strace".to_owned());
        check(uncounted, &[], &[]);
        let mut counts = counts();
        let all = "allocations: 62.0 open 76.0 bearer 99.0 ticket, system calls: 9.0 9.0 9.5, wake-ups: 3.0 3.0 3.0";
        assert_eq!(counts.to_string(), all);
        uncounted(&mut counts);
        let rest = "allocations: 62.0 open 76.0 bearer 99.0 ticket, system calls: not counted, because there is no \
                    strace, wake-ups: 3.0 3.0 3.0";
        assert_eq!(counts.to_string(), rest);
    }

    #[test]
    fn a_limit_that_is_missing_or_misspelt_is_no_limit() {
        assert!(CountLimits::read(&LIMITS.replace("wake_ups", "wakeups")).is_err());
        assert!(CountLimits::read(&LIMITS.replace(", ticket = 99.0", "")).is_err());
    }
}
