//! The proofs that keys give.

use crate::{
    clock::Timestamp,
    verdict::{Detail, Proof, Reason},
};

/// A token that its issuer provably did not sign.
#[derive(Clone, Debug)]
pub(crate) enum Forged {
    /// Its signature does not hold under the key that it names.
    Signature(BadSignature),
    /// It names a key that its issuer does not have.
    UnknownKey(UnknownKey),
}

/// The signature does not hold, and there is no other key that it could be of.
#[derive(Clone, Debug)]
pub(crate) struct BadSignature {
    kid: String,
    no_other: NoOther,
}

/// Why there is no other key of a name.
#[derive(Clone, Debug)]
enum NoOther {
    /// A set of keys that was born then would have it: it is young enough.
    Since(Timestamp),
    /// The name is the key's own hash.
    Ever,
}

/// The issuer has no such key, by a set of keys that is young enough to say so.
#[derive(Clone, Debug)]
pub(crate) struct UnknownKey {
    kid: String,
    keys_born: Timestamp,
}

/// A key of the issuer's set, which the set says signs for another issuer only (Entra's `issuer` of a key).
pub(super) struct WrongIssuer {
    pub(super) issuer: String,
    pub(super) key_signs_for: String,
}

/// The signature holds, and a claim that every token must carry does not.
pub(super) struct Incomplete {
    pub(super) claim: &'static str,
}

impl Forged {
    pub(super) fn signature(kid: Option<&str>, keys_born: Timestamp) -> Self {
        Self::Signature(BadSignature { kid: shown(kid), no_other: NoOther::Since(keys_born) })
    }

    pub(super) fn signature_for_good(kid: Option<&str>) -> Self {
        Self::Signature(BadSignature { kid: shown(kid), no_other: NoOther::Ever })
    }

    pub(super) fn unknown_key(kid: Option<&str>, keys_born: Timestamp) -> Self {
        Self::UnknownKey(UnknownKey { kid: shown(kid), keys_born })
    }
}

/// A stranger chose this text: short, and in characters that no log minds.
pub(super) fn shown(kid: Option<&str>) -> String {
    kid.unwrap_or("(none)").chars().take(64).flat_map(char::escape_default).collect()
}

impl Proof for BadSignature {
    fn reason(&self) -> Reason {
        Reason::BadSignature
    }
    fn detail(&self) -> Detail {
        Detail::new(match self.no_other {
            NoOther::Since(born) => format!("does not hold under key {}; keys as of {}", self.kid, born),
            NoOther::Ever => format!("does not hold under key {}, whose name is its own hash", self.kid),
        })
    }
}

impl Proof for UnknownKey {
    fn reason(&self) -> Reason {
        Reason::UnknownKey
    }
    fn detail(&self) -> Detail {
        Detail::new(format!("the issuer has no key {}; keys as of {}", self.kid, self.keys_born))
    }
}

impl Proof for Forged {
    fn reason(&self) -> Reason {
        match self {
            Self::Signature(bad) => bad.reason(),
            Self::UnknownKey(unknown) => unknown.reason(),
        }
    }
    fn detail(&self) -> Detail {
        match self {
            Self::Signature(bad) => bad.detail(),
            Self::UnknownKey(unknown) => unknown.detail(),
        }
    }
}

impl Proof for WrongIssuer {
    fn reason(&self) -> Reason {
        Reason::WrongIssuer
    }
    fn detail(&self) -> Detail {
        Detail::new(format!("the key signs for {}, not for {}", self.key_signs_for, self.issuer))
    }
}

impl Proof for Incomplete {
    fn reason(&self) -> Reason {
        Reason::Malformed
    }
    fn detail(&self) -> Detail {
        Detail::new(format!("the claim `{}` is missing or of the wrong type", self.claim))
    }
}
