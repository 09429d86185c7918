//! What the gateway counts and measures, and how `/metrics` shows it: in the text format that Prometheus reads.
//!
//! [`auth_core::metric`] says how metrics are named. `docs/operations.md` has all of them in one table.

use std::{
    sync::{
        OnceLock,
        mpsc::{RecvTimeoutError, sync_channel},
    },
    thread,
    time::Duration,
};

use auth_core::{
    alarm,
    metric::{self, Metric},
};
use metrics::{Counter, Gauge, Histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// Requests.
pub(super) const REQUESTS: Metric<Counter, 3> = Metric::new(
    "candor_requests_total",
    ["outcome", "route", "upstream"],
    "Requests that are over, by their answer's word in x-gateway-answer.",
);

/// Answers that did not come whole.
pub(super) const RESPONSES_INCOMPLETE: Metric<Counter, 3> = Metric::new(
    "candor_responses_incomplete_total",
    ["by", "route", "upstream"],
    "Answers that broke off or never began, by whom.",
);

/// How long requests take, whole.
pub(super) const REQUEST_DURATION: Metric<Histogram, 2> = Metric::new(
    "candor_request_duration_seconds",
    ["route", "upstream"],
    "From a request's head to the end of its answer.",
);

/// How long requests take to their answer's head.
pub(super) const RESPONSE_HEAD: Metric<Histogram, 2> = Metric::new(
    "candor_response_head_seconds",
    ["route", "upstream"],
    "From a request's head to the head of its answer.",
);

/// Lines that found no room.
pub(super) const LOG_LINES_DROPPED: Metric<Counter, 1> = Metric::new(
    "candor_log_lines_dropped_total",
    ["log"],
    "Lines of a log that were dropped, since whoever reads it is too slow.",
);

/// Writes that failed.
pub(super) const LOG_WRITES_FAILED: Metric<Counter, 1> =
    Metric::new("candor_log_writes_failed_total", ["log"], "Writes of a log that failed, each with its lines.");

/// Request fields with `_` in their names.
pub(crate) const REQUEST_FIELDS_DROPPED: Metric<Counter, 0> = Metric::new(
    "candor_request_fields_dropped_total",
    [],
    "Fields of requests that were dropped for a _ in their names.",
);

/// Cookies that an upstream must not set.
pub(crate) const SET_COOKIES_DROPPED: Metric<Counter, 0> = Metric::new(
    "candor_set_cookies_dropped_total",
    [],
    "Cookies of upstreams that were dropped, since they are under the gateway's own names.",
);

/// How long certificates are good for.
pub(crate) const CERTIFICATE_REMAINING: Metric<Gauge, 1> = Metric::new(
    "candor_certificate_remaining_seconds",
    ["certificate"],
    "How long the certificate in this file, as it is served, is still good for; below 0 once it has expired.",
);

/// Certificates that were read again.
pub(crate) const CERTIFICATES_READ: Metric<Counter, 1> = Metric::new(
    "candor_certificates_read_total",
    ["result"],
    "Certificate files that had changed: taken, or kept as it was since the new one is no good.",
);

/// Handshakes of clients.
pub(crate) const TLS_HANDSHAKES: Metric<Counter, 1> = Metric::new(
    "candor_tls_handshakes_total",
    ["result"],
    "TLS handshakes of clients: full, resumed, failed, or late.",
);

/// Connections that were cut for their frames.
pub(crate) const HTTP2_FLOODS: Metric<Counter, 1> = Metric::new(
    "candor_frame_floods_total",
    ["frame"],
    "HTTP/2 connections that were cut, since their client sent too many frames that bring nothing, by the last one's kind.",
);

/// Devices that did not get what they asked for.
pub(crate) const DEVICE_PROBLEMS: Metric<Counter, 1> = Metric::new(
    "candor_device_problems_total",
    ["problem"],
    "Requests on the paths of devices that did not get what they asked for, by the problem's word.",
);

/// Attempts to put another configuration in force.
pub(crate) const CONFIG_RELOADS: Metric<Counter, 1> = Metric::new(
    "candor_config_reloads_total",
    ["result"],
    "Attempts to put another configuration in force while the gateway runs, by what came of them.",
);

/// The values of `result`: the new one is in force, or the one before stays.
pub(crate) const RELOAD_RESULTS: [&str; 2] = ["in-force", "refused"];

/// Which configuration is in force.
pub(crate) const CONFIG_HASH: Metric<Gauge, 0> = Metric::new(
    "candor_config_hash",
    [],
    "The hash of the text of the configuration in force, as a number: it differs where configurations do.",
);

/// Since when.
pub(crate) const CONFIG_SINCE: Metric<Gauge, 0> = Metric::new(
    "candor_config_since_seconds",
    [],
    "When the configuration in force was put in force, in seconds since 1970.",
);

/// Clients that are connected.
pub(crate) const CLIENT_CONNECTIONS: Metric<Gauge, 0> =
    Metric::new("candor_client_connections", [], "Connections of clients that are open.");

/// Connections that had to go.
pub(crate) const CONNECTIONS_CLOSED: Metric<Counter, 1> = Metric::new(
    "candor_connections_closed_total",
    ["for"],
    "Connections of clients that were closed to make room for others, or were not let in.",
);

/// Whether an endpoint is asked as others are.
pub(crate) const ENDPOINT_HEALTHY: Metric<Gauge, 2> = Metric::new(
    "candor_endpoint_healthy",
    ["endpoint", "upstream"],
    "0 while an endpoint is ejected as unhealthy, else 1.",
);

/// How endpoints failed.
pub(crate) const ENDPOINT_FAILURES: Metric<Counter, 3> = Metric::new(
    "candor_endpoint_failures_total",
    ["endpoint", "failure", "upstream"],
    "Requests that an endpoint failed, by how.",
);

/// Requests that went to an unhealthy endpoint.
pub(crate) const UPSTREAM_ALL_UNHEALTHY: Metric<Counter, 1> = Metric::new(
    "candor_upstream_all_unhealthy_total",
    ["upstream"],
    "Requests that went to an unhealthy endpoint, since no endpoint of the upstream was healthy.",
);

/// Requests that were sent once more.
pub(crate) const REQUESTS_REPEATED: Metric<Counter, 2> = Metric::new(
    "candor_requests_repeated_total",
    ["reason", "upstream"],
    "Requests that were sent to an endpoint once more, by why.",
);

/// Requests that were not.
pub(crate) const REPEATS_WITHHELD: Metric<Counter, 1> = Metric::new(
    "candor_repeats_withheld_total",
    ["upstream"],
    "Requests that were not sent once more, since too many had been already.",
);

/// Upper bounds of the histograms' buckets, in seconds.
const BUCKETS: [f64; 13] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// How often samples are gathered into buckets while nobody reads them: they take memory until then.
const UPKEEP: Duration = Duration::from_secs(5);

static INSTALLED: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// What `/metrics` shows. One for the whole process, however many gateways it runs.
#[derive(Clone, Debug)]
pub struct Metrics(Option<PrometheusHandle>);

impl Metrics {
    /// The process's metrics, counting from the first call on. If something else records them already, ours stay empty.
    pub fn install() -> Self {
        Self(INSTALLED.get_or_init(first).clone())
    }

    /// The text for `/metrics` (Prometheus text format 0.0.4).
    pub fn render(&self) -> String {
        self.0.as_ref().map(PrometheusHandle::render).unwrap_or_default()
    }
}

fn first() -> Option<PrometheusHandle> {
    let recorder = PrometheusBuilder::new().set_buckets(&BUCKETS).ok()?.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).ok()?;
    describe();
    let kept = handle.clone();
    let _ = thread::Builder::new().name("metrics".to_owned()).spawn(move || {
        // Nobody ever sends: the wait is the interval.
        let (_open, closed) = sync_channel::<()>(0);
        while closed.recv_timeout(UPKEEP) == Err(RecvTimeoutError::Timeout) {
            kept.run_upkeep();
        }
    });
    Some(handle)
}

