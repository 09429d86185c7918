use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::*;
use crate::{
    background::Background,
    clock::{Clock, Timestamp},
    database::{Database, Disturbance},
    device::registry::{DeviceDescription, NewDevice, Order, PublicKey},
    jws::tests::TestIssuer,
    keyring::Keyring,
    principal::BindingState,
    revocations::{RevocationPolicy, Revocations},
    testing::Folder,
    verdict::{Reason, Uncertainty},
};

const NOON: Timestamp = Timestamp::from_secs(43_200);
const HOUR: Duration = Duration::from_secs(3600);

/// A gateway with one device.
pub(in crate::device) struct Site {
    folder: Folder,
    pub(in crate::device) clock: Clock,
    pub(in crate::device) devices: Devices,
    pub(in crate::device) binding: Binding,
}

fn policy() -> DevicePolicy {
    DevicePolicy {
        renew_after: 12 * HOUR,
        soft: 24 * HOUR,
        hard: 14 * 24 * HOUR,
        issuer: "https://app.example/.candor".into(),
        audience: "https://app.example".into(),
        activation: crate::device::activation::ActivationPolicy::default(),
        wipe: Arc::new([]),
    }
}

fn order() -> Order {
    Order { who: "root".to_owned(), why: "test".to_owned() }
}

impl Site {
    pub(in crate::device) async fn new() -> Self {
        let (folder, clock) = (Folder::new(), Clock::standing_at(NOON));
        let (data, background) = (folder.taken(), Background::current());
        let deadline = Duration::from_secs(1);
        let store = Database::at(folder.path().join("store.sqlite"), background.clone(), deadline);
        let keyring = Keyring::open(&data, &store, clock.now()).await.expect("both are absent");
        let set = Revocations::open(&data, store.clone(), background, clock.clone(), RevocationPolicy::default()).await;
        let devices = Devices::new(keyring, store, set, policy());
        let text = str::to_owned;
        let description = DeviceDescription { hardware_id: text("sn-1"), model: text("wall"), app_version: text("1") };
        let key = Some(PublicKey { thumbprint: Thumbprint::from_bytes([1; 32]), jwk: text("{}") });
        let new = NewDevice { description, key, tenant: text("acme"), room: text("1.01") };
        let device = devices.registry().register(new, order(), clock.now()).await.expect("healthy");
        let binding = device.bindings.into_iter().next().expect("it was bound");
        Self { folder, clock, devices, binding }
    }

    pub(in crate::device) fn token(&self) -> CredentialText {
        let minted = self.devices.mint(&self.binding, Some(Thumbprint::from_bytes([1; 32])), self.clock.now());
        CredentialText::new(minted.expect("it can be signed").text)
    }

    /// A token of ours with other claims.
    fn signed(&self, change: impl FnOnce(&mut Value)) -> CredentialText {
        let mut claims = DeviceClaims::new(&self.binding, None, self.devices.policy(), self.clock.now())
            .expect("there is randomness")
            .to_json();
        change(&mut claims);
        let text = self.devices.keyring().sign(jws::DEVICE_TOKEN, &claims);
        CredentialText::new(text.expect("it can be signed"))
    }

    fn says(&self, token: &CredentialText) -> String {
        // What was found out is remembered, and is said again.
        let [first, second] = [(); 2].map(|()| match self.devices.verify(token, self.clock.now()) {
            Ok(principal) => format!("{:?}", principal.device.expect("it is one").renewal),
            Err(Stop::Rejected(rejected)) => rejected.reason().as_str().to_owned(),
            Err(Stop::Unavailable(unavailable)) => match unavailable.uncertainty() {
                Uncertainty::Outage => format!("no {}", unavailable.dependency),
                Uncertainty::Unsettled => format!("unsettled {}", unavailable.dependency),
                uncertain @ (Uncertainty::NotStated(_) | Uncertainty::RenewalRequired | Uncertainty::Suspended) => {
                    format!("{uncertain:?}")
                }
            },
        });
        assert_eq!(first, second);
        first
    }

    async fn poll(&self) -> Result<(), Unavailable> {
        self.devices.registry().revocations().poll().await
    }

    pub(in crate::device) async fn change(&mut self, to: BindingState) {
        let done = self.devices.registry().change(self.binding.id, to, order(), self.clock.now()).await;
        if let crate::device::registry::BindingChange::Changed(binding) = done.expect("healthy") {
            self.binding = binding;
        }
    }
}

#[tokio::test]
async fn a_token_stands_for_its_device_in_its_tenant() {
    let site = Site::new().await;
    let token = site.token();
    assert!(site.devices.recognises(&token));
    let principal = site.devices.verify(&token, site.clock.now()).expect("it was just made");
    assert_eq!((principal.kind, principal.tenant.as_deref()), (Kind::Device, Some("acme")));
    assert_eq!(&*principal.subject.id, site.binding.device.to_string());
    let device = principal.device.expect("it is one");
    assert_eq!(
        (device.binding, &*device.room, device.key),
        (site.binding.id, "1.01", Some(Thumbprint::from_bytes([1; 32])))
    );
    assert_eq!(site.devices.genuine(&token).expect("ours").device, site.binding.device);
}

