//! Bearer tokens, good and bad, against a key server that can be broken.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use serde_json::{Value, json};
use url::Url;

use super::*;
use crate::{
    background::Background,
    clock::{Clock, Timestamp},
    jws::{Algorithm, tests::TestIssuer},
    keys::{KeyPolicy, KeySetLocation, KeysConfig},
    lock::without_locks,
    outbound::{Outbound, OutboundPolicy},
    principal::{Freshness, Groups, Membership, Silence, stated::WhenAbsent},
    testing::{Folder, RawServer},
};

const NOON: i64 = 1_800_000_000;

struct Setting {
    server: RawServer,
    issuer: TestIssuer,
    bearers: Bearers,
    clock: Clock,
    _data: Folder,
}

impl Setting {
    async fn new(kind: Kind) -> Self {
        Self::with(kind, UserClaim::Subject, Absence::default()).await
    }

    async fn of_profile(profile: Profile) -> Self {
        Self::made(Kind::Service, UserClaim::Subject, Absence::default(), profile).await
    }

    async fn whose_silence_means(kind: Kind, absence: Absence) -> Self {
        Self::with(kind, UserClaim::Subject, absence).await
    }

    async fn with(kind: Kind, user_claim: UserClaim, absence: Absence) -> Self {
        Self::made(kind, user_claim, absence, Profile::Jwt).await
    }

    async fn made(kind: Kind, user_claim: UserClaim, absence: Absence, profile: Profile) -> Self {
        let (server, data, issuer) = (RawServer::start().await, Folder::new(), TestIssuer::new("k1"));
        let clock = Clock::standing_at(Timestamp::from_secs(NOON));
        let url = Url::parse(server.base()).expect("an issuer");
        let config = KeysConfig {
            issuer: server.base().into(),
            location: KeySetLocation::Uri(url.clone()),
            algorithms: vec![Algorithm::EdDsa],
            policy: KeyPolicy::default(),
        };
        let outbound = Outbound::new(&url, OutboundPolicy::default(), clock.clone()).expect("no extra certificates");
        let keys = IssuerKeys::new(config, outbound, Background::current(), clock.clone(), &data.taken());
        let bearers = Bearers::new(vec![BearerIssuer {
            issuer: server.base().into(),
            audience: vec!["api://us".into(), "us".into()],
            leeway: Duration::from_secs(30),
            kind,
            user_claim,
            absence,
            profile,
            introspection: None,
            keys,
            memory: BearerMemory::default(),
        }]);
        let setting = Self { server, issuer, bearers, clock, _data: data };
        setting.publish(&setting.issuer);
        setting
    }

    fn publish(&self, issuer: &TestIssuer) {
        let date = "date: Fri, 15 Jan 2027 08:00:00 GMT\r\n";
        self.server.says(200, date, &json!({ "keys": [issuer.jwk()] }).to_string());
    }

    /// Good claims, with these changes; null takes one out.
    fn claims(&self, change: &Value) -> Value {
        let mut claims = json!({
            "iss": self.server.base(), "sub": "ada", "aud": "us", "iat": NOON - 60, "exp": NOON + 3600, "scp": "read",
        });
        let all = claims.as_object_mut().expect("an object");
        for (name, value) in change.as_object().expect("an object") {
            match value {
                Value::Null => drop(all.remove(name)),
                value => drop(all.insert(name.clone(), value.clone())),
            }
        }
        claims
    }

    fn token(&self, change: &Value) -> String {
        self.issuer.token(&self.claims(change))
    }

    async fn asked(&self, token: &str) -> Result<Principal, Stop> {
        self.bearers.verify(&CredentialText::new(token), self.clock.now()).await
    }

    async fn word(&self, token: &str) -> &'static str {
        match self.asked(token).await {
            Ok(_) => "good",
            Err(Stop::Rejected(rejected)) => rejected.reason().as_str(),
            Err(Stop::Unavailable(unavailable)) => unavailable.dependency.as_str(),
        }
    }
}

#[tokio::test]
async fn a_token_that_does_not_say_whom_services_know_is_unavailable_and_never_refused() {
    let setting = Setting::with(Kind::User, UserClaim::named("preferred_username"), Absence::default()).await;
    let known = setting.asked(&setting.token(&json!({ "preferred_username": "ada@acme" }))).await.expect("it is good");
    assert_eq!((known.user(), &*known.subject.id), ("ada@acme", "ada"));
    assert_eq!(setting.word(&setting.token(&json!({}))).await, "configuration");
    assert_eq!(setting.word(&setting.token(&json!({ "exp": NOON - 300 }))).await, "expired", "what is proven is said");
}

