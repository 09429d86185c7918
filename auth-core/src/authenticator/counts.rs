//! What each verdict leaves behind: a counter and a log line, without the credential.

use metrics::Counter;

use crate::{
    dependency::Dependency,
    verdict::{Reason, Rejected, Stop, Unavailable},
};

/// The counters, taken once: a request formats no names.
pub(super) struct Counts {
    authenticated: Counter,
    rejected: [Counter; Reason::ALL.len()],
    unavailable: [Counter; Dependency::ALL.len()],
    unsettled: [Counter; Dependency::ALL.len()],
}

impl Counts {
    pub(super) fn taken() -> Self {
        Self {
            authenticated: metrics::counter!("authenticated"),
            rejected: Reason::ALL.map(|reason| metrics::counter!(format!("rejected.{reason}"))),
            unavailable: Dependency::ALL.map(|dependency| metrics::counter!(format!("unavailable.{dependency}"))),
            unsettled: Dependency::ALL.map(|of| metrics::counter!(format!("unavailable.{of}.unsettled"))),
        }
    }

    pub(super) fn authenticated(&self) {
        self.authenticated.increment(1);
    }

    pub(super) fn stopped(&self, stop: &Stop) {
        match stop {
            Stop::Rejected(rejected) => self.rejected(rejected),
            Stop::Unavailable(unavailable) => self.unavailable(unavailable),
        }
    }

    pub(super) fn rejected(&self, rejected: &Rejected) {
        let reason = rejected.reason();
        if let Some(at) = Reason::ALL.iter().position(|known| *known == reason) {
            self.rejected[at].increment(1);
        }
        let about = rejected.about().map(ToString::to_string).unwrap_or_default();
        if reason == Reason::Missing {
            tracing::debug!(reason = reason.as_str(), "rejected");
        } else {
            tracing::info!(reason = reason.as_str(), detail = %rejected.detail(), about, "rejected");
        }
    }

    /// What a stranger can cause at will is counted apart, and is no warning.
    pub(super) fn unavailable(&self, unavailable: &Unavailable) {
        let dependency = unavailable.dependency;
        let counters = if unavailable.is_unsettled() { &self.unsettled } else { &self.unavailable };
        if let Some(at) = Dependency::ALL.iter().position(|known| *known == dependency) {
            counters[at].increment(1);
        }
        if unavailable.is_unsettled() {
            return tracing::info!(dependency = dependency.as_str(), cause = %unavailable, "unavailable");
        }
        tracing::warn!(dependency = dependency.as_str(), cause = %unavailable, "unavailable");
    }
}
