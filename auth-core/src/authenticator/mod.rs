//! A credential in, a verdict out; or a permit, by [`Authenticator::admit`].

mod watch;

use std::{fmt, future::Future, pin::pin, sync::Arc, task::Poll};

use http::HeaderName;

pub use self::watch::PermitWatch;
use crate::{
    bearer::Bearers,
    clock::Now,
    credential::{
        AmbiguousCredentials, Credential, CredentialCandidates, CredentialId, CredentialText, IsKnown,
        OpaqueCredential, TokenOrigin, UnsupportedCredential,
    },
    dependency::Dependency,
    device::{Devices, legacy::Adoption},
    policy::{Permit, Requirement, permit},
    principal::{Kind, Principal},
    refusal_guard::{EndedCredential, Harm, RefusalGuard},
    revocations::Revocations,
    session::{OpenedTicket, RenewalWait, Sessions, Ticket},
    verdict::{Reason, Stop, Unavailable, Verdict},
    verdict_log::VerdictLog,
};

/// A verdict, and which credential it is about.
#[derive(Debug)]
#[must_use]
pub struct Outcome {
    /// The verdict.
    pub verdict: Verdict,
    /// The credential that was shown; `None` if none was.
    pub credential: Option<CredentialId>,
    /// The ticket to keep in place of the one that was shown, if its session was renewed.
    pub renewed: Option<Ticket>,
}

/// A permit, or why there is none, and which credential it was asked for.
#[derive(Debug)]
#[must_use]
pub struct Admission {
    /// The permit, or the stop to show.
    pub permit: Result<Permit, Stop>,
    /// The credential that was shown; `None` if none was.
    pub credential: Option<CredentialId>,
    /// The right to forget it: it is a ticket, and the stop ended it.
    pub ended: Option<EndedCredential>,
    /// The ticket to keep in its place, if its session was renewed. It goes out with an answer that no shared cache keeps.
    pub renewed: Option<Ticket>,
}

/// Who shows a credential, and the ticket to keep in its place.
struct Shown {
    principal: Principal,
    renewed: Option<Ticket>,
}

/// Knows tickets, bearer tokens and device tokens. Cheap to clone; one a configuration.
#[derive(Clone)]
pub struct Authenticator(Arc<Parts>);

struct Parts {
    sessions: Sessions,
    bearers: Bearers,
    devices: Option<Devices>,
    revocations: Revocations,
    /// Tokens of before, if such are adopted.
    adoption: Option<Adoption>,
    log: VerdictLog,
}

impl Authenticator {
    /// An authenticator over these parts. Takes its counters now, so a metrics recorder is installed before.
    pub fn new(
        sessions: Sessions,
        bearers: Bearers,
        devices: Option<Devices>,
        revocations: Revocations,
        adoption: Option<Adoption>,
        guard: Arc<RefusalGuard>,
    ) -> Self {
        Self(Arc::new(Parts { sessions, bearers, devices, revocations, adoption, log: VerdictLog::new(guard) }))
    }

    /// The field in which tokens of before stand, if such are adopted.
    pub fn legacy_header(&self) -> Option<&HeaderName> {
        self.0.adoption.as_ref().map(Adoption::header)
    }

