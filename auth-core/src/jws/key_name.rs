//! Names of keys that are hashes of the key: what such a name stands for cannot change.
//!
//! Nothing is believed for it: the hash is computed from the key itself, and a certificate counts only if it certifies
//! that very key.

use aws_lc_rs::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use rustls::{pki_types::CertificateDer, server::ParsedCertificate};
use serde_json::{Map, Value};

use crate::principal::Thumbprint;

/// Whether `name` is a hash of the key that `jwk` is, whose SubjectPublicKeyInfo is `spki` (RFC 5280 §4.1.2.7, DER).
pub(super) fn is_own_hash(name: &str, jwk: &Map<String, Value>, spki: &[u8]) -> bool {
    // Keycloak's way.
    is_hash(name, &SHA256, spki)
        || thumbprint_input(jwk).is_some_and(|input| is_hash(name, &SHA256, input.as_bytes()))
        // `x5t` and `x5t#S256` (RFC 7517 §4.8, §4.9), as Entra ID names keys.
        || certificate(jwk, spki).is_some_and(|certificate| {
            // A second certificate of that hash could only be made by whoever has the key.
            is_hash(name, &SHA1_FOR_LEGACY_USE_ONLY, &certificate) || is_hash(name, &SHA256, &certificate)
        })
}

fn is_hash(name: &str, algorithm: &'static Algorithm, of: &[u8]) -> bool {
    name == URL_SAFE_NO_PAD.encode(digest(algorithm, of))
}

/// The thumbprint of `jwk` (RFC 7638), and the JSON that it is a hash of: the members that make the key, and no others. For a
/// key that was read; `None` if it is of a kind that we do not use.
pub(super) fn thumbprint(jwk: &Map<String, Value>) -> Option<(Thumbprint, String)> {
    let input = thumbprint_input(jwk)?;
    let hash = digest(&SHA256, input.as_bytes()).as_ref().try_into().ok()?;
    Some((Thumbprint::from_bytes(hash), input))
}

/// What the thumbprint is a hash of (RFC 7638 §3.1, RFC 8037 §2): the members that make the key, in their order. They are
/// canonical base64url, or the key would not have been read, so nothing in them needs escaping.
fn thumbprint_input(jwk: &Map<String, Value>) -> Option<String> {
    let members: &[&str] = match jwk.get("kty")?.as_str()? {
        "RSA" => &["e", "kty", "n"],
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        _ => return None,
    };
    let member = |name: &&str| Some(format!("\"{name}\":\"{}\"", jwk.get(*name)?.as_str()?));
    let members: Option<Vec<_>> = members.iter().map(member).collect();
    Some(format!("{{{}}}", members?.join(",")))
}

