//! Sealed envelopes: AES-256-GCM-SIV (RFC 8452) with the purpose, the key and the expiry authenticated.
//!
//! An envelope is base64url (RFC 4648 §5, no padding) of: one byte of version, the key's id, the expiry in
//! milliseconds, the nonce, the ciphertext and its tag. A key's id is the hash of the key, so an id that we hold
//! names one key for ever, and a bad tag under it is proof. What opening can answer:
//!
//! | The envelope | Answer |
//! |---|---|
//! | opens | its content; if the hard expiry has passed, Rejected(Expired); if the clock is in doubt about that, Unavailable(Clock) |
//! | bad tag under a key of ours | Rejected(BadSeal) |
//! | a key that we retired (its id is kept) | Rejected(BadSeal) |
//! | a key id that we never had, or a version that we do not know | Unavailable(Keyring): a stranger can send it, and so can another release or another gateway whose key has not reached us |
//! | no envelope at all: not base64url, or too short for any | Rejected(BadSeal), see [`NotAnEnvelope`] |

use arc_swap::ArcSwap;
use aws_lc_rs::{
    aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    digest,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::{
    clock::{Now, Past, Timestamp},
    dependency::Dependency,
    verdict::{Detail, Proof, Reason, Rejected, Stop, Unavailable},
};

/// What an envelope is for. One sealed for one purpose does not open for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// An access token in a session's row.
    AccessToken,
    /// A refresh token in a session's row.
    RefreshToken,
    /// The ID token in a session's row.
    IdToken,
    /// The `state` parameter of a sign-in.
    SignInState,
    /// A session ticket.
    Ticket,
    /// The cookie of a pending sign-in.
    PendingSignIn,
    /// The cookie of somebody who signs out at their provider.
    PendingLogout,
}

/// Names a sealing key: the first eight bytes of a hash of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SealId([u8; 8]);

/// Our sealing keys, which may be replaced while they are in use.
pub(crate) struct Seals(ArcSwap<SealingKeys>);

struct SealingKeys {
    /// The one that seals.
    current: (SealId, RandomizedNonceKey),
    /// Those that only open.
    others: Vec<(SealId, RandomizedNonceKey)>,
    /// Ids of keys that we no longer have: what names one is dead.
    retired: Vec<SealId>,
}

/// What an envelope held.
pub(crate) struct OpenedEnvelope {
    /// What was sealed.
    pub(crate) content: Zeroizing<Vec<u8>>,
    /// When it expires.
    pub(crate) expires: Timestamp,
}

/// The tag does not hold under a key of ours.
struct BadTag;

/// It names a key that we retired.
struct RetiredKey;

/// The text cannot be an envelope of any key or release. It names no key that we might lack, so nothing that is down
/// could ever make it good; it was mangled or invented, and waiting would not help whoever sent it. It says nothing
/// about a session: no row is touched, and all that may be forgotten for it is the text itself.
struct NotAnEnvelope;

/// The hard expiry under the seal has passed.
struct Expired {
    at: Timestamp,
}

const VERSION: u8 = 1;
const KEY_ID: std::ops::Range<usize> = 1..9;
const EXPIRES: std::ops::Range<usize> = 9..17;
const NONCE: std::ops::Range<usize> = 17..17 + NONCE_LEN;
const HEAD: usize = NONCE.end;
const TAG: usize = 16;

/// Longer text is not looked at. A ticket has at most 3.5 KiB; a refresh token may be larger.
const CAP: usize = 16 * 1024;

impl Purpose {
    const fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::AccessToken => b"access-token",
            Self::RefreshToken => b"refresh-token",
            Self::IdToken => b"id-token",
            Self::SignInState => b"state",
            Self::Ticket => b"ticket",
            Self::PendingSignIn => b"try",
            Self::PendingLogout => b"logout",
        }
    }
}

