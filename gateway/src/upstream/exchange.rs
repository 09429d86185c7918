//! One attempt of a request at one endpoint, and the head that answers it: deadlines, whose fault a failure is, and the one
//! rule that says whether there may be another attempt. Where that one goes is for [`Upstream`](super::Upstream).

use std::{error::Error, pin::pin, rc::Rc, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

use super::{
    connection::{Connection, SendFailure},
    endpoint::Endpoint,
    pool::Pools,
    tls,
};
use crate::{
    body::{Body, Upload, UploadFault, UploadState},
    fault::{BadRequest, Deadline, Fault},
};

/// How long each part of an exchange may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadlines {
    pub(super) connect: Duration,
    pub(super) response: Duration,
    pub(super) idle_body: Duration,
}

/// One request, from its first attempt to the head of its answer.
pub(super) struct Exchange<'a> {
    pub(super) pools: &'a Rc<Pools>,
    pub(super) deadlines: Deadlines,
    pub(super) upload: &'a Rc<Upload>,
    /// Whether the request may be sent again: idempotent, and without a body.
    pub(super) repeatable: bool,
}

/// What came of an attempt that did not fail.
pub(super) enum Attempt {
    Answered(Response<Incoming>, Connection),
    /// The endpoint had closed an idle connection, and the request may go once more.
    Again(Box<Request<Body>>),
}

/// Whether a request with this method may be repeated without harm (RFC 9110 §9.2.2).
pub(super) fn is_idempotent(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE)
}

/// Whether what a body on such a request means is defined (RFC 9110 §9.3): a server that expects none may leave it
/// unread.
pub(super) fn expects_a_body(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::DELETE | Method::OPTIONS | Method::TRACE | Method::CONNECT)
}

/// Whether a head says that its connection ends with it.
fn closes(headers: &HeaderMap) -> bool {
    let options = headers.get_all(header::CONNECTION).iter().filter_map(|value| HeaderValue::to_str(value).ok());
    options.flat_map(|value| value.split(',')).any(|option| option.trim().eq_ignore_ascii_case("close"))
}

/// Whose fault it is that a request's body ended before its time.
pub(super) fn of_upload(fault: UploadFault) -> Fault {
    match fault {
        UploadFault::Broken => Fault::BadRequest(BadRequest::BodyBroken),
        UploadFault::Stalled => Fault::BadRequest(BadRequest::BodyStalled),
        UploadFault::TooLarge => Fault::BodyTooLarge,
    }
}

impl Exchange<'_> {
    /// Sends the request to `endpoint` and waits for the answer's head: on a connection that idles there if it is the
    /// `first` attempt, and else on a new one, since an endpoint that closed one has likely closed them all. If the head
    /// comes before the upload is done, the upload goes on beside the answer, but not to an endpoint that has refused it or
    /// is about to close.
    ///
    /// # Errors
    /// A fault: the client's if its body failed, else the endpoint's.
    pub(super) async fn attempt(
        &self,
        endpoint: &Arc<Endpoint>,
        request: Request<Body>,
        first: bool,
    ) -> Result<Attempt, Fault> {
        let pooled = if first { self.pools.reuse(endpoint) } else { None };
        let attempt = match pooled {
            Some(pooled) => self.on_pooled(endpoint, pooled, request).await?,
            None => self.on_new(endpoint, request).await?,
        };
        if let Attempt::Answered(answer, _) = &attempt
            && (answer.status().as_u16() >= 400 || closes(answer.headers()))
        {
            self.upload.stop();
        }
        Ok(attempt)
    }

    async fn on_new(&self, endpoint: &Endpoint, request: Request<Body>) -> Result<Attempt, Fault> {
        let mut fresh = Connection::open(endpoint, Instant::now() + self.deadlines.connect).await?;
        match self.answer(endpoint, &mut fresh, request).await? {
            Ok(answer) => Ok(Attempt::Answered(answer, fresh)),
            Err(failure) => Err(self.blame(endpoint, &failure.error)),
        }
    }

    /// Tries a connection that has served before, and that the endpoint may have closed meanwhile.
    async fn on_pooled(
        &self,
        endpoint: &Arc<Endpoint>,
        mut pooled: Connection,
        request: Request<Body>,
    ) -> Result<Attempt, Fault> {
        let again = self.repeatable.then(|| Box::new(copy(&request)));
        match (self.answer(endpoint, &mut pooled, request).await?, again) {
            (Ok(answer), _) => Ok(Attempt::Answered(answer, pooled)),
            // Nothing of it was written, so that this is no replay.
            (Err(SendFailure { unsent: Some(unsent), .. }), _) => Ok(Attempt::Again(unsent)),
            (Err(SendFailure { stale: true, .. }), Some(again)) if self.pools.may_replay(endpoint) => {
                Ok(Attempt::Again(again))
            }
            (Err(failure), _) => Err(self.blame(endpoint, &failure.error)),
        }
    }

    /// Waits for the head. While the request's body flows, each piece starts the waiting anew; while the client owes the
    /// next piece, its own deadline is the only one.
    async fn answer(
        &self,
        endpoint: &Endpoint,
        connection: &mut Connection,
        request: Request<Body>,
    ) -> Result<Result<Response<Incoming>, SendFailure>, Fault> {
        self.upload.restart();
        let mut answer = pin!(connection.send(request, self.upload));
        // The upload may end while we wait, and another deadline count from then on: so no wait is longer than either.
        let look = self.deadlines.response.min(self.deadlines.idle_body);
        let mut next = Instant::now() + look;
        loop {
            if let Ok(answer) = timeout_at(next, answer.as_mut()).await {
                return Ok(answer);
            }
            let now = Instant::now();
            let deadline = match self.upload.state() {
                UploadState::ClientOwes => now + self.limit(),
                _ => self.upload.moved() + self.limit(),
            };
            if deadline <= now {
                return Err(Fault::TimedOut(self.late(), endpoint.at("")));
            }
            next = deadline.min(now + look);
        }
    }

    fn limit(&self) -> Duration {
        match self.upload.state() {
            UploadState::Done | UploadState::Stopped | UploadState::Failed(_) => self.deadlines.response,
            UploadState::ClientOwes | UploadState::UpstreamOwes => self.deadlines.idle_body,
        }
    }

    fn late(&self) -> Deadline {
        match self.upload.state() {
            UploadState::Done | UploadState::Stopped | UploadState::Failed(_) => Deadline::ResponseHead,
            UploadState::ClientOwes | UploadState::UpstreamOwes => Deadline::RequestBody,
        }
    }

    /// Whose fault it is that a connection failed.
    fn blame(&self, endpoint: &Endpoint, error: &hyper::Error) -> Fault {
        match self.upload.state() {
            UploadState::Failed(fault) => of_upload(fault),
            UploadState::Done | UploadState::Stopped | UploadState::ClientOwes | UploadState::UpstreamOwes => {
                let at = endpoint.at(&whole(error));
                if let Some(how) = tls::fault_behind(error) {
                    return Fault::ConnectFailed(how, at);
                }
                if error.is_parse() { Fault::UpstreamGarbage(at) } else { Fault::UpstreamReset(at) }
            }
        }
    }
}

/// An error with its causes: hyper's own sentence often says no more than that something failed.
fn whole(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        text.push_str(": ");
        text.push_str(&deeper.to_string());
        cause = deeper.source();
    }
    text
}

/// The same request once more, which has no body.
fn copy(request: &Request<Body>) -> Request<Body> {
    let mut copy = Request::new(Body::empty());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy
}
