//! One renewal, from the row to the new ticket. Runs in the background, to its end.
//!
//! | What happens | What becomes of the session |
//! |---|---|
//! | no row, or the store does not answer | the ticket alone, as last known good |
//! | the row says ended | it has ended |
//! | the row was confirmed after the ticket | a ticket from the row; nothing is spent |
//! | no refresh token (any more) | a ticket that is not renewed, for `hard_without_refresh` from the last confirmation, or from the call whose answer was lost |
//! | another process is at it | as last known good; it will have written what came of it |
//! | refreshed, and the store takes it | confirmed |
//! | refreshed, and the store does not take it | as last known good; kept in memory, and written again |
//! | refreshed, with a token of somebody else | as last known good, with an alarm; nothing of it is kept |
//! | refreshed, with an ID token that does not hold | as last known good; the new refresh token is kept |
//! | the provider refuses, and nothing speaks against that | refused: see [`super::refusal`] |
//! | the provider refuses a token that we may have spent | it proves nothing: one without refresh token from now on |
//! | everything else | as last known good, and tried again |

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use super::{
    RenewalOutcome,
    confirmed::ConfirmedSession,
    intent::{Doubt, RefreshIntent},
    keepable,
    refusal::RowEnded,
    sql::{self, Refreshed, RenewalRow, Unsaved},
};
use crate::{
    alarm::{self, Alarm},
    audit::{self, AuditLine},
    clock::{Now, Timestamp},
    dependency::Dependency,
    idp::{
        Provider, RefreshFault, RefreshedTokens, Spent,
        id_token::{self, Answers, ExpectedToken, IdTokenFault},
    },
    jws::{self, TokenKind},
    keyring::seal::Purpose,
    principal::SessionId,
    session::{Sessions, access::AccessToken},
    verdict::{OrUnavailable, Stop, Unavailable},
};

/// How often what the store did not take is written again.
const AGAIN: Duration = Duration::from_secs(2);

/// How soon it is worth looking at a row again that somebody else is changing.
const CHANGING: Duration = Duration::from_secs(1);

/// A refresh token that is about to be spent, and by which intent.
struct Spending {
    token: SecretString,
    fence: i64,
    doubt: Doubt,
}

impl Sessions {
    /// Renews `session`, whose ticket was confirmed at `seen`.
    pub(super) async fn attempt(&self, session: SessionId, seen: Timestamp) -> RenewalOutcome {
        self.renewed(session, seen).await.unwrap_or_else(RenewalOutcome::Unavailable)
    }

    async fn renewed(&self, session: SessionId, seen: Timestamp) -> Result<RenewalOutcome, Unavailable> {
        if let Some(unsaved) = self.flights().unsaved(session) {
            self.save_unsaved(session, unsaved).await?;
        }
        let read = sql::read(&self.0.store, session).await?;
        #[cfg(candor_mutants)]
        if read.is_none() && crate::mutants::is("absent-row-ends-session") {
            return Ok(RenewalOutcome::Ended(RowEnded::planted()));
        }
        let row = read.ok_or_else(|| Unavailable::because(Dependency::Store, "the session has no row"))?;
        if let Some(end) = &row.ended {
            return Ok(RenewalOutcome::Ended(RowEnded::new(end, &row.subject)));
        }
        let (provider, now) = (self.provider_of(&row)?, self.time());
        if row.confirmed > seen && self.is_current(&row, now) {
            return self.by_row(&row, provider).await;
        }
        match self.refresh_token(&row, now)? {
            Some(token) => self.refresh(row, provider, token).await,
            None => self.by_row(&RenewalRow { refresh_token: None, ..row.clone() }, provider).await,
        }
    }

