//! A credential in, a verdict out; or a permit, by [`Authenticator::admit`].

mod counts;

use std::{fmt, future::Future, pin::pin, sync::Arc, task::Poll};

use secrecy::{ExposeSecret, SecretString};

use self::counts::Counts;
use crate::{
    bearer::Bearers,
    clock::Now,
    dependency::Dependency,
    policy::{Permit, Requirement, permit},
    principal::Principal,
    refusal_guard::{CredentialId, Harm, RefusalGuard},
    revocations::Revocations,
    session::Sessions,
    verdict::{Detail, Proof, Reason, Rejected, Stop, Unavailable, Verdict},
};

/// What a request brought to show who sends it.
#[derive(Clone, Default)]
pub enum Credential {
    /// Nothing that is ours.
    #[default]
    None,
    /// Our session cookie's value.
    Ticket(SecretString),
    /// A bearer token (RFC 6750 §2.1) whose issuer is configured.
    Bearer(SecretString),
}

/// A verdict, and which credential it is about.
#[derive(Debug)]
#[must_use]
pub struct Outcome {
    /// The verdict.
    pub verdict: Verdict,
    /// The credential that was shown; `None` if none was.
    pub credential: Option<CredentialId>,
}

/// A permit, or why there is none, and which credential it was asked for.
#[derive(Debug)]
#[must_use]
pub struct Admission {
    /// The permit, or the stop.
    pub permit: Result<Permit, Stop>,
    /// The credential that was shown; `None` if none was.
    pub credential: Option<CredentialId>,
}

/// Knows tickets and bearer tokens. Cheap to clone; one a configuration.
#[derive(Clone)]
pub struct Authenticator(Arc<Parts>);

struct Parts {
    sessions: Sessions,
    bearers: Bearers,
    revocations: Revocations,
    held: Arc<RefusalGuard>,
    counts: Counts,
}

/// No credential came with the request.
struct NoCredential;

impl Authenticator {
    /// An authenticator over these parts. Takes its counters now, so a metrics recorder is installed before.
    pub fn new(sessions: Sessions, bearers: Bearers, revocations: Revocations, held: Arc<RefusalGuard>) -> Self {
        Self(Arc::new(Parts { sessions, bearers, revocations, held, counts: Counts::taken() }))
    }

    /// Whether a bearer token is one to judge: its issuer, unverified, is configured.
    pub fn recognises_bearer(&self, token: &str) -> bool {
        self.0.bearers.recognises(token)
    }

    /// Who shows this credential. On a route open to anyone nothing is waited for: what cannot be told at once is
    /// Unavailable, and the route forwards without identity, undecided.
    pub async fn ask(&self, credential: Credential, requirement: &Requirement, now: Now) -> Outcome {
        let parts = &self.0;
        let id = credential.id();
        let asked = match &credential {
            Credential::None => Err(Rejected::proven_by(NoCredential).into()),
            Credential::Ticket(ticket) => {
                parts.sessions.open(ticket.expose_secret(), now).map(|opened| opened.principal)
            }
            Credential::Bearer(token) if requirement.is_open() => without_waiting(parts.bearer(token, now)).await,
            Credential::Bearer(token) => parts.bearer(token, now).await,
        };
        let verdict = asked.map_or_else(Verdict::from, Verdict::Authenticated);
        parts.note(&verdict, id, requirement, now);
        Outcome { verdict, credential: id }
    }

    /// Whether who shows this credential may pass: [`Authenticator::ask`], then [`permit`], counted once.
    pub async fn admit(&self, credential: Credential, requirement: &Requirement, now: Now) -> Admission {
        let Outcome { verdict, credential } = self.ask(credential, requirement, now).await;
        let known = matches!(verdict, Verdict::Authenticated(_));
        let permit = permit(self.held_where_open(verdict, requirement, now), requirement, now);
        if let (true, Err(stop)) = (known, &permit) {
            self.0.counts.stopped(stop, now);
        }
        Admission { permit, credential }
    }

    /// On a route open to anyone no refusal is shown, so that none can be held back there: the upstream's would pass in
    /// its place. So while the mass-refusal guard has tripped, what could be a mistake of ours is not decided.
    fn held_where_open(&self, verdict: Verdict, requirement: &Requirement, now: Now) -> Verdict {
        match verdict {
            Verdict::Rejected(rejected) if requirement.is_open() => {
                self.0.held.hold(rejected.into(), Harm::Destroys, now).into()
            }
            Verdict::Authenticated(_) | Verdict::Rejected(_) | Verdict::Unavailable(_) => verdict,
        }
    }
}

impl Credential {
    /// Names the credential without holding it.
    pub fn id(&self) -> Option<CredentialId> {
        match self {
            Self::None => None,
            Self::Ticket(text) | Self::Bearer(text) => Some(CredentialId::of(text.expose_secret().as_bytes())),
        }
    }
}

impl Parts {
    async fn bearer(&self, token: &SecretString, now: Now) -> Result<Principal, Stop> {
        let mut principal = self.bearers.verify(token.expose_secret(), now).await?;
        principal.freshness = principal.freshness.and(self.revocations.judge(&principal, now)?);
        Ok(principal)
    }

    /// Counts the verdict, tells the mass-refusal guard, and writes the log line that says which and why.
    fn note(&self, verdict: &Verdict, credential: Option<CredentialId>, requirement: &Requirement, now: Now) {
        match (verdict, credential) {
            (Verdict::Authenticated(_), credential) => {
                self.counts.authenticated();
                if let Some(credential) = credential {
                    self.held.accepted(credential, now);
                }
            }
            // Nobody has to show anything on an open route.
            (Verdict::Rejected(_), None) if requirement.is_open() => {}
            (Verdict::Rejected(rejected), credential) => {
                self.counts.rejected(rejected);
                if let Some(credential) = credential {
                    self.held.refused(credential, rejected, now);
                }
            }
            (Verdict::Unavailable(unavailable), _) => self.counts.unavailable(unavailable, now),
        }
    }
}

/// What `asked` says at once. If it would wait, it is dropped: whatever it began goes on, on the keeper.
async fn without_waiting(asked: impl Future<Output = Result<Principal, Stop>>) -> Result<Principal, Stop> {
    let mut asked = pin!(tokio::task::unconstrained(asked));
    std::future::poll_fn(|context| {
        Poll::Ready(match asked.as_mut().poll(context) {
            Poll::Ready(answer) => answer,
            Poll::Pending => {
                // A stranger can cause this at will, by a made-up key name.
                Err(Unavailable::because(Dependency::Keys, "an open route waits for nobody's keys").unsettled().into())
            }
        })
    })
    .await
}

impl Proof for NoCredential {
    fn reason(&self) -> Reason {
        Reason::Missing
    }
    fn detail(&self) -> Detail {
        Detail::new("no credential of ours came with the request")
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Ticket(_) => "Ticket(..)",
            Self::Bearer(_) => "Bearer(..)",
        })
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authenticator(..)")
    }
}

#[cfg(test)]
pub(crate) mod tests;
