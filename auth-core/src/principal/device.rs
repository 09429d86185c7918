//! What names a device, its key and its place: identifiers, and how each is written.

use std::{fmt, str::FromStr, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Names a device: a UUID of version 7 (RFC 9562 §5.7), so that devices sort by when they were registered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId([u8; 16]);

/// Names a binding, of a device to a tenant: a UUID of version 7.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BindingId([u8; 16]);

/// Names a device key: its JWK thumbprint, SHA-256 (RFC 7638), shown as base64url.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thumbprint([u8; 32]);

/// Names a device token of a device without a key: 128 random bits, shown as base64url.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId([u8; 16]);

/// Counts how often a binding has begun anew: what was issued under an earlier one is never admitted again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(u32);

/// What has become of a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BindingState {
    /// It stands.
    Active,
    /// It is not admitted for now, and nothing of it has ended.
    Suspended,
    /// It has ended: its generation is never admitted again.
    Revoked,
}

/// A device whose token held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundDevice {
    /// Its name.
    pub id: DeviceId,
    /// Its binding to the tenant.
    pub binding: BindingId,
    /// The generation that the token is of.
    pub generation: Generation,
    /// The room that the token says it hangs in.
    pub room: Arc<str>,
    /// The key that it proves itself by where it matters; `None` for one without the protocol. A request shows no proof.
    pub key: Option<Thumbprint>,
    /// Whether it should renew its token.
    pub renewal: Renewal,
}

/// Whether a device should renew its token. Whatever it is, the token is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Renewal {
    /// Not yet.
    NotDue,
    /// When it is convenient.
    Due,
    /// Now: before long only a renewal will be answered.
    Overdue,
}

/// The text names nothing of the kind. Holds the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a {0}")]
pub struct NotAnId(&'static str);

/// A UUID of version 7 from its parts: milliseconds since the epoch, and what was drawn at random.
const fn uuid(millis: i64, random: [u8; 10]) -> [u8; 16] {
    let [_, _, a, b, c, d, e, f] = millis.to_be_bytes();
    let [g, h, i, j, k, l, m, n, o, p] = random;
    [a, b, c, d, e, f, 0x70 | (g & 0x0f), h, 0x80 | (i & 0x3f), j, k, l, m, n, o, p]
}

fn show_uuid(bytes: &[u8; 16], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (at, byte) in bytes.iter().enumerate() {
        let dash = if matches!(at, 4 | 6 | 8 | 10) { "-" } else { "" };
        write!(f, "{dash}{byte:02x}")?;
    }
    Ok(())
}

/// A UUID in its one form here: lower case, with hyphens.
fn read_uuid(text: &str) -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    let mut digits = text.bytes().enumerate().filter(|(at, byte)| !(matches!(at, 8 | 13 | 18 | 23) && *byte == b'-'));
    for byte in &mut bytes {
        let [high, low] = [digits.next()?, digits.next()?].map(|(_, digit)| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        });
        *byte = high? << 4 | low?;
    }
    (text.len() == 36 && digits.next().is_none()).then_some(bytes)
}

macro_rules! uuid_v7 {
    ($name:ident, $what:literal) => {
        impl $name {
            /// One from its parts: when it was made, in milliseconds since the epoch, and what was drawn at random.
            pub const fn from_parts(millis: i64, random: [u8; 10]) -> Self {
                Self(uuid(millis, random))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                show_uuid(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                read_uuid(text).map(Self).ok_or(NotAnId($what))
            }
        }

        as_text!($name);
    };
}

/// Shown, and read and written by serde, as its text.
macro_rules! as_text {
    ($name:ident) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from)?.parse().map_err(D::Error::custom)
            }
        }
    };
}

uuid_v7!(DeviceId, "device id");
uuid_v7!(BindingId, "binding id");
as_text!(Thumbprint);
as_text!(TokenId);

impl Thumbprint {
    /// A thumbprint from its bytes. Whoever makes one hashes a key.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl TokenId {
    /// A token id from its bytes. Whoever makes one draws them at random.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl BindingState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Active, Self::Suspended, Self::Revoked];

    /// The word that the store, logs and answers use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Revoked => "revoked",
        }
    }
}

impl Generation {
    /// That of a binding which has never ended.
    pub const FIRST: Self = Self(1);

    /// The generation of this number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The one after it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl FromStr for TokenId {
    type Err = NotAnId;
    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(NotAnId("token id"))
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for BindingState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for BindingState {
    type Err = NotAnId;
    fn from_str(text: &str) -> Result<Self, NotAnId> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(NotAnId("state of a binding"))
    }
}

impl FromStr for Thumbprint {
    type Err = NotAnId;
    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(NotAnId("key thumbprint"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back_sort_by_time_and_have_one_form() {
        let id = |millis| DeviceId::from_parts(millis, [0xff; 10]);
        let text = id(0x0197_2345_6789).to_string();
        assert_eq!(text, "01972345-6789-7fff-bfff-ffffffffffff");
        assert_eq!(text.parse(), Ok(id(0x0197_2345_6789)));
        assert!(id(1).to_string() < id(2).to_string());
        assert_eq!(serde_json::to_value(id(1)).expect("text"), serde_json::json!(id(1).to_string()));
        let upper = text.to_uppercase();
        for bad in ["", &text[1..], &upper, &text.replace('-', ""), &text.replace('-', "0"), &format!("{text}0")] {
            assert_eq!(bad.parse::<DeviceId>(), Err(NotAnId("device id")), "{bad}");
        }
    }

    #[test]
    fn a_thumbprint_reads_back() {
        let thumbprint = Thumbprint::from_bytes([7; 32]);
        assert_eq!(thumbprint.to_string().parse(), Ok(thumbprint));
        assert_eq!("short".parse::<Thumbprint>(), Err(NotAnId("key thumbprint")));
    }
}
