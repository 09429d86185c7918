//! Tokens by a test issuer, and every way in which one is no token.

use aws_lc_rs::{
    digest::{SHA256, digest},
    signature::{Ed25519KeyPair, KeyPair},
};
use serde_json::json;

use super::*;

/// An issuer of tests: an Ed25519 key, which is quick to make.
pub(crate) struct TestIssuer {
    kid: String,
    pair: Ed25519KeyPair,
}

impl TestIssuer {
    pub(crate) fn new(kid: &str) -> Self {
        Self { kid: kid.to_owned(), pair: Ed25519KeyPair::generate().expect("makes a key") }
    }

    /// One whose key is named as Keycloak names keys.
    pub(crate) fn named_by_hash() -> Self {
        /// Of every Ed25519 SubjectPublicKeyInfo (RFC 8410 §10.1).
        const BEGINNING: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
        let issuer = Self::new("");
        let spki = [&BEGINNING[..], issuer.pair.public_key().as_ref()].concat();
        Self { kid: URL_SAFE_NO_PAD.encode(digest(&SHA256, &spki)), ..issuer }
    }

    /// Another key under the same name.
    pub(crate) fn imposter(&self) -> Self {
        Self::new(&self.kid)
    }

    pub(crate) fn signing_key(&self) -> SigningKey {
        let pkcs8 = self.pair.to_pkcs8().expect("its own key");
        SigningKey::from_pkcs8(self.kid.as_str(), pkcs8.as_ref()).expect("Ed25519")
    }

    pub(crate) fn jwk(&self) -> Value {
        self.signing_key().public_jwk()
    }

    pub(crate) fn token(&self, claims: &Value) -> String {
        self.raw(&json!({"alg": "EdDSA", "kid": self.kid, "typ": "JWT"}).to_string(), &claims.to_string())
    }

