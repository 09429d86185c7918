//! Sessions of people: a sealed ticket with them, a row in the store.
//!
//! The ticket is the cookie's value. Its seal and the revocation set decide about it, in memory: no store is asked.
//! The row holds what a request does not need: the refresh token (sealed), the claims, whence they signed in. There
//! is no ticket without a row, and a session ends by a positive row, never by the lack of one.
//!
//! A session with a refresh token is renewed at its provider again and again, up to `hard`: see [`renewal`]. One without
//! lives to `hard_without_refresh`.

mod access;
mod earlier;
pub mod ending;
pub mod renewal;
mod sql;
#[cfg(test)]
mod tests;
mod ticket;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

pub use self::renewal::{RenewalPolicy, RenewalWait, Renewals};
use self::{
    access::AccessTokens,
    earlier::EarlierTokens,
    ticket::{TicketContent, TicketSchedule},
};
pub use crate::revocations::LogoutReach;
use crate::{
    alarm::{self, Alarm},
    audit::{self, AuditLine},
    clock::{Now, Past, Timestamp},
    credential::{CredentialId, CredentialText},
    database::Database,
    dependency::Dependency,
    idp::{IssuedAccessToken, Provider, ProviderConfig, id_token::Identity},
    jws::MAX_TOKEN,
    keyring::{
        Keyring,
        seal::{Purpose, Seals},
    },
    principal::{Groups, Person, Principal, Roles, SessionId, Subject, UserClaim, UserName, stated::Stated},
    random::random_bytes,
    refusal_guard::Logout,
    revocations::Revocations,
    verdict::{OrUnavailable, Stop, Unavailable},
};

/// Opens, begins and ends sessions. Cheap to clone; one a configuration.
#[derive(Clone)]
pub struct Sessions(Arc<Inner>);

struct Inner {
    seals: Arc<Seals>,
    store: Database,
    revocations: Revocations,
    renewals: Renewals,
    /// Where people sign in, and where their sessions are renewed.
    providers: Vec<Provider>,
    policy: SessionPolicy,
    /// Which configuration this is: another number, other rules for tickets.
    generation: u64,
}

/// What a configuration says of sessions.
#[derive(Clone, Debug)]
pub struct SessionPolicy {
    /// How long a session lives that is not renewed: 12 h.
    pub hard_without_refresh: Duration,
    /// How sessions with a refresh token are renewed.
    pub renewal: RenewalPolicy,
    /// Whether the access tokens of people are kept in their rows, sealed, for services that are to be given them.
    pub keeps_access_tokens: bool,
    /// The groups that some route asks about: only these go into a ticket.
    pub groups_asked: BTreeSet<String>,
    /// The issuers that sign people in, each with the claim that services know its people by. A ticket that was made for
    /// a sign-in at another one admits nobody.
    pub issuers: BTreeMap<String, UserClaim>,
}

/// What a sign-in learned.
pub struct NewSession {
    /// Who it is.
    pub person: Person,
    /// Application roles, as far as the provider stated them.
    pub roles: Roles,
    /// All groups, as far as the provider stated them.
    pub groups: Groups,
    /// For later renewal.
    pub refresh_token: Option<SecretString>,
    /// What they may ask of others by, if that is to be kept ([`SessionPolicy::keeps_access_tokens`]).
    pub access_token: Option<IssuedAccessToken>,
    /// The ID token as it came, if the provider wants it back when they sign out there.
    pub id_token: Option<SecretString>,
    /// The verified claims, as a JSON object.
    pub claims: serde_json::Value,
    /// The provider's name in the configuration.
    pub provider: String,
    /// The provider's `sid` (OpenID Connect Front-Channel Logout 1.0 §3).
    pub provider_sid: Option<String>,
    /// Whence they signed in, for "your sessions".
    pub address: Option<IpAddr>,
    /// The `User-Agent`, cut to 200 bytes.
    pub browser: Option<String>,
}