impl SealId {
    /// The id of `key`.
    pub(crate) fn of(key: &[u8]) -> Self {
        let mut hashed = digest::Context::new(&digest::SHA256);
        hashed.update(b"candor sealing key\0");
        hashed.update(key);
        let mut id = [0; 8];
        id.copy_from_slice(&hashed.finish().as_ref()[..8]);
        Self(id)
    }

    pub(crate) const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl Seals {
    /// The length of a key, in bytes.
    pub(crate) const KEY_LEN: usize = 32;

    /// Seals by `current`; opens what it, the `others` and nobody else sealed. `None` if a key has the wrong length.
    pub(crate) fn new(current: &[u8], others: &[Zeroizing<Vec<u8>>], retired: Vec<SealId>) -> Option<Self> {
        let named = |key: &[u8]| Some((SealId::of(key), RandomizedNonceKey::new(&AES_256_GCM_SIV, key).ok()?));
        let others = others.iter().map(|key| named(key)).collect::<Option<_>>()?;
        Some(Self(ArcSwap::from_pointee(SealingKeys { current: named(current)?, others, retired })))
    }

    /// Goes on with the keys of `next`, from now on.
    pub(crate) fn replace(&self, next: &Self) {
        self.0.store(next.0.load_full());
    }

    /// Seals `content` for `purpose` until `expires`.
    pub(crate) fn seal(&self, purpose: Purpose, expires: Timestamp, content: &[u8]) -> String {
        let keys = self.0.load();
        let (id, key) = &keys.current;
        let mut sealed = content.to_vec();
        let nonce = key
            .seal_in_place_append_tag(Aad::from(context(purpose, *id, expires)), &mut sealed)
            .expect("AES-GCM-SIV seals whatever is shorter than 64 GiB");
        let mut envelope = Vec::with_capacity(HEAD + sealed.len());
        envelope.push(VERSION);
        envelope.extend_from_slice(id.as_bytes());
        envelope.extend_from_slice(&expires.as_millis().to_be_bytes());
        envelope.extend_from_slice(nonce.as_ref());
        envelope.append(&mut sealed);
        URL_SAFE_NO_PAD.encode(envelope)
    }

    /// Opens what [`Seals::seal`] made for `purpose`.
    ///
    /// # Errors
    /// As the table of the module says.
    pub(crate) fn open(&self, purpose: Purpose, envelope: &str, now: Now) -> Result<OpenedEnvelope, Stop> {
        let opened = self.open_if_perhaps_over(purpose, envelope, now)?;
        if now.past(opened.expires) == Past::InDoubt {
            return Err(Unavailable::because(Dependency::Clock, "the clock is in doubt about the hard expiry").into());
        }
        Ok(opened)
    }

    /// The same, where what only one reading of the clock calls over is as good as what none does.
    pub(crate) fn open_if_perhaps_over(
        &self,
        purpose: Purpose,
        envelope: &str,
        now: Now,
    ) -> Result<OpenedEnvelope, Stop> {
        if envelope.len() > CAP {
            return Err(Rejected::proven_by(NotAnEnvelope).into());
        }
        let Ok(mut bytes) = URL_SAFE_NO_PAD.decode(envelope).map(Zeroizing::new) else {
            return Err(Rejected::proven_by(NotAnEnvelope).into());
        };
        let Some((head, sealed)) = bytes.split_at_mut_checked(HEAD).filter(|(_, sealed)| sealed.len() >= TAG) else {
            return Err(Rejected::proven_by(NotAnEnvelope).into());
        };
        if head[0] != VERSION {
            return Err(unknown("the envelope is of another release").into());
        }
        let id = SealId(array(&head[KEY_ID]));
        let expires = Timestamp::from_millis(i64::from_be_bytes(array(&head[EXPIRES])));
        let nonce = Nonce::assume_unique_for_key(array(&head[NONCE]));
        let content =
            match self.0.load().key(id)?.open_in_place(nonce, Aad::from(context(purpose, id, expires)), sealed) {
                Ok(content) => Zeroizing::new(content.to_vec()),
                Err(_) => return Err(Rejected::proven_by(BadTag).into()),
            };
        // A hard expiry has no leeway.
        match now.past(expires) {
            Past::No | Past::InDoubt => Ok(OpenedEnvelope { content, expires }),
            Past::Yes => Err(Rejected::proven_by(Expired { at: expires }).into()),
        }
    }
}

impl SealingKeys {
    fn key(&self, id: SealId) -> Result<&RandomizedNonceKey, Stop> {
        if let Some((_, key)) = std::iter::once(&self.current).chain(&self.others).find(|(known, _)| *known == id) {
            return Ok(key);
        }
        #[cfg(candor_mutants)]
        if crate::mutants::is("unknown-key-id-is-no-credential") {
            return Err(Rejected::proven_by(NotAnEnvelope).into());
        }
        if self.retired.contains(&id) {
            return Err(Rejected::proven_by(RetiredKey).into());
        }
        Err(unknown("sealed by a key that we never had").into())
    }
}

/// What is authenticated beside the content.
fn context(purpose: Purpose, key: SealId, expires: Timestamp) -> Vec<u8> {
    let mut context = Vec::with_capacity(64);
    context.extend_from_slice(b"candor envelope\0");
    context.push(VERSION);
    context.extend_from_slice(key.as_bytes());
    context.extend_from_slice(&expires.as_millis().to_be_bytes());
    context.extend_from_slice(purpose.as_bytes());
    context
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(bytes);
    array
}

fn unknown(why: &'static str) -> Unavailable {
    Unavailable::because(Dependency::Keyring, why).unsettled()
}

impl Proof for BadTag {
    fn reason(&self) -> Reason {
        Reason::BadSeal
    }
    fn detail(&self) -> Detail {
        Detail::new("the seal does not hold under the key of ours that it names")
    }
}

impl Proof for RetiredKey {
    fn reason(&self) -> Reason {
        Reason::BadSeal
    }
    fn detail(&self) -> Detail {
        Detail::new("sealed by a key that we retired")
    }
}

impl Proof for NotAnEnvelope {
    fn reason(&self) -> Reason {
        Reason::BadSeal
    }
    fn detail(&self) -> Detail {
        Detail::new("not an envelope: not base64url, or too short, or too long")
    }
}

impl Proof for Expired {
    fn reason(&self) -> Reason {
        Reason::Expired
    }
    fn detail(&self) -> Detail {
        Detail::new(format!("its hard expiry was {}", self.at))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Clock;

    const NOON: Timestamp = Timestamp::from_secs(43_200);
    const LATER: Timestamp = Timestamp::from_secs(43_260);

    fn seals(current: u8, others: &[u8], retired: &[u8]) -> Seals {
        let key = |n: &u8| Zeroizing::new(vec![*n; Seals::KEY_LEN]);
        let retired = retired.iter().map(|n| SealId::of(&key(n))).collect();
        Seals::new(&key(&current), &others.iter().map(key).collect::<Vec<_>>(), retired).expect("the length is right")
    }

    fn opened(seals: &Seals, purpose: Purpose, envelope: &str, at: Timestamp) -> String {
        match seals.open(purpose, envelope, Now::at(at)) {
            Ok(opened) => String::from_utf8_lossy(&opened.content).into_owned(),
            Err(Stop::Rejected(rejected)) => rejected.reason().as_str().to_owned(),
            Err(Stop::Unavailable(why)) => format!("{}, unsettled: {}", why.dependency, why.is_unsettled()),
        }
    }

    #[test]
    fn what_one_key_sealed_is_judged_by_what_we_know_of_that_key() {
        let sealed = seals(1, &[], &[]).seal(Purpose::Ticket, LATER, b"ada");
        let check = |current, others: &[u8], retired: &[u8], expected| {
            assert_eq!(opened(&seals(current, others, retired), Purpose::Ticket, &sealed, NOON), expected);
        };
        check(1, &[], &[], "ada");
        check(2, &[3, 1], &[], "ada");
        check(2, &[], &[1], "bad-seal");
        check(2, &[3], &[4], "keyring, unsettled: true");
    }

    #[test]
    fn every_changed_bit_is_noticed() {
        let seals = seals(1, &[], &[]);
        let sealed = URL_SAFE_NO_PAD.decode(seals.seal(Purpose::Ticket, LATER, b"ada")).expect("it is base64url");
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let expected = if bit / 8 < KEY_ID.end { "keyring, unsettled: true" } else { "bad-seal" };
            assert_eq!(opened(&seals, Purpose::Ticket, &URL_SAFE_NO_PAD.encode(changed), NOON), expected, "bit {bit}");
        }
    }