#[tokio::test]
async fn a_token_ages_and_what_is_over_ends_nothing() {
    let site = Site::new().await;
    let token = site.token();
    let check = async |hours: u32, expected: &str| {
        site.clock.advance(hours * HOUR);
        site.poll().await.expect("healthy");
        assert_eq!(site.says(&token), expected, "{hours} h later");
    };
    check(0, "NotDue").await;
    check(11, "NotDue").await;
    check(1, "Due").await;
    check(12, "Overdue").await;
    check(23, "Overdue").await;
    check(1, "RenewalRequired").await;
    check(12 * 24 - 1, "RenewalRequired").await;
    check(1, "expired").await;
    assert!(site.devices.genuine(&token).is_ok(), "it may be renewed still");
}

#[tokio::test]
async fn a_token_that_nobody_renews_lasts_until_it_is_revoked() {
    const YEAR: u32 = 365 * 24;
    let mut site = Site::new().await;
    let minted = site.devices.mint_lasting(&site.binding, site.clock.now()).expect("it can be signed");
    let token = CredentialText::new(minted.text);
    for _ in 0..9 {
        site.clock.advance(YEAR * HOUR);
        site.poll().await.expect("healthy");
        assert_eq!(site.says(&token), "NotDue");
    }
    site.change(BindingState::Revoked).await;
    assert_eq!(site.says(&token), "revoked");
}

#[tokio::test]
async fn while_the_registry_cannot_be_reached_nobody_is_asked_to_renew() {
    let site = Site::new().await;
    let token = site.token();
    site.clock.advance(72 * HOUR);
    site.poll().await.expect("healthy");
    assert_eq!(site.says(&token), "RenewalRequired");
    site.devices.registry().store().disturb(Disturbance::Closed).await.expect("healthy until now");
    let _ = site.poll().await.expect_err("closed");
    assert_eq!(site.says(&token), "Overdue");
    site.devices.registry().store().heal().await.expect("nothing else is wrong");
    site.poll().await.expect("healed");
    assert_eq!(site.says(&token), "RenewalRequired");
    // A store that can be read and takes nothing renews nobody either.
    const REFUSE: &str = "CREATE TRIGGER refuse BEFORE UPDATE ON device BEGIN SELECT RAISE(FAIL, 'full'); END";
    let run = async |statement: &'static str| {
        let work = move |mut c: sqlx::pool::PoolConnection<sqlx::Sqlite>| async move {
            sqlx::query(statement).execute(&mut *c).await.map(drop)
        };
        site.devices.registry().store().call(work).await.expect("healthy");
    };
    run(REFUSE).await;
    site.devices.saw(site.binding.device, Some([192, 0, 2, 7].into()), site.clock.now());
    let _ = site.devices.write_last_seen().await.expect_err("full");
    site.poll().await.expect("it can be read");
    assert_eq!(site.says(&token), "Overdue");
    run("DROP TRIGGER refuse").await;
    site.devices.write_last_seen().await.expect("healed");
    assert_eq!(site.says(&token), "RenewalRequired");
    site.devices.registry().store().disturb(Disturbance::Closed).await.expect("healthy until now");
    site.clock.advance(11 * 24 * HOUR);
    let _ = site.poll().await.expect_err("closed");
    assert_eq!(site.says(&token), "expired", "no outage makes it good for longer");
}

#[tokio::test]
async fn what_was_revoked_is_refused_and_never_comes_back() {
    let mut site = Site::new().await;
    let old = site.token();
    let keyless = site.signed(|_| ());
    let check = |site: &Site, token: &CredentialText, expected: &str| assert_eq!(site.says(token), expected);
    site.change(BindingState::Suspended).await;
    check(&site, &old, "not-permitted");
    check(&site, &keyless, "Suspended");
    site.change(BindingState::Active).await;
    check(&site, &old, "NotDue");
    site.change(BindingState::Revoked).await;
    check(&site, &old, "revoked");
    check(&site, &keyless, "revoked");
    site.change(BindingState::Active).await;
    let new = site.token();
    check(&site, &new, "NotDue");
    check(&site, &old, "revoked");
    site.clock.advance(15 * 24 * HOUR);
    check(&site, &old, "revoked");
}

#[tokio::test]
async fn a_device_that_no_row_names_is_served_whatever_the_registry_says_of_it() {
    let site = Site::new().await;
    let nobody = crate::principal::DeviceId::from_parts(1, [9; 10]);
    let elsewhere = crate::principal::BindingId::from_parts(1, [9; 10]);
    let token = site.signed(|claims| (claims["sub"], claims["bid"]) = (json!(nobody), json!(elsewhere)));
    assert_eq!(site.says(&token), "NotDue", "absence is no proof");
}

