use std::{collections::BTreeSet, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::*;
use crate::{
    background::Background,
    clock::Clock,
    credential::CredentialText,
    database::Disturbance,
    discovery::{Discovery, DiscoveryConfig},
    idp::{LogoutTokenFault, Provider, ProviderConfig, ResponseMode},
    jws::Algorithm,
    keyring::Keyring,
    keys::{IssuerKeys, KeyPolicy, KeySetLocation, KeysConfig},
    outbound::{Outbound, OutboundPolicy},
    principal::{Groups, Person, Roles, UserClaim, stated::Absence},
    revocations::RevocationPolicy,
    session::{NewSession, RenewalPolicy, RenewalWait, Renewals, SessionPolicy, Sessions},
    testing::{Folder, TestProvider},
    verdict::Stop,
};

/// A gateway with people signed in, before a provider that can sign what it likes.
struct Site {
    _folder: Folder,
    clock: Clock,
    store: Database,
    provider: TestProvider,
    providers: Vec<Provider>,
    sessions: Sessions,
    standing: StandingSessions,
    taken: LogoutTokensTaken,
}

const BY_HAND: EndingOrder<'_> = EndingOrder { who: "operator root", why: "left the company" };

impl Site {
    async fn new() -> Self {
        let (folder, background) = (Folder::new(), Background::current());
        let clock = Clock::standing_at(Clock::system().now().wall());
        let provider = TestProvider::start().await;
        let store = Database::at(folder.path().join("store.sqlite"), background.clone(), Duration::from_millis(200));
        let data = folder.taken();
        let keyring = Keyring::open(&data, &store, clock.now()).await.expect("the folder is new");
        let policy = RevocationPolicy::default();
        let revocations = Revocations::open(&data, store.clone(), background.clone(), clock.clone(), policy).await;
        let url = provider.issuer.parse().expect("an address");
        let outbound = Outbound::new(&url, OutboundPolicy::default(), clock.clone()).expect("no extra certificates");
        let known = DiscoveryConfig {
            issuer: provider.issuer.as_str().into(),
            discovery_url: None,
            endpoint_hosts: Vec::new(),
        };
        let discovery = Discovery::new(known, outbound.clone(), background.clone(), clock.clone(), &data);
        let keys = KeysConfig {
            issuer: provider.issuer.as_str().into(),
            location: KeySetLocation::Discovery(discovery.clone()),
            algorithms: vec![Algorithm::EdDsa],
            policy: KeyPolicy::default(),
        };
        let keys = IssuerKeys::new(keys, outbound.clone(), background.clone(), clock.clone(), &data);
        let config = ProviderConfig {
            name: "main".into(),
            client_id: "candor".to_owned(),
            client_secret: None,
            scopes: Vec::new(),
            user_claim: UserClaim::Subject,
            name_claim: "name".to_owned(),
            groups_claim: "groups".to_owned(),
            absence: Absence::default(),
            prompt: None,
            response_mode: ResponseMode::Query,
            userinfo: crate::idp::UserinfoUse::Never,
            logout_at_provider: true,
        };
        let providers = vec![Provider::new(config, discovery, keys, outbound)];
        let policy = SessionPolicy {
            hard_without_refresh: SessionPolicy::HARD_WITHOUT_REFRESH,
            renewal: RenewalPolicy::default(),
            keeps_access_tokens: false,
            groups_asked: BTreeSet::new(),
            issuers: [(provider.issuer.clone(), UserClaim::Subject)].into(),
        };
        let renewals = Renewals::new(background, clock.clone(), Arc::default());
        let sessions = Sessions::new(&keyring, store.clone(), revocations.clone(), renewals, providers.clone(), policy);
        let standing = StandingSessions::new(store.clone(), revocations);
        Self {
            _folder: folder,
            clock,
            store,
            provider,
            providers,
            sessions,
            standing,
            taken: LogoutTokensTaken::default(),
        }
    }

    fn person(&self, sub: &str) -> Subject {
        Subject::new(self.provider.issuer.as_str(), sub)
    }

    async fn begin(&self, sub: &str, sid: &str) -> String {
        self.begin_with(sub, sid, None).await
    }

    async fn begin_with(&self, sub: &str, sid: &str, id_token: Option<String>) -> String {
        let new = NewSession {
            person: Person::known_as(self.person(sub)),
            roles: Roles::known([]),
            groups: Groups::known([]),
            refresh_token: None,
            access_token: None,
            id_token: id_token.map(Into::into),
            claims: json!({ "email": format!("{sub}@example.com") }),
            provider: "main".to_owned(),
            provider_sid: Some(sid.to_owned()),
            address: None,
            browser: Some("Firefox".to_owned()),
        };
        let ticket = self.sessions.begin(new, None, self.clock.now()).await.expect("healthy");
        ticket.text().expose_secret().to_owned()
    }

    async fn says(&self, ticket: &str) -> String {
        match self.sessions.open(&CredentialText::new(ticket), RenewalWait::Never, self.clock.now()).await {
            Ok(opened) => opened.principal.subject.id.to_string(),
            Err(Stop::Rejected(rejected)) => rejected.reason().as_str().to_owned(),
            Err(Stop::Unavailable(unavailable)) => format!("no {}", unavailable.dependency),
        }
    }

    async fn id_of(&self, ticket: &str) -> SessionId {
        let opened = self.sessions.open(&CredentialText::new(ticket), RenewalWait::Never, self.clock.now()).await;
        opened.expect("it is good").principal.session.expect("it is a ticket's")
    }

    async fn ended(&self) -> Vec<(Option<String>, Option<String>)> {
        const READ: &str = "SELECT ended_who, ended_why FROM session WHERE ended IS NOT NULL ORDER BY ended_who";
        let read = self.store.call(|mut c| async move { sqlx::query_as(READ).fetch_all(&mut *c).await });
        read.await.expect("healthy")
    }

    /// The claims of a good logout token, for `sub` or the session `sid`, with these changed; null takes one out.
    fn token(&self, changes: &Value) -> String {
        let now = self.clock.now().wall().as_secs();
        let mut claims = json!({
            "iss": self.provider.issuer, "aud": "candor", "iat": now, "exp": now + 120, "jti": "j-1",
            "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
        });
        for (name, value) in changes.as_object().into_iter().flatten() {
            if value.is_null() {
                claims.as_object_mut().expect("an object").remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        self.provider.sign_as("logout+jwt", &claims)
    }

    async fn sent(&self, token: &str) -> String {
        let ended = self.standing.end_by_logout_token(&self.providers, token, &self.taken, self.clock.now()).await;
        match ended {
            Ok(BackChannelLogout::Sessions(count)) => format!("{count} ended"),
            Ok(BackChannelLogout::Person) => "a person signed out".to_owned(),
            Err(LogoutTokenFault::Wrong(wrong)) => format!("wrong: {wrong}"),
            Err(LogoutTokenFault::Unavailable(unavailable)) => format!("no {}", unavailable.dependency),
        }
    }
}

#[tokio::test]
async fn what_is_ended_is_over_at_once_and_its_row_says_by_whom_and_why() {
    let site = Site::new().await;
    let (desk, phone, other) =
        (site.begin("ada", "s-1").await, site.begin("ada", "s-2").await, site.begin("bob", "s-3").await);
    let ada = site.person("ada");
    let listed = site.standing.of(&ada, site.clock.now()).await.expect("healthy");
    assert_eq!(listed.len(), 2);
    assert_eq!((listed[0].name.as_deref(), listed[0].browser.as_deref()), (Some("ada@example.com"), Some("Firefox")));
    assert_eq!(site.standing.page(None, None, site.clock.now()).await.expect("healthy").sessions.len(), 3);

    let (id, now) = (site.id_of(&phone).await, site.clock.now());
    let not_theirs = site.standing.end(id, Some(&site.person("bob")), BY_HAND, now).await.expect("healthy");
    assert_eq!((not_theirs, site.says(&phone).await), (None, "ada".to_owned()), "nobody ends another's");
    let ended = site.standing.end(id, Some(&ada), BY_HAND, now).await.expect("healthy");
    assert_eq!(ended.map(|session| session.id), Some(id.to_string()));
    assert_eq!([site.says(&phone).await, site.says(&desk).await], ["ended", "ada"]);
    assert_eq!(site.standing.end(id, None, BY_HAND, now).await.expect("healthy"), None, "it has ended already");
    let said = (Some("operator root".to_owned()), Some("left the company".to_owned()));
    assert_eq!(site.ended().await, [said]);

    let (third, keep) = (site.begin("ada", "s-4").await, site.id_of(&desk).await);
    assert_eq!(site.standing.end_others(keep, &ada, BY_HAND, site.clock.now()).await.expect("healthy"), 1);
    assert_eq!([site.says(&desk).await, site.says(&third).await, site.says(&other).await], ["ada", "ended", "bob"]);
}

#[tokio::test]
async fn who_is_signed_out_everywhere_can_sign_in_again() {
    let site = Site::new().await;
    let before = site.begin("ada", "s-1").await;
    site.standing.sign_out(&site.person("ada"), BY_HAND, site.clock.now()).await.expect("healthy");
    assert_eq!((site.says(&before).await, site.ended().await.len()), ("revoked".to_owned(), 1));
    assert!(site.standing.of(&site.person("ada"), site.clock.now()).await.expect("healthy").is_empty());
    site.clock.advance(Duration::from_secs(1));
    let after = site.begin("ada", "s-2").await;
    assert_eq!(site.says(&after).await, "ada");
}

#[tokio::test]
async fn while_the_store_is_down_nothing_is_ended_and_that_is_said() {
    let site = Site::new().await;
    let ticket = site.begin("ada", "s-1").await;
    let (id, now) = (site.id_of(&ticket).await, site.clock.now());
    site.store.disturb(Disturbance::Closed).await.expect("healthy until now");
    assert!(site.standing.page(None, None, now).await.is_err());
    assert!(site.standing.end(id, None, BY_HAND, now).await.is_err());
    assert!(site.standing.sign_out(&site.person("ada"), BY_HAND, now).await.is_err());
    assert_eq!(site.sent(&site.token(&json!({ "sid": "s-1" }))).await, "no store");
    assert_eq!(site.sent(&site.token(&json!({ "sub": "ada" }))).await, "no store");
    assert_eq!(site.says(&ticket).await, "ada");
    site.store.heal().await.expect("it can be healed");
    assert_eq!(
        site.sent(&site.token(&json!({ "sid": "s-1" }))).await,
        "1 ended",
        "the same token counts when all is well"
    );
    assert_eq!(site.says(&ticket).await, "ended");
}

#[tokio::test]
async fn a_logout_token_ends_what_it_names_and_only_once() {
    let site = Site::new().await;
    let (one, two) = (site.begin("ada", "s-1").await, site.begin("ada", "s-2").await);
    assert_eq!(site.sent(&site.token(&json!({ "sid": "s-1", "sub": "bob" }))).await, "0 ended", "it is not bob's");
    let token = site.token(&json!({ "sid": "s-1", "sub": "ada", "jti": "j-2" }));
    assert_eq!(site.sent(&token).await, "1 ended");
    assert_eq!([site.says(&one).await, site.says(&two).await], ["ended", "ada"]);
    assert!(site.sent(&token).await.starts_with("wrong: `jti`"));
    let who = site.ended().await;
    assert_eq!(who[0].0.as_deref(), Some("provider main"));

    let token = site.token(&json!({ "sub": "ada", "jti": "j-3" }));
    assert_eq!(
        (site.sent(&token).await, site.says(&two).await),
        ("a person signed out".to_owned(), "revoked".to_owned())
    );
    site.clock.advance(Duration::from_secs(31));
    let later = site.begin("ada", "s-5").await;
    let elsewhere = Site { taken: LogoutTokensTaken::default(), ..site };
    assert_eq!(elsewhere.sent(&token).await, "a person signed out", "another process knows nothing of the first time");
    assert_eq!(elsewhere.says(&later).await, "ada", "what came later is not meant");
}

#[tokio::test]
async fn a_wrong_logout_token_ends_nothing() {
    let site = Site::new().await;
    let ticket = site.begin("ada", "s-1").await;
    let check = async |token: String, expected: &str| {
        let said = site.sent(&token).await;
        assert!(said.starts_with("wrong: ") && said.contains(expected), "{expected}: {said}");
    };
    let event = |value: Value| json!({ "sub": "ada", "events": value });
    check(site.token(&json!({ "sub": "ada", "iss": "https://elsewhere.example" })), "`iss`").await;
    check(site.token(&json!({ "sub": "ada", "aud": "somebody else" })), "`aud`").await;
    check(site.token(&json!({ "sub": "ada", "aud": ["candor", "somebody else"] })), "`aud`").await;
    check(site.token(&json!({ "sub": "ada", "aud": null })), "aud").await;
    check(site.token(&json!({ "sub": "ada", "nonce": "n" })), "`nonce`").await;
    check(site.token(&json!({ "sub": "ada", "nonce": 5 })), "nonce").await;
    check(site.token(&event(Value::Null)), "`events`").await;
    check(site.token(&event(json!({ "http://schemas.openid.net/event/other": {} }))), "`events`").await;
    check(site.token(&event(json!({ "http://schemas.openid.net/event/backchannel-logout": true }))), "`events`").await;
    check(site.token(&event(json!(["http://schemas.openid.net/event/backchannel-logout"]))), "`events`").await;
    check(site.token(&json!({})), "neither").await;
    check(site.token(&json!({ "sub": "", "sid": "s-1" })), "sub").await;
    check(site.token(&json!({ "sub": "ada", "sid": 7 })), "neither").await;
    check(site.token(&json!({ "sub": "ada", "jti": null })), "`jti`").await;
    check(site.token(&json!({ "sub": "ada", "iat": null })), "iat").await;
    let now = site.clock.now().wall().as_secs();
    check(site.token(&json!({ "sub": "ada", "iat": now - 500, "exp": now - 60 })), "expired").await;
    check(site.token(&json!({ "sub": "ada", "iat": now - 900, "exp": now + 60 })), "expired").await;
    check(site.token(&json!({ "sub": "ada", "iat": now - 900, "exp": null })), "expired").await;
    check(site.provider.sign_as("at+jwt", &json!({ "iss": site.provider.issuer })), "another type").await;
    check("a.b".to_owned(), "three parts").await;
    check("x".repeat(9000), "longer").await;
    let good = site.token(&json!({ "sub": "ada" }));
    let (signed, _) = good.rsplit_once('.').expect("three parts");
    check(format!("{signed}.{}", URL_SAFE_NO_PAD.encode([7; 64])), "signature").await;
    let (_, payload) = signed.split_once('.').expect("three parts");
    let unsigned = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
    check(format!("{unsigned}.{payload}."), "not signed").await;
    let hmac = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#);
    check(format!("{hmac}.{payload}.{}", URL_SAFE_NO_PAD.encode([7; 32])), "shared secret").await;
    assert_eq!(site.says(&ticket).await, "ada");

    let ahead = site.token(&json!({ "sub": "ada", "iat": now + 300, "exp": now + 400 }));
    assert_eq!(site.sent(&ahead).await, "no clock", "which of the two clocks is wrong nobody knows");
    assert_eq!(site.sent(&good).await, "a person signed out");
}

#[tokio::test]
async fn where_the_keys_cannot_settle_it_a_logout_token_may_be_sent_again() {
    let mut site = Site::new().await;
    let ticket = site.begin("ada", "s-1").await;
    let token = site.token(&json!({ "sub": "ada" }));
    site.provider.tell(|told| told.keys_are_down = true);
    assert_eq!(site.sent(&token).await, "no keys", "there have never been any");
    site.provider.tell(|told| told.keys_are_down = false);
    site.clock.advance(Duration::from_secs(6));
    assert_eq!(site.sent(&site.token(&json!({ "sub": "nobody", "jti": "j-7" }))).await, "a person signed out");
    site.provider.kill().await;
    let (signed, _) = token.rsplit_once('.').expect("three parts");
    let forged = format!("{signed}.{}", URL_SAFE_NO_PAD.encode([7; 64]));
    assert_eq!(site.sent(&forged).await, "no keys", "a newer set might say otherwise");
    assert_eq!(site.says(&ticket).await, "ada");
    assert_eq!(site.sent(&token).await, "a person signed out", "by the keys last known good");
}

#[tokio::test]
async fn a_row_keeps_an_id_token_that_fits_into_an_address() {
    let site = Site::new().await;
    let check = async |length: usize, kept: bool| {
        let ticket = site.begin_with("ada", "s-1", Some("x".repeat(length))).await;
        let id = site.id_of(&ticket).await;
        let farewell = site.sessions.farewell(id, site.clock.now()).await.expect("it has a row");
        let found = farewell.id_token.map(|token| token.expose_secret().len());
        assert_eq!((found, &*farewell.provider), (kept.then_some(length), "main"), "{length}");
    };
    check(0, true).await;
    check(6 * 1024, true).await;
    check(6 * 1024 + 1, false).await;

    let ticket = site.begin_with("ada", "s-1", Some("a.b.c".to_owned())).await;
    let id = site.id_of(&ticket).await;
    let read = sqlx::query_scalar::<_, String>("SELECT id_token FROM session WHERE id = $1").bind(id.to_string());
    let stored = site.store.call(move |mut connection| async move { read.fetch_one(&mut *connection).await }).await;
    assert!(!stored.expect("a column").contains("a.b.c"), "it is sealed");
}
