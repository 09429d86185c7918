//! [`AuthLayer`]: the three verdicts for services of your own, built on axum, tonic or plain hyper.
//!
//! What passes carries its [`Principal`](crate::Principal) among the request's extensions; or, where anyone may pass, an
//! [`Unavailable`] if somebody came whom nobody can tell: a service that would turn them away for want of a name answers
//! 503 instead. What does not pass is answered here: 401 or 403 only for a proven refusal, 503 with `Retry-After` for
//! everything that nobody can tell. One of the two files that may put such a status on the wire; the gateway itself has
//! its own. Deliberately absent: bodies, pages, redirects to sign-in.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode,
    header::{AUTHORIZATION, CACHE_CONTROL, COOKIE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use tower::{Layer, Service};

use crate::{
    authenticator::{Authenticator, Credential},
    clock::Clock,
    policy::{Holder, Requirement},
    verdict::{Reason, Rejected, Stop, Unavailable},
};

/// Lets through who meets a requirement. Cheap to clone.
#[derive(Clone)]
pub struct AuthLayer(Arc<Gate>);

/// A service behind an [`AuthLayer`].
#[derive(Clone, Debug)]
pub struct Guarded<S> {
    inner: S,
    gate: AuthLayer,
}

struct Gate {
    authenticator: Authenticator,
    requirement: Requirement,
    clock: Clock,
    cookie: String,
}

type Answering<R, E> = Pin<Box<dyn Future<Output = Result<Response<R>, E>> + Send>>;

impl AuthLayer {
    /// A layer that asks `authenticator` whether a request meets `requirement`. `cookie` is the name of the ticket's
    /// cookie: `__Host-candor`, or `candor` without TLS.
    pub fn new(
        authenticator: Authenticator,
        requirement: Requirement,
        clock: Clock,
        cookie: impl Into<String>,
    ) -> Self {
        Self(Arc::new(Gate { authenticator, requirement, clock, cookie: cookie.into() }))
    }
}

impl Gate {
    /// A bearer of ours wins over the cookie; one that is not ours is left alone.
    fn credential(&self, headers: &HeaderMap) -> Credential {
        let bearer = headers.get(AUTHORIZATION).and_then(|value| bearer(value.to_str().ok()?));
        if let Some(token) = bearer.filter(|token| self.authenticator.recognises_bearer(token)) {
            return Credential::Bearer(token.to_owned().into());
        }
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        match cookies.flat_map(|line| line.split(';')).find_map(|pair| named(pair, &self.cookie)) {
            Some(ticket) => Credential::Ticket(ticket.to_owned().into()),
            None => Credential::None,
        }
    }
}

/// The token of `Bearer TOKEN` (RFC 6750 §2.1); the scheme in any case (RFC 9110 §11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_matches(' '))
}

/// The value of a cookie pair of this name (RFC 6265 §5.4), without unquoting.
fn named<'p>(pair: &'p str, name: &str) -> Option<&'p str> {
    let (of, value) = pair.trim_matches([' ', '\t']).split_once('=')?;
    (of == name).then_some(value)
}

fn answer<R: Default>(stop: &Stop) -> Response<R> {
    let mut response = match stop {
        Stop::Rejected(rejected) => refusal(rejected),
        Stop::Unavailable(unavailable) => outage(unavailable),
    };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// 401 or 403 with its challenge (RFC 6750 §3). Which refusal it was, only the log knows.
fn refusal<R: Default>(rejected: &Rejected) -> Response<R> {
    let (status, challenge) = match rejected.reason() {
        Reason::Missing => (StatusCode::UNAUTHORIZED, "Bearer"),
        Reason::NotPermitted => (StatusCode::FORBIDDEN, r#"Bearer error="insufficient_scope""#),
        Reason::BadSeal
        | Reason::BadSignature
        | Reason::Ended
        | Reason::Expired
        | Reason::Malformed
        | Reason::Revoked
        | Reason::UnknownKey
        | Reason::WrongAudience
        | Reason::WrongIssuer => (StatusCode::UNAUTHORIZED, r#"Bearer error="invalid_token""#),
    };
    let mut response = Response::new(R::default());
    *response.status_mut() = status;
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}

fn outage<R: Default>(unavailable: &Unavailable) -> Response<R> {
    let mut response = Response::new(R::default());
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    // Rounded up: whoever comes sooner is only turned away again.
    let seconds = u64::try_from(unavailable.retry_after.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}

impl<S> Layer<S> for AuthLayer {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner, gate: self.clone() }
    }
}

impl<S, B, R> Service<Request<B>> for Guarded<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Answering<R, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let gate = Arc::clone(&self.gate.0);
        // The service that was found ready is the one to call; its clone waits for the next request.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        Box::pin(async move {
            let credential = gate.credential(request.headers());
            let admission = gate.authenticator.admit(credential, &gate.requirement, gate.clock.now()).await;
            match admission.permit {
                Ok(permit) => {
                    match permit.holder() {
                        Holder::Anyone | Holder::Lapsed => {}
                        Holder::Undecided(unavailable) => _ = request.extensions_mut().insert(unavailable.clone()),
                        Holder::Known(principal) => _ = request.extensions_mut().insert((**principal).clone()),
                    }
                    inner.call(request).await
                }
                Err(stop) => Ok(answer(&stop)),
            }
        })
    }
}

impl fmt::Debug for AuthLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthLayer({:?})", self.0.requirement)
    }
}

#[cfg(test)]
mod tests;
