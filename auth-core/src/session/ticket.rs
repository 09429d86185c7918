//! What a ticket says, under its seal.

use std::{collections::BTreeSet, sync::Arc};

use serde::{Deserialize, Serialize};

use super::NewSession;
use crate::{
    clock::Timestamp,
    principal::{Freshness, Groups, Kind, Principal, Roles, SessionId, Silence, Subject, UserName},
};

/// The content of a ticket, as JSON. The hard expiry is the envelope's. Names are short because a browser sends them
/// with every request.
#[derive(Serialize, Deserialize)]
pub(super) struct TicketContent {
    id: String,
    iss: Arc<str>,
    sub: Arc<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tid: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "login")]
    preferred_username: Option<Arc<str>>,
    /// Absent: services are told the subject. So they were of every ticket of earlier releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<Claimed>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email: Option<Arc<str>>,
    /// An empty list is a statement, and absent is none. Earlier releases left an empty list out, whatever it meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    roles: Option<Arc<[String]>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    groups: Option<Kept>,
    /// Why there are no `roles`, or no `groups`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    no_roles: Option<Silence>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    no_groups: Option<Silence>,
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

/// As whom services are told of them, and by which claim: a later configuration may name another one.
#[derive(Serialize, Deserialize)]
struct Claimed {
    #[serde(rename = "by")]
    claim: Arc<str>,
    #[serde(rename = "is")]
    value: Arc<str>,
}

impl TicketContent {
    pub(super) fn new(id: SessionId, new: &NewSession, asked: &BTreeSet<String>, begun: Timestamp) -> Self {
        let (roles, no_roles) = match &new.roles {
            Roles::Stated(roles) => (Some(Arc::clone(roles)), None),
            Roles::NotStated(silence) => (None, Some(*silence)),
        };
        let (groups, no_groups) = match kept(&new.groups, asked) {
            Ok(groups) => (Some(groups), None),
            Err(silence) => (None, Some(silence)),
        };
        Self {
            id: id.to_string(),
            iss: new.subject.issuer.clone(),
            sub: new.subject.id.clone(),
            tid: new.tenant.clone(),
            name: new.name.clone(),
            preferred_username: new.preferred_username.clone(),
            user: match &new.user_name {
                UserName::Subject => None,
                UserName::Claimed { claim, value } => {
                    Some(Claimed { claim: Arc::clone(claim), value: Arc::clone(value) })
                }
            },
            email: new.email.clone(),
            roles,
            groups,
            no_roles,
            no_groups,
            begun,
        }
    }

    /// The same without what is only shown: for people whose ticket would be too long.
    pub(super) fn without_display(self) -> Self {
        Self { name: None, preferred_username: None, email: None, ..self }
    }

    /// Whom it names; `None` if its session's id is none.
    pub(super) fn into_principal(self, until: Timestamp) -> Option<Principal> {
        Some(Principal {
            kind: Kind::User,
            subject: Subject::new(self.iss, self.sub),
            tenant: self.tid,
            user_name: match self.user {
                None => UserName::Subject,
                Some(Claimed { claim, value }) => UserName::Claimed { claim, value },
            },
            name: self.name,
            preferred_username: self.preferred_username,
            email: self.email,
            roles: match self.roles {
                Some(roles) => Roles::Stated(roles),
                None => Roles::NotStated(self.no_roles.unwrap_or(Silence::NotAsked)),
            },
            groups: match self.groups {
                Some(kept) => Groups::Kept { asked: kept.asked, member_of: kept.member_of },
                None => Groups::NotStated(self.no_groups.unwrap_or(Silence::NotAsked)),
            },
            session: Some(self.id.parse().ok()?),
            device: None,
            begun: self.begun,
            until,
            freshness: Freshness::Live,
        })
    }
}

/// Of what the provider stated, what some route asks about.
fn kept(stated: &Groups, asked: &BTreeSet<String>) -> Result<Kept, Silence> {
    let (member_of, known) = match stated {
        Groups::NotStated(silence) => return Err(*silence),
        Groups::Known(groups) => (groups, asked.clone()),
        Groups::Kept { asked: stated, member_of } => (member_of, asked.intersection(stated).cloned().collect()),
    };
    let member_of = asked.intersection(member_of).cloned().collect();
    Ok(Kept { member_of: Arc::new(member_of), asked: Arc::new(known) })
}
