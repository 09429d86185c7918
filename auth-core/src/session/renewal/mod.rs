//! Renewal: a session is confirmed at its provider again and again, in the background, by its refresh token.
//!
//! It becomes due at a ticket's `renew_at`. The next request that shows the ticket begins it and does not wait, for as long
//! as `grace`. Later than that, or where a confirmation is missing for longer than the route takes, the request waits for it,
//! at most `wait`. If it cannot be had, the person is served as last known good, as long as the route takes that; then
//! we cannot tell, until the hard expiry. One renewal of a session runs at a time, to its end, whoever goes away.
//!
//! What must not happen is that a refresh token is lost that only the provider's answer held, or that one which we spent
//! ourselves is taken for a refusal. So each attempt writes down first what it is about to spend (an *intent*), and what
//! came of it before anybody is answered: see `attempt`. Where the store fails in between, the new token is kept in memory
//! and written again.
//!
//! A person whom the provider refuses is out. But a provider that was put back from yesterday's backup refuses everybody:
//! beyond a few at once the mass-refusal guard *holds* the others, which end by nobody but an operator: see `refusal`.

mod attempt;
mod confirmed;
mod flights;
mod held;
mod intent;
mod refusal;
mod sql;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use secrecy::{ExposeSecret, SecretString};

pub use self::held::{HeldSession, HeldSessions};
use self::{
    confirmed::ConfirmedSession,
    flights::{RenewalFlights, Standing},
    intent::InstanceId,
};
use super::{OpenedTicket, Sessions, access::AccessTokens, ticket::TicketSchedule};
use crate::{
    background::Background,
    clock::{Clock, Now, Timestamp},
    credential::CredentialText,
    dependency::Dependency,
    jws::MAX_TOKEN,
    principal::{Freshness, SessionId},
    refusal_guard::RefusalGuard,
    verdict::{Rejected, Stop, Unavailable},
};

/// The renewals of a process: those under way, and what must not be forgotten of them. Outlives every configuration. Cheap
/// to clone.
#[derive(Clone)]
pub struct Renewals(Arc<Process>);

struct Process {
    background: Background,
    clock: Clock,
    guard: Arc<RefusalGuard>,
    flights: RenewalFlights,
    access_tokens: AccessTokens,
    /// Which process wrote an intent.
    instance: OnceLock<InstanceId>,
    generations: AtomicU64,
}

/// What a configuration says of renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RenewalPolicy {
    /// How long after it was confirmed a session is due again: 15 min.
    pub renew: Duration,
    /// How long it is due before anybody waits for it: 5 min.
    pub grace: Duration,
    /// How long a request waits for it then: 3 s.
    pub wait: Duration,
    /// How long a session that is renewed lives from its sign-in: 7 d.
    pub hard: Duration,
}

/// Whether a request may wait until the session that it shows is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenewalWait {
    /// It waits for nothing: what is known is served.
    Never,
    /// It waits if the renewal has been due for longer than `grace`, or failed and has been due for longer than this: what
    /// the route takes.
    Beyond(Duration),
}

/// How a renewal ended, for everybody who waited for it.
#[derive(Clone)]
enum RenewalOutcome {
    /// The provider stands by it, or the row says that it did lately.
    Confirmed(Arc<ConfirmedSession>),
    /// Its row says that it has ended.
    Ended(refusal::RowEnded),
    /// The provider refuses it, and it has ended.
    Refused(refusal::RefreshRefused),
    /// We cannot tell.
    Unavailable(Unavailable),
}

/// How a renewal ended that somebody asked for before its time.
pub(super) enum ForcedRenewal {
    /// The provider stands by the session, or did lately.
    Done,
    /// The session has ended; the next request is told so, by its own verdict.
    Ended,
    /// We cannot tell.
    Unavailable(Unavailable),
}

impl Default for RenewalPolicy {
    fn default() -> Self {
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        Self { renew: minutes(15), grace: minutes(5), wait: Duration::from_secs(3), hard: minutes(7 * 24 * 60) }
    }
}

impl Renewals {
    /// No renewal is under way yet.
    pub fn new(background: Background, clock: Clock, guard: Arc<RefusalGuard>) -> Self {
        let (flights, access_tokens) = (RenewalFlights::default(), AccessTokens::default());
        let (instance, generations) = (OnceLock::new(), AtomicU64::new(0));
        Self(Arc::new(Process { background, clock, guard, flights, access_tokens, instance, generations }))
    }

    /// Which process this is.
    fn instance(&self) -> Result<&InstanceId, Unavailable> {
        if let Some(drawn) = self.0.instance.get() {
            return Ok(drawn);
        }
        let drawn = InstanceId::random()?;
        Ok(self.0.instance.get_or_init(|| drawn))
    }

    /// The access tokens of people who are here just now.
    pub(super) fn access_tokens(&self) -> &AccessTokens {
        &self.0.access_tokens
    }

    /// A number for a configuration.
    pub(super) fn next_generation(&self) -> u64 {
        self.0.generations.fetch_add(1, Ordering::Relaxed)
    }
}

