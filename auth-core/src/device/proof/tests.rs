//! Proofs by test devices, and every way in which one is no proof.

use std::time::Duration;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;

use super::*;
use crate::{background::Background, clock::Timestamp, database::Database, keyring::Keyring, testing::Folder};

pub(crate) const NOW: Now = Now::at(Timestamp::from_secs(1_800_000_000));
pub(crate) const TARGET: ProofTarget<'static> =
    ProofTarget { method: "POST", url: "https://gate.example/.candor/device/token" };

/// A keyring, and the store that belongs to it.
pub(crate) async fn keyring(folder: &Folder) -> Keyring {
    let store = Database::at(folder.path().join("store.sqlite"), Background::current(), Duration::from_secs(5));
    Keyring::open(&folder.taken(), &store, NOW).await.expect("both are absent")
}

/// A device's key.
pub(crate) enum TestDeviceKey {
    Ed(Ed25519KeyPair),
    Ec(EcdsaKeyPair),
}

impl TestDeviceKey {
    pub(crate) fn new() -> Self {
        Self::Ed(Ed25519KeyPair::generate().expect("makes a key"))
    }

    fn ec() -> Self {
        Self::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("makes a key"))
    }

    fn jwk(&self) -> Value {
        match self {
            Self::Ed(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(pair.public_key().as_ref())})
            }
            Self::Ec(pair) => {
                let point = pair.public_key().as_ref();
                let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..65]));
                json!({"kty": "EC", "crv": "P-256", "x": x, "y": y})
            }
        }
    }

    fn header(&self) -> Value {
        let alg = match self {
            Self::Ed(_) => "EdDSA",
            Self::Ec(_) => "ES256",
        };
        json!({"typ": "dpop+jwt", "alg": alg, "jwk": self.jwk()})
    }

    fn sign(&self, header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = match self {
            Self::Ed(pair) => pair.sign(signed.as_bytes()).as_ref().to_vec(),
            Self::Ec(pair) => pair.sign(&SystemRandom::new(), signed.as_bytes()).expect("signs").as_ref().to_vec(),
        };
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// A good proof.
    pub(crate) fn proof(&self, target: ProofTarget<'_>, nonce: &str) -> String {
        self.sign(&self.header().to_string(), &claims(target, nonce).to_string())
    }

    /// What a good proof shows.
    pub(crate) fn proven(&self) -> ProvenDeviceKey {
        let proof = self.sign(&self.header().to_string(), "{}");
        let read = read_with_own_key(&proof, TYP).expect("a good key");
        ProvenDeviceKey(PublicKey { thumbprint: read.thumbprint, jwk: read.jwk })
    }
}

fn claims(target: ProofTarget<'_>, nonce: &str) -> Value {
    json!({"jti": "1", "htm": target.method, "htu": target.url, "iat": 12, "nonce": nonce})
}

async fn nonces() -> (Folder, ProofNonces) {
    let folder = Folder::new();
    let keyring = keyring(&folder).await;
    (folder, ProofNonces::new(keyring))
}

#[tokio::test]
async fn a_good_proof_shows_the_key_once() {
    let (_folder, nonces) = nonces().await;
    for device in [TestDeviceKey::new(), TestDeviceKey::ec()] {
        let proof = device.proof(TARGET, &nonces.issue(NOW).expect("there is randomness"));
        let proven = prove(&nonces, &proof, TARGET, NOW).expect("it holds");
        assert_eq!(proven, device.proven());
        assert_eq!(serde_json::from_str::<Value>(proven.jwk()).expect("JSON"), device.jwk());
        assert_eq!(prove(&nonces, &proof, TARGET, NOW), Err(ProofFault::UseNonce), "the same proof again");
    }
}

