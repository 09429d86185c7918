//! What a ticket says, under its seal.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    clock::{Now, Timestamp},
    principal::{Freshness, Groups, Kind, Principal, Roles, Silence, Subject, UserName},
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
    /// When the provider confirmed it last. Absent in tickets of earlier releases: when it began.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "ok")]
    confirmed: Option<Timestamp>,
    /// Absent: it is not renewed.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "renew")]
    renew_at: Option<Timestamp>,
}

/// When a ticket's session was confirmed, and when that is due again. By the anchor, as everything that a ticket says of
/// its begin: a step of the wall clock makes nothing due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TicketSchedule {
    pub(super) confirmed: Timestamp,
    /// `None`: never. It lives to its hard expiry.
    pub(super) renew_at: Option<Timestamp>,
}

impl TicketSchedule {
    /// How long its renewal has been due; `None` if it is not.
    pub(super) fn overdue(self, now: Now) -> Option<Duration> {
        let due = self.renew_at?;
        (now.anchor() >= due).then(|| now.anchor().since(due))
    }
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
    /// What the ticket of `whose` session says; nothing, if they have none.
    pub(super) fn of(whose: &Principal, asked: &BTreeSet<String>, schedule: TicketSchedule) -> Option<Self> {
        let (roles, no_roles) = match &whose.roles {
            Roles::Stated(roles) => (Some(Arc::clone(roles)), None),
            Roles::NotStated(silence) => (None, Some(*silence)),
        };
        let (groups, no_groups) = match kept(&whose.groups, asked) {
            Ok(groups) => (Some(groups), None),
            Err(silence) => (None, Some(silence)),
        };
        Some(Self {
            id: whose.session?.to_string(),
            iss: whose.subject.issuer.clone(),
            sub: whose.subject.id.clone(),
            tid: whose.tenant.clone(),
            name: whose.name.clone(),
            preferred_username: whose.preferred_username.clone(),
            user: match &whose.user_name {
                UserName::Subject => None,
                UserName::Claimed { claim, value } => {
                    Some(Claimed { claim: Arc::clone(claim), value: Arc::clone(value) })
                }
            },
            email: whose.email.clone(),
            roles,
            groups,
            no_roles,
            no_groups,
            begun: whose.begun,
            confirmed: Some(schedule.confirmed).filter(|confirmed| *confirmed != whose.begun),
            renew_at: schedule.renew_at,
        })
    }

    /// The same without what is only shown: for people whose ticket would be too long.
    pub(super) fn without_display(self) -> Self {
        Self { name: None, preferred_username: None, email: None, ..self }
    }

    /// Whom it names, and when it is to be renewed; `None` if its session's id is none.
    pub(super) fn into_principal(self, until: Timestamp) -> Option<(Principal, TicketSchedule)> {
        let schedule = TicketSchedule { confirmed: self.confirmed.unwrap_or(self.begun), renew_at: self.renew_at };
        let principal = Principal {
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
        };
        Some((principal, schedule))
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