    /// A token of any header and payload, well signed.
    pub(crate) fn raw(&self, header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = URL_SAFE_NO_PAD.encode(self.pair.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}

const HEADER: &str = r#"{"alg":"EdDSA","kid":"k1","typ":"JWT"}"#;
const CLAIMS: &str = r#"{"iss":"https://i","sub":"ada","aud":"us","exp":2000,"iat":1000}"#;

fn word(read: Result<Unverified<'_>, MalformedToken>) -> &'static str {
    match read {
        Ok(_) => "read",
        Err(MalformedToken::Invalid(_) | MalformedToken::Unsigned(_)) => "invalid",
        Err(MalformedToken::NotUnderstood(_)) => "not understood",
    }
}

#[test]
fn headers_are_an_allow_list() {
    let issuer = TestIssuer::new("k1");
    let check = |header: &str, expected| {
        assert_eq!(word(read(&issuer.raw(header, CLAIMS), TokenKind::Bearer)), expected, "{header}")
    };
    check(HEADER, "read");
    check(r#"{"alg":"EdDSA"}"#, "read");
    check(r#"{"alg":"EdDSA","x5t":"a","x5t#S256":"b"}"#, "read");
    for brought in [r#""jku":"https://evil""#, r#""x5u":"https://evil""#, r#""jwk":{}"#, r#""x5c":[]"#] {
        check(&format!(r#"{{"alg":"EdDSA",{brought}}}"#), "read");
    }
    for refused in [
        r#""crit":["b64"]"#,
        r#""crit":[]"#,
        r#""b64":false"#,
        r#""zip":"DEF""#,
        r#""enc":"A128GCM""#,
        r#""cty":"JWT""#,
    ] {
        check(&format!(r#"{{"alg":"EdDSA",{refused}}}"#), "invalid");
    }
    for duplicate in [r#""alg":"EdDSA""#, r#""kid":"a","kid":"a""#, r#""jwk":{"a":1,"a":2}"#] {
        check(&format!(r#"{{"alg":"EdDSA",{duplicate}}}"#), "invalid");
    }
    for wrong_type in [r#""kid":7"#, r#""typ":null"#, r#""kid":["k1"]"#] {
        check(&format!(r#"{{"alg":"EdDSA",{wrong_type}}}"#), "invalid");
    }
    check(r#"{"alg":"EdDSA","foo":1}"#, "not understood");
    check(r#"{"kid":"k1"}"#, "invalid");
    check("[]", "invalid");
    check("{", "invalid");
    check(r#"{"alg":"EdDSA"} x"#, "invalid");
    check("\u{feff}{\"alg\":\"EdDSA\"}", "invalid");
    check(&format!("{}{}", "[".repeat(3000), "]".repeat(3000)), "invalid");
}

#[test]
fn only_asymmetric_algorithms_have_a_name() {
    let issuer = TestIssuer::new("k1");
    let check = |alg: &str, expected| {
        let token = issuer.raw(&json!({ "alg": alg }).to_string(), CLAIMS);
        assert_eq!(word(read(&token, TokenKind::Bearer)), expected, "{alg}");
    };
    for algorithm in Algorithm::ALL {
        check(algorithm.as_str(), "read");
    }
    for unsigned in ["none", "None", "NONE", "nOnE", "HS256", "HS384", "HS512"] {
        check(unsigned, "invalid");
    }
    for unknown in ["ES512", "rs256", "eddsa", "RS1", "", "ES256K", "Ed448"] {
        check(unknown, "not understood");
    }
}

#[test]
fn a_device_token_says_that_it_is_one() {
    let issuer = TestIssuer::new("k1");
    for typ in ["device-at+jwt", "application/device-at+JWT", "at+jwt", "JWT", "device-statement+jwt", "dpop+jwt"] {
        let token = issuer.raw(&json!({"alg": "EdDSA", "typ": typ}).to_string(), CLAIMS);
        let is_one = typ.contains("device-at");
        assert_eq!(read(&token, TokenKind::Device).is_ok(), is_one, "{typ}");
        assert_eq!(read(&token, TokenKind::Bearer).is_ok(), typ.contains("JWT") && !is_one || typ == "at+jwt", "{typ}");
        assert_eq!(super::peek_type(&token).as_deref(), Some(typ));
    }
    let untyped = issuer.raw(&json!({"alg": "EdDSA"}).to_string(), CLAIMS);
    assert_eq!(word(read(&untyped, TokenKind::Device)), "invalid");
    assert_eq!(super::peek_type(&untyped), None);
}

#[test]
fn a_type_decides_what_a_token_is_for() {
    let issuer = TestIssuer::new("k1");
    let check = |typ: &str, bearer, id_token| {
        let token = issuer.raw(&json!({"alg": "EdDSA", "typ": typ}).to_string(), CLAIMS);
        assert_eq!(word(read(&token, TokenKind::Bearer)), bearer, "{typ}");
        assert_eq!(word(read(&token, TokenKind::IdToken)), id_token, "{typ}");
    };
    check("JWT", "read", "read");
    check("jwt", "read", "read");
    check("application/jwt", "read", "read");
    check("at+jwt", "read", "invalid");
    check("application/at+JWT", "read", "invalid");
    check("logout+jwt", "invalid", "invalid");
    check("device-at+jwt", "invalid", "invalid");
    check("something", "not understood", "not understood");
}

#[test]
fn text_is_three_canonical_parts() {
    let issuer = TestIssuer::new("k1");
    let good = issuer.raw(HEADER, CLAIMS);
    let check = |token: &str, expected| assert_eq!(word(read(token, TokenKind::Bearer)), expected, "{token}");
    check(&good, "read");
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    for broken in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        format!("{header}.{payload}"),
        format!("{good}."),
        format!("{good}.a"),
        format!("{good}="),
        format!("{good} "),
        format!("{good}\n"),
        format!(" {good}"),
        format!("{header}=.{payload}.{signature}"),
        format!("{header}.{payload}+.{signature}"),
        format!("{header}.{payload}.{signature}/"),
        format!("{header}.{payload}.{}B", &signature[..signature.len() - 1]),
        format!(r#"{{"payload":"{payload}","signature":"{signature}"}}"#),
        "é.é.é".to_owned(),
    ] {
        check(&broken, "invalid");
    }
    check(&"a".repeat(MAX_TOKEN + 1), "not understood");
    let long = issuer.raw(HEADER, &json!({"iss": "https://i", "x": "a".repeat(8 * 1024)}).to_string());
    check(&long, "not understood");
    assert_eq!(peek_issuer(&long).as_deref(), Some("https://i"), "it is still seen whose it claims to be");
}

#[test]
fn claims_are_typed_and_the_required_ones_there() {
    let issuer = TestIssuer::new("k1");
    let check = |change: Value, expected: Result<(), &'static str>| {
        let mut claims: Value = serde_json::from_str(CLAIMS).expect("a literal");
        for (name, value) in change.as_object().expect("an object") {
            claims[name] = value.clone();
        }
        let token = issuer.token(&claims);
        let unverified = read(&token, TokenKind::Bearer).expect("the form is right");
        assert_eq!(unverified.claims().map(|_| ()).map_err(|lack| lack.0), expected, "{change}");
    };
    check(json!({}), Ok(()));
    check(json!({"aud": ["us", "them"], "exp": 2000.5, "nbf": 0}), Ok(()));
    for aud in [json!(null), json!(5), json!([]), json!(["us", 5]), json!({}), json!([["us"]])] {
        check(json!({ "aud": aud }), Err("aud"));
    }
    for date in [json!(null), json!("2000"), json!(-1), json!(1e20), json!([2000]), json!(true)] {
        check(json!({ "exp": date }), Err("exp"));
        check(json!({ "iat": date }), Err("iat"));
        check(json!({ "nbf": date }), Err("nbf"));
    }
    check(json!({"sub": 7}), Err("sub"));
    check(json!({"sub": ""}), Err("sub"));
    check(json!({"nonce": 7}), Err("nonce"));
    check(json!({"azp": ["a"]}), Err("azp"));
}

#[test]
fn a_payload_is_one_strict_object_with_an_issuer() {
    let issuer = TestIssuer::new("k1");
    let check =
        |payload: &str| assert_eq!(word(read(&issuer.raw(HEADER, payload), TokenKind::Bearer)), "invalid", "{payload}");
    for payload in [
        "",
        "null",
        "foo",
        r#""text""#,
        r#"{"iss":["https://i"]}"#,
        r#"{"iss":7}"#,
        r"{}",
        r#"{"iss":"a","iss":"a"}"#,
        r#"{"iss":"a","tid":"x","tid":"y"}"#,
        r#"{"iss":"a","deep":{"b":1,"b":2}}"#,
        r#"{"iss":"a","n":NaN}"#,
        r#"{"iss":"a","n":1e400}"#,
        r#"{"iss":"a","s":"\ud800"}"#,
        r#"{"iss":"a"} // comment"#,
        r#"{"iss":"a"}{"iss":"b"}"#,
    ] {
        check(payload);
    }
    check(&format!(r#"{{"iss":"a","deep":{}{}}}"#, "[".repeat(1000), "]".repeat(1000)));
}

#[test]
fn a_signature_holds_under_its_key_and_no_other() {
    let (issuer, other) = (TestIssuer::new("k1"), TestIssuer::new("k1"));
    let token = issuer.signing_key().sign("at+jwt", &serde_json::from_str::<Value>(CLAIMS).expect("a literal"));
    let token = token.expect("signs");
    let unverified = read(&token, TokenKind::Bearer).expect("our own form");
    assert_eq!((unverified.kid(), unverified.issuer()), (Some("k1"), "https://i"));
    let key = |jwk: Value, configured: &[Algorithm]| {
        VerifyingKey::from_jwk(jwk.as_object().expect("an object"), configured).map(|key| key.says(&unverified))
    };
    assert_eq!(key(issuer.jwk(), &[Algorithm::EdDsa]), Ok(Signature::Holds));
    assert_eq!(key(other.jwk(), &[Algorithm::EdDsa]), Ok(Signature::Fails));
    assert!(key(issuer.jwk(), &[Algorithm::Rs256, Algorithm::Es256]).is_err(), "not configured");
}

#[test]
fn what_nobody_looked_at_is_not_bad() {
    let n = URL_SAFE_NO_PAD.encode([&[0xC5][..], &[0x37; 254], &[0x0B]].concat());
    let check = |alg: &str, own: Value, configured: &[Algorithm], expected| {
        let token = TestIssuer::new("k1").raw(&json!({"alg": alg, "kid": "k1"}).to_string(), CLAIMS);
        let mut jwk = json!({"kty": "RSA", "kid": "k1", "n": n, "e": "AQAB"});
        if !own.is_null() {
            jwk["alg"] = own;
        }
        let key = VerifyingKey::from_jwk(jwk.as_object().expect("an object"), configured).expect("it is usable");
        assert_eq!(key.says(&read(&token, TokenKind::Bearer).expect("the form is right")), expected, "{alg} {jwk}");
    };
    let (one, two) = (&[Algorithm::Rs256][..], &[Algorithm::Rs256, Algorithm::Ps256][..]);
    check("RS256", Value::Null, one, Signature::Fails);
    check("PS256", Value::Null, one, Signature::NotLookedAt);
    check("PS256", Value::Null, two, Signature::Fails);
    check("PS256", json!("RS256"), one, Signature::Foreign);
    check("PS256", json!("RS256"), two, Signature::Foreign);
    check("ES256", Value::Null, one, Signature::Foreign);
    check("EdDSA", Value::Null, &Algorithm::ALL, Signature::Foreign);
}

#[test]
fn keys_are_what_configuration_and_their_set_allow() {
    let good = TestIssuer::new("k1").jwk();
    let check = |change: Value, expected: Option<UnusableJwk>| {
        let mut jwk = good.as_object().expect("an object").clone();
        for (name, value) in change.as_object().expect("an object") {
            jwk.insert(name.clone(), value.clone());
        }
        let read = VerifyingKey::from_jwk(&jwk, &Algorithm::ALL).err();
        match (read, expected) {
            (Some(UnusableJwk::Unfit(_)), Some(UnusableJwk::Unfit(_))) => {}
            (read, expected) => assert_eq!(read, expected, "{change}"),
        }
    };
    let unfit = Some(UnusableJwk::Unfit("any"));
    check(json!({}), None);
    check(json!({"key_ops": ["verify"], "x5c": ["ignored"]}), None);
    for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        check(json!({ private: "secret" }), Some(UnusableJwk::Private));
    }
    for change in [
        json!({"use": "enc"}),
        json!({"use": 7}),
        json!({"key_ops": ["sign"]}),
        json!({"key_ops": "verify"}),
        json!({"alg": "RS256"}),
        json!({"alg": "HS256"}),
        json!({"alg": 7}),
        json!({"crv": "Ed448"}),
        json!({"crv": "P-256"}),
        json!({"kty": "oct"}),
        json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"}),
        json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "x": "AA", "y": "AA"}),
        json!({"x": "AA"}),
        json!({"x": "not canonical="}),
    ] {
        check(change, unfit);
    }
}

#[test]
fn weak_rsa_keys_are_left_out() {
    let modulus = |bytes: usize| URL_SAFE_NO_PAD.encode([&[0xC5][..], &vec![0x37; bytes - 2], &[0x0B]].concat());
    let usable = |n: String, e: &str| {
        let jwk = json!({"kty": "RSA", "n": n, "e": e});
        VerifyingKey::from_jwk(jwk.as_object().expect("an object"), &[Algorithm::Rs256]).is_ok()
    };
    assert!(usable(modulus(256), "AQAB"));
    assert!(!usable(modulus(128), "AQAB"), "1024 bits");
    assert!(!usable(modulus(255), "AQAB"), "a little short of 2048 bits");
    assert!(!usable(modulus(256), "AQ"), "e = 1");
    assert!(!usable(modulus(256), "AAAAAQ"), "e = 1, longer");
    assert!(!usable(modulus(256), ""), "no exponent");
}
