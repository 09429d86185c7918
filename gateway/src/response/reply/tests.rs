//! The table of what each client_kind sees, cell by cell.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use auth_core::{
    Timestamp,
    authenticator::Authenticator,
    background::Background,
    bearer::Bearers,
    clock::{Clock, Now},
    credential::{Credential, CredentialId, CredentialText, UnsupportedCredential},
    data_folder::DataFolder,
    database::{Database, DatabaseAddress},
    dependency::Dependency,
    keyring::Keyring,
    policy::{Allow, MaxStale, Requirement, RequirementId, permit},
    principal::{Groups, Kind, Person, Roles, Silence, Subject, UserClaim},
    refusal_guard::{Ended, RefusalGuard},
    revocations::{RevocationPolicy, Revocations},
    session::{NewSession, RenewalPolicy, RenewalWait, Renewals, SessionPolicy, Sessions},
    verdict::{Stop, Unavailable, Verdict},
};
use secrecy::ExposeSecret;
use url::Url;

use super::*;
use crate::{
    config::site::tests::site,
    fault::{
        AllowedMethods as Methods, BadRequest, ConnectFault, Deadline, DisputedDenial, FaultContext, UndecidedDenial,
    },
    response::{
        cookies::ClearCookie,
        own_answer::{Destination, OwnAnswer},
    },
};

/// A place where refusals come from: real sessions, in a folder of their own. Refusals take proofs, so that even a test
/// cannot make them up.
struct House {
    data: PathBuf,
    clock: Clock,
    sessions: Sessions,
    authenticator: Authenticator,
    guard: Arc<RefusalGuard>,
}

