use std::{collections::BTreeSet, sync::Arc, time::Duration};

use serde_json::json;

use super::*;
use crate::{
    credential::CredentialText,
    data_folder::DataFolder,
    database::{Database, Disturbance},
    discovery::{Discovery, DiscoveryConfig},
    idp::{Provider, ProviderConfig, ResponseMode},
    jws::Algorithm,
    keyring::Keyring,
    keys::{IssuerKeys, KeyPolicy, KeySetLocation, KeysConfig},
    outbound::{Outbound, OutboundPolicy},
    principal::{Groups, Membership, Person, Roles, Subject, UserClaim, stated::Absence},
    revocations::{RevocationPolicy, Revocations},
    session::{NewSession, SessionPolicy},
    testing::{Folder, TestProvider},
};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// A gateway whose people sign in at a provider that can be told what to answer.
struct Site {
    _folder: Folder,
    data: DataFolder,
    clock: Clock,
    store: Database,
    keyring: Keyring,
    provider: TestProvider,
    guard: Arc<RefusalGuard>,
    revocations: Revocations,
    sessions: Sessions,
}

impl Site {
    async fn new() -> Self {
        Self::asking(&["staff"]).await
    }

    async fn asking(groups: &[&str]) -> Self {
        let (folder, background) = (Folder::new(), Background::current());
        let clock = Clock::standing_at(Clock::system().now().wall());
        let provider = TestProvider::start().await;
        provider.tell(|told| told.clock = Some(clock.clone()));
        let store = Database::at(folder.path().join("store.sqlite"), background.clone(), Duration::from_millis(200));
        let data = folder.taken();
        let keyring = Keyring::open(&data, &store, clock.now()).await.expect("the folder is new");
        let policy = RevocationPolicy::default();
        let revocations = Revocations::open(&data, store.clone(), background, clock.clone(), policy).await;
        let guard = Arc::new(RefusalGuard::new());
        let sessions = sessions(&keyring, &store, &revocations, &guard, &clock, &provider, &data, groups);
        Self { _folder: folder, data, clock, store, keyring, provider, guard, revocations, sessions }
    }

    /// The same gateway after a restart: another process, which knows what lies on disk.
    fn restarted(mut self, groups: &[&str]) -> Self {
        self.guard = Arc::new(RefusalGuard::new());
        self.sessions = sessions(
            &self.keyring,
            &self.store,
            &self.revocations,
            &self.guard,
            &self.clock,
            &self.provider,
            &self.data,
            groups,
        );
        self
    }

    /// The ticket of somebody who has just signed in.
    async fn begin(&self, name: &str) -> String {
        let subject = Subject::new(self.provider.issuer.as_str(), if name == "rt" { "ada" } else { name });
        let new = NewSession {
            person: Person { name: Some("Ada".into()), ..Person::known_as(subject) },
            roles: Roles::known([]),
            groups: Groups::known(["staff".to_owned()]),
            refresh_token: Some(SecretString::from(name)),
            access_token: None,
            id_token: None,
            claims: json!({ "groups": ["staff"], "nonce": "n-1" }),
            provider: "main".to_owned(),
            provider_sid: None,
            address: None,
            browser: None,
        };
        let ticket = self.sessions.begin(new, None, self.clock.now()).await.expect("healthy");
        ticket.text().expose_secret().to_owned()
    }

    /// So much later, with a store that has just said who is revoked.
    async fn later(&self, by: Duration) {
        self.clock.advance(by);
        // A store that is down says nothing, which is what some tests are about.
        let _ = self.revocations.poll().await;
    }

    async fn open(&self, ticket: &str, wait: RenewalWait) -> Result<OpenedTicket, Stop> {
        self.sessions.open(&CredentialText::new(ticket), wait, self.clock.now()).await
    }

    /// How it stands with a ticket on a route that takes half a day, in a word or two.
    async fn says(&self, ticket: &str) -> String {
        said(self.open(ticket, RenewalWait::Beyond(12 * HOUR)).await)
    }

    /// Shows a ticket until its session is renewed, and gives the new one.
    async fn renewed(&self, ticket: &str) -> String {
        let opened = self.open(ticket, RenewalWait::Beyond(Duration::ZERO)).await.expect("it holds");
        let renewed = match opened.renewed {
            Some(renewed) => renewed,
            None => self.until_renewed(ticket).await,
        };
        renewed.text().expose_secret().to_owned()
    }

    async fn until_renewed(&self, ticket: &str) -> super::super::Ticket {
        loop {
            let opened = self.open(ticket, RenewalWait::Never).await.expect("it holds");
            match opened.renewed {
                Some(renewed) => return renewed,
                None => tokio::task::yield_now().await,
            }
        }
    }

