//! The provider's keys, and the tokens that it signs with them, good and bad.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use auth_core::Timestamp;
use aws_lc_rs::{
    digest::{SHA256, digest},
    encoding::AsDer,
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_SHA256},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use serde_json::{Value, json};

/// How many keys a provider can go through, and one that none ever publishes.
const KEYS: usize = 4;
const NEVER_PUBLISHED: usize = KEYS;

/// RSA-2048 keys, each made when it is first needed: making one takes a fifth of a second in a test build.
static MADE: [OnceLock<KeyPair>; KEYS + 1] = [const { OnceLock::new() }; KEYS + 1];

/// The keys of one provider: those up to `current` are published, `current` signs.
pub(super) struct KeyRing {
    current: AtomicUsize,
    named_by_hash: AtomicBool,
}

/// Which key signs, and under which name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Signer {
    /// The provider's current key.
    Current,
    /// A foreign key, under the name of the current one: a forgery.
    Forger,
    /// A foreign key, under this name.
    Unknown(String),
}

/// A bearer token to be minted. Good, unless made a twin.
#[derive(Clone, Debug)]
pub struct AccessTokenSpec {
    subject: String,
    extra: Value,
    age: Duration,
    lifetime: Duration,
    signer: Signer,
    other_audience: bool,
    other_tenant: bool,
    typ: Option<&'static str>,
}

/// In which way a twin is bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Twin {
    /// It was good an hour ago.
    Expired,
    /// Another key signed it, under the name of the provider's.
    Forged,
    /// It was made for somebody else.
    WrongAudience,
    /// It names a key that the provider never had.
    UnknownKid,
    /// The provider's key signed it, in the name of another tenant (as Entra ID's tenants share keys).
    OtherTenant,
}

impl Twin {
    /// Every way.
    pub const ALL: [Self; 5] = [Self::Expired, Self::Forged, Self::WrongAudience, Self::UnknownKid, Self::OtherTenant];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Forged => "forged",
            Self::WrongAudience => "wrong-audience",
            Self::UnknownKid => "unknown-kid",
            Self::OtherTenant => "other-tenant",
        }
    }
}

impl AccessTokenSpec {
    /// A good token for `subject`, issued a minute ago, for an hour.
    pub fn of(subject: &str) -> Self {
        Self {
            subject: subject.to_owned(),
            extra: json!({}),
            age: Duration::from_secs(60),
            lifetime: Duration::from_secs(3600),
            signer: Signer::Current,
            other_audience: false,
            other_tenant: false,
            typ: Some("at+jwt"),
        }
    }

    /// The same, with further claims.
    pub fn with(mut self, claims: Value) -> Self {
        self.extra = claims;
        self
    }

    /// The same, issued this long ago.
    pub fn aged(mut self, age: Duration) -> Self {
        self.age = age;
        self
    }

    /// The same, with this `typ` in its header.
    pub fn typed(mut self, typ: Option<&'static str>) -> Self {
        self.typ = typ;
        self
    }

    /// The same, good for this long from its issuing on.
    pub fn lasting(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// The same, by a foreign key that calls itself `kid`.
    pub fn under_kid(mut self, kid: &str) -> Self {
        self.signer = Signer::Unknown(kid.to_owned());
        self
    }

    /// The same, bad in this way.
    pub fn twin(mut self, twin: Twin) -> Self {
        match twin {
            Twin::Expired => (self.age, self.lifetime) = (Duration::from_secs(7200), Duration::from_secs(3600)),
            Twin::Forged => self.signer = Signer::Forger,
            Twin::WrongAudience => self.other_audience = true,
            Twin::UnknownKid => self.signer = Signer::Unknown("never-published".into()),
            Twin::OtherTenant => self.other_tenant = true,
        }
        self
    }

    pub(super) fn mint(&self, keys: &KeyRing, issuer: &str, audience: &str, now: Timestamp) -> String {
        keys.sign(self.signer.clone(), self.typ, &self.claims(issuer, audience, now))
    }

    pub(super) fn claims(&self, issuer: &str, audience: &str, now: Timestamp) -> Value {
        let issued = now - self.age;
        let tenant = if self.other_tenant { "/another-tenant" } else { "" };
        let mut claims = json!({
            "iss": format!("{issuer}{tenant}"),
            "aud": if self.other_audience { "api://somebody-else" } else { audience },
            "sub": self.subject,
            "client_id": self.subject,
            "jti": random(),
            "iat": issued.as_secs(),
            "nbf": issued.as_secs(),
            "exp": (issued + self.lifetime).as_secs(),
        });
        if let (Some(claims), Some(extra)) = (claims.as_object_mut(), self.extra.as_object()) {
            claims.extend(extra.clone());
        }
        claims
    }
}

impl KeyRing {
    /// Made with its first key, so that nobody's first answer waits for that.
    pub(super) fn new() -> Self {
        key(0);
        Self { current: AtomicUsize::new(0), named_by_hash: AtomicBool::new(false) }
    }

    /// Moves on to the next key; the last one stays when all were used.
    pub(super) fn rotate(&self) -> String {
        let next = (self.current.load(Ordering::SeqCst) + 1).min(KEYS - 1);
        key(next);
        self.current.store(next, Ordering::SeqCst);
        self.kid(next)
    }

    /// From now on keys are named by their own hash, as Keycloak names them.
    pub(super) fn name_by_hash(&self) {
        self.named_by_hash.store(true, Ordering::SeqCst);
    }

    fn kid(&self, index: usize) -> String {
        if self.named_by_hash.load(Ordering::SeqCst) {
            let spki = key(index).public_key().as_der().expect("a public key can be written down");
            return BASE64.encode(digest(&SHA256, spki.as_ref()));
        }
        format!("key-{index}")
    }

    fn public(&self, index: usize) -> Value {
        let public = key(index).public_key();
        json!({
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": self.kid(index),
            "n": BASE64.encode(public.modulus().big_endian_without_leading_zero()),
            "e": BASE64.encode(public.exponent().big_endian_without_leading_zero()),
        })
    }

    /// The published key set (RFC 7517).
    pub(super) fn published(&self) -> Value {
        let keys: Vec<Value> = (0..=self.current.load(Ordering::SeqCst)).map(|index| self.public(index)).collect();
        json!({ "keys": keys })
    }

    /// A JWT (RFC 7519) in compact form, RS256.
    pub(super) fn sign(&self, signer: Signer, typ: Option<&str>, claims: &Value) -> String {
        let current = self.current.load(Ordering::SeqCst);
        let (key, kid) = match signer {
            Signer::Current => (key(current), self.kid(current)),
            Signer::Forger => (key(NEVER_PUBLISHED), self.kid(current)),
            Signer::Unknown(kid) => (key(NEVER_PUBLISHED), kid),
        };
        let mut header = json!({ "alg": "RS256", "kid": kid });
        if let Some(typ) = typ {
            header["typ"] = typ.into();
        }
        let signed = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .expect("a key of our own signs, and the buffer has its length");
        format!("{signed}.{}", BASE64.encode(signature))
    }
}

/// 128 random bits, as text.
pub(in crate::demo) fn random() -> String {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system has randomness");
    BASE64.encode(bytes)
}

fn key(index: usize) -> &'static KeyPair {
    MADE[index].get_or_init(|| KeyPair::generate(KeySize::Rsa2048).expect("a key of this size can be made"))
}
