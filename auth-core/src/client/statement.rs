//! Signed statements about this device: read strictly, and believed only from a pinned key.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use super::stored::{DeviceCredential, PinnedKey};

/// Longer ones are not looked at.
const LONGEST: usize = 8 * 1024;

/// What a statement that holds says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StatementVerdict {
    /// All is well.
    Valid,
    /// Keep the data, show nothing.
    Suspended,
    /// Erase these, once it is said twice.
    Wiping(WipingVerdict, Vec<String>),
    /// The gateway has no row, which is no revocation.
    Unknown,
}

/// Which of the two verdicts that can erase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum WipingVerdict {
    Revoked,
    Transferred,
}

/// It is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotBelieved;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    typ: String,
    alg: String,
    kid: String,
}

#[derive(Deserialize)]
struct Claims {
    sub: Option<String>,
    jkt: String,
    #[serde(rename = "gen")]
    generation: Option<u64>,
    verdict: String,
    #[serde(default)]
    wipe: Vec<String>,
    nonce: String,
}

/// What `statement` says about the device with this credential, key and nonce.
///
/// # Errors
/// Not signed by a pinned key, about another device, key or generation, or not over this nonce. Whether it is still in
/// force by its `exp` is not asked: a device has no clock, and the nonce is younger than the question.
pub(super) fn read(
    statement: &str,
    credential: &DeviceCredential,
    thumbprint: &str,
    nonce: Option<&str>,
) -> Result<StatementVerdict, NotBelieved> {
    let claims = verified(statement, &credential.statement_keys).ok_or(NotBelieved)?;
    if claims.jkt != thumbprint || nonce.is_some_and(|nonce| claims.nonce != nonce) {
        return Err(NotBelieved);
    }
    let is_own = claims.sub.as_deref() == Some(credential.device_id.as_str())
        && claims.generation == Some(credential.generation);
    match (claims.verdict.as_str(), is_own) {
        ("valid", _) => Ok(StatementVerdict::Valid),
        ("unknown", _) => Ok(StatementVerdict::Unknown),
        ("suspended", true) => Ok(StatementVerdict::Suspended),
        ("revoked", true) => Ok(StatementVerdict::Wiping(WipingVerdict::Revoked, claims.wipe)),
        ("transferred", true) => Ok(StatementVerdict::Wiping(WipingVerdict::Transferred, claims.wipe)),
        _ => Err(NotBelieved),
    }
}

/// The claims, if a pinned key signed them.
fn verified(statement: &str, pinned: &[PinnedKey]) -> Option<Claims> {
    if statement.len() > LONGEST {
        return None;
    }
    let (signed, signature) = statement.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    // Doubled members and members that we do not know make serde refuse.
    let header: Header = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
    if header.typ != "device-statement+jwt" || header.alg != "EdDSA" {
        return None;
    }
    let key = pinned.iter().find(|key| key.kid == header.kid)?;
    let (key, signature) = (URL_SAFE_NO_PAD.decode(&key.x).ok()?, URL_SAFE_NO_PAD.decode(signature).ok()?);
    UnparsedPublicKey::new(&ED25519, key).verify(signed.as_bytes(), &signature).ok()?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
}
