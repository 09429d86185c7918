//! The registry: devices, their keys, and their bindings to tenants.
//!
//! What is read and written here is what a request does not need: a device token is verified without it. Every change of a
//! binding is one transaction with its audit row and its row of the revocation set, so that none of the three stands
//! without the others; and a row stands for what was, since nothing is deleted. An answer follows the commit: SQLite runs
//! with a write-ahead log and `synchronous = FULL`, so that a commit is on disk before it is acknowledged, and survives
//! `kill -9` and a power cut.

mod row;
pub(in crate::device) mod sql;
#[cfg(test)]
mod tests;

use std::{str::FromStr, sync::Arc};

pub use self::row::{Binding, DeviceKey, RegisteredDevice};
use super::{last_seen::Sighting, token::DeviceClaims};
use crate::{
    clock::{Now, Timestamp},
    database::Database,
    jws::read_own_key,
    principal::{BindingId, BindingState, DeviceId, Generation, Thumbprint},
    random::random_bytes,
    revocations::{BindingStanding, RevocationEntry, Revocations},
    verdict::Unavailable,
};

/// The registry. Cheap to clone.
#[derive(Clone)]
pub struct Registry {
    store: Database,
    revocations: Revocations,
}

/// Who wants something done, and why: for the record.
#[derive(Clone, Debug)]
pub struct Order {
    /// A person's subject, `operator` for the command line, or `gateway`.
    pub who: String,
    /// Their reason, in their words.
    pub why: String,
}

/// What a device says of itself when it is registered.
#[derive(Clone, Debug)]
pub struct DeviceDescription {
    /// Its serial number. Nothing vouches for it, and two may claim the same.
    pub hardware_id: String,
    /// Its model.
    pub model: String,
    /// The version of its app.
    pub app_version: String,
}

/// A device's public key, as it is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// Its name.
    pub thumbprint: Thumbprint,
    /// Itself, as a JWK (RFC 7517).
    pub jwk: String,
}

/// It is no public key of a kind that devices have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be a public key, Ed25519 or P-256, as a JWK")]
pub struct NotADeviceKey;

/// From a JWK. What does not make the key is left out.
impl FromStr for PublicKey {
    type Err = NotADeviceKey;

    fn from_str(text: &str) -> Result<Self, NotADeviceKey> {
        let (thumbprint, jwk) = read_own_key(text).ok_or(NotADeviceKey)?;
        Ok(Self { thumbprint, jwk })
    }
}

/// A device as it is first written down.
#[derive(Clone, Debug)]
pub struct NewDevice {
    /// What it says of itself.
    pub description: DeviceDescription,
    /// Its key; `None` for one without the protocol.
    pub key: Option<PublicKey>,
    /// The tenant that it is bound to.
    pub tenant: String,
    /// The room that it hangs in.
    pub room: String,
}

/// What became of an order to change a binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BindingChange {
    /// There is no such binding.
    Unknown,
    /// It was so already; or it is revoked, and was to be suspended.
    Unchanged(Binding),
    /// It was done.
    Changed(Binding),
}

/// What became of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportOutcome {
    /// All of them are written down.
    Done,
    /// None is: these serial numbers are registered already, or the keys that were listed with them are, or were listed twice.
    Known(Vec<String>),
}

/// Some of the devices, in the order of their ids.
#[derive(Clone, Debug)]
pub struct DevicePage {
    /// These.
    pub devices: Vec<RegisteredDevice>,
    /// Where the next page begins; `None` if this is the last.
    pub next: Option<DeviceId>,
}

/// A binding that was made or brought back, and what the revocation set must hear of it once that is committed.
pub(in crate::device) struct Bound {
    pub(in crate::device) binding: Binding,
    pub(in crate::device) learned: Option<Arc<RevocationEntry>>,
}

/// A device that the registry has lost, as its token says.
struct LostDevice {
    key: PublicKey,
    binding: Binding,
}

/// So many devices are at most on a page.
pub const LONGEST_PAGE: u32 = 500;

impl Registry {
    /// The registry in `store`; changes of bindings are told to `revocations`.
    pub fn new(store: Database, revocations: Revocations) -> Self {
        Self { store, revocations }
    }

    /// The store that it is in.
    pub fn store(&self) -> &Database {
        &self.store
    }

    /// What is not on record, was never there; see [`Database::absence_is_known`].
    ///
    /// # Errors
    /// Unavailable, if nobody can tell.
    pub(in crate::device) fn absence_is_known(&self) -> Result<(), Unavailable> {
        #[cfg(candor_mutants)]
        if crate::mutants::is("lost-registry-is-empty") {
            return Ok(());
        }
        self.store.absence_is_known()
    }

    /// The revocation set that changes are told to.
    pub fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    /// Writes down a device with its key and its binding: all of it or nothing.
    ///
    /// # Errors
    /// Unavailable, if the store is.
    pub async fn register(&self, new: NewDevice, order: Order, now: Now) -> Result<RegisteredDevice, Unavailable> {
        sql::register(&self.store, new, order, now).await
    }

