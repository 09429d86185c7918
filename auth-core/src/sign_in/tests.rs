use std::{collections::BTreeSet, time::Duration};

use secrecy::ExposeSecret;
use serde_json::{Value, json};
use url::Url;

use super::*;
use crate::{
    clock::Clock,
    database::{Database, Disturbance},
    discovery::{self, Discovery},
    idp::{ProviderConfig, ResponseMode},
    jws::Algorithm,
    keys::{IssuerKeys, KeyPolicy, KeysFrom},
    outbound::{Outbound, OutboundPolicy},
    pretend::Pretend,
    principal::{Membership, Silence},
    revocations::{RevocationPolicy, Revocations},
    scratch::Folder,
    session::SessionPolicy,
    stated::{Absence, WhenAbsent},
    verdict::{Reason, Stop},
};

/// A gateway's worth of sign-in, before a pretend provider. The provider is configured three times:
/// `first`, `second` by form_post, and `silent`, whose silence about groups and roles means none.
struct Gateway {
    provider: Pretend,
    sign_in: SignIn,
    sessions: Sessions,
    store: Database,
    clock: Clock,
    _data: Folder,
}

/// A browser that has been sent to the provider.
struct Away {
    state: String,
    location: Url,
    cookies: Vec<(String, String)>,
}

impl Gateway {
    async fn start(public_url: &str) -> Self {
        let (data, keeper) = (Folder::new(), Keeper::current());
        let clock = Clock::standing_at(Clock::system().now().wall());
        let provider = Pretend::start().await;
        let store = Database::sqlite(data.path().join("candor.sqlite"), keeper.clone(), Duration::from_secs(2));
        let keyring =
            Keyring::open(&data.taken(), &store, clock.now()).await.expect("keyring and store are both absent");
        let policy = RevocationPolicy::default();
        let revocations = Revocations::open(&data.taken(), store.clone(), keeper.clone(), clock.clone(), policy).await;
        let policy = SessionPolicy {
            hard_without_refresh: SessionPolicy::HARD_WITHOUT_REFRESH,
            groups_asked: BTreeSet::from(["staff".to_owned()]),
        };
        let sessions = Sessions::new(&keyring, store.clone(), revocations, policy);
        let providers = vec![
            idp(&provider.issuer, "first", ResponseMode::Query, &keeper, &clock, &data),
            idp(&provider.issuer, "second", ResponseMode::FormPost, &keeper, &clock, &data),
            idp(&provider.issuer, "silent", ResponseMode::Query, &keeper, &clock, &data),
        ];
        let callbacks = Callbacks { public_url: public_url.parse().expect("a URL"), own_prefix: "/.candor".to_owned() };
        let sign_in = SignIn::new(providers, callbacks, &keyring, sessions.clone(), keeper);
        Self { provider, sign_in, sessions, store, clock, _data: data }
    }

    async fn begin(&self, again: bool) -> Away {
        self.begin_at("first", again).await
    }

    async fn begin_at(&self, name: &str, again: bool) -> Away {
        let begin = Begin { return_to: "/report?month=7", again, tries: &[], replaces: None };
        let begun = self.sign_in.begin(name, begin, self.clock.now()).await.unwrap_or_else(|fault| panic!("{fault:?}"));
        let state = self.provider.visit(&begun.location);
        let cookies = vec![(begun.cookie.name.clone(), begun.cookie.value.expose_secret().to_owned())];
        Away { state, location: begun.location, cookies }
    }

    /// Signs in at `name` with an ID token that states this; what the ticket then says of group `staff` and role `editor`.
    async fn stated_at(&self, name: &str, claims: Value) -> (Membership, Membership) {
        let mut claims = claims;
        let now = self.clock.now().wall().as_secs();
        (claims["iat"], claims["exp"]) = (json!(now), json!(now + 300));
        self.provider.tell(|told| told.claims = claims);
        let away = self.begin_at(name, false).await;
        let query = format!("state={}&code=good", away.state);
        let finished = self.callback(name, &query, &away.cookies).await.unwrap_or_else(|fault| panic!("{fault:?}"));
        let opened = self.sessions.open(finished.ticket.text().expose_secret(), self.clock.now()).expect("it holds");
        (opened.principal.groups.membership("staff"), opened.principal.roles.membership("editor"))
    }

