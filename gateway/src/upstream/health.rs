//! Whether an endpoint is healthy: one state machine, fed by what becomes of requests and by probes.
//!
//! It ejects an endpoint that fails several times in a row, or that stops succeeding: one that hangs, or that answers
//! nothing but 500, does not fail by every measure, and is of no use all the same. An ejected endpoint is tried by one
//! request after a pause, which doubles with each time, and then gets a share that grows. The machine is pure: time is a
//! parameter. It does not know the other endpoints: that somebody is asked even if none is healthy is for the choice.

use std::time::Duration;

use tokio::time::Instant;

/// An endpoint that fails so often in a row is ejected.
const FAILURES: u32 = 5;

/// One that has just come back, so often.
const FAILURES_OF_RECOVERING: u32 = 2;

/// An endpoint that so many requests were sent to …
const WITHOUT_SUCCESS: u32 = 5;

/// … and that has answered none of them well for so long, is ejected.
const WITHOUT_SUCCESS_FOR: Duration = Duration::from_secs(10);

/// For how long an endpoint is ejected before it is tried again, at first.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// And after many failed trials.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// In what time the share of an endpoint that has come back grows to a whole one.
const GROWTH: Duration = Duration::from_secs(10);

/// What it begins with, in percent.
const FIRST_SHARE: u32 = 10;

/// An endpoint that has answered well within this time is worth asking once more.
const LATELY: Duration = Duration::from_secs(10);

/// What is known of one endpoint.
#[derive(Debug)]
pub(super) struct EndpointHealth {
    state: HealthState,
    /// How often it failed since it last succeeded.
    failures: u32,
    drought: Option<Drought>,
    succeeded: Option<Instant>,
    pause: Duration,
    probes: ProbeRun,
}

/// What an endpoint may be asked at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Eligibility {
    /// As much as any other.
    Full,
    /// So many of a hundred requests that it would get otherwise.
    Share(u32),
    /// One request, to see whether it is healthy again. Where this says so, only one that may be repeated elsewhere.
    Trial {
        /// Whether the trial has waited for so long that any request will do.
        by_any: bool,
    },
    /// Nothing, if another can be asked.
    None,
}

/// What became of a request, as far as the endpoint is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AttemptEnd {
    /// It was answered as a service that is well answers.
    Success,
    /// It failed, by the endpoint's fault.
    Failure,
    /// Neither: the client left, or the answer says nothing about the endpoint.
    Unknown,
}

/// A change that operators are told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HealthChange {
    /// It is ejected: left out while another can be asked.
    Unhealthy(UnhealthyCause),
    /// It gets a growing share of the requests.
    Recovering,
    /// It is asked as any other.
    Healthy,
}

/// Why an endpoint is unhealthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UnhealthyCause {
    /// It failed several times in a row.
    Failures,
    /// It has stopped succeeding.
    NoSuccess,
    /// Its probes failed.
    Probes,
}

/// How many probes in a row decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ProbeRule {
    pub(super) healthy_after: u32,
    pub(super) unhealthy_after: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HealthState {
    Healthy,
    Unhealthy {
        because: UnhealthyCause,
        /// When it is tried again.
        until: Instant,
        /// Whether a trial is under way.
        trial: bool,
    },
    Recovering {
        since: Instant,
    },
}

/// Requests that began since the last success, without a long gap between them.
#[derive(Clone, Copy, Debug)]
struct Drought {
    since: Instant,
    last: Instant,
    begun: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct ProbeRun {
    good: u32,
    bad: u32,
    /// They say that it is down.
    down: bool,
}

impl EndpointHealth {
    /// Of an endpoint that nothing is known of: healthy until the contrary is seen.
    pub(super) fn new() -> Self {
        Self {
            state: HealthState::Healthy,
            failures: 0,
            drought: None,
            succeeded: None,
            pause: Duration::ZERO,
            probes: ProbeRun::default(),
        }
    }

