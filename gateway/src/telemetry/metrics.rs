//! Counters and histograms, in the text format that Prometheus reads.
//!
//! A name's dots become `_` there: `rejected.expired` is `rejected_expired`.

use std::{
    sync::{
        OnceLock,
        mpsc::{RecvTimeoutError, sync_channel},
    },
    thread,
    time::Duration,
};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// Upper bounds of the histograms' buckets, in seconds.
const BUCKETS: [f64; 13] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// How often samples are gathered into buckets while nobody reads them: they take memory until then.
const UPKEEP: Duration = Duration::from_secs(5);

static INSTALLED: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// What `/metrics` shows. One for the whole process, however many gateways it runs.
#[derive(Clone, Debug)]
pub struct Metrics(Option<PrometheusHandle>);

impl Metrics {
    /// The process's figures, counting from the first call on. If something else records them already, ours stay empty.
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
    let kept = handle.clone();
    let _ = thread::Builder::new().name("figures".to_owned()).spawn(move || {
        // Nobody ever sends: the wait is the interval.
        let (_open, closed) = sync_channel::<()>(0);
        while closed.recv_timeout(UPKEEP) == Err(RecvTimeoutError::Timeout) {
            kept.run_upkeep();
        }
    });
    Some(handle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_and_a_histogram_are_shown() {
        let figures = Metrics::install();
        metrics::counter!("rejected.of-this-test").increment(2);
        metrics::histogram!("of.this.test.seconds").record(0.003);
        let text = Metrics::install().render();
        assert!(text.contains("rejected_of_this_test 2"), "{text}");
        assert!(text.contains("of_this_test_seconds_bucket{le=\"0.005\"} 1"), "{text}");
        assert!(!figures.render().is_empty());
    }
}
