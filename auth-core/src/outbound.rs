//! The one HTTP client towards identity providers: no redirects, deadlines, caps, and no way into the house.
//!
//! One client a provider, since what is private to one issuer is not to another. A redirect is an answer (its status
//! says so) and is never followed. Deliberately absent: cookies, proxies, retries, decompression.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use url::Url;

/// How a provider is called.
#[derive(Clone, Debug)]
pub struct OutboundPolicy {
    /// Until a connection stands, TLS included.
    pub connect: Duration,
    /// For a whole call, connecting and the body included.
    pub total: Duration,
    /// Certificates (PEM) to trust besides the public ones.
    pub ca: Option<Vec<u8>>,
}

/// A client for one provider. Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub struct Outbound {
    inner: Arc<()>,
}

/// What a provider answered, whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status; 3xx too, since redirects are not followed.
    pub status: StatusCode,
    /// The fields.
    pub headers: HeaderMap,
    /// The body, at most as long as the caller's cap.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// Not https, and not loopback.
    #[error("{0}: only https, or http to loopback")]
    Scheme(String),
    /// The address is one that this provider must not lead to.
    #[error("{0} leads to an address that is not this issuer's to name")]
    Address(String),
    /// No connection, in time or at all; or TLS failed.
    #[error("cannot connect")]
    Connect(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The connection broke.
    #[error("the connection broke")]
    Broke(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The deadline passed.
    #[error("no whole answer within {0:?}")]
    TimedOut(Duration),
    /// The body is longer than the cap, in bytes.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    /// The request could not be made.
    #[error("not a request")]
    Request(#[from] http::Error),
}

/// The extra certificates cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the extra certificates cannot be used: {0}")]
pub struct CaFault(pub String);

impl Default for OutboundPolicy {
    fn default() -> Self {
        Self { connect: Duration::from_secs(2), total: Duration::from_secs(5), ca: None }
    }
}

impl Outbound {
    /// A client for the provider whose issuer this is.
    ///
    /// # Errors
    /// If `policy.ca` holds no certificate.
    pub fn new(issuer: &Url, policy: OutboundPolicy) -> Result<Self, CaFault> {
        let _ = (issuer, policy);
        todo!()
    }

    /// Sends `request`, and reads at most `cap` bytes of the answer's body.
    ///
    /// # Errors
    /// [`OutboundError`], if there is no whole answer in time.
    pub async fn send(&self, request: Request<Vec<u8>>, cap: usize) -> Result<Answer, OutboundError> {
        let _ = (request, cap, &self.inner);
        todo!()
    }

    /// GETs `url` as JSON, at most `cap` bytes.
    ///
    /// # Errors
    /// As [`Outbound::send`].
    pub async fn get(&self, url: &Url, cap: usize) -> Result<Answer, OutboundError> {
        let _ = (url, cap);
        todo!()
    }
}
