//! Key sets that are good, broken and lying, in virtual time.

use std::time::UNIX_EPOCH;

use serde_json::{Value, json};

use super::{source::LONGEST, *};
use crate::{
    clock::Timestamp,
    discovery,
    jws::{self, TokenKind, tests::TestIssuer},
    outbound::OutboundPolicy,
    testing::{Folder, RawServer},
    verdict::Stop,
};

const NOON: Timestamp = Timestamp::from_secs(1_800_000_000);
const MINUTE: Duration = Duration::from_secs(60);

/// An issuer's key server, and a clock that the test moves.
struct Setting {
    server: RawServer,
    data: Folder,
    clock: Clock,
}

impl Setting {
    async fn new() -> Self {
        Self { server: RawServer::start().await, data: Folder::new(), clock: Clock::standing_at(NOON) }
    }

    fn keys(&self) -> IssuerKeys {
        self.keys_at("")
    }

    fn keys_at(&self, path: &str) -> IssuerKeys {
        let url = Url::parse(self.server.base()).and_then(|base| base.join(path)).expect("an address");
        self.keys_from(KeySetLocation::Uri(url))
    }

    fn discovery(&self) -> Discovery {
        let issuer = self.server.base().into();
        let provider = discovery::DiscoveryConfig { issuer, discovery_url: None, endpoint_hosts: Vec::new() };
        Discovery::new(provider, self.outbound(), Background::current(), self.clock.clone(), &self.data.taken())
    }

    fn outbound(&self) -> Outbound {
        let url = Url::parse(self.server.base()).expect("an address");
        let policy = OutboundPolicy { total: Duration::from_millis(500), ..OutboundPolicy::default() };
        Outbound::new(&url, policy, self.clock.clone()).expect("no extra certificates")
    }

    fn keys_from(&self, location: KeySetLocation) -> IssuerKeys {
        let config = KeysConfig {
            issuer: self.server.base().into(),
            location,
            algorithms: vec![Algorithm::EdDsa],
            policy: KeyPolicy::default(),
        };
        let (background, clock) = (Background::current(), self.clock.clone());
        IssuerKeys::new(config, self.outbound(), background, clock, &self.data.taken())
    }

    /// Serves a key set, dated by the clock.
    fn publish(&self, jwks: &[Value]) {
        self.answer(200, &json!({ "keys": jwks }).to_string());
    }

    fn answer(&self, status: u16, body: &str) {
        let now = self.clock.now().wall().as_secs().unsigned_abs();
        let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(now));
        self.server.says(status, &format!("date: {date}\r\n"), body);
    }

    fn breaks(&self) {
        self.server.says_raw("");
    }

    /// A token issued this many minutes ago.
    fn token(&self, by: &TestIssuer, minutes_ago: u64) -> String {
        let issued = (self.clock.now().wall() - MINUTE * u32::try_from(minutes_ago).expect("few")).as_secs();
        by.token(&json!({"iss": self.server.base(), "sub": "ada", "aud": "us", "iat": issued, "exp": issued + 86_400}))
    }

    async fn verdict(&self, keys: &IssuerKeys, token: &str) -> &'static str {
        let token = jws::read(token, TokenKind::Bearer).expect("the form is right");
        match keys.verify(&token, self.clock.now()).await {
            Ok(_) => "good",
            Err(Stop::Rejected(rejected)) => rejected.reason().as_str(),
            Err(Stop::Unavailable(unavailable)) if unavailable.is_unsettled() => "unsettled",
            Err(Stop::Unavailable(_)) => "unavailable",
        }
    }
}

impl IssuerKeys {
    async fn verify(&self, token: &Unverified<'_>, now: Now) -> Result<Claims, Stop> {
        match self.check(token, now).await {
            Ok((claims, _)) => Ok(claims),
            Err(NotVerified::Forged(forged, _)) => Err(Rejected::proven_by(forged).into()),
            Err(NotVerified::Stop(stop)) => Err(stop),
        }
    }

    /// Fetches now, whatever came before.
    async fn fetched(&self) -> Result<(), Unavailable> {
        self.0.refresh().await
    }
}

