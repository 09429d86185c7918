//! Device tokens: made, and verified offline.
//!
//! A JWT of the type `device-at+jwt`, signed by the keyring's key (EdDSA). Its signature and the revocation set decide, in
//! memory: no registry is asked. What it proves:
//!
//! | The token | Answer |
//! |---|---|
//! | signed by us, for us, stands, in its time | the device, in its tenant |
//! | names a key of ours that did not sign it, or that we retired; or cannot be a device token | Rejected |
//! | signed by us, for another site | Rejected |
//! | its binding is revoked, or of an earlier generation | Rejected(Revoked) |
//! | over, by both readings of the clock | Rejected(Expired), which ends nothing: a device renews by its key |
//! | a day beyond its soft age, and the registry answers | Unavailable, worded `renewal-required` |
//! | a key that we never had | Unavailable(Keyring): another gateway's may not have reached us |
//! | not valid yet | Unavailable(Clock) |
//! | signed by us, and not understood | Unavailable(OwnJudgement): a newer release made it |
//!
//! Remembered are facts, as in [`crate::bearer`]: what a token says whose signature held, and the proof of one whose did
//! not. Time, audience and revocation are judged at every hit.

mod claims;
mod proof;
#[cfg(test)]
pub(super) mod tests;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use moka::{policy::EvictionPolicy, sync::Cache};
use secrecy::SecretString;

pub use self::claims::DeviceClaims;
use self::proof::{DeviceTokenExpired, ForAnotherSite, NotADeviceToken, NotSignedByUs};
use super::{DevicePolicy, Devices, last_seen::hour_of, registry::Binding};
use crate::{
    clock::{Now, Past},
    credential::{CredentialHash, CredentialText},
    dependency::Dependency,
    jws::{self, MalformedToken, TokenKind},
    keyring::SignedBy,
    principal::{
        BoundDevice, Freshness, Groups, Kind, Principal, Renewal, Roles, Silence, Subject, Thumbprint, UserName,
    },
    verdict::{OrUnavailable, Rejected, Stop, Unavailable},
};

/// A device token that was made.
#[derive(Clone, Debug)]
pub struct MintedToken {
    /// Itself.
    pub text: SecretString,
    /// What it says.
    pub claims: DeviceClaims,
    /// In how long it should be renewed.
    pub renew_in: Duration,
    /// In how long it is over.
    pub expires_in: Duration,
}

/// What our keys have said of tokens, and no verdicts.
pub(super) struct TokenMemory {
    genuine: Cache<CredentialHash, Arc<GenuineToken>>,
    /// Apart and small, so that a flood of junk cannot push out what is genuine.
    forged: Cache<CredentialHash, NotSignedByUs>,
}

/// A token whose signature held.
struct GenuineToken {
    claims: Arc<DeviceClaims>,
    /// The name of the key that signed it.
    signed_by: Arc<str>,
    /// The last hour in which it was noted that its device was heard of.
    noted: AtomicI64,
}

/// How many genuine tokens are remembered: at about 0.5 KiB each.
const GENUINE: u64 = 200_000;

/// How many forged ones.
const FORGED: u64 = 2_000;

/// How far the clocks of our own gateways may be apart.
const LEEWAY: Duration = Duration::from_secs(30);

/// How long beyond its soft age a token is served, where a renewal could be had.
const OVERDUE: Duration = Duration::from_secs(24 * 3600);

impl Devices {
    /// A token for a binding, and for the key that may renew it.
    ///
    /// # Errors
    /// Unavailable, if it cannot be signed.
    pub fn mint(&self, of: &Binding, key: Option<Thumbprint>, now: Now) -> Result<MintedToken, Unavailable> {
        let DevicePolicy { renew_after, hard, .. } = *self.policy();
        self.signed(DeviceClaims::new(of, key, self.policy(), now)?, renew_after, hard)
    }

    /// A token for a device without a key that only shows it: good for ten years, and never due before.
    ///
    /// # Errors
    /// Unavailable, if it cannot be signed.
    pub fn mint_lasting(&self, of: &Binding, now: Now) -> Result<MintedToken, Unavailable> {
        self.signed(DeviceClaims::lasting(of, self.policy(), now)?, claims::LASTING, claims::LASTING)
    }