    fn refreshed(&self) -> Vec<String> {
        let mut refreshed = Vec::new();
        self.provider.tell(|told| refreshed.clone_from(&told.refreshed));
        refreshed
    }

    fn answers(&self, status: u16, body: &str) {
        self.provider
            .tell(|told| told.token = Some((status, vec![("content-type", "application/json")], body.to_owned())));
    }

    fn is_whole(&self) {
        self.provider.tell(|told| told.token = None);
    }

    /// The intent's instance, the refresh token and the version of the only row.
    async fn row(&self) -> (Option<String>, Option<String>, i64, Option<i64>) {
        const READ: &str = "SELECT intent_instance, refresh_token, version, ended FROM session";
        let read = self.store.call(|mut c| async move { sqlx::query_as(READ).fetch_one(&mut *c).await });
        let (instance, sealed, version, ended): (_, Option<String>, _, _) = read.await.expect("healthy");
        let open = |sealed: String| {
            let opened =
                self.keyring.seals().open(crate::keyring::seal::Purpose::RefreshToken, &sealed, self.clock.now());
            let Ok(opened) = opened else { panic!("it is ours") };
            String::from_utf8(opened.content.to_vec()).expect("text")
        };
        (instance, sealed.map(open), version, ended)
    }
}

fn said(opened: Result<OpenedTicket, Stop>) -> String {
    match opened {
        Ok(OpenedTicket { principal, renewed, .. }) => {
            let new = if renewed.is_some() { ", renewed" } else { "" };
            match principal.freshness {
                Freshness::Live => format!("live{new}"),
                Freshness::LastKnownGood { missing, .. } => format!("{missing} stale{new}"),
            }
        }
        Err(Stop::Rejected(rejected)) => rejected.reason().as_str().to_owned(),
        Err(Stop::Unavailable(unavailable)) => format!("no {}", unavailable.dependency),
    }
}

