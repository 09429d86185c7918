//! What a ticket says, under its seal.

use std::{collections::BTreeSet, sync::Arc};

use serde::{Deserialize, Serialize};

use super::NewSession;
use crate::{
    clock::Timestamp,
    principal::{Freshness, Groups, Kind, Principal, SessionId, Subject},
};

/// The content of a ticket, as JSON. The hard expiry is the envelope's. Names are short because a browser sends them
/// with every request.
#[derive(Serialize, Deserialize)]
pub(super) struct Content {
    id: String,
    iss: Arc<str>,
    sub: Arc<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tid: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    roles: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    groups: Option<Kept>,
    begun: Timestamp,
}

/// Which groups we asked about, and which of these they are in. A group that a later configuration asks about is then
/// one that we do not know of, and not one that they are not in.
#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(rename = "in")]
    member_of: Arc<BTreeSet<String>>,
    #[serde(rename = "of")]
    asked: Arc<BTreeSet<String>>,
}

impl Content {
    pub(super) fn new(id: SessionId, new: &NewSession, asked: &BTreeSet<String>, begun: Timestamp) -> Self {
        Self {
            id: id.to_string(),
            iss: new.subject.issuer.clone(),
            sub: new.subject.id.clone(),
            tid: new.tenant.clone(),
            name: new.name.clone(),
            email: new.email.clone(),
            roles: new.roles.to_vec(),
            groups: kept(&new.groups, asked),
            begun,
        }
    }

    /// The same without what is only shown: for people whose ticket would be too long.
    pub(super) fn without_display(self) -> Self {
        Self { name: None, email: None, ..self }
    }

    /// Whom it names; `None` if its session's id is none.
    pub(super) fn into_principal(self, until: Timestamp) -> Option<Principal> {
        Some(Principal {
            kind: Kind::User,
            subject: Subject::new(self.iss, self.sub),
            tenant: self.tid,
            name: self.name,
            email: self.email,
            roles: Arc::from(self.roles),
            groups: self
                .groups
                .map_or(Groups::NotAsked, |kept| Groups::Kept { asked: kept.asked, member_of: kept.member_of }),
            session: Some(self.id.parse().ok()?),
            begun: self.begun,
            until,
            freshness: Freshness::Live,
        })
    }
}

/// Of what the provider stated, what some route asks about.
fn kept(stated: &Groups, asked: &BTreeSet<String>) -> Option<Kept> {
    let (member_of, known) = match stated {
        Groups::NotAsked => return None,
        Groups::Known(groups) => (groups, asked.clone()),
        Groups::Kept { asked: stated, member_of } => (member_of, asked.intersection(stated).cloned().collect()),
    };
    let member_of = asked.intersection(member_of).cloned().collect();
    Some(Kept { member_of: Arc::new(member_of), asked: Arc::new(known) })
}