    /// Writes down many devices: all of them, or none if one of their serial numbers or keys is registered already.
    ///
    /// # Errors
    /// Unavailable, if the store is.
    pub async fn import(&self, new: Vec<NewDevice>, order: Order, now: Now) -> Result<ImportOutcome, Unavailable> {
        sql::import(&self.store, new, order, now).await
    }

    /// Binds a device to a tenant: anew, or the binding that it has there, brought back and put into this room. `None`, if
    /// there is no such device.
    ///
    /// # Errors
    /// Unavailable, if the store is. Then nothing has been promised, though it may have been done.
    pub async fn bind(
        &self,
        id: DeviceId,
        tenant: String,
        room: String,
        order: Order,
        now: Now,
    ) -> Result<Option<Binding>, Unavailable> {
        let Some(Bound { binding, learned }) = sql::bind_known(&self.store, id, tenant, room, order, now).await? else {
            return Ok(None);
        };
        self.revocations.learn(learned.into_iter().collect()).await?;
        Ok(Some(binding))
    }

    /// The device whose key this is, and the key.
    ///
    /// # Errors
    /// Unavailable, if the store is.
    pub async fn of_key(&self, thumbprint: Thumbprint) -> Result<Option<(DeviceKey, RegisteredDevice)>, Unavailable> {
        sql::of_key(&self.store, thumbprint).await
    }

    /// One device, with its keys and bindings.
    ///
    /// # Errors
    /// Unavailable, if the store is.
    pub async fn show(&self, id: DeviceId) -> Result<Option<RegisteredDevice>, Unavailable> {
        sql::show(&self.store, id).await
    }

    /// At most `most` devices after `after`, of one tenant or of all. How many there are makes no page slower.
    ///
    /// # Errors
    /// Unavailable, if the store is.
    pub async fn list(
        &self,
        tenant: Option<String>,
        after: Option<DeviceId>,
        most: u32,
    ) -> Result<DevicePage, Unavailable> {
        let most = most.clamp(1, LONGEST_PAGE);
        let devices = sql::list(&self.store, tenant, after, most).await?;
        let is_full = u32::try_from(devices.len()).is_ok_and(|count| count == most);
        let next = devices.last().filter(|_| is_full).map(|last| last.id);
        Ok(DevicePage { devices, next })
    }

    /// Writes down again a device of which the registry knows nothing, by what a token says that we signed for its key: its
    /// rows were lost with the store. `None`, if the registry knows the device, its key or its binding: then what it says
    /// counts.
    pub(in crate::device) async fn restore(
        &self,
        key: PublicKey,
        claims: &DeviceClaims,
        now: Now,
    ) -> Result<Option<Binding>, Unavailable> {
        let order = Order { who: "gateway".to_owned(), why: "by its token, since the registry had lost it".to_owned() };
        let (tenant, room) = (&claims.tenant, &claims.room);
        let begun = Binding::begun(claims.binding, claims.device, tenant, room, &order, now.earlier());
        // Later changes must be later than what the revocation set remembers of it.
        let version = self.revocations.version_of(claims.binding).max(begun.version);
        let binding = Binding { generation: claims.generation, version, ..begun };
        sql::restore(&self.store, LostDevice { key, binding }, order, now).await
    }

    /// Writes down when devices were heard of last, and from where.
    pub(in crate::device) async fn seen(&self, seen: Vec<(DeviceId, Sighting)>) -> Result<(), Unavailable> {
        sql::seen(&self.store, seen).await
    }

    /// Suspends, revokes or brings back a binding. One that is brought back after it was revoked begins a new generation:
    /// what it had before is never admitted again. The answer follows once this gateway obeys it; others do within seconds.
    ///
    /// # Errors
    /// Unavailable, if the store is. Then nothing has been promised, though it may have been done.
    pub async fn change(
        &self,
        binding: BindingId,
        to: BindingState,
        order: Order,
        now: Now,
    ) -> Result<BindingChange, Unavailable> {
        let (done, learned) = sql::change_one(&self.store, binding, to, order, now).await?;
        self.revocations.learn(learned.into_iter().collect()).await?;
        Ok(done)
    }
}

impl Binding {
    fn begun(id: BindingId, device: DeviceId, tenant: &str, room: &str, order: &Order, at: Timestamp) -> Self {
        Self {
            id,
            device,
            tenant: tenant.to_owned(),
            room: room.to_owned(),
            state: BindingState::Active,
            generation: Generation::FIRST,
            version: 1,
            created: at,
            created_by: order.who.clone(),
            changed: at,
            changed_by: order.who.clone(),
            reason: order.why.clone(),
        }
    }

    fn changed_by(&mut self, order: &Order, at: Timestamp) {
        self.version += 1;
        self.changed = at;
        self.changed_by.clone_from(&order.who);
        self.reason.clone_from(&order.why);
    }

    fn standing(&self) -> BindingStanding {
        let Self { id, device, state, generation, version, .. } = *self;
        BindingStanding { binding: id, device, state, generation, version }
    }
}

fn device_id(now: Now) -> Result<DeviceId, Unavailable> {
    Ok(DeviceId::from_parts(now.wall().as_millis(), random_bytes()?))
}

fn binding_id(now: Now) -> Result<BindingId, Unavailable> {
    Ok(BindingId::from_parts(now.wall().as_millis(), random_bytes()?))
}