    async fn back(&self, away: &Away, query: &str) -> Result<Finished, SignInFault> {
        let query = format!("state={}&{query}", away.state);
        self.callback("first", &query, &away.cookies).await
    }

    async fn callback(&self, name: &str, query: &str, tries: &[(String, String)]) -> Result<Finished, SignInFault> {
        let params = CallbackParams::parse(query.as_bytes()).expect("nothing came twice");
        let callback = Callback { params, tries: tries.to_vec(), ..Callback::default() };
        self.sign_in.finish(name, callback, self.clock.now()).await
    }
}

fn idp(issuer: &str, name: &str, mode: ResponseMode, keeper: &Keeper, clock: &Clock, data: &Folder) -> Provider {
    let url = issuer.parse().expect("a URL");
    let policy = OutboundPolicy { total: Duration::from_secs(2), ..OutboundPolicy::default() };
    let outbound = Outbound::new(&url, policy, clock.clone()).expect("no extra certificates");
    let known = discovery::Provider { issuer: issuer.into(), discovery_url: None, endpoint_hosts: Vec::new() };
    let discovery = Discovery::new(known, outbound.clone(), keeper.clone(), clock.clone(), data.path());
    let keys = IssuerKeys::new(
        issuer.into(),
        KeysFrom::Discovery(discovery.clone()),
        &[Algorithm::EdDsa],
        KeyPolicy::default(),
        outbound.clone(),
        keeper.clone(),
        clock.clone(),
        data.path(),
    );
    let config = ProviderConfig {
        name: name.into(),
        client_id: "candor".to_owned(),
        client_secret: Some("s&cret".to_owned().into()),
        scopes: vec!["openid".to_owned(), "offline_access".to_owned()],
        name_claim: "name".to_owned(),
        groups_claim: "groups".to_owned(),
        absence: if name == "silent" {
            Absence { groups: WhenAbsent::None, roles: WhenAbsent::None }
        } else {
            Absence::default()
        },
        prompt: Some("consent".to_owned()),
        response_mode: mode,
    };
    Provider::new(config, discovery, keys, outbound)
}

/// One word for what came of a sign-in: what its page would be, and whether the try is kept.
fn word(finished: &Result<Finished, SignInFault>) -> String {
    let kept = |spent: &Option<String>| if spent.is_some() { "spent" } else { "kept" };
    match finished {
        Ok(_) => "signed in".to_owned(),
        Err(SignInFault::NoSuchProvider) => "no such provider".to_owned(),
        Err(SignInFault::Malformed(malformed)) => malformed.to_string(),
        Err(SignInFault::BeginAgain { why, return_to, again, .. }) => {
            format!("begin again: {}{}{}", why.as_str(), if *again { ", again" } else { "" }, to(return_to.as_deref()))
        }
        Err(SignInFault::CookiesBlocked) => "cookies blocked".to_owned(),
        Err(SignInFault::Refused { word, return_to, spent, .. }) => {
            format!("refused: {word}, {}{}", kept(spent), to(Some(return_to)))
        }
        Err(SignInFault::Unavailable { unavailable, return_to, spent }) => {
            format!("{}, {}{}", unavailable.dependency, kept(spent), to(Some(return_to)))
        }
    }
}

fn to(return_to: Option<&str>) -> &'static str {
    match return_to {
        Some("/report?month=7") => "",
        Some(_) => ", elsewhere",
        None => ", nowhere",
    }
}

