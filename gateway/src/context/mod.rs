//! One request while it is being answered: what every step of its life needs, and how its answer becomes a reply.

pub mod arrived;

use auth_core::{
    authenticator::{self, Credential},
    clock::Now,
    policy::{Holder, Permit, Requirement},
    principal::Kind,
    refusal_guard::{CredentialId, Ended, Harm},
    verdict::Stop,
};
use http::Method;

use crate::{
    fault::{ClientKind, Fault},
    request::RequestHead,
    response::{
        answer::{Answer, Recourse, Refusal, Seen},
        cookies::ClearCookie,
        reply::Reply,
    },
    route::{ReturnTo, Route},
    state::{Gateway, Running},
    telemetry::LoggedPrincipal,
    upstream::VettedResponse,
};

/// One request: its head, understood; the configuration that it is served by; the moment that it is judged by.
pub(crate) struct RequestContext<'a> {
    pub(crate) gateway: &'a Gateway,
    pub(crate) running: &'a Running,
    pub(crate) intake: &'a RequestHead,
    pub(crate) now: Now,
}

/// Somebody who may pass.
pub(crate) struct Admitted {
    /// The right to forward.
    pub(crate) permit: Permit,
    credential: Option<CredentialId>,
}

impl RequestContext<'_> {
    /// Lets whoever asks pass if they meet `requirement`. `harm`: what showing them a refusal would do.
    ///
    /// # Errors
    /// The answer to give instead.
    pub(crate) async fn admit(&self, requirement: &Requirement, harm: Harm) -> Result<Admitted, Answer> {
        let recognises = |token: &str| self.running.recognises_bearer(token);
        let credential = self.intake.credential(requirement, recognises).map_err(Answer::Fault)?;
        let is_ticket = matches!(credential, Credential::Ticket(_));
        let authenticator::Admission { permit, credential } =
            self.running.admit(credential, requirement, self.now).await;
        match permit {
            Ok(permit) => Ok(Admitted { permit, credential }),
            Err(stop) => Err(self.stopped(stop, harm, credential.filter(|_| is_ticket))),
        }
    }

    /// What a stop answers, and whether the ticket that came with the request may be forgotten: only if it is the very
    /// credential that the refusal ended.
    fn stopped(&self, stop: Stop, harm: Harm, ticket: Option<CredentialId>) -> Answer {
        let held = &self.gateway.held;
        match held.hold(stop, harm, self.now) {
            Stop::Unavailable(unavailable) => Answer::Unavailable(unavailable),
            Stop::Rejected(rejected) => {
                let forget = ticket.and_then(|ticket| {
                    let ended = Ended::Refused(held.dead(&rejected, ticket, self.now)?);
                    ClearCookie::because(&ended, ticket)
                });
                Answer::Refused(Refusal::new(rejected, forget))
            }
        }
    }

    /// An upstream's answer, unless it sends away so many whom we know that it must be mistaken.
    pub(crate) fn passed(&self, passed: VettedResponse, admitted: &Admitted) -> Answer {
        let held_back = match admitted.credential {
            Some(credential) if passed.is_denial() => self.gateway.held.passed_on(credential, self.now).err(),
            _ => None,
        };
        match held_back {
            None => Answer::Upstream(passed),
            Some(unavailable) => Answer::Unavailable(unavailable),
        }
    }

    /// The reply to a request of which only the head is known.
    pub(crate) fn reply(&self, answer: Answer, asker: ClientKind) -> Reply {
        let place = Recourse { repeatable: is_repeatable(&self.intake.method), ..Recourse::default() };
        Reply { answer, asker, id: self.intake.id, place, seen: self.seen() }
    }

    /// The reply to a request on `route`.
    pub(crate) fn reply_on(&self, route: &Route, admitted: Option<&Admitted>, answer: Answer) -> Reply {
        let place = match &answer {
            // Only these lead anywhere; the others need not know where they are.
            Answer::Refused(_) | Answer::Unavailable(_) | Answer::Fault(Fault::UndecidedIdentity(_)) => {
                self.place(&self.intake.method, self.intake.path.received().as_str(), &route.requirement)
            }
            _ => Recourse { repeatable: is_repeatable(&self.intake.method), ..Recourse::default() },
        };
        let seen = Seen {
            route: Some(route.path.as_str().into()),
            upstream: admitted.map(|_| route.upstream.clone()),
            ..self.seen()
        };
        let seen = match admitted {
            Some(admitted) => admitted.described(seen),
            None => seen,
        };
        Reply { answer, asker: self.intake.asker(route), id: self.intake.id, place, seen }
    }

    /// Where something was asked: `method` and `target` are the request's own, or those that a proxy asks about.
    pub(crate) fn place(&self, method: &Method, target: &str, requirement: &Requirement) -> Recourse {
        let config = &self.running.config;
        let here = ReturnTo::parse(target, &config.server.public_url, &config.own_prefix);
        Recourse {
            repeatable: is_repeatable(method),
            here: here.map(|here| here.as_str().to_owned()),
            sign_in: self.running.site.signs_in() && requirement.may_allow(Kind::User),
        }
    }

    /// What the log says of the request.
    pub(crate) fn seen(&self) -> Seen {
        Seen {
            time: Some(self.now.wall()),
            client: Some(self.intake.arrival.client),
            method: self.intake.method.clone(),
            path: self.intake.path.as_str().to_owned(),
            ..Seen::default()
        }
    }
}

impl Admitted {
    /// The same with who it is, or why we cannot tell, for the log.
    pub(crate) fn described(&self, seen: Seen) -> Seen {
        match self.permit.holder() {
            Holder::Anyone | Holder::Lapsed => seen,
            Holder::Undecided(unavailable) => Seen { undecided: Some(unavailable.clone()), ..seen },
            Holder::Known(principal) => {
                let who = LoggedPrincipal { kind: principal.kind, subject: principal.subject.clone() };
                Seen { principal: Some(who), ..seen }
            }
        }
    }
}

fn is_repeatable(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}