    #[test]
    fn an_envelope_opens_for_its_purpose_only() {
        let seals = seals(1, &[], &[]);
        let all = [
            Purpose::AccessToken,
            Purpose::RefreshToken,
            Purpose::IdToken,
            Purpose::SignInState,
            Purpose::Ticket,
            Purpose::PendingSignIn,
            Purpose::PendingLogout,
        ];
        for (sealed_for, opened_for) in all.iter().flat_map(|a| all.iter().map(move |b| (*a, *b))) {
            let expected = if sealed_for == opened_for { "ada" } else { "bad-seal" };
            let sealed = seals.seal(sealed_for, LATER, b"ada");
            assert_eq!(opened(&seals, opened_for, &sealed, NOON), expected, "{sealed_for:?} {opened_for:?}");
        }
    }

    #[test]
    fn a_hard_expiry_is_hard() {
        let seals = seals(1, &[], &[]);
        let sealed = seals.seal(Purpose::PendingSignIn, LATER, b"ada");
        let check = |at, expected| assert_eq!(opened(&seals, Purpose::PendingSignIn, &sealed, at), expected, "{at:?}");
        check(LATER - Duration::from_millis(1), "ada");
        check(LATER, "expired");
    }

    #[test]
    fn what_only_one_clock_calls_over_is_neither_opened_nor_refused() {
        let seals = seals(1, &[], &[]);
        let sealed = seals.seal(Purpose::Ticket, LATER, b"ada");
        let check = |step, expected| {
            let clock = Clock::standing_at(NOON);
            clock.step_wall(step);
            let said = match seals.open(Purpose::Ticket, &sealed, clock.now()) {
                Ok(_) => "open",
                Err(Stop::Rejected(_)) => "refused",
                Err(Stop::Unavailable(down)) => down.dependency.as_str(),
            };
            assert_eq!(said, expected, "{step}");
        };
        check(59, "open");
        check(60, "clock");
        check(13 * 3600, "clock");
        check(-13 * 3600, "open");
    }

    #[test]
    fn what_is_no_envelope_is_no_envelope() {
        let seals = seals(1, &[], &[]);
        let good = seals.seal(Purpose::Ticket, LATER, b"");
        assert_eq!(opened(&seals, Purpose::Ticket, &good, NOON), "");
        let check = |text: &str| assert_eq!(opened(&seals, Purpose::Ticket, text, NOON), "bad-seal", "{text:.20}");
        check("");
        check("garbage");
        check("ä");
        check(&good[..good.len() - 1]);
        check(&format!("{good}="));
        check(&format!(" {good}"));
        check(&"A".repeat(CAP + 1));
    }

    #[test]
    fn an_envelope_of_another_release_is_not_refused() {
        let seals = seals(1, &[], &[]);
        let mut sealed = URL_SAFE_NO_PAD.decode(seals.seal(Purpose::Ticket, LATER, b"ada")).expect("it is base64url");
        sealed[0] = VERSION + 1;
        let sealed = URL_SAFE_NO_PAD.encode(sealed);
        assert_eq!(opened(&seals, Purpose::Ticket, &sealed, NOON), "keyring, unsettled: true");
    }
}