#[tokio::test]
async fn somebody_signs_in_and_gets_where_they_wanted() {
    let gateway = Gateway::start("https://app.example").await;
    let away = gateway.begin(false).await;
    let asked: Vec<_> =
        away.location.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    let check = |name: &str, expected: &str| {
        let found: Vec<_> = asked.iter().filter(|(of, _)| of == name).map(|(_, value)| &**value).collect();
        assert_eq!(found, [expected], "{name}");
    };
    check("response_type", "code");
    check("client_id", "candor");
    check("redirect_uri", "https://app.example/.candor/callback/first");
    check("scope", "openid offline_access");
    check("code_challenge_method", "S256");
    check("prompt", "consent");
    assert!(asked.iter().all(|(name, value)| !value.is_empty() && name != "response_mode"));
    assert!(away.cookies[0].0.starts_with("__Host-candor-try-"));

    let finished = gateway.back(&away, "code=good&session_state=x").await.unwrap_or_else(|fault| panic!("{fault:?}"));
    assert_eq!(finished.return_to, "/report?month=7");
    assert_eq!(finished.spent, away.cookies[0].0);
    let opened = gateway.sessions.open(finished.ticket.text().expose_secret(), gateway.clock.now()).expect("it holds");
    assert_eq!(&*opened.principal.subject.id, "ada");
    assert_eq!(*opened.principal.subject.issuer, *gateway.provider.issuer);
    let (authorization, form) = crate::lock::lock(&gateway.provider.told).heard.clone();
    assert_eq!(authorization, "Basic Y2FuZG9yOnMlMjZjcmV0", "form-encoded before Basic (RFC 6749 §2.3.1)");
    assert!(!form.contains("client_secret"));
}

#[tokio::test]
async fn a_form_post_needs_a_cookie_that_crosses_sites() {
    let gateway = Gateway::start("https://app.example").await;
    let begin = Begin { return_to: "/", again: false, tries: &[], replaces: None };
    let begun =
        gateway.sign_in.begin("second", begin, gateway.clock.now()).await.unwrap_or_else(|fault| panic!("{fault:?}"));
    assert!(begun.cookie.cross_site);
    assert!(begun.location.query_pairs().any(|(name, value)| name == "response_mode" && value == "form_post"));
}

#[tokio::test]
async fn a_client_authenticates_as_the_document_says() {
    let gateway = Gateway::start("http://app.localhost").await;
    let post = json!({ "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"] });
    gateway.provider.tell(|told| told.document = post);
    let away = gateway.begin(false).await;
    assert_eq!(word(&gateway.back(&away, "code=good").await), "signed in");
    let (authorization, form) = crate::lock::lock(&gateway.provider.told).heard.clone();
    assert_eq!(authorization, "");
    assert!(form.contains("client_id=candor&client_secret=s%26cret"));
}

#[tokio::test]
async fn a_callback_that_is_nobodys_begins_again() {
    let gateway = Gateway::start("https://app.example").await;
    let away = gateway.begin(false).await;
    let check = async |name: &str, query: &str, tries: &[(String, String)], expected: &str| {
        assert_eq!(word(&gateway.callback(name, query, tries).await), expected, "{name}?{query}");
    };
    let state = format!("state={}&code=good", away.state);
    check("third", &state, &away.cookies, "no such provider").await;
    check("first", "code=good", &away.cookies, "begin again: no-state, nowhere").await;
    check("first", "state=&code=good", &away.cookies, "begin again: state-unreadable, nowhere").await;
    check("first", "state=abc&code=good", &away.cookies, "begin again: state-unreadable, nowhere").await;
    check("second", &state, &away.cookies, "begin again: other-provider").await;
    check("first", &state, &[], "begin again: no-try, again").await;
    let other = gateway.begin(false).await;
    check("first", &state, &other.cookies, "begin again: no-try, again").await;
    check("first", &format!("state={}", away.state), &away.cookies, "neither a code nor an error").await;
    check("first", &format!("{state}&error=x"), &away.cookies, "both a code and an error").await;

    let second = gateway.begin(true).await;
    check("first", &format!("state={}&code=good", second.state), &[], "cookies blocked").await;
    check("first", &format!("state={}&code=good", second.state), &other.cookies, "begin again: no-try, again").await;
}