/// A new ticket: the cookie's value. It does not show itself.
#[derive(Clone)]
pub struct Ticket {
    text: SecretString,
    until: Timestamp,
}

/// A ticket that holds.
#[derive(Debug)]
pub struct OpenedTicket {
    /// Whose it is.
    pub principal: Principal,
    /// Which credential it is.
    pub credential: CredentialId,
    /// The ticket to keep in its place, if its session was renewed.
    pub renewed: Option<Ticket>,
}

/// The session that a browser had when it went to sign in, as its sealed try remembers it: the callback may come without
/// the ticket, since a cross-site POST brings no `SameSite=Lax` cookie.
#[derive(Deserialize, Serialize)]
pub(crate) struct Before {
    session: String,
    until: Timestamp,
}

/// A session that has ended.
#[derive(Debug)]
#[must_use]
pub struct LoggedOut {
    /// The right to forget the ticket.
    pub logout: Logout,
    /// Whether the other gateways know.
    pub reach: LogoutReach,
    /// Who it was.
    pub principal: Principal,
}

/// How far in the future a ticket may have begun: the wall clock may have been set back a little meanwhile.
const AHEAD: Duration = Duration::from_secs(30);

/// The longest ticket, in bytes of the cookie's value: with its name and attributes it stays below the 4096 bytes that
/// a browser keeps (RFC 6265 §6.1).
const MAX_TICKET: usize = 3584;

/// The longest ID token that is kept, in bytes: it goes back to the provider in an address, and servers read no longer ones
/// than 8 KiB. A longer one is done without.
const MAX_ID_TOKEN: usize = 6 * 1024;

/// When it is worth asking again whose issuer the configuration does not name: an operator has to change it.
const NEXT_CONFIGURATION: Duration = Duration::from_secs(30);

impl Sessions {
    /// Sessions in `store`, sealed by `keyring`, of people who sign in at `providers`. `renewals` outlives the
    /// configuration.
    pub fn new(
        keyring: &Keyring,
        store: Database,
        revocations: Revocations,
        renewals: Renewals,
        providers: Vec<Provider>,
        policy: SessionPolicy,
    ) -> Self {
        let (seals, generation) = (keyring.seals().clone(), renewals.next_generation());
        Self(Arc::new(Inner { seals, store, revocations, renewals, providers, policy, generation }))
    }

    /// Opens a ticket: by its seal, the revocation set and the configured issuers, without asking anybody. If its session
    /// is to be renewed, that happens in the background; it is waited for only as `wait` and the configuration say.
    ///
    /// # Errors
    /// [`Stop::Rejected`] if the seal proves false, the session has ended, its provider refuses to renew it, or its hard
    /// expiry has passed; [`Stop::Unavailable`] for everything else.
    pub async fn open(&self, ticket: &CredentialText, wait: RenewalWait, now: Now) -> Result<OpenedTicket, Stop> {
        let (principal, schedule) = self.opened(ticket.expose(), now)?;
        let mut opened = OpenedTicket { principal, credential: ticket.id(), renewed: None };
        if let Some(overdue) = schedule.overdue(now) {
            // Boxed, since nearly no request comes this way and each would carry its room.
            Box::pin(self.renew_opened(&mut opened, schedule, overdue, wait, now)).await?;
        }
        Ok(opened)
    }

    /// What a ticket says, found good at this moment.
    fn opened(&self, ticket: &str, now: Now) -> Result<(Principal, TicketSchedule), Stop> {
        let (mut principal, schedule) = self.unseal(ticket, now)?;
        // Made under a clock that was ahead, it would hold for as much longer.
        if now.past(principal.begun - AHEAD) == Past::No {
            return Err(Unavailable::because(Dependency::Clock, "a ticket that begins in the future").into());
        }
        let set = self.0.revocations.judge(&principal, now)?;
        self.as_configured(&mut principal)?;
        principal.freshness = principal.freshness.and(set);
        Ok((principal, schedule))
    }