    fn signed(
        &self,
        claims: DeviceClaims,
        renew_in: Duration,
        expires_in: Duration,
    ) -> Result<MintedToken, Unavailable> {
        let text = self.keyring().sign(jws::DEVICE_TOKEN, &claims.to_json()).or_unavailable(Dependency::Keyring)?;
        Ok(MintedToken { text: text.into(), claims, renew_in, expires_in })
    }

    /// Whether this is a device token: by its type or its issuer, which nothing has verified.
    pub fn recognises(&self, token: &CredentialText) -> bool {
        self.0.memory.genuine.contains_key(token.hash())
            || jws::peek_type(token.expose()).is_some_and(|typ| typ.eq_ignore_ascii_case(jws::DEVICE_TOKEN))
            || jws::peek_issuer(token.expose()).is_some_and(|issuer| *issuer == *self.policy().issuer)
    }

    /// What a token says that we signed for this site, whether or not it is over or was revoked. For a renewal, which looks
    /// at the registry.
    ///
    /// # Errors
    /// [`Stop::Rejected`], if the token is proven not to be ours. [`Stop::Unavailable`], if we cannot tell.
    pub fn genuine(&self, token: &CredentialText) -> Result<Arc<DeviceClaims>, Stop> {
        self.known(token).map(|known| known.claims.clone())
    }

    fn known(&self, token: &CredentialText) -> Result<Arc<GenuineToken>, Stop> {
        let (hash, memory) = (token.hash(), &self.0.memory);
        if let Some(proof) = memory.forged.get(hash) {
            return Err(Rejected::proven_by(proof).into());
        }
        let known = match memory.genuine.get(hash) {
            // The key may have been retired since.
            Some(known) if self.keyring().has_retired(&known.signed_by) => {
                return Err(Rejected::proven_by(NotSignedByUs { retired: true }).into());
            }
            Some(known) => known,
            None => self.read(token)?,
        };
        let (claims, policy) = (&known.claims, self.policy());
        if *claims.issuer != *policy.issuer || *claims.audience != *policy.audience {
            return Err(Rejected::proven_by(ForAnotherSite { claims: claims.clone() }).into());
        }
        Ok(known)
    }

    /// Reads a token that is not remembered, and remembers what its signature says of it.
    fn read(&self, token: &CredentialText) -> Result<Arc<GenuineToken>, Stop> {
        let unverified = jws::read(token.expose(), TokenKind::Device).map_err(malformed)?;
        match self.keyring().signer_of(&unverified) {
            SignedBy::Us => {}
            by @ (SignedBy::Nobody | SignedBy::RetiredKey) => {
                let proof = NotSignedByUs { retired: by == SignedBy::RetiredKey };
                self.0.memory.forged.insert(*token.hash(), proof.clone());
                return Err(Rejected::proven_by(proof).into());
            }
            SignedBy::UnknownKey => {
                let cause = "a device token signed by a key that we never had";
                return Err(Unavailable::because(Dependency::Keyring, cause).unsettled().into());
            }
        }
        let claims = unverified.claims().map_err(|wrong| wrong.0).and_then(|claims| DeviceClaims::read(&claims));
        let claims = claims.map(Arc::new).map_err(|claim| {
            let cause = format!("a device token that we signed, and whose `{claim}` this release does not understand");
            Unavailable::because(Dependency::OwnJudgement, cause)
        })?;
        let signed_by = unverified.kid().unwrap_or_default().into();
        let known = Arc::new(GenuineToken { claims, signed_by, noted: AtomicI64::new(i64::MIN) });
        self.0.memory.genuine.insert(*token.hash(), known.clone());
        Ok(known)
    }