    /// What it may be asked at `now`.
    pub(super) fn eligibility(&self, now: Instant) -> Eligibility {
        match self.state {
            HealthState::Healthy => Eligibility::Full,
            HealthState::Recovering { since } => match share(now.saturating_duration_since(since)) {
                100.. => Eligibility::Full,
                less => Eligibility::Share(less),
            },
            HealthState::Unhealthy { until, trial: false, .. } if now >= until && !self.probes.down => {
                Eligibility::Trial { by_any: now >= until + 3 * self.pause.max(FIRST_PAUSE) }
            }
            HealthState::Unhealthy { .. } => Eligibility::None,
        }
    }

    /// Why it is ejected, if it is.
    pub(super) fn unhealthy_cause(&self) -> Option<UnhealthyCause> {
        match self.state {
            HealthState::Unhealthy { because, .. } => Some(because),
            HealthState::Healthy | HealthState::Recovering { .. } => None,
        }
    }

    /// How it is, in a few words.
    pub(super) fn describe(&self) -> String {
        match self.state {
            HealthState::Healthy => "healthy".to_owned(),
            HealthState::Recovering { .. } => "recovering".to_owned(),
            HealthState::Unhealthy { because, .. } => format!("unhealthy ({})", because.as_str()),
        }
    }

    /// Whether it has answered well a moment ago.
    pub(super) fn succeeded_lately(&self, now: Instant) -> bool {
        self.succeeded.is_some_and(|at| now < at + LATELY)
    }

    /// A request is sent to it. Whether it is the trial: there is one at a time.
    pub(super) fn begin(&mut self, now: Instant) -> (bool, Option<HealthChange>) {
        let is_due = matches!(self.eligibility(now), Eligibility::Trial { .. });
        if let HealthState::Unhealthy { trial, .. } = &mut self.state {
            *trial |= is_due;
        }
        let drought = self.drought.filter(|drought| now < drought.last + WITHOUT_SUCCESS_FOR);
        let Drought { since, begun, .. } = drought.unwrap_or(Drought { since: now, last: now, begun: 0 });
        self.drought = Some(Drought { since, last: now, begun: begun + 1 });
        (is_due, self.judge_drought(now))
    }

    /// A request that was sent to it has come to its end; `trial` as [`EndpointHealth::begin`] said.
    pub(super) fn end(&mut self, end: AttemptEnd, trial: bool, now: Instant) -> Option<HealthChange> {
        match end {
            AttemptEnd::Success => self.succeed(now),
            AttemptEnd::Failure => self.fail(trial, now),
            AttemptEnd::Unknown => {
                if trial && let HealthState::Unhealthy { trial, .. } = &mut self.state {
                    *trial = false;
                }
                self.judge_drought(now)
            }
        }
    }

    /// A probe has ended.
    pub(super) fn probed(&mut self, good: bool, rule: ProbeRule, now: Instant) -> Option<HealthChange> {
        let ProbeRun { good: goods, bad: bads, .. } = self.probes;
        (self.probes.good, self.probes.bad) =
            if good { (goods.saturating_add(1), 0) } else { (0, bads.saturating_add(1)) };
        if self.probes.bad >= rule.unhealthy_after && !self.probes.down {
            self.probes.down = true;
            return match self.state {
                HealthState::Healthy | HealthState::Recovering { .. } => Some(self.eject(UnhealthyCause::Probes, now)),
                HealthState::Unhealthy { .. } => None,
            };
        }
        if self.probes.good < rule.healthy_after {
            return None;
        }
        self.probes.down = false;
        match self.state {
            // The probes were its trial.
            HealthState::Unhealthy { because: UnhealthyCause::Probes, .. } => Some(self.recover(now)),
            HealthState::Recovering { .. } => self.grow(now),
            HealthState::Healthy | HealthState::Unhealthy { .. } => None,
        }
    }

    /// It is not probed any more.
    pub(super) fn forget_probes(&mut self, now: Instant) -> Option<HealthChange> {
        self.probes = ProbeRun::default();
        (self.unhealthy_cause() == Some(UnhealthyCause::Probes)).then(|| self.recover(now))
    }