    /// An issuer that was taken out of the configuration vouches for nobody here any more. Nor does a ticket admit anybody
    /// that does not say as whom services know them by now: their subject may be somebody else's name there. Neither
    /// proves anything about the ticket, and the next configuration, or signing in again, settles it.
    fn as_configured(&self, principal: &mut Principal) -> Result<(), Unavailable> {
        #[cfg(candor_mutants)]
        if crate::mutants::is("ticket-outlives-its-provider") {
            return Ok(());
        }
        let issuer = &principal.subject.issuer;
        let cause = match self.0.policy.issuers.get(&**issuer) {
            Some(UserClaim::Subject) => {
                principal.user_name = UserName::Subject;
                return Ok(());
            }
            Some(claim) if claim.is_of(&principal.user_name) => return Ok(()),
            #[cfg(candor_mutants)]
            Some(_) if crate::mutants::is("user-falls-back") => return Ok(()),
            Some(claim) => format!(
                "a ticket of a sign-in at {issuer} from before `user_claim` named `{claim}`; signing in again settles it"
            ),
            None => format!("a ticket of a sign-in at {issuer}, which the configuration does not name"),
        };
        Err(Unavailable::because(Dependency::Configuration, cause).retry_after(NEXT_CONFIGURATION))
    }

    /// Begins a session: its row first, then its ticket. The session of the ticket `replaces` is ended after that, so
    /// that nobody who knew it can use what the sign-in made of it.
    ///
    /// # Errors
    /// Unavailable, if the row could not be written. There is no session then.
    pub async fn begin(&self, new: NewSession, replaces: Option<&str>, now: Now) -> Result<Ticket, Unavailable> {
        let (begun, id) = (now.anchor(), random_id()?);
        let new = NewSession { refresh_token: renewal::keepable(new.refresh_token), ..new };
        let SessionPolicy { hard_without_refresh, renewal, .. } = &self.0.policy;
        let (life, renew_at) = match new.refresh_token {
            Some(_) => (renewal.hard, Some(begun + renewal.renew)),
            None => (*hard_without_refresh, None),
        };
        let until = now.earlier() + life;
        let whose = new.principal(id, begun, until);
        let ticket = self.ticket(&whose, TicketSchedule { confirmed: begun, renew_at })?;
        let (who, provider) = (whose.subject.to_string(), new.provider.clone());
        sql::insert(&self.0.store, self.row(id, new, begun, until)?).await?;
        audit::line(&AuditLine {
            event: "sign-in",
            subject: Some(&whose.subject),
            session: Some(id),
            actor: &who,
            reason: "signed in",
            provider: &provider,
        });
        if let Some(old) = replaces {
            self.end_replaced(old, &who, now).await;
        }
        Ok(ticket)
    }

    /// The roles and groups that a provider stated of somebody, or why there are none: what its silence means may depend on
    /// what it stated before.
    pub(crate) async fn stated(&self, who: &Identity, at: &ProviderConfig, now: Now) -> (Roles, Groups) {
        let earlier = if who.groups.needs_earlier(at.absence.groups) || who.roles.needs_earlier(at.absence.roles) {
            self.earlier_tokens(&who.person.subject).await
        } else {
            EarlierTokens::default()
        };
        let (groups, roles) =
            (earlier.stating(|token| Stated::groups(token, &at.groups_claim)), earlier.stating(Stated::roles));
        (
            who.roles.clone().settled(at.absence.roles, roles.as_deref(), now).into(),
            who.groups.clone().settled(at.absence.groups, groups.as_deref(), now).into(),
        )
    }

    /// The tokens that earlier sessions of this person began with, as far as the store still has their rows. A store that
    /// cannot say is no reason to keep anybody from signing in.
    async fn earlier_tokens(&self, subject: &Subject) -> EarlierTokens {
        match sql::claims_of(&self.0.store, subject.clone(), EarlierTokens::MOST).await {
            Ok(rows) => EarlierTokens::read(&rows),
            Err(unavailable) => {
                tracing::warn!("what a provider stated of somebody before cannot be looked up: {unavailable}");
                EarlierTokens::unknown()
            }
        }
    }

