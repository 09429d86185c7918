use std::sync::LazyLock;

use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, json};

use super::*;
use crate::{
    clock::{Clock, Timestamp},
    idp::ResponseMode,
    jws::{Algorithm, VerifyingKey, tests::TestIssuer},
    principal::{UserClaim, UserName, stated::Absence},
};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const ISSUER: &str = "https://idp.example/tenant";
const ACCESS: &str = "the access token";

static PROVIDER: LazyLock<TestIssuer> = LazyLock::new(|| TestIssuer::new("k1"));

fn good() -> Map<String, Value> {
    let claims = json!({
        "iss": ISSUER, "sub": "ada", "aud": "gateway", "nonce": "n-1",
        "iat": NOW.as_secs(), "exp": NOW.as_secs() + 3600,
    });
    claims.as_object().expect("an object").clone()
}

/// The typed claims of an object, those too that [`crate::jws`] does not let pass.
fn typed(all: Map<String, Value>) -> Claims {
    let text = |name: &str| all.get(name).and_then(Value::as_str).map(str::to_owned);
    let date = |name: &str| all.get(name).and_then(Value::as_i64).map(Timestamp::from_secs);
    let aud = match &all["aud"] {
        Value::Array(many) => many.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        one => vec![one.as_str().unwrap_or_default().to_owned()],
    };
    Claims {
        iss: text("iss").expect("iss"),
        sub: text("sub").expect("sub"),
        aud,
        exp: date("exp").expect("exp"),
        iat: date("iat").expect("iat"),
        nbf: date("nbf"),
        nonce: text("nonce"),
        azp: text("azp"),
        all,
    }
}

fn subject() -> Subject {
    Subject::new(ISSUER, "ada")
}

fn judged(changes: &Value) -> &'static str {
    judged_at(changes, Now::at(NOW))
}

/// What comes of a token with these `changes`, signed by its provider.
fn judged_at(changes: &Value, now: Now) -> &'static str {
    judged_as(changes, Answers::SignIn { nonce: "n-1" }, now)
}