    /// Spends the refresh token of a row.
    async fn refresh(
        &self,
        mut row: RenewalRow,
        provider: &Provider,
        token: SecretString,
    ) -> Result<RenewalOutcome, Unavailable> {
        let document = provider.document().await?;
        // It may be good for one time only, so it is not spent while nobody could read what it buys.
        provider.keys().ready().await?;
        let spending = self.intend(&mut row, token).await?;
        match provider.refresh(&document, &spending.token).await {
            Ok(tokens) => self.refreshed(row, provider, &spending, tokens).await,
            Err(RefreshFault::Refused { word, description }) => match spending.doubt {
                Doubt::None => {
                    self.flights().keep_unspent(row.id, spending.fence);
                    self.refused(&row, provider, &word, description.as_deref()).await
                }
                Doubt::PerhapsSpent | Doubt::BeingSpent(_) => self.lose_token(row, provider, &word).await,
            },
            Err(RefreshFault::Unavailable { down, spent }) => {
                if spent == Spent::No && spending.doubt == Doubt::None {
                    self.give_up(&row, &spending).await;
                }
                tracing::warn!(session = %row.id, provider = %provider.name(), cause = %down, "a session cannot be renewed");
                #[cfg(candor_mutants)]
                if crate::mutants::is("provider-500-ends-session") {
                    return self.refused(&row, provider, "planted", None).await;
                }
                Err(down)
            }
        }
    }

    /// Writes down that the refresh token of `row` is about to be spent.
    async fn intend(&self, row: &mut RenewalRow, token: SecretString) -> Result<Spending, Unavailable> {
        let (now, unspent) = (self.time(), self.flights().unspent(row.id));
        let instance = self.0.renewals.instance()?;
        let last = row.intent.as_ref();
        let doubt = last.map_or(Doubt::None, |last| last.doubt(instance, &token, unspent, now));
        if let Doubt::BeingSpent(rest) = doubt {
            let cause = "another process is renewing this session, or ended while it did";
            return Err(Unavailable::because(Dependency::OwnJudgement, cause).retry_after(rest));
        }
        let intent = RefreshIntent::new(instance, &token, last, now);
        let fence = intent.fence;
        if !sql::intend(&self.0.store, row.id, row.version, intent).await? {
            let cause = "the session's row was changed meanwhile";
            return Err(Unavailable::because(Dependency::Store, cause).retry_after(CHANGING));
        }
        row.version += 1;
        Ok(Spending { token, fence, doubt })
    }

    /// Keeps what a refresh brought, and finds out whose it is.
    async fn refreshed(
        &self,
        mut row: RenewalRow,
        provider: &Provider,
        spending: &Spending,
        tokens: RefreshedTokens,
    ) -> Result<RenewalOutcome, Unavailable> {
        if let Some(text) = &tokens.id_token
            && is_of_another(text, provider, &row)
        {
            let name = provider.name();
            let message =
                format!("the provider `{name}` renewed the session of {} with a token of somebody else", row.subject);
            alarm::ring(Alarm::ProviderConfiguration, &message);
            return Err(Unavailable::because(Dependency::TokenEndpoint, message));
        }
        let was_rotated = tokens.refresh_token.is_some();
        let next = match &tokens.refresh_token {
            Some(new) => keepable(Some(new.clone())),
            None => Some(spending.token.clone()),
        };
        let given = self.time().anchor();
        let mut refreshed = Refreshed {
            // Sealed anew in any case, so that it outlives the key that it was sealed by.
            refresh_token: next.map(|token| self.seal(Purpose::RefreshToken, &token, row.until)),
            // Until it is known whose it is, nobody is given it.
            access_token: None,
            access_until: None,
            claims: None,
            confirmed: None,
            id_token: None,
        };
        self.access_tokens().forget(row.id);
        row.refresh_token.clone_from(&refreshed.refresh_token);
        // The provider gave it once: nothing is waited for before it is written.
        if was_rotated && sql::save(&self.0.store, row.id, row.version, refreshed.clone()).await.unwrap_or(false) {
            row.version += 1;
        }
        match self.identity(&row, provider, &tokens).await {
            Ok(claims) => row.claims = claims,
            Err(down) => {
                self.save_or_keep(&row, refreshed).await?;
                return Err(down);
            }
        }
        row.confirmed = self.time().anchor();
        // By what was known of this person before, which the row still says.
        let confirmed = self.confirmed(&row, provider, self.time()).await;
        (refreshed.claims, refreshed.confirmed) = (Some(row.claims.clone()), Some(row.confirmed));
        refreshed.id_token = self.kept_id_token(tokens.id_token.filter(|_| provider.ends_sessions()), row.until);
        (refreshed.access_token, refreshed.access_until) =
            self.kept_access(Some(&tokens.access_token), given, row.until);
        if refreshed.access_token.is_some() {
            let text = tokens.access_token.text.clone();
            let token = AccessToken { of: row.subject.clone(), text, until: refreshed.access_until };
            self.access_tokens().keep(row.id, token);
        }
        self.save_or_keep(&row, refreshed).await?;
        self.0.renewals.0.guard.renewed(row.id);
        let actor = row.subject.to_string();
        audit::line(&AuditLine {
            event: "renewal",
            subject: Some(&row.subject),
            session: Some(row.id),
            actor: &actor,
            reason: "due",
            provider: provider.name(),
        });
        Ok(RenewalOutcome::Confirmed(confirmed?.into()))
    }

