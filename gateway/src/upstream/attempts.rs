//! One request's attempts: what becomes of each, and whether there may be another.
//!
//! The one rule: what was not sent may go elsewhere, whatever it is. What was sent goes once more only where that is
//! harmless, where no byte of an answer came or the answer was disputed, within the endpoint's budget, and where there is
//! hope: at another endpoint that is healthy, or at this one if it answers well at times. Which endpoint that is, is for
//! [`Upstream`].

use std::{
    ops::ControlFlow::{self, Break, Continue},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header, response};
use http_body_util::BodyExt;
use tokio::{
    task::spawn_local,
    time::{Instant, timeout},
};

use super::{
    Upstream,
    affinity::AffinityKey,
    attempt_report::{AttemptReport, EndpointFailure},
    choice::Wish,
    connection::Connection,
    endpoint::{Endpoint, EndpointSlot},
    exchange::{Attempt, Exchange, copy},
    metrics::RepeatReason,
    vetting::VettedHead,
};
use crate::{
    body::{AnswerBody, Body, Upload},
    fault::Fault,
};

/// How much of an answer that nobody gets is read, so that its connection can serve again.
const DRAIN: usize = 64 * 1024;

/// And for how long: until then it occupies a place on its endpoint.
const DRAIN_FOR: Duration = Duration::from_secs(1);

/// Vets the head of an answer that came from the endpoint of this name.
pub(super) type Judge<'a> = &'a dyn Fn(&Arc<str>, response::Parts) -> Result<VettedHead, Fault>;

/// An answer that was vetted, and its body, which occupies a place at its endpoint until it ends.
pub(super) struct Answered {
    pub(super) head: VettedHead,
    pub(super) body: Body,
    /// Whose answer it is.
    pub(super) endpoint: Arc<Endpoint>,
    /// What a 101 was answered on.
    pub(super) switched: Option<Switched>,
}

/// A connection that speaks another protocol from here on, and the slot that it occupies.
pub(super) struct Switched {
    pub(super) connection: Connection,
    pub(super) slot: EndpointSlot,
}

/// One request on its way.
pub(super) struct Attempts<'a> {
    upstream: &'a Upstream,
    exchange: Exchange<'a>,
    judge: Judge<'a>,
    /// Where its session is.
    key: Option<AffinityKey>,
    /// That of the attempt under way.
    upload: Rc<Upload>,
    begun: Instant,
    /// Whether it may yet be sent a second time.
    repeatable: bool,
    /// Whether the next attempt takes no connection that idles.
    fresh: bool,
    /// The endpoints that it does not go to any more.
    tried: Vec<Arc<Endpoint>>,
    /// The endpoint that it goes to once more, and to no other.
    pub(super) only: Option<Arc<Endpoint>>,
}

/// What comes after an attempt: nothing, since this came of it; or another with this request, at the same endpoint if the
/// slot there is kept.
pub(super) type AfterAttempt = ControlFlow<Result<Answered, Fault>, (Box<Request<Body>>, Option<EndpointSlot>)>;

impl<'a> Attempts<'a> {
    pub(super) fn new(
        upstream: &'a Upstream,
        exchange: Exchange<'a>,
        judge: Judge<'a>,
        key: Option<AffinityKey>,
    ) -> Self {
        Self {
            upstream,
            judge,
            key,
            upload: exchange.upload.clone(),
            begun: Instant::now(),
            repeatable: exchange.repeatable,
            fresh: false,
            tried: Vec::new(),
            only: None,
            exchange,
        }
    }

