use super::*;
use crate::{
    background::Background,
    clock::{Clock, Timestamp},
    database::Disturbance,
    principal::{
        Freshness, Membership, Silence,
        stated::{Earlier, Stated},
    },
    revocations::RevocationPolicy,
    testing::Folder,
};

const NOON: Timestamp = Timestamp::from_secs(43_200);

struct Site {
    folder: Folder,
    clock: Clock,
    store: Database,
    keyring: Keyring,
    sessions: Sessions,
}

impl Site {
    async fn new() -> Self {
        let (folder, clock) = (Folder::new(), Clock::standing_at(NOON));
        let store = Database::at(folder.path().join("store.sqlite"), Background::current(), Duration::from_millis(200));
        let keyring = Keyring::open(&folder.taken(), &store, clock.now()).await.expect("the folder is new");
        let sessions = sessions(&folder, &store, &keyring, &clock, &["staff", "board"]).await;
        Self { folder, clock, store, keyring, sessions }
    }

    /// The same gateway after a restart.
    async fn restarted(self, asked: &[&str]) -> Self {
        let sessions = sessions(&self.folder, &self.store, &self.keyring, &self.clock, asked).await;
        Self { sessions, ..self }
    }

    async fn begin(&self) -> String {
        let ticket = self.sessions.begin(ada(), None, self.clock.now()).await.expect("healthy");
        ticket.text().expose_secret().to_owned()
    }

    async fn says(&self, ticket: &str) -> String {
        match self.sessions.open(&shown(ticket), RenewalWait::Never, self.clock.now()).await {
            Ok(OpenedTicket { principal, .. }) => match principal.freshness {
                Freshness::Live => principal.subject.id.to_string(),
                Freshness::LastKnownGood { missing, .. } => format!("{}, {missing} stale", principal.subject.id),
            },
            Err(Stop::Rejected(rejected)) => rejected.reason().as_str().to_owned(),
            Err(Stop::Unavailable(unavailable)) => format!("no {}", unavailable.dependency),
        }
    }

    async fn rows(&self) -> Vec<(String, Option<String>, Option<i64>, Option<String>)> {
        const READ: &str = "SELECT id, refresh_token, ended, ended_who FROM session ORDER BY begun, ended";
        let read = self.store.call(|mut c| async move { sqlx::query_as(READ).fetch_all(&mut *c).await });
        read.await.expect("healthy")
    }
}

async fn sessions(folder: &Folder, store: &Database, keyring: &Keyring, clock: &Clock, asked: &[&str]) -> Sessions {
    let policy = RevocationPolicy::default();
    let revocations =
        Revocations::open(&folder.taken(), store.clone(), Background::current(), clock.clone(), policy).await;
    let policy = SessionPolicy {
        hard_without_refresh: SessionPolicy::HARD_WITHOUT_REFRESH,
        renewal: RenewalPolicy::default(),
        keeps_access_tokens: false,
        groups_asked: set(asked),
        issuers: [
            ("https://idp.example".to_owned(), UserClaim::Subject),
            ("https://named.example".to_owned(), UserClaim::named("preferred_username")),
        ]
        .into(),
    };
    let renewals = Renewals::new(Background::current(), clock.clone(), Arc::default());
    Sessions::new(keyring, store.clone(), revocations, renewals, Vec::new(), policy)
}