#[tokio::test]
async fn only_what_is_proven_is_refused() {
    let site = Site::new().await;
    let check = |what: &str, token: &CredentialText, expected: &str| assert_eq!(site.says(token), expected, "{what}");
    let other = TestIssuer::new("another");
    let header = |kid: Option<&str>, typ: &str, alg: &str| {
        let mut header = json!({ "alg": alg, "typ": typ });
        if let Some(kid) = kid {
            header["kid"] = kid.into();
        }
        header.to_string()
    };
    let claims = site.signed(|_| ());
    let claims = jws::read(claims.expose(), TokenKind::Device).expect("ours");
    let kid = claims.kid().expect("it has one").to_owned();
    let claims = DeviceClaims::new(&site.binding, None, &policy(), site.clock.now())
        .expect("there is randomness")
        .to_json()
        .to_string();
    let theirs = |header: &str| CredentialText::new(other.raw(header, &claims));
    let typ = jws::DEVICE_TOKEN;
    check("signed by another under our name", &theirs(&header(Some(&kid), typ, "EdDSA")), "bad-signature");
    check("a key that we never had", &theirs(&header(Some("theirs"), typ, "EdDSA")), "unsettled keyring");
    check("no key", &theirs(&header(None, typ, "EdDSA")), "unsettled keyring");
    check("another algorithm", &theirs(&header(Some(&kid), typ, "ES256")), "bad-signature");
    check("not signed", &theirs(&header(Some(&kid), typ, "none")), "malformed");
    check("another type", &theirs(&header(Some(&kid), "at+jwt", "EdDSA")), "malformed");
    check("an algorithm of tomorrow", &theirs(&header(Some(&kid), typ, "ML-DSA-44")), "unsettled own-judgement");
    check("not three parts", &CredentialText::new("a.b"), "malformed");
    check("another audience", &site.signed(|claims| claims["aud"] = json!("https://other.example")), "wrong-audience");
    check("another issuer", &site.signed(|claims| claims["iss"] = json!("https://other.example")), "wrong-audience");
    for claim in ["sub", "tid", "bid", "gen", "room", "rnw", "sexp", "exp", "iat", "aud"] {
        let without = site.signed(|claims| drop(claims.as_object_mut().map(|claims| claims.remove(claim))));
        check(claim, &without, "no own-judgement");
    }
    check(
        "bound to what we do not know",
        &site.signed(|claims| claims["cnf"] = json!({"x5t": "a"})),
        "no own-judgement",
    );
    let early = site.signed(|claims| claims["iat"] = (NOON.as_secs() + 31).into());
    check("not valid yet", &early, "no clock");
    let barely = site.signed(|claims| claims["iat"] = (NOON.as_secs() + 30).into());
    check("within the leeway", &barely, "NotDue");
}

#[tokio::test]
async fn what_a_retired_key_signed_is_dead() {
    let site = Site::new().await;
    let path = site.folder.path().join("keyring");
    let mut file: Value = serde_json::from_slice(&std::fs::read(&path).expect("it was made")).expect("JSON");
    file["retired_signing"] = json!(["gone"]);
    std::fs::write(&path, file.to_string()).expect("the folder can be written");
    let (registry, now) = (site.devices.registry(), site.clock.now());
    let keyring = Keyring::open(&site.folder.taken(), registry.store(), now).await.expect("it is whole");
    let devices = Devices::new(keyring, registry.store().clone(), registry.revocations().clone(), policy());
    let claims =
        DeviceClaims::new(&site.binding, None, &policy(), now).expect("there is randomness").to_json().to_string();
    let header = json!({ "alg": "EdDSA", "typ": jws::DEVICE_TOKEN, "kid": "gone" }).to_string();
    let token = CredentialText::new(TestIssuer::new("gone").raw(&header, &claims));
    for _ in 0..2 {
        match devices.verify(&token, now) {
            Err(Stop::Rejected(rejected)) => assert_eq!(rejected.reason(), Reason::UnknownKey),
            other => panic!("{other:?}"),
        }
    }
    assert!(devices.verify(&site.token(), now).is_ok(), "the key in use is not among them");
}

#[tokio::test]
async fn a_doubted_clock_refuses_nobody_and_asks_nobody_to_renew() {
    let site = Site::new().await;
    let token = site.token();
    site.clock.step_wall(30 * 24 * 3600);
    assert_eq!(site.says(&token), "no clock");
    site.clock.step_wall(-28 * 24 * 3600);
    assert_eq!(site.says(&token), "Due", "overdue by one reading only");
}

#[tokio::test]
async fn a_token_never_shows_itself() {
    let site = Site::new().await;
    let minted = site.devices.mint(&site.binding, None, site.clock.now()).expect("it can be signed");
    assert!(!format!("{minted:?}").contains(minted.text.expose_secret()));
}

#[test]
fn a_refusal_for_a_token_being_over_says_so() {
    let who = Subject::new("https://app.example/.candor", "a");
    let rejected = Rejected::proven_by(DeviceTokenExpired { who: who.clone(), at: NOON });
    assert_eq!((rejected.reason(), rejected.about()), (Reason::Expired, Some(&who)));
}