#[tokio::test]
async fn what_the_provider_says_decides_and_never_turns_in_circles() {
    let gateway = Gateway::start("https://app.example").await;
    let check = async |query: &str, expected: &str| {
        let away = gateway.begin(false).await;
        assert_eq!(word(&gateway.back(&away, query).await), expected, "{query}");
    };
    check("error=access_denied&error_description=%3Cb%3Eno", "refused: access_denied, spent").await;
    check("error=login_required", "refused: login_required, spent").await;
    check("error=temporarily_unavailable", "token-endpoint, kept").await;
    check("error=server_error", "token-endpoint, kept").await;
    check("code=foreign", "begin again: stale-code").await;
    check("code=good&iss=https%3A%2F%2Fevil.example", "refused: wrong_issuer, spent").await;
    check("error=access_denied&iss=https%3A%2F%2Fevil.example", "refused: wrong_issuer, spent").await;
    let issuer: String = url::form_urlencoded::byte_serialize(gateway.provider.issuer.as_bytes()).collect();
    check(&format!("code=good&iss={issuer}"), "signed in").await;
}

#[tokio::test]
async fn a_provider_that_promises_its_name_must_give_it() {
    let gateway = Gateway::start("https://app.example").await;
    gateway.provider.tell(|told| told.document = json!({ "authorization_response_iss_parameter_supported": true }));
    let away = gateway.begin(false).await;
    assert_eq!(word(&gateway.back(&away, "code=good").await), "refused: missing_issuer, spent");
}