/// A ticket as a request brings it.
fn shown(ticket: &str) -> CredentialText {
    CredentialText::new(ticket)
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn ada() -> NewSession {
    NewSession {
        person: Person {
            tenant: Some("acme".into()),
            name: Some("Ada Lovelace".into()),
            email: Some("ada@example.com".into()),
            ..Person::known_as(Subject::new("https://idp.example", "ada"))
        },
        roles: Roles::known(["editor".to_owned()]),
        groups: Groups::Known(Arc::new(set(&["staff", "chess"]))),
        refresh_token: None,
        access_token: None,
        id_token: None,
        claims: serde_json::json!({ "sub": "ada", "groups": ["staff", "chess"] }),
        provider: "main".to_owned(),
        provider_sid: Some("sid-1".to_owned()),
        address: Some([192, 0, 2, 1].into()),
        browser: Some("ä".repeat(300)),
    }
}

#[tokio::test]
async fn a_ticket_says_who_it_is_without_asking_anybody() {
    let site = Site::new().await;
    let ticket = site.begin().await;
    site.store.disturb(Disturbance::Closed).await.expect("healthy until now");
    let OpenedTicket { principal, credential, .. } =
        site.sessions.open(&shown(&ticket), RenewalWait::Never, site.clock.now()).await.expect("it is good");
    assert_eq!(credential, CredentialId::of(ticket.as_bytes()));
    assert_eq!(principal.subject.to_string(), "https://idp.example#ada");
    assert_eq!((principal.tenant.as_deref(), principal.name.as_deref()), (Some("acme"), Some("Ada Lovelace")));
    assert_eq!((principal.roles.stated(), principal.begun), (Some(&["editor".to_owned()][..]), NOON));
    assert_eq!(principal.until, NOON + SessionPolicy::HARD_WITHOUT_REFRESH);
    let not_asked = Membership::NotStated(Silence::NotAsked);
    for (group, expected) in [("staff", Membership::Member), ("board", Membership::NotMember), ("chess", not_asked)] {
        assert_eq!(principal.groups.membership(group), expected, "{group}");
    }
}

#[tokio::test]
async fn a_step_of_the_clock_neither_ends_a_ticket_nor_lengthens_one() {
    const HOUR: i64 = 3600;
    let site = Site::new().await;
    let ticket = site.begin().await;
    let check = async |step: i64, expected: &str| {
        site.clock.step_wall(step);
        assert_eq!(site.says(&ticket).await, expected, "{step}");
        site.clock.step_wall(-step);
        assert_eq!(site.says(&ticket).await, "ada", "{step}, and the clock is right again");
    };
    for hours in [13, 24, 24 * 365] {
        check(hours * HOUR, "no clock").await;
    }
    for hours in [-1, 1, -24, 11] {
        check(hours * HOUR, "ada").await;
    }
    site.clock.step_wall(13 * HOUR);
    let made_in_doubt = site.begin().await;
    site.clock.step_wall(-13 * HOUR);
    site.clock.advance(SessionPolicy::HARD_WITHOUT_REFRESH);
    assert_eq!([site.says(&ticket).await, site.says(&made_in_doubt).await], ["expired", "expired"]);
}

#[tokio::test]
async fn a_ticket_that_begins_in_the_future_waits_for_the_clock() {
    let site = Site::new().await;
    let ticket = site.begin().await;
    site.clock.step_wall(-24 * 3600);
    site.clock.accept();
    assert_eq!(site.says(&ticket).await, "no clock");
    site.clock.advance(Duration::from_secs(24 * 3600 - 30));
    assert_eq!(site.says(&ticket).await, "ada, revocations stale");
}

#[tokio::test]
async fn a_group_that_a_later_configuration_asks_about_is_not_a_no() {
    let site = Site::new().await;
    let ticket = site.begin().await;
    let site = site.restarted(&["staff", "chess"]).await;
    let opened = site.sessions.open(&shown(&ticket), RenewalWait::Never, site.clock.now()).await.expect("it is good");
    assert_eq!(opened.principal.groups.membership("chess"), Membership::NotStated(Silence::NotAsked));
    assert_eq!(opened.principal.groups.membership("staff"), Membership::Member);
}

#[tokio::test]
async fn a_provider_that_was_taken_out_of_the_configuration_admits_nobody_and_refuses_nobody() {
    let site = Site::new().await;
    let elsewhere = NewSession { person: Person::known_as(Subject::new("https://gone.example", "ada")), ..ada() };
    let begun = site.sessions.begin(elsewhere, None, site.clock.now()).await.expect("healthy");
    let ticket = begun.text().expose_secret();
    match site.sessions.open(&shown(ticket), RenewalWait::Never, site.clock.now()).await {
        Err(Stop::Unavailable(unavailable)) => {
            assert_eq!(unavailable.dependency, Dependency::Configuration);
            assert!(unavailable.to_string().contains("https://gone.example, which the configuration does not name"));
        }
        other => panic!("{other:?}"),
    }
    let _ = site.sessions.logout(&shown(ticket), site.clock.now()).await.expect("whoever it is may leave");
    assert_eq!(site.says(ticket).await, "ended", "what is proven stays proven");
}

/// As whom services are told of somebody whose ticket says this, of an issuer whose people they know by their username.
async fn told(site: &Site, change: serde_json::Value) -> String {
    let id = SessionId::from_bytes([7; 16]).to_string();
    let mut content = serde_json::json!({ "id": id, "iss": "https://named.example", "sub": "s-1", "begun": NOON });
    let fields = change.as_object().expect("an object").clone();
    content.as_object_mut().expect("an object").extend(fields);
    let until = NOON + Duration::from_secs(3600);
    let sealed = site.sessions.0.seals.seal(Purpose::Ticket, until, content.to_string().as_bytes());
    match site.sessions.open(&shown(&sealed), RenewalWait::Never, site.clock.now()).await {
        Ok(opened) => opened.principal.user().to_owned(),
        Err(Stop::Unavailable(unavailable)) => unavailable.to_string(),
        Err(Stop::Rejected(rejected)) => panic!("{rejected:?}"),
    }
}

#[tokio::test]
async fn a_ticket_names_nobody_to_services_but_by_the_claim_that_they_know_people_by() {
    let site = Site::new().await;
    let check = async |change: serde_json::Value, expected: &str| {
        let told = told(&site, change.clone()).await;
        assert!(told.contains(expected), "{change}: {told}");
    };
    check(serde_json::json!({ "user": { "by": "preferred_username", "is": "ada" } }), "ada").await;
    // Of an earlier release, or from before the configuration named the claim.
    check(serde_json::json!({}), "before `user_claim` named `preferred_username`").await;
    check(serde_json::json!({ "login": "ada" }), "before `user_claim` named `preferred_username`").await;
    check(serde_json::json!({ "user": { "by": "email", "is": "ada@example.com" } }), "before `user_claim` named").await;
    // The subject is in every ticket.
    let other = serde_json::json!({ "iss": "https://idp.example", "user": { "by": "email", "is": "ada@example.com" } });
    check(other, "s-1").await;
}

#[tokio::test]
async fn what_nobody_stated_stays_unknown_and_none_stays_none() {
    let site = Site::new().await;
    let check = async |groups: Groups, roles: Roles, expected: Membership| {
        let what = format!("{groups:?} {roles:?}");
        let new = NewSession { groups, roles, ..ada() };
        let ticket = site.sessions.begin(new, None, site.clock.now()).await.expect("healthy");
        let opened = site
            .sessions
            .open(&shown(ticket.text().expose_secret()), RenewalWait::Never, site.clock.now())
            .await
            .expect("it is good");
        let Principal { groups, roles, .. } = opened.principal;
        assert_eq!((groups.membership("staff"), roles.membership("editor")), (expected, expected), "{what}");
    };
    for silence in [Silence::Absent, Silence::StatedBefore, Silence::Unlisted] {
        let expected = Membership::NotStated(silence);
        check(Groups::NotStated(silence), Roles::NotStated(silence), expected).await;
    }
    check(Groups::known([]), Roles::known([]), Membership::NotMember).await;
}

#[tokio::test]
async fn a_ticket_of_an_earlier_release_without_roles_says_nothing_of_them() {
    let site = Site::new().await;
    let opened = async |content: serde_json::Value| {
        let sealed = site.sessions.0.seals.seal(
            Purpose::Ticket,
            NOON + Duration::from_secs(3600),
            content.to_string().as_bytes(),
        );
        let opened =
            site.sessions.open(&shown(&sealed), RenewalWait::Never, site.clock.now()).await.expect("it is good");
        (opened.principal.roles.membership("editor"), opened.principal.groups.membership("staff"))
    };
    let id = SessionId::from_bytes([7; 16]).to_string();
    let old = serde_json::json!({ "id": id, "iss": "https://idp.example", "sub": "ada", "begun": NOON });
    let not_asked = Membership::NotStated(Silence::NotAsked);
    assert_eq!(opened(old.clone()).await, (not_asked, not_asked));
    let mut with_roles = old;
    with_roles["roles"] = serde_json::json!(["editor"]);
    with_roles["groups"] = serde_json::json!({ "in": ["staff"], "of": ["staff"] });
    assert_eq!(opened(with_roles).await, (Membership::Member, Membership::Member));
}

#[tokio::test]
async fn what_earlier_sessions_began_with_can_be_looked_up() {
    let site = Site::new().await;
    let listed = |names: &[&str]| Stated::Listed(names.iter().map(|name| (*name).to_owned()).collect());
    let earlier = async || {
        let earlier = site.sessions.earlier_tokens(&ada().person.subject).await;
        earlier.stating(|token| Stated::groups(token, "groups"))
    };
    assert_eq!(earlier().await.map(|none| none.len()), Some(0));
    let _ = site.begin().await;
    site.clock.advance(Duration::from_secs(5));
    let silent = NewSession { claims: serde_json::json!({ "sub": "ada" }), ..ada() };
    let _ = site.sessions.begin(silent, None, site.clock.now()).await.expect("healthy");
    let another = NewSession { person: Person::known_as(Subject::new("https://other.example", "ada")), ..ada() };
    let _ = site.sessions.begin(another, None, site.clock.now()).await.expect("healthy");
    let later = NOON + Duration::from_secs(5);
    let both =
        vec![Earlier { at: later, stated: Stated::Absent }, Earlier { at: NOON, stated: listed(&["staff", "chess"]) }];
    assert_eq!(earlier().await, Some(both), "the latest first, and nobody else's");
    for how in Disturbance::ALL {
        site.store.disturb(how).await.expect("healthy until now");
        // A full disk can still be read.
        assert!(matches!(earlier().await.map(|tokens| tokens.len()), None | Some(2)), "{how:?}");
        site.store.heal().await.expect("nothing else is wrong");
    }
    site.store.disturb(Disturbance::Closed).await.expect("healthy until now");
    assert_eq!(earlier().await, None, "not knowing is not `nothing`");
}

#[test]
fn what_was_not_looked_at_counts_as_a_list() {
    let row = |claims: &str| sql::ConfirmedWith { claims: claims.to_owned(), confirmed: NOON };
    let stated = |rows: &[sql::ConfirmedWith]| {
        let read = EarlierTokens::read(rows).stating(|token| Stated::groups(token, "groups"));
        read.expect("it was read").into_iter().map(|earlier| earlier.stated).collect::<Vec<_>>()
    };
    assert_eq!(stated(&[row("{}")]), [Stated::Absent]);
    assert_eq!(stated(&[row("not JSON")]), [Stated::Unlisted]);
    let most: Vec<_> = (0..EarlierTokens::MOST).map(|_| row("{}")).collect();
    assert_eq!(stated(&most).last(), Some(&Stated::Unlisted));
    assert_eq!(stated(&most[1..]).last(), Some(&Stated::Absent));
}

#[tokio::test]
async fn there_is_no_ticket_without_a_row() {
    for how in Disturbance::ALL {
        let site = Site::new().await;
        site.store.disturb(how).await.expect("healthy until now");
        let half = site.sessions.begin(ada(), None, site.clock.now()).await;
        assert_eq!(half.expect_err("no row, no ticket").dependency.as_str(), "store", "{how:?}");
        site.store.heal().await.expect("nothing else is wrong");
        assert_eq!(site.rows().await.len(), 0, "{how:?}");
        assert_eq!(site.says(&site.begin().await).await, "ada", "{how:?}");
    }
}

#[tokio::test]
async fn the_row_keeps_what_renewal_will_need_and_no_secret_in_the_clear() {
    let site = Site::new().await;
    let new = NewSession { refresh_token: Some(SecretString::from("the refresh token")), ..ada() };
    let _ = site.sessions.begin(new, None, site.clock.now()).await.expect("healthy");
    let rows = site.rows().await;
    let sealed = rows[0].1.as_deref().expect("a refresh token was given");
    let Ok(opened) = site.keyring.seals().open(Purpose::RefreshToken, sealed, site.clock.now()) else {
        panic!("it is ours");
    };
    assert_eq!(&**opened.content, b"the refresh token");
    assert!(site.keyring.seals().open(Purpose::Ticket, sealed, site.clock.now()).is_err());
}

#[tokio::test]
async fn a_session_lives_to_its_hard_expiry() {
    let site = Site::new().await;
    let ticket = site.begin().await;
    site.clock.advance(SessionPolicy::HARD_WITHOUT_REFRESH - Duration::from_secs(1));
    assert_eq!(site.says(&ticket).await, "ada, revocations stale");
    site.clock.advance(Duration::from_secs(1));
    assert_eq!(site.says(&ticket).await, "expired");
}

#[tokio::test]
async fn a_logout_ends_this_session_only_and_writes_a_row() {
    let site = Site::new().await;
    let (ticket, other) = (site.begin().await, site.begin().await);
    let done = site.sessions.logout(&shown(&ticket), site.clock.now()).await.expect("healthy");
    assert_eq!(done.reach, LogoutReach::Everywhere);
    assert_eq!(done.logout.credential(), CredentialId::of(ticket.as_bytes()));
    assert_eq!((site.says(&ticket).await.as_str(), site.says(&other).await.as_str()), ("ended", "ada"));
    let ended: Vec<_> = site.rows().await.into_iter().filter_map(|row| Some((row.2?, row.3?))).collect();
    assert_eq!(ended, [(NOON.as_millis(), "https://idp.example#ada".to_owned())]);
    match site.sessions.logout(&shown(&ticket), site.clock.now()).await {
        Err(Stop::Rejected(rejected)) => assert_eq!(rejected.reason().as_str(), "ended"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_logout_while_the_store_is_down_holds_here_and_reaches_the_row_later() {
    for how in Disturbance::ALL {
        let site = Site::new().await;
        let ticket = site.begin().await;
        site.store.disturb(how).await.expect("healthy until now");
        let done = site.sessions.logout(&shown(&ticket), site.clock.now()).await.expect("the disk takes it");
        assert_eq!(done.reach, LogoutReach::ThisGateway, "{how:?}");
        assert_eq!(site.says(&ticket).await, "ended", "{how:?}");
        let site = site.restarted(&[]).await;
        assert_eq!(site.says(&ticket).await, "ended", "{how:?}");
        site.store.heal().await.expect("nothing else is wrong");
        site.sessions.0.revocations.poll().await.expect("healed");
        assert!(site.rows().await[0].2.is_some(), "{how:?}");
    }
}

#[tokio::test]
async fn a_logout_without_any_revocation_set_is_still_a_logout() {
    let site = Site::new().await;
    let ticket = site.begin().await;
    site.store.disturb(Disturbance::Garbage).await.expect("healthy until now");
    std::fs::remove_file(site.folder.path().join("revocations")).expect("it was written");
    let site = site.restarted(&[]).await;
    assert_eq!(site.says(&ticket).await, "no revocations");
    let done = site.sessions.logout(&shown(&ticket), site.clock.now()).await.expect("the disk takes it");
    assert_eq!(done.reach, LogoutReach::ThisGateway);
    assert_eq!(site.says(&ticket).await, "ended");
}

#[tokio::test]
async fn a_sign_in_ends_the_session_that_it_replaces() {
    let site = Site::new().await;
    let old = site.begin().await;
    let new = site.sessions.begin(ada(), Some(&old), site.clock.now()).await.expect("healthy");
    assert_eq!(site.says(&old).await, "ended");
    assert_eq!(site.says(new.text().expose_secret()).await, "ada");
    let garbage = site.sessions.begin(ada(), Some("garbage"), site.clock.now()).await.expect("garbage ends nothing");
    assert_eq!(site.says(garbage.text().expose_secret()).await, "ada");
}

#[tokio::test]
async fn a_sign_in_that_failed_ends_nothing() {
    let site = Site::new().await;
    let old = site.begin().await;
    site.store.disturb(Disturbance::Closed).await.expect("healthy until now");
    assert!(site.sessions.begin(ada(), Some(&old), site.clock.now()).await.is_err());
    assert_eq!(site.says(&old).await, "ada");
}

#[tokio::test]
async fn a_ticket_is_never_longer_than_a_browser_keeps() {
    let site = Site::new().await;
    let long = |length| {
        let person = Person { name: Some("x".repeat(length).into()), ..ada().person };
        NewSession { person, ..ada() }
    };
    for length in [10, 2000, 5000, 50_000] {
        let ticket = site.sessions.begin(long(length), None, site.clock.now()).await.expect("a name can be left out");
        assert!(ticket.text().expose_secret().len() <= MAX_TICKET);
        let opened = site
            .sessions
            .open(&shown(ticket.text().expose_secret()), RenewalWait::Never, site.clock.now())
            .await
            .expect("it is good");
        assert_eq!(opened.principal.name.is_some(), length < 2500);
    }
    let user_name = UserName::Claimed { claim: "preferred_username".into(), value: "ada".into() };
    let subject = Subject::new("https://named.example", "s-1");
    let known = NewSession { person: Person { subject, user_name, ..long(5000).person }, ..ada() };
    let ticket = site.sessions.begin(known, None, site.clock.now()).await.expect("a name can be left out");
    let opened = site
        .sessions
        .open(&shown(ticket.text().expose_secret()), RenewalWait::Never, site.clock.now())
        .await
        .expect("it is good");
    assert_eq!((opened.principal.user(), &opened.principal.name), ("ada", &None), "this name cannot be left out");
    let roles = NewSession { roles: Roles::known((0..500).map(|n| format!("role {n}"))), ..ada() };
    let count = site.rows().await.len();
    assert!(site.sessions.begin(roles, None, site.clock.now()).await.is_err(), "a role cannot be left out");
    assert_eq!(site.rows().await.len(), count);
}

#[tokio::test]
async fn a_forged_ticket_is_a_bad_seal_and_another_gateways_is_unknown() {
    let (site, other) = (Site::new().await, Site::new().await);
    let ticket = site.begin().await;
    let middle = ticket.len() / 2;
    let changed = if &ticket[middle..=middle] == "A" { "B" } else { "A" };
    let forged = format!("{}{changed}{}", &ticket[..middle], &ticket[middle + 1..]);
    assert_eq!(site.says(&forged).await, "bad-seal");
    assert_eq!(other.says(&ticket).await, "no keyring");
    assert_eq!(site.says("").await, "bad-seal");
}
