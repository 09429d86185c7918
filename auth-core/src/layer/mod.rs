//! [`AuthLayer`]: the three verdicts for services of your own, built on axum, tonic or plain hyper.
//!
//! What passes carries its [`Principal`] among the request's extensions, and the [`VerifiedClaims`] of its token; or, where
//! anyone may pass, an [`Unavailable`] if somebody came whom nobody can tell: a service that would turn them away for want
//! of a name answers 503 instead. What does not pass is answered here: over HTTP by [`HttpAnswers`], over gRPC by
//! [`GrpcAnswers`]. Refusals are held back as in the gateway, by its mass-refusal guard. Deliberately absent: pages,
//! redirects to sign-in, and taking a cookie back.

mod answer;
#[cfg(feature = "axum")]
mod extract;
mod gate;
mod grpc;
mod http_answers;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

#[cfg(feature = "axum")]
pub use self::extract::NobodyKnown;
use self::gate::Gate;
pub use self::{
    answer::AnswerWriter,
    grpc::GrpcAnswers,
    http_answers::{HttpAnswers, Problem},
};
use crate::{
    policy::Holder,
    resource_server::{Admitted, Bearer},
    verdict::Unavailable,
};
#[cfg(doc)]
use crate::{principal::Principal, resource_server::VerifiedClaims};

/// Lets through who meets what is asked. Cheap to clone.
#[derive(Clone)]
pub struct AuthLayer<A = HttpAnswers> {
    gate: Arc<Gate>,
    answers: A,
}

/// A service behind an [`AuthLayer`].
#[derive(Clone, Debug)]
pub struct Guarded<S, A = HttpAnswers> {
    inner: S,
    layer: AuthLayer<A>,
}

type Answering<R, E> = Pin<Box<dyn Future<Output = Result<Response<R>, E>> + Send>>;

impl Bearer {
    /// A layer that answers over HTTP: 401 and 403 for a proven refusal, with a challenge (RFC 6750 §3), 503 with
    /// `Retry-After` for all that nobody can tell, 400 for a request whose credentials contradict each other; each with
    /// problem details (RFC 9457), unless [`AuthLayer::body`] writes another body.
    pub fn http(&self) -> AuthLayer {
        AuthLayer { gate: Arc::new(Gate::Bearer(self.clone())), answers: HttpAnswers::default() }
    }

    /// A layer that answers over gRPC: HTTP 200 with `grpc-status` 16 (unauthenticated) or 7 (permission denied) for a
    /// proven refusal, 14 (unavailable) for all that nobody can tell, 3 (invalid argument) for a request whose credentials
    /// contradict each other.
    pub fn grpc(&self) -> AuthLayer<GrpcAnswers> {
        AuthLayer { gate: Arc::new(Gate::Bearer(self.clone())), answers: GrpcAnswers }
    }
}

#[cfg(feature = "sign-in")]
impl AuthLayer {
    /// A layer that asks `authenticator` whether a request meets `requirement`. `cookie` is the name of the ticket's
    /// cookie: `__Host-candor`, or `candor` without TLS.
    ///
    /// A 401 is taken to destroy something at whoever asks, as a display does that forgets its token: so while the
    /// mass-refusal guard has tripped, a refusal that could be a mistake is 503. [`AuthLayer::harm`] says otherwise.
    pub fn new(
        authenticator: crate::Authenticator,
        requirement: crate::Requirement,
        clock: crate::Clock,
        cookie: impl Into<String>,
    ) -> Self {
        let gate = Gate::authenticator(authenticator, requirement, clock, cookie.into());
        Self { gate: Arc::new(gate), answers: HttpAnswers::default() }
    }

    /// The same, where a refusal does this to whoever is shown it. [`Harm::None`](crate::refusal_guard::Harm::None) is for
    /// clients that ask for a sign-in and lose nothing else.
    pub fn harm(self, harm: crate::refusal_guard::Harm) -> Self {
        Self { gate: Arc::new(Arc::unwrap_or_clone(self.gate).harm(harm)), ..self }
    }
}

impl<S, A: Clone> Layer<S> for AuthLayer<A> {
    type Service = Guarded<S, A>;

    fn layer(&self, inner: S) -> Guarded<S, A> {
        Guarded { inner, layer: self.clone() }
    }
}

impl<S, A, B, R> Service<Request<B>> for Guarded<S, A>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    A: AnswerWriter<R> + Clone + Send + Sync + 'static,
    B: Send + 'static,
    R: 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Answering<R, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let layer = self.layer.clone();
        // The service that was found ready is the one to call; its clone waits for the next request.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        Box::pin(async move {
            match layer.gate.admit(request.headers()).await {
                Ok(admitted) => {
                    extend(request.extensions_mut(), admitted);
                    inner.call(request).await
                }
                Err(why) => Ok(layer.answers.answer(&why, layer.gate.scopes())),
            }
        })
    }
}

/// Tells a service who is asking. What stood there before is somebody else's word.
fn extend(extensions: &mut http::Extensions, Admitted { permit, claims }: Admitted) {
    extensions.remove::<crate::Principal>();
    extensions.remove::<crate::VerifiedClaims>();
    extensions.remove::<Unavailable>();
    match permit.holder() {
        Holder::Anyone | Holder::Lapsed => {}
        Holder::Undecided(unavailable) => _ = extensions.insert(unavailable.clone()),
        Holder::Known(principal) => _ = extensions.insert((**principal).clone()),
    }
    if let Some(claims) = claims {
        extensions.insert(claims);
    }
}

#[cfg(feature = "tonic")]
impl<S: tonic::server::NamedService, A> tonic::server::NamedService for Guarded<S, A> {
    const NAME: &'static str = S::NAME;
}

impl<A> fmt::Debug for AuthLayer<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthLayer({:?})", self.gate)
    }
}