    /// The claims of the person whose session was refreshed: those of its ID token, if there is one and it holds, else
    /// those that are known.
    async fn identity(
        &self,
        row: &RenewalRow,
        provider: &Provider,
        tokens: &RefreshedTokens,
    ) -> Result<String, Unavailable> {
        // OpenID Connect Core §12.2: it need not have one.
        let Some(text) = &tokens.id_token else { return Ok(row.claims.clone()) };
        let known: Map<String, Value> = serde_json::from_str(&row.claims).or_unavailable(Dependency::Store)?;
        let nonce = known.get("nonce").and_then(Value::as_str);
        let expected = ExpectedToken {
            issuer: provider.issuer(),
            client_id: &provider.config().client_id,
            answers: Answers::Refresh { nonce },
            access_token: tokens.access_token.text.expose_secret(),
            max_age: None,
        };
        let verified = id_token::verify(provider, text.expose_secret(), &expected, self.time()).await;
        let who = verified.map_err(|fault| match fault {
            IdTokenFault::Unavailable(down) => down,
            IdTokenFault::Invalid(wrong) => {
                let cause = format!("the ID token of a refresh does not hold: {wrong}");
                tracing::warn!(provider = %provider.name(), session = %row.id, reason = wrong.as_str(), "{cause}");
                Unavailable::because(Dependency::TokenEndpoint, cause)
            }
        })?;
        let mut claims = who.claims;
        if let (Some(nonce), Some(claims)) = (nonce, claims.as_object_mut()) {
            claims.entry("nonce").or_insert_with(|| nonce.into());
        }
        serde_json::to_string(&claims).or_unavailable(Dependency::Store)
    }

    /// The provider refuses a token that we may have spent before, by a call whose answer never arrived.
    async fn lose_token(
        &self,
        mut row: RenewalRow,
        provider: &Provider,
        word: &str,
    ) -> Result<RenewalOutcome, Unavailable> {
        tracing::warn!(
            session = %row.id,
            provider = %provider.name(),
            error = word,
            "a refresh token was refused that this gateway may have spent before, and lost the answer: that proves nothing; \
             the session goes on as one without refresh token"
        );
        row.refresh_token = None;
        // If we did spend it, the provider stood by the person then. Counted from an earlier word of its, who comes back
        // after a day would be out because of our crash.
        row.confirmed = row.confirmed.max(row.intent.as_ref().map_or(row.confirmed, RefreshIntent::written));
        let without = Refreshed {
            refresh_token: None,
            access_token: None,
            access_until: None,
            claims: None,
            confirmed: Some(row.confirmed),
            id_token: None,
        };
        self.save_or_keep(&row, without).await?;
        self.by_row(&row, provider).await
    }