impl House {
    async fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let data = std::env::temp_dir().join(format!("candor-replies-{}-{count}", std::process::id()));
        let (background, clock) = (Background::current(), Clock::standing_at(Timestamp::from_secs(1_000_000)));
        let folder = DataFolder::take(&data, clock.now()).expect("a folder for the test");
        let store = Database::at(DatabaseAddress::in_folder(&data), background.clone(), Database::DEADLINE);
        let keyring = Keyring::open(&folder, &store, clock.now()).await.expect("a new keyring");
        let policy = RevocationPolicy::default();
        let revocations = Revocations::open(&folder, store.clone(), background, clock.clone(), policy).await;
        let policy = SessionPolicy {
            hard_without_refresh: Duration::from_secs(60),
            renewal: RenewalPolicy::default(),
            keeps_access_tokens: false,
            groups_asked: Default::default(),
            issuers: [("https://issuer.example".to_owned(), UserClaim::Subject)].into(),
        };
        let renewals = Renewals::new(Background::current(), clock.clone(), Arc::default());
        let sessions = Sessions::new(&keyring, store, revocations.clone(), renewals, Vec::new(), policy);
        let guard = Arc::new(RefusalGuard::new());
        let authenticator =
            Authenticator::new(sessions.clone(), Bearers::new(Vec::new()), None, revocations, None, guard.clone());
        Self { data, clock, sessions, authenticator, guard }
    }

    fn now(&self) -> Now {
        self.clock.now()
    }

    /// A ticket of Ada's.
    async fn ticket(&self) -> String {
        let new = NewSession {
            person: Person {
                name: Some("Ada".into()),
                ..Person::known_as(Subject::new("https://issuer.example", "ada"))
            },
            roles: Roles::known([]),
            groups: Groups::NotStated(Silence::Absent),
            refresh_token: None,
            access_token: None,
            id_token: None,
            claims: serde_json::json!({}),
            provider: "issuer".into(),
            provider_sid: None,
            address: None,
            browser: None,
        };
        let ticket = self.sessions.begin(new, None, self.now()).await.expect("the store is up");
        ticket.text().expose_secret().to_owned()
    }

    async fn missing(&self) -> Rejected {
        self.without(Credential::None).await
    }

    async fn without(&self, shown: Credential) -> Rejected {
        let anybody = requirement(Allow::kind(Kind::User));
        let outcome = self.authenticator.ask(shown, &anybody, self.now()).await;
        rejected(outcome.verdict.proceed().map(|_| ()))
    }

    async fn refused(&self, ticket: &str) -> Rejected {
        rejected(self.sessions.open(&CredentialText::new(ticket), RenewalWait::Never, self.now()).await.map(|_| ()))
    }

    async fn expired(&self) -> (Rejected, String) {
        let ticket = self.ticket().await;
        self.clock.advance(Duration::from_secs(61));
        (self.refused(&ticket).await, ticket)
    }

    /// What Ada is told on a route for a group, since her provider did not state any.
    async fn not_stated(&self) -> Unavailable {
        let ticket = self.ticket().await;
        let opened = self
            .sessions
            .open(&CredentialText::new(ticket), RenewalWait::Never, self.now())
            .await
            .expect("a good ticket");
        let verdict = Verdict::Authenticated(opened.principal);
        match permit(verdict, &requirement(Allow::group("staff")), self.now()) {
            Err(Stop::Unavailable(unavailable)) => unavailable,
            other => panic!("{other:?}"),
        }
    }

    async fn not_permitted(&self) -> Rejected {
        let ticket = self.ticket().await;
        let opened = self
            .sessions
            .open(&CredentialText::new(ticket), RenewalWait::Never, self.now())
            .await
            .expect("a good ticket");
        let verdict = Verdict::Authenticated(opened.principal);
        rejected(permit(verdict, &requirement(Allow::kind(Kind::Service)), self.now()).map(|_| ()))
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

fn requirement(allow: Allow) -> Requirement {
    Requirement::new(RequirementId(0), vec![allow], MaxStale::DEFAULT)
}

fn rejected(result: Result<(), Stop>) -> Rejected {
    match result {
        Err(Stop::Rejected(rejected)) => rejected,
        Err(Stop::Unavailable(unavailable)) => panic!("{unavailable}"),
        Ok(()) => panic!("it was admitted"),
    }
}

const ASKERS: [ClientKind; 4] = [ClientKind::Browser, ClientKind::Script, ClientKind::Device, ClientKind::ForwardAuth];

/// A request for `/orders?open=1` of a route that is for people.
fn recourse(repeatable: bool) -> Recourse {
    Recourse { repeatable, here: Some("/orders?open=1".into()), sign_in: true, ..Recourse::default() }
}

pub(crate) fn http(answer: Answer, client_kind: ClientKind, repeatable: bool) -> Response<Body> {
    let reply = Reply { answer, client_kind, id: RequestId::new(), recourse: recourse(repeatable) };
    reply.into_http(&site())
}

pub(crate) async fn text(response: Response<Body>) -> String {
    use http_body_util::BodyExt;
    let bytes = response.into_body().collect().await.expect("a whole body").to_bytes();
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

pub(crate) fn field(response: &Response<Body>, name: &str) -> String {
    response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

/// What every answer of ours carries, and what none that is not a refusal does.
pub(crate) fn check_form(response: &Response<Body>, client_kind: ClientKind) {
    let status = response.status();
    assert!(AnswerWord::parse(&field(response, "x-gateway-answer")).is_some(), "{status}");
    assert_eq!(field(response, "x-request-id").len(), 36);
    assert_eq!(field(response, "cache-control"), "no-store");
    assert_eq!(field(response, "x-content-type-options"), "nosniff");
    assert_eq!(field(response, "referrer-policy"), "no-referrer");
    assert_eq!(status == 401, response.headers().contains_key("www-authenticate"), "{status} {client_kind}");
    if !status.is_redirection() {
        let page = field(response, "content-type") == "text/html; charset=utf-8";
        assert_eq!(page, client_kind == ClientKind::Browser, "{status} {client_kind}");
        assert_eq!(page, field(response, "content-security-policy").contains("frame-ancestors 'none'"));
    }
}

#[tokio::test]
async fn not_signed_in_is_401_or_the_way_to_sign_in() {
    let house = House::new().await;
    for client_kind in ASKERS {
        for repeatable in [true, false] {
            let answer = Answer::Refused(Refusal::new(house.missing().await, None));
            let response = http(answer, client_kind, repeatable);
            check_form(&response, client_kind);
            assert_eq!(field(&response, "x-gateway-answer"), "credential-missing");
            assert!(!response.headers().contains_key("set-cookie"));
            if client_kind == ClientKind::Browser && repeatable {
                assert_eq!(response.status(), 303);
                assert_eq!(field(&response, "location"), "/.candor/login?return_to=%2Forders%3Fopen%3D1");
                continue;
            }
            assert_eq!(response.status(), 401, "{client_kind}");
            assert_eq!(field(&response, "www-authenticate"), "Bearer realm=\"https://app.example.com\"");
            let sign_in = field(&response, "x-gateway-sign-in");
            assert_eq!(!sign_in.is_empty(), client_kind == ClientKind::ForwardAuth, "{sign_in}");
            let text = text(response).await;
            match client_kind {
                ClientKind::Browser => assert!(text.contains("target=\"_blank\""), "{text}"),
                ClientKind::Grpc => panic!("it is asked for in another test"),
                ClientKind::Script | ClientKind::Device | ClientKind::ForwardAuth => {
                    assert!(text.contains("\"type\":\"/.candor/problems/credential-missing\""), "{text}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_program_is_told_what_it_showed_in_place_of_a_credential() {
    let house = House::new().await;
    for (shown, expected) in [
        (Credential::None, "The request carries no credential."),
        (
            Credential::Unsupported(UnsupportedCredential::Scheme),
            "The request carries an `Authorization` of another scheme than `Bearer`.",
        ),
        (
            Credential::Unsupported(UnsupportedCredential::Bearer),
            "The request carries a bearer token that is malformed, or of an issuer that is not configured.",
        ),
        (
            Credential::Unsupported(UnsupportedCredential::Ticket),
            "The request carries a session cookie, and nobody who has one may pass here.",
        ),
    ] {
        let answer = Answer::Refused(Refusal::new(house.without(shown).await, None));
        let response = http(answer, ClientKind::Script, true);
        assert_eq!(field(&response, "x-gateway-answer"), "credential-missing");
        assert_eq!(field(&response, "www-authenticate"), "Bearer realm=\"https://app.example.com\"");
        let problem: serde_json::Value = serde_json::from_str(&text(response).await).expect("JSON");
        assert_eq!(problem["detail"], expected);
    }
}

#[tokio::test]
async fn a_bad_credential_says_so_and_a_ticket_that_ended_is_forgotten() {
    let house = House::new().await;
    for client_kind in [ClientKind::Script, ClientKind::ForwardAuth, ClientKind::Browser] {
        let (rejected, ticket) = house.expired().await;
        let id = CredentialId::of(ticket.as_bytes());
        let ended = Ended::Refused(house.guard.ended_by(&rejected, id, house.now()).expect("it expired"));
        let of_another = CredentialId::of(b"another");
        assert!(ClearCookie::because(&ended, of_another).is_none(), "only the one that ended may be forgotten");
        let response =
            http(Answer::Refused(Refusal::new(rejected, ClearCookie::because(&ended, id))), client_kind, false);
        check_form(&response, client_kind);
        assert_eq!(response.status(), 401);
        assert_eq!(field(&response, "x-gateway-answer"), "credential-invalid");
        let challenge = "Bearer realm=\"https://app.example.com\", error=\"invalid_token\"";
        assert_eq!(field(&response, "www-authenticate"), challenge);
        let cleared = "__Host-candor=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0";
        assert_eq!(field(&response, "set-cookie"), cleared);
    }
}

#[tokio::test]
async fn a_device_whose_token_has_run_out_renews_it() {
    let house = House::new().await;
    let (rejected, _) = house.expired().await;
    let response = http(Answer::Refused(Refusal::new(rejected, None)), ClientKind::Device, true);
    check_form(&response, ClientKind::Device);
    assert_eq!((response.status().as_u16(), field(&response, "x-gateway-answer").as_str()), (503, "renewal-required"));
    assert!(!field(&response, "retry-after").is_empty());
}

#[tokio::test]
async fn who_may_not_is_403_whoever_asks() {
    let house = House::new().await;
    for client_kind in ASKERS {
        let response = http(Answer::Refused(Refusal::new(house.not_permitted().await, None)), client_kind, true);
        check_form(&response, client_kind);
        assert_eq!((response.status().as_u16(), field(&response, "x-gateway-answer").as_str()), (403, "not-permitted"));
    }
}

#[tokio::test]
async fn who_may_not_is_told_as_whom_they_are_signed_in_and_how_to_be_another() {
    let house = House::new().await;
    let page =
        text(http(Answer::Refused(Refusal::new(house.not_permitted().await, None)), ClientKind::Browser, true)).await;
    assert!(page.contains("signed in as Ada"), "{page}");
    for way_out in ["/.candor/login?return_to=%2Forders%3Fopen%3D1&#38;select_account=1", "/.candor/logout"] {
        assert!(page.contains(&format!("href=\"{way_out}\"")), "{way_out} is not in {page}");
    }
}

#[tokio::test]
async fn a_browser_that_came_by_another_address_signs_in_at_the_public_one() {
    let house = House::new().await;
    let reply = async |answer, repeatable| {
        let recourse = Recourse { elsewhere: true, ..recourse(repeatable) };
        Reply { answer, client_kind: ClientKind::Browser, id: RequestId::new(), recourse }.into_http(&site())
    };
    let missing = async || Answer::Refused(Refusal::new(house.missing().await, None));
    let response = reply(missing().await, true).await;
    assert_eq!(
        (response.status().as_u16(), field(&response, "x-gateway-answer").as_str()),
        (303, "credential-missing")
    );
    let public = "https://app.example.com/.candor/login?return_to=%2Forders%3Fopen%3D1&unless_signed_in=1";
    assert_eq!(field(&response, "location"), public);
    let response = reply(missing().await, false).await;
    assert_eq!(response.status(), 401, "what was sent stays in its tab");
    assert!(text(response).await.contains("href=\"https://app.example.com/.candor/login?"));
    let unavailable = Unavailable::because(Dependency::Store, "planned");
    let page = text(reply(Answer::Unavailable(unavailable), true).await).await;
    assert!(page.contains("href=\"https://app.example.com/.candor/login?"), "{page}");
}

#[tokio::test]
async fn not_being_able_to_tell_is_503_and_nothing_is_lost() {
    for client_kind in ASKERS {
        for repeatable in [true, false] {
            for dependency in Dependency::ALL {
                let unavailable = Unavailable::because(dependency, "planned").retry_after(Duration::from_secs(8));
                let response = http(Answer::Unavailable(unavailable), client_kind, repeatable);
                check_form(&response, client_kind);
                assert_eq!(response.status(), 503, "{client_kind} {dependency}");
                assert_eq!(field(&response, "x-gateway-answer"), "verdict-unavailable");
                assert!(!response.headers().contains_key("set-cookie"));
                assert!(field(&response, "proxy-status").starts_with("candor; error="));
                let retry = field(&response, "retry-after").parse::<u64>().expect("seconds");
                let most = if client_kind == ClientKind::Device { 12 } else { 10 };
                assert!((8..=most).contains(&retry), "{client_kind} {retry}");
                let text = text(response).await;
                assert!(!text.contains("planned") && !text.contains(dependency.as_str()), "{text}");
                if client_kind == ClientKind::Browser {
                    assert_eq!(text.contains("http-equiv=\"refresh\""), repeatable, "nothing is sent twice by itself");
                    assert!(text.contains("href=\"/.candor/login"), "signing in again is a choice");
                }
            }
        }
    }
}

#[tokio::test]
async fn groups_that_were_not_stated_are_503_with_a_page_that_does_not_load_itself_again() {
    let house = House::new().await;
    for client_kind in ASKERS {
        let response = http(Answer::Unavailable(house.not_stated().await), client_kind, true);
        check_form(&response, client_kind);
        let word = field(&response, "x-gateway-answer");
        assert_eq!((response.status().as_u16(), word.as_str()), (503, "groups-not-stated"), "{client_kind}");
        assert!(!response.headers().contains_key("set-cookie") && !response.headers().contains_key("location"));
        assert!(!response.headers().contains_key("proxy-status"), "nothing failed");
        let retry = field(&response, "retry-after").parse::<u64>().expect("seconds");
        assert!((300..=900).contains(&retry), "{client_kind} {retry}");
        let text = text(response).await;
        assert!(!text.contains("http-equiv=\"refresh\"") && !text.contains("issuer.example"), "{text}");
        if client_kind == ClientKind::Browser {
            assert!(text.contains("href=\"/.candor/login"), "signing in again is a choice");
            assert!(text.contains("whoever looks after the service"), "{text}");
        }
    }
}

#[tokio::test]
async fn a_denial_of_somebody_whom_we_could_not_tell_is_said_as_not_being_able_to_tell() {
    let why = Unavailable::because(Dependency::Keys, "planned").retry_after(Duration::from_secs(8));
    let undecided = UndecidedDenial { endpoint: "e".into(), received: StatusCode::UNAUTHORIZED, unavailable: why };
    let fault = Fault::UndecidedIdentity(undecided);
    let said = Answer::Fault(fault.clone()).why(None);
    assert_eq!(said.reason, Some("keys"));
    assert_eq!(
        said.detail.as_deref(),
        Some("e answered 401 Unauthorized to somebody whom we cannot tell: keys: planned")
    );
    for client_kind in ASKERS {
        let response = http(Answer::Fault(fault.clone()), client_kind, true);
        check_form(&response, client_kind);
        assert_eq!(
            (response.status().as_u16(), field(&response, "x-gateway-answer").as_str()),
            (503, "verdict-unavailable")
        );
        assert!(field(&response, "proxy-status").ends_with("; details=\"verdict-unavailable\"; received-status=401"));
        let retry = field(&response, "retry-after").parse::<u64>().expect("seconds");
        assert!((8..=24).contains(&retry), "{client_kind} {retry}");
        let text = text(response).await;
        assert!(!text.contains("planned"), "{text}");
        if client_kind == ClientKind::Browser {
            assert!(text.contains("http-equiv=\"refresh\"") && text.contains("href=\"/.candor/login"), "{text}");
        }
    }
}

#[test]
fn what_goes_on_undecided_is_logged_with_the_reason() {
    let missing = Unavailable::because(Dependency::Store, "planned");
    let why = Answer::Own(OwnAnswer::text("ok")).why(Some(&missing));
    assert_eq!((why.reason, why.detail.as_deref()), (Some("store"), Some("store: planned")));
    assert_eq!(Answer::Own(OwnAnswer::text("ok")).why(None).reason, None);
}

#[test]
fn faults_have_the_status_that_the_table_says() {
    let at = || FaultContext::new("http://127.0.0.1:9000", "seen");
    let dispute =
        || DisputedDenial { endpoint: "e".into(), received: StatusCode::UNAUTHORIZED, grpc_status: None, setting: "s" };
    // The columns: browser, script, device, forward-auth.
    let check = |fault: Fault, statuses: [u16; 4], word: &str| {
        for (client_kind, status) in ASKERS.into_iter().zip(statuses) {
            let response = http(Answer::Fault(fault.clone()), client_kind, true);
            check_form(&response, client_kind);
            assert_eq!(response.status(), status, "{fault} {client_kind}");
            assert_eq!(field(&response, "x-gateway-answer"), word, "{fault} {client_kind}");
            assert!(field(&response, "proxy-status").starts_with("candor; error="), "{fault}");
            assert_eq!(response.headers().contains_key("retry-after"), fault.retry_after().is_some(), "{fault}");
        }
    };
    let failed = "upstream-failed";
    check(Fault::ConnectFailed(ConnectFault::Refused, at()), [502, 502, 503, 502], failed);
    check(Fault::UpstreamReset(at()), [502, 502, 503, 502], failed);
    check(Fault::UpstreamGarbage(at()), [502, 502, 503, 502], failed);
    check(Fault::NoEndpoint { upstream: "u".into() }, [503; 4], "no-endpoint");
    check(Fault::OverShare { upstream: "u".into() }, [503; 4], "overloaded");
    check(Fault::TimedOut(Deadline::ResponseHead, at()), [504, 504, 503, 504], "upstream-timeout");
    check(Fault::DisputedIdentity(dispute()), [503; 4], "upstream-disputed");
    check(Fault::Panicked, [500, 500, 503, 500], "internal-error");
    check(Fault::PermitMismatch, [500, 500, 503, 500], "internal-error");
    check(Fault::Overloaded, [503; 4], "overloaded");
    check(Fault::RateLimited { retry_after: Duration::from_secs(1) }, [429; 4], "overloaded");
    check(Fault::BadRequest(BadRequest::Host), [400; 4], "bad-request");
    check(Fault::NoSuchRoute, [404; 4], "no-such-route");
    check(Fault::WrongMethod(Methods::new([http::Method::GET])), [405; 4], "bad-request");
    check(Fault::BodyTooLarge, [413; 4], "bad-request");
    check(Fault::WrongMediaType, [415; 4], "bad-request");
    check(Fault::TargetTooLong, [414; 4], "bad-request");
    check(Fault::ExpectationUnknown, [417; 4], "bad-request");
    check(Fault::HeadTooLarge, [431; 4], "bad-request");
    check(Fault::PermitEnded, [503; 4], "verdict-unavailable");
}

#[test]
fn a_wrong_method_names_the_right_ones_and_a_dispute_what_was_received() {
    let response = http(Answer::Fault(Fault::WrongMethod(Methods::new([http::Method::GET]))), ClientKind::Script, true);
    assert_eq!(field(&response, "allow"), "GET");
    let dispute =
        DisputedDenial { endpoint: "e".into(), received: StatusCode::UNAUTHORIZED, grpc_status: None, setting: "s" };
    let response = http(Answer::Fault(Fault::DisputedIdentity(dispute)), ClientKind::Script, true);
    assert_eq!(field(&response, "proxy-status"), "candor; error=destination_unavailable; received-status=401");
}

#[test]
fn the_way_to_the_provider_is_no_refusal() {
    let location = "https://login.example.net/authorize?x".to_owned();
    let address = Url::parse(&location).expect("an address");
    let answer = Answer::Own(OwnAnswer::redirect(Destination::provider(&address)));
    let response = http(answer, ClientKind::Browser, true);
    assert_eq!((response.status().as_u16(), field(&response, "location")), (303, location));
}

#[test]
#[should_panic(expected = "without a proof")]
fn a_way_to_our_own_sign_in_takes_a_refusal() {
    // A provider that calls our own sign-in its own: nothing else can name that.
    let address = Url::parse("https://app.example.com/.candor/login?return_to=%2F").expect("an address");
    let answer = OwnAnswer::redirect(Destination::provider(&address));
    let _ = http(Answer::Own(answer), ClientKind::Browser, true);
}

#[test]
fn where_people_cannot_sign_in_nobody_is_sent_there() {
    let form = Form {
        client_kind: ClientKind::Browser,
        id: RequestId::new(),
        recourse: Recourse { sign_in: false, ..recourse(true) },
        site: &Site::of("/.candor", &Url::parse("https://app.example.com").expect("an address"), false),
    };
    assert_eq!(form.sign_in(), None);
}

#[tokio::test]
async fn a_failed_page_says_what_became_of_what_was_sent() {
    let at = || FaultContext::new("http://127.0.0.1:9000", "seen");
    let check = async |answer: Answer, expected: &str| {
        let page = text(http(answer, ClientKind::Browser, false)).await;
        assert!(page.contains(expected) && page.contains("go back to the page before"), "{page}");
        assert!(!page.contains("http-equiv"), "nothing is sent twice by itself: {page}");
    };
    let unavailable = || Answer::Unavailable(Unavailable::because(Dependency::Store, "planned"));
    check(unavailable(), "was not processed").await;
    check(unavailable(), "target=\"_blank\"").await;
    check(Answer::Fault(Fault::NoEndpoint { upstream: "u".into() }), "was not processed").await;
    check(Answer::Fault(Fault::ConnectFailed(ConnectFault::Refused, at())), "was not processed").await;
    check(Answer::Fault(Fault::UpstreamReset(at())), "may have arrived or not").await;
    check(Answer::Fault(Fault::TimedOut(Deadline::ResponseHead, at())), "may have arrived or not").await;
    for (fault, repeatable) in [(Fault::UpstreamReset(at()), true), (Fault::NoSuchRoute, false)] {
        let page = text(http(Answer::Fault(fault), ClientKind::Browser, repeatable)).await;
        assert!(!page.contains("go back"), "{page}");
    }
}

#[tokio::test]
async fn a_grpc_client_is_told_by_a_status_of_its_own() {
    let at = || FaultContext::new("http://10.0.0.7", "");
    let check = |answer: Answer, grpc: &str, word: AnswerWord| {
        let response = http(answer, ClientKind::Grpc, true);
        let field = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        assert_eq!(response.status(), StatusCode::OK, "{word}");
        assert_eq!(field("content-type").as_deref(), Some("application/grpc"), "{word}");
        assert_eq!(field("grpc-status").as_deref(), Some(grpc), "{word}");
        assert_eq!(kind_of(&response), word);
        assert!(field("grpc-message").is_some_and(|message| !message.is_empty()), "{word}");
        assert_eq!(field("grpc-retry-pushback-ms").is_some(), grpc == "14" || field("retry-after").is_some(), "{word}");
        for way in ["location", "x-gateway-sign-in"] {
            assert_eq!(field(way), None, "{word}: no way to sign-in");
        }
        field("www-authenticate")
    };
    let house = House::new().await;
    let refused = |rejected| Answer::Refused(Refusal::new(rejected, None));
    let challenge = check(refused(house.missing().await), "16", AnswerWord::CredentialMissing);
    assert!(challenge.is_some_and(|challenge| challenge.starts_with("Bearer ")));
    check(refused(house.expired().await.0), "16", AnswerWord::CredentialInvalid);
    check(refused(house.not_permitted().await), "7", AnswerWord::NotPermitted);
    let unavailable = Unavailable::because(Dependency::Keys, "planned");
    check(Answer::Unavailable(unavailable), "14", AnswerWord::VerdictUnavailable);
    for (fault, grpc, word) in [
        (Fault::ConnectFailed(ConnectFault::Refused, at()), "14", AnswerWord::UpstreamFailed),
        (Fault::TimedOut(Deadline::ResponseHead, at()), "14", AnswerWord::UpstreamTimeout),
        (Fault::NoEndpoint { upstream: "m".into() }, "14", AnswerWord::NoEndpoint),
        (Fault::Overloaded, "14", AnswerWord::Overloaded),
        (Fault::RateLimited { retry_after: Duration::from_secs(1) }, "14", AnswerWord::Overloaded),
        (Fault::NoSuchRoute, "12", AnswerWord::NoSuchRoute),
        (Fault::BadRequest(BadRequest::Host), "13", AnswerWord::BadRequest),
        (Fault::BodyTooLarge, "2", AnswerWord::BadRequest),
        (Fault::Panicked, "2", AnswerWord::InternalError),
    ] {
        assert_eq!(check(Answer::Fault(fault), grpc, word), None);
    }
}