    /// Ends the session of a ticket.
    ///
    /// # Errors
    /// As [`Sessions::open`], except that not knowing who is revoked stops nobody from leaving; and Unavailable, if
    /// the end could be written neither to disk nor to the store: nothing has ended then.
    pub async fn logout(&self, ticket: &CredentialText, now: Now) -> Result<LoggedOut, Stop> {
        let (principal, _) = self.unseal(ticket.expose(), now)?;
        if let Err(Stop::Rejected(ended)) = self.0.revocations.judge(&principal, now) {
            return Err(ended.into());
        }
        let reach = self.end(&principal, &principal.subject.to_string(), "signed out", now).await?;
        Ok(LoggedOut { logout: Logout::of_credential(ticket.id()), reach, principal })
    }

    async fn end(&self, whose: &Principal, who: &str, why: &str, now: Now) -> Result<LogoutReach, Unavailable> {
        let Some(session) = whose.session else {
            return Err(Unavailable::because(Dependency::Keyring, "a ticket without a session"));
        };
        let reach = self.0.revocations.end_session(session, whose.until, who, why, now).await?;
        ended(Some(&whose.subject), session, who, why);
        Ok(reach)
    }

    /// The session of a ticket that a sign-in may replace.
    pub(crate) fn before(&self, ticket: &str, now: Now) -> Option<Before> {
        let (Principal { session, until, .. }, _) = self.unseal(ticket, now).ok()?;
        Some(Before { session: session?.to_string(), until })
    }

    /// Ends the session of the ticket that a sign-in replaced.
    async fn end_replaced(&self, ticket: &str, who: &str, now: Now) {
        if let Some(before) = self.before(ticket, now) {
            self.end_before(&before, who, now).await;
        }
    }

    /// Ends the session that a sign-in replaced, as far as that can be done: the new one stands either way.
    pub(crate) async fn end_before(&self, before: &Before, who: &str, now: Now) {
        let Ok(session) = before.session.parse() else { return };
        match self.0.revocations.end_session(session, before.until, who, "signed in again", now).await {
            Ok(LogoutReach::Everywhere | LogoutReach::ThisGateway) => ended(None, session, who, "signed in again"),
            Err(unavailable) => tracing::warn!("the session before a sign-in could not be ended: {unavailable}"),
        }
    }

    /// What the seal alone says.
    fn unseal(&self, ticket: &str, now: Now) -> Result<(Principal, TicketSchedule), Stop> {
        let opened = self.0.seals.open(Purpose::Ticket, ticket, now)?;
        let content: TicketContent =
            serde_json::from_slice(&opened.content).map_err(|error| of_another_release(&error.to_string()))?;
        Ok(content.into_principal(opened.expires).ok_or_else(|| of_another_release("its session id is none"))?)
    }

    /// The ticket of a session.
    fn ticket(&self, whose: &Principal, schedule: TicketSchedule) -> Result<Ticket, Unavailable> {
        let content = TicketContent::of(whose, &self.0.policy.groups_asked, schedule)
            .ok_or_else(|| Unavailable::because(Dependency::Keyring, "a ticket without a session"))?;
        let until = whose.until;
        let mut sealed = self.seal_json(&content, until)?;
        if sealed.len() > MAX_TICKET {
            sealed = self.seal_json(&content.without_display(), until)?;
        }
        if sealed.len() <= MAX_TICKET {
            return Ok(Ticket { text: SecretString::from(sealed), until });
        }
        let message = "somebody's roles and groups do not fit into a ticket; they cannot sign in: have the provider \
                       state fewer of them";
        alarm::ring(Alarm::TicketTooLong, message);
        Err(Unavailable::because(Dependency::Keyring, message))
    }

    fn seal_json(&self, content: &TicketContent, until: Timestamp) -> Result<String, Unavailable> {
        let json = serde_json::to_vec(content).or_unavailable(Dependency::Keyring)?;
        Ok(self.0.seals.seal(Purpose::Ticket, until, &json))
    }

