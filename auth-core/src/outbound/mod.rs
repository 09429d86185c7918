//! The one HTTP client towards identity providers: no redirects, deadlines, caps, and no way into the house.
//!
//! One client a provider, since what is private to one issuer is not to another. A redirect is an answer (its status
//! says so) and is never followed. Deliberately absent: cookies, proxies, retries, decompression.

pub(crate) mod age;
mod reach;
mod tls;

use std::{error::Error, io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header, uri::Scheme};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use url::Url;

use crate::clock::Clock;
pub use reach::Named;
use reach::{Connector, Reach};
pub use tls::{CaFault, client as tls_client};

/// The longest wait that a provider can ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// How a provider is called.
#[derive(Clone, Debug)]
pub struct OutboundPolicy {
    /// Until a connection stands, TLS included.
    pub connect: Duration,
    /// For a whole call, connecting and the body included.
    pub total: Duration,
    /// Certificates (PEM) to trust besides the public ones.
    pub ca: Option<Vec<u8>>,
    /// What the configuration names for this provider besides its issuer.
    pub named: Vec<Named>,
}

/// A client for one provider. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Outbound {
    client: Client<Connector, Full<Bytes>>,
    reach: Arc<Reach>,
    total: Duration,
    /// Is told what time the provider has.
    clock: Clock,
    issuer: Arc<str>,
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
    /// The address is one that this provider must not lead to.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// No connection, in time or at all; or TLS failed.
    #[error("cannot connect")]
    Connect(#[source] Box<dyn Error + Send + Sync>),
    /// The connection broke.
    #[error("the connection broke")]
    Broke(#[source] Box<dyn Error + Send + Sync>),
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

/// A provider must not lead us there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// Only https; http to loopback hosts alone.
    #[error("{0}: only https, or http to loopback")]
    Scheme(String),
    /// A link-local, or otherwise special, address; or a private one that the configuration does not name, and the
    /// issuer itself is not there.
    #[error("{0} is not in this issuer's reach")]
    Address(String),
}

impl Default for OutboundPolicy {
    fn default() -> Self {
        Self { connect: Duration::from_secs(2), total: Duration::from_secs(5), ca: None, named: Vec::new() }
    }
}

impl Answer {
    /// How long the provider asks to be left alone: `Retry-After` (RFC 9110 §10.2.3), as seconds or as a moment by its
    /// own `Date`, within reason.
    pub fn retry_after(&self) -> Option<Duration> {
        let text = |name| self.headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        let asked = text(header::RETRY_AFTER)?;
        let wait = match asked.parse() {
            Ok(seconds) => Duration::from_secs(seconds),
            Err(_) => {
                let moment = |text| httpdate::parse_http_date(text).ok();
                moment(asked)?.duration_since(moment(text(header::DATE)?)?).ok()?
            }
        };
        Some(wait.min(LONGEST_WAIT))
    }

    /// Whether it blames the request itself: 4xx, but for those that only ask to come back (408, 425, 429).
    pub(crate) fn denies_the_request(&self) -> bool {
        let is_busy =
            matches!(self.status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS);
        self.status.is_client_error() && !is_busy
    }
}

impl Outbound {
    /// A client for the provider whose issuer this is.
    ///
    /// # Errors
    /// If `policy.ca` holds no certificate.
    pub fn new(issuer: &Url, policy: OutboundPolicy, clock: Clock) -> Result<Self, CaFault> {
        let OutboundPolicy { connect, total, ca, named } = policy;
        let reach = Arc::new(Reach::of(issuer, named));
        let connector = Connector::new(Arc::clone(&reach), &tls::config(ca.as_deref(), clock.clone())?, connect);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(15))
            .pool_max_idle_per_host(4)
            .build(connector);
        Ok(Self { client, reach, total, clock, issuer: issuer.as_str().into() })
    }

    /// Sends `request`, and reads at most `cap` bytes of the answer's body. The `Date` of one that TLS vouches for tells
    /// the clock what time it is.
    ///
    /// # Errors
    /// [`OutboundError`], if there is no whole answer in time.
    pub async fn send(&self, request: Request<Vec<u8>>, cap: usize) -> Result<Answer, OutboundError> {
        self.reach.allows_uri(request.uri())?;
        let (vouched, begun) = (request.uri().scheme() == Some(&Scheme::HTTPS), self.clock.now().steady());
        let request = request.map(|body| Full::new(Bytes::from(body)));
        let whole = async {
            let answer = self.client.request(request).await.map_err(fault)?;
            let (head, body) = answer.into_parts();
            let took = self.clock.now().steady().since(begun);
            if let Some(witness) = age::witness(&head.headers, took).filter(|_| vouched) {
                self.clock.hear(witness, &self.issuer);
            }
            let body = Limited::new(body, cap).collect().await.map_err(|broken| body_fault(broken, cap))?;
            Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes() })
        };
        tokio::time::timeout(self.total, whole).await.unwrap_or(Err(OutboundError::TimedOut(self.total)))
    }

    /// GETs `url` as JSON, at most `cap` bytes.
    ///
    /// # Errors
    /// As [`Outbound::send`].
    pub async fn get(&self, url: &Url, cap: usize) -> Result<Answer, OutboundError> {
        let request = Request::get(url.as_str())
            .header(header::ACCEPT, "application/json, application/jwk-set+json")
            // What a cache has is what we have (RFC 9111 §5.2.1.4).
            .header(header::CACHE_CONTROL, "no-cache")
            .header(header::USER_AGENT, concat!("candor/", env!("CARGO_PKG_VERSION")))
            .body(Vec::new())?;
        self.send(request, cap).await
    }
}

fn fault(error: hyper_util::client::legacy::Error) -> OutboundError {
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(inner) = cause {
        // The resolver's errors are I/O errors, which hold their cause without naming it as their source.
        let held = inner.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(forbidden) = held.and_then(|held| held.downcast_ref::<Forbidden>()) {
            return forbidden.clone().into();
        }
        cause = inner.source();
    }
    if error.is_connect() { OutboundError::Connect(error.into()) } else { OutboundError::Broke(error.into()) }
}

fn body_fault(error: Box<dyn Error + Send + Sync>, cap: usize) -> OutboundError {
    if error.is::<LengthLimitError>() { OutboundError::TooLong(cap) } else { OutboundError::Broke(error) }
}

#[cfg(test)]
mod tests;
