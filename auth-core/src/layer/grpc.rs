//! AnswerWriter over gRPC: HTTP 200, and the status in a head without trailers ("Trailers-Only").

use std::sync::Arc;

use http::{
    HeaderName, HeaderValue, Response,
    header::{CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE},
};

use super::answer::{AnswerWriter, Answered, sealed::Sealed};
use crate::resource_server::NotAdmitted;

/// AnswerWriter over gRPC.
#[derive(Clone, Copy, Debug)]
pub struct GrpcAnswers;

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
/// When a client that tries again by itself may do so, in milliseconds.
const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

impl Sealed for GrpcAnswers {}

impl<R: Default> AnswerWriter<R> for GrpcAnswers {
    fn answer(&self, why: &NotAdmitted, scopes: &[Arc<str>]) -> Response<R> {
        let answered = Answered::of(why);
        let mut response = Response::new(R::default());
        let fields = response.headers_mut();
        fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        fields.insert(STATUS, HeaderValue::from_static(answered.grpc_status()));
        fields.insert(MESSAGE, HeaderValue::from_static(answered.word()));
        if let Some(challenge) = answered.challenge(scopes) {
            fields.insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = answered.retry_after() {
            fields.insert(PUSHBACK, HeaderValue::from(seconds.saturating_mul(1000)));
        }
        response
    }
}
