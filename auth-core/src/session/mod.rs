//! Sessions of people: a sealed ticket with them, a row in the store.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc, time::Duration};

use secrecy::SecretString;

pub use crate::revocations::Elsewhere;
use crate::{
    clock::{Now, Timestamp},
    database::Database,
    held::{CredentialId, Logout},
    keyring::Keyring,
    principal::{Groups, Principal, Subject},
    revocations::Revocations,
    verdict::{Stop, Unavailable},
};

/// Opens, begins and ends sessions. Cheap to clone; one a configuration.
#[derive(Clone)]
pub struct Sessions(Arc<Inner>);

struct Inner {}

/// What a configuration says of sessions.
#[derive(Clone, Debug)]
pub struct SessionPolicy {
    /// How long a session lives that is not renewed: 12 h.
    pub hard_without_refresh: Duration,
    /// The groups that some route asks about: only these go into a ticket.
    pub groups_asked: BTreeSet<String>,
}

/// What a sign-in learned.
pub struct NewSession {
    /// Who it is.
    pub subject: Subject,
    /// Entra's `tid`.
    pub tenant: Option<Arc<str>>,
    /// A name to show.
    pub name: Option<Arc<str>>,
    /// An address to show.
    pub email: Option<Arc<str>>,
    /// Application roles.
    pub roles: Arc<[String]>,
    /// All groups that the provider stated.
    pub groups: Groups,
    /// For later renewal.
    pub refresh_token: Option<SecretString>,
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

/// A new ticket: the cookie's value. No `Debug`.
pub struct Ticket {
    text: SecretString,
    until: Timestamp,
}

/// A ticket that holds.
#[derive(Debug)]
pub struct Opened {
    /// Whose it is.
    pub principal: Principal,
    /// Which credential it is.
    pub credential: CredentialId,
}

/// A session that has ended.
#[derive(Debug)]
#[must_use]
pub struct LoggedOut {
    /// The right to forget the ticket.
    pub logout: Logout,
    /// Whether the other gateways know.
    pub elsewhere: Elsewhere,
    /// Who it was.
    pub principal: Principal,
}

impl Sessions {
    /// Sessions in `store`, sealed by `keyring`.
    pub fn new(_keyring: &Keyring, _store: Database, _revocations: Revocations, _policy: SessionPolicy) -> Self {
        todo!()
    }

    /// Opens a ticket: by its seal and the revocation set, without asking anybody.
    ///
    /// # Errors
    /// [`Stop::Rejected`] if the seal proves false, the session ended, or the hard expiry has passed;
    /// [`Stop::Unavailable`] for everything else.
    pub fn open(&self, _ticket: &str, _now: Now) -> Result<Opened, Stop> {
        todo!()
    }

    /// Begins a session: writes its row, then seals its ticket. Ends the session of the ticket `replaces` after that.
    ///
    /// # Errors
    /// Unavailable, if the row could not be written. There is no session then.
    pub async fn begin(&self, _new: NewSession, _replaces: Option<&str>, _now: Now) -> Result<Ticket, Unavailable> {
        todo!()
    }

    /// Ends the session of a ticket.
    ///
    /// # Errors
    /// As [`Sessions::open`]; and Unavailable if the end could be written neither to disk nor to the store.
    pub async fn logout(&self, _ticket: &str, _now: Now) -> Result<LoggedOut, Stop> {
        todo!()
    }
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

impl SessionPolicy {
    /// Twelve hours.
    pub const HARD_WITHOUT_REFRESH: Duration = Duration::from_secs(12 * 3600);
}
