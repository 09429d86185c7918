//! What is asked of whoever shows a good token: the policy of [`crate::policy`], and what only access tokens state.

use std::{sync::Arc, time::Duration};

use super::VerifiedClaims;
use crate::{
    policy::{Allow, Holder, MaxStale, Permit, Requirement, RequirementId},
    principal::{Kind, Subject},
    refusal_guard::Harm,
    verdict::{Detail, Proof, Reason, Rejected},
};

/// What is asked.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) requirement: Requirement,
    /// Each of them.
    pub(super) scopes: Vec<Arc<str>>,
    /// One of them, if any is named.
    pub(super) clients: Vec<Arc<str>>,
    pub(super) harm: Harm,
    /// Whether `allow` was named, in place of whoever is known.
    is_chosen: bool,
}

/// The token does not state a scope that is asked for. Its issuer states what it granted (RFC 9068 §2.2.3, RFC 7662 §2.2).
struct LacksScope {
    who: Subject,
    scope: Arc<str>,
}

/// It was issued to another client.
struct OtherClient {
    who: Subject,
    client: Option<String>,
}

impl Default for Rules {
    fn default() -> Self {
        let whoever = [Kind::User, Kind::Service, Kind::Device].map(Allow::kind).to_vec();
        Self {
            requirement: Requirement::new(RequirementId(0), whoever, MaxStale::DEFAULT),
            scopes: Vec::new(),
            clients: Vec::new(),
            harm: Harm::Destroys,
            is_chosen: false,
        }
    }
}

impl Rules {
    /// A text with spaces is a list, as tokens have it (RFC 6749 §3.3). One that names nothing is kept as a scope that no
    /// token has: it asks for something that was left out by mistake, and must not ask for nothing.
    pub(super) fn scope(&mut self, scope: Arc<str>) {
        let listed = self.scopes.len();
        self.scopes.extend(scope.split_whitespace().map(Arc::from));
        if self.scopes.len() == listed {
            self.scopes.push(scope);
        }
    }

    pub(super) fn allow(&mut self, allow: Allow) {
        let mut all = if self.is_chosen { self.requirement.allow().to_vec() } else { Vec::new() };
        all.push(allow);
        self.is_chosen = true;
        self.requirement = Requirement::new(self.requirement.id(), all, self.requirement.max_stale());
    }

    pub(super) fn max_stale(&mut self, limit: Duration) {
        let allow = self.requirement.allow().to_vec();
        self.requirement = Requirement::new(self.requirement.id(), allow, MaxStale::all(limit));
    }

    /// Whether who was permitted has the scopes, and came by a client, that are asked for. Where anybody may pass, nobody
    /// is asked: what they lack is the service's to see.
    pub(super) fn check(&self, permit: &Permit, claims: Option<&VerifiedClaims>) -> Result<(), Rejected> {
        let (Holder::Known(principal), Some(claims)) = (permit.holder(), claims) else { return Ok(()) };
        if self.requirement.is_open() {
            return Ok(());
        }
        let who = &principal.subject;
        if let Some(scope) = self.scopes.iter().find(|scope| !claims.has_scope(scope)) {
            return Err(Rejected::proven_by(LacksScope { who: who.clone(), scope: Arc::clone(scope) }));
        }
        let client = claims.client();
        if self.clients.is_empty() || client.is_some_and(|client| self.clients.iter().any(|one| **one == *client)) {
            return Ok(());
        }
        Err(Rejected::proven_by(OtherClient { who: who.clone(), client: client.map(ToOwned::to_owned) }))
    }
}

impl Proof for LacksScope {
    fn reason(&self) -> Reason {
        Reason::NotPermitted
    }
    fn detail(&self) -> Detail {
        Detail::new(format!("the token has no scope {}", self.scope))
    }
    fn about(&self) -> Option<Subject> {
        Some(self.who.clone())
    }
}

impl Proof for OtherClient {
    fn reason(&self) -> Reason {
        Reason::NotPermitted
    }
    fn detail(&self) -> Detail {
        match &self.client {
            Some(client) => Detail::new(format!("issued to the client {client:?}")),
            None => Detail::new("it does not state to which client it was issued"),
        }
    }
    fn about(&self) -> Option<Subject> {
        Some(self.who.clone())
    }
}
