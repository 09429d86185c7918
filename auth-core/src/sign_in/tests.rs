use std::{collections::BTreeSet, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use url::Url;

use super::*;
use crate::{
    clock::Clock,
    credential::CredentialText,
    database::{Database, Disturbance},
    discovery::{self, Discovery},
    idp::{Prompt, ProviderConfig, ResponseMode, UserinfoUse},
    jws::Algorithm,
    keys::{IssuerKeys, KeyPolicy, KeySetLocation, KeysConfig},
    outbound::{Outbound, OutboundPolicy},
    principal::{
        Membership, Silence, UserClaim,
        stated::{Absence, WhenAbsent},
    },
    revocations::{RevocationPolicy, Revocations},
    session::{RenewalPolicy, RenewalWait, Renewals, SessionPolicy},
    testing::{Folder, TestProvider},
    verdict::{Reason, Stop},
};

/// A gateway's worth of sign-in, before a pretend provider. The provider is configured three times:
/// `first`, `second` by form_post, and `silent`, whose silence about groups and roles means none.
struct Gateway {
    provider: TestProvider,
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
        Self::prompting(public_url, Some(Prompt::Consent)).await
    }

    async fn prompting(public_url: &str, prompt: Option<Prompt>) -> Self {
        let (data, background) = (Folder::new(), Background::current());
        let clock = Clock::standing_at(Clock::system().now().wall());
        let provider = TestProvider::start().await;
        let store = Database::at(data.path().join("candor.sqlite"), background.clone(), Duration::from_secs(2));
        let keyring =
            Keyring::open(&data.taken(), &store, clock.now()).await.expect("keyring and store are both absent");
        let policy = RevocationPolicy::default();
        let revocations =
            Revocations::open(&data.taken(), store.clone(), background.clone(), clock.clone(), policy).await;
        let policy = SessionPolicy {
            hard_without_refresh: SessionPolicy::HARD_WITHOUT_REFRESH,
            renewal: RenewalPolicy::default(),
            keeps_access_tokens: false,
            groups_asked: BTreeSet::from(["staff".to_owned()]),
            issuers: [(provider.issuer.clone(), UserClaim::Subject)].into(),
        };
        let idp = |name, mode| idp(&provider.issuer, name, mode, prompt, &background, &clock, &data);
        let providers = vec![
            idp("first", ResponseMode::Query),
            idp("second", ResponseMode::FormPost),
            idp("silent", ResponseMode::Query),
            idp("named", ResponseMode::Query),
            idp("verified", ResponseMode::Query),
            idp("merged", ResponseMode::Query),
        ];
        let renewals = Renewals::new(background.clone(), clock.clone(), Arc::default());
        let sessions = Sessions::new(&keyring, store.clone(), revocations, renewals, providers.clone(), policy);
        let callbacks = Callbacks { public_url: public_url.parse().expect("a URL"), own_prefix: "/.candor".to_owned() };
        let sign_in = SignIn::new(providers, callbacks, &keyring, sessions.clone(), background, ReplayGuard::default());
        Self { provider, sign_in, sessions, store, clock, _data: data }
    }

    async fn begin(&self, again: bool) -> Away {
        self.begin_at("first", again).await
    }

    async fn begin_at(&self, name: &str, again: bool) -> Away {
        self.away(name, Begin { return_to: "/report?month=7", again, request: "r", ..Begin::default() }).await
    }

    async fn away(&self, name: &str, begin: Begin<'_>) -> Away {
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
        let ticket = CredentialText::new(finished.ticket.text().clone());
        let opened = self.sessions.open(&ticket, RenewalWait::Never, self.clock.now()).await.expect("it holds");
        (opened.principal.groups.membership("staff"), opened.principal.roles.membership("editor"))
    }

    async fn back(&self, away: &Away, query: &str) -> Result<Finished, SignInFault> {
        let query = format!("state={}&{query}", away.state);
        self.callback("first", &query, &away.cookies).await
    }

    async fn callback(&self, name: &str, query: &str, pending: &[(String, String)]) -> Result<Finished, SignInFault> {
        let params = CallbackParams::parse(query.as_bytes()).expect("nothing came twice");
        let callback = Callback { params, pending: pending.to_vec(), ..Callback::default() };
        self.sign_in.finish(name, callback, self.clock.now()).await
    }
}