    /// What is asked of the choice for the next one.
    pub(super) fn wish(&self) -> Wish<'_> {
        let client = self.exchange.client;
        Wish { tried: &self.tried, repeatable: self.repeatable, key: self.key.as_ref(), client }
    }

    /// Until when a place for the next one is waited for.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.exchange.deadlines.connect
    }

    /// Sends `request` to the endpoint of `slot`.
    pub(super) async fn attempt(&mut self, request: Request<Body>, slot: EndpointSlot) -> AfterAttempt {
        let endpoint = slot.endpoint().clone();
        let again = self.repeatable.then(|| Box::new(copy(&request)));
        let report = AttemptReport::begin(&endpoint);
        let exchange = Exchange { upload: &self.upload, ..self.exchange };
        let attempt = exchange.attempt(&endpoint, request, self.fresh).await;
        match attempt {
            Attempt::Answered(response, connection) => self.answered((response, connection), slot, report, again),
            Attempt::ClientFailed(fault) => Break(Err(fault)),
            // The endpoint had closed an idle connection, as it may: a new one tells whether it is there.
            Attempt::Unsent { request, reused: true, .. } => {
                self.fresh = true;
                Continue((request, Some(slot)))
            }
            Attempt::Unsent { request, fault, reused: false } => {
                report.fault(&fault);
                drop(slot);
                self.unreachable(endpoint, request, fault)
            }
            Attempt::Unanswered { fault, reused, unheard } => {
                let is_late = matches!(fault, Fault::TimedOut(..));
                match again {
                    Some(again) if reused && unheard && !is_late => self.idle_was_closed(again, fault, slot, report),
                    again => {
                        report.fault(&fault);
                        drop(slot);
                        let again =
                            again.filter(|_| unheard && self.may_repeat(&endpoint, !is_late, RepeatReason::Failed));
                        again.map_or(Break(Err(fault)), |again| Continue((again, None)))
                    }
                }
            }
        }
    }

    /// Nothing was sent. Each of the others may be tried, for as long as connecting may take.
    fn unreachable(&mut self, endpoint: Arc<Endpoint>, request: Box<Request<Body>>, fault: Fault) -> AfterAttempt {
        self.tried.push(endpoint);
        self.only = None;
        let in_time = Instant::now() < self.begun + self.exchange.deadlines.connect;
        // Where connecting has taken all the time that there is, one more may be tried, and no third.
        let may_go_on = in_time || self.tried.len() == 1;
        if may_go_on && self.tried.len() < self.upstream.endpoints.len() {
            Continue((request, None))
        } else {
            Break(Err(fault))
        }
    }

    /// The endpoint closed a connection that had served before, just as this was sent. That says nothing about it.
    fn idle_was_closed(
        &mut self,
        again: Box<Request<Body>>,
        fault: Fault,
        slot: EndpointSlot,
        report: AttemptReport,
    ) -> AfterAttempt {
        if !self.is_within_budget(slot.endpoint(), RepeatReason::IdleClosed) {
            report.fault(&fault);
            return Break(Err(fault));
        }
        self.begin_again();
        Continue((again, Some(slot)))
    }

    fn answered(
        &mut self,
        (answer, connection): (Response<AnswerBody>, Connection),
        slot: EndpointSlot,
        report: AttemptReport,
        again: Option<Box<Request<Body>>>,
    ) -> AfterAttempt {
        let (head, incoming) = answer.into_parts();
        // Who asks to be left alone for a while is not asked again at once.
        let failed =
            EndpointFailure::by_status(head.status).filter(|_| !head.headers.contains_key(header::RETRY_AFTER));
        let (endpoint, status) = (slot.endpoint().clone(), head.status);
        let (body, switched) = if status == StatusCode::SWITCHING_PROTOCOLS {
            (Body::empty(), Some(Switched { connection, slot }))
        } else {
            (Exchange { upload: &self.upload, ..self.exchange }.body(incoming, connection, slot), None)
        };
        let judged = (self.judge)(endpoint.name(), head);
        let reason = match &judged {
            Ok(_) => {
                report.answered(status);
                failed.map(|_| RepeatReason::Failed)
            }
            Err(fault) => {
                report.fault(fault);
                matches!(fault, Fault::DisputedIdentity(_)).then_some(RepeatReason::Disputed)
            }
        };
        let upload = self.upload.clone();
        let again = again.filter(|_| reason.is_some_and(|reason| self.may_repeat(&endpoint, true, reason)));
        let next = match (again, judged) {
            (None, Ok(head)) => return Break(Ok(Answered { head, body, endpoint, switched })),
            (None, Err(fault)) => Break(Err(fault)),
            (Some(again), _) => Continue((again, None)),
        };
        upload.stop();
        spawn_local(timeout(DRAIN_FOR, discard(body)));
        next
    }

    /// Whether a request that `endpoint` has failed may go once more: elsewhere, or `here` if the endpoint answers well at
    /// times. If so, it will.
    fn may_repeat(&mut self, endpoint: &Arc<Endpoint>, here: bool, reason: RepeatReason) -> bool {
        let now = Instant::now();
        // No other endpoint knows the session of who belongs here.
        let elsewhere = self.key.is_none() && self.upstream.has_another(endpoint, &self.tried, now);
        let is_hopeful = elsewhere || here && endpoint.succeeded_lately(now);
        if !is_hopeful || !self.is_within_budget(endpoint, reason) {
            return false;
        }
        self.begin_again();
        if elsewhere {
            self.tried.push(endpoint.clone());
        } else {
            self.only = Some(endpoint.clone());
        }
        true
    }

    fn is_within_budget(&self, endpoint: &Arc<Endpoint>, reason: RepeatReason) -> bool {
        let may = self.exchange.pools.may_replay(endpoint);
        self.upstream.metrics.count_repeat(reason, may);
        may
    }

    /// The next attempt is the second of a request without a body, and its last: on a new connection, since an endpoint
    /// that closed one has likely closed them all.
    fn begin_again(&mut self) {
        (self.repeatable, self.fresh, self.upload) = (false, true, Upload::of_nothing());
    }
}

/// Reads a little of an answer that nobody gets, so that its connection can serve again.
async fn discard(mut body: Body) {
    let mut left = DRAIN;
    while let Some(Ok(frame)) = body.frame().await {
        match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}