    /// Which of a request's credentials counts for `requirement`. A bearer token is ours if its issuer, unverified, is
    /// configured, and a device token if it says that it is one.
    ///
    /// # Errors
    /// [`AmbiguousCredentials::TwoTickets`]: a bad request, and no verdict about either.
    pub fn credential(
        &self,
        candidates: &CredentialCandidates,
        requirement: &Requirement,
    ) -> Result<Credential, AmbiguousCredentials> {
        let known = self.0.adoption.as_ref().map(Adoption::tokens);
        let is_known = known.map(|tokens| |token: &CredentialText| tokens.recognises(token));
        let is_known = is_known.as_ref().map(|is_known| is_known as IsKnown<'_>);
        candidates.credential(requirement, |token| self.0.origin(token), is_known)
    }

    /// Who shows this credential. On a route open to anyone nothing is waited for: what cannot be told at once is
    /// Unavailable, and the route forwards without identity, undecided.
    pub async fn ask(&self, credential: Credential, requirement: &Requirement, now: Now) -> Outcome {
        self.ask_about(&credential, requirement, now).await
    }

    async fn ask_about(&self, credential: &Credential, requirement: &Requirement, now: Now) -> Outcome {
        let parts = &self.0;
        let asked = parts.shown(credential, requirement, now);
        let asked =
            if requirement.is_open() { without_waiting(asked, parts.awaits(credential)).await } else { asked.await };
        let (verdict, renewed) = match asked {
            Ok(Shown { principal, renewed }) => (Verdict::Authenticated(principal), renewed),
            Err(stop) => (stop.into(), None),
        };
        parts.log.note(&verdict, credential, requirement, now);
        Outcome { verdict, credential: credential.id(), renewed }
    }

    /// Whether who shows this credential may pass: [`Authenticator::ask`], then [`permit`], counted once. `harm` is what
    /// showing a refusal would do: the mass-refusal guard holds back what destroys, as Unavailable, and decides whether a
    /// ticket that a refusal ended may be forgotten.
    pub async fn admit(&self, credential: Credential, requirement: &Requirement, harm: Harm, now: Now) -> Admission {
        let is_ticket = matches!(credential, Credential::Ticket(_));
        let is_legacy = matches!(credential, Credential::LegacyDevice(_));
        let shown = credential;
        let Outcome { verdict, credential, mut renewed } = self.ask_about(&shown, requirement, now).await;
        let known = matches!(verdict, Verdict::Authenticated(_));
        let stop = match permit(self.0.log.guarded_where_open(verdict, requirement, now), requirement, now) {
            Ok(permit) => return Admission { permit: Ok(permit), credential, ended: None, renewed },
            Err(stop) => stop,
        };
        let stop = match (stop, &shown) {
            (Stop::Unavailable(silent), Credential::Ticket(ticket)) if silent.was_not_asked() => {
                // Boxed: it happens once after a rule has changed.
                match Box::pin(self.0.ask_again(ticket, silent, requirement, now)).await {
                    Ok((permit, ticket)) => {
                        return Admission { permit: Ok(permit), credential, ended: None, renewed: ticket };
                    }
                    Err((stop, ticket)) => {
                        renewed = ticket.or(renewed);
                        stop
                    }
                }
            }
            (stop, _) => stop,
        };
        if known {
            self.0.log.stopped(&stop, now);
        }
        let stop = if is_legacy { self.0.spare(stop, now) } else { self.0.log.guard().hold(stop, harm, now) };
        let ended = match (&stop, credential) {
            (Stop::Rejected(rejected), Some(ticket)) if is_ticket => self.0.log.guard().ended_by(rejected, ticket, now),
            (Stop::Rejected(_) | Stop::Unavailable(_), _) => None,
        };
        Admission { permit: Err(stop), credential, ended, renewed }
    }
}

impl Parts {
    async fn shown(&self, credential: &Credential, requirement: &Requirement, now: Now) -> Result<Shown, Stop> {
        let principal = match credential {
            Credential::None | Credential::Unsupported(_) => return Err(credential.missing()),
            Credential::Ticket(ticket) => {
                let opened = self.sessions.open(ticket, renewal_wait(requirement), now).await?;
                return Ok(Shown { principal: opened.principal, renewed: opened.renewed });
            }
            Credential::Bearer(token) => self.bearer(token, now).await?,
            Credential::DeviceToken(token) => match &self.devices {
                Some(devices) => devices.verify(token, now)?,
                None => {
                    return Err(Unavailable::because(Dependency::Configuration, "no devices are configured").into());
                }
            },
            Credential::LegacyDevice(token) => self.of_before(token, requirement, now).await?,
        };
        Ok(Shown { principal, renewed: None })
    }

    async fn of_before(
        &self,
        token: &OpaqueCredential,
        requirement: &Requirement,
        now: Now,
    ) -> Result<Principal, Stop> {
        let Some(adoption) = &self.adoption else {
            return Err(Credential::Unsupported(UnsupportedCredential::Bearer).missing());
        };
        // Nobody waits there, and nothing is begun for somebody who may pass anyway.
        let verified =
            if requirement.is_open() { adoption.verify_known(token, now) } else { adoption.verify(token, now).await };
        verified.inspect(|who| self.saw(adoption, token, who, now))
    }

