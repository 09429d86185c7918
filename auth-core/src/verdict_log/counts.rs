//! A counter and a line in the log for each verdict, without the credential.

use std::{sync::Mutex, time::Duration};

use metrics::Counter;

use crate::{
    alarm::{self, Alarm},
    clock::{Now, Steady},
    dependency::Dependency,
    lock::lock,
    metric::{AUTHENTICATED, GROUPS_NOT_STATED, OUTAGE, REJECTED, UNAVAILABLE, UNSETTLED},
    principal::Silence,
    verdict::{Reason, Rejected, Stop, Unavailable, Uncertainty},
};

/// The counters, taken once: a request formats no names.
pub(super) struct Counts {
    authenticated: Counter,
    rejected: [Counter; Reason::ALL.len()],
    unavailable: [Counter; Dependency::ALL.len()],
    unsettled: [Counter; Dependency::ALL.len()],
    not_stated: Counter,
    /// When the alarm about it rang last.
    rang: Mutex<Option<Steady>>,
}

/// How long the alarm about what an issuer does not state keeps quiet once it rang: whoever meets it loads the page again.
const QUIET: Duration = Duration::from_secs(60);

impl Counts {
    pub(super) fn taken() -> Self {
        Self {
            authenticated: AUTHENTICATED.alone(),
            rejected: Reason::ALL.map(|reason| REJECTED.with([reason.as_str()])),
            unavailable: Dependency::ALL.map(|of| UNAVAILABLE.with([of.as_str(), OUTAGE])),
            unsettled: Dependency::ALL.map(|of| UNAVAILABLE.with([of.as_str(), UNSETTLED])),
            not_stated: GROUPS_NOT_STATED.alone(),
            rang: Mutex::default(),
        }
    }

    pub(super) fn authenticated(&self) {
        self.authenticated.increment(1);
    }

    pub(super) fn stopped(&self, stop: &Stop, now: Now) {
        match stop {
            Stop::Rejected(rejected) => self.rejected(rejected),
            Stop::Unavailable(unavailable) => self.unavailable(unavailable, now),
        }
    }

    /// Something was shown, and it does not do.
    pub(super) fn rejected(&self, rejected: &Rejected) {
        let about = rejected.about().map(ToString::to_string).unwrap_or_default();
        let reason = self.counted(rejected);
        tracing::info!(reason, detail = %rejected.detail(), about, "rejected");
    }

    /// Nothing was shown: everybody's first request, and no news.
    pub(super) fn missing(&self, rejected: &Rejected) {
        let reason = self.counted(rejected);
        tracing::debug!(reason, "rejected");
    }

    fn counted(&self, rejected: &Rejected) -> &'static str {
        let reason = rejected.reason();
        if let Some(at) = Reason::ALL.iter().position(|known| *known == reason) {
            self.rejected[at].increment(1);
        }
        reason.as_str()
    }

    /// Only an outage counts as one, and is a warning.
    pub(super) fn unavailable(&self, unavailable: &Unavailable, now: Now) {
        let dependency = unavailable.dependency;
        let counters = match unavailable.uncertainty() {
            Uncertainty::Outage => &self.unavailable,
            // None of these is an outage.
            Uncertainty::Unsettled | Uncertainty::RenewalRequired | Uncertainty::Suspended => &self.unsettled,
            Uncertainty::NotStated(silence) => return self.not_stated(unavailable, silence, now),
        };
        if let Some(at) = Dependency::ALL.iter().position(|known| *known == dependency) {
            counters[at].increment(1);
        }
        if unavailable.uncertainty() != Uncertainty::Outage {
            return tracing::info!(dependency = dependency.as_str(), cause = %unavailable, "unavailable");
        }
        tracing::warn!(dependency = dependency.as_str(), cause = %unavailable, "unavailable");
    }

    /// Somebody must change something: an operator, unless the next sign-in settles it.
    fn not_stated(&self, unavailable: &Unavailable, silence: Silence, now: Now) {
        self.not_stated.increment(1);
        let cause = unavailable.cause();
        match silence {
            Silence::Absent | Silence::Unlisted if self.may_ring(now) => {
                alarm::ring(Alarm::GroupsNotStated, &cause.to_string());
            }
            Silence::Absent | Silence::Unlisted | Silence::NotAsked | Silence::StatedBefore => {
                tracing::info!(%cause, "groups or roles not stated");
            }
        }
    }

    fn may_ring(&self, now: Now) -> bool {
        let mut rang = lock(&self.rang);
        let quiet = rang.is_some_and(|rang| now.steady().since(rang) < QUIET);
        if !quiet {
            *rang = Some(now.steady());
        }
        !quiet
    }
}