/// The first certificate of `x5c` (RFC 7517 §4.7), if it is one of this key.
fn certificate(jwk: &Map<String, Value>, spki: &[u8]) -> Option<Vec<u8>> {
    let der = STANDARD.decode(jwk.get("x5c")?.get(0)?.as_str()?).ok()?;
    let parsed = CertificateDer::from(der.as_slice());
    let certifies = ParsedCertificate::try_from(&parsed).ok()?.subject_public_key_info();
    (certifies.as_ref() == spki).then_some(der)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::jws::{Algorithm, VerifyingKey};

    /// A P-256 key and a certificate of it, made by OpenSSL, which also gave the hashes.
    const CERTIFICATE: &str = "MIIBeDCCAR+gAwIBAgIUeghFJmoHUwVq0xK4t51uD/S8R/wwCgYIKoZIzj0EAwIwEjEQMA4GA1UEAwwHZXhh\
        bXBsZTAeFw0yNjExMjQyMzQyMDRaFw0zNjExMjEyMzQyMDRaMBIxEDAOBgNVBAMMB2V4YW1wbGUwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC\
        AAQ/x/1qwy4LTcZQPoTI/m2Ml194lUJxX8Uz7HwpKPGU7QyqfrqoCcpJaYaV6Z3pVp5lquO4rFbmtjHCEne/Onpro1MwUTAdBgNVHQ4EFgQU\
        N4VjXGOvV67X0MgB8FFH4wXdDJowHwYDVR0jBBgwFoAUN4VjXGOvV67X0MgB8FFH4wXdDJowDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQD\
        AgNHADBEAiA01xiTzxVM8YXBMWdBIoyjpiZ2uGojSiVsURJjQYSSTQIgX5s0QuI0RljGlm8jfkuXfNclrnTW5BuJqGyPRVu7i/4=";

    fn named(kid: &str, jwk: &Value) -> bool {
        let mut jwk = jwk.as_object().expect("an object").clone();
        jwk.insert("kid".to_owned(), json!(kid));
        VerifyingKey::from_jwk(&jwk, &Algorithm::ALL).expect("a good key").is_named_by_hash()
    }

    fn ec() -> Value {
        json!({
            "kty": "EC", "crv": "P-256", "use": "sig",
            "x": "P8f9asMuC03GUD6EyP5tjJdfeJVCcV_FM-x8KSjxlO0",
            "y": "DKp-uqgJyklphpXpnelWnmWq47isVua2McISd786ems",
        })
    }

    #[test]
    fn a_name_that_is_a_hash_of_its_key_is_found_out() {
        let mut certified = ec();
        certified["x5c"] = json!([CERTIFICATE]);
        let spki = "q-MdU-LOnAbCku1vNSBIgq1yzket2UXrnG9QUI5XCM0";
        let thumbprint = "bik86kA914N24xiacJDtdyLR7lyLYHDUDgq-DAnuk3c";
        let (x5t, x5t_s256) = ("tIs5vq7MFEtMJ2VPvVmLZiwIk6I", "2UnPJqbQlzWk0lvPe2A_WAp9gimmRgV_EfP6E6TERXU");
        for name in [spki, thumbprint] {
            assert!(named(name, &ec()) && named(name, &certified), "{name}");
        }
        for name in [x5t, x5t_s256] {
            assert!(named(name, &certified), "{name}");
            assert!(!named(name, &ec()), "{name}: a name is not believed");
        }
        for name in ["", "k1", "Q-MdU-LOnAbCku1vNSBIgq1yzket2UXrnG9QUI5XCM0", &format!("{spki}=")] {
            assert!(!named(name, &certified), "{name}");
        }
    }

    #[test]
    fn the_standards_own_examples_are_found_out() {
        // RFC 7638 §3.1.
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiF\
                 V4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9\
                 c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1\
                 jF44-csFCur-kEgU8awapJzKnqDKgw";
        let rsa = json!({"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256"});
        assert!(named("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", &rsa));
        assert!(named("rTIyDPbFltiEsFOBulc6uo3dV0m03o9KI6efmondrrI", &rsa), "as Keycloak does, by OpenSSL");
        // RFC 8037 §A.3.
        let okp = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        assert!(named("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", &okp));
    }

    #[test]
    fn a_certificate_of_another_key_names_nothing() {
        let mut other = json!({
            "kty": "EC", "crv": "P-256", "x5c": [CERTIFICATE],
            "x": "11i8th65NwRMI6JZB18ZySZrFsmDMSK1lq2xsroRMOU",
            "y": "IisiBNwHqXMsJwoD8CdBxCOrAbta59czLTPjczpXCL0",
        });
        let names = ["tIs5vq7MFEtMJ2VPvVmLZiwIk6I", "2UnPJqbQlzWk0lvPe2A_WAp9gimmRgV_EfP6E6TERXU"];
        for nonsense in [json!([CERTIFICATE]), json!(CERTIFICATE), json!([]), json!([7]), json!(["AAAA"]), json!({})] {
            other["x5c"] = nonsense;
            assert!(names.iter().all(|name| !named(name, &other)), "{other}");
        }
    }
}
