//! Public keys (RFC 7517), each with the algorithms that configuration lets it have.

use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
        UnparsedPublicKey,
    },
};
use jsonwebtoken::{Algorithm as Jwa, DecodingKey, crypto::aws_lc::DEFAULT_PROVIDER};
use serde_json::{Map, Value};

use super::{Algorithm, MalformedToken, Unverified, decoded, header::Header, key_name, parts};

/// A public key that may verify.
#[derive(Clone)]
pub(crate) struct VerifyingKey {
    kid: Option<String>,
    issuer: Option<String>,
    /// Those that it may use and that are configured.
    algorithms: Vec<Algorithm>,
    /// Those that it may use.
    possible: Vec<Algorithm>,
    named_by_hash: bool,
    key: DecodingKey,
}

/// What a key says about a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signature {
    /// It holds.
    Holds,
    /// It does not.
    Fails,
    /// It is by an algorithm that this key does not use: none of its own.
    Foreign,
    /// It is by an algorithm that this key may use and that is not configured: nobody looked.
    NotLookedAt,
}

/// Why a JWK is left out of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnusableJwk {
    /// It holds a private or a shared key: whoever reads the set can sign.
    #[error("a private or shared key was published")]
    Private,
    /// It is not ours to use.
    #[error("{0}")]
    Unfit(&'static str),
}

/// Members that only a private or a shared key has (RFC 7518 §6.2.2, §6.3.2, §6.4.1).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// What the key's shape allows, and its raw parts.
enum Shape {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    Ec { curve: Algorithm, point: Vec<u8> },
    Ed { x: Vec<u8> },
}

impl VerifyingKey {
    /// A key from its JWK, for those of `configured` that fit it. Its own `alg` narrows them and never widens them.
    pub(crate) fn from_jwk(jwk: &Map<String, Value>, configured: &[Algorithm]) -> Result<Self, UnusableJwk> {
        if PRIVATE_MEMBERS.iter().any(|name| jwk.contains_key(*name)) {
            return Err(UnusableJwk::Private);
        }
        let text = |name| jwk.get(name).and_then(Value::as_str);
        if jwk.get("use").is_some_and(|usage| usage != "sig") {
            return Err(UnusableJwk::Unfit("not for signatures"));
        }
        let verifies = |ops: &Value| ops.as_array().is_some_and(|ops| ops.iter().any(|op| op == "verify"));
        if jwk.get("key_ops").is_some_and(|ops| !verifies(ops)) {
            return Err(UnusableJwk::Unfit("not for verifying"));
        }
        let shape = Shape::of(jwk)?;
        let own = jwk.get("alg").map(|alg| alg.as_str().unwrap_or_default());
        let fits = |alg: &Algorithm| shape.allows(*alg) && own.is_none_or(|own| own == alg.as_str());
        let possible: Vec<_> = Algorithm::ALL.into_iter().filter(fits).collect();
        let algorithms: Vec<_> = configured.iter().copied().filter(fits).collect();
        if algorithms.is_empty() {
            return Err(UnusableJwk::Unfit("for none of the configured algorithms"));
        }
        let (key, spki) = shape.into_key()?;
        let (kid, issuer) = (text("kid").map(str::to_owned), text("issuer").map(str::to_owned));
        let named_by_hash = kid.as_deref().is_some_and(|kid| key_name::is_own_hash(kid, jwk, spki.as_ref()));
        Ok(Self { kid, issuer, algorithms, possible, named_by_hash, key })
    }

    /// Its name.
    pub(crate) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Whether its name is a hash of itself, so that no other key can ever have it.
    pub(crate) fn is_named_by_hash(&self) -> bool {
        self.named_by_hash
    }

    /// The issuer that it signs for, where the set says so (Entra).
    pub(crate) fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// What it says about the token's signature.
    pub(crate) fn says(&self, token: &Unverified<'_>) -> Signature {
        let algorithm = token.header.algorithm;
        if !self.possible.contains(&algorithm) {
            Signature::Foreign
        } else if !self.algorithms.contains(&algorithm) {
            Signature::NotLookedAt
        } else if self.verifies(algorithm, token.signed, token.signature) {
            Signature::Holds
        } else {
            Signature::Fails
        }
    }

    /// Whether the signature of `signed` holds. `signature` is encoded (RFC 7515 §2). The provider of the cryptography is
    /// named here: none is installed for the whole process, which belongs to whoever links this library.
    pub(crate) fn verifies(&self, algorithm: Algorithm, signed: &str, signature: &str) -> bool {
        if !self.algorithms.contains(&algorithm) {
            return false;
        }
        let Ok(signature) = decoded(signature) else { return false };
        (DEFAULT_PROVIDER.verifier_factory)(&jwa(algorithm), &self.key)
            .is_ok_and(|verifier| verifier.verify(signed.as_bytes(), &signature).is_ok())
    }
}