#[tokio::test]
async fn claims_are_judged_by_their_rules() {
    let setting = Setting::new(Kind::Service).await;
    let check = async |change: Value, expected: &str| {
        let token = setting.token(&change);
        assert_eq!(setting.word(&token).await, expected, "{change}");
        assert_eq!(setting.word(&token).await, expected, "{change}, remembered");
    };
    check(json!({}), "good").await;
    check(json!({"aud": ["other", "api://us"]}), "good").await;
    for aud in [json!("US"), json!("us/"), json!("api://us "), json!(["other"]), json!("u")] {
        check(json!({ "aud": aud }), "wrong-audience").await;
    }
    for lack in ["aud", "exp", "iat", "sub"] {
        check(json!({ lack: null }), "malformed").await;
    }
    check(json!({"exp": NOON - 29}), "good").await;
    check(json!({"exp": NOON - 30}), "expired").await;
    check(json!({"exp": "never"}), "malformed").await;
    check(json!({"nbf": NOON + 30}), "good").await;
    check(json!({"nbf": NOON + 31}), "clock").await;
    check(json!({"iat": NOON + 31}), "clock").await;
    check(json!({"iat": NOON + 600, "exp": NOON - 600}), "clock").await;
    check(json!({"nonce": "n"}), "good").await;
    check(json!({"nonce": "n", "scp": null}), "malformed").await;
    check(json!({"at_hash": "h", "scp": null}), "malformed").await;
    check(json!({"nonce": "n", "scp": null, "roles": ["reader"]}), "malformed").await;
    check(json!({"nonce": "n", "scp": null, "roles": ["reader"], "idtyp": "app"}), "good").await;
    check(json!({"scp": null, "roles": ["reader"]}), "good").await;
    check(json!({"scp": null}), "good").await;
}

#[tokio::test]
async fn an_issuer_that_claims_rfc_9068_is_held_to_it() {
    let setting = Setting::of_profile(Profile::Rfc9068).await;
    let check = async |typ: &str, change: Value, expected: &str| {
        let header = json!({ "alg": "EdDSA", "kid": "k1", "typ": typ }).to_string();
        let mut claims = json!({ "client_id": "robot", "jti": "1" });
        claims.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
        let token = setting.issuer.raw(&header, &setting.claims(&claims).to_string());
        assert_eq!(setting.word(&token).await, expected, "{typ} {change}");
        assert_eq!(setting.word(&token).await, expected, "{typ} {change}, remembered");
    };
    check("at+jwt", json!({}), "good").await;
    check("application/AT+JWT", json!({}), "good").await;
    check("JWT", json!({}), "malformed").await;
    for lack in ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"] {
        check("at+jwt", json!({ lack: null }), "malformed").await;
    }
    check("at+jwt", json!({ "jti": "" }), "malformed").await;
    check("at+jwt", json!({ "client_id": 7 }), "malformed").await;
    let lax = Setting::new(Kind::Service).await;
    assert_eq!(lax.word(&lax.token(&json!({}))).await, "good", "nobody else is");
}