fn idp(
    issuer: &str,
    name: &str,
    mode: ResponseMode,
    prompt: Option<Prompt>,
    background: &Background,
    clock: &Clock,
    data: &Folder,
) -> Provider {
    let url = issuer.parse().expect("a URL");
    let policy = OutboundPolicy { total: Duration::from_secs(2), ..OutboundPolicy::default() };
    let outbound = Outbound::new(&url, policy, clock.clone()).expect("no extra certificates");
    let known = discovery::DiscoveryConfig { issuer: issuer.into(), discovery_url: None, endpoint_hosts: Vec::new() };
    let discovery = Discovery::new(known, outbound.clone(), background.clone(), clock.clone(), &data.taken());
    let keys = KeysConfig {
        issuer: issuer.into(),
        location: KeySetLocation::Discovery(discovery.clone()),
        algorithms: vec![Algorithm::EdDsa],
        policy: KeyPolicy::default(),
    };
    let keys = IssuerKeys::new(keys, outbound.clone(), background.clone(), clock.clone(), &data.taken());
    let config = ProviderConfig {
        name: name.into(),
        client_id: "candor".to_owned(),
        client_secret: Some("s&cret".to_owned().into()),
        scopes: vec!["openid".to_owned(), "offline_access".to_owned()],
        user_claim: if name == "named" { UserClaim::named("email") } else { UserClaim::Subject },
        name_claim: "name".to_owned(),
        groups_claim: "groups".to_owned(),
        absence: if name == "silent" {
            Absence { groups: WhenAbsent::None, roles: WhenAbsent::None }
        } else {
            Absence::default()
        },
        prompt,
        response_mode: mode,
        userinfo: match name {
            "verified" => UserinfoUse::VerifySub,
            "merged" => UserinfoUse::Merge,
            _ => UserinfoUse::Never,
        },
        logout_at_provider: true,
    };
    Provider::new(config, discovery, keys, outbound)
}

/// One word for what came of a sign-in: what its page would be, and whether it stays pending.
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
        Err(SignInFault::Refused { objection, word, return_to, spent, .. }) => {
            let of = objection.as_str();
            format!("refused: {word} ({of}), {}{}", kept(spent), to(Some(return_to)))
        }
        Err(SignInFault::InvalidResponse { response, return_to, spent }) => {
            format!("wrong: {}, {}{}", response.as_str(), kept(spent), to(Some(return_to)))
        }
        Err(SignInFault::Misconfigured { unavailable, return_to }) => {
            format!("{}, kept{}", unavailable.dependency, to(Some(return_to)))
        }
        Err(SignInFault::Busy { return_to }) => format!("busy{}", to(Some(return_to))),
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
    assert!(away.cookies[0].0.starts_with("__Host-candor-signin-"));

    let finished = gateway.back(&away, "code=good&session_state=x").await.unwrap_or_else(|fault| panic!("{fault:?}"));
    assert_eq!(finished.return_to, "/report?month=7");
    assert_eq!(finished.spent, away.cookies[0].0);
    let ticket = CredentialText::new(finished.ticket.text().clone());
    let opened = gateway.sessions.open(&ticket, RenewalWait::Never, gateway.clock.now()).await.expect("it holds");
    assert_eq!(&*opened.principal.subject.id, "ada");
    assert_eq!(*opened.principal.subject.issuer, *gateway.provider.issuer);
    let (authorization, form) = crate::lock::lock(&gateway.provider.told).heard.clone();
    assert_eq!(authorization, "Basic Y2FuZG9yOnMlMjZjcmV0", "form-encoded before Basic (RFC 6749 §2.3.1)");
    assert!(!form.contains("client_secret"));
}

/// The prompt of a sign-in at `first` (which asks for `consent`), and of one where an account is to be chosen.
#[tokio::test]
async fn who_is_to_choose_an_account_is_asked_which() {
    let check = async |configured, document: Value, expected: [&str; 2]| {
        let gateway = Gateway::prompting("https://app.example", configured).await;
        gateway.provider.tell(|told| told.document = document.clone());
        let mut found = Vec::new();
        for select_account in [false, true] {
            let begin = Begin { return_to: "/", select_account, request: "r", ..Begin::default() };
            let begun = gateway.sign_in.begin("first", begin, gateway.clock.now()).await;
            let location = begun.unwrap_or_else(|fault| panic!("{fault:?}")).location;
            let prompts = location.query_pairs().filter(|(name, _)| name == "prompt");
            found.push(prompts.map(|(_, value)| value.into_owned()).collect::<Vec<_>>().join(" and "));
        }
        assert_eq!(found, expected, "{configured:?} {document}");
    };
    let none = || json!({});
    check(None, none(), ["", "select_account"]).await;
    check(Some(Prompt::Consent), none(), ["consent", "select_account"]).await;
    check(Some(Prompt::SelectAccount), none(), ["select_account", "select_account"]).await;
    check(Some(Prompt::Login), none(), ["login", "login"]).await;
    let knows = |prompts: Value| json!({ "prompt_values_supported": prompts });
    check(None, knows(json!(["none", "login", "consent"])), ["", "login"]).await;
    check(None, knows(json!(["none", "login", "select_account"])), ["", "select_account"]).await;
    check(None, knows(json!(["none", "consent"])), ["", "select_account"]).await;
    check(None, knows(json!("login")), ["", "select_account"]).await;
}