fn describe() {
    metric::describe();
    alarm::count_from_zero();
    REQUESTS.describe();
    RESPONSES_INCOMPLETE.describe();
    REQUEST_DURATION.describe();
    RESPONSE_HEAD.describe();
    LOG_LINES_DROPPED.describe();
    LOG_WRITES_FAILED.describe();
    REQUEST_FIELDS_DROPPED.describe();
    SET_COOKIES_DROPPED.describe();
    DEVICE_PROBLEMS.describe();
    CONFIG_RELOADS.describe();
    CONFIG_HASH.describe();
    CONFIG_SINCE.describe();
    for result in RELOAD_RESULTS {
        CONFIG_RELOADS.with([result]).increment(0);
    }
    CLIENT_CONNECTIONS.describe();
    CONNECTIONS_CLOSED.describe();
    CLIENT_CONNECTIONS.alone().increment(0.0);
    for why in ["limit", "share", "refused"] {
        CONNECTIONS_CLOSED.with([why]).increment(0);
    }
    ENDPOINT_HEALTHY.describe();
    ENDPOINT_FAILURES.describe();
    UPSTREAM_ALL_UNHEALTHY.describe();
    REQUESTS_REPEATED.describe();
    REPEATS_WITHHELD.describe();
    CERTIFICATE_REMAINING.describe();
    CERTIFICATES_READ.describe();
    TLS_HANDSHAKES.describe();
    for result in ["taken", "kept"] {
        CERTIFICATES_READ.with([result]).increment(0);
    }
    for result in ["full", "resumed", "failed", "late"] {
        TLS_HANDSHAKES.with([result]).increment(0);
    }
    HTTP2_FLOODS.describe();
    for frame in ["data", "priority", "rst-stream", "settings", "ping", "window-update", "other"] {
        HTTP2_FLOODS.with([frame]).increment(0);
    }
    REQUEST_FIELDS_DROPPED.alone().increment(0);
    SET_COOKIES_DROPPED.alone().increment(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_and_a_histogram_are_shown() {
        const COUNTED: Metric<Counter, 1> = Metric::new("candor_of_this_test_total", ["reason"], "Of this test.");
        const MEASURED: Metric<Histogram, 1> = Metric::new("candor_of_this_test_seconds", ["route"], "Of this test.");
        let metrics = Metrics::install();
        COUNTED.describe();
        MEASURED.describe();
        COUNTED.with(["a-word"]).increment(2);
        MEASURED.with(["/"]).record(0.003);
        let text = Metrics::install().render();
        for line in [
            "# HELP candor_of_this_test_total Of this test.",
            "# TYPE candor_of_this_test_total counter",
            "candor_of_this_test_total{reason=\"a-word\"} 2",
            "# TYPE candor_of_this_test_seconds histogram",
            "candor_of_this_test_seconds_bucket{route=\"/\",le=\"0.005\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
        assert!(!metrics.render().is_empty());
    }
}