#[expect(clippy::too_many_arguments, reason = "a gateway has as many parts")]
fn sessions(
    keyring: &Keyring,
    store: &Database,
    revocations: &Revocations,
    guard: &Arc<RefusalGuard>,
    clock: &Clock,
    provider: &TestProvider,
    data: &DataFolder,
    groups: &[&str],
) -> Sessions {
    let background = Background::current();
    let issuer: Arc<str> = provider.issuer.as_str().into();
    let url = provider.issuer.parse().expect("an address");
    let outbound = Outbound::new(&url, OutboundPolicy::default(), clock.clone()).expect("no certificates are given");
    let config = DiscoveryConfig { issuer: issuer.clone(), discovery_url: None, endpoint_hosts: Vec::new() };
    let discovery = Discovery::new(config, outbound.clone(), background.clone(), clock.clone(), data);
    let config = KeysConfig {
        issuer: issuer.clone(),
        location: KeySetLocation::Discovery(discovery.clone()),
        algorithms: vec![Algorithm::EdDsa],
        policy: KeyPolicy::default(),
    };
    let keys = IssuerKeys::new(config, outbound.clone(), background.clone(), clock.clone(), data);
    let config = ProviderConfig {
        name: "main".into(),
        client_id: "candor".to_owned(),
        client_secret: Some(SecretString::from("s3cret")),
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
    let policy = SessionPolicy {
        hard_without_refresh: SessionPolicy::HARD_WITHOUT_REFRESH,
        renewal: RenewalPolicy::default(),
        keeps_access_tokens: true,
        groups_asked: groups.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>(),
        issuers: [(provider.issuer.clone(), UserClaim::Subject)].into(),
    };
    let renewals = Renewals::new(background, clock.clone(), guard.clone());
    let providers = vec![Provider::new(config, discovery, keys, outbound)];
    Sessions::new(keyring, store.clone(), revocations.clone(), renewals, providers, policy)
}

#[tokio::test]
async fn a_session_is_renewed_in_the_background_and_its_ticket_with_it() {
    let site = Site::new().await;
    let ticket = site.begin("rt").await;
    site.later(15 * MINUTE - Duration::from_secs(1)).await;
    assert_eq!((site.says(&ticket).await.as_str(), site.refreshed().len()), ("live", 0), "it is not due");
    site.later(Duration::from_secs(1)).await;
    assert_eq!(site.says(&ticket).await, "live", "nobody waits");
    let renewed = site.renewed(&ticket).await;
    assert_eq!(site.refreshed(), ["rt"]);
    assert_eq!(site.says(&renewed).await, "live");
    assert_eq!(site.says(&ticket).await, "live, renewed", "the old ticket goes on, and spends nothing");
    assert_eq!(site.refreshed(), ["rt"]);
    let opened = site.open(&renewed, RenewalWait::Never).await.expect("it holds");
    assert_eq!(opened.principal.groups.membership("staff"), Membership::Member);
    assert_eq!(opened.principal.until, opened.principal.begun + 7 * 24 * HOUR);
    let (intent, token, version, _) = site.row().await;
    assert_eq!((intent, token.as_deref(), version), (None, Some("rt"), 3));
}

#[tokio::test]
async fn past_its_grace_a_session_is_waited_for_where_anybody_waits() {
    let site = Site::new().await;
    let ticket = site.begin("rt").await;
    site.later(15 * MINUTE + 5 * MINUTE).await;
    let leave = site.provider.hold_tokens();
    assert_eq!(said(site.open(&ticket, RenewalWait::Never).await), "live", "at the end of its grace");
    site.later(Duration::from_millis(1)).await;
    assert_eq!(said(site.open(&ticket, RenewalWait::Never).await), "token-endpoint stale");
    let waiting = site.says(&ticket);
    leave.add_permits(1);
    assert_eq!(waiting.await, "live, renewed");
    assert_eq!(site.refreshed(), ["rt"]);
}

#[tokio::test]
async fn who_comes_back_after_a_day_is_asked_about_first() {
    let site = Site::new().await;
    let (ada, eve) = (site.begin("rt").await, site.begin("eve").await);
    site.provider.tell(|told| told.disabled = vec!["eve".to_owned()]);
    site.later(24 * HOUR).await;
    assert_eq!(site.says(&ada).await, "live, renewed");
    assert_eq!(site.says(&eve).await, "refresh-refused");
    assert_eq!(site.says(&eve).await, "ended");
    assert_eq!(site.restarted(&["staff"]).says(&eve).await, "ended");
}

#[tokio::test]
async fn ten_requests_at_once_cause_one_refresh() {
    let site = Site::new().await;
    site.provider.tell(|told| told.rotates = true);
    let ticket = site.begin("rt").await;
    site.later(HOUR).await;
    let leave = site.provider.hold_tokens();
    let mut asks = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let (sessions, ticket, now) = (site.sessions.clone(), CredentialText::new(ticket.clone()), site.clock.now());
        asks.spawn(async move { said(sessions.open(&ticket, RenewalWait::Beyond(12 * HOUR), now).await) });
    }
    leave.add_permits(10);
    assert_eq!(asks.join_all().await, vec!["live, renewed"; 10]);
    assert_eq!(site.refreshed(), ["rt"]);
    let (intent, token, ..) = site.row().await;
    assert_eq!((intent, token.as_deref()), (None, Some("rt.1")));
    site.later(HOUR).await;
    assert_eq!(site.says(&ticket).await, "live, renewed", "the ticket of an hour ago still leads to the row");
    assert_eq!(site.refreshed(), ["rt", "rt.1"]);
}

#[tokio::test]
async fn who_went_away_stops_no_renewal() {
    let site = Site::new().await;
    site.provider.tell(|told| told.rotates = true);
    let ticket = site.begin("rt").await;
    site.later(HOUR).await;
    let leave = site.provider.hold_tokens();
    {
        let mut asking = std::pin::pin!(site.open(&ticket, RenewalWait::Beyond(Duration::ZERO)));
        tokio::select! {
            biased;
            _ = &mut asking => panic!("the provider does not answer yet"),
            () = site.provider.until_asked(1) => {}
        }
    }
    leave.add_permits(1);
    site.renewed(&ticket).await;
    assert_eq!((site.refreshed().len(), site.row().await.1.as_deref()), (1, Some("rt.1")));
}

