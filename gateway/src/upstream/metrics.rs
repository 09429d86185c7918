//! What is counted of an upstream and of its endpoints: looked up when a configuration is made.

use std::sync::Arc;

use metrics::{Counter, Gauge};

use super::attempt_report::EndpointFailure;
use crate::telemetry::metrics::{
    ENDPOINT_FAILURES, ENDPOINT_HEALTHY, REPEATS_WITHHELD, REQUESTS_REPEATED, UPSTREAM_ALL_UNHEALTHY,
};

/// What is counted of one upstream.
pub(super) struct UpstreamMetrics {
    /// Requests that went to an unhealthy endpoint, since there was no other.
    pub(super) all_unhealthy: Counter,
    repeated: [Counter; RepeatReason::ALL.len()],
    withheld: Counter,
}

/// What is counted of one endpoint.
pub(super) struct EndpointMetrics {
    healthy: Gauge,
    failures: [Counter; EndpointFailure::ALL.len()],
}

/// Why a request is sent once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RepeatReason {
    /// The connection had idled, and was closed.
    IdleClosed,
    /// The endpoint failed.
    Failed,
    /// It denied somebody whom we vouch for.
    Disputed,
}

impl UpstreamMetrics {
    pub(super) fn new(upstream: &Arc<str>) -> Self {
        Self {
            all_unhealthy: UPSTREAM_ALL_UNHEALTHY.with([upstream.clone()]),
            repeated: RepeatReason::ALL
                .map(|reason| REQUESTS_REPEATED.with([Arc::from(reason.as_str()), upstream.clone()])),
            withheld: REPEATS_WITHHELD.with([upstream.clone()]),
        }
    }

    /// Counts a request that is repeated, or that the budget has no room for.
    pub(super) fn count_repeat(&self, reason: RepeatReason, is_repeated: bool) {
        if !is_repeated {
            self.withheld.increment(1);
        } else if let Some(at) = RepeatReason::ALL.iter().position(|known| *known == reason) {
            self.repeated[at].increment(1);
        }
    }
}

impl EndpointMetrics {
    pub(super) fn new(upstream: &Arc<str>, endpoint: &Arc<str>) -> Self {
        let place = [endpoint.clone(), upstream.clone()];
        let failures = EndpointFailure::ALL
            .map(|failure| ENDPOINT_FAILURES.with([endpoint.clone(), Arc::from(failure.as_str()), upstream.clone()]));
        let metrics = Self { healthy: ENDPOINT_HEALTHY.with(place), failures };
        metrics.is_healthy(true);
        metrics
    }

    /// Shows whether it is healthy.
    pub(super) fn is_healthy(&self, healthy: bool) {
        self.healthy.set(if healthy { 1.0 } else { 0.0 });
    }

    /// Counts a failure.
    pub(super) fn count(&self, failure: EndpointFailure) {
        if let Some(at) = EndpointFailure::ALL.iter().position(|known| *known == failure) {
            self.failures[at].increment(1);
        }
    }
}

impl RepeatReason {
    /// Every one.
    const ALL: [Self; 3] = [Self::IdleClosed, Self::Failed, Self::Disputed];

    /// Its word in the metrics.
    const fn as_str(self) -> &'static str {
        match self {
            Self::IdleClosed => "idle-closed",
            Self::Failed => "failed",
            Self::Disputed => "disputed",
        }
    }
}

impl std::fmt::Debug for UpstreamMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UpstreamMetrics")
    }
}

impl std::fmt::Debug for EndpointMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EndpointMetrics")
    }
}