    fn row(
        &self,
        id: SessionId,
        new: NewSession,
        begun: Timestamp,
        until: Timestamp,
    ) -> Result<sql::SessionRow, Unavailable> {
        let (access_token, access_until) = self.kept_access(new.access_token.as_ref(), begun, until);
        Ok(sql::SessionRow {
            id: id.to_string(),
            subject: new.person.subject,
            provider: new.provider,
            provider_sid: new.provider_sid,
            refresh_token: new.refresh_token.map(|token| self.seal(Purpose::RefreshToken, &token, until)),
            access_token,
            access_until,
            id_token: self.kept_id_token(new.id_token, until),
            claims: serde_json::to_string(&new.claims).or_unavailable(Dependency::Store)?,
            address: new.address.map(|address| address.to_string()),
            browser: new.browser.map(|browser| shortened(&browser).to_owned()),
            begun,
            until,
        })
    }

    /// What a row keeps of an access token that was given at `given`: nothing, unless somebody is to be given it.
    fn kept_access(
        &self,
        token: Option<&IssuedAccessToken>,
        given: Timestamp,
        until: Timestamp,
    ) -> (Option<String>, Option<Timestamp>) {
        let Some(token) = token.filter(|token| self.keeps(token)) else { return (None, None) };
        (Some(self.seal(Purpose::AccessToken, &token.text, until)), token.lifetime.map(|lifetime| given + lifetime))
    }

    /// What a row keeps of an ID token.
    fn kept_id_token(&self, token: Option<SecretString>, until: Timestamp) -> Option<String> {
        let token = token.filter(|token| token.expose_secret().len() <= MAX_ID_TOKEN)?;
        Some(self.seal(Purpose::IdToken, &token, until))
    }

    /// Whether an access token is kept: somebody is to be given it, and it is not too long.
    fn keeps(&self, token: &IssuedAccessToken) -> bool {
        let length = token.text.expose_secret().len();
        if self.0.policy.keeps_access_tokens && length > MAX_TOKEN {
            tracing::warn!(
                length,
                most = MAX_TOKEN,
                "a provider's access token is too long to be kept; the session has none"
            );
        }
        self.0.policy.keeps_access_tokens && length <= MAX_TOKEN
    }

    fn access_tokens(&self) -> &AccessTokens {
        self.0.renewals.access_tokens()
    }

    fn seal(&self, purpose: Purpose, token: &SecretString, until: Timestamp) -> String {
        self.0.seals.seal(purpose, until, token.expose_secret().as_bytes())
    }
}

impl NewSession {
    /// Whose session it is.
    fn principal(&self, id: SessionId, begun: Timestamp, until: Timestamp) -> Principal {
        self.person.clone().in_session(id, (self.roles.clone(), self.groups.clone()), begun, until)
    }
}

/// The audit line of a session that has ended with its ticket at hand. Which provider it was of the ticket does not say.
fn ended(subject: Option<&Subject>, session: SessionId, actor: &str, reason: &str) {
    audit::line(&AuditLine { event: "session-ended", subject, session: Some(session), actor, reason, provider: "" });
}

fn random_id() -> Result<SessionId, Unavailable> {
    random_bytes().map(SessionId::from_bytes)
}

/// The first 200 bytes, at a character's end.
fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(200)]
}

/// Our seal holds, and we do not understand what is under it: nothing that the sender could be blamed for.
fn of_another_release(why: &str) -> Unavailable {
    Unavailable::because(Dependency::Keyring, format!("a ticket of ours that this release cannot read: {why}"))
}

impl Ticket {
    /// The cookie's value.
    pub fn text(&self) -> &SecretString {
        &self.text
    }

    /// Its hard expiry.
    pub fn until(&self) -> Timestamp {
        self.until
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ticket(until {})", self.until)
    }
}

impl SessionPolicy {
    /// Twelve hours.
    pub const HARD_WITHOUT_REFRESH: Duration = Duration::from_secs(12 * 3600);
}