/// What each answer of a token endpoint makes of a session: on a route that takes half a day without a confirmation, and on
/// one that takes none; and whether the refresh token may have been spent by it.
#[tokio::test]
async fn every_answer_of_a_token_endpoint_has_one_meaning() {
    let refused = ("refresh-refused", "ended", true);
    let unclear = ("token-endpoint stale", "no token-endpoint", false);
    let perhaps_spent = ("token-endpoint stale", "no token-endpoint", true);
    let error = |word: &str| json!({ "error": word }).to_string();
    let with = |codes: &[u64]| json!({ "error": "invalid_grant", "error_codes": codes }).to_string();
    let table = [
        (400, error("invalid_grant"), refused),
        (400, with(&[70008]), refused),
        (400, error("interaction_required"), refused),
        (400, error("login_required"), refused),
        (400, error("consent_required"), refused),
        (400, with(&[50196]), unclear),
        (400, with(&[90033]), unclear),
        (400, error("invalid_client"), unclear),
        (400, error("unauthorized_client"), unclear),
        (400, error("invalid_request"), unclear),
        (400, error("invalid_scope"), unclear),
        (400, error("access_denied"), unclear),
        (400, error("temporarily_unavailable"), unclear),
        (400, error("INVALID_GRANT"), unclear),
        (400, "<html>invalid_grant</html>".to_owned(), perhaps_spent),
        (400, String::new(), perhaps_spent),
        (401, error("invalid_grant"), unclear),
        (401, error("invalid_client"), unclear),
        (403, error("invalid_grant"), unclear),
        (404, error("invalid_grant"), unclear),
        (408, String::new(), unclear),
        (425, String::new(), unclear),
        (429, error("invalid_grant"), unclear),
        (500, error("invalid_grant"), perhaps_spent),
        (502, String::new(), perhaps_spent),
        (503, String::new(), unclear),
        (504, String::new(), perhaps_spent),
        (302, String::new(), perhaps_spent),
        (200, error("invalid_grant"), perhaps_spent),
        (200, "{}".to_owned(), perhaps_spent),
        (200, String::new(), perhaps_spent),
        (200, "nonsense".to_owned(), perhaps_spent),
        (200, json!({ "access_token": 7 }).to_string(), perhaps_spent),
        (200, json!({ "access_token": "a", "refresh_token": "x".repeat(100_000) }).to_string(), perhaps_spent),
    ];
    for (status, body, (tolerant, strict, keeps_intent)) in table {
        let shown = format!("{status} {body:.60}");
        let site = Site::new().await;
        let ticket = site.begin("rt").await;
        site.later(HOUR).await;
        site.answers(status, &body);
        assert_eq!(site.says(&ticket).await, tolerant, "{shown}");
        let opened = site.open(&ticket, RenewalWait::Beyond(Duration::ZERO)).await;
        let is_live = matches!(&opened, Ok(opened) if opened.principal.freshness == Freshness::Live);
        assert!(!is_live, "{shown}");
        if strict == "ended" {
            assert_eq!(said(opened), "ended", "{shown}");
            continue;
        }
        let (intent, token, _, ended) = site.row().await;
        assert_eq!((intent.is_some(), token.as_deref(), ended), (keeps_intent, Some("rt"), None), "{shown}");
        // And once it is whole again, nothing was lost.
        site.is_whole();
        site.later(6 * MINUTE).await;
        assert_eq!(site.says(&ticket).await, "live, renewed", "{shown}");
    }
}

#[tokio::test]
async fn a_refusal_of_a_token_that_we_may_have_spent_proves_nothing() {
    let site = Site::new().await;
    let ticket = site.begin("rt").await;
    site.later(24 * HOUR).await;
    let lost = site.clock.now().anchor();
    site.answers(502, "");
    assert_eq!(site.says(&ticket).await, "token-endpoint stale");
    // The provider had rotated: whatever comes with the old one now is refused.
    site.is_whole();
    site.provider.tell(|told| told.disabled = vec!["rt".to_owned()]);
    site.later(MINUTE).await;
    assert_eq!(site.says(&ticket).await, "live, renewed");
    let renewed = site.renewed(&ticket).await;
    let opened = site.open(&renewed, RenewalWait::Never).await.expect("it holds");
    assert_eq!(opened.principal.until, lost + SessionPolicy::HARD_WITHOUT_REFRESH, "as one without refresh token");
    let (intent, token, _, ended) = site.row().await;
    assert_eq!((intent, token, ended), (None, None, None));
    site.later(10 * HOUR).await;
    assert_eq!(site.says(&renewed).await, "live", "it is not renewed any more");
    site.later(2 * HOUR).await;
    assert_eq!(site.says(&renewed).await, "expired");
}

#[tokio::test]
async fn an_intent_of_a_process_that_is_gone_keeps_a_refusal_from_proving_anything() {
    let site = Site::new().await;
    let ticket = site.begin("rt").await;
    site.later(HOUR).await;
    let _leave = site.provider.hold_tokens();
    let _ = site.open(&ticket, RenewalWait::Never).await.expect("it holds");
    site.provider.until_asked(1).await;
    // It crashes here, and the provider has spent the token.
    let site = site.restarted(&["staff"]);
    site.provider.hold_no_more();
    site.provider.tell(|told| told.disabled = vec!["rt".to_owned()]);
    assert_eq!(site.says(&ticket).await, "own-judgement stale", "perhaps the other one is at it");
    site.later(MINUTE).await;
    assert_eq!(site.says(&ticket).await, "live, renewed");
    let (intent, token, _, ended) = site.row().await;
    assert_eq!((intent, token, ended), (None, None, None));
}

