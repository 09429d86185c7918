use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    sync::{Mutex, atomic::AtomicU64, atomic::Ordering},
    task::{Context, Waker},
    time::Duration,
};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, SharedString, Unit};
use secrecy::ExposeSecret;
use serde_json::json;

use super::*;
use crate::{
    background::Background,
    bearer::{BearerIssuer, BearerMemory},
    clock::{Clock, Timestamp},
    database::Database,
    device::{
        DevicePolicy,
        registry::{DeviceDescription, NewDevice, Order, RegisteredDevice},
    },
    jws::Algorithm,
    keyring::Keyring,
    keys::{IssuerKeys, KeyPolicy, KeySetLocation, KeysConfig},
    lock::lock,
    outbound::{Outbound, OutboundPolicy},
    policy::{Allow, Attribute, MaxStale, RequirementId},
    principal::{BindingState, Groups, Kind, Person, Roles, Silence, Subject, UserClaim, stated::Absence},
    revocations::RevocationPolicy,
    session::{NewSession, RenewalPolicy, Renewals, SessionPolicy},
    testing::{Folder, TestProvider},
};

/// The counters that an authenticator counts on.
#[derive(Clone, Default)]
pub(crate) struct Counted(Arc<Mutex<BTreeMap<String, Arc<AtomicU64>>>>);

/// A gateway's worth of authentication, before a pretend provider.
pub(crate) struct Gateway {
    pub(crate) authenticator: Authenticator,
    pub(crate) provider: TestProvider,
    sessions: Sessions,
    devices: Devices,
    guard: Arc<RefusalGuard>,
    pub(crate) clock: Clock,
    counted: Counted,
    _data: Folder,
}

impl Gateway {
    pub(crate) async fn start() -> Self {
        let (data, clock, background) = (Folder::new(), Clock::system(), Background::current());
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
            groups_asked: BTreeSet::new(),
            issuers: [("https://idp.example".to_owned(), UserClaim::Subject)].into(),
        };
        let guard = Arc::new(RefusalGuard::new());
        let renewals = Renewals::new(background.clone(), clock.clone(), guard.clone());
        let sessions = Sessions::new(&keyring, store.clone(), revocations.clone(), renewals, Vec::new(), policy);
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        let policy = DevicePolicy {
            renew_after: hours(12),
            soft: hours(24),
            hard: hours(14 * 24),
            issuer: "https://app.example/.candor".into(),
            audience: "https://app.example".into(),
            activation: crate::device::activation::ActivationPolicy::default(),
            wipe: Arc::new([]),
        };
        let devices = Devices::new(keyring, store, revocations.clone(), policy);
        let bearers = Bearers::new(vec![BearerIssuer {
            issuer: provider.issuer.as_str().into(),
            audience: vec!["api".to_owned()],
            leeway: Duration::from_secs(30),
            kind: Kind::Service,
            user_claim: UserClaim::Subject,
            absence: Absence::default(),
            profile: crate::bearer::Profile::Jwt,
            introspection: None,
            keys: keys(&provider.issuer, &background, &clock, &data),
            memory: BearerMemory::default(),
        }]);
        let counted = Counted::default();
        let authenticator = metrics::with_local_recorder(&counted, || {
            Authenticator::new(sessions.clone(), bearers, Some(devices.clone()), revocations, None, guard.clone())
        });
        Self { authenticator, provider, sessions, devices, guard, clock, counted, _data: data }
    }

    pub(crate) async fn ticket(&self) -> String {
        let new = NewSession {
            person: Person::known_as(Subject::new("https://idp.example", "ada")),
            roles: Roles::known([]),
            groups: Groups::NotStated(Silence::Absent),
            refresh_token: None,
            access_token: None,
            id_token: None,
            claims: json!({}),
            provider: "entra".to_owned(),
            provider_sid: None,
            address: None,
            browser: None,
        };
        let begun = self.sessions.begin(new, None, self.clock.now()).await;
        begun.expect("the store is up").text().expose_secret().to_owned()
    }

    pub(crate) fn bearer(&self, audience: &str) -> Credential {
        let now = self.clock.now().wall().as_secs();
        let claims =
            json!({ "iss": self.provider.issuer, "sub": "robot", "aud": audience, "iat": now, "exp": now + 300 });
        Credential::Bearer(CredentialText::new(self.provider.sign(&claims)))
    }

    /// A device of the tenant `acme`, and its token.
    async fn device(&self) -> (RegisteredDevice, Credential) {
        let text = str::to_owned;
        let description = DeviceDescription { hardware_id: text("sn-1"), model: text("wall"), app_version: text("1") };
        let new = NewDevice { description, key: None, tenant: text("acme"), room: text("1.01") };
        let now = self.clock.now();
        let device = self.devices.registry().register(new, order(), now).await.expect("the store is up");
        let minted = self.devices.mint(&device.bindings[0], None, now).expect("it can be signed");
        (device, Credential::DeviceToken(CredentialText::new(minted.text)))
    }

    async fn admitted(&self, credential: Credential, allow: Allow) -> &'static str {
        let requirement = Requirement::new(RequirementId(1), vec![allow], MaxStale::DEFAULT);
        match self.authenticator.admit(credential, &requirement, Harm::None, self.clock.now()).await.permit {
            Ok(permit) => match permit.holder() {
                crate::policy::Holder::Anyone => "anyone",
                crate::policy::Holder::Lapsed => "lapsed",
                crate::policy::Holder::Undecided(_) => "undecided",
                crate::policy::Holder::Known(_) => "known",
            },
            Err(Stop::Rejected(rejected)) => rejected.reason().as_str(),
            Err(Stop::Unavailable(unavailable)) => unavailable.dependency.as_str(),
        }
    }
}

