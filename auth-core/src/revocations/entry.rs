//! What has ended before its time: one entry, and the set of them.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    clock::{Now, Timestamp},
    principal::{SessionId, Subject},
};

/// A positive record that something has ended: who ordered it, when, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RevocationEntry {
    pub(super) ends: RevokedThing,
    /// The hard expiry of what it ends: from then on it says nothing that the credential does not say itself.
    pub(super) until: Timestamp,
    /// When it was ordered: by the earlier reading, if the clock was in doubt. `not_before` is then the later one.
    pub(super) at: Timestamp,
    pub(super) who: String,
    pub(super) why: String,
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
}

/// All entries. Cloned to be changed.
#[derive(Clone, Debug, Default)]
pub(super) struct RevocationSet {
    sessions: HashMap<SessionId, Arc<RevocationEntry>>,
    users: HashMap<Subject, Arc<RevocationEntry>>,
    /// Those that the store has not taken yet, by name.
    pending: BTreeMap<String, Arc<RevocationEntry>>,
}

impl RevocationEntry {
    pub(super) fn new(ends: RevokedThing, until: Timestamp, who: &str, why: &str, now: Now) -> Self {
        Self { ends, until, at: now.earlier(), who: who.to_owned(), why: why.to_owned() }
    }

    /// Its name in the store: there is one entry for each thing that can end.
    pub(super) fn name(&self) -> String {
        match &self.ends {
            RevokedThing::Session(session) => format!("session {session}"),
            RevokedThing::User { subject, .. } => format!("user {subject}"),
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
            RevokedThing::Session(_) => None,
            RevokedThing::User { not_before, .. } => Some(not_before),
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

    /// Adds an entry that the store has. Of two for one user the later stands.
    pub(super) fn add(&mut self, entry: &Arc<RevocationEntry>) {
        if self.holds(entry) {
            return;
        }
        match &entry.ends {
            RevokedThing::Session(session) => self.sessions.insert(*session, entry.clone()),
            RevokedThing::User { subject, .. } => self.users.insert(subject.clone(), entry.clone()),
        };
    }

    /// Adds an entry that the store must still be told.
    pub(super) fn add_pending(&mut self, entry: &Arc<RevocationEntry>) {
        self.add(entry);
        self.pending.insert(entry.name(), entry.clone());
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

    /// What the store must still be told.
    pub(super) fn pending(&self) -> impl Iterator<Item = &Arc<RevocationEntry>> {
        self.pending.values()
    }

    /// Everything.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<RevocationEntry>> {
        self.sessions.values().chain(self.users.values())
    }

    /// Forgets what was over before `over`, unless the store must still be told.
    pub(super) fn purge(&mut self, over: Timestamp) {
        self.sessions.retain(|_, entry| entry.until >= over);
        self.users.retain(|_, entry| entry.until >= over);
        self.pending.retain(|_, entry| entry.until >= over);
    }
}

impl fmt::Display for RevocationEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.ends {
            RevokedThing::Session(_) => "this session",
            RevokedThing::User { .. } => "whatever this user had begun",
        };
        let who = if self.is_ordered() { &self.who } else { "nobody on record" };
        write!(f, "{what} was ended by {who} at {}: {}", self.at, self.why)
    }
}

fn write_session<S: Serializer>(session: &SessionId, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(session)
}

fn read_session<'de, D: Deserializer<'de>>(from: D) -> Result<SessionId, D::Error> {
    String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
}
