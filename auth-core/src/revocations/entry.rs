//! What has ended before its time: one entry, and the set of them.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::registry_mark::RegistryMark;
use crate::{
    clock::{Now, Timestamp},
    principal::{BindingId, BindingState, DeviceId, Generation, SessionId, Subject},
};

/// A positive record that something has ended: who ordered it, when, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RevocationEntry {
    pub(super) ends: RevokedThing,
    /// The hard expiry of what it ends: from then on it says nothing that the credential does not say itself.
    pub(super) until: Timestamp,
    /// When it was ordered: by the earlier reading, if the clock was in doubt. `not_before` is then the later one.
    pub(crate) at: Timestamp,
    pub(crate) who: String,
    pub(crate) why: String,
}

/// What an entry ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RevokedThing {
    /// One session.
    #[serde(serialize_with = "write_session", deserialize_with = "read_session")]
    Session(SessionId),
    /// Whatever of this user's began up to `not_before`.
    User { subject: Subject, not_before: Timestamp },
    /// A device in a tenant, as far as this says.
    Binding(BindingStanding),
}

/// What has become of a device's binding. What is of a later generation than this one is not spoken of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BindingStanding {
    pub(crate) binding: BindingId,
    pub(crate) device: DeviceId,
    pub(crate) state: BindingState,
    pub(crate) generation: Generation,
    /// Counts the changes of the binding: of two standings the later stands.
    pub(crate) version: i64,
}

/// All entries. Cloned to be changed.
#[derive(Clone, Debug, Default)]
pub(super) struct RevocationSet {
    sessions: HashMap<SessionId, Arc<RevocationEntry>>,
    users: HashMap<Subject, Arc<RevocationEntry>>,
    /// Those whose standing has ever changed: no binding is here merely because it is.
    bindings: HashMap<BindingId, Arc<RevocationEntry>>,
    /// Those that the store has not taken yet, by name.
    pending: BTreeMap<String, Arc<RevocationEntry>>,
    /// How the device registry stood beside it, if that was ever seen.
    pub(super) registry: Option<RegistryMark>,
}

/// How long it is kept that a binding is active again: as long as a token of an earlier generation may live.
const KEPT_ACTIVE: Duration = Duration::from_secs(31 * 24 * 3600);

impl RevocationEntry {
    /// What has become of a binding. Kept for ever where it is not active: a device without a token's expiry may show up at
    /// any time.
    pub(crate) fn of_binding(standing: BindingStanding, who: &str, why: &str, now: Now) -> Self {
        let until = match standing.state {
            BindingState::Active => now.later() + KEPT_ACTIVE,
            BindingState::Suspended | BindingState::Revoked => Timestamp::from_millis(i64::MAX),
        };
        Self::new(RevokedThing::Binding(standing), until, who, why, now)
    }

    /// The end of a session, which would be over at `until` anyway.
    pub(crate) fn of_session(session: SessionId, until: Timestamp, who: &str, why: &str, now: Now) -> Self {
        Self::new(RevokedThing::Session(session), until, who, why, now)
    }

    pub(super) fn new(ends: RevokedThing, until: Timestamp, who: &str, why: &str, now: Now) -> Self {
        Self { ends, until, at: now.earlier(), who: who.to_owned(), why: why.to_owned() }
    }

    /// Its name in the store: there is one entry for each thing that can end.
    pub(super) fn name(&self) -> String {
        match &self.ends {
            RevokedThing::Session(session) => format!("session {session}"),
            RevokedThing::User { subject, .. } => format!("user {subject}"),
            RevokedThing::Binding(standing) => format!("binding {}", standing.binding),
        }
    }

    /// Whether somebody on record ordered it.
    pub(super) fn is_ordered(&self) -> bool {
        !self.who.is_empty()
    }

    /// Whether it ends what began at `begun`, by whichever clock it was ordered.
    pub(super) fn surely_ends(&self, begun: Timestamp) -> bool {
        begun <= self.at
    }

    fn not_before(&self) -> Option<Timestamp> {
        match self.ends {
            RevokedThing::Session(_) | RevokedThing::Binding(_) => None,
            RevokedThing::User { not_before, .. } => Some(not_before),
        }
    }

    /// What it says of a binding.
    pub(crate) fn standing(&self) -> Option<&BindingStanding> {
        match &self.ends {
            RevokedThing::Binding(standing) => Some(standing),
            RevokedThing::Session(_) | RevokedThing::User { .. } => None,
        }
    }
}

impl RevocationSet {
    /// The same, changed.
    pub(super) fn with(&self, change: impl FnOnce(&mut Self)) -> Arc<Self> {
        let mut set = self.clone();
        change(&mut set);
        Arc::new(set)
    }