fn keys(issuer: &str, background: &Background, clock: &Clock, data: &Folder) -> IssuerKeys {
    let url = issuer.parse().expect("a URL");
    let policy = OutboundPolicy { total: Duration::from_secs(2), ..OutboundPolicy::default() };
    let config = KeysConfig {
        issuer: issuer.into(),
        location: KeySetLocation::Uri(format!("{issuer}/keys").parse().expect("a URL")),
        algorithms: vec![Algorithm::EdDsa],
        policy: KeyPolicy::default(),
    };
    let outbound = Outbound::new(&url, policy, clock.clone()).expect("no extra certificates");
    IssuerKeys::new(config, outbound, background.clone(), clock.clone(), &data.taken())
}

#[tokio::test]
async fn each_credential_gets_its_verdict_and_is_counted_once() {
    let gateway = Gateway::start().await;
    let check = async |credential, allow, expected, counter: &str| {
        let before = gateway.counted.sum();
        assert_eq!(gateway.admitted(credential, allow).await, expected);
        let after = gateway.counted.sum();
        let moved: Vec<_> =
            after.iter().filter(|(name, n)| before.get(*name) != Some(n)).map(|(name, _)| name).collect();
        assert_eq!(moved.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" "), counter, "{expected}");
    };
    let (user, service) = (Allow::kind(Kind::User), Allow::kind(Kind::Service));
    let ticket = |text: &str| Credential::Ticket(CredentialText::new(text));
    check(Credential::None, user.clone(), "missing", "rejected{missing}").await;
    check(Credential::None, Allow::Anyone, "anyone", "").await;
    for what in [UnsupportedCredential::Scheme, UnsupportedCredential::Bearer, UnsupportedCredential::Ticket] {
        check(Credential::Unsupported(what), user.clone(), "missing", "rejected{missing}").await;
        check(Credential::Unsupported(what), Allow::Anyone, "anyone", "").await;
    }
    check(ticket(&gateway.ticket().await), user.clone(), "known", "authenticated").await;
    check(ticket("abc"), user.clone(), "bad-seal", "rejected{bad-seal}").await;
    check(ticket("abc"), Allow::Anyone, "anyone", "rejected{bad-seal}").await;
    check(gateway.bearer("api"), service.clone(), "known", "authenticated").await;
    check(gateway.bearer("api"), Allow::Anyone, "known", "authenticated").await;
    check(gateway.bearer("other"), service.clone(), "wrong-audience", "rejected{wrong-audience}").await;
    check(gateway.bearer("api"), user, "not-permitted", "authenticated rejected{not-permitted}").await;
    check(ticket("abc"), service, "bad-seal", "rejected{bad-seal}").await;
    let role = Allow::role("reader");
    check(gateway.bearer("api"), role, "claims", "authenticated groups_not_stated").await;
}

#[test]
fn the_alarm_about_what_is_not_stated_rings_once_a_minute_and_only_where_somebody_must_act() {
    let counted = Counted::default();
    metrics::with_local_recorder(&counted, || {
        let log = VerdictLog::new(Arc::new(RefusalGuard::new()));
        let requirement = Requirement::new(RequirementId(1), vec![Allow::role("reader")], MaxStale::DEFAULT);
        let check = |silence, at: i64, rung: u64| {
            let verdict = Verdict::Unavailable(Unavailable::not_stated(silence, "planned"));
            log.note(&verdict, &Credential::None, &requirement, Now::at(Timestamp::from_secs(at)));
            let found = counted.sum().get("alarms{groups-not-stated}").copied().unwrap_or_default();
            assert_eq!(found, rung, "{silence:?} at {at}");
        };
        check(Silence::NotAsked, 0, 0);
        check(Silence::StatedBefore, 0, 0);
        check(Silence::Absent, 0, 1);
        check(Silence::Unlisted, 59, 1);
        check(Silence::Absent, 60, 2);
    });
    let sum = counted.sum();
    assert_eq!(sum["groups_not_stated"], 5);
    assert!(sum.iter().all(|(name, count)| !name.starts_with("unavailable") || *count == 0), "{sum:?}");
}