    fn succeed(&mut self, now: Instant) -> Option<HealthChange> {
        (self.failures, self.drought, self.succeeded) = (0, None, Some(now));
        match self.state {
            HealthState::Healthy => None,
            HealthState::Recovering { .. } => self.grow(now),
            // Not before its time: the answer may be to a request of before, or one of a few that it still gets right.
            HealthState::Unhealthy { until, .. } if now >= until && !self.probes.down => Some(self.recover(now)),
            HealthState::Unhealthy { .. } => None,
        }
    }

    fn fail(&mut self, trial: bool, now: Instant) -> Option<HealthChange> {
        self.failures = self.failures.saturating_add(1);
        match self.state {
            HealthState::Healthy if self.failures >= FAILURES => Some(self.eject(UnhealthyCause::Failures, now)),
            HealthState::Recovering { .. } if self.failures >= FAILURES_OF_RECOVERING => {
                Some(self.eject(UnhealthyCause::Failures, now))
            }
            HealthState::Unhealthy { because, .. } if trial => {
                self.eject(because, now);
                None
            }
            HealthState::Healthy | HealthState::Recovering { .. } => self.judge_drought(now),
            HealthState::Unhealthy { .. } => None,
        }
    }

    fn judge_drought(&mut self, now: Instant) -> Option<HealthChange> {
        let drought = self.drought?;
        let is_long = drought.begun >= WITHOUT_SUCCESS && now >= drought.since + WITHOUT_SUCCESS_FOR;
        match self.state {
            HealthState::Healthy | HealthState::Recovering { .. } if is_long => {
                Some(self.eject(UnhealthyCause::NoSuccess, now))
            }
            HealthState::Healthy | HealthState::Recovering { .. } | HealthState::Unhealthy { .. } => None,
        }
    }

    fn eject(&mut self, because: UnhealthyCause, now: Instant) -> HealthChange {
        let until = match because {
            // They say when it is back.
            UnhealthyCause::Probes => now,
            UnhealthyCause::Failures | UnhealthyCause::NoSuccess => {
                self.pause = (2 * self.pause).clamp(FIRST_PAUSE, LONGEST_PAUSE);
                now + self.pause
            }
        };
        (self.failures, self.drought) = (0, None);
        self.state = HealthState::Unhealthy { because, until, trial: false };
        HealthChange::Unhealthy(because)
    }

    fn recover(&mut self, now: Instant) -> HealthChange {
        (self.failures, self.drought) = (0, None);
        self.state = HealthState::Recovering { since: now };
        HealthChange::Recovering
    }

    fn grow(&mut self, now: Instant) -> Option<HealthChange> {
        if !matches!(self.state, HealthState::Recovering { since } if now >= since + GROWTH) {
            return None;
        }
        self.pause = Duration::ZERO;
        self.state = HealthState::Healthy;
        Some(HealthChange::Healthy)
    }
}

impl UnhealthyCause {
    /// Its word, for logs and metrics.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Failures => "failures",
            Self::NoSuccess => "no-success",
            Self::Probes => "probes",
        }
    }
}

