//! What an attempt tells the health of its endpoint: that it began, and how it ended, however it ends.

use std::sync::Arc;

use http::StatusCode;
use tokio::time::Instant;

use super::{endpoint::Endpoint, health::AttemptEnd};
use crate::fault::Fault;

/// An attempt under way. If nobody says how it ended, its client has left: that tells nothing.
#[must_use]
pub(super) struct AttemptReport {
    endpoint: Arc<Endpoint>,
    /// Whether it tries an endpoint that was ejected.
    trial: bool,
    end: AttemptEnd,
}

/// In which way an endpoint failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndpointFailure {
    /// It could not be reached.
    Connect,
    /// It closed the connection.
    Reset,
    /// What it said is not HTTP.
    Garbage,
    /// It took too long.
    Timeout,
    /// It said itself that it cannot: 502, 503 or 504.
    Status,
    /// It denied somebody whom we vouch for.
    Disputed,
}

impl AttemptReport {
    /// A request goes to `endpoint`.
    pub(super) fn begin(endpoint: &Arc<Endpoint>) -> Self {
        let trial = endpoint.begin(Instant::now());
        Self { endpoint: endpoint.clone(), trial, end: AttemptEnd::Unknown }
    }

    /// It was answered, and the answer leaves.
    pub(super) fn answered(self, status: StatusCode) {
        match EndpointFailure::by_status(status) {
            Some(failure) => self.failed(failure),
            // A bug of the application's that one request meets is no fault of the endpoint's, nor a proof of its health.
            None if status.is_server_error() => self.ended(AttemptEnd::Unknown),
            None => self.ended(AttemptEnd::Success),
        }
    }

    /// It ended with this fault.
    pub(super) fn fault(self, fault: &Fault) {
        match fault {
            Fault::ConnectFailed(..) => self.failed(EndpointFailure::Connect),
            Fault::UpstreamReset(_) => self.failed(EndpointFailure::Reset),
            Fault::UpstreamGarbage(_) | Fault::UpgradeFailed(_) => self.failed(EndpointFailure::Garbage),
            Fault::TimedOut(..) => self.failed(EndpointFailure::Timeout),
            Fault::DisputedIdentity(_) => self.failed(EndpointFailure::Disputed),
            // It denied somebody whom we did not name to it, as it should.
            Fault::UndecidedIdentity(_) | Fault::RenewalRequired(_) => self.ended(AttemptEnd::Success),
            _ => self.ended(AttemptEnd::Unknown),
        }
    }

    fn failed(self, failure: EndpointFailure) {
        self.endpoint.metrics().count(failure);
        self.ended(AttemptEnd::Failure);
    }

    fn ended(mut self, end: AttemptEnd) {
        self.end = end;
    }
}

impl Drop for AttemptReport {
    fn drop(&mut self) {
        self.endpoint.end(self.end, self.trial, Instant::now());
    }
}

impl EndpointFailure {
    /// Every one.
    pub(super) const ALL: [Self; 6] =
        [Self::Connect, Self::Reset, Self::Garbage, Self::Timeout, Self::Status, Self::Disputed];

    /// What an answer of this status says, if it says that the endpoint cannot.
    pub(super) fn by_status(status: StatusCode) -> Option<Self> {
        let cannot = [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT];
        cannot.contains(&status).then_some(Self::Status)
    }

    /// Its word in the metrics.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Reset => "reset",
            Self::Garbage => "garbage",
            Self::Timeout => "timeout",
            Self::Status => "status",
            Self::Disputed => "disputed",
        }
    }
}
