use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};

use super::*;
use crate::{
    audit::{self, AuditFinding},
    clock::Timestamp,
    credential::{Credential, CredentialCandidates, OpaqueCredential, TokenOrigin},
    database::{Database, Disturbance, Ids},
    dependency::Dependency,
    device::registry::Order,
    lock::lock,
    policy::{Allow, MaxStale, Requirement, RequirementId},
    principal::{BindingState, Kind},
    revocations::{RevocationPolicy, Revocations},
    testing::Folder,
    verdict::{Reason, Stop},
};

const NOON: Timestamp = Timestamp::from_secs(43_200);
const MINUTE: Duration = Duration::from_secs(60);

/// The service behind us: what it knows, and how often it was asked.
#[derive(Default)]
struct Monolith {
    known: Mutex<BTreeMap<String, LegacyAnswer>>,
    dead: Mutex<bool>,
    asked: AtomicUsize,
    asking: tokio::sync::Notify,
    held: Mutex<Option<tokio::sync::watch::Receiver<bool>>>,
}

impl LegacyAuthority for Arc<Monolith> {
    fn ask(&self, token: &OpaqueCredential) -> adoption::LegacyAsked {
        let (this, token) = (self.clone(), token.text().expose().to_owned());
        Box::pin(async move {
            this.asked.fetch_add(1, Ordering::SeqCst);
            this.asking.notify_one();
            let held = lock(&this.held).clone();
            if let Some(mut held) = held {
                let _ = held.wait_for(|open| *open).await;
            }
            if *lock(&this.dead) {
                return Err(Unavailable::because(Dependency::Adoption, "it is dead"));
            }
            Ok(lock(&this.known).get(&token).cloned().unwrap_or(LegacyAnswer::Denied))
        })
    }
}

