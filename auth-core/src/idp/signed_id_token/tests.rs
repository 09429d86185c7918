use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair,
        RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512,
        RsaEncoding, RsaKeyPair,
    },
};
use serde_json::json;

use super::*;
use crate::jws::{self, Algorithm, TokenKind, tests::TestIssuer};

const ISSUER: &str = "https://idp.example/tenant";
const NOON: Timestamp = Timestamp::from_secs(1_800_000_000);

fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "ada", "aud": "gateway", "nonce": "n-1",
        "iat": NOON.as_secs(), "exp": NOON.as_secs() + 3600,
    })
}

/// `token` as one whose signature holds under the key `jwk`.
fn shown(token: &str, jwk: &Value, algorithm: Algorithm) -> SignedIdToken {
    let unverified = jws::read(token, TokenKind::IdToken).expect("well formed");
    let claims = unverified.claims().expect("complete");
    let key = VerifyingKey::from_jwk(jwk.as_object().expect("an object"), &[algorithm]).expect("a key");
    SignedIdToken::new(&unverified, &claims, key).expect("it can be read")
}

#[test]
fn what_the_library_finds_has_one_meaning() {
    let issuer = TestIssuer::new("k1");
    let token = shown(&issuer.token(&claims()), &issuer.jwk(), Algorithm::EdDsa);
    let check = |found: Result<(), Mismatch>, expected: &str| {
        let found = match found {
            Ok(()) => "good",
            Err(Mismatch::Issuer) => "issuer",
            Err(Mismatch::Audience) => "audience",
            Err(Mismatch::Nonce) => "nonce",
            Err(Mismatch::Expired) => "expired",
            Err(Mismatch::Undecided(unavailable)) => unavailable.dependency.as_str(),
        };
        assert_eq!(found, expected);
    };
    check(token.is_for(ISSUER, "gateway"), "good");
    check(token.is_for("https://idp.example/tenant/", "gateway"), "issuer");
    check(token.is_for(ISSUER, "another"), "audience");
    check(token.is_for("no address", "gateway"), "own-judgement");
    check(token.answers("n-1"), "good");
    check(token.answers("n-2"), "nonce");
    check(token.is_good(ISSUER, "gateway", "n-1", NOON), "good");
    check(token.is_good(ISSUER, "gateway", "n-2", NOON), "nonce");
    check(token.is_good(ISSUER, "gateway", "n-1", Timestamp::from_secs(1_800_003_599)), "good");
    check(token.is_good(ISSUER, "gateway", "n-1", Timestamp::from_secs(1_800_003_600)), "expired");
}

/// A signature that the library finds not to hold was found to hold before: nobody's token is wrong.
#[test]
fn a_signature_is_checked_and_a_contradiction_refuses_nobody() {
    let issuer = TestIssuer::new("k1");
    let forged = issuer.imposter().token(&claims());
    let found = shown(&forged, &issuer.jwk(), Algorithm::EdDsa).is_for(ISSUER, "gateway");
    let Err(Mismatch::Undecided(unavailable)) = found else { panic!("{found:?}") };
    assert_eq!(unavailable.dependency, Dependency::OwnJudgement);
}

#[test]
fn every_algorithm_that_can_be_configured_is_taken() {
    let random = SystemRandom::new();
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).expect("makes a key");
    let text = |number: &[u8]| URL_SAFE_NO_PAD.encode(number);
    let (n, e) = (rsa.public_key().modulus(), rsa.public_key().exponent());
    let rsa_jwk = json!({
        "kty": "RSA", "n": text(n.big_endian_without_leading_zero()), "e": text(e.big_endian_without_leading_zero()),
    });
    let by_rsa = |encoding: &'static dyn RsaEncoding, signed: &[u8]| {
        let mut signature = vec![0; rsa.public_modulus_len()];
        rsa.sign(encoding, &random, signed, &mut signature).expect("it signs");
        (signature, rsa_jwk.clone())
    };
    let by_ec = |algorithm: &'static EcdsaSigningAlgorithm, curve: &str, signed: &[u8]| {
        let pair = EcdsaKeyPair::generate(algorithm).expect("makes a key");
        let point = pair.public_key().as_ref();
        let (x, y) = point[1..].split_at(point.len() / 2);
        let jwk = json!({ "kty": "EC", "crv": curve, "x": text(x), "y": text(y) });
        (pair.sign(&random, signed).expect("it signs").as_ref().to_vec(), jwk)
    };
    for algorithm in Algorithm::ALL {
        let header = json!({ "alg": algorithm.as_str() }).to_string();
        let signed = format!("{}.{}", text(header.as_bytes()), text(claims().to_string().as_bytes()));
        let (signature, jwk) = match algorithm {
            Algorithm::Rs256 => by_rsa(&RSA_PKCS1_SHA256, signed.as_bytes()),
            Algorithm::Rs384 => by_rsa(&RSA_PKCS1_SHA384, signed.as_bytes()),
            Algorithm::Rs512 => by_rsa(&RSA_PKCS1_SHA512, signed.as_bytes()),
            Algorithm::Ps256 => by_rsa(&RSA_PSS_SHA256, signed.as_bytes()),
            Algorithm::Ps384 => by_rsa(&RSA_PSS_SHA384, signed.as_bytes()),
            Algorithm::Ps512 => by_rsa(&RSA_PSS_SHA512, signed.as_bytes()),
            Algorithm::Es256 => by_ec(&ECDSA_P256_SHA256_FIXED_SIGNING, "P-256", signed.as_bytes()),
            Algorithm::Es384 => by_ec(&ECDSA_P384_SHA384_FIXED_SIGNING, "P-384", signed.as_bytes()),
            Algorithm::EdDsa => {
                let issuer = TestIssuer::new("");
                let token = issuer.raw(&header, &claims().to_string());
                let signature = token.rsplit('.').next().and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
                (signature.expect("a signature"), issuer.jwk())
            }
        };
        let token = format!("{signed}.{}", text(&signature));
        assert!(shown(&token, &jwk, algorithm).is_good(ISSUER, "gateway", "n-1", NOON).is_ok(), "{algorithm}");
    }
}