impl Setting {
    /// How long somebody with this token is told to wait.
    async fn told(&self, keys: &IssuerKeys, token: &str) -> Duration {
        let token = jws::read(token, TokenKind::Bearer).expect("the form is right");
        match keys.verify(&token, self.clock.now()).await {
            Err(Stop::Unavailable(unavailable)) => unavailable.retry_after,
            told => panic!("not told to wait: {told:?}"),
        }
    }
}

#[tokio::test]
async fn a_known_key_verifies_without_asking_anybody() {
    let (setting, k1) = (Setting::new().await, TestIssuer::new("k1"));
    let keys = setting.keys();
    setting.publish(&[k1.jwk()]);
    assert_eq!(setting.verdict(&keys, &setting.token(&k1, 0)).await, "good");
    setting.breaks();
    for _ in 0..5 {
        assert_eq!(setting.verdict(&keys, &setting.token(&k1, 0)).await, "good");
    }
    assert_eq!(setting.server.asked(), 1);
    let after_restart = setting.keys();
    assert_eq!(setting.verdict(&after_restart, &setting.token(&k1, 0)).await, "good");
    assert_eq!(setting.server.asked(), 1, "the keys lie on disk");
}

#[tokio::test]
async fn without_any_keys_nothing_can_be_told_and_healing_heals() {
    let (setting, k1) = (Setting::new().await, TestIssuer::new("k1"));
    let keys = setting.keys();
    let token = setting.token(&k1, 60);
    setting.breaks();
    for _ in 0..50 {
        assert_eq!(setting.verdict(&keys, &token).await, "unavailable");
    }
    assert_eq!(setting.server.asked(), 1, "a dead provider is not stormed");
    setting.publish(&[k1.jwk()]);
    setting.clock.advance(MINUTE);
    assert_eq!(setting.verdict(&keys, &token).await, "good");
}

