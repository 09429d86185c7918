//! Who a person is, and what they are called.

use std::sync::Arc;

use super::{Groups, Kind, Principal, Roles, SessionId, Subject, UserName};
use crate::{clock::Timestamp, principal::Freshness};

/// A person, as their provider states who they are.
#[derive(Clone, Debug)]
pub struct Person {
    /// Who vouched, and under what name.
    pub subject: Subject,
    /// Entra's `tid`.
    pub tenant: Option<Arc<str>>,
    /// As whom services are told of them.
    pub user_name: UserName,
    /// A name to show.
    pub name: Option<Arc<str>>,
    /// What they are called at their provider.
    pub preferred_username: Option<Arc<str>>,
    /// An address to show.
    pub email: Option<Arc<str>>,
}

impl Person {
    /// Somebody of whom nothing is known but who they are.
    pub fn known_as(subject: Subject) -> Self {
        Self { subject, tenant: None, user_name: UserName::Subject, name: None, preferred_username: None, email: None }
    }

    /// The same, signed in: their session `id` began at `begun` and is over at `until`.
    pub(crate) fn in_session(
        self,
        id: SessionId,
        (roles, groups): (Roles, Groups),
        begun: Timestamp,
        until: Timestamp,
    ) -> Principal {
        let Self { subject, tenant, user_name, name, preferred_username, email } = self;
        Principal {
            kind: Kind::User,
            subject,
            tenant,
            user_name,
            name,
            preferred_username,
            email,
            roles,
            groups,
            session: Some(id),
            device: None,
            begun,
            until,
            freshness: Freshness::Live,
        }
    }
}