impl Sessions {
    /// Brings a ticket whose renewal is due up to date, as far as that can be had.
    pub(super) async fn renew_opened(
        &self,
        opened: &mut OpenedTicket,
        schedule: TicketSchedule,
        overdue: Duration,
        wait: RenewalWait,
        now: Now,
    ) -> Result<(), Stop> {
        let Some(session) = opened.principal.session else { return Ok(()) };
        let (policy, flights) = (self.0.policy.renewal, &self.0.renewals.0.flights);
        let this = self.clone();
        let begin = move || async move { this.attempt(session, schedule.confirmed).await };
        let standing = flights.join(self, session, schedule.confirmed, now, begin);
        let late = overdue > policy.grace;
        let missing = match standing {
            Standing::Confirmed(confirmed) => return self.take(opened, &confirmed, now),
            Standing::Resting(down) => Some(down.dependency),
            Standing::UnderWay { mut flight, failed } => {
                let waits = match wait {
                    RenewalWait::Never => false,
                    RenewalWait::Beyond(most) => late || failed.is_some() && (most.is_zero() || overdue > most),
                };
                let outcome = if waits { flight.outcome_within(policy.wait).await } else { flight.outcome() };
                match outcome {
                    Some(RenewalOutcome::Confirmed(confirmed)) => return self.take(opened, &confirmed, now),
                    Some(RenewalOutcome::Ended(row)) => return Err(Rejected::proven_by(row).into()),
                    Some(RenewalOutcome::Refused(refused)) => return Err(Rejected::proven_by(refused).into()),
                    Some(RenewalOutcome::Unavailable(down)) => Some(down.dependency),
                    None => failed.map(|down| down.dependency).or(late.then_some(Dependency::TokenEndpoint)),
                }
            }
        };
        if let Some(missing) = missing {
            let stale = Freshness::LastKnownGood { missing, since: now.steady() - overdue };
            opened.principal.freshness = opened.principal.freshness.and(stale);
        }
        Ok(())
    }

    /// A ticket that does not say what a rule asks about, since it was made before the rule: the same person by what their
    /// row says, or by a renewal if that is due. `None` if it cannot be had at once.
    ///
    /// # Errors
    /// As [`Sessions::open`].
    pub(crate) async fn ask_again(&self, ticket: &CredentialText, now: Now) -> Result<Option<OpenedTicket>, Stop> {
        let (principal, schedule) = self.opened(ticket.expose(), now)?;
        let Some(session) = principal.session else { return Ok(None) };
        // What was confirmed with this ticket will do too.
        let before = schedule.confirmed - Duration::from_millis(1);
        let this = self.clone();
        let begin = move || async move { this.attempt(session, before).await };
        let outcome = match self.flights().join(self, session, before, now, begin) {
            Standing::Confirmed(confirmed) => Some(RenewalOutcome::Confirmed(confirmed)),
            Standing::UnderWay { mut flight, .. } => flight.outcome_within(self.0.policy.renewal.wait).await,
            Standing::Resting(_) => None,
        };
        match outcome {
            Some(RenewalOutcome::Confirmed(confirmed)) => {
                let mut opened = OpenedTicket { principal, credential: ticket.id(), renewed: None };
                self.take(&mut opened, &confirmed, now)?;
                Ok(Some(opened))
            }
            Some(RenewalOutcome::Ended(row)) => Err(Rejected::proven_by(row).into()),
            Some(RenewalOutcome::Refused(refused)) => Err(Rejected::proven_by(refused).into()),
            Some(RenewalOutcome::Unavailable(_)) | None => Ok(None),
        }
    }

    /// Renews a session that was confirmed at `seen`, due or not, and waits for it as long as a request does.
    pub(super) async fn force_renewal(&self, session: SessionId, seen: Timestamp, now: Now) -> ForcedRenewal {
        let this = self.clone();
        let begin = move || async move { this.attempt(session, seen).await };
        let outcome = match self.flights().join(self, session, seen, now, begin) {
            Standing::Confirmed(_) => return ForcedRenewal::Done,
            Standing::Resting(down) => return ForcedRenewal::Unavailable(down),
            Standing::UnderWay { mut flight, .. } => flight.outcome_within(self.0.policy.renewal.wait).await,
        };
        match outcome {
            Some(RenewalOutcome::Confirmed(_)) => ForcedRenewal::Done,
            Some(RenewalOutcome::Ended(_) | RenewalOutcome::Refused(_)) => ForcedRenewal::Ended,
            Some(RenewalOutcome::Unavailable(down)) => ForcedRenewal::Unavailable(down),
            None => {
                let cause = "the renewal that an access token waits for takes too long";
                ForcedRenewal::Unavailable(Unavailable::because(Dependency::TokenEndpoint, cause))
            }
        }
    }

    /// The same person by the ticket that takes the old one's place.
    fn take(&self, opened: &mut OpenedTicket, confirmed: &ConfirmedSession, now: Now) -> Result<(), Stop> {
        let ticket = &confirmed.ticket;
        (opened.principal, _) = self.opened(ticket.text().expose_secret(), now)?;
        opened.renewed = Some(ticket.clone());
        Ok(())
    }
}

/// A refresh token that is not too long to be kept: one that is, is as good as none.
pub(super) fn keepable(token: Option<SecretString>) -> Option<SecretString> {
    let token = token?;
    let length = token.expose_secret().len();
    if length <= MAX_TOKEN {
        return Some(token);
    }
    tracing::warn!(length, most = MAX_TOKEN, "a provider's refresh token is too long to be kept; the session has none");
    None
}