#[tokio::test]
async fn nonsense_never_replaces_good_keys() {
    let (setting, k1) = (Setting::new().await, TestIssuer::new("k1"));
    let keys = setting.keys();
    setting.publish(&[k1.jwk()]);
    assert_eq!(setting.verdict(&keys, &setting.token(&k1, 0)).await, "good");
    let mut private = TestIssuer::new("k9").jwk();
    private["d"] = json!("secret");
    let many: Vec<_> = (0..101).map(|_| TestIssuer::new("k9").jwk()).collect();
    for (status, body) in [
        (500, json!({"keys": [TestIssuer::new("k9").jwk()]}).to_string()),
        (302, json!({"keys": [TestIssuer::new("k9").jwk()]}).to_string()),
        (200, "<html>sign in</html>".to_owned()),
        (200, String::new()),
        (200, "[]".to_owned()),
        (200, r#"{"keys":[]}"#.to_owned()),
        (200, r#"{"keys":{}}"#.to_owned()),
        (200, r#"{"keys":[7]}"#.to_owned()),
        (200, r#"{"keys":[{"kty":"oct","k":"c2VjcmV0","kid":"k1"}]}"#.to_owned()),
        (200, json!({ "keys": [private] }).to_string()),
        (200, json!({ "keys": many }).to_string()),
        (200, format!(r#"{{"keys":[],"keys":[{}]}}"#, TestIssuer::new("k9").jwk())),
        (200, format!("{}{}", json!({"keys": [TestIssuer::new("k9").jwk()]}), " ".repeat(LONGEST))),
    ] {
        setting.answer(status, &body);
        let _ = keys.fetched().await.expect_err("it is nonsense");
        assert_eq!(setting.verdict(&keys, &setting.token(&k1, 0)).await, "good", "{status} {body:.60}");
    }
}

#[tokio::test]
async fn one_bad_key_does_not_cost_the_others() {
    let (setting, k1, k2) = (Setting::new().await, TestIssuer::new("k1"), TestIssuer::new("k2"));
    let keys = setting.keys();
    let mut published = k2.jwk();
    published["d"] = json!("secret");
    setting.publish(&[json!(7), published, json!({"kty": "OKP", "crv": "Ed448", "kid": "k3", "x": ""}), k1.jwk()]);
    assert_eq!(setting.verdict(&keys, &setting.token(&k1, 0)).await, "good");
    assert_eq!(setting.verdict(&keys, &setting.token(&k2, 60)).await, "unsettled", "its key is there, and unusable");
    assert_eq!(setting.verdict(&keys, &setting.token(&TestIssuer::new("k3"), 60)).await, "unsettled");
}

#[tokio::test]
async fn only_keys_that_are_fresh_enough_refuse() {
    let (setting, k1) = (Setting::new().await, TestIssuer::new("k1"));
    let (unknown, imposter) = (TestIssuer::new("k2"), TestIssuer::new("k1"));
    let keys = setting.keys();
    setting.publish(&[k1.jwk()]);
    assert_eq!(setting.verdict(&keys, &setting.token(&k1, 0)).await, "good");
    let check = async |by: &TestIssuer, minutes_ago, expected: &str, asked: usize| {
        assert_eq!(setting.verdict(&keys, &setting.token(by, minutes_ago)).await, expected, "{minutes_ago} min ago");
        assert_eq!(setting.server.asked(), asked, "{minutes_ago} min ago");
    };
    check(&unknown, 15, "unknown-key", 1).await;
    check(&imposter, 15, "bad-signature", 1).await;
    check(&unknown, 14, "unsettled", 2).await;
    check(&imposter, 14, "unsettled", 3).await;
    setting.clock.advance(MINUTE);
    setting.publish(&[k1.jwk()]);
    check(&unknown, 15, "unknown-key", 4).await;
    setting.breaks();
    check(&unknown, 14, "unsettled", 5).await;
    setting.publish(&[k1.jwk(), unknown.jwk()]);
    check(&unknown, 0, "unsettled", 5).await;
    setting.clock.advance(Duration::from_secs(5));
    check(&unknown, 0, "good", 6).await;
}

#[tokio::test]
async fn a_set_is_as_old_as_its_answer_may_be() {
    let (setting, k1, unknown) = (Setting::new().await, TestIssuer::new("k1"), TestIssuer::new("k2"));
    let keys = setting.keys();
    let body = json!({ "keys": [k1.jwk()] }).to_string();
    // At noon; the token was issued 20 minutes before, so a set that is up to five minutes old proves it false.
    let (noon, later) = ("date: Fri, 15 Jan 2027 08:00:00 GMT\r\n", "Fri, 15 Jan 2027 08:06:00 GMT");
    let check = async |headers: &str, proven: bool| {
        setting.server.says(200, headers, &body);
        keys.fetched().await.expect("it is a good set");
        let expected = if proven { "unknown-key" } else { "unsettled" };
        assert_eq!(setting.verdict(&keys, &setting.token(&unknown, 20)).await, expected, "{headers}");
    };
    check("", true).await;
    check("date: yesterday\r\n", false).await;
    check(&format!("{noon}{noon}"), false).await;
    for (age, proven) in [("60", true), ("300", true), ("301", false), ("soon", false)] {
        check(&format!("{noon}age: {age}\r\n"), proven).await;
        check(&format!("age: {age}\r\n"), false).await;
        check(&format!("{noon}age: {age}\r\ncache-control: max-age=86400\r\n"), proven).await;
    }
    for (kept, proven) in [
        ("max-age=300", true),
        ("max-age=301", false),
        ("Max-Age=\"301\"", false),
        ("s-maxage=60, max-age=86400", true),
        ("s-maxage=86400, max-age=60", false),
        ("public,max-age=86400", false),
        ("max-age=86400, private", true),
        ("max-age=86400, no-cache=\"x\"", true),
        ("no-store, max-age=86400", true),
        ("max-age=60, stale-while-revalidate=60, stale-if-error=240", true),
        ("max-age=60, stale-while-revalidate=60, stale-if-error=241", false),
        ("max-age=soon", false),
        ("max-age", false),
        ("must-revalidate", true),
    ] {
        for date in ["", noon] {
            check(&format!("{date}cache-control: {kept}\r\n"), proven).await;
            let (first, rest) = kept.split_once(',').unwrap_or((kept, "x"));
            check(&format!("{date}cache-control: {first}\r\ncache-control: {rest}\r\n"), proven).await;
        }
    }
    check(&format!("{noon}expires: {later}\r\n"), false).await;
    check(&format!("{noon}expires: {later}\r\ncache-control: max-age=60\r\n"), true).await;
    check(&format!("{noon}expires: 0\r\n"), true).await;
}

#[tokio::test]
async fn a_key_named_by_its_own_hash_proves_at_once_and_asks_nobody() {
    let (setting, k1) = (Setting::new().await, TestIssuer::named_by_hash());
    let keys = setting.keys();
    setting.server.says(200, "", &json!({ "keys": [k1.jwk()] }).to_string());
    assert_eq!(setting.verdict(&keys, &setting.token(&k1, 0)).await, "good");
    for broken in [false, true] {
        for _ in 0..20 {
            assert_eq!(setting.verdict(&keys, &setting.token(&k1.imposter(), 0)).await, "bad-signature");
        }
        assert_eq!(setting.verdict(&keys, &setting.token(&k1, 0)).await, "good");
        assert_eq!(setting.server.asked(), 1, "broken: {broken}");
        setting.breaks();
    }
    let after_restart = setting.keys();
    assert_eq!(setting.verdict(&after_restart, &setting.token(&k1.imposter(), 0)).await, "bad-signature");
    let claims = json!({"iss": setting.server.base(), "iat": setting.clock.now().wall().as_secs()}).to_string();
    let header = json!({"alg": "RS256", "kid": k1.jwk()["kid"]}).to_string();
    assert_eq!(setting.verdict(&keys, &k1.raw(&header, &claims)).await, "unsettled", "no algorithm of that key's");
}

#[tokio::test]
async fn a_hash_proves_nothing_beside_a_key_that_is_not_named_by_one() {
    let k1 = TestIssuer::named_by_hash();
    let mut nameless = TestIssuer::new("").jwk();
    nameless.as_object_mut().expect("an object").remove("kid");
    let unusable = json!({"kty": "OKP", "crv": "Ed448", "kid": k1.jwk()["kid"], "x": ""});
    for other in [k1.imposter().jwk(), nameless, unusable] {
        let setting = Setting::new().await;
        let keys = setting.keys();
        setting.publish(&[k1.jwk(), other.clone()]);
        assert_eq!(setting.verdict(&keys, &setting.token(&k1, 0)).await, "good");
        assert_eq!(setting.verdict(&keys, &setting.token(&k1.imposter(), 0)).await, "unsettled", "beside {other}");
    }
    let setting = Setting::new().await;
    let keys = setting.keys();
    setting.publish(&[k1.imposter().jwk()]);
    keys.fetched().await.expect("it is a good set");
    setting.publish(&[k1.jwk()]);
    keys.fetched().await.expect("it is a good set");
    assert_eq!(setting.verdict(&keys, &setting.token(&k1.imposter(), 0)).await, "unsettled", "it stood for another");
}

/// As a provider of which each node has its own key under one name, badly: every fetch meets the other node.
#[tokio::test]
async fn two_nodes_with_two_keys_of_one_name_refuse_nobody() {
    let setting = Setting::new().await;
    let keys = setting.keys();
    let nodes = [TestIssuer::new("k1"), TestIssuer::new("k1")];
    let publish = || setting.publish(&[nodes[setting.server.asked() % 2].jwk()]);
    let mut served = 0;
    for minute in 0..240 {
        for (by, age) in nodes.iter().flat_map(|by| [(by, 0), (by, 20), (by, 59)]) {
            publish();
            match setting.verdict(&keys, &setting.token(by, age.min(minute))).await {
                "good" => served += 1,
                told => assert_eq!(told, "unsettled", "in minute {minute}"),
            }
        }
        if minute % 60 == 0 {
            publish();
            keys.fetched().await.expect("it is a good set");
        }
        setting.clock.advance(MINUTE);
    }
    assert!(served > 240, "{served}");
}

/// As nginx's `proxy_cache` does: an answer is kept for as long as it says, and given away with a `Date` of now and no
/// `Age`, whatever a request asks for; while the provider behind goes on to another key every half an hour.
#[tokio::test]
async fn a_cache_that_hides_the_age_of_a_set_refuses_nobody() {
    for [kept_for, says_so] in [[60, 60], [60, 3600], [3600, 3600]] {
        let setting = Setting::new().await;
        let keys = setting.keys();
        let issuers: Vec<_> = (0..20).map(|number| TestIssuer::new(&format!("k{number}"))).collect();
        let mut cached = None;
        let mut served = 0;
        for minute in 0..540_u64 {
            let newest = usize::try_from(minute / 30).expect("few");
            let from = newest.saturating_sub(3);
            // The next key is published five minutes before it signs.
            let coming = usize::try_from((minute + 5) / 30).expect("few");
            let published: Vec<_> = issuers[from..=coming].iter().map(TestIssuer::jwk).collect();
            let (at, set) =
                cached.take().filter(|(at, _)| (minute - at) * 60 < kept_for).unwrap_or((minute, published));
            let now = setting.clock.now().wall().as_secs().unsigned_abs();
            let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(now));
            let fields = format!("date: {date}\r\ncache-control: public, max-age={says_so}\r\n");
            setting.server.says(200, &fields, &json!({ "keys": set }).to_string());
            cached = Some((at, set));
            if minute % 50 == 0 {
                keys.fetched().await.expect("it is a good set");
            }
            for age in [0, 10, 20, 29] {
                let signer = usize::try_from(minute.saturating_sub(age) / 30).expect("few");
                match setting.verdict(&keys, &setting.token(&issuers[signer], age.min(minute))).await {
                    "good" => served += 1,
                    told => assert_eq!(told, "unsettled", "minute {minute}, kept {kept_for} s, age {age} min"),
                }
            }
            setting.clock.advance(MINUTE);
        }
        assert!(served > 1000, "{served}");
    }
}

#[tokio::test]
async fn a_key_that_we_held_is_unknown_only_after_two_sets_ten_minutes_apart() {
    let (setting, k1, k2) = (Setting::new().await, TestIssuer::new("k1"), TestIssuer::new("k2"));
    let mut keys = setting.keys();
    setting.publish(&[k1.jwk(), k2.jwk()]);
    assert_eq!(setting.verdict(&keys, &setting.token(&k2, 60)).await, "good");
    for (later, expected) in [(0, "unsettled"), (9, "unsettled"), (1, "unknown-key")] {
        setting.clock.advance(MINUTE * later);
        setting.publish(&[k1.jwk()]);
        keys.fetched().await.expect("it is a good set");
        assert_eq!(setting.verdict(&keys, &setting.token(&k2, 60)).await, expected, "{later} min later");
        keys = setting.keys();
    }
    setting.publish(&[k1.jwk(), k2.jwk()]);
    keys.fetched().await.expect("it is a good set");
    assert_eq!(setting.verdict(&keys, &setting.token(&k2, 60)).await, "good", "it came back");
}

#[tokio::test]
async fn a_new_key_of_the_same_name_is_adopted_and_not_yet_believed_against_the_old() {
    let (setting, old, new) = (Setting::new().await, TestIssuer::new("k1"), TestIssuer::new("k1"));
    let keys = setting.keys();
    setting.publish(&[old.jwk()]);
    assert_eq!(setting.verdict(&keys, &setting.token(&old, 60)).await, "good");
    setting.publish(&[new.jwk()]);
    assert_eq!(setting.verdict(&keys, &setting.token(&new, 0)).await, "good", "one fetch settles it");
    assert_eq!(setting.verdict(&keys, &setting.token(&old, 60)).await, "unsettled", "one node may be wrong");
    setting.clock.advance(MINUTE * 10);
    setting.publish(&[new.jwk()]);
    keys.fetched().await.expect("it is a good set");
    assert_eq!(setting.verdict(&keys, &setting.token(&old, 60)).await, "bad-signature");
}

#[tokio::test]
async fn a_key_without_a_name_is_believed_and_missed_like_any_other() {
    let (setting, k1, k2) = (Setting::new().await, TestIssuer::new("k1"), TestIssuer::new("k2"));
    let nameless = |issuer: &TestIssuer| {
        let mut jwk = issuer.jwk();
        jwk.as_object_mut().expect("an object").remove("kid");
        jwk
    };
    let keys = setting.keys();
    setting.publish(&[nameless(&k1)]);
    assert_eq!(setting.verdict(&keys, &setting.token(&k1, 60)).await, "good");
    let first = keys.generation();
    for (later, expected) in [(0, "unsettled"), (9, "unsettled"), (1, "bad-signature")] {
        setting.clock.advance(MINUTE * later);
        setting.publish(&[nameless(&k2)]);
        keys.fetched().await.expect("it is a good set");
        assert_ne!(keys.generation(), first, "nothing that the first set proved stands any more");
        assert_eq!(setting.verdict(&keys, &setting.token(&k1, 60)).await, expected, "{later} min later");
    }
}

#[tokio::test]
async fn what_one_address_said_is_not_taken_for_what_another_says() {
    let (setting, k1, k2) = (Setting::new().await, TestIssuer::new("k1"), TestIssuer::new("k2"));
    let wrong = setting.keys_at("/wrong");
    setting.publish(&[k2.jwk()]);
    assert_eq!(setting.verdict(&wrong, &setting.token(&k2, 60)).await, "good");
    let right = setting.keys_at("/right");
    setting.breaks();
    assert_eq!(setting.verdict(&right, &setting.token(&k1, 60)).await, "unavailable");
    assert_eq!(setting.verdict(&right, &setting.token(&k2, 60)).await, "unavailable");
    assert_eq!(setting.verdict(&setting.keys_at("/wrong"), &setting.token(&k2, 60)).await, "good");
}

#[tokio::test]
async fn strangers_cause_few_fetches() {
    let (setting, k1, imposter) = (Setting::new().await, TestIssuer::new("k1"), TestIssuer::new("k1"));
    let keys = setting.keys();
    setting.publish(&[k1.jwk()]);
    assert_eq!(setting.verdict(&keys, &setting.token(&k1, 0)).await, "good");
    for number in 0..20 {
        assert_eq!(
            setting.verdict(&keys, &setting.token(&TestIssuer::new(&format!("x{number}")), 0)).await,
            "unsettled"
        );
        assert_eq!(setting.verdict(&keys, &setting.token(&imposter, 0)).await, "unsettled");
    }
    assert_eq!(setting.server.asked(), 1 + 5 + 5, "a burst for each kind");
}

#[tokio::test]
async fn five_seconds_after_healing_a_new_key_is_known_whoever_asked_meanwhile() {
    let (setting, k1, k2) = (Setting::new().await, TestIssuer::new("k1"), TestIssuer::new("k2"));
    let keys = setting.keys();
    setting.publish(&[k1.jwk()]);
    assert_eq!(setting.verdict(&keys, &setting.token(&k1, 0)).await, "good");
    let imposter = TestIssuer::new("k1");
    for round in 0..3 {
        setting.breaks();
        let asked = setting.server.asked();
        for number in 0..40 {
            let stranger = TestIssuer::new(&format!("x{round}-{number}"));
            for token in [&stranger, &imposter, &k2].map(|by| setting.token(by, 0)) {
                assert_eq!(setting.verdict(&keys, &token).await, "unsettled");
                let wait = setting.told(&keys, &token).await;
                assert!(wait <= Duration::from_secs(5), "told to wait for {wait:?}");
            }
            setting.clock.advance(Duration::from_millis(500));
        }
        assert!(setting.server.asked() - asked <= 7, "a dead provider is not stormed");
        setting.publish(&[k1.jwk(), k2.jwk()]);
        setting.clock.advance(Duration::from_secs(5));
        assert_eq!(setting.verdict(&keys, &setting.token(&k2, 0)).await, "good", "round {round}");
        setting.publish(&[k1.jwk()]);
        keys.fetched().await.expect("it is a good set");
    }
}

/// A back-off is short after the first failure, and what follows it is paid for: failing now and then is no way around.
#[tokio::test]
async fn strangers_cause_few_fetches_of_a_provider_that_fails_every_other_time() {
    let (setting, k1) = (Setting::new().await, TestIssuer::new("k1"));
    let keys = setting.keys();
    setting.publish(&[k1.jwk()]);
    assert_eq!(setting.verdict(&keys, &setting.token(&k1, 0)).await, "good");
    for second in 0..600 {
        for number in 0..2 {
            if setting.server.asked() % 2 == 0 {
                setting.publish(&[k1.jwk()])
            } else {
                setting.breaks()
            }
            let stranger = TestIssuer::new(&format!("x{second}-{number}"));
            assert_eq!(setting.verdict(&keys, &setting.token(&stranger, 0)).await, "unsettled");
        }
        setting.clock.advance(Duration::from_secs(1));
    }
    assert!((20..=32).contains(&setting.server.asked()), "{} fetches in ten minutes", setting.server.asked());
}

#[tokio::test]
async fn who_joins_a_fetch_is_served_by_it_whatever_the_budget_is() {
    let (setting, k1, k2) = (Setting::new().await, TestIssuer::new("k1"), TestIssuer::new("k2"));
    let keys = setting.keys();
    setting.publish(&[k1.jwk()]);
    assert_eq!(setting.verdict(&keys, &setting.token(&k1, 0)).await, "good");
    setting.publish(&[k1.jwk(), k2.jwk()]);
    let tokens: Vec<_> = (0..50).map(|_| setting.token(&k2, 0)).collect();
    let mut asking = tokio::task::JoinSet::new();
    for token in tokens {
        let (keys, now) = (keys.clone(), setting.clock.now());
        asking.spawn(async move {
            let token = jws::read(&token, TokenKind::Bearer).expect("the form is right");
            keys.verify(&token, now).await.is_ok()
        });
    }
    assert!(asking.join_all().await.into_iter().all(|served| served), "all who came at once are served at once");
    assert_eq!(setting.server.asked(), 2);
}

#[tokio::test]
async fn a_first_set_comes_as_soon_as_the_document_does() {
    let (setting, k1) = (Setting::new().await, TestIssuer::new("k1"));
    let discovery = setting.discovery();
    let keys = setting.keys_from(KeySetLocation::Discovery(discovery));
    setting.breaks();
    let token = setting.token(&k1, 0);
    for _ in 0..100 {
        assert_eq!(setting.verdict(&keys, &token).await, "unavailable");
        assert!(setting.told(&keys, &token).await <= Duration::from_secs(5));
        setting.clock.advance(Duration::from_millis(400));
    }
    // One answer that is both, so that no server needs to tell them apart.
    let issuer = setting.server.base();
    let both = json!({"issuer": issuer, "jwks_uri": format!("{issuer}/keys"), "keys": [k1.jwk()]});
    setting.answer(200, &both.to_string());
    setting.clock.advance(Duration::from_secs(5));
    assert_eq!(setting.verdict(&keys, &token).await, "good");
}

#[tokio::test]
async fn a_provider_that_asks_to_be_left_alone_is() {
    let (setting, k1, k2) = (Setting::new().await, TestIssuer::new("k1"), TestIssuer::new("k2"));
    let keys = setting.keys();
    setting.publish(&[k1.jwk()]);
    assert_eq!(setting.verdict(&keys, &setting.token(&k1, 0)).await, "good");
    for (fields, seconds) in [
        ("retry-after: 30\r\n", 30),
        ("date: Fri, 15 Jan 2027 08:00:00 GMT\r\nretry-after: Fri, 15 Jan 2027 08:00:20 GMT\r\n", 20),
        ("retry-after: 86400\r\n", 3600),
    ] {
        setting.server.says(429, fields, "");
        assert_eq!(setting.told(&keys, &setting.token(&k2, 0)).await, Duration::from_secs(seconds));
        let asked = setting.server.asked();
        setting.clock.advance(Duration::from_secs(seconds - 1));
        assert_eq!(setting.told(&keys, &setting.token(&k2, 0)).await, Duration::from_secs(1));
        assert_eq!(setting.server.asked(), asked);
        setting.clock.advance(Duration::from_secs(1));
        setting.publish(&[k1.jwk()]);
        assert_eq!(setting.verdict(&keys, &setting.token(&k2, 0)).await, "unsettled", "it is asked, and does not know");
        assert_eq!(setting.server.asked(), asked + 1);
    }
}

#[tokio::test]
async fn a_key_with_an_issuer_of_its_own_signs_for_that_one_only() {
    let (setting, k1) = (Setting::new().await, TestIssuer::new("k1"));
    let keys = setting.keys();
    for (signs_for, expected) in [
        (setting.server.base().to_owned(), "good"),
        ("https://other.example".to_owned(), "wrong-issuer"),
        (format!("{}{{tenantid}}", setting.server.base()), "good"),
        ("https://other.example/{tenantid}".to_owned(), "wrong-issuer"),
    ] {
        let mut jwk = k1.jwk();
        jwk["issuer"] = json!(signs_for);
        setting.publish(&[jwk]);
        keys.fetched().await.expect("it is a good set");
        assert_eq!(setting.verdict(&keys, &setting.token(&k1, 0)).await, expected, "{signs_for}");
    }
}

#[tokio::test]
async fn a_token_that_names_no_key_is_tried_with_few() {
    let (setting, k1) = (Setting::new().await, TestIssuer::new("k1"));
    let keys = setting.keys();
    let nameless = |by: &TestIssuer| {
        let claims =
            json!({"iss": setting.server.base(), "sub": "a", "aud": "us", "iat": 1_700_000_000, "exp": 1_900_000_000});
        by.raw(r#"{"alg":"EdDSA"}"#, &claims.to_string())
    };
    setting.publish(&[TestIssuer::new("k0").jwk(), k1.jwk()]);
    assert_eq!(setting.verdict(&keys, &nameless(&k1)).await, "good");
    assert_eq!(setting.verdict(&keys, &nameless(&TestIssuer::new("k9"))).await, "bad-signature");
    let many: Vec<_> = (0..20).map(|number| TestIssuer::new(&format!("k{number}")).jwk()).collect();
    setting.publish(&many);
    keys.fetched().await.expect("it is a good set");
    assert_eq!(setting.verdict(&keys, &nameless(&TestIssuer::new("k9"))).await, "unsettled", "not all were tried");
}

#[tokio::test]
async fn staleness_counts_from_when_the_keys_were_due() {
    let (setting, k1) = (Setting::new().await, TestIssuer::new("k1"));
    let keys = setting.keys();
    setting.publish(&[k1.jwk()]);
    keys.fetched().await.expect("it is a good set");
    assert_eq!(keys.freshness(setting.clock.now()), Freshness::Live);
    setting.breaks();
    let _ = keys.fetched().await.expect_err("it is broken");
    assert_eq!(keys.freshness(setting.clock.now()), Freshness::Live, "nothing is due yet");
    setting.clock.advance(MINUTE * 180);
    let stale = keys.freshness(setting.clock.now()).staleness(setting.clock.now());
    let (missing, age) = stale.expect("it was due an hour after the fetch");
    assert_eq!(missing, Dependency::Keys);
    assert!((MINUTE * 114..=MINUTE * 126).contains(&age), "{age:?}");
    let after_restart = setting.keys();
    assert_eq!(after_restart.freshness(setting.clock.now()).staleness(setting.clock.now()), stale);
    setting.publish(&[k1.jwk()]);
    after_restart.fetched().await.expect("it is a good set");
    assert_eq!(after_restart.freshness(setting.clock.now()), Freshness::Live);
}

#[tokio::test]
async fn once_started_they_are_fetched_by_themselves() {
    let (setting, k1) = (Setting::new().await, TestIssuer::new("k1"));
    let keys = setting.keys();
    setting.publish(&[k1.jwk()]);
    keys.start();
    setting.server.until_asked(1).await;
    assert_eq!(setting.verdict(&keys, &setting.token(&k1, 0)).await, "good");
    assert_eq!(setting.server.asked(), 1, "a request joins the fetch that is under way");
}

#[tokio::test]
async fn a_set_fetched_in_doubt_proves_nothing_and_a_step_makes_none_stale() {
    let (setting, k1, k2) = (Setting::new().await, TestIssuer::new("k1"), TestIssuer::new("k2"));
    let keys = setting.keys();
    setting.publish(&[k1.jwk()]);
    let (good, foreign) = (setting.token(&k1, 60), setting.token(&k2, 60));
    assert_eq!(setting.verdict(&keys, &good).await, "good");
    assert_eq!(setting.verdict(&keys, &foreign).await, "unknown-key");
    for step in [365 * 24 * 3600, -24 * 3600] {
        setting.clock.step_wall(step);
        assert_eq!(keys.freshness(setting.clock.now()), Freshness::Live, "{step}");
        keys.fetched().await.expect("it is healthy");
        assert_eq!(setting.verdict(&keys, &foreign).await, "unsettled", "{step}");
        assert_eq!(setting.verdict(&keys, &good).await, "good", "{step}");
        setting.clock.step_wall(-step);
        assert!(!setting.clock.now().is_in_doubt());
        keys.fetched().await.expect("it is healthy");
        assert_eq!(setting.verdict(&keys, &foreign).await, "unknown-key", "{step}, and the clock is right again");
    }
}