#[tokio::test]
async fn a_rotated_token_that_the_store_did_not_take_is_kept_and_written_again() {
    for how in [Disturbance::Closed, Disturbance::Garbage] {
        let site = Site::new().await;
        site.provider.tell(|told| told.rotates = true);
        let ticket = site.begin("rt").await;
        site.later(HOUR).await;
        let leave = site.provider.hold_tokens();
        assert_eq!(said(site.open(&ticket, RenewalWait::Never).await), "token-endpoint stale", "{how:?}");
        site.provider.until_asked(1).await;
        site.store.disturb(how).await.expect("healthy until now");
        leave.add_permits(10);
        let waited = site.says(&ticket).await;
        assert!(waited.ends_with("stale"), "{how:?}: {waited}");
        site.store.heal().await.expect("nothing else is wrong");
        site.later(MINUTE).await;
        assert_eq!(site.says(&ticket).await, "live, renewed", "{how:?}");
        assert_eq!(site.refreshed(), ["rt"], "{how:?}: what it brought is written, and not asked for again");
        assert_eq!(site.row().await.1.as_deref(), Some("rt.1"), "{how:?}");
    }
}

#[tokio::test]
async fn without_a_store_nothing_is_spent_and_nobody_is_out() {
    for how in Disturbance::ALL {
        let site = Site::new().await;
        let ticket = site.begin("rt").await;
        site.later(HOUR).await;
        site.store.disturb(how).await.expect("healthy until now");
        assert_eq!(site.says(&ticket).await, "store stale", "{how:?}");
        assert!(site.refreshed().is_empty(), "{how:?}");
        site.store.heal().await.expect("nothing else is wrong");
        site.later(MINUTE).await;
        assert_eq!(site.says(&ticket).await, "live, renewed", "{how:?}");
    }
}

#[tokio::test]
async fn a_row_that_is_gone_proves_nothing() {
    const DELETE: &str = "DELETE FROM session";
    let site = Site::new().await;
    let ticket = site.begin("rt").await;
    site.later(HOUR).await;
    let deleted = site.store.call(|mut c| async move { sqlx::query(DELETE).execute(&mut *c).await.map(drop) });
    deleted.await.expect("healthy");
    assert_eq!(site.says(&ticket).await, "store stale");
    assert_eq!(site.refreshed().len(), 0);
}

#[tokio::test]
async fn a_token_of_somebody_else_changes_nobodys_identity() {
    for change in [json!({ "sub": "eve" }), json!({ "iss": "https://other.example" })] {
        let site = Site::new().await;
        site.provider.tell(|told| (told.rotates, told.claims) = (true, change.clone()));
        let ticket = site.begin("rt").await;
        site.later(HOUR).await;
        assert_eq!(site.says(&ticket).await, "token-endpoint stale", "{change}");
        let opened = site.open(&ticket, RenewalWait::Never).await.expect("it holds");
        assert_eq!(&*opened.principal.subject.id, "ada", "{change}");
        assert_eq!(site.row().await.1.as_deref(), Some("rt"), "{change}: what came with it is not hers");
    }
}

#[tokio::test]
async fn an_id_token_that_does_not_hold_confirms_nobody_and_costs_no_refresh_token() {
    let past = Clock::system().now().wall().as_secs() - 7200;
    for change in
        [json!({ "aud": "another" }), json!({ "exp": past }), json!({ "azp": "x" }), json!({ "nonce": "n-2" })]
    {
        let site = Site::new().await;
        site.provider.tell(|told| (told.rotates, told.claims) = (true, change.clone()));
        let ticket = site.begin("rt").await;
        site.later(HOUR).await;
        assert_eq!(site.says(&ticket).await, "token-endpoint stale", "{change}");
        let (intent, token, ..) = site.row().await;
        assert_eq!((intent, token.as_deref()), (None, Some("rt.1")), "{change}");
        site.provider.tell(|told| told.claims = json!({}));
        site.later(MINUTE).await;
        assert_eq!(site.says(&ticket).await, "live, renewed", "{change}");
    }
}

#[tokio::test]
async fn what_a_refresh_does_not_bring_stays_as_it_was() {
    let site = Site::new().await;
    site.provider.tell(|told| told.answer = json!({ "id_token": null, "expires_in": "soon" }));
    let ticket = site.begin("rt").await;
    site.later(HOUR).await;
    assert_eq!(site.says(&ticket).await, "live, renewed");
    let renewed = site.renewed(&ticket).await;
    let opened = site.open(&renewed, RenewalWait::Never).await.expect("it holds");
    assert_eq!(opened.principal.groups.membership("staff"), Membership::Member);
    assert_eq!(site.row().await.1.as_deref(), Some("rt"));
    for nonsense in [json!(0), json!(-1), json!(1_000_000_000_000_u64), json!([]), json!("soon")] {
        site.provider.tell(|told| told.answer = json!({ "expires_in": nonsense }));
        site.later(HOUR).await;
        assert_eq!(site.says(&ticket).await, "live, renewed", "{nonsense}");
    }
    let long = "x".repeat(20_000);
    site.provider.tell(|told| told.answer = json!({ "refresh_token": long }));
    site.later(HOUR).await;
    assert_eq!(site.says(&ticket).await, "live, renewed", "one that is too long to be kept is none");
    assert_eq!(site.row().await.1, None);
}

