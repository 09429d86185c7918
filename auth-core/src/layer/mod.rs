//! [`AuthLayer`]: the three verdicts for services of your own, built on axum, tonic or plain hyper.
//!
//! What passes carries its [`Principal`](crate::Principal) among the request's extensions; or, where anyone may pass, an
//! [`Unavailable`] if somebody came whom nobody can tell: a service that would turn them away for want of a name answers
//! 503 instead. What does not pass is answered here: 401 or 403 only for a proven refusal, 503 with `Retry-After` for
//! everything that nobody can tell, 400 for a request whose credentials contradict each other. Credentials are read and
//! refusals are held back as in the gateway: by [`crate::credential`] and the mass-refusal guard of the authenticator. One
//! of the two files that may put such a status on the wire; the gateway itself has its own. Deliberately absent: bodies,
//! pages, redirects to sign-in, and taking a cookie back.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode,
    header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE},
};
use tower::{Layer, Service};

use crate::{
    authenticator::Authenticator,
    clock::Clock,
    credential::{AmbiguousCredentials, CredentialCandidates},
    policy::{Holder, Permit, Requirement},
    refusal_guard::Harm,
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

#[derive(Clone)]
struct Gate {
    authenticator: Authenticator,
    requirement: Requirement,
    clock: Clock,
    cookie: String,
    harm: Harm,
}

/// Why a request goes no further.
enum NotAdmitted {
    Ambiguous(AmbiguousCredentials),
    Stop(Stop),
}

type Answering<R, E> = Pin<Box<dyn Future<Output = Result<Response<R>, E>> + Send>>;

impl AuthLayer {
    /// A layer that asks `authenticator` whether a request meets `requirement`. `cookie` is the name of the ticket's
    /// cookie: `__Host-candor`, or `candor` without TLS.
    ///
    /// A 401 is taken to destroy something at whoever asks, as a display does that forgets its token: so while the
    /// mass-refusal guard has tripped, a refusal that could be a mistake is 503. [`AuthLayer::harm`] says otherwise.
    pub fn new(
        authenticator: Authenticator,
        requirement: Requirement,
        clock: Clock,
        cookie: impl Into<String>,
    ) -> Self {
        Self(Arc::new(Gate { authenticator, requirement, clock, cookie: cookie.into(), harm: Harm::Destroys }))
    }

    /// The same, where a refusal does this to whoever is shown it. [`Harm::None`] is for clients that ask for a sign-in
    /// and lose nothing else.
    pub fn harm(self, harm: Harm) -> Self {
        Self(Arc::new(Gate { harm, ..Arc::unwrap_or_clone(self.0) }))
    }
}

impl Gate {
    async fn admit(&self, headers: &HeaderMap) -> Result<Permit, NotAdmitted> {
        let candidates = CredentialCandidates::read(headers, &self.cookie, self.authenticator.legacy_header())?;
        let credential = self.authenticator.credential(&candidates, &self.requirement)?;
        let admission = self.authenticator.admit(credential, &self.requirement, self.harm, self.clock.now()).await;
        admission.permit.map_err(NotAdmitted::Stop)
    }
}

fn answer<R: Default>(why: &NotAdmitted) -> Response<R> {
    let mut response = match why {
        NotAdmitted::Stop(Stop::Rejected(rejected)) => refusal(rejected),
        NotAdmitted::Stop(Stop::Unavailable(unavailable)) => outage(unavailable),
        NotAdmitted::Ambiguous(ambiguous) => bad_request(*ambiguous),
    };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// No verdict on anybody, and nothing to forget.
fn bad_request<R: Default>(ambiguous: AmbiguousCredentials) -> Response<R> {
    tracing::info!(%ambiguous, "bad request");
    let mut response = Response::new(R::default());
    *response.status_mut() = StatusCode::BAD_REQUEST;
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
        | Reason::Inactive
        | Reason::Malformed
        | Reason::RefreshRefused
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
            match gate.admit(request.headers()).await {
                Ok(permit) => {
                    match permit.holder() {
                        Holder::Anyone | Holder::Lapsed => {}
                        Holder::Undecided(unavailable) => _ = request.extensions_mut().insert(unavailable.clone()),
                        Holder::Known(principal) => _ = request.extensions_mut().insert((**principal).clone()),
                    }
                    inner.call(request).await
                }
                Err(why) => Ok(answer(&why)),
            }
        })
    }
}

impl From<AmbiguousCredentials> for NotAdmitted {
    fn from(ambiguous: AmbiguousCredentials) -> Self {
        Self::Ambiguous(ambiguous)
    }
}

impl fmt::Debug for AuthLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthLayer({:?})", self.0.requirement)
    }
}

#[cfg(test)]
mod tests;