#[tokio::test]
async fn the_thumbprint_is_that_of_the_standard() {
    // RFC 8037 §A.3.
    let proof = format!(
        "{}.e30.AA",
        URL_SAFE_NO_PAD.encode(
            json!({"typ": "dpop+jwt", "alg": "EdDSA", "jwk":
                {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}})
            .to_string()
        )
    );
    let read = read_with_own_key(&proof, TYP).expect("a good key");
    assert_eq!(read.thumbprint.to_string(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[tokio::test]
async fn a_proof_that_does_not_hold_costs_no_state() {
    let (_folder, nonces) = nonces().await;
    let (device, other) = (TestDeviceKey::new(), TestDeviceKey::new());
    let nonce = nonces.issue(NOW).expect("there is randomness");
    let stolen = other.sign(&device.header().to_string(), &claims(TARGET, &nonce).to_string());
    for _ in 0..3 {
        assert_eq!(prove(&nonces, &stolen, TARGET, NOW), Err(BadProof::Signature.into()));
    }
    prove(&nonces, &device.proof(TARGET, &nonce), TARGET, NOW).expect("the nonce is still good");
}

#[tokio::test]
async fn the_device_may_think_that_it_is_1970_or_3000() {
    let (_folder, nonces) = nonces().await;
    let device = TestDeviceKey::new();
    for iat in [json!(0), json!(-5), json!(1e11), json!(0.5)] {
        let mut claims = claims(TARGET, &nonces.issue(NOW).expect("there is randomness"));
        claims["iat"] = iat;
        prove(&nonces, &device.sign(&device.header().to_string(), &claims.to_string()), TARGET, NOW).expect("it holds");
    }
}

#[tokio::test]
async fn every_claim_is_looked_at() {
    let (_folder, nonces) = nonces().await;
    let device = TestDeviceKey::new();
    let nonce = nonces.issue(NOW).expect("there is randomness");
    let check = |name: &str, value: Value, expected: ProofFault| {
        let mut claims = claims(TARGET, &nonce);
        let said = format!("{name}: {value}");
        match value {
            Value::Null => drop(claims.as_object_mut().expect("an object").remove(name)),
            value => claims[name] = value,
        }
        let proof = device.sign(&device.header().to_string(), &claims.to_string());
        assert_eq!(prove(&nonces, &proof, TARGET, NOW), Err(expected), "{said}");
    };
    for name in ["jti", "htm", "htu", "iat"] {
        check(name, Value::Null, BadProof::Claims.into());
        check(name, json!(["a"]), BadProof::Claims.into());
    }
    check("nonce", Value::Null, ProofFault::UseNonce);
    check("nonce", json!(7), BadProof::Claims.into());
    check("nonce", json!("made up"), ProofFault::UseNonce);
    check("iat", json!("12"), BadProof::Claims.into());
    check("jti", json!(""), BadProof::Claims.into());
    check("jti", json!("a".repeat(MAX_JTI + 1)), BadProof::Claims.into());
    for method in ["GET", "post", "POST ", ""] {
        check("htm", json!(method), BadProof::Method.into());
    }
    for url in [
        "",
        "/.candor/device/token",
        "https://gate.example/.candor/device/token?",
        "http://gate.example/.candor/device/token",
    ] {
        check("htu", json!(url), BadProof::Url.into());
    }
    check("htu", json!(format!("{}/", TARGET.url)), BadProof::Url.into());
    check("htu", json!(TARGET.url.to_uppercase()), BadProof::Url.into());
    let late = Now::at(Timestamp::from_secs(1_800_000_000 + 300));
    assert_eq!(prove(&nonces, &device.proof(TARGET, &nonce), TARGET, late), Err(ProofFault::UseNonce));
    prove(&nonces, &device.proof(TARGET, &nonce), TARGET, NOW).expect("the nonce was good all along");
}

#[tokio::test]
async fn the_header_is_three_members_with_a_public_key_of_ours() {
    let (_folder, nonces) = nonces().await;
    let nonce = nonces.issue(NOW).expect("there is randomness");
    let check = |device: &TestDeviceKey, change: &dyn Fn(&mut Value), expected: BadProof| {
        let mut header = device.header();
        change(&mut header);
        let proof = device.sign(&header.to_string(), &claims(TARGET, &nonce).to_string());
        assert_eq!(prove(&nonces, &proof, TARGET, NOW), Err(expected.into()), "{header}");
    };
    let (ed, ec) = (TestDeviceKey::new(), TestDeviceKey::ec());
    for device in [&ed, &ec] {
        for name in ["typ", "alg", "jwk"] {
            check(device, &|header| drop(header.as_object_mut().expect("an object").remove(name)), BadProof::Header);
            check(device, &|header| header[name] = json!(7), BadProof::Header);
        }
        for typ in ["JWT", "DPOP+JWT", "application/dpop+jwt", "device-at+jwt", ""] {
            check(device, &|header| header["typ"] = json!(typ), BadProof::Header);
        }
        for alg in ["none", "HS256", "RS256", "ES384", "eddsa", "Ed448", ""] {
            check(device, &|header| header["alg"] = json!(alg), BadProof::Header);
        }
        for (name, value) in
            [("kid", json!("a")), ("crit", json!(["b64"])), ("jku", json!("https://a")), ("x5c", json!([]))]
        {
            check(device, &|header| header[name] = value.clone(), BadProof::Header);
        }
        for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            check(device, &|header| header["jwk"][private] = json!("AAAA"), BadProof::Key);
        }
        for (name, value) in [
            ("kty", json!("RSA")),
            ("kty", json!("oct")),
            ("kty", json!(null)),
            ("crv", json!("P-384")),
            ("crv", json!("X25519")),
            ("crv", json!("secp256k1")),
            ("x", json!("")),
            ("x", json!("AA")),
            ("x", json!(7)),
            ("x", json!("=".repeat(43))),
            ("use", json!("enc")),
            ("key_ops", json!(["sign"])),
            ("alg", json!("RS256")),
        ] {
            check(device, &|header| header["jwk"][name] = value.clone(), BadProof::Key);
        }
    }
    check(&ec, &|header| header["jwk"]["y"] = header["jwk"]["x"].clone(), BadProof::Key);
    check(&ec, &|header| header["jwk"]["x"] = json!(URL_SAFE_NO_PAD.encode([0; 32])), BadProof::Key);
    check(&ec, &|header| header["alg"] = json!("EdDSA"), BadProof::Key);
    check(&ed, &|header| header["alg"] = json!("ES256"), BadProof::Key);
    let swapped = ec.jwk();
    check(&ed, &|header| header["jwk"] = swapped.clone(), BadProof::Key);
}

#[tokio::test]
async fn a_key_that_signs_for_everybody_is_none() {
    let (_folder, nonces) = nonces().await;
    let nonce = nonces.issue(NOW).expect("there is randomness");
    for first in [0x01, 0xee] {
        // The neutral element, and its other encoding: with R the same and S zero, RFC 8032 §5.1.7 holds for any text.
        let mut point = if first == 0x01 { [0; 32] } else { [0xff; 32] };
        (point[0], point[31]) = (first, if first == 0x01 { 0 } else { 0x7f });
        for sign in [0, 0x80] {
            point[31] |= sign;
            let header = json!({"typ": "dpop+jwt", "alg": "EdDSA",
                "jwk": {"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(point)}});
            let neutral = [&[1][..], &[0; 63]].concat();
            let proof = format!(
                "{}.{}.{}",
                URL_SAFE_NO_PAD.encode(header.to_string()),
                URL_SAFE_NO_PAD.encode(claims(TARGET, &nonce).to_string()),
                URL_SAFE_NO_PAD.encode(neutral)
            );
            assert_eq!(prove(&nonces, &proof, TARGET, NOW), Err(BadProof::Key.into()), "{header}");
        }
    }
}

#[tokio::test]
async fn mangled_text_is_no_proof() {
    let (_folder, nonces) = nonces().await;
    let device = TestDeviceKey::ec();
    let nonce = nonces.issue(NOW).expect("there is randomness");
    let good = device.proof(TARGET, &nonce);
    for at in 0..good.len() {
        let replacement = if good.as_bytes()[at] == b'A' { "B" } else { "A" };
        let mangled = format!("{}{replacement}{}", &good[..at], &good[at + 1..]);
        let said = prove(&nonces, &mangled, TARGET, NOW);
        assert!(said.is_err(), "{at}: {said:?}");
        assert!(prove(&nonces, &good[..at], TARGET, NOW).is_err(), "cut at {at}");
    }
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let header_json = device.header().to_string();
    let doubled = format!("{},\"alg\":\"ES256\"}}", &header_json[..header_json.len() - 1]);
    for text in [
        String::new(),
        "..".to_owned(),
        format!("{good}.{signature}"),
        format!("{good}\n"),
        format!("{header}.{payload}."),
        format!("{header}=.{payload}.{signature}"),
        format!("{{\"payload\":\"{payload}\"}}"),
        device.sign(&doubled, &claims(TARGET, &nonce).to_string()),
        device.sign(&header_json, "[]"),
        device.sign(&header_json, r#"{"nonce":"a","nonce":"a"}"#),
        device.sign(&header_json, &format!("{}{}", "[".repeat(400), "]".repeat(400))),
        "\u{e9}.\u{e9}.\u{e9}".to_owned(),
    ] {
        let said = prove(&nonces, &text, TARGET, NOW);
        assert!(
            matches!(said, Err(ProofFault::BadProof(BadProof::Form | BadProof::Signature))),
            "{text:.60}: {said:?}"
        );
    }
    let long = device.sign(&header_json, &json!({"jti": "a".repeat(MAX_PROOF)}).to_string());
    assert_eq!(prove(&nonces, &long, TARGET, NOW), Err(BadProof::TooLong.into()));
    prove(&nonces, &good, TARGET, NOW).expect("all that cost no state");
}

#[tokio::test]
async fn two_keys_are_proven_over_one_nonce() {
    let (_folder, nonces) = nonces().await;
    let (old, new) = (TestDeviceKey::new(), TestDeviceKey::ec());
    let issue = || nonces.issue(NOW).expect("there is randomness");
    let (one, another) = (issue(), issue());
    let apart = [&*old.proof(TARGET, &one), &*new.proof(TARGET, &another)];
    assert_eq!(prove_both(&nonces, apart, TARGET, NOW), Err(ProofFault::UseNonce));
    let bad = [&*old.proof(TARGET, &one), "garbage"];
    assert_eq!(prove_both(&nonces, bad, TARGET, NOW), Err(BadProof::Form.into()));
    let good = [&*old.proof(TARGET, &one), &*new.proof(TARGET, &one)];
    assert_eq!(prove_both(&nonces, good, TARGET, NOW), Ok([old.proven(), new.proven()]));
    assert_eq!(prove_both(&nonces, good, TARGET, NOW), Err(ProofFault::UseNonce));
}