#[tokio::test]
async fn a_request_says_who_it_probably_is_and_how_long_ago_they_may_have_signed_in() {
    let gateway = Gateway::start("https://app.example").await;
    let away = async |max_age: Option<u64>, login_hint| {
        let max_age = max_age.map(Duration::from_secs);
        let begin = Begin { return_to: "/report?month=7", max_age, login_hint, request: "r", ..Begin::default() };
        gateway.away("first", begin).await
    };
    let said = |away: &Away, wanted: &str| {
        let found = away.location.query_pairs().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.into_owned())
    };
    let plain = away(None, None).await;
    assert_eq!((said(&plain, "max_age"), said(&plain, "login_hint")), (None, None));
    let asked = away(Some(900), Some("ada@acme")).await;
    assert_eq!(said(&asked, "max_age").as_deref(), Some("900"));
    assert_eq!(said(&asked, "login_hint").as_deref(), Some("ada@acme"));

    let now = gateway.clock.now().wall().as_secs();
    let check = async |max_age, auth_time: Value, expected: &str| {
        gateway.provider.tell(|told| told.claims = json!({ "auth_time": auth_time }));
        let away = away(max_age, None).await;
        assert_eq!(word(&gateway.back(&away, "code=good").await), expected, "{max_age:?} {auth_time}");
    };
    check(None, Value::Null, "signed in").await;
    check(None, json!("long ago"), "signed in").await;
    check(None, json!(0), "signed in").await;
    check(Some(900), json!(now), "signed in").await;
    check(Some(900), json!(now - 929), "signed in").await;
    check(Some(900), json!(now - 930), "wrong: auth-time, spent").await;
    check(Some(0), json!(now - 29), "signed in").await;
    check(Some(900), Value::Null, "wrong: auth-time, spent").await;
    check(Some(900), json!("now"), "wrong: auth-time, spent").await;
}

