//! Who may pass, and what becomes of a refusal: of ours, and of a denial that an upstream sends somebody we know.

use std::time::Duration;

use auth_core::{
    authenticator::{Admission, PermitWatch},
    credential::CredentialId,
    dependency::Dependency,
    policy::{Holder, Permit, Requirement},
    principal::Principal,
    refusal_guard::{Ended, EndedCredential, Harm},
    verdict::{OrUnavailable as _, Stop, Unavailable},
};
use http::HeaderValue;
use http_body::Body as _;
use secrecy::ExposeSecret as _;

use super::{OpenTunnel, RequestContext};
use crate::{
    body::{Received, Watch},
    fault::{ClientKind, Fault},
    request::RequestHead,
    response::{
        answer::{Answer, Refusal},
        cookies::ClearCookie,
    },
    route::Route,
    upstream::{SMALL, VettedResponse},
};

/// Somebody who may pass.
pub(crate) struct Admitted {
    /// The right to forward.
    pub(crate) permit: Permit,
    credential: Option<CredentialId>,
}

impl Admitted {
    /// Who it is, where the requirement lets nobody pass who is not known.
    ///
    /// # Errors
    /// A mistake of ours: it lets pass.
    pub(crate) fn principal(&self) -> Result<&Principal, Fault> {
        let Holder::Known(principal) = self.permit.holder() else {
            return Err(Fault::Internal("a permit for nobody in particular".into()));
        };
        Ok(principal)
    }
}

impl RequestContext {
    /// Lets whoever asks pass if they meet `requirement`. `harm`: what showing them a refusal would do.
    ///
    /// # Errors
    /// The answer to give instead.
    pub(crate) async fn admit(
        &self,
        head: &RequestHead,
        requirement: &Requirement,
        harm: Harm,
    ) -> Result<Admitted, Answer> {
        let authenticator = &self.running.authenticator;
        let shown = authenticator.credential(&head.credentials, requirement);
        let shown = shown.map_err(|ambiguous| Answer::Fault(Fault::BadRequest(ambiguous.into())))?;
        // What shows a device's token is a device, whoever else may use the route: it is told nothing that would end it.
        let harm = if shown.is_a_devices() {
            self.answer_as(ClientKind::Device);
            ClientKind::Device.harm()
        } else {
            harm
        };
        let admission = authenticator.admit(shown, requirement, harm, self.now).await;
        let Admission { permit, credential, ended, renewed } = admission;
        self.is_renewed(renewed);
        match permit {
            Ok(permit) => {
                self.passes_by(&permit);
                Ok(Admitted { permit, credential })
            }
            Err(stop) => Err(stopped(stop, credential, ended)),
        }
    }

    /// What the route's upstream is handed to ask others by in the name of whoever may pass: the access token of the session
    /// whose ticket they showed, if the route says so. Whoever came without a ticket has none, and nothing is handed on.
    ///
    /// # Errors
    /// It cannot be had. That is no refusal: it says nothing about them.
    pub(crate) async fn access_token(
        &self,
        route: &Route,
        admitted: &Admitted,
    ) -> Result<Option<HeaderValue>, Unavailable> {
        let is_due = route.forward_access_token;
        #[cfg(candor_mutants)]
        let is_due = is_due || auth_core::mutants::is("access-token-on-every-route");
        let principal = match admitted.permit.holder() {
            Holder::Known(principal) if is_due && principal.session.is_some() => principal,
            Holder::Known(_) | Holder::Anyone | Holder::Lapsed | Holder::Undecided(_) => return Ok(None),
        };
        let token = self.running.sessions.access_token(principal, self.now).await?;
        let mut value = HeaderValue::from_str(token.expose_secret()).or_unavailable(Dependency::TokenEndpoint)?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    /// An upstream's answer, unless it sends away so many whom we know that it must be mistaken.
    pub(crate) fn vetted(&self, mut response: VettedResponse, admitted: Admitted) -> Answer {
        let held_back = match admitted.credential {
            Some(credential) if response.is_denial() => self.gateway.guard.passed_on(credential, self.now).err(),
            _ => None,
        };
        match held_back {
            Some(unavailable) => Answer::Unavailable(unavailable),
            None if response.lasts() => {
                let after = self.gateway.watch_policy().bodies_after;
                let watch = self.running.authenticator.watch(admitted.permit, self.client_kind().harm());
                Answer::Upstream(response.watched(self.look(watch, after)))
            }
            None => {
                if let Some(tunnel) = response.take_tunnel() {
                    let watch = self.running.authenticator.watch(admitted.permit, self.client_kind().harm());
                    let watch = self.look(watch, self.gateway.watch_policy().every);
                    self.becomes(OpenTunnel { tunnel, watch });
                }
                Answer::Upstream(response)
            }
        }
    }

    /// Whether who sends a body may go on sending it, if it takes long: one that is read whole before it is sent on, or
    /// none, is not looked at.
    pub(crate) fn watch_upload(&self, admitted: &Admitted, body: &Received) -> Option<Watch> {
        let is_small = body.size_hint().exact().is_some_and(|size| size <= SMALL as u64);
        let harm = self.client_kind().harm();
        let watch = (!is_small).then(|| self.running.authenticator.watch_beside(&admitted.permit, harm))?;
        self.look(watch, self.gateway.watch_policy().bodies_after)
    }

    /// Looks now and then, first `after` a while.
    fn look(&self, watch: Option<PermitWatch>, after: Duration) -> Option<Watch> {
        Some(Watch::new(watch?, self.gateway.clock().clone(), self.gateway.watch_policy(), after))
    }
}

/// What a stop answers, and whether the ticket that came with the request may be forgotten: only if it is the very
/// credential that the refusal ended.
fn stopped(stop: Stop, shown: Option<CredentialId>, ended: Option<EndedCredential>) -> Answer {
    match stop {
        Stop::Unavailable(unavailable) => Answer::Unavailable(unavailable),
        Stop::Rejected(rejected) => {
            let clear = shown.zip(ended).and_then(|(shown, ended)| ClearCookie::because(&Ended::Refused(ended), shown));
            Answer::Refused(Refusal::new(rejected, clear))
        }
    }
}