impl Monolith {
    fn knows(&self, token: &str, name: &str, tenant: &str) {
        let text = str::to_owned;
        let it = LegacyDescription {
            known_as: text(name),
            tenant: text(tenant),
            room: text("1.01"),
            name: format!("Display {name}"),
            hardware_id: format!("sn-{name}"),
        };
        lock(&self.known).insert(text(token), LegacyAnswer::Device(it));
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

struct Site {
    _folder: Folder,
    clock: Clock,
    store: Database,
    tokens: LegacyTokens,
    adoption: Adoption,
    monolith: Arc<Monolith>,
}

impl Site {
    async fn new() -> Self {
        let folder = Folder::new();
        let clock = Clock::standing_at(NOON);
        let store = Database::at(folder.path().join("store.sqlite"), Background::current(), Duration::from_secs(2));
        store.make(Ids { store: "s".to_owned(), keyring: "k".to_owned() }).await.expect("the folder can be written");
        let policy = RevocationPolicy::default();
        let set = Revocations::open(&folder.taken(), store.clone(), Background::current(), clock.clone(), policy).await;
        let registry = Registry::new(store.clone(), set);
        let policy = LegacyPolicy::default();
        let tokens = LegacyTokens::new(registry, Background::current(), clock.clone(), policy);
        let monolith = Arc::new(Monolith::default());
        let policy = AdoptionPolicy { deadline: MINUTE, ..AdoptionPolicy::default() };
        let adoption =
            Adoption::new(tokens.clone(), Arc::new(monolith.clone()), "https://us".into(), AUTHORIZATION, policy);
        Self { _folder: folder, clock, store, tokens, adoption, monolith }
    }

    /// What becomes of a token, in words.
    async fn shown(&self, token: &str) -> String {
        match self.adoption.verify(&opaque(token), self.clock.now()).await {
            Ok(it) => format!("{} in {}", it.name.unwrap_or_default(), it.tenant.unwrap_or_default()),
            Err(Stop::Unavailable(unavailable)) => unavailable.dependency.to_string(),
            Err(Stop::Rejected(rejected)) => rejected.reason().to_string(),
        }
    }

    /// It is denied, and that is looked into until it is done.
    async fn denied(&self, token: &str) {
        assert_eq!(self.shown(token).await, "adoption");
        // Whoever looks into it gives the one place back at its end.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let _over = self.adoption.looking().acquire().await;
    }

    async fn listed(&self) -> Vec<ApprovalKind> {
        let listed = self.tokens.approvals(None, 10).await.expect("healthy");
        listed.into_iter().map(|line| line.kind).collect()
    }
}

fn opaque(token: &str) -> OpaqueCredential {
    let value = HeaderValue::from_str(&format!("Bearer {token}")).expect("ASCII");
    let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
    let devices = Requirement::new(RequirementId(0), vec![Allow::kind(Kind::Device)], MaxStale::DEFAULT);
    let candidates = CredentialCandidates::read(&headers, "candor", Some(&AUTHORIZATION)).expect("one");
    match candidates.credential(&devices, |_| TokenOrigin::Elsewhere, Some(&|_| false)) {
        Ok(Credential::LegacyDevice(token)) => token,
        other => panic!("{other:?}"),
    }
}

fn order() -> Order {
    Order { who: "ada".to_owned(), why: "stolen".to_owned() }
}

#[tokio::test]
async fn a_yes_is_on_record_before_it_is_answered_and_the_service_is_not_asked_again() {
    let site = Site::new().await;
    site.monolith.knows("t1", "d-1", "acme");
    assert_eq!(site.shown("t1").await, "1.01 in acme");
    assert_eq!(site.monolith.asked(), 1);
    let page = site.tokens.0.registry.list(Some("acme".to_owned()), None, 10).await.expect("healthy");
    assert_eq!((page.devices.len(), &*page.devices[0].hardware_id), (1, "sn-d-1"));
    assert!(matches!(audit::verify(&site.store).await.expect("healthy"), AuditFinding::Whole { rows, .. } if rows > 1));
    // Neither the service's death nor the store's changes anything for whom we know.
    *lock(&site.monolith.dead) = true;
    site.store.disturb(Disturbance::Closed).await.expect("it can be broken");
    assert_eq!(site.shown("t1").await, "1.01 in acme");
    assert_eq!(site.shown("t2").await, "store", "nobody is asked whose yes could not be written down");
    assert_eq!(site.monolith.asked(), 1);
    // Another process, the service still dead.
    site.store.heal().await.expect("it can be healed");
    let again = LegacyTokens::new(
        site.tokens.0.registry.clone(),
        Background::current(),
        site.clock.clone(),
        LegacyPolicy::default(),
    );
    assert!(again.find(*opaque("t1").text().hash()).await.expect("healthy").is_some());
}

#[tokio::test]
async fn another_token_of_the_same_device_makes_no_second_one() {
    let site = Site::new().await;
    site.monolith.knows("t1", "d-1", "acme");
    site.monolith.knows("t2", "d-1", "acme");
    site.monolith.knows("t3", "d-1", "globex");
    for token in ["t1", "t2", "t3"] {
        assert!(site.shown(token).await.starts_with("1.01 in "));
    }
    let page = site.tokens.0.registry.list(None, None, 10).await.expect("healthy");
    assert_eq!(page.devices.len(), 2, "a name means something within its tenant only");
}

#[tokio::test]
async fn many_who_show_one_token_ask_once() {
    let site = Site::new().await;
    site.monolith.knows("t1", "d-1", "acme");
    let (open, gate) = tokio::sync::watch::channel(false);
    *lock(&site.monolith.held) = Some(gate);
    let all = async { tokio::join!(site.shown("t1"), site.shown("t1"), site.shown("t1")) };
    let opened = async {
        site.monolith.asking.notified().await;
        open.send(true)
    };
    let ((a, b, c), _) = tokio::join!(all, opened);
    assert_eq!([a, b, c], ["1.01 in acme"; 3].map(str::to_owned));
    assert_eq!(site.monolith.asked(), 1);
}

#[tokio::test]
async fn what_came_to_nothing_is_asked_again_later_and_decides_nothing() {
    let site = Site::new().await;
    *lock(&site.monolith.dead) = true;
    for _ in 0..3 {
        assert_eq!(site.shown("t1").await, "adoption");
    }
    assert_eq!(site.monolith.asked(), 1, "a service in trouble is left alone for a moment");
    *lock(&site.monolith.dead) = false;
    site.monolith.knows("t1", "d-1", "acme");
    site.clock.advance(Duration::from_secs(6));
    assert_eq!(site.shown("t1").await, "1.01 in acme");
}

#[tokio::test]
async fn three_denials_beyond_doubt_list_a_token_and_refuse_nobody() {
    let site = Site::new().await;
    site.monolith.knows("good", "d-1", "acme");
    site.denied("t1").await;
    site.clock.advance(11 * MINUTE);
    site.denied("t1").await;
    assert!(site.listed().await.is_empty(), "there was no known-good token to compare with");
    assert_eq!(site.shown("good").await, "1.01 in acme");
    for minutes in [11, 3, 3, 11] {
        site.clock.advance(minutes * MINUTE);
        site.denied("t1").await;
        assert!(site.listed().await.is_empty(), "two that count, at most");
    }
    site.clock.advance(11 * MINUTE);
    site.denied("t1").await;
    assert_eq!(site.listed().await, [ApprovalKind::Denied]);
    site.clock.advance(24 * 60 * MINUTE);
    assert_eq!(site.shown("t1").await, "adoption", "the list refuses nobody");
    // The shard comes back: everything is forgotten.
    site.monolith.knows("t1", "d-2", "globex");
    site.clock.advance(MINUTE);
    assert_eq!(site.shown("t1").await, "1.01 in globex");
    assert!(site.listed().await.is_empty());
}

#[tokio::test]
async fn a_service_that_does_not_know_whom_it_should_is_not_believed() {
    let site = Site::new().await;
    site.monolith.knows("good", "d-1", "acme");
    assert_eq!(site.shown("good").await, "1.01 in acme");
    lock(&site.monolith.known).clear();
    for _ in 0..5 {
        site.clock.advance(11 * MINUTE);
        assert_eq!(site.shown("good").await, "1.01 in acme");
        site.denied("t1").await;
    }
    assert!(site.listed().await.is_empty());
}

#[tokio::test]
async fn only_a_row_refuses_and_only_after_it_has_settled() {
    let site = Site::new().await;
    site.monolith.knows("t1", "d-1", "acme");
    assert_eq!(site.shown("t1").await, "1.01 in acme");
    let hashes = || vec![TokenHash::of("t1"), TokenHash::of("never-seen")];
    let refuse = || site.tokens.refuse(hashes(), order(), site.clock.now());
    assert_eq!(refuse().await.expect("healthy"), 2);
    assert_eq!(refuse().await.expect("healthy"), 0, "once is enough");
    for token in ["t1", "never-seen"] {
        assert_eq!(site.shown(token).await, "own-judgement");
    }
    site.clock.advance(9 * MINUTE);
    assert_eq!(site.shown("t1").await, "own-judgement", "it can still be taken back");
    let accept = |token| site.tokens.accept(TokenHash::of(token), None, order(), site.clock.now());
    assert_eq!(accept("t1").await.expect("healthy"), LegacyChange::Changed);
    assert_eq!(accept("t1").await.expect("healthy"), LegacyChange::Unchanged);
    assert_eq!(accept("nothing of the kind").await.expect("healthy"), LegacyChange::Unknown);
    assert_eq!(site.shown("t1").await, "1.01 in acme");
    site.clock.advance(2 * MINUTE);
    assert_eq!(site.shown("never-seen").await, Reason::Revoked.to_string());
    assert_eq!(site.monolith.asked(), 1, "the service has no say in this");
}

#[tokio::test]
async fn a_revoked_binding_refuses_after_it_has_settled_and_a_suspended_one_never() {
    let site = Site::new().await;
    site.monolith.knows("t1", "d-1", "acme");
    assert_eq!(site.shown("t1").await, "1.01 in acme");
    let page = site.tokens.0.registry.list(None, None, 1).await.expect("healthy");
    let binding = page.devices[0].bindings[0].id;
    let change = async |to| {
        site.tokens.0.registry.change(binding, to, order(), site.clock.now()).await.expect("healthy");
    };
    change(BindingState::Suspended).await;
    site.clock.advance(60 * MINUTE);
    assert_eq!(site.shown("t1").await, "own-judgement");
    change(BindingState::Active).await;
    assert_eq!(site.shown("t1").await, "1.01 in acme");
    change(BindingState::Revoked).await;
    assert_eq!(site.shown("t1").await, "own-judgement");
    // Brought back within the ten minutes, and the token with it.
    let accepted = site.tokens.accept(TokenHash::of("t1"), None, order(), site.clock.now()).await;
    assert_eq!(accepted.expect("healthy"), LegacyChange::Changed);
    assert_eq!(site.shown("t1").await, "1.01 in acme");
    change(BindingState::Revoked).await;
    site.clock.advance(11 * MINUTE);
    assert_eq!(site.shown("t1").await, Reason::Revoked.to_string());
    change(BindingState::Active).await;
    site.clock.advance(11 * MINUTE);
    assert_eq!(site.shown("t1").await, "own-judgement", "a generation before is never admitted");
}

#[tokio::test]
async fn what_another_gateway_wrote_is_obeyed_by_the_next_poll() {
    let site = Site::new().await;
    site.monolith.knows("t1", "d-1", "acme");
    assert_eq!(site.shown("t1").await, "1.01 in acme");
    let registry = site.tokens.0.registry.clone();
    let other = LegacyTokens::new(registry, Background::current(), site.clock.clone(), LegacyPolicy::default());
    other.refuse(vec![TokenHash::of("t1")], order(), site.clock.now()).await.expect("healthy");
    site.tokens.poll().await.expect("healthy");
    assert_eq!(site.shown("t1").await, "own-judgement");
    other.accept(TokenHash::of("t1"), None, order(), site.clock.now()).await.expect("healthy");
    site.tokens.poll().await.expect("healthy");
    assert_eq!(site.shown("t1").await, "1.01 in acme");
}

#[tokio::test]
async fn a_device_that_lost_its_token_is_listed_and_let_in_by_a_word_alone() {
    let site = Site::new().await;
    site.monolith.knows("t1", "d-1", "acme");
    assert_eq!(site.shown("t1").await, "1.01 in acme");
    let token = LegacyPinToken::of(&"a code of 256 random bits".into());
    assert_eq!(token.expose(), LegacyPinToken::of(&"a code of 256 random bits".into()).expose());
    let note = |hardware: &str| {
        site.tokens.note_lost_token(&token, hardware.to_owned(), Some("192.0.2.1".to_owned()), site.clock.now())
    };
    assert!(!note("sn-unknown").await.expect("healthy"));
    assert!(note("sn-d-1").await.expect("healthy"));
    assert!(!note("sn-d-1").await.expect("healthy"), "once is enough");
    assert_eq!(site.listed().await, [ApprovalKind::LostToken]);
    assert!(!site.tokens.is_given(&token).await.expect("healthy"));
    assert_eq!(site.shown(token.expose()).await, "adoption", "the list lets nobody in");
    let hash = TokenHash::of(token.expose());
    let accepted = site.tokens.accept(hash, None, order(), site.clock.now()).await;
    assert_eq!(accepted.expect("healthy"), LegacyChange::Changed);
    assert!(site.tokens.is_given(&token).await.expect("healthy"));
    assert_eq!(site.shown(token.expose()).await, "1.01 in acme");
    assert!(site.listed().await.is_empty());
}

#[test]
fn a_hash_reads_back_and_is_what_sha256sum_says() {
    let hash = TokenHash::of("abc");
    assert_eq!(hash.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(hash.to_string().parse(), Ok(hash));
    assert_eq!("ba78".parse::<TokenHash>(), Err(NotAHash));
}