    /// Whether who shows a ticket may pass that does not say what the rule asks about, `silent` as it is: by what their
    /// session's row says, or by a renewal. And the ticket that says it.
    async fn ask_again(
        &self,
        ticket: &CredentialText,
        silent: Unavailable,
        requirement: &Requirement,
        now: Now,
    ) -> Result<(Permit, Option<Ticket>), (Stop, Option<Ticket>)> {
        match self.sessions.ask_again(ticket, now).await {
            Ok(Some(OpenedTicket { principal, renewed, .. })) => {
                match permit(Verdict::Authenticated(principal), requirement, now) {
                    Ok(permit) => Ok((permit, renewed)),
                    Err(stop) => Err((stop, renewed)),
                }
            }
            Ok(None) => Err((silent.into(), None)),
            Err(stop) => Err((stop, None)),
        }
    }

    /// Notes once an hour that a device of before was heard of.
    fn saw(&self, adoption: &Adoption, token: &OpaqueCredential, who: &Principal, now: Now) {
        if let (Some(devices), Some(device)) = (&self.devices, &who.device)
            && adoption.tokens().is_first_in_hour(token.text(), now)
        {
            devices.saw(device.id, None, now);
        }
    }

    fn origin(&self, token: &CredentialText) -> TokenOrigin {
        if self.devices.as_ref().is_some_and(|devices| devices.recognises(token)) {
            TokenOrigin::Device
        } else if self.bearers.recognises(token) || (self.takes_opaque() && self.bearers.is_opaque(token)) {
            TokenOrigin::Issuer
        } else {
            TokenOrigin::Elsewhere
        }
    }

    /// Whether an opaque token in `Authorization` can be an issuer's. Where devices of before show theirs in it, it is not:
    /// another's word that it knows no such token would erase them.
    fn takes_opaque(&self) -> bool {
        self.adoption.as_ref().is_none_or(|adoption| *adoption.header() != http::header::AUTHORIZATION)
    }

    /// What `credential` may have to be waited for.
    fn awaits(&self, credential: &Credential) -> Dependency {
        match credential {
            Credential::Bearer(token) if self.bearers.is_opaque(token) => Dependency::Introspection,
            _ => Dependency::Keys,
        }
    }

    /// The stop to show to a device of before, which erases itself on a refusal of any kind: only the row that refuses its
    /// very token is one, and not while the mass-refusal guard holds back anything at all. That it may not pass here is said
    /// in the log.
    fn spare(&self, stop: Stop, now: Now) -> Stop {
        match stop {
            Stop::Rejected(rejected) if rejected.reason() == Reason::NotPermitted => {
                let cause = "a device of before is known and has no access to this address, of which it is not told";
                Unavailable::because(Dependency::OwnJudgement, cause).unsettled().into()
            }
            Stop::Rejected(_) | Stop::Unavailable(_) => self.log.guard().hold_any(stop, now),
        }
    }

    async fn bearer(&self, token: &CredentialText, now: Now) -> Result<Principal, Stop> {
        let mut principal = self.bearers.verify(token, now).await?;
        principal.freshness = principal.freshness.and(self.revocations.judge(&principal, now)?);
        Ok(principal)
    }
}

/// How long a ticket's session may be waited for: nothing is waited for where anyone may pass.
fn renewal_wait(requirement: &Requirement) -> RenewalWait {
    if requirement.is_open() { RenewalWait::Never } else { RenewalWait::Beyond(requirement.max_stale().of(Kind::User)) }
}

/// What `asked` says at once. If it would wait, it is dropped: whatever it began goes on, on the background runtime.
async fn without_waiting(asked: impl Future<Output = Result<Shown, Stop>>, of: Dependency) -> Result<Shown, Stop> {
    let mut asked = pin!(tokio::task::unconstrained(asked));
    std::future::poll_fn(|context| {
        Poll::Ready(match asked.as_mut().poll(context) {
            Poll::Ready(answer) => answer,
            Poll::Pending => {
                // Only a bearer waits there, for its issuer's keys or its issuer's word. A stranger can cause that at will,
                // by a made-up key name or token.
                Err(Unavailable::because(of, "an open route waits for nobody").unsettled().into())
            }
        })
    })
    .await
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authenticator(..)")
    }
}

#[cfg(test)]
pub(crate) mod tests;
