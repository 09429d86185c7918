//! Who may pass, and what becomes of a refusal: of ours, and of a denial that an upstream sends somebody we know.

use auth_core::{
    authenticator::{self, Credential},
    policy::{Permit, Requirement},
    refusal_guard::{CredentialId, Ended, Harm},
    verdict::Stop,
};

use super::RequestContext;
use crate::{
    request::RequestHead,
    response::{
        answer::{Answer, Refusal},
        cookies::ClearCookie,
    },
    upstream::VettedResponse,
};

/// Somebody who may pass.
pub(crate) struct Admitted {
    /// The right to forward.
    pub(crate) permit: Permit,
    credential: Option<CredentialId>,
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
        let recognises = |token: &str| self.running.recognises_bearer(token);
        let credential = head.credential(requirement, recognises).map_err(Answer::Fault)?;
        let is_ticket = matches!(credential, Credential::Ticket(_));
        let authenticator::Admission { permit, credential } =
            self.running.admit(credential, requirement, self.now).await;
        match permit {
            Ok(permit) => {
                self.passes_by(&permit);
                Ok(Admitted { permit, credential })
            }
            Err(stop) => Err(self.stopped(stop, harm, credential.filter(|_| is_ticket))),
        }
    }

    /// What a stop answers, and whether the ticket that came with the request may be forgotten: only if it is the very
    /// credential that the refusal ended.
    fn stopped(&self, stop: Stop, harm: Harm, ticket: Option<CredentialId>) -> Answer {
        let guard = &self.gateway.guard;
        match guard.hold(stop, harm, self.now) {
            Stop::Unavailable(unavailable) => Answer::Unavailable(unavailable),
            Stop::Rejected(rejected) => {
                let clear = ticket.and_then(|ticket| {
                    let ended = Ended::Refused(guard.ended_by(&rejected, ticket, self.now)?);
                    ClearCookie::because(&ended, ticket)
                });
                Answer::Refused(Refusal::new(rejected, clear))
            }
        }
    }

    /// An upstream's answer, unless it sends away so many whom we know that it must be mistaken.
    pub(crate) fn vetted(&self, response: VettedResponse, admitted: &Admitted) -> Answer {
        let held_back = match admitted.credential {
            Some(credential) if response.is_denial() => self.gateway.guard.passed_on(credential, self.now).err(),
            _ => None,
        };
        match held_back {
            None => Answer::Upstream(response),
            Some(unavailable) => Answer::Unavailable(unavailable),
        }
    }
}