#[tokio::test]
async fn another_kind_of_token_of_the_same_issuer_is_no_access_token() {
    let setting = Setting::new(Kind::Service).await;
    let check = async |header: &str, change: Value, expected: &str| {
        let token = setting.issuer.raw(header, &setting.claims(&change).to_string());
        assert_eq!(setting.word(&token).await, expected, "{header} {change}");
    };
    let (plain, jwt) = (r#"{"alg":"EdDSA","kid":"k1"}"#, r#"{"alg":"EdDSA","kid":"k1","typ":"JWT"}"#);
    let logout = json!({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}, "sid": "s-1"});
    check(jwt, logout.clone(), "malformed").await;
    check(plain, logout, "malformed").await;
    check(
        jwt,
        json!({"events": {"https://schemas.openid.net/secevent/caep/event-type/session-revoked": {}}}),
        "malformed",
    )
    .await;
    check(jwt, json!({"events": ["standup"]}), "good").await;
    for kind in ["ID", "Logout", "Offline", "Refresh", "Serialized-ID"] {
        check(jwt, json!({"typ": kind, "scope": "openid"}), "malformed").await;
    }
    for kind in ["Bearer", "DPoP", "JWT", "refresh"] {
        check(jwt, json!({"typ": kind, "scope": "openid"}), "good").await;
    }
    for typ in [
        "logout+jwt",
        "secevent+jwt",
        "dpop+jwt",
        "token-introspection+jwt",
        "client-authentication+jwt",
        "oauth-authz-req+jwt",
        "entity-statement+jwt",
        "Application/Logout+JWT",
    ] {
        check(&format!(r#"{{"alg":"EdDSA","kid":"k1","typ":"{typ}"}}"#), json!({}), "malformed").await;
    }
    for typ in ["JWT", "at+jwt", "application/at+jwt"] {
        check(&format!(r#"{{"alg":"EdDSA","kid":"k1","typ":"{typ}"}}"#), json!({}), "good").await;
    }
}

#[tokio::test]
async fn a_token_that_is_not_valid_yet_says_when_it_will_be() {
    let setting = Setting::new(Kind::Service).await;
    let stop = setting.asked(&setting.token(&json!({"nbf": NOON + 130}))).await.expect_err("not yet");
    assert!(matches!(stop, Stop::Unavailable(until) if until.retry_after == Duration::from_secs(100)));
    let stop = setting.asked(&setting.token(&json!({"nbf": NOON + 86_400}))).await.expect_err("not for long");
    assert!(
        matches!(stop, Stop::Unavailable(until) if until.retry_after == Duration::from_secs(120)),
        "a clock is wrong"
    );
    let usable_later = setting.token(&json!({"nbf": NOON - 30}));
    assert_eq!(setting.word(&usable_later).await, "good");
    setting.clock.step_wall(-86_400);
    let stop = setting.asked(&usable_later).await.expect_err("one reading says not yet");
    assert!(
        matches!(stop, Stop::Unavailable(doubt) if doubt.retry_after == Unavailable::RETRY_AFTER),
        "it may end soon"
    );
}

#[tokio::test]
async fn a_token_was_issued_whatever_one_reading_of_the_clock_says() {
    let setting = Setting::new(Kind::Service).await;
    setting.word(&setting.token(&json!({}))).await;
    setting.clock.pause(Duration::from_secs(6 * 3600));
    let now = NOON + 6 * 3600;
    let check = async |change: Value, expected: &str| {
        assert_eq!(setting.word(&setting.token(&change)).await, expected, "{change}");
    };
    check(json!({"iat": now - 10, "exp": now + 300}), "good").await;
    check(json!({"iat": now - 10, "nbf": now - 10, "exp": now + 300}), "good").await;
    check(json!({"iat": now - 10, "nbf": now - 300, "exp": now + 300}), "good").await;
    check(json!({"iat": now - 10, "nbf": now - 5, "exp": now + 300}), "clock").await;
    check(json!({"iat": now + 31, "exp": now + 300}), "clock").await;
    check(json!({"iat": NOON, "exp": now - 300}), "clock").await;
    setting.clock.step_wall(-7 * 3600);
    check(json!({"iat": NOON - 60}), "good").await;
    check(json!({"iat": NOON + 60, "exp": NOON + 300}), "clock").await;
}

#[tokio::test]
async fn broken_tokens_of_a_known_issuer_are_recognised_and_refused() {
    let setting = Setting::new(Kind::Service).await;
    let claims = setting.claims(&json!({})).to_string();
    let check = async |token: &str, recognised: bool, expected: &str| {
        assert_eq!(setting.bearers.recognises(&CredentialText::new(token)), recognised, "{token}");
        assert_eq!(setting.word(token).await, expected, "{token}");
    };
    check(&setting.issuer.raw(r#"{"alg":"none"}"#, &claims), true, "malformed").await;
    check(&setting.issuer.raw(r#"{"alg":"HS256","kid":"k1"}"#, &claims), true, "malformed").await;
    check(&setting.issuer.raw(r#"{"alg":"EdDSA","kid":"k1","crit":["x"]}"#, &claims), true, "malformed").await;
    check(&setting.issuer.raw(r#"{"alg":"EdDSA","kid":"k1","typ":"logout+jwt"}"#, &claims), true, "malformed").await;
    check(&setting.issuer.raw(r#"{"alg":"EdDSA","kid":"k1","new":1}"#, &claims), true, "own-judgement").await;
    check(&format!("{}=", setting.token(&json!({}))), true, "malformed").await;
    check(&setting.token(&json!({"pad": "a".repeat(9000)})), true, "own-judgement").await;
    check(&setting.token(&json!({"iss": "https://other.example"})), false, "keys").await;
    check(&setting.token(&json!({"iss": format!("{}/", setting.server.base())})), false, "keys").await;
    check("opaque", false, "malformed").await;
    check("", false, "malformed").await;
}

#[tokio::test]
async fn the_algorithm_is_the_keys_and_never_the_tokens() {
    let setting = Setting::new(Kind::Service).await;
    let claims = setting.claims(&json!({"iat": NOON - 3600})).to_string();
    let confused = setting.issuer.raw(r#"{"alg":"RS256","kid":"k1"}"#, &claims);
    assert_eq!(setting.word(&confused).await, "bad-signature");
}

#[tokio::test]
async fn a_key_that_a_token_brings_is_neither_used_nor_fetched() {
    let (setting, thief) = (Setting::new(Kind::Service).await, RawServer::start().await);
    let own = TestIssuer::new("k1");
    thief.says(200, "", &json!({ "keys": [own.jwk()] }).to_string());
    let claims = setting.claims(&json!({"iat": NOON - 3600})).to_string();
    let at = thief.base();
    let header = json!({"alg": "EdDSA", "kid": "k1", "jku": at, "x5u": at, "jwk": own.jwk(), "x5c": [at]});
    assert_eq!(setting.word(&own.raw(&header.to_string(), &claims)).await, "bad-signature");
    assert_eq!(thief.asked(), 0);
}

#[tokio::test]
async fn what_was_verified_is_remembered_for_one_set_of_keys() {
    let setting = Setting::new(Kind::Service).await;
    let (good, forged) =
        (setting.token(&json!({})), TestIssuer::new("k1").token(&setting.claims(&json!({"iat": NOON - 3600}))));
    assert_eq!((setting.word(&good).await, setting.word(&forged).await), ("good", "bad-signature"));
    assert_eq!((setting.word(&good).await, setting.word(&forged).await), ("good", "bad-signature"));
    assert_eq!(setting.server.asked(), 1);
    setting.clock.advance(Duration::from_secs(3631));
    assert_eq!(setting.word(&good).await, "expired", "expiry is judged at every hit");
    // The key of that name is replaced: nothing that the old one proved stands any more.
    let (later, new) = (setting.token(&json!({"exp": NOON + 9999})), TestIssuer::new("k1"));
    assert_eq!(setting.word(&later).await, "good");
    setting.publish(&new);
    assert_eq!(
        setting.word(&new.token(&setting.claims(&json!({"iat": NOON + 3600, "exp": NOON + 9999})))).await,
        "good"
    );
    assert_eq!(setting.word(&later).await, "keys", "one set is not enough to call it forged");
}

#[tokio::test]
async fn not_being_able_to_tell_is_not_remembered() {
    let setting = Setting::new(Kind::Service).await;
    setting.server.says(500, "", "");
    let token = setting.token(&json!({}));
    assert_eq!(setting.word(&token).await, "keys");
    setting.publish(&setting.issuer);
    setting.clock.advance(Duration::from_secs(1));
    assert_eq!(setting.word(&token).await, "good");
}

#[tokio::test]
async fn a_principal_is_what_the_token_states() {
    let setting = Setting::new(Kind::User).await;
    let ada = setting
        .asked(&setting.token(&json!({
            "tid": "acme", "name": "Ada", "email": "ada@acme.example", "roles": ["editor"], "groups": ["staff"],
        })))
        .await
        .expect("good");
    assert_eq!((ada.kind, &*ada.subject.issuer, &*ada.subject.id), (Kind::User, setting.server.base(), "ada"));
    assert_eq!(
        (ada.tenant.as_deref(), ada.name.as_deref(), ada.roles.stated()),
        (Some("acme"), Some("Ada"), Some(&["editor".to_owned()][..]))
    );
    assert_eq!((ada.until, ada.begun), (Timestamp::from_secs(NOON + 3600), Timestamp::from_secs(NOON - 60)));
    assert_eq!((ada.freshness, ada.groups.membership("staff")), (Freshness::Live, Membership::Member));
}

#[tokio::test]
async fn groups_that_are_elsewhere_were_not_stated() {
    let setting = Setting::new(Kind::User).await;
    let check = async |change: Value, stated: bool| {
        let groups = setting.asked(&setting.token(&change)).await.expect("good").groups;
        assert_eq!(matches!(groups, Groups::Known(_)), stated, "{change}");
    };
    check(json!({"groups": []}), true).await;
    check(json!({"groups": ["a"]}), true).await;
    check(json!({}), false).await;
    check(json!({"hasgroups": true}), false).await;
    check(json!({"_claim_names": {"groups": "src1"}}), false).await;
    check(json!({"groups": ["a"], "_claim_names": {"groups": "src1"}}), false).await;
    check(json!({"groups": ["a", 7]}), false).await;
    check(json!({"groups": "a"}), true).await;
}

#[tokio::test]
async fn stale_keys_make_a_stale_principal() {
    let setting = Setting::new(Kind::Service).await;
    let token = setting.token(&json!({"exp": NOON + 99_999}));
    assert_eq!(setting.asked(&token).await.expect("good").freshness, Freshness::Live);
    setting.clock.advance(Duration::from_secs(3 * 3600));
    let stale = setting.asked(&token).await.expect("a known key still verifies").freshness;
    assert!(matches!(stale, Freshness::LastKnownGood { missing: Dependency::Keys, .. }));
}

#[tokio::test]
async fn silence_about_groups_and_roles_is_none_only_where_the_operator_says_so() {
    let check = async |absence: Absence, change: Value, groups: Membership, roles: Membership| {
        let setting = Setting::whose_silence_means(Kind::User, absence).await;
        let who = setting.asked(&setting.token(&change)).await.expect("good");
        let found = (who.groups.membership("staff"), who.roles.membership("editor"));
        assert_eq!(found, (groups, roles), "{change} {absence:?}");
    };
    let (unknown, none) = (Absence::default(), Absence { groups: WhenAbsent::None, roles: WhenAbsent::None });
    let (absent, unlisted) = (Membership::NotStated(Silence::Absent), Membership::NotStated(Silence::Unlisted));
    check(unknown, json!({}), absent, absent).await;
    check(unknown, json!({"groups": [], "roles": []}), Membership::NotMember, Membership::NotMember).await;
    check(none, json!({}), Membership::NotMember, Membership::NotMember).await;
    check(none, json!({"hasgroups": true}), unlisted, Membership::NotMember).await;
    check(none, json!({"groups": "staff", "roles": "editor"}), Membership::Member, Membership::Member).await;
    let roles_only = Absence { roles: WhenAbsent::None, ..unknown };
    check(roles_only, json!({}), absent, Membership::NotMember).await;
}

#[tokio::test]
async fn what_only_one_clock_calls_over_is_neither_admitted_nor_refused() {
    let setting = Setting::new(Kind::Service).await;
    let (good, over) = (setting.token(&json!({})), setting.token(&json!({ "exp": NOON - 60 })));
    let check = async |step: i64, expected: [&str; 2]| {
        setting.clock.step_wall(step);
        assert_eq!([setting.word(&good).await, setting.word(&over).await], expected, "{step}");
        setting.clock.step_wall(-step);
        assert_eq!([setting.word(&good).await, setting.word(&over).await], ["good", "expired"], "{step}, and back");
    };
    check(13 * 3600, ["clock", "expired"]).await;
    check(600, ["good", "expired"]).await;
    check(-20, ["good", "expired"]).await;
    check(-31, ["good", "clock"]).await;
    check(-600, ["good", "clock"]).await;
}

/// New or remembered, while the keys are fresh and while nobody can confirm them.
#[tokio::test]
async fn a_token_under_a_known_key_takes_no_lock() {
    let setting = Setting::new(Kind::Service).await;
    let token = |sub: &str| setting.token(&json!({ "sub": sub, "exp": NOON + 86_400 }));
    setting.asked(&token("ada")).await.expect("its keys are fetched");
    let check = |token: &str, is_fresh: bool| {
        let (token, now) = (CredentialText::new(token), setting.clock.now());
        let mut verifying = pin!(setting.bearers.verify(&token, now));
        let polled = without_locks(|| verifying.as_mut().poll(&mut Context::from_waker(Waker::noop())));
        let Poll::Ready(Ok(principal)) = polled else { panic!("it is good, and nothing is waited for: {polled:?}") };
        assert_eq!(principal.freshness == Freshness::Live, is_fresh);
    };
    for who in ["ada", "bob", "bob"] {
        check(&token(who), true);
    }
    setting.clock.advance(Duration::from_secs(3 * 3600));
    for who in ["bob", "eve"] {
        check(&token(who), false);
    }
    setting.server.says_raw("");
    let _ = setting.asked(&TestIssuer::new("k2").token(&setting.claims(&json!({})))).await.expect_err("the keys fail");
    for who in ["bob", "mallory"] {
        check(&token(who), false);
    }
}