#[tokio::test]
async fn a_form_post_needs_a_cookie_that_crosses_sites() {
    let gateway = Gateway::start("https://app.example").await;
    let begin = Begin { return_to: "/", request: "r", ..Begin::default() };
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

/// What a document must have by OpenID Connect Discovery 1.0 §3 and nobody here asks for may be missing or nonsense.
#[tokio::test]
async fn a_document_need_not_say_what_nobody_asks_for() {
    let gateway = Gateway::start("https://app.example").await;
    let document = json!({
        "response_types_supported": null, "subject_types_supported": "public",
        "id_token_signing_alg_values_supported": null, "service_documentation": "", "op_policy_uri": 7,
        "request_uri_parameter_supported": "no", "claims_supported": {}, "registration_endpoint": "/register",
        "token_endpoint_auth_methods_supported": [7, "client_secret_post", "tls_client_auth"],
    });
    gateway.provider.tell(|told| told.document = document);
    let away = gateway.begin(false).await;
    assert_eq!(word(&gateway.back(&away, "code=good").await), "signed in");
    let (_, form) = crate::lock::lock(&gateway.provider.told).heard.clone();
    assert!(form.contains("client_secret="), "of what it offers, what can be read counts");
}

/// An issuer that only signs access tokens.
#[tokio::test]
async fn where_nobody_can_sign_in_a_document_is_said_to_lack_something() {
    let gateway = Gateway::start("https://app.example").await;
    let lacking = async |name: &str, member: &str| {
        gateway.provider.tell(|told| told.document = json!({ member: null }));
        let begin = Begin { return_to: "/", request: "r", ..Begin::default() };
        let begun = gateway.sign_in.begin(name, begin, gateway.clock.now()).await;
        match begun {
            Ok(_) => "begun".to_owned(),
            Err(BeginFault::Unavailable(unavailable)) => unavailable.to_string(),
            Err(fault) => panic!("{fault:?}"),
        }
    };
    let said = lacking("first", "authorization_endpoint").await;
    assert!(said.contains("the provider's document has no `authorization_endpoint`"), "{said}");
    assert_eq!(lacking("second", "token_endpoint").await, "begun");
}

#[tokio::test]
async fn a_callback_that_is_nobodys_begins_again() {
    let gateway = Gateway::start("https://app.example").await;
    let away = gateway.begin(false).await;
    let check = async |name: &str, query: &str, pending: &[(String, String)], expected: &str| {
        assert_eq!(word(&gateway.callback(name, query, pending).await), expected, "{name}?{query}");
    };
    let state = format!("state={}&code=good", away.state);
    check("third", &state, &away.cookies, "no such provider").await;
    check("first", "code=good", &away.cookies, "begin again: no-state, nowhere").await;
    check("first", "state=&code=good", &away.cookies, "begin again: state-unreadable, nowhere").await;
    check("first", "state=abc&code=good", &away.cookies, "begin again: state-unreadable, nowhere").await;
    check("second", &state, &away.cookies, "begin again: other-provider").await;
    check("first", &state, &[], "begin again: no-pending-sign-in, again").await;
    let other = gateway.begin(false).await;
    check("first", &state, &other.cookies, "begin again: no-pending-sign-in, again").await;
    check("first", &format!("state={}", away.state), &away.cookies, "neither a code nor an error").await;
    check("first", &format!("{state}&error=x"), &away.cookies, "both a code and an error").await;

    let second = gateway.begin(true).await;
    check("first", &format!("state={}&code=good", second.state), &[], "cookies blocked").await;
    check(
        "first",
        &format!("state={}&code=good", second.state),
        &other.cookies,
        "begin again: no-pending-sign-in, again",
    )
    .await;
}

#[tokio::test]
async fn what_the_provider_says_decides_and_never_turns_in_circles() {
    let gateway = Gateway::start("https://app.example").await;
    let check = async |query: &str, expected: &str| {
        let away = gateway.begin(false).await;
        assert_eq!(word(&gateway.back(&away, query).await), expected, "{query}");
    };
    check("error=access_denied&error_description=%3Cb%3Eno", "refused: access_denied (person), spent").await;
    check("error=login_required", "refused: login_required (person), spent").await;
    check("error=made_up", "refused: made_up (person), spent").await;
    for word in ["invalid_scope", "not_allowed", "unauthorized_client", "invalid_request"] {
        check(&format!("error={word}"), &format!("refused: {word} (request), spent")).await;
    }
    check("error=temporarily_unavailable", "token-endpoint, kept").await;
    check("error=server_error", "token-endpoint, kept").await;
    check("code=foreign", "begin again: stale-code").await;
    check("code=good&iss=https%3A%2F%2Fevil.example", "wrong: callback-issuer, spent").await;
    check("error=access_denied&iss=https%3A%2F%2Fevil.example", "wrong: callback-issuer, spent").await;
    let issuer: String = url::form_urlencoded::byte_serialize(gateway.provider.issuer.as_bytes()).collect();
    check(&format!("code=good&iss={issuer}"), "signed in").await;
}

#[tokio::test]
async fn a_provider_that_promises_its_name_must_give_it() {
    let gateway = Gateway::start("https://app.example").await;
    gateway.provider.tell(|told| told.document = json!({ "authorization_response_iss_parameter_supported": true }));
    let away = gateway.begin(false).await;
    assert_eq!(word(&gateway.back(&away, "code=good").await), "wrong: callback-issuer, spent");
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
    for body in ["", "{}", "[]", "null", "<html>", r#"{"id_token":"x"}"#, r#"{"access_token":7,"id_token":"x"}"#] {
        check(200, json, body, down).await.err();
    }
    check(200, ("content-type", "text/html"), "{}", down).await.err();
    check(400, json, "", down).await.err();
    check(400, json, "<html>", down).await.err();
    for error in ["invalid_client", "unauthorized_client", "temporarily_unavailable", "made_up"] {
        check(400, json, &json!({ "error": error }).to_string(), down).await.err();
    }
    let told = async |status, fields, body| match check(status, fields, body, down).await {
        Err(SignInFault::Unavailable { unavailable, .. } | SignInFault::Misconfigured { unavailable, .. }) => {
            unavailable.retry_after.as_secs()
        }
        _ => panic!("it is unavailable"),
    };
    assert_eq!(told(503, ("retry-after", "17"), "").await, 17);
    assert_eq!(told(500, json, "").await, 5);
    assert_eq!(told(403, ("content-type", "text/html"), "<html>").await, 5, "a proxy's word");
    assert_eq!(told(401, json, r#"{"error":"invalid_client"}"#).await, 60, "the provider's own");
    gateway.provider.tell(|told| told.token = None);
    assert_eq!(word(&gateway.back(&away, "code=good").await), "signed in");
}

/// A provider that does not know us says so to everybody who signs in: their page and the log say what is to be done.
#[tokio::test]
async fn a_provider_that_does_not_know_us_is_a_matter_of_the_configuration() {
    let gateway = Gateway::start("https://app.example").await;
    let away = gateway.begin(false).await;
    let check = async |status, error: &str, expected: Option<&str>| {
        let json = vec![("content-type", "application/json")];
        gateway.provider.tell(|told| told.token = Some((status, json, json!({ "error": error }).to_string())));
        let cause = match gateway.back(&away, "code=good").await {
            Err(SignInFault::Misconfigured { unavailable, .. }) => Some(unavailable.to_string()),
            Err(SignInFault::Unavailable { .. }) => None,
            other => panic!("{}", word(&other)),
        };
        let says = |expected: &str| cause.as_ref().is_some_and(|cause| cause.contains(expected));
        assert!(expected.map_or(cause.is_none(), says), "{status} {error}: {cause:?}");
    };
    for status in [400, 401, 403] {
        check(status, "invalid_client", Some("check `client_id` and `client_secret`")).await;
        check(status, "unauthorized_client", Some("check `client_id`")).await;
        check(status, "invalid_request", Some("what the provider has registered")).await;
        check(status, "temporarily_unavailable", None).await;
        check(status, "made_up", None).await;
    }
    check(500, "invalid_client", None).await;
    gateway.provider.tell(|told| told.token = None);
    assert_eq!(word(&gateway.back(&away, "code=good").await), "signed in", "nothing was spent");
}

#[tokio::test]
async fn what_the_token_endpoint_answers_wrongly_or_refuses_is_no_outage() {
    let gateway = Gateway::start("https://app.example").await;
    let check = async |status, body: &str, expected: &str| {
        let away = gateway.begin(false).await;
        let json = vec![("content-type", "application/json")];
        gateway.provider.tell(|told| told.token = Some((status, json, body.to_owned())));
        assert_eq!(word(&gateway.back(&away, "code=good").await), expected, "{status} {body}");
        gateway.provider.tell(|told| told.token = None);
        let again = word(&gateway.back(&away, "code=good").await);
        assert_eq!(again, "begin again: spent", "a spent try stays spent, after {body}");
    };
    let offline =
        json!({ "error": "not_allowed", "error_description": "Offline tokens not allowed for the user or client" });
    check(400, r#"{"error":"invalid_grant","error_codes":[50105]}"#, "refused: invalid_grant (person), spent").await;
    check(400, r#"{"error":"consent_required"}"#, "refused: consent_required (person), spent").await;
    check(400, &offline.to_string(), "refused: not_allowed (request), spent").await;
    check(400, r#"{"error":"invalid_scope"}"#, "refused: invalid_scope (request), spent").await;
    check(400, r#"{"error":"invalid_grant"}"#, "begin again: stale-code").await;
    check(200, r#"{"access_token":"a"}"#, "wrong: no-id-token, spent").await;
    check(200, r#"{"access_token":"a","id_token":null}"#, "wrong: no-id-token, spent").await;
    check(200, r#"{"access_token":"a","id_token":"nonsense"}"#, "wrong: malformed, spent").await;
}

#[tokio::test]
async fn an_id_token_that_its_provider_did_not_sign_is_its_wrong_answer_and_no_outage() {
    let gateway = Gateway::start("https://app.example").await;
    let stranger = TestProvider::start().await;
    let claims = |nonce: &str| {
        let now = gateway.clock.now().wall().as_secs();
        json!({ "iss": gateway.provider.issuer, "sub": "ada", "aud": "candor", "nonce": nonce, "iat": now, "exp": now + 300 })
    };
    let encoded = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let made = |header: Value, nonce: &str| format!("{}.{}.c2lnbmVk", encoded(&header), encoded(&claims(nonce)));
    let check = async |make: &dyn Fn(&str) -> String, expected: &str| {
        let away = gateway.begin(false).await;
        let nonce = crate::lock::lock(&gateway.provider.told).nonce.clone();
        let answer = json!({ "access_token": "a", "id_token": make(&nonce) }).to_string();
        gateway.provider.tell(|told| told.token = Some((200, Vec::new(), answer)));
        assert_eq!(word(&gateway.back(&away, "code=good").await), expected);
    };
    check(&|nonce| made(json!({ "alg": "none" }), nonce), "wrong: malformed, spent").await;
    check(&|nonce| made(json!({ "alg": "HS256" }), nonce), "wrong: malformed, spent").await;
    check(&|nonce| made(json!({ "alg": "ES512" }), nonce), "wrong: not-taken, spent").await;
    check(&|nonce| made(json!({ "alg": "EdDSA", "kid": "k1" }), nonce), "wrong: bad-signature, spent").await;
    check(&|nonce| made(json!({ "alg": "EdDSA", "kid": "k9" }), nonce), "wrong: unknown-key, spent").await;
    check(&|nonce| stranger.sign(&claims(nonce)), "wrong: bad-signature, spent").await;
    let cut = |nonce: &str| {
        let mut token = gateway.provider.sign(&claims(nonce));
        token.truncate(token.rfind('.').expect("three parts") + 1);
        token
    };
    check(&cut, "wrong: bad-signature, spent").await;
    // However often: strangers cannot have caused it, so no budget of theirs is asked.
    for _ in 0..20 {
        check(&|nonce| made(json!({ "alg": "EdDSA", "kid": "k9" }), nonce), "wrong: unknown-key, spent").await;
    }
    gateway.provider.tell(|told| told.keys_are_down = true);
    check(&|nonce| made(json!({ "alg": "EdDSA", "kid": "k9" }), nonce), "keys, spent").await;
    check(&|nonce| gateway.provider.sign(&claims(nonce)), "signed in").await;
}

#[tokio::test]
async fn a_document_of_another_issuer_is_its_wrong_answer_and_no_outage() {
    let gateway = Gateway::start("https://app.example").await;
    let begin = || Begin { return_to: "/", request: "r", ..Begin::default() };
    gateway.provider.tell(|told| told.document = json!({ "issuer": "https://idp.example/other" }));
    let fault = gateway.sign_in.begin("first", begin(), gateway.clock.now()).await.err().expect("not begun");
    let BeginFault::InvalidResponse(wrong) = fault else { panic!("{fault:?}") };
    assert_eq!(wrong.as_str(), "document-issuer");
    let (ours, theirs) = (&gateway.provider.issuer, "https://idp.example/other");
    assert_eq!(wrong.to_string(), format!("the discovery document names the issuer {theirs}, not {ours}"));
    // What broken servers say is an outage.
    gateway.provider.tell(|told| told.document = json!({ "issuer": null }));
    let fault = gateway.sign_in.begin("second", begin(), gateway.clock.now()).await.err().expect("not begun");
    assert!(matches!(fault, BeginFault::Unavailable(_)), "{fault:?}");
}

#[tokio::test]
async fn a_pending_sign_in_asks_its_provider_once() {
    let gateway = Gateway::start("https://app.example").await;
    let asked = || crate::lock::lock(&gateway.provider.told).asked;
    let away = gateway.begin(false).await;
    assert_eq!(word(&gateway.back(&away, "code=foreign").await), "begin again: stale-code");
    for code in 0..50 {
        assert_eq!(word(&gateway.back(&away, &format!("code={code}")).await), "begin again: spent");
    }
    assert_eq!(word(&gateway.back(&away, "code=good").await), "begin again: spent");
    assert_eq!(asked(), 1);

    let away = gateway.begin(false).await;
    let both = tokio::join!(gateway.back(&away, "code=good"), gateway.back(&away, "code=good"));
    let mut words = [word(&both.0), word(&both.1)];
    words.sort();
    assert_eq!((words, asked()), (["busy".to_owned(), "signed in".to_owned()], 2));

    gateway.provider.tell(|told| told.token = Some((503, Vec::new(), String::new())));
    let away = gateway.begin(false).await;
    for _ in 0..3 {
        assert_eq!(word(&gateway.back(&away, "code=good").await), "token-endpoint, kept");
    }
    gateway.provider.tell(|told| told.token = None);
    assert_eq!(word(&gateway.back(&away, "code=good").await), "signed in", "what was not answered is kept");
}

#[tokio::test]
async fn a_provider_is_asked_by_no_more_than_it_may_be_at_once() {
    let gateway = Gateway::start("https://app.example").await;
    let release = gateway.provider.hold_tokens();
    let mut backs = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let (away, now) = (gateway.begin(false).await, gateway.clock.now());
        let (sign_in, query) = (gateway.sign_in.clone(), format!("state={}&code=foreign", away.state));
        let params = CallbackParams::parse(query.as_bytes()).expect("nothing came twice");
        let callback = Callback { params, pending: away.cookies.clone(), ..Callback::default() };
        backs.spawn(async move { (sign_in.finish("first", callback, now).await, away) });
    }
    gateway.provider.until_asked(32).await;
    let mut busy = Vec::new();
    while busy.len() < 8 {
        let (finished, away) = backs.join_next().await.expect("eight are told at once").expect("no panic");
        assert_eq!(word(&finished), "busy");
        busy.push(away);
    }
    release.add_permits(100);
    for (finished, _) in backs.join_all().await {
        assert_eq!(word(&finished), "begin again: stale-code");
    }
    assert_eq!(crate::lock::lock(&gateway.provider.told).asked, 32);
    let kept = &busy[0];
    assert_eq!(word(&gateway.back(kept, "code=foreign").await), "begin again: stale-code", "it stayed pending");
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
    check(json!({ "nonce": "another" }), "wrong: wrong-nonce, spent").await;
    check(json!({ "nonce": null }), "wrong: wrong-nonce, spent").await;
    check(json!({ "aud": "another" }), "wrong: wrong-audience, spent").await;
    check(json!({ "aud": ["candor", "another"] }), "wrong: wrong-audience, spent").await;
    check(json!({ "iss": "https://evil.example" }), "wrong: wrong-issuer, spent").await;
    check(json!({ "exp": now - 3600 }), "wrong: expired, spent").await;
    check(json!({ "azp": "another" }), "wrong: wrong-client, spent").await;
    check(json!({ "sub": "x".repeat(256) }), "wrong: bad-subject, spent").await;
    check(json!({ "sub": null }), "wrong: incomplete, spent").await;
    check(json!({ "at_hash": "AAAA" }), "wrong: wrong-access-token, spent").await;
    check(json!({ "iat": now + 3600 }), "clock, spent").await;
    check(json!({}), "signed in").await;
    let away = gateway.begin_at("named", false).await;
    let query = format!("state={}&code=good", away.state);
    let finished = gateway.callback("named", &query, &away.cookies).await;
    assert_eq!(word(&finished), "wrong: unverified-email, spent");
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
    let callback = Callback { params, pending: away.cookies, replaces: Some(old.clone()), ..Callback::default() };
    let second = gateway.sign_in.finish("first", callback, gateway.clock.now()).await;
    let second = second.unwrap_or_else(|fault| panic!("{fault:?}"));
    let opened = async |ticket: &SecretString| {
        gateway.sessions.open(&CredentialText::new(ticket.clone()), RenewalWait::Never, gateway.clock.now()).await
    };
    let (new, old) = (opened(second.ticket.text()).await, opened(&old).await);
    assert!(matches!(old, Err(Stop::Rejected(ended)) if ended.reason() == Reason::Ended));
    assert!(new.is_ok());
}

#[tokio::test]
async fn a_form_post_ends_the_session_before_it_though_it_comes_without_its_ticket() {
    let gateway = Gateway::start("https://app.example").await;
    let first = gateway.begin(false).await;
    let first = gateway.back(&first, "code=good").await.unwrap_or_else(|fault| panic!("{fault:?}"));
    let old = first.ticket.text().clone();
    let begin = Begin { return_to: "/", replaces: Some(old.clone()), request: "r", ..Begin::default() };
    let begun =
        gateway.sign_in.begin("second", begin, gateway.clock.now()).await.unwrap_or_else(|fault| panic!("{fault:?}"));
    let query = format!("state={}&code=good", gateway.provider.visit(&begun.location));
    let pending = [(begun.cookie.name.clone(), begun.cookie.value.expose_secret().to_owned())];
    let second = gateway.callback("second", &query, &pending).await.unwrap_or_else(|fault| panic!("{fault:?}"));
    let opened = async |ticket: &SecretString| {
        gateway.sessions.open(&CredentialText::new(ticket.clone()), RenewalWait::Never, gateway.clock.now()).await
    };
    assert!(matches!(opened(&old).await, Err(Stop::Rejected(ended)) if ended.reason() == Reason::Ended));
    assert!(opened(second.ticket.text()).await.is_ok());
}

#[tokio::test]
async fn a_dead_provider_is_said_before_anybody_is_sent_there() {
    let mut gateway = Gateway::start("https://app.example").await;
    gateway.provider.kill().await;
    let begin = Begin { return_to: "/", request: "r", ..Begin::default() };
    let fault = gateway.sign_in.begin("first", begin, gateway.clock.now()).await.err().expect("it is dead");
    assert!(matches!(fault, BeginFault::Unavailable(down) if down.dependency == crate::Dependency::Discovery));
    let begin = Begin { return_to: "/", request: "r", ..Begin::default() };
    let fault = gateway.sign_in.begin("third", begin, gateway.clock.now()).await.err();
    assert!(matches!(fault, Some(BeginFault::NoSuchProvider)));
}

#[tokio::test]
async fn userinfo_is_asked_after_a_good_token_and_signs_nobody_in_by_itself() {
    let gateway = Gateway::start("http://127.0.0.1:8080").await;
    let json = "application/json";
    let come = async |name: &str, answer: (u16, &'static str, Value)| {
        let (status, kind, body) = answer;
        gateway.provider.tell(|told| told.userinfo = Some((status, vec![("content-type", kind)], body.to_string())));
        let away = gateway.begin_at(name, false).await;
        let finished = gateway.callback(name, &format!("state={}&code=good", away.state), &away.cookies).await;
        match finished {
            Ok(_) => "signed in".to_owned(),
            Err(SignInFault::InvalidResponse { response, spent, .. }) => {
                assert!(spent.is_some(), "the code is spent");
                response.as_str().to_owned()
            }
            Err(SignInFault::Unavailable { unavailable, spent, .. }) => {
                assert!(spent.is_some(), "the code is spent");
                unavailable.dependency.as_str().to_owned()
            }
            Err(other) => panic!("{other:?}"),
        }
    };
    for name in ["verified", "merged"] {
        let check = async |status: u16, kind: &'static str, body: Value, expected: &str| {
            let shown = format!("{name}: {status} {kind} {body}");
            assert_eq!(come(name, (status, kind, body)).await, expected, "{shown}");
        };
        check(200, json, json!({ "sub": "ada" }), "signed in").await;
        check(200, "Application/JSON;charset=UTF-8", json!({ "sub": "ada", "email_verified": "yes" }), "signed in")
            .await;
        for sub in ["Ada", "ada ", "root"] {
            check(200, json, json!({ "sub": sub }), "userinfo-subject").await;
        }
        for body in
            [json!({}), json!({ "sub": null }), json!({ "sub": 7 }), json!({ "sub": "" }), json!(["ada"]), json!("ada")]
        {
            check(200, json, body, "userinfo").await;
        }
        check(200, "application/jwt", json!({ "sub": "ada" }), "userinfo-signed").await;
        check(200, "text/html", json!({ "sub": "ada" }), "userinfo").await;
        for status in [201, 204, 302, 400, 401, 403, 404, 429, 500, 503] {
            check(status, json, json!({ "sub": "ada" }), "userinfo").await;
        }
    }
    assert_eq!(come("first", (500, json, json!({}))).await, "signed in", "nobody asks there");
}

#[tokio::test]
async fn what_userinfo_says_of_groups_counts_where_the_token_is_silent() {
    let gateway = Gateway::start("http://127.0.0.1:8080").await;
    let said = json!({ "sub": "ada", "groups": ["staff"], "roles": ["editor"] });
    let fields = vec![("content-type", "application/json")];
    gateway.provider.tell(|told| told.userinfo = Some((200, fields, said.to_string())));
    let silent = json!({ "groups": null });
    assert_eq!(gateway.stated_at("merged", silent.clone()).await, (Membership::Member, Membership::Member));
    let stated = gateway.stated_at("merged", json!({ "groups": ["others"], "roles": [] })).await;
    assert_eq!(stated, (Membership::NotMember, Membership::NotMember), "nothing is replaced");
    let (groups, _) = gateway.stated_at("verified", silent).await;
    assert!(matches!(groups, Membership::NotStated(_)), "only its `sub` is looked at");
}
