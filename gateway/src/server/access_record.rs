//! Writes the line of one request, exactly once: when its answer has ended, or when nobody is left to answer.

use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::stream::Stream;
use crate::{
    body::{BodyError, in_words},
    context::{RequestContext, Transfer},
    telemetry::Incomplete,
    upstream::{TunnelEnd, TunnelOutcome},
};

/// The line that a request will have in the access log. Dropping this writes it: whatever ends a request drops this too,
/// be it the end of its answer, of its connection, or of the program.
pub(super) struct AccessRecord {
    context: Rc<RequestContext>,
    stream: Rc<Stream>,
    sent: u64,
    end: Option<AnswerEnd>,
}

/// An answer's body whose end is recorded.
pub(super) struct RecordedBody<B> {
    body: B,
    /// `None`: a 101, whose tunnel has it.
    record: Option<AccessRecord>,
}

enum AnswerEnd {
    Whole,
    Broken(Incomplete, Option<String>),
}

impl AccessRecord {
    /// The record of a request that has just arrived as `stream`.
    pub(super) fn new(context: Rc<RequestContext>, stream: Rc<Stream>) -> Self {
        Self { context, stream, sent: 0, end: None }
    }

    /// Records how `response` goes to the client.
    pub(super) fn of<B: HttpBody>(mut self, response: Response<B>) -> Response<RecordedBody<B>> {
        let status = response.status();
        let has_no_body = self.context.method() == Method::HEAD
            || status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
            || response.body().is_end_stream();
        if has_no_body {
            // It is dropped unread, and its head is all that there is (RFC 9110 §6.4.1).
            self.ends(AnswerEnd::Whole);
        }
        response.map(|body| RecordedBody { body, record: Some(self) })
    }

    /// Records how a tunnel ended, and is written with this.
    pub(super) fn of_tunnel(mut self, outcome: &TunnelOutcome) {
        self.sent = outcome.sent;
        self.context.received().set(outcome.received);
        self.ends(match &outcome.end {
            TunnelEnd::Whole => AnswerEnd::Whole,
            TunnelEnd::Client => AnswerEnd::Broken(Incomplete::Client, None),
            TunnelEnd::Upstream => AnswerEnd::Broken(Incomplete::Upstream, None),
            TunnelEnd::Idle => AnswerEnd::Broken(Incomplete::Idle, None),
            TunnelEnd::Rejected(rejected) => AnswerEnd::Broken(Incomplete::Rejected, Some(in_words(rejected))),
            TunnelEnd::Shutdown => AnswerEnd::Broken(Incomplete::Shutdown, None),
        });
    }

    /// What is known first stands.
    fn ends(&mut self, end: AnswerEnd) {
        self.end.get_or_insert(end);
    }

    /// Why an answer has no end, if nothing has said so.
    fn cut_by(&self) -> Incomplete {
        let serving = self.context.gateway.is_ready();
        match self.stream.ended_by(serving) {
            Some(by) => by,
            None if serving => Incomplete::Internal,
            None => Incomplete::Shutdown,
        }
    }
}

impl<B> RecordedBody<B> {
    /// A body that says nothing: of a 101.
    pub(super) fn unrecorded(body: B) -> Self {
        Self { body, record: None }
    }
}

impl AnswerEnd {
    fn of(error: &BodyError) -> Self {
        let by = match error {
            BodyError::Client(_) => Incomplete::Client,
            BodyError::UpstreamBroken(_) => Incomplete::Upstream,
            BodyError::UpstreamStalled(_) => Incomplete::UpstreamIdle,
            BodyError::Rejected(_) => Incomplete::Rejected,
        };
        Self::Broken(by, Some(error.to_string()))
    }
}

impl Drop for AccessRecord {
    fn drop(&mut self) {
        let (incomplete, detail) = match self.end.take() {
            Some(AnswerEnd::Whole) => (None, None),
            Some(AnswerEnd::Broken(by, detail)) => (Some(by), detail),
            None => (Some(self.cut_by()), None),
        };
        self.context.log(Transfer { sent: self.sent, incomplete, detail });
    }
}

impl<B: HttpBody<Data = Bytes, Error = BodyError> + Unpin> HttpBody for RecordedBody<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        let whole = self.body.is_end_stream();
        if let Some(record) = &mut self.record {
            match &frame {
                Some(Ok(piece)) => record.sent += piece.data_ref().map_or(0, Bytes::len) as u64,
                Some(Err(error)) => record.ends(AnswerEnd::of(error)),
                None => record.ends(AnswerEnd::Whole),
            }
            if whole {
                record.ends(AnswerEnd::Whole);
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