#[tokio::test]
async fn a_broken_token_endpoint_is_unavailable_and_heals() {
    let gateway = Gateway::start("https://app.example").await;
    let away = gateway.begin(false).await;
    let json = ("content-type", "application/json");
    let check = async |status, field: (&'static str, &'static str), body: &str, expected: &str| {
        gateway.provider.tell(|told| told.token = Some((status, vec![field], body.to_owned())));
        let finished = gateway.back(&away, "code=good").await;
        assert_eq!(word(&finished), expected, "{status} {body}");
        finished
    };
    let down = "token-endpoint, kept";
    for status in [201, 204, 301, 302, 401, 403, 404, 408, 425, 429, 500, 502, 503, 504] {
        check(status, json, r#"{"error":"invalid_grant"}"#, down).await.err();
        check(status, ("content-type", "text/html"), "<html>", down).await.err();
    }
    for body in ["", "{}", "[]", "null", "<html>", r#"{"access_token":"a"}"#, r#"{"access_token":7,"id_token":"x"}"#] {
        check(200, json, body, down).await.err();
    }
    check(200, ("content-type", "text/html"), "{}", down).await.err();
    check(400, json, "", down).await.err();
    check(400, json, "<html>", down).await.err();
    for error in ["invalid_client", "unauthorized_client", "invalid_scope", "temporarily_unavailable", "made_up"] {
        check(400, json, &json!({ "error": error }).to_string(), down).await.err();
    }
    let busy = check(503, ("retry-after", "17"), "", down).await;
    assert!(
        matches!(busy, Err(SignInFault::Unavailable { unavailable, .. }) if unavailable.retry_after.as_secs() == 17)
    );
    check(400, json, r#"{"error":"invalid_grant","error_codes":[50105]}"#, "refused: invalid_grant, spent").await.err();
    check(400, json, r#"{"error":"consent_required"}"#, "refused: consent_required, spent").await.err();
    check(200, json, r#"{"access_token":"a","id_token":"nonsense"}"#, "token-endpoint, spent").await.err();

    gateway.provider.tell(|told| told.token = None);
    assert_eq!(word(&gateway.back(&away, "code=good").await), "signed in");
}

#[tokio::test]
async fn an_id_token_that_is_not_ours_signs_nobody_in() {
    let gateway = Gateway::start("https://app.example").await;
    let check = async |claims: Value, expected: &str| {
        let about = claims.to_string();
        gateway.provider.tell(|told| told.claims = claims);
        let away = gateway.begin(false).await;
        assert_eq!(word(&gateway.back(&away, "code=good").await), expected, "{about}");
    };
    let now = gateway.clock.now().wall().as_secs();
    check(json!({ "nonce": "another" }), "refused: invalid_id_token, spent").await;
    check(json!({ "nonce": null }), "refused: invalid_id_token, spent").await;
    check(json!({ "aud": "another" }), "refused: invalid_id_token, spent").await;
    check(json!({ "aud": ["candor", "another"] }), "refused: invalid_id_token, spent").await;
    check(json!({ "iss": "https://evil.example" }), "refused: invalid_id_token, spent").await;
    check(json!({ "exp": now - 3600 }), "refused: invalid_id_token, spent").await;
    check(json!({ "iat": now + 3600 }), "clock, spent").await;
    check(json!({}), "signed in").await;
}

#[tokio::test]
async fn silence_about_groups_is_none_where_the_operator_says_so_and_only_the_second_time() {
    let gateway = Gateway::start("https://app.example").await;
    let silent = || json!({ "groups": null });
    let not_stated = |silence| (Membership::NotStated(silence), Membership::NotStated(silence));
    let neither = (Membership::NotMember, Membership::NotMember);
    // Two people whom no token ever stated anything about.
    let of = |who: &str, claims: Value| {
        let mut claims = claims;
        claims["sub"] = json!(who);
        claims
    };
    assert_eq!(gateway.stated_at("first", of("bob", silent())).await, not_stated(Silence::Absent));
    assert_eq!(gateway.stated_at("silent", of("eve", silent())).await, neither);
    assert_eq!(gateway.stated_at("silent", of("eve", json!({ "groups": [], "roles": [] }))).await, neither);
    let elsewhere = json!({ "groups": null, "_claim_names": { "groups": "src1", "roles": "src1" } });
    assert_eq!(gateway.stated_at("silent", of("zoe", elsewhere)).await, not_stated(Silence::Unlisted));
    assert_eq!(gateway.stated_at("silent", of("zoe", silent())).await, not_stated(Silence::StatedBefore));

    // Ada has been in a group: a token that says nothing does not take it away before a second one does.
    let member = (Membership::Member, Membership::Member);
    assert_eq!(gateway.stated_at("silent", json!({ "groups": ["staff"], "roles": ["editor"] })).await, member);
    gateway.clock.advance(Duration::from_secs(60));
    assert_eq!(gateway.stated_at("silent", silent()).await, not_stated(Silence::StatedBefore));
    gateway.clock.advance(Duration::from_secs(599));
    assert_eq!(gateway.stated_at("silent", silent()).await, not_stated(Silence::StatedBefore));
    gateway.clock.advance(Duration::from_secs(2));
    assert_eq!(gateway.stated_at("silent", silent()).await, neither);
    gateway.clock.advance(Duration::from_secs(1));
    assert_eq!(gateway.stated_at("silent", json!({ "groups": ["staff"], "roles": ["editor"] })).await, member);
    gateway.clock.advance(Duration::from_secs(1));
    assert_eq!(gateway.stated_at("silent", silent()).await, not_stated(Silence::StatedBefore), "it begins anew");
}

#[tokio::test]
async fn a_dead_store_leaves_no_half_session() {
    let gateway = Gateway::start("https://app.example").await;
    for how in Disturbance::ALL {
        let away = gateway.begin(false).await;
        gateway.store.disturb(how).await.expect("it was whole");
        assert_eq!(word(&gateway.back(&away, "code=good").await), "store, spent", "{how:?}");
        gateway.store.heal().await.expect("it can be healed");
        let away = gateway.begin(false).await;
        assert_eq!(word(&gateway.back(&away, "code=good").await), "signed in", "after {how:?}");
    }
}

#[tokio::test]
async fn keys_that_cannot_be_had_spend_no_code() {
    let gateway = Gateway::start("https://app.example").await;
    let away = gateway.begin(false).await;
    gateway.provider.tell(|told| told.keys_are_down = true);
    assert_eq!(word(&gateway.back(&away, "code=good").await), "keys, kept");
    gateway.provider.tell(|told| told.keys_are_down = false);
    gateway.clock.advance(Duration::from_secs(5));
    assert_eq!(word(&gateway.back(&away, "code=good").await), "signed in");
}

#[tokio::test]
async fn a_new_sign_in_ends_the_session_before_it() {
    let gateway = Gateway::start("https://app.example").await;
    let first = gateway.begin(false).await;
    let first = gateway.back(&first, "code=good").await.unwrap_or_else(|fault| panic!("{fault:?}"));
    let old = first.ticket.text().clone();
    let away = gateway.begin(false).await;
    let params = CallbackParams::parse(format!("state={}&code=good", away.state).as_bytes()).expect("well formed");
    let callback = Callback { params, tries: away.cookies, replaces: Some(old.clone()), ..Callback::default() };
    let second = gateway.sign_in.finish("first", callback, gateway.clock.now()).await;
    let second = second.unwrap_or_else(|fault| panic!("{fault:?}"));
    let opened = |ticket: &SecretString| gateway.sessions.open(ticket.expose_secret(), gateway.clock.now());
    let (new, old) = (opened(second.ticket.text()), opened(&old));
    assert!(matches!(old, Err(Stop::Rejected(ended)) if ended.reason() == Reason::Ended));
    assert!(new.is_ok());
}

#[tokio::test]
async fn a_form_post_ends_the_session_before_it_though_it_comes_without_its_ticket() {
    let gateway = Gateway::start("https://app.example").await;
    let first = gateway.begin(false).await;
    let first = gateway.back(&first, "code=good").await.unwrap_or_else(|fault| panic!("{fault:?}"));
    let old = first.ticket.text().clone();
    let begin = Begin { return_to: "/", again: false, tries: &[], replaces: Some(old.clone()) };
    let begun =
        gateway.sign_in.begin("second", begin, gateway.clock.now()).await.unwrap_or_else(|fault| panic!("{fault:?}"));
    let query = format!("state={}&code=good", gateway.provider.visit(&begun.location));
    let tries = [(begun.cookie.name.clone(), begun.cookie.value.expose_secret().to_owned())];
    let second = gateway.callback("second", &query, &tries).await.unwrap_or_else(|fault| panic!("{fault:?}"));
    let opened = |ticket: &SecretString| gateway.sessions.open(ticket.expose_secret(), gateway.clock.now());
    assert!(matches!(opened(&old), Err(Stop::Rejected(ended)) if ended.reason() == Reason::Ended));
    assert!(opened(second.ticket.text()).is_ok());
}

#[tokio::test]
async fn a_dead_provider_is_said_before_anybody_is_sent_there() {
    let mut gateway = Gateway::start("https://app.example").await;
    gateway.provider.kill().await;
    let begin = Begin { return_to: "/", again: false, tries: &[], replaces: None };
    let fault = gateway.sign_in.begin("first", begin, gateway.clock.now()).await.err().expect("it is dead");
    assert!(matches!(fault, BeginFault::Unavailable(down) if down.dependency == crate::Dependency::Discovery));
    let begin = Begin { return_to: "/", again: false, tries: &[], replaces: None };
    let fault = gateway.sign_in.begin("third", begin, gateway.clock.now()).await.err();
    assert!(matches!(fault, Some(BeginFault::NoSuchProvider)));
}
