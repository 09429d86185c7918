//! Wycheproof's JWS vectors against our own signature step, below claims and `typ`: most of their payloads are no
//! claims. Each vector that we answer differently on purpose is explained here; any other difference fails.

use auth_core::jws::{Algorithm, signature_holds};
use libtest_mimic::Trial;
use serde_json::{Map, Value};
use wycheproof_ng_kdf_jose::json_web::{TestName, TestSet};

use crate::{plain, report};

const NO_SHARED_SECRETS: &str = "valid, but by HMAC: a shared secret is no issuer's key, and we have no name for it";
const ALG_OF_THE_KEY: &str = "valid, but the key says PS256 and the token PS384: the key's algorithm counts";
const NO_P521: &str = "valid, but by ES512, which we do not take (and the key misspells it as ES521)";
const DEFECTIVE_VECTOR: &str = "labelled valid, but by HMAC, and with a `?` inside the base64: invalid twice over";

/// The vectors that differ, and why each may.
const EXCEPTED: [(usize, &str); 14] = [
    (1, NO_SHARED_SECRETS),
    (346, ALG_OF_THE_KEY),
    (347, NO_P521),
    (348, NO_SHARED_SECRETS),
    (350, ALG_OF_THE_KEY),
    (351, NO_P521),
    (352, NO_SHARED_SECRETS),
    (357, NO_SHARED_SECRETS),
    (358, NO_SHARED_SECRETS),
    (359, NO_SHARED_SECRETS),
    (372, DEFECTIVE_VECTOR),
    (373, DEFECTIVE_VECTOR),
    (376, NO_SHARED_SECRETS),
    (377, NO_SHARED_SECRETS),
];

pub(crate) fn tests() -> Vec<Trial> {
    vec![plain("wycheproof::every_jws_vector_agrees_or_is_explained", every_jws_vector_agrees_or_is_explained)]
}

fn every_jws_vector_agrees_or_is_explained() {
    let set = TestSet::load(TestName::JsonWebSignature).expect("the vectors parse");
    let mut vectors = 0;
    let mut differing = Vec::new();
    for group in &set.test_groups {
        let key = group.public_key.as_ref().or(group.private_key.as_ref()).expect("each group has a key");
        let key = key.as_object().expect("a JWK is an object");
        for test in &group.tests {
            vectors += 1;
            let text = test.jws.as_ref().map(|jws| jws.as_str().map_or_else(|| jws.to_string(), str::to_owned));
            let ours = holds(&text.expect("each test has a JWS"), key);
            let theirs = !test.result.must_fail();
            if ours != theirs {
                assert!(theirs, "vector {} is invalid, and we take it", test.tc_id);
                differing.push(test.tc_id);
            }
        }
    }
    assert_eq!(differing, EXCEPTED.map(|(id, _)| id), "each difference is explained above, and is still one");
    let list: Vec<_> = differing.iter().map(ToString::to_string).collect();
    report::say(format!("wycheproof JWS: {vectors} vectors, {} excepted: {}", list.len(), list.join(", ")));
}

/// The algorithm is configured per key, as an operator would: what the key says, else the usual one of its kind.
fn holds(token: &str, key: &Map<String, Value>) -> bool {
    let text = |name| key.get(name).and_then(Value::as_str);
    let usual = if text("kty") == Some("RSA") { Algorithm::Rs256 } else { Algorithm::Es256 };
    let configured = match text("alg") {
        Some(name) => name.parse().ok(),
        None => Some(usual),
    };
    configured.is_some_and(|algorithm| signature_holds(token, key, algorithm).unwrap_or(false))
}
