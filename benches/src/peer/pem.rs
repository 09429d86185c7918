//! A provider's public key as a PEM file (RFC 7468), for gateways that cannot fetch a key set.

use aws_lc_rs::{encoding::AsDer, signature::RsaPublicKeyComponents};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use serde_json::Value;

/// The last RSA key of `key_set` (RFC 7517), which is the one that signs; `None` if there is none.
pub(super) fn public_key(key_set: &Value) -> Option<String> {
    let key = key_set["keys"].as_array()?.iter().rev().find(|key| key["kty"] == "RSA")?;
    let part = |name: &str| BASE64_URL_SAFE_NO_PAD.decode(key[name].as_str()?).ok();
    let key = RsaPublicKeyComponents { n: part("n")?, e: part("e")? }.as_der().ok()?;
    let encoded = BASE64_STANDARD.encode(key.as_ref());
    let lines: Vec<&str> = encoded.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    Some(format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n")))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::{
        encoding::PublicKeyX509Der,
        rand::SystemRandom,
        rsa::{KeyPair, KeySize},
        signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey},
    };
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_last_key_signed_verifies_by_the_file() {
        let [first, last] = [(), ()].map(|()| KeyPair::generate(KeySize::Rsa2048).expect("a key"));
        let jwk = |key: &KeyPair| {
            let public = key.public_key();
            let [n, e] = [public.modulus(), public.exponent()]
                .map(|part| BASE64_URL_SAFE_NO_PAD.encode(part.big_endian_without_leading_zero()));
            json!({ "kty": "RSA", "n": n, "e": e })
        };
        let file = public_key(&json!({ "keys": [jwk(&first), jwk(&last), { "kty": "EC" }] })).expect("a file");
        let body = file.strip_prefix("-----BEGIN PUBLIC KEY-----\n").expect("its first line");
        let body = body.strip_suffix("\n-----END PUBLIC KEY-----\n").expect("its last line");
        assert!(body.lines().all(|line| line.len() <= 64), "{file}");
        let key = BASE64_STANDARD.decode(body.replace('\n', "")).expect("base64");
        let expected: PublicKeyX509Der<'_> = last.public_key().as_der().expect("the key");
        assert_eq!(key, expected.as_ref());

        let mut signature = vec![0; last.public_modulus_len()];
        last.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), b"said", &mut signature).expect("a signature");
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key).verify(b"said", &signature).expect("it verifies");
    }

    #[test]
    fn no_key_is_no_file() {
        for set in [json!({}), json!({ "keys": [] }), json!({ "keys": [{ "kty": "EC" }, { "kty": "RSA", "n": "!" }] })]
        {
            assert_eq!(public_key(&set), None, "{set}");
        }
    }
}
