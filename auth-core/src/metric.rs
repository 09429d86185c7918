//! Metrics: one place where a metric gets its name, its labels and its meaning, and the list of this library's.
//!
//! Names follow Prometheus: `candor_` before each, the unit and `_total` after. A label's values come from a closed list
//! or from the configuration, never from what a client sends. `docs/operations.md` has the same list, with what to do.

use std::marker::PhantomData;

use metrics::{Counter, Gauge, Histogram, Label, SharedString};

/// A metric, one series for each combination of its labels' values. `T` is its type: [`Counter`], [`Gauge`] or
/// [`Histogram`].
pub struct Metric<T, const LABELS: usize> {
    name: &'static str,
    labels: [&'static str; LABELS],
    help: &'static str,
    of: PhantomData<fn() -> T>,
}

/// Credentials that held.
pub(crate) const AUTHENTICATED: Metric<Counter, 0> =
    Metric::new("candor_authenticated_total", [], "Credentials that held.");

/// Proven refusals.
pub(crate) const REJECTED: Metric<Counter, 1> =
    Metric::new("candor_rejected_total", ["reason"], "Credentials that were refused, each with a proof.");

/// Verdicts that could not be reached.
pub(crate) const UNAVAILABLE: Metric<Counter, 2> = Metric::new(
    "candor_unavailable_total",
    ["dependency", "uncertainty"],
    "Verdicts that could not be reached, by what was missing: through an outage, or unsettled, as a stranger can cause.",
);

/// A value of `uncertainty`: something that should answer did not.
pub(crate) const OUTAGE: &str = "outage";

/// A value of `uncertainty`: a stranger can cause it at will, without any outage.
pub(crate) const UNSETTLED: &str = "unsettled";

/// Requests that nobody's statement decides.
pub(crate) const GROUPS_NOT_STATED: Metric<Counter, 0> = Metric::new(
    "candor_groups_not_stated_total",
    [],
    "Requests not decided because an issuer did not state somebody's groups or roles.",
);

/// Sign-ins that a wrong answer of the provider's ended.
pub(crate) const SIGN_IN_FAILED: Metric<Counter, 1> =
    Metric::new("candor_sign_in_failed_total", ["reason"], "Sign-ins that a wrong answer of the provider's ended.");

/// Sign-ins that the provider refused.
pub(crate) const SIGN_IN_REFUSED: Metric<Counter, 1> = Metric::new(
    "candor_sign_in_refused_total",
    ["objection"],
    "Sign-ins that the provider refused, by what it objects to: the person, or what is asked for.",
);

/// Tokens that brought a key of their own.
pub(crate) const TOKEN_BROUGHT_KEY: Metric<Counter, 0> = Metric::new(
    "candor_token_brought_key_total",
    [],
    "Header members of tokens that name a key of the token's own, which nobody uses.",
);

/// Alarms.
pub(crate) const ALARMS: Metric<Counter, 1> =
    Metric::new("candor_alarms_total", ["alarm"], "Alarms: each wants somebody to look.");

/// Whether nobody knows which reading of the time is right.
pub(crate) const CLOCK_IN_DOUBT: Metric<Gauge, 0> =
    Metric::new("candor_clock_in_doubt", [], "1 while nobody knows which reading of the time is right, else 0.");

/// Whether the wall clock is known to be wrong.
pub(crate) const CLOCK_WALL_CONTRADICTED: Metric<Gauge, 0> = Metric::new(
    "candor_clock_wall_contradicted",
    [],
    "1 while a provider has said that the wall clock is wrong and the anchor counts, else 0.",
);

/// Tells the recorder what this library's metrics mean. Those without labels begin at zero.
pub fn describe() {
    AUTHENTICATED.describe();
    REJECTED.describe();
    UNAVAILABLE.describe();
    GROUPS_NOT_STATED.describe();
    SIGN_IN_FAILED.describe();
    SIGN_IN_REFUSED.describe();
    TOKEN_BROUGHT_KEY.describe();
    ALARMS.describe();
    CLOCK_IN_DOUBT.describe();
    CLOCK_WALL_CONTRADICTED.describe();
    TOKEN_BROUGHT_KEY.alone().increment(0);
    CLOCK_IN_DOUBT.alone().increment(0.0);
    CLOCK_WALL_CONTRADICTED.alone().increment(0.0);
}

impl<T, const LABELS: usize> Metric<T, LABELS> {
    /// A metric of its own.
    pub const fn new(name: &'static str, labels: [&'static str; LABELS], help: &'static str) -> Self {
        Self { name, labels, help, of: PhantomData }
    }

    /// The labels, each with its value.
    fn labelled(&self, values: [impl Into<SharedString>; LABELS]) -> Vec<Label> {
        self.labels.into_iter().zip(values).map(|(name, value)| Label::new(name, value)).collect()
    }
}

impl<const LABELS: usize> Metric<Counter, LABELS> {
    /// Tells the recorder what it counts.
    pub fn describe(&self) {
        metrics::describe_counter!(self.name, self.help);
    }

    /// The series of these values, which begins at zero. This looks it up: what is counted for every request is looked up
    /// before.
    pub fn with(&self, values: [impl Into<SharedString>; LABELS]) -> Counter {
        metrics::counter!(self.name, self.labelled(values))
    }
}

impl Metric<Counter, 0> {
    /// Its one series, which begins at zero.
    pub fn alone(&self) -> Counter {
        metrics::counter!(self.name)
    }
}

impl<const LABELS: usize> Metric<Gauge, LABELS> {
    /// Tells the recorder what it shows.
    pub fn describe(&self) {
        metrics::describe_gauge!(self.name, self.help);
    }

    /// The series of these values, which begins at zero. This looks it up.
    pub fn with(&self, values: [impl Into<SharedString>; LABELS]) -> Gauge {
        metrics::gauge!(self.name, self.labelled(values))
    }
}

impl Metric<Gauge, 0> {
    /// Its one series, which begins at zero.
    pub fn alone(&self) -> Gauge {
        metrics::gauge!(self.name)
    }
}

impl<const LABELS: usize> Metric<Histogram, LABELS> {
    /// Tells the recorder what it measures.
    pub fn describe(&self) {
        metrics::describe_histogram!(self.name, self.help);
    }

    /// The series of these values. This looks it up: what is measured for every request is looked up before.
    pub fn with(&self, values: [impl Into<SharedString>; LABELS]) -> Histogram {
        metrics::histogram!(self.name, self.labelled(values))
    }
}
