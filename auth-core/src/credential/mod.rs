//! The credentials of a request: which of them counts, and the one hash by which it is known afterwards.
//!
//! This is the only reader of credentials: the gateway and `AuthLayer` both read a head by [`CredentialCandidates`], so
//! that they take the same one for the same requirement. What was chosen is hashed here, once. Deliberately absent: any
//! judgement of it; that is [`crate::authenticator`]'s.

mod candidates;
mod cookie;
mod opaque;

use std::{fmt, str::FromStr};

use aws_lc_rs::digest::{SHA256, digest};
use secrecy::{ExposeSecret, SecretString};

pub(crate) use self::candidates::IsKnown;
pub use self::{
    candidates::{AmbiguousCredentials, CredentialCandidates},
    cookie::{cookies, trim_blanks},
    opaque::OpaqueCredential,
};
use crate::verdict::{Detail, Proof, Reason, Rejected, Stop};

/// What a request brought to show who sends it.
#[derive(Clone, Debug, Default)]
pub enum Credential {
    /// Nothing.
    #[default]
    None,
    /// Something, and nothing that counts: it is as good as nothing, and whoever sent it is told what it was.
    Unsupported(UnsupportedCredential),
    /// The value of our session cookie.
    Ticket(CredentialText),
    /// A bearer token (RFC 6750 §2.1) whose issuer is configured.
    Bearer(CredentialText),
    /// A device token of ours, as `Bearer` or as `DPoP` (RFC 9449 §7.1). A request brings no proof of its key.
    DeviceToken(CredentialText),
    /// A token of before, which only the service behind us can read. See [`crate::device::legacy`].
    LegacyDevice(OpaqueCredential),
}

/// Whose a token in `Authorization` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenOrigin {
    /// An issuer's that is configured.
    Issuer,
    /// Ours: a device token.
    Device,
    /// Somebody else's business.
    Elsewhere,
}

/// What was shown in place of a credential that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnsupportedCredential {
    /// An `Authorization` of another scheme than `Bearer`, or a `DPoP` that is no device token.
    Scheme,
    /// A `Bearer` that is no token, or one of an issuer that is not configured.
    Bearer,
    /// Our session cookie, where nobody who has one may pass.
    Ticket,
}

/// A credential as it was sent, and its hash. It never shows itself.
#[derive(Clone)]
pub struct CredentialText {
    text: SecretString,
    hash: CredentialHash,
}

/// The SHA-256 of a credential: what is remembered of it is found by this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CredentialHash([u8; 32]);

/// The text is no SHA-256 in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not 64 hexadecimal digits")]
pub(crate) struct NotACredentialHash;

/// Names a credential without holding it: the first half of its SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CredentialId([u8; 16]);

/// No credential that counts came with the request; what came in its place, if anything did.
struct NoCredential(Option<UnsupportedCredential>);

impl Credential {
    /// Whether only a device would show it, so that it is answered as one, wherever it asks.
    pub fn is_a_devices(&self) -> bool {
        match self {
            Self::DeviceToken(_) | Self::LegacyDevice(_) => true,
            Self::None | Self::Unsupported(_) | Self::Ticket(_) | Self::Bearer(_) => false,
        }
    }

    /// The refusal of a request that brought none that counts.
    pub(crate) fn missing(&self) -> Stop {
        let what = match self {
            Self::Unsupported(what) => Some(*what),
            Self::None | Self::Ticket(_) | Self::Bearer(_) | Self::DeviceToken(_) | Self::LegacyDevice(_) => None,
        };
        Rejected::proven_by(NoCredential(what)).into()
    }

    /// Names the credential without holding it; `None` unless it is one that counts.
    pub fn id(&self) -> Option<CredentialId> {
        match self {
            Self::None | Self::Unsupported(_) => None,
            Self::Ticket(text) | Self::Bearer(text) | Self::DeviceToken(text) => Some(text.id()),
            Self::LegacyDevice(token) => Some(token.text().id()),
        }
    }
}

impl Proof for NoCredential {
    fn reason(&self) -> Reason {
        Reason::Missing
    }
    fn detail(&self) -> Detail {
        Detail::new(self.0.map_or("the request carries no credential", UnsupportedCredential::explain))
    }
}

impl UnsupportedCredential {
    /// What came, for whoever sent it and for the log.
    pub(crate) const fn explain(self) -> &'static str {
        match self {
            Self::Scheme => "the request carries an `Authorization` of another scheme than `Bearer`",
            Self::Bearer => {
                "the request carries a bearer token that is malformed, or of an issuer that is not configured"
            }
            Self::Ticket => "the request carries a session cookie, and nobody who has one may pass here",
        }
    }
}

impl CredentialText {
    /// The credential `text`, exactly as it was sent.
    pub fn new(text: impl Into<SecretString>) -> Self {
        let text = text.into();
        let hash = CredentialHash::of(text.expose_secret().as_bytes());
        Self { text, hash }
    }

    /// Names the credential without holding it.
    pub fn id(&self) -> CredentialId {
        self.hash.id()
    }

    /// The credential itself.
    pub fn text(&self) -> &SecretString {
        &self.text
    }

    pub(crate) fn hash(&self) -> &CredentialHash {
        &self.hash
    }

    pub(crate) fn expose(&self) -> &str {
        self.text.expose_secret()
    }
}

impl CredentialHash {
    fn of(credential: &[u8]) -> Self {
        Self(digest(&SHA256, credential).as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }

    fn id(self) -> CredentialId {
        let mut id = [0; 16];
        id.copy_from_slice(&self.0[..16]);
        CredentialId(id)
    }
}

/// In hexadecimal, as everybody writes a SHA-256.
impl fmt::Display for CredentialHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for CredentialHash {
    type Err = NotACredentialHash;
    fn from_str(text: &str) -> Result<Self, NotACredentialHash> {
        let digits = text.as_bytes();
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(NotACredentialHash);
        }
        let mut bytes = [0; 32];
        for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| NotACredentialHash)?;
        }
        Ok(Self(bytes))
    }
}

impl CredentialId {
    /// The name of `credential`, given as it was sent.
    pub fn of(credential: &[u8]) -> Self {
        CredentialHash::of(credential).id()
    }

    /// Which of `count` parts of a map that is locked in parts it belongs to.
    pub(crate) fn shard(self, count: usize) -> usize {
        usize::from(self.0[0]) % count
    }
}

impl fmt::Debug for CredentialText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

#[cfg(test)]
mod tests;
