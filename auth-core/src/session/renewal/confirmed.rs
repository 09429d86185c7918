//! From a row to the ticket that says what it says.

use serde_json::{Map, Value};

use super::sql::RenewalRow;
use crate::{
    clock::{Now, Timestamp},
    dependency::Dependency,
    idp::{Provider, id_token::Identity},
    session::{Sessions, Ticket, ticket::TicketSchedule},
    verdict::{OrUnavailable, Unavailable},
};

/// A session that its provider stands by, and its ticket.
pub(super) struct ConfirmedSession {
    pub(super) ticket: Ticket,
    schedule: TicketSchedule,
    /// The configuration that the ticket was made by.
    generation: u64,
}

impl ConfirmedSession {
    /// Whether it was confirmed after a ticket that was confirmed at `seen`, and its own ticket will do for now.
    pub(super) fn is_newer(&self, seen: Timestamp, generation: u64, now: Now) -> bool {
        let is_later = self.schedule.confirmed > seen || self.schedule.renew_at.is_none();
        is_later && self.generation == generation && self.schedule.overdue(now).is_none()
    }
}

impl Sessions {
    /// The ticket of a session by what its row says: any process can make it, and no token is spent for it.
    pub(super) async fn confirmed(
        &self,
        row: &RenewalRow,
        provider: &Provider,
        now: Now,
    ) -> Result<ConfirmedSession, Unavailable> {
        let claims: Map<String, Value> = serde_json::from_str(&row.claims).or_unavailable(Dependency::Store)?;
        let who = Identity::stated_by(row.subject.clone(), claims, provider.config())
            .map_err(|wrong| Unavailable::because(Dependency::TokenEndpoint, wrong.to_string()))?;
        let stated = self.stated(&who, provider.config(), now).await;
        let policy = &self.0.policy;
        let (renew_at, until) = match row.refresh_token {
            Some(_) => (Some(row.confirmed + policy.renewal.renew), row.begun + policy.renewal.hard),
            // The provider's word lasts for as long as that of one that gives no refresh token.
            None => (None, row.confirmed + policy.hard_without_refresh),
        };
        let whose = who.person.in_session(row.id, stated, row.begun, until.min(row.until));
        let schedule = TicketSchedule { confirmed: row.confirmed, renew_at };
        Ok(ConfirmedSession { ticket: self.ticket(&whose, schedule)?, schedule, generation: self.0.generation })
    }

    /// Whether a row was confirmed so lately that its session is not due.
    pub(super) fn is_current(&self, row: &RenewalRow, now: Now) -> bool {
        now.anchor() < row.confirmed + self.0.policy.renewal.renew
    }

    /// Where the session of `row` is renewed.
    pub(super) fn provider_of(&self, row: &RenewalRow) -> Result<&Provider, Unavailable> {
        let providers = self.0.providers.iter().filter(|provider| *provider.issuer() == row.subject.issuer);
        let named = providers.clone().find(|provider| **provider.name() == *row.provider);
        named.or(providers.clone().next()).ok_or_else(|| {
            let cause = format!("no provider of the configuration is {}", row.subject.issuer);
            Unavailable::because(Dependency::Configuration, cause)
        })
    }
}