fn judged_as(changes: &Value, answers: Answers<'_>, now: Now) -> &'static str {
    let mut all = good();
    for (name, value) in changes.as_object().expect("an object") {
        if value.is_null() {
            all.remove(name);
        } else {
            all.insert(name.clone(), value.clone());
        }
    }
    let expected = ExpectedToken { issuer: ISSUER, client_id: "gateway", answers, access_token: ACCESS, max_age: None };
    let token = PROVIDER.token(&Value::Object(all.clone()));
    let unverified = jws::read(&token, TokenKind::IdToken).expect("well formed");
    let jwk = PROVIDER.jwk();
    let key = VerifyingKey::from_jwk(jwk.as_object().expect("an object"), &[Algorithm::EdDsa]).expect("a key");
    let claims = unverified.claims().unwrap_or_else(|_| typed(all));
    let signed = SignedIdToken::new(&unverified, &claims, key).expect("it can be read");
    match judge(&signed, &claims, &expected, || now) {
        Ok(()) => "good",
        Err(IdTokenFault::Invalid(_)) => "wrong",
        Err(IdTokenFault::Unavailable(unavailable)) => unavailable.dependency.as_str(),
    }
}

#[test]
fn the_token_of_a_refresh_needs_no_nonce_and_has_no_other_one() {
    let check = |changes: Value, nonce, expected| {
        assert_eq!(judged_as(&changes, Answers::Refresh { nonce }, Now::at(NOW)), expected, "{changes} {nonce:?}");
    };
    for known in [None, Some("n-1")] {
        check(json!({ "nonce": null }), known, "good");
        check(json!({}), known, "good");
        check(json!({ "aud": "another" }), known, "wrong");
        check(json!({ "iss": "https://idp.example/tenant1" }), known, "wrong");
        check(json!({ "exp": NOW.as_secs() - 3600 }), known, "wrong");
        check(json!({ "iat": NOW.as_secs() + 3600 }), known, "clock");
    }
    check(json!({ "nonce": "n-2" }), Some("n-1"), "wrong");
}

fn half_hash(algorithm: &'static digest::Algorithm, of: &str) -> String {
    let hash = digest::digest(algorithm, of.as_bytes());
    URL_SAFE_NO_PAD.encode(&hash.as_ref()[..hash.as_ref().len() / 2])
}

#[test]
fn an_id_token_signs_in_only_the_one_it_was_made_for() {
    let check = |changes: Value, expected| assert_eq!(judged(&changes), expected, "{changes}");
    check(json!({}), "good");
    check(json!({ "iss": "https://idp.example/tenant1" }), "wrong");
    check(json!({ "iss": "https://idp.example/tenant/" }), "wrong");
    check(json!({ "aud": "another" }), "wrong");
    check(json!({ "aud": [] }), "wrong");
    check(json!({ "aud": ["gateway"] }), "good");
    check(json!({ "aud": ["gateway", "another"] }), "wrong");
    check(json!({ "azp": "gateway" }), "good");
    check(json!({ "azp": "another" }), "wrong");
    check(json!({ "nonce": null }), "wrong");
    check(json!({ "nonce": "" }), "wrong");
    check(json!({ "nonce": "n-2" }), "wrong");
    check(json!({ "nonce": "n-1 " }), "wrong");
    check(json!({ "sub": "" }), "wrong");
    check(json!({ "sub": "x".repeat(256) }), "wrong");
    check(json!({ "sub": "x".repeat(255) }), "good");
}

#[test]
fn time_has_thirty_seconds_of_leeway_and_the_future_is_the_clocks_fault() {
    let at = |offset: i64| NOW.as_secs() + offset;
    let check = |changes: Value, expected| assert_eq!(judged(&changes), expected, "{changes}");
    check(json!({ "exp": at(-29) }), "good");
    check(json!({ "exp": at(-30) }), "wrong");
    check(json!({ "exp": at(-3600) }), "wrong");
    check(json!({ "exp": 1_799_999_970.5 }), "wrong");
    check(json!({ "exp": 1_799_999_971.5 }), "good");
    check(json!({ "iat": at(30) }), "good");
    check(json!({ "iat": at(31) }), "clock");
    check(json!({ "nbf": at(30) }), "good");
    check(json!({ "nbf": at(31) }), "clock");
}

#[test]
fn a_hash_of_the_access_token_is_checked_where_there_is_one() {
    let check = |hash: Value, expected| assert_eq!(judged(&json!({ "at_hash": hash })), expected, "{hash}");
    check(json!(half_hash(&SHA256, ACCESS)), "good");
    check(json!(half_hash(&SHA384, ACCESS)), "good");
    check(json!(half_hash(&SHA512, ACCESS)), "good");
    check(json!(half_hash(&SHA256, "another")), "wrong");
    check(json!(half_hash(&SHA512, "another")), "wrong");
    check(json!(""), "wrong");
    check(json!("not base64!"), "wrong");
    check(json!(7), "wrong");
}

/// No machine's clock is asked: it would call the first token over and the second one good.
#[test]
fn a_token_is_judged_by_the_time_that_is_given_and_by_no_other() {
    let at = |year: i64| Timestamp::from_secs((year - 1970) * 31_556_952);
    let in_year = |year: i64| json!({ "iat": at(year).as_secs(), "exp": at(year).as_secs() + 3600 });
    assert_eq!(judged_at(&in_year(1990), Now::at(at(1990))), "good");
    assert_eq!(judged_at(&in_year(2090), Now::at(at(2091))), "wrong");
}

#[test]
fn a_token_is_over_only_by_both_readings_of_the_clock() {
    let clock = Clock::standing_at(NOW);
    let expired = json!({ "exp": NOW.as_secs() - 60, "iat": NOW.as_secs() - 3600 });
    assert_eq!(judged_at(&expired, clock.now()), "wrong");
    clock.step_wall(-3600);
    assert_eq!(judged_at(&expired, clock.now()), "clock", "the wall clock calls it good");
    clock.step_wall(7200);
    assert_eq!(judged_at(&expired, clock.now()), "wrong");
    assert_eq!(judged_at(&json!({}), clock.now()), "good");
    clock.step_wall(3600);
    assert_eq!(judged_at(&json!({}), clock.now()), "clock", "the wall clock calls it over");
}

/// What nobody here asks for costs no sign-in, whatever its type.
#[test]
fn claims_that_are_not_judged_may_be_of_any_type() {
    let check = |changes: Value| assert_eq!(judged(&changes), "good", "{changes}");
    check(json!({ "email_verified": "true", "phone_number_verified": "no", "updated_at": "2026-11-27T15:40:41.000Z" }));
    check(json!({ "name": 7, "name#de": ["Ada"], "email": ["a@acme", "b@acme"], "picture": {}, "address": "here" }));
    check(json!({ "acr": 1, "amr": "pwd", "auth_time": "1800000000", "c_hash": 7, "gender": {}, "locale": 3 }));
    check(json!({ "aud": ["gateway", "gateway"] }));
}

#[test]
fn identity_is_issuer_and_subject_and_the_rest_is_for_show() {
    let mut all = good();
    let shown = json!({
        "called": "Ada", "preferred_username": "ada@acme", "email": "", "tid": "acme", "sid": "s-1",
        "roles": ["editor"], "teams": ["x"],
    });
    all.extend(shown.as_object().expect("an object").clone());
    let config = configured(UserClaim::named("preferred_username"));
    let identity = Identity::stated_by(subject(), all, &config).expect("it says all that is asked");
    assert_eq!(identity.person.subject, Subject::new(ISSUER, "ada"));
    assert_eq!(identity.person.name.as_deref(), Some("Ada"));
    assert_eq!(identity.person.preferred_username.as_deref(), Some("ada@acme"));
    let by_username = UserName::Claimed { claim: "preferred_username".into(), value: "ada@acme".into() };
    assert_eq!(identity.person.user_name, by_username);
    assert_eq!(identity.person.email, None);
    assert_eq!(identity.person.tenant.as_deref(), Some("acme"));
    assert_eq!(identity.sid.as_deref(), Some("s-1"));
    assert_eq!(identity.roles, Stated::Listed(vec!["editor".to_owned()]));
    assert_eq!(identity.groups, Stated::Listed(vec!["x".to_owned()]));
    assert_eq!(identity.claims["sub"], "ada");
}

fn configured(user_claim: UserClaim) -> ProviderConfig {
    ProviderConfig {
        name: "main".into(),
        client_id: "gateway".to_owned(),
        client_secret: None,
        scopes: Vec::new(),
        user_claim,
        name_claim: "called".to_owned(),
        groups_claim: "teams".to_owned(),
        absence: Absence::default(),
        prompt: None,
        response_mode: ResponseMode::Query,
        userinfo: crate::idp::UserinfoUse::Never,
        logout_at_provider: true,
    }
}

#[test]
fn whom_services_do_not_know_is_signed_in_by_nobody() {
    let word = |claim: &str, changes: Value| {
        let mut all = good();
        all.extend(changes.as_object().expect("an object").clone());
        let word =
            Identity::stated_by(subject(), all, &configured(UserClaim::named(claim))).err().map(|wrong| wrong.as_str());
        assert!(word.is_none_or(|word| InvalidResponse::WORDS.contains(&word)), "{word:?} is not counted");
        word
    };
    assert_eq!(word("sub", json!({})), None);
    assert_eq!(word("preferred_username", json!({ "preferred_username": "ada" })), None);
    assert_eq!(word("preferred_username", json!({ "email": "ada@example.com" })), Some("no-user-claim"));
    assert_eq!(word("email", json!({ "email": "ada@example.com", "email_verified": true })), None);
    assert_eq!(word("email", json!({ "email": "ada@example.com" })), Some("unverified-email"));
    assert_eq!(
        word("email", json!({ "email": "ada@example.com", "email_verified": "true" })),
        Some("unverified-email")
    );
}
