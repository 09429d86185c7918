//! What is counted of requests, by route: looked up when a configuration is made, so that no request looks up a name.

use std::sync::Arc;

use metrics::{Counter, Histogram};

use super::{
    access::{AccessLine, Incomplete},
    metrics::{REQUEST_DURATION, REQUESTS, RESPONSE_HEAD, RESPONSES_INCOMPLETE},
};
use crate::fault::AnswerWord;

/// The outcome of a request that got no answer.
pub(super) const UNANSWERED: &str = "unanswered";

/// What is counted of the requests on one route, or of those on none.
pub struct RouteMetrics {
    /// The route's path; empty if this is none.
    pub route: Arc<str>,
    /// Its upstream's name; empty if this is no route.
    pub upstream: Arc<str>,
    answered: [Counter; AnswerWord::ALL.len()],
    unanswered: Counter,
    incomplete: [Counter; Incomplete::ALL.len()],
    duration: Histogram,
    head: Histogram,
}

impl RouteMetrics {
    /// Begins at zero for the route at the path `route`, whose requests go to `upstream`.
    pub fn new(route: &str, upstream: Arc<str>) -> Self {
        let route: Arc<str> = route.into();
        let place = [route.clone(), upstream.clone()];
        let with = |first: &'static str| [Arc::from(first), route.clone(), upstream.clone()];
        Self {
            answered: AnswerWord::ALL.map(|word| REQUESTS.with(with(word.as_str()))),
            unanswered: REQUESTS.with(with(UNANSWERED)),
            incomplete: Incomplete::ALL.map(|by| RESPONSES_INCOMPLETE.with(with(by.as_str()))),
            duration: REQUEST_DURATION.with(place.clone()),
            head: RESPONSE_HEAD.with(place),
            route,
            upstream,
        }
    }

    /// Begins at zero for requests that are on no route.
    pub fn elsewhere() -> Self {
        Self::new("", "".into())
    }

    /// Counts a request that is over.
    pub(super) fn count(&self, line: &AccessLine) {
        match line.answer.map(|word| AnswerWord::ALL.iter().position(|known| *known == word)) {
            Some(Some(at)) => self.answered[at].increment(1),
            Some(None) | None => self.unanswered.increment(1),
        }
        if let Some(at) = line.incomplete.and_then(|by| Incomplete::ALL.iter().position(|known| *known == by)) {
            self.incomplete[at].increment(1);
        }
        // A tunnel lasts as long as it likes: that is no measure of anybody's speed.
        if line.status != Some(101) {
            self.duration.record(line.duration);
        }
        if let Some(head) = line.head {
            self.head.record(head);
        }
    }
}

impl std::fmt::Debug for RouteMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RouteMetrics({:?}, {:?})", self.route, self.upstream)
    }
}