#[tokio::test]
async fn a_later_claim_of_the_provider_takes_the_place_of_the_one_before() {
    let site = Site::new().await;
    site.provider.tell(|told| told.claims = json!({ "groups": ["board"] }));
    let ticket = site.begin("rt").await;
    site.later(HOUR).await;
    let renewed = site.renewed(&ticket).await;
    let opened = site.open(&renewed, RenewalWait::Never).await.expect("it holds");
    assert_eq!(opened.principal.groups.membership("staff"), Membership::NotMember);
}

#[tokio::test]
async fn a_provider_that_refuses_everybody_ends_a_few_and_the_rest_are_held() {
    const ALL: usize = 60;
    let site = Site::new().await;
    let mut tickets = Vec::new();
    for number in 0..ALL {
        tickets.push(site.begin(&format!("person-{number}")).await);
    }
    // They have been away for a weekend: none was accepted in the last day.
    site.later(48 * HOUR).await;
    site.answers(400, r#"{"error":"invalid_grant"}"#);
    let mut said = std::collections::BTreeMap::<_, usize>::new();
    for ticket in &tickets {
        *said.entry(site.says(ticket).await).or_default() += 1;
    }
    let expected = [("no own-judgement".to_owned(), 0), ("own-judgement stale".to_owned(), ALL - RefusalGuard::FEW)];
    for (what, count) in expected {
        assert_eq!(said.get(&what).copied().unwrap_or_default(), count, "{said:?}");
    }
    assert_eq!(said.get("refresh-refused"), Some(&RefusalGuard::FEW), "{said:?}");
    let held = site.sessions.held(&HeldSessions::All, None, 1000, site.clock.now()).await.expect("healthy");
    assert_eq!(held.len(), ALL - RefusalGuard::FEW);
    assert!(held.iter().all(|held| held.why == "invalid_grant" && held.provider == "main"));
    // Long after, and after a restart, no more of them end.
    site.later(HOUR).await;
    let site = site.restarted(&["staff"]);
    for ticket in &tickets {
        let said = site.says(ticket).await;
        assert!(said == "ended" || said == "own-judgement stale", "{said}");
    }
    // Nor does anybody else meanwhile.
    let late = site.begin("late").await;
    site.later(HOUR).await;
    assert_eq!(site.says(&late).await, "own-judgement stale");
    // An operator finds that the provider is right about one of them.
    let (who, one) = ("operator", HeldSessions::One(held[0].id));
    assert_eq!(site.sessions.release(&one, who, "has left", site.clock.now()).await.ok(), Some(1));
    assert_eq!(
        site.sessions.release(&HeldSessions::OfProvider("other".to_owned()), who, "", site.clock.now()).await.ok(),
        Some(0)
    );
    // And once it is whole again, everybody else goes on.
    site.is_whole();
    site.later(MINUTE).await;
    let mut counted = [0, 0];
    for ticket in &tickets {
        match site.says(ticket).await.as_str() {
            "live, renewed" => counted[0] += 1,
            "ended" => counted[1] += 1,
            other => panic!("{other}"),
        }
    }
    assert_eq!(counted, [ALL - RefusalGuard::FEW - 1, RefusalGuard::FEW + 1]);
    assert_eq!(site.says(&late).await, "live, renewed");
    assert_eq!(site.sessions.held(&HeldSessions::All, None, 1000, site.clock.now()).await.expect("healthy"), []);
}

#[tokio::test]
async fn operators_release_all_that_are_held() {
    let site = Site::new().await;
    let mut tickets = Vec::new();
    for number in 0..25 {
        tickets.push(site.begin(&format!("person-{number}")).await);
    }
    site.later(HOUR).await;
    site.answers(400, r#"{"error":"invalid_grant"}"#);
    for ticket in &tickets {
        let _ = site.says(ticket).await;
    }
    let released = site.sessions.release(&HeldSessions::All, "operator", "they have left", site.clock.now()).await;
    assert_eq!(released.ok(), Some(5));
    for ticket in &tickets {
        assert_eq!(site.says(ticket).await, "ended");
    }
    let ordered: i64 = site
        .store
        .call(|mut connection| async move {
            sqlx::query_scalar(
                "SELECT count(*) FROM session JOIN revocation ON revocation.session = session.id
                    AND revocation.who = session.ended_who AND revocation.why = session.ended_why
                WHERE ended_who = 'operator' AND ended_why = 'they have left'",
            )
            .fetch_one(&mut *connection)
            .await
        })
        .await
        .expect("healthy");
    assert_eq!(ordered, 5, "each is on record with who ordered it and why");
}

#[tokio::test]
async fn no_held_session_is_released_while_the_store_takes_no_order() {
    let site = Site::new().await;
    let mut tickets = Vec::new();
    for number in 0..22 {
        tickets.push(site.begin(&format!("person-{number}")).await);
    }
    site.later(HOUR).await;
    site.answers(400, r#"{"error":"invalid_grant"}"#);
    let mut held = Vec::new();
    for ticket in &tickets {
        if site.says(ticket).await == "own-judgement stale" {
            held.push(ticket);
        }
    }
    assert_eq!(held.len(), 2);
    site.store.hold_write_lock().await.expect("healthy until now");
    let released = site.sessions.release(&HeldSessions::All, "operator", "they have left", site.clock.now()).await;
    assert!(released.is_err(), "{released:?}");
    site.store.heal().await.expect("it can be healed");
    site.is_whole();
    site.later(MINUTE).await;
    for ticket in held {
        assert_eq!(site.says(ticket).await, "live, renewed");
    }
}

#[tokio::test]
async fn what_a_later_rule_asks_about_is_answered_by_the_row() {
    let site = Site::asking(&["staff"]).await;
    let ticket = site.begin("rt").await;
    let site = site.restarted(&["staff", "board"]);
    let opened = site.open(&ticket, RenewalWait::Never).await.expect("it holds");
    let silence = Membership::NotStated(crate::principal::Silence::NotAsked);
    assert_eq!(opened.principal.groups.membership("board"), silence);
    let asked = site.sessions.ask_again(&CredentialText::new(ticket.clone()), site.clock.now()).await;
    let asked = asked.expect("healthy").expect("the row says it");
    assert_eq!(asked.principal.groups.membership("board"), Membership::NotMember);
    assert!(asked.renewed.is_some() && site.refreshed().is_empty(), "nothing is spent for that");
    // Where the row is older than a period, by one renewal.
    site.later(HOUR).await;
    site.provider.tell(|told| told.claims = json!({ "groups": ["board"] }));
    for _ in 0..3 {
        let asked = site.sessions.ask_again(&CredentialText::new(ticket.clone()), site.clock.now()).await;
        let asked = asked.expect("healthy").expect("the provider says it");
        assert_eq!(asked.principal.groups.membership("board"), Membership::Member);
    }
    assert_eq!(site.refreshed(), ["rt"]);
    site.store.disturb(Disturbance::Closed).await.expect("healthy until now");
    let site = site.restarted(&["staff", "board", "chess"]);
    let asked = site.sessions.ask_again(&CredentialText::new(ticket), site.clock.now()).await;
    assert!(asked.expect("nothing is proven").is_none());
}

impl Site {
    /// The access token of whoever has this ticket, or what it would take to have one.
    async fn access(&self, ticket: &str) -> String {
        let now = self.clock.now();
        let (principal, _) = self.sessions.opened(ticket, now).expect("it holds");
        match self.sessions.access_token(&principal, now).await {
            Ok(token) => token.expose_secret().to_owned(),
            Err(down) => format!("no {}", down.dependency),
        }
    }
}

#[tokio::test]
async fn an_access_token_is_renewed_before_it_is_over_and_read_without_asking_anybody() {
    let site = Site::new().await;
    site.provider.tell(|told| told.rotates = true);
    let ticket = site.begin("rt").await;
    site.later(MINUTE).await;
    assert_eq!(site.access(&ticket).await, "at-1", "a session of before it was wanted has none: a renewal brings it");
    site.store.disturb(Disturbance::Closed).await.expect("healthy until now");
    assert_eq!(site.access(&ticket).await, "at-1", "it is in memory");
    site.store.heal().await.expect("it heals");
    site.later(HOUR - 31 * Duration::from_secs(1)).await;
    assert_eq!((site.access(&ticket).await.as_str(), site.refreshed().len()), ("at-1", 1));
    site.later(Duration::from_secs(2)).await;
    assert_eq!((site.access(&ticket).await.as_str(), site.refreshed().len()), ("at-2", 2), "it is nearly over");
    let site = site.restarted(&["staff"]);
    assert_eq!((site.access(&ticket).await.as_str(), site.refreshed().len()), ("at-2", 2), "the row has it");
    // Whose session is renewed in the usual way is given the latest.
    site.later(16 * MINUTE).await;
    site.renewed(&ticket).await;
    assert_eq!((site.access(&ticket).await.as_str(), site.refreshed().len()), ("at-3", 3));
}

#[tokio::test]
async fn an_access_token_that_cannot_be_had_is_unavailable_and_none_is_handed_on_past_its_end() {
    let site = Site::new().await;
    let ticket = site.begin("rt").await;
    site.answers(500, "{}");
    assert_eq!(site.access(&ticket).await, "no token-endpoint");
    site.is_whole();
    site.later(MINUTE).await;
    assert_eq!(site.access(&ticket).await, "at-1");
    site.answers(503, "{}");
    site.later(HOUR - Duration::from_secs(10)).await;
    assert_eq!(site.access(&ticket).await, "at-1", "it is good for ten seconds yet");
    site.later(Duration::from_secs(10)).await;
    assert_eq!(site.access(&ticket).await, "no token-endpoint");
    assert_eq!(site.says(&ticket).await, "token-endpoint stale", "the person is signed in all the same");
    site.is_whole();
    site.later(MINUTE * 10).await;
    assert_eq!(site.access(&ticket).await, "at-1");
    // Without the store nobody knows whether there is one.
    let site = site.restarted(&["staff"]);
    site.store.disturb(Disturbance::Closed).await.expect("healthy until now");
    assert_eq!(site.access(&ticket).await, "no store");
}

#[tokio::test]
async fn ten_who_want_an_access_token_cause_one_refresh() {
    let site = Site::new().await;
    site.provider.tell(|told| told.rotates = true);
    let ticket = site.begin("rt").await;
    site.later(MINUTE).await;
    let leave = site.provider.hold_tokens();
    let (principal, _) = site.sessions.opened(&ticket, site.clock.now()).expect("it holds");
    let mut asks = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let (sessions, principal, now) = (site.sessions.clone(), principal.clone(), site.clock.now());
        asks.spawn(async move { sessions.access_token(&principal, now).await.is_ok() });
    }
    leave.add_permits(10);
    assert_eq!(asks.join_all().await, vec![true; 10]);
    assert_eq!(site.refreshed(), ["rt"]);
}

#[tokio::test]
async fn an_access_token_that_came_with_somebody_else_is_nobodys() {
    let site = Site::new().await;
    let (ticket, eve) = (site.begin("rt").await, site.begin("eve").await);
    site.provider.tell(|told| told.claims = json!({ "sub": "eve" }));
    site.later(MINUTE).await;
    assert_eq!(site.access(&ticket).await, "no token-endpoint");
    // One that is found by another's session is not handed on either.
    site.provider.tell(|told| told.claims = json!({}));
    site.later(10 * MINUTE).await;
    assert_eq!(site.access(&ticket).await, "at-1");
    let now = site.clock.now();
    let (ada, _) = site.sessions.opened(&ticket, now).expect("it holds");
    let (mut mixed, _) = site.sessions.opened(&eve, now).expect("it holds");
    mixed.session = ada.session;
    let mixed = site.sessions.access_token(&mixed, now).await;
    assert_eq!(mixed.expect_err("it is not eve's").dependency, Dependency::Store);
    let program = crate::principal::Principal { session: None, ..ada };
    assert!(site.sessions.access_token(&program, now).await.is_err(), "who came without a ticket has none");
}

#[tokio::test]
async fn access_tokens_that_last_for_seconds_are_not_asked_for_at_every_request() {
    let site = Site::new().await;
    site.provider.tell(|told| told.answer = json!({ "expires_in": 20 }));
    let ticket = site.begin("rt").await;
    site.later(MINUTE).await;
    for _ in 0..5 {
        assert_eq!(site.access(&ticket).await, "at-1");
    }
    assert_eq!(site.refreshed().len(), 1);
    site.later(Duration::from_secs(11)).await;
    assert_eq!((site.access(&ticket).await.as_str(), site.refreshed().len()), ("at-1", 2));
    site.provider.tell(|told| told.answer = json!({ "expires_in": 0 }));
    site.later(MINUTE).await;
    assert_eq!(site.access(&ticket).await, "no token-endpoint");
    site.provider.tell(|told| told.answer = json!({ "expires_in": "soon", "access_token": "x".repeat(9000) }));
    site.later(MINUTE).await;
    assert_eq!(site.access(&ticket).await, "no token-endpoint", "it is too long to be kept");
    site.provider.tell(|told| told.answer = json!({ "expires_in": "soon" }));
    site.later(MINUTE).await;
    assert_eq!(site.access(&ticket).await, "at-1", "until when the provider does not say");
}