#[tokio::test]
async fn an_open_route_waits_for_nobodys_keys() {
    let mut gateway = Gateway::start().await;
    let bearer = gateway.bearer("api");
    gateway.provider.kill().await;
    let open = Requirement::new(RequirementId(1), vec![Allow::Anyone], MaxStale::DEFAULT);
    let mut asked = pin!(gateway.authenticator.ask(bearer.clone(), &open, gateway.clock.now()));
    let first = asked.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(first, Poll::Ready(Outcome { verdict: Verdict::Unavailable(_), .. })));
    assert_eq!(gateway.admitted(bearer, Allow::kind(Kind::Service)).await, "keys");
}

#[tokio::test]
async fn an_open_route_passes_over_no_credential_that_the_guard_would_hold_back() {
    let gateway = Gateway::start().await;
    let of_another = || gateway.bearer("other");
    // An open route waits for nobody's keys: they must be known.
    assert_eq!(gateway.admitted(of_another(), Allow::kind(Kind::Service)).await, "wrong-audience");
    assert_eq!(gateway.admitted(of_another(), Allow::Anyone).await, "anyone");
    let now = gateway.clock.now();
    for n in 0..RefusalGuard::FEW {
        let bearer = CredentialText::new(format!("token {n}")).id();
        gateway.guard.accepted(bearer, now);
        gateway.guard.passed_on(bearer, now).err();
    }
    assert_eq!(gateway.admitted(of_another(), Allow::Anyone).await, "undecided");
    assert_eq!(gateway.admitted(Credential::None, Allow::Anyone).await, "anyone", "nobody is nobody");
}

#[tokio::test]
async fn only_a_ticket_that_ended_may_be_forgotten_and_the_guard_holds_back_what_destroys() {
    let gateway = Gateway::start().await;
    let (user, service) = (Allow::kind(Kind::User), Allow::kind(Kind::Service));
    let asked = async |credential: Credential, allow: &Allow, harm| {
        let requirement = Requirement::new(RequirementId(1), vec![allow.clone()], MaxStale::DEFAULT);
        let now = gateway.clock.now();
        let Admission { permit, credential: shown, ended, .. } =
            gateway.authenticator.admit(credential.clone(), &requirement, harm, now).await;
        assert_eq!(shown, credential.id());
        assert!(ended.as_ref().is_none_or(|ended| Some(ended.credential()) == shown));
        let told = match permit {
            Ok(_) => "passes",
            Err(Stop::Rejected(rejected)) => rejected.reason().as_str(),
            Err(Stop::Unavailable(unavailable)) => unavailable.dependency.as_str(),
        };
        (told, ended.is_some())
    };
    let broken = || Credential::Ticket(CredentialText::new("abc"));
    let good = Credential::Ticket(CredentialText::new(gateway.ticket().await));
    for harm in [Harm::None, Harm::Destroys] {
        assert_eq!(asked(good.clone(), &user, harm).await, ("passes", false));
        assert_eq!(asked(good.clone(), &service, harm).await, ("not-permitted", false));
        assert_eq!(asked(broken(), &user, harm).await, ("bad-seal", true));
        assert_eq!(asked(gateway.bearer("other"), &service, harm).await, ("wrong-audience", false));
        assert_eq!(asked(Credential::None, &user, harm).await, ("missing", false));
    }
    for n in 0..RefusalGuard::FEW {
        let bearer = CredentialText::new(format!("token {n}")).id();
        gateway.guard.accepted(bearer, gateway.clock.now());
        gateway.guard.passed_on(bearer, gateway.clock.now()).err();
    }
    for (harm, bad_seal, audience) in
        [(Harm::None, "bad-seal", "wrong-audience"), (Harm::Destroys, "own-judgement", "own-judgement")]
    {
        assert_eq!(asked(broken(), &user, harm).await, (bad_seal, false), "it may be a mistake, so the ticket is kept");
        assert_eq!(asked(gateway.bearer("other"), &service, harm).await, (audience, false));
        assert_eq!(asked(good.clone(), &user, harm).await, ("passes", false));
        assert_eq!(asked(Credential::None, &user, harm).await, ("missing", false));
    }
}

