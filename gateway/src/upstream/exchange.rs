//! One attempt of a request at one endpoint, and the head that answers it: deadlines, and whose fault a failure is. Whether
//! there may be another attempt is for [`Attempts`](super::attempts::Attempts).

use std::{error::Error, pin::pin, rc::Rc, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use tokio::time::{Instant, timeout_at};

use super::{
    connection::{Connection, SendError, SendFailure},
    endpoint::{Endpoint, EndpointSlot},
    pool::{CheckedOut, Pools},
    response_fields::trailers_from_upstream,
    tls,
};
use crate::{
    body::{AnswerBody, Body, Upload, UploadFault, UploadState},
    config::UpstreamProtocol,
    fault::{BadRequest, Deadline, Fault},
    limits::Prefix,
};

/// How long each part of an exchange may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadlines {
    pub(super) connect: Duration,
    pub(super) response: Duration,
    pub(super) idle_body: Duration,
}

/// One request, with what each of its attempts needs.
#[derive(Clone, Copy)]
pub(super) struct Exchange<'a> {
    pub(super) pools: &'a Rc<Pools>,
    pub(super) deadlines: Deadlines,
    pub(super) upload: &'a Rc<Upload>,
    /// Whether the request may be sent again: idempotent, without a body, and on a route that allows it.
    pub(super) repeatable: bool,
    /// Whose share of the endpoint's slots it takes; `None`: nobody's in particular.
    pub(super) client: Option<Prefix>,
}

/// What came of an attempt.
pub(super) enum Attempt {
    /// The head of an answer, and the connection that its body comes on.
    Answered(Response<AnswerBody>, Connection),
    /// The client failed, not the endpoint.
    ClientFailed(Fault),
    /// Nothing of the request was written: it may go elsewhere, whatever it is.
    Unsent {
        request: Box<Request<Body>>,
        fault: Fault,
        /// Whether the connection had served before.
        reused: bool,
    },
    /// It was sent, or some of it, and no whole head of an answer came.
    Unanswered {
        fault: Fault,
        /// Whether the connection had served before.
        reused: bool,
        /// Whether it is certain that no byte of an answer came.
        unheard: bool,
    },
}

/// Why no head of an answer came.
enum NoHead {
    Late(Fault),
    Broken(SendFailure),
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
        UploadFault::Rejected => Fault::PermitEnded,
    }
}

impl Exchange<'_> {
    /// Sends the request to `endpoint` and waits for the answer's head: on a connection that idles there unless it must be
    /// `fresh`. If the head comes before the upload is done, the upload goes on beside the answer, but not to an endpoint
    /// that has refused it or is about to close.
    pub(super) async fn attempt(&self, endpoint: &Arc<Endpoint>, request: Request<Body>, fresh: bool) -> Attempt {
        let pooled = if fresh { None } else { self.pools.reuse(endpoint) };
        let attempt = match pooled {
            Some(pooled) => self.over(endpoint, pooled, request).await,
            None => match self.open(endpoint, fresh).await {
                Ok(opened) => self.over(endpoint, opened, request).await,
                Err(fault) => Attempt::Unsent { request: Box::new(request), fault, reused: false },
            },
        };
        if let Attempt::Answered(answer, _) = &attempt
            && (answer.status().as_u16() >= 400 || closes(answer.headers()))
        {
            self.upload.stop();
        }
        attempt
    }

    /// A connection to `endpoint` for this request. One that requests share is opened once for all who wait for it.
    async fn open(&self, endpoint: &Arc<Endpoint>, fresh: bool) -> Result<Connection, Fault> {
        let deadline = Instant::now() + self.deadlines.connect;
        if endpoint.protocol() == UpstreamProtocol::Http1 {
            return Connection::open(endpoint, deadline).await;
        }
        let opening = self.pools.opening(endpoint);
        let late = || Fault::TimedOut(Deadline::Connect, endpoint.at("others wait for the same connection"));
        let _alone = timeout_at(deadline, opening.lock()).await.map_err(|_| late())?;
        if !fresh && let Some(shared) = self.pools.join(endpoint) {
            return Ok(shared);
        }
        let opened = Connection::open(endpoint, deadline).await?;
        self.pools.share(endpoint, &opened);
        Ok(opened)
    }

    /// An answer's body, which occupies `slot` and the connection until it ends.
    pub(super) fn body(&self, incoming: AnswerBody, connection: Connection, slot: EndpointSlot) -> Body {
        let (pools, upload, idle_body) = (self.pools.clone(), self.upload.clone(), self.deadlines.idle_body);
        let held = CheckedOut { pools, connection, slot, upload, idle_body };
        Body::from_upstream(incoming, idle_body, Box::new(held), trailers_from_upstream)
    }

    async fn over(&self, endpoint: &Endpoint, mut connection: Connection, request: Request<Body>) -> Attempt {
        let reused = connection.reused;
        match self.answer(endpoint, &mut connection, request).await {
            Ok(answer) => Attempt::Answered(answer, connection),
            Err(NoHead::Late(fault)) => {
                connection.is_late();
                Attempt::Unanswered { fault, reused, unheard: !connection.heard_anything() }
            }
            Err(NoHead::Broken(SendFailure { unsent, error })) => match (self.blame(endpoint, &error), unsent) {
                (Err(fault), _) => Attempt::ClientFailed(fault),
                (Ok(fault), Some(request)) => Attempt::Unsent { request, fault, reused },
                (Ok(fault), None) => Attempt::Unanswered { fault, reused, unheard: !connection.heard_anything() },
            },
        }
    }

    /// Waits for the head. While the request's body flows, each piece starts the waiting anew; while the client owes the
    /// next piece, its own deadline is the only one.
    async fn answer(
        &self,
        endpoint: &Endpoint,
        connection: &mut Connection,
        request: Request<Body>,
    ) -> Result<Response<AnswerBody>, NoHead> {
        self.upload.restart();
        let mut answer = pin!(connection.send(request, self.upload));
        // The upload may end while we wait, and another deadline count from then on: so no wait is longer than either.
        let look = self.deadlines.response.min(self.deadlines.idle_body);
        let mut next = Instant::now() + look;
        loop {
            if let Ok(answer) = timeout_at(next, answer.as_mut()).await {
                return answer.map_err(NoHead::Broken);
            }
            let now = Instant::now();
            let deadline = match self.upload.state() {
                UploadState::ClientOwes => now + self.limit(),
                _ => self.upload.moved() + self.limit(),
            };
            if deadline <= now {
                return Err(NoHead::Late(Fault::TimedOut(self.late(), endpoint.at(""))));
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

    /// Whose fault it is that a connection failed: the endpoint's, or as an error the client's.
    fn blame(&self, endpoint: &Endpoint, error: &SendError) -> Result<Fault, Fault> {
        match self.upload.state() {
            UploadState::Failed(fault) => Err(of_upload(fault)),
            UploadState::Done | UploadState::Stopped | UploadState::ClientOwes | UploadState::UpstreamOwes => {
                let at = endpoint.at(&whole(error));
                if let Some(how) = tls::fault_behind(error) {
                    return Ok(Fault::ConnectFailed(how, at));
                }
                Ok(if error.is_garbage() { Fault::UpstreamGarbage(at) } else { Fault::UpstreamReset(at) })
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
pub(super) fn copy(request: &Request<Body>) -> Request<Body> {
    let mut copy = Request::new(Body::empty());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy
}
