//! Keyed hashes: HMAC-SHA-256 (RFC 2104) under keys derived from the sealing key by HKDF (RFC 5869).
//!
//! They are for what must be found or checked without being kept: a million PINs can be hashed in a moment, so a hash
//! of one hides nothing unless its key lies elsewhere than the store. Each purpose has a key of its own. With another
//! sealing key they change, which costs what stands on them a fresh start: ten minutes of a PIN, five of a nonce.

use aws_lc_rs::{
    hkdf::{HKDF_SHA256, Salt},
    hmac::{self, HMAC_SHA256},
};

/// What is hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MacPurpose {
    /// The PIN of an activation, out of its random id.
    PinDraw,
    /// A PIN, as the store keeps it.
    Pin,
    /// The tag of an activation, out of its random id.
    PinTag,
    /// The code by which a device polls for its activation.
    DeviceCode,
    /// A nonce for key proofs.
    ProofNonce,
}

/// The keys of all purposes. No `Debug`.
pub(crate) struct MacKeys {
    pin_draw: hmac::Key,
    pin: hmac::Key,
    pin_tag: hmac::Key,
    device_code: hmac::Key,
    proof_nonce: hmac::Key,
}

/// The length of a keyed hash, in bytes.
pub(crate) const MAC_LEN: usize = 32;

impl MacPurpose {
    const fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::PinDraw => b"pin draw",
            Self::Pin => b"pin",
            Self::PinTag => b"pin tag",
            Self::DeviceCode => b"device code",
            Self::ProofNonce => b"proof nonce",
        }
    }
}

impl MacKeys {
    /// The keys that belong to the sealing key `from`.
    pub(crate) fn derive(from: &[u8]) -> Self {
        let drawn = Salt::new(HKDF_SHA256, b"candor keyed hash").extract(from);
        let key = |purpose: MacPurpose| {
            let info = [purpose.as_bytes()];
            let key = drawn.expand(&info, HMAC_SHA256).expect("one block is within what HKDF gives");
            hmac::Key::from(key)
        };
        Self {
            pin_draw: key(MacPurpose::PinDraw),
            pin: key(MacPurpose::Pin),
            pin_tag: key(MacPurpose::PinTag),
            device_code: key(MacPurpose::DeviceCode),
            proof_nonce: key(MacPurpose::ProofNonce),
        }
    }

    /// The keyed hash of `parts`, each with its length, so that no two lists of parts are hashed alike.
    pub(crate) fn hash(&self, purpose: MacPurpose, parts: &[&[u8]]) -> [u8; MAC_LEN] {
        let mut hashed = hmac::Context::with_key(self.key(purpose));
        for part in parts {
            hashed.update(&(part.len() as u64).to_be_bytes());
            hashed.update(part);
        }
        let mut hash = [0; MAC_LEN];
        hash.copy_from_slice(hashed.sign().as_ref());
        hash
    }

    fn key(&self, purpose: MacPurpose) -> &hmac::Key {
        match purpose {
            MacPurpose::PinDraw => &self.pin_draw,
            MacPurpose::Pin => &self.pin,
            MacPurpose::PinTag => &self.pin_tag,
            MacPurpose::DeviceCode => &self.device_code,
            MacPurpose::ProofNonce => &self.proof_nonce,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyed_hash_depends_on_key_purpose_and_parts() {
        let hash = |key: u8, purpose, parts: &[&[u8]]| MacKeys::derive(&[key; 32]).hash(purpose, parts);
        let one = hash(1, MacPurpose::Pin, &[b"482913"]);
        assert_eq!(one, hash(1, MacPurpose::Pin, &[b"482913"]));
        let others = [
            hash(2, MacPurpose::Pin, &[b"482913"]),
            hash(1, MacPurpose::DeviceCode, &[b"482913"]),
            hash(1, MacPurpose::PinTag, &[b"482913"]),
            hash(1, MacPurpose::ProofNonce, &[b"482913"]),
            hash(1, MacPurpose::Pin, &[b"48291", b"3"]),
            hash(1, MacPurpose::Pin, &[b"482914"]),
        ];
        assert!(others.iter().all(|other| *other != one));
    }
}
