//! Which configuration it is: a hash of the file's text.
//!
//! The text holds no secrets, so that its hash may be shown to anybody. Deliberately absent: the content of the files that
//! it names, since the hash of a short secret gives the secret away.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};

/// The first 48 bits of the SHA-256 of a configuration's text: as many as a metric's floating-point number holds exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigHash(u64);

impl ConfigHash {
    /// That of `text`.
    pub fn of(text: &str) -> Self {
        let bytes = digest(&SHA256, text.as_bytes());
        Self(bytes.as_ref().iter().take(6).fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// As a metric's value, which `{:012x}` writes as the logs do.
    #[expect(clippy::cast_precision_loss, reason = "48 bits fit")]
    pub fn as_gauge(self) -> f64 {
        self.0 as f64
    }
}

impl fmt::Display for ConfigHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_that_of_sha256sum() {
        let hash = ConfigHash::of("abc");
        assert_eq!(hash.to_string(), "ba7816bf8f01");
        assert_eq!(format!("{:.0}", hash.as_gauge()), 0xba78_16bf_8f01_u64.to_string());
        assert_ne!(hash, ConfigHash::of("abd"));
    }
}