/// The share, in percent, of an endpoint that came back so long ago.
fn share(since: Duration) -> u32 {
    let grown = u128::from(100 - FIRST_SHARE) * since.as_millis() / GROWTH.as_millis();
    FIRST_SHARE.saturating_add(u32::try_from(grown).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One whose time is the test's.
    struct Watched {
        health: EndpointHealth,
        now: Instant,
    }

    const RULE: ProbeRule = ProbeRule { healthy_after: 2, unhealthy_after: 2 };
    const UNHEALTHY: Option<HealthChange> = Some(HealthChange::Unhealthy(UnhealthyCause::Failures));

    impl Watched {
        fn new() -> Self {
            Self { health: EndpointHealth::new(), now: Instant::now() }
        }

        fn pass(&mut self, seconds: u64) {
            self.now += Duration::from_secs(seconds);
        }

        fn asked(&mut self, end: AttemptEnd) -> Option<HealthChange> {
            let (trial, dried_up) = self.health.begin(self.now);
            let ended = self.health.end(end, trial, self.now);
            ended.or(dried_up)
        }

        fn eligibility(&self) -> Eligibility {
            self.health.eligibility(self.now)
        }

        fn fails(&mut self) {
            let changes: Vec<_> = (0..FAILURES).map(|_| self.asked(AttemptEnd::Failure)).collect();
            let (last, before) = changes.split_last().expect("there are some");
            assert_eq!((*last, before.iter().flatten().count()), (UNHEALTHY, 0), "only the last one tips it");
            assert_eq!(self.eligibility(), Eligibility::None);
        }
    }

    #[test]
    fn failures_in_a_row_leave_it_out_and_others_do_not() {
        let mut it = Watched::new();
        for _ in 0..50 {
            for _ in 1..FAILURES {
                assert_eq!(it.asked(AttemptEnd::Failure), None);
            }
            assert_eq!(it.asked(AttemptEnd::Success), None);
            assert_eq!(it.eligibility(), Eligibility::Full);
        }
        it.fails();
    }

    #[test]
    fn who_stops_succeeding_is_left_out_without_a_failure() {
        // It never ends: no end is told of any request.
        let mut it = Watched::new();
        let mut changes = Vec::new();
        for _ in 0..=10 {
            changes.extend(it.health.begin(it.now).1);
            it.pass(1);
        }
        assert_eq!(changes, [HealthChange::Unhealthy(UnhealthyCause::NoSuccess)]);
        // It answers, and never well.
        let mut it = Watched::new();
        let mut changes = Vec::new();
        for _ in 0..=10 {
            changes.extend(it.asked(AttemptEnd::Unknown));
            it.pass(1);
        }
        assert_eq!(changes, [HealthChange::Unhealthy(UnhealthyCause::NoSuccess)]);
    }

    #[test]
    fn little_traffic_is_no_drought() {
        let mut it = Watched::new();
        for _ in 0..100 {
            assert_eq!(it.asked(AttemptEnd::Unknown), None);
            it.pass(11);
        }
        for _ in 0..100 {
            assert_eq!(it.health.begin(it.now).1, None, "many at once have had no time");
        }
        assert_eq!(it.eligibility(), Eligibility::Full);
    }

    #[test]
    fn who_was_left_out_is_tried_by_one_and_comes_back_by_and_by() {
        let mut it = Watched::new();
        it.fails();
        it.pass(4);
        assert_eq!(it.eligibility(), Eligibility::None);
        assert_eq!(it.asked(AttemptEnd::Success), None, "asked since nobody is healthy, and too early to believe it");
        it.pass(1);
        assert_eq!(it.eligibility(), Eligibility::Trial { by_any: false });
        assert_eq!(it.health.begin(it.now), (true, None));
        assert_eq!(it.eligibility(), Eligibility::None, "one at a time");
        assert_eq!(it.health.begin(it.now), (false, None));
        assert_eq!(it.health.end(AttemptEnd::Unknown, true, it.now), None);
        assert_eq!(it.eligibility(), Eligibility::Trial { by_any: false }, "its client left: the next one");
        it.pass(15);
        assert_eq!(it.eligibility(), Eligibility::Trial { by_any: true }, "nobody came whose request may be repeated");
        assert_eq!(it.asked(AttemptEnd::Success), Some(HealthChange::Recovering));
        let mut shares = Vec::new();
        for _ in 0..10 {
            shares.push(it.eligibility());
            assert_eq!(it.asked(AttemptEnd::Success), None);
            it.pass(1);
        }
        let expected = [10, 19, 28, 37, 46, 55, 64, 73, 82, 91].map(Eligibility::Share);
        assert_eq!(shares, expected);
        assert_eq!(it.eligibility(), Eligibility::Full);
        assert_eq!(it.asked(AttemptEnd::Success), Some(HealthChange::Healthy));
    }

    #[test]
    fn each_failed_trial_doubles_the_pause() {
        let mut it = Watched::new();
        it.fails();
        for pause in [5, 10, 20, 40, 60, 60] {
            it.pass(pause - 1);
            assert_eq!(it.eligibility(), Eligibility::None, "{pause}");
            it.pass(1);
            assert_eq!(it.eligibility(), Eligibility::Trial { by_any: false }, "{pause}");
            assert_eq!(it.asked(AttemptEnd::Failure), None, "it was left out before");
        }
        it.pass(60);
        assert_eq!(it.asked(AttemptEnd::Success), Some(HealthChange::Recovering));
        assert_eq!(it.asked(AttemptEnd::Failure), None);
        assert_eq!(it.asked(AttemptEnd::Failure), UNHEALTHY, "it has not come back yet, and fails");
        it.pass(59);
        assert_eq!(it.eligibility(), Eligibility::None, "the pause has not begun anew");
        it.pass(1);
        assert_eq!(it.asked(AttemptEnd::Success), Some(HealthChange::Recovering));
        it.pass(10);
        assert_eq!(it.asked(AttemptEnd::Success), Some(HealthChange::Healthy));
        it.fails();
        it.pass(5);
        assert_eq!(it.eligibility(), Eligibility::Trial { by_any: false }, "and now it has");
    }

    #[test]
    fn a_late_failure_of_before_is_no_failed_trial() {
        let mut it = Watched::new();
        it.fails();
        it.pass(5);
        assert_eq!(it.health.begin(it.now), (true, None));
        assert_eq!(it.health.end(AttemptEnd::Failure, false, it.now), None);
        assert_eq!(it.health.end(AttemptEnd::Success, true, it.now), Some(HealthChange::Recovering));
    }

    #[test]
    fn probes_leave_it_out_and_bring_it_back() {
        let mut it = Watched::new();
        assert_eq!(it.health.probed(false, RULE, it.now), None);
        assert_eq!(it.health.probed(true, RULE, it.now), None);
        assert_eq!(it.health.probed(false, RULE, it.now), None);
        let unhealthy = Some(HealthChange::Unhealthy(UnhealthyCause::Probes));
        assert_eq!(it.health.probed(false, RULE, it.now), unhealthy);
        it.pass(3600);
        assert_eq!(it.eligibility(), Eligibility::None, "no request tries what its probes say is down");
        assert_eq!(it.health.probed(false, RULE, it.now), None, "said once");
        assert_eq!(it.health.probed(true, RULE, it.now), None);
        assert_eq!(it.health.probed(true, RULE, it.now), Some(HealthChange::Recovering));
        it.pass(10);
        assert_eq!(it.health.probed(true, RULE, it.now), Some(HealthChange::Healthy), "without a request");
    }

    #[test]
    fn good_probes_do_not_excuse_failed_requests() {
        let mut it = Watched::new();
        it.fails();
        for _ in 0..10 {
            assert_eq!(it.health.probed(true, RULE, it.now), None);
        }
        assert_eq!(it.eligibility(), Eligibility::None);
        it.pass(5);
        for _ in 0..2 {
            assert_eq!(it.health.probed(false, RULE, it.now), None, "it is left out already");
        }
        assert_eq!(it.eligibility(), Eligibility::None, "nor is it tried while probes fail");
        for _ in 0..2 {
            assert_eq!(it.health.probed(true, RULE, it.now), None);
        }
        assert_eq!(it.eligibility(), Eligibility::Trial { by_any: false });
    }

    #[test]
    fn without_probes_what_they_said_is_over() {
        let mut it = Watched::new();
        for _ in 0..2 {
            it.health.probed(false, RULE, it.now);
        }
        assert_eq!(it.health.forget_probes(it.now), Some(HealthChange::Recovering));
        it.fails_again();
        assert_eq!(it.health.forget_probes(it.now), None);
        assert_eq!(it.eligibility(), Eligibility::None, "it failed by itself");
    }

    impl Watched {
        fn fails_again(&mut self) {
            for _ in 0..FAILURES {
                self.asked(AttemptEnd::Failure);
            }
        }
    }
}