/// Whether a compact JWS holds under one JWK and one configured algorithm, whatever its payload. For test vectors,
/// whose payloads are no claims; everything else goes through [`super::read`].
///
/// # Errors
/// What is wrong with the token's form.
#[doc(hidden)]
pub fn signature_holds(token: &str, jwk: &Map<String, Value>, configured: Algorithm) -> Result<bool, MalformedToken> {
    let (signed, header, payload, signature) = parts(token)?;
    let header = Header::read(&decoded(header)?)?;
    decoded(payload)?;
    decoded(signature)?;
    let named = header.kid.as_deref().is_none_or(|kid| jwk.get("kid").is_none_or(|own| own == kid));
    let key = VerifyingKey::from_jwk(jwk, &[configured]);
    Ok(named && key.is_ok_and(|key| key.verifies(header.algorithm, signed, signature)))
}

impl Shape {
    fn of(jwk: &Map<String, Value>) -> Result<Self, UnusableJwk> {
        let text = |name| jwk.get(name).and_then(Value::as_str).unwrap_or_default();
        let bytes = |name| decoded(text(name)).map_err(|_| UnusableJwk::Unfit("a part is no canonical base64url"));
        let coordinates = |length: usize| {
            let (x, y) = (bytes("x")?, bytes("y")?);
            if x.len() != length || y.len() != length {
                return Err(UnusableJwk::Unfit("a coordinate of the wrong length"));
            }
            Ok([&[4][..], &x, &y].concat())
        };
        match (text("kty"), text("crv")) {
            ("RSA", _) => Ok(Self::Rsa { n: bytes("n")?, e: bytes("e")? }),
            ("EC", "P-256") => Ok(Self::Ec { curve: Algorithm::Es256, point: coordinates(32)? }),
            ("EC", "P-384") => Ok(Self::Ec { curve: Algorithm::Es384, point: coordinates(48)? }),
            ("OKP", "Ed25519") => Ok(Self::Ed { x: bytes("x")? }),
            _ => Err(UnusableJwk::Unfit("a kind of key that we do not use")),
        }
    }

    fn allows(&self, algorithm: Algorithm) -> bool {
        match algorithm {
            Algorithm::Rs256
            | Algorithm::Rs384
            | Algorithm::Rs512
            | Algorithm::Ps256
            | Algorithm::Ps384
            | Algorithm::Ps512 => matches!(self, Self::Rsa { .. }),
            Algorithm::Es256 | Algorithm::Es384 => matches!(self, Self::Ec { curve, .. } if *curve == algorithm),
            Algorithm::EdDsa => matches!(self, Self::Ed { .. }),
        }
    }

    /// Checks the key now, so that a bad one is left out of its set instead of failing every token that names it. Gives
    /// its SubjectPublicKeyInfo too.
    fn into_key(self) -> Result<(DecodingKey, PublicKeyX509Der<'static>), UnusableJwk> {
        let bad = |_| UnusableJwk::Unfit("not a key, or too weak a one");
        let (key, parsed) = match self {
            Self::Rsa { n, e } => {
                if !(2048..=8192).contains(&bits(&n)) {
                    return Err(UnusableJwk::Unfit("a modulus of less than 2048 or more than 8192 bits"));
                }
                // With e = 1 every text is its own signature.
                if bits(&e) < 2 {
                    return Err(UnusableJwk::Unfit("a public exponent of one"));
                }
                let components = RsaPublicKeyComponents { n: &n, e: &e };
                let parsed = components.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).map_err(bad)?;
                (DecodingKey::from_rsa_raw_components(&n, &e), parsed)
            }
            Self::Ec { curve, point } => {
                let curve = if curve == Algorithm::Es256 { &ECDSA_P256_SHA256_FIXED } else { &ECDSA_P384_SHA384_FIXED };
                let parsed = UnparsedPublicKey::new(curve, &point).parse().map_err(bad)?;
                (DecodingKey::from_ec_der(&point), parsed)
            }
            Self::Ed { x } => {
                let parsed = UnparsedPublicKey::new(&ED25519, &x).parse().map_err(bad)?;
                (DecodingKey::from_ed_der(&x), parsed)
            }
        };
        let spki = parsed.as_der().map_err(|_| UnusableJwk::Unfit("a key that cannot be written down"))?;
        Ok((key, spki))
    }
}

/// The length of an unsigned number (RFC 7518 §2, `Base64urlUInt`), in bits.
fn bits(number: &[u8]) -> usize {
    let significant = number.iter().position(|byte| *byte != 0).map_or(&[][..], |first| &number[first..]);
    let spare = significant.first().map_or(0, |first| first.leading_zeros() as usize);
    significant.len() * 8 - spare
}

pub(super) fn jwa(algorithm: Algorithm) -> Jwa {
    match algorithm {
        Algorithm::Rs256 => Jwa::RS256,
        Algorithm::Rs384 => Jwa::RS384,
        Algorithm::Rs512 => Jwa::RS512,
        Algorithm::Ps256 => Jwa::PS256,
        Algorithm::Ps384 => Jwa::PS384,
        Algorithm::Ps512 => Jwa::PS512,
        Algorithm::Es256 => Jwa::ES256,
        Algorithm::Es384 => Jwa::ES384,
        Algorithm::EdDsa => Jwa::EdDSA,
    }
}