    /// Writes what a refresh brought. What the store does not take is kept in memory, and written again.
    async fn save_or_keep(&self, row: &RenewalRow, refreshed: Refreshed) -> Result<(), Unavailable> {
        let unsaved = Unsaved { version: row.version, refreshed };
        let saved = self.save_unsaved(row.id, unsaved.clone()).await;
        if let Err(down) = &saved {
            tracing::warn!(session = %row.id, "the store did not take a renewed session, which is kept and written again: {down}");
            let flights = self.flights();
            flights.keep_unsaved(row.id, Some(unsaved));
            self.keep_writing(row.id);
        }
        saved
    }

    async fn save_unsaved(&self, session: SessionId, unsaved: Unsaved) -> Result<(), Unavailable> {
        let Unsaved { version, refreshed } = unsaved;
        if !sql::save(&self.0.store, session, version, refreshed).await? {
            // Somebody else has renewed it since, or it is gone: what the row says now counts.
            tracing::warn!(%session, "what a refresh brought does not fit the session's row any more, and is dropped");
        }
        self.flights().keep_unsaved(session, None);
        Ok(())
    }

    /// Writes what the store did not take, again and again, until it does.
    fn keep_writing(&self, session: SessionId) {
        let this = self.clone();
        self.0.renewals.0.background.begin(async move {
            loop {
                tokio::time::sleep(AGAIN).await;
                let Some(unsaved) = this.flights().unsaved(session) else { return };
                if this.save_unsaved(session, unsaved).await.is_ok() {
                    return;
                }
            }
        });
    }

    /// Takes an intent back by which nothing was spent; at least in memory.
    async fn give_up(&self, row: &RenewalRow, spending: &Spending) {
        self.flights().keep_unspent(row.id, spending.fence);
        if let Err(down) = sql::give_up(&self.0.store, row.id, row.version).await {
            tracing::info!(session = %row.id, "an intent that came to nothing stays in the store: {down}");
        }
    }

    async fn by_row(&self, row: &RenewalRow, provider: &Provider) -> Result<RenewalOutcome, Unavailable> {
        let confirmed: ConfirmedSession = self.confirmed(row, provider, self.time()).await?;
        Ok(RenewalOutcome::Confirmed(confirmed.into()))
    }

    /// The refresh token of a row. One that cannot be opened, since its key was retired or its text damaged, is none.
    fn refresh_token(&self, row: &RenewalRow, now: Now) -> Result<Option<SecretString>, Unavailable> {
        let Some(sealed) = &row.refresh_token else { return Ok(None) };
        match self.0.seals.open_if_perhaps_over(Purpose::RefreshToken, sealed, now) {
            Ok(opened) => Ok(std::str::from_utf8(&opened.content).ok().map(SecretString::from)),
            Err(Stop::Unavailable(down)) => Err(down),
            Err(Stop::Rejected(_)) => {
                tracing::warn!(session = %row.id, "the refresh token of a session cannot be opened any more");
                Ok(None)
            }
        }
    }

    pub(super) fn flights(&self) -> &super::RenewalFlights {
        &self.0.renewals.0.flights
    }

    pub(super) fn time(&self) -> Now {
        self.0.renewals.0.clock.now()
    }
}

/// Whether an ID token names another person or issuer than the session's, whoever signed it: then nothing that came with
/// it is theirs.
fn is_of_another(token: &SecretString, provider: &Provider, row: &RenewalRow) -> bool {
    let Ok(unverified) = jws::read(token.expose_secret(), TokenKind::IdToken) else { return false };
    #[cfg(candor_mutants)]
    if crate::mutants::is("renewed-as-somebody-else") {
        return false;
    }
    unverified.issuer() != &**provider.issuer() || unverified.claims().is_ok_and(|claims| claims.sub != *row.subject.id)
}