    /// The device that a token stands for, served from memory alone.
    ///
    /// # Errors
    /// As the table of the module says.
    pub fn verify(&self, token: &CredentialText, now: Now) -> Result<Principal, Stop> {
        let known = self.known(token)?;
        let claims = &known.claims;
        let mut principal = claims.principal();
        // What is on record is true for ever, and so comes before what merely passes.
        principal.freshness = self.registry().revocations().judge(&principal, now)?;
        in_time(claims, &principal.subject, now)?;
        let renewable = principal.freshness == Freshness::Live && !self.0.last_seen.is_refused();
        let renewal = renewal(claims, renewable, now)?;
        if let Some(device) = &mut principal.device {
            device.renewal = renewal;
        }
        let hour = hour_of(now);
        if known.noted.load(Ordering::Relaxed) != hour && known.noted.swap(hour, Ordering::Relaxed) != hour {
            self.0.last_seen.note_use(claims, now);
            self.saw(claims.device, None, now);
        }
        Ok(principal)
    }
}

impl TokenMemory {
    pub(super) fn new() -> Self {
        let lru = EvictionPolicy::lru;
        Self {
            genuine: Cache::builder().max_capacity(GENUINE).eviction_policy(lru()).build(),
            forged: Cache::builder().max_capacity(FORGED).eviction_policy(lru()).build(),
        }
    }
}

/// A form that no release of ours makes is a proof, whoever signed it. One that we merely do not understand is not.
fn malformed(malformed: MalformedToken) -> Stop {
    match malformed {
        MalformedToken::Invalid(why) | MalformedToken::Unsigned(why) => {
            Rejected::proven_by(NotADeviceToken(why)).into()
        }
        MalformedToken::NotUnderstood(_) => {
            Unavailable::because(Dependency::OwnJudgement, malformed).unsettled().into()
        }
    }
}

/// Whether it has begun and is not over. What only one reading of the clock says is neither a proof nor good enough.
fn in_time(claims: &DeviceClaims, who: &Subject, now: Now) -> Result<(), Stop> {
    let begins = claims.issued - LEEWAY;
    if now.past(begins) == Past::No {
        return Err(Unavailable::not_yet(begins, now, "the device token is not valid yet").into());
    }
    match now.past(claims.expires) {
        Past::No => Ok(()),
        Past::Yes => Err(Rejected::proven_by(DeviceTokenExpired { who: who.clone(), at: claims.expires }).into()),
        Past::InDoubt => {
            let cause = "whether the device token is over is in doubt";
            Err(Unavailable::because(Dependency::Clock, cause).into())
        }
    }
}

/// Whether a good token should be renewed; or must be first. That is asked of it only while a renewal can be had: the
/// revocation set, which is read from the same store, is confirmed, and the store takes what is written. An outage of ours is
/// nobody's neglect.
fn renewal(claims: &DeviceClaims, renewable: bool, now: Now) -> Result<Renewal, Unavailable> {
    #[cfg(candor_mutants)]
    let renewable = renewable || crate::mutants::is("overdue-in-an-outage-is-stopped");
    if now.past(claims.soft + OVERDUE) == Past::Yes && renewable {
        return Err(Unavailable::renewal_required("the device token is long overdue for its renewal"));
    }
    Ok(if now.past(claims.soft) == Past::Yes {
        Renewal::Overdue
    } else if now.past(claims.renew) == Past::No {
        Renewal::NotDue
    } else {
        Renewal::Due
    })
}

impl DeviceClaims {
    /// Whom it stands for, before anything is judged but its signature.
    pub(super) fn principal(&self) -> Principal {
        Principal {
            kind: Kind::Device,
            subject: Subject::new(self.issuer.clone(), self.device.to_string()),
            tenant: Some(self.tenant.clone()),
            user_name: UserName::Subject,
            name: Some(self.room.clone()),
            preferred_username: None,
            email: None,
            roles: Roles::NotStated(Silence::Absent),
            groups: Groups::NotStated(Silence::Absent),
            session: None,
            device: Some(Box::new(BoundDevice {
                id: self.device,
                binding: self.binding,
                generation: self.generation,
                room: self.room.clone(),
                key: self.key,
                renewal: Renewal::NotDue,
            })),
            begun: self.issued,
            until: self.expires,
            freshness: Freshness::Live,
        }
    }
}