    /// Adds an entry that the store has. Of two for one user, or one binding, the later stands.
    pub(super) fn add(&mut self, entry: &Arc<RevocationEntry>) {
        if self.holds(entry) {
            return;
        }
        match &entry.ends {
            RevokedThing::Session(session) => self.sessions.insert(*session, entry.clone()),
            RevokedThing::User { subject, .. } => self.users.insert(subject.clone(), entry.clone()),
            RevokedThing::Binding(standing) => self.bindings.insert(standing.binding, entry.clone()),
        };
    }

    /// Adds an entry that the store must still be told.
    pub(super) fn add_pending(&mut self, entry: &Arc<RevocationEntry>) {
        if self.of_binding_later_than(entry) {
            return;
        }
        self.add(entry);
        self.pending.insert(entry.name(), entry.clone());
    }

    /// Whether something later is on record of the binding that `entry` speaks of: the store need not hear of this.
    fn of_binding_later_than(&self, entry: &RevocationEntry) -> bool {
        entry.standing().is_some_and(|standing| {
            let known = self.of_binding(standing.binding).and_then(|known| known.standing());
            known.is_some_and(|known| known.version > standing.version)
        })
    }

    /// The store must be told everything once more.
    pub(super) fn mark_all_pending(&mut self) {
        let all: Vec<_> = self.all().cloned().collect();
        self.pending.extend(all.into_iter().map(|entry| (entry.name(), entry)));
    }

    /// The store has been told.
    pub(super) fn mark_stored(&mut self, entry: &RevocationEntry) {
        self.pending.remove(&entry.name());
    }

    /// Whether the set says all that `entry` says.
    pub(super) fn holds(&self, entry: &RevocationEntry) -> bool {
        match &entry.ends {
            RevokedThing::Session(session) => self.sessions.contains_key(session),
            RevokedThing::User { subject, .. } => {
                self.users.get(subject).is_some_and(|known| known.not_before() >= entry.not_before())
            }
            RevokedThing::Binding(standing) => {
                let known = self.bindings.get(&standing.binding).and_then(|known| known.standing());
                known.is_some_and(|known| known.version >= standing.version)
            }
        }
    }

    /// The entry that ends this session.
    pub(super) fn of_session(&self, session: SessionId) -> Option<&Arc<RevocationEntry>> {
        self.sessions.get(&session)
    }

    /// The entry that ends what `subject` began at `begun`, or that may. It is compared with the begin and not with the last
    /// renewal, so that a renewal does not undo it.
    pub(super) fn of_user(&self, subject: &Subject, begun: Timestamp) -> Option<&Arc<RevocationEntry>> {
        self.users.get(subject).filter(|entry| entry.not_before() >= Some(begun))
    }

    /// What is on record of a binding; nothing, if its standing has never changed.
    pub(super) fn of_binding(&self, binding: BindingId) -> Option<&Arc<RevocationEntry>> {
        self.bindings.get(&binding)
    }

    /// What the store must still be told.
    pub(super) fn pending(&self) -> impl Iterator<Item = &Arc<RevocationEntry>> {
        self.pending.values()
    }

    /// Whether the store must still be told of what `entry` speaks of.
    pub(super) fn is_pending(&self, entry: &RevocationEntry) -> bool {
        self.pending.contains_key(&entry.name())
    }

    /// Everything.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<RevocationEntry>> {
        self.sessions.values().chain(self.users.values()).chain(self.bindings.values())
    }

    /// Forgets what was over before `over`, unless the store must still be told.
    pub(super) fn purge(&mut self, over: Timestamp) {
        self.sessions.retain(|_, entry| entry.until >= over);
        self.users.retain(|_, entry| entry.until >= over);
        self.bindings.retain(|_, entry| entry.until >= over);
        self.pending.retain(|_, entry| entry.until >= over);
    }
}

impl fmt::Display for RevocationEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, done) = match &self.ends {
            RevokedThing::Session(_) => ("this session", "ended"),
            RevokedThing::User { .. } => ("whatever this user had begun", "ended"),
            RevokedThing::Binding(standing) => match standing.state {
                BindingState::Active => ("an earlier generation of this device's binding", "ended"),
                BindingState::Suspended => ("this device's binding", "suspended"),
                BindingState::Revoked => ("this device's binding", "revoked"),
            },
        };
        let who = if self.is_ordered() { &self.who } else { "nobody on record" };
        write!(f, "{what} was {done} by {who} at {}: {}", self.at, self.why)
    }
}

fn write_session<S: Serializer>(session: &SessionId, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(session)
}

fn read_session<'de, D: Deserializer<'de>>(from: D) -> Result<SessionId, D::Error> {
    String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
}