#[tokio::test]
async fn who_showed_something_that_does_not_count_is_told_what_it_was() {
    let gateway = Gateway::start().await;
    let requirement = Requirement::new(RequirementId(1), vec![Allow::kind(Kind::User)], MaxStale::DEFAULT);
    let check = async |credential, expected: &str| match gateway
        .authenticator
        .ask(credential, &requirement, gateway.clock.now())
        .await
        .verdict
    {
        Verdict::Rejected(rejected) => {
            assert_eq!(rejected.reason(), Reason::Missing);
            let detail = rejected.detail().to_string();
            assert!(detail.contains(expected), "{detail}");
        }
        other => panic!("{other:?}"),
    };
    check(Credential::None, "no credential").await;
    check(Credential::Unsupported(UnsupportedCredential::Scheme), "another scheme than `Bearer`").await;
    check(Credential::Unsupported(UnsupportedCredential::Bearer), "malformed, or of an issuer that is not configured")
        .await;
    check(Credential::Unsupported(UnsupportedCredential::Ticket), "session cookie").await;
}

#[tokio::test]
async fn asking_can_be_done_from_any_thread() {
    fn sendable(_: &impl Send) {}
    let gateway = Gateway::start().await;
    let requirement = Requirement::new(RequirementId(1), vec![Allow::kind(Kind::User)], MaxStale::DEFAULT);
    let asked = gateway.authenticator.ask(gateway.bearer("api"), &requirement, gateway.clock.now());
    sendable(&asked);
    drop(asked);
    sendable(&gateway.authenticator.admit(Credential::None, &requirement, Harm::None, gateway.clock.now()));
    sendable(&gateway.sessions.open(&CredentialText::new("a ticket"), RenewalWait::Never, gateway.clock.now()));
}

impl Counted {
    /// What has moved: `rejected{missing}` is `candor_rejected_total{reason="missing"}`.
    pub(crate) fn sum(&self) -> BTreeMap<String, u64> {
        lock(&self.0).iter().map(|(name, count)| (name.clone(), count.load(Ordering::SeqCst))).collect()
    }
}

impl metrics::Recorder for Counted {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let mut name = key.name().trim_start_matches("candor_").trim_end_matches("_total").to_owned();
        let values: Vec<_> = key.labels().map(metrics::Label::value).collect();
        if !values.is_empty() {
            name += &format!("{{{}}}", values.join(","));
        }
        Counter::from_arc(Arc::clone(lock(&self.0).entry(name).or_default()))
    }
    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

fn order() -> Order {
    Order { who: "root".to_owned(), why: "stolen".to_owned() }
}

#[tokio::test]
async fn a_device_passes_where_devices_or_its_tenant_may() {
    let gateway = Gateway::start().await;
    let (device, token) = gateway.device().await;
    let tenant = |name: &str| Allow::known(Attribute::Tenant(name.into()));
    for (allow, expected) in [
        (Allow::kind(Kind::Device), "known"),
        (tenant("acme"), "known"),
        (tenant("other"), "not-permitted"),
        (Allow::kind(Kind::User), "not-permitted"),
        (Allow::kind(Kind::Service), "not-permitted"),
        (Allow::Anyone, "known"),
    ] {
        assert_eq!(gateway.admitted(token.clone(), allow.clone()).await, expected, "{allow:?}");
    }
    let (binding, now) = (device.bindings[0].id, gateway.clock.now());
    let revoked = gateway.devices.registry().change(binding, BindingState::Revoked, order(), now).await;
    let _ = revoked.expect("the store is up");
    assert_eq!(gateway.admitted(token.clone(), Allow::kind(Kind::Device)).await, "revoked");
    assert_eq!(gateway.admitted(token, Allow::Anyone).await, "anyone");
}

#[tokio::test]
async fn a_device_token_is_told_from_every_other_bearer() {
    let gateway = Gateway::start().await;
    let (_, token) = gateway.device().await;
    let Credential::DeviceToken(token) = token else { panic!("it is one") };
    let read = |authorization: &str| {
        let value = http::HeaderValue::from_str(authorization).expect("a header value");
        let headers = http::HeaderMap::from_iter([(http::header::AUTHORIZATION, value)]);
        let candidates = CredentialCandidates::read(&headers, "candor", None).expect("one");
        let requirement = Requirement::new(RequirementId(1), vec![Allow::kind(Kind::Device)], MaxStale::DEFAULT);
        gateway.authenticator.credential(&candidates, &requirement).expect("not ambiguous")
    };
    for scheme in ["Bearer", "DPoP"] {
        let read = read(&format!("{scheme} {}", token.expose()));
        assert!(matches!(read, Credential::DeviceToken(read) if read.id() == token.id()), "{scheme}");
    }
    let Credential::Bearer(bearer) = gateway.bearer("api") else { panic!("it is one") };
    assert!(matches!(read(&format!("Bearer {}", bearer.expose())), Credential::Bearer(_)));
    assert!(matches!(read("Bearer opaque-token-of-the-monolith"), Credential::Unsupported(_)));
}
