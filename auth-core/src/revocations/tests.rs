use std::fs;

use super::*;
use crate::{
    database::{Disturbance, Ids},
    dependency::Dependency,
    principal::{
        BindingId, BindingState, DeviceId, Freshness, Generation, Groups, Kind, Principal, Roles, Silence, UserName,
    },
    testing::Folder,
    verdict::{Reason, Stop},
};

const NOON: Timestamp = Timestamp::from_secs(43_200);
const POLICY: RevocationPolicy = RevocationPolicy { poll: Duration::from_secs(3), patience: Duration::from_secs(5) };

/// One gateway's folder, and the store that it shares with others.
struct Site {
    folder: Folder,
    clock: Clock,
    store: Database,
}

impl Site {
    async fn new() -> Self {
        let folder = Folder::new();
        let store = store(&folder);
        store.make(Ids { store: "s".to_owned(), keyring: "k".to_owned() }).await.expect("the folder can be written");
        Self { folder, clock: Clock::standing_at(NOON), store }
    }

    /// Another gateway on the same store.
    fn beside(&self) -> Self {
        let store = Database::at(self.store.address().clone(), Background::current(), Duration::from_millis(200));
        Self { folder: Folder::new(), clock: self.clock.clone(), store }
    }

    async fn open(&self) -> Revocations {
        let (store, clock) = (self.store.clone(), self.clock.clone());
        Revocations::open(&self.folder.taken(), store, Background::current(), clock, POLICY).await
    }

    fn now(&self) -> Now {
        self.clock.now()
    }

    async fn end(&self, set: &Revocations, session: u8) -> Result<LogoutReach, Unavailable> {
        let until = NOON + Duration::from_secs(12 * 3600);
        set.end_session(SessionId::from_bytes([session; 16]), until, "ada", "signed out", self.now()).await
    }

    fn says(&self, set: &Revocations, who: &Principal) -> String {
        match set.judge(who, self.now()) {
            Ok(Freshness::Live) => "live".to_owned(),
            Ok(Freshness::LastKnownGood { missing, since }) => {
                format!("{missing} since {} s", since.since(Now::at(NOON).steady()).as_secs())
            }
            Err(Stop::Rejected(rejected)) => rejected.reason().as_str().to_owned(),
            Err(Stop::Unavailable(unavailable)) => format!("no {}", unavailable.dependency),
        }
    }
}

fn store(folder: &Folder) -> Database {
    Database::at(folder.path().join("store.sqlite"), Background::current(), Duration::from_millis(200))
}

fn ada() -> Subject {
    Subject::new("https://idp.example", "ada")
}

fn session(n: u8) -> Principal {
    Principal {
        kind: Kind::User,
        subject: ada(),
        tenant: None,
        user_name: UserName::Subject,
        name: None,
        preferred_username: None,
        email: None,
        roles: Roles::known([]),
        groups: Groups::NotStated(Silence::Absent),
        session: Some(SessionId::from_bytes([n; 16])),
        device: None,
        begun: NOON - Duration::from_secs(60),
        until: NOON + Duration::from_secs(3600),
        freshness: Freshness::Live,
    }
}

#[tokio::test]
async fn a_first_start_with_an_empty_store_is_confirmed_at_once() {
    let site = Site::new().await;
    let set = site.open().await;
    assert_eq!(site.says(&set, &session(1)), "live");
}

#[tokio::test]
async fn a_logout_ends_one_session_here_elsewhere_and_after_a_restart() {
    let (site, other) = {
        let site = Site::new().await;
        let other = site.beside();
        (site, other)
    };
    let (set, there) = (site.open().await, other.open().await);
    assert_eq!(site.end(&set, 1).await.expect("healthy"), LogoutReach::Everywhere);
    assert_eq!(site.says(&set, &session(1)), "ended");
    assert_eq!(site.says(&set, &session(2)), "live");
    assert_eq!(other.says(&there, &session(1)), "live", "nobody has told it yet");
    there.poll().await.expect("healthy");
    assert_eq!(other.says(&there, &session(1)), "ended");
    drop(set);
    site.store.disturb(Disturbance::Closed).await.expect("healthy until now");
    assert_eq!(site.says(&site.open().await, &session(1)), "ended");
}

#[tokio::test]
async fn staleness_counts_from_when_a_confirmation_was_due() {
    let site = Site::new().await;
    let set = site.open().await;
    let ada = session(1);
    for (seconds, expected) in [(3, "live"), (5, "live"), (1, "revocations since 3 s")] {
        site.clock.advance(Duration::from_secs(seconds));
        assert_eq!(site.says(&set, &ada), expected, "after {seconds} s more, with nobody asking");
    }
    set.poll().await.expect("healthy");
    assert_eq!(site.says(&set, &ada), "live");
    site.store.disturb(Disturbance::Locked).await.expect("healthy until now");
    let _ = set.poll().await.expect_err("locked");
    assert_eq!(site.says(&set, &ada), "revocations since 12 s", "a failed attempt counts at once");
    site.clock.advance(Duration::from_secs(100));
    assert_eq!(site.says(&site.open().await, &ada), "revocations since 12 s", "and goes on across a restart");
    site.store.heal().await.expect("nothing else is wrong");
    set.poll().await.expect("healed");
    assert_eq!(site.says(&set, &ada), "live");
}

#[tokio::test]
async fn with_neither_file_nor_store_nobody_is_admitted() {
    for how in Disturbance::ALL.into_iter().filter(|how| *how != Disturbance::Full) {
        let site = Site::new().await;
        site.store.disturb(how).await.expect("healthy until now");
        let set = site.open().await;
        assert_eq!(site.says(&set, &session(1)), "no revocations", "{how:?}");
        site.store.heal().await.expect("nothing else is wrong");
        set.poll().await.expect("healed");
        assert_eq!(site.says(&set, &session(1)), "live", "{how:?}");
    }
}

#[tokio::test]
async fn a_logout_while_the_store_is_down_is_kept_on_disk_and_told_later() {
    // Nobody can take the lock from another gateway that is at work; the sessions' tests lock a gateway alone.
    for how in Disturbance::ALL.into_iter().filter(|how| *how != Disturbance::Locked) {
        let site = Site::new().await;
        let other = site.beside();
        let (set, there) = (site.open().await, other.open().await);
        site.store.disturb(how).await.expect("healthy until now");
        assert_eq!(site.end(&set, 1).await.expect("the disk takes it"), LogoutReach::ThisGateway, "{how:?}");
        assert_eq!(site.says(&set, &session(1)), "ended", "{how:?}");
        drop(set);
        let set = site.open().await;
        assert_eq!(site.says(&set, &session(1)), "ended", "{how:?}, after a restart");
        site.clock.advance(Duration::from_secs(3600));
        site.store.heal().await.expect("nothing else is wrong");
        set.poll().await.expect("healed");
        there.poll().await.expect("healed");
        assert_eq!(other.says(&there, &session(1)), "ended", "{how:?}");
        assert_eq!(set.0.load().value.pending().count(), 0);
    }
}

#[tokio::test]
async fn a_store_that_is_full_still_says_who_is_revoked() {
    let site = Site::new().await;
    let other = site.beside();
    let (set, there) = (site.open().await, other.open().await);
    assert_eq!(other.end(&there, 2).await.expect("healthy"), LogoutReach::Everywhere);
    site.store.disturb(Disturbance::Full).await.expect("healthy until now");
    assert_eq!(site.end(&set, 1).await.expect("the disk takes it"), LogoutReach::ThisGateway);
    set.poll().await.expect("it answers");
    assert_eq!(site.says(&set, &session(2)), "ended");
    assert_eq!(site.says(&set, &session(3)), "live");
    assert_eq!(set.0.load().value.pending().count(), 1);
}

#[tokio::test]
async fn what_was_read_is_in_force_before_anything_is_written() {
    let site = Site::new().await;
    let other = site.beside();
    let (set, there) = (site.open().await, other.open().await);
    site.store.disturb(Disturbance::Full).await.expect("healthy until now");
    assert_eq!(site.end(&set, 1).await.expect("the disk takes it"), LogoutReach::ThisGateway);
    site.store.heal().await.expect("it was not lost");
    assert_eq!(other.end(&there, 2).await.expect("healthy"), LogoutReach::Everywhere);
    // Somebody writes, and does not come to an end: what is pending waits for that until its deadline.
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(site.store.path());
    let mut writer = sqlx::ConnectOptions::connect(&options).await.expect("it is there");
    sqlx::query("BEGIN IMMEDIATE").execute(&mut writer).await.expect("nobody else writes");
    site.clock.advance(POLICY.poll);
    let begun = set.0.load().schedule.confirmed_at();
    let in_force = async {
        while site.says(&set, &session(2)) != "ended" {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        () = in_force => {}
        outcome = set.poll() => panic!("the poll ended first: {outcome:?}"),
    }
    assert_eq!(set.0.load().schedule.confirmed_at(), begun, "it was in force only after the poll");
}

#[tokio::test]
async fn a_logout_that_nothing_took_has_not_happened() {
    let site = Site::new().await;
    let set = site.open().await;
    fs::create_dir(site.folder.path().join("revocations.new")).expect("the folder can be written");
    assert_eq!(site.end(&set, 1).await.expect("the store takes it"), LogoutReach::Everywhere);
    assert_eq!(site.says(&set, &session(1)), "ended");
    site.store.disturb(Disturbance::Closed).await.expect("healthy until now");
    assert_eq!(site.end(&set, 2).await.expect_err("nothing takes it").dependency.as_str(), "store");
    assert_eq!(site.says(&set, &session(2)), "live");
}

#[tokio::test]
async fn signing_a_user_out_revokes_what_began_before_and_nothing_later() {
    let site = Site::new().await;
    let set = site.open().await;
    set.revoke_user(ada(), "root", "left", site.now()).await.expect("healthy");
    let check = |begun, subject, expected| {
        let who = Principal { begun, subject, session: None, ..session(1) };
        assert_eq!(site.says(&set, &who), expected, "{begun:?}");
    };
    check(NOON - Duration::from_secs(1), ada(), "revoked");
    check(NOON, ada(), "revoked");
    check(NOON + Duration::from_millis(1), ada(), "live");
    check(NOON, Subject::new("https://idp.example", "bob"), "live");
    check(NOON, Subject::new("https://other.example", "ada"), "live");
    site.clock.advance(Duration::from_secs(10));
    set.revoke_user(ada(), "root", "left again", site.now()).await.expect("healthy");
    let later = Principal { begun: NOON + Duration::from_secs(5), ..session(1) };
    assert_eq!(site.says(&set, &later), "revoked");
    let there = site.beside();
    assert_eq!(there.says(&there.open().await, &later), "revoked", "the later of the two stands in the store");
}

#[tokio::test]
async fn an_order_needs_the_store() {
    let site = Site::new().await;
    let set = site.open().await;
    site.store.disturb(Disturbance::Closed).await.expect("healthy until now");
    let down = set.revoke_user(ada(), "root", "left", site.now()).await.expect_err("the store is down");
    assert_eq!(down.dependency.as_str(), "store");
    assert_eq!(site.says(&set, &session(1)), "live");
}

#[tokio::test]
async fn what_a_person_ordered_is_on_record_and_what_nobody_did_is_not() {
    let site = Site::new().await;
    let set = site.open().await;
    for (who, expected) in [("root", true), ("", false)] {
        site.clock.advance(Duration::from_secs(1));
        set.revoke_user(ada(), who, "planned", site.now()).await.expect("healthy");
        match set.judge(&session(1), site.now()) {
            Err(Stop::Rejected(rejected)) => {
                assert_eq!((rejected.reason(), rejected.ordered()), (Reason::Revoked, expected));
                assert_eq!(rejected.about(), Some(&ada()));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_damaged_file_is_no_set_and_the_store_makes_it_good() {
    let site = Site::new().await;
    let set = site.open().await;
    let _ = site.end(&set, 1).await.expect("healthy");
    let path = site.folder.path().join("revocations");
    let good = fs::read(&path).expect("it was written");
    for at in [0, good.len() / 2, good.len() - 2] {
        let mut bad = good.clone();
        bad[at] ^= 4;
        fs::write(&path, &bad).expect("the folder can be written");
        site.store.disturb(Disturbance::Closed).await.expect("healthy until now");
        let set = site.open().await;
        assert_eq!(site.says(&set, &session(2)), "no revocations", "byte {at}");
        site.store.heal().await.expect("nothing else is wrong");
        set.poll().await.expect("healed");
        assert_eq!(site.says(&set, &session(1)), "ended", "byte {at}");
    }
}

#[tokio::test]
async fn what_others_wrote_during_our_outage_is_not_missed() {
    let site = Site::new().await;
    let other = site.beside();
    let (set, there) = (site.open().await, other.open().await);
    site.store.disturb(Disturbance::Closed).await.expect("healthy until now");
    let _ = other.end(&there, 1).await.expect("their connection is healthy");
    site.clock.advance(Duration::from_secs(3600));
    let _ = set.poll().await.expect_err("closed");
    site.store.heal().await.expect("nothing else is wrong");
    set.poll().await.expect("healed");
    assert_eq!(site.says(&set, &session(1)), "ended");
}

#[tokio::test]
async fn an_entry_goes_a_day_after_its_credential_expired() {
    let site = Site::new().await;
    let set = site.open().await;
    let _ = site.end(&set, 1).await.expect("healthy");
    for (hours, kept) in [(36, 1), (1, 0)] {
        site.clock.advance(Duration::from_secs(hours * 3600));
        set.poll().await.expect("healthy");
        assert_eq!(set.0.load().value.all().count(), kept, "{hours} h later");
        assert_eq!(sql::read(&site.store, None).await.expect("healthy").len(), kept);
    }
}

#[tokio::test]
async fn a_confirmation_from_the_future_says_nothing_about_age() {
    let site = Site::new().await;
    drop(site.open().await);
    let earlier = Site { clock: Clock::standing_at(NOON - Duration::from_secs(3600)), ..site };
    earlier.store.disturb(Disturbance::Closed).await.expect("healthy until now");
    let set = earlier.open().await;
    assert_eq!(earlier.says(&set, &session(1)), "revocations since 0 s");
}

#[tokio::test]
async fn a_row_that_makes_no_sense_refuses_nobody_and_confirms_nothing() {
    const NONSENSE: &str = "INSERT INTO revocation (name, session, until, written, at, who, why)
        VALUES ('session x', 'x', 9223372036854775807, 43200000, 1, '', '')";
    let site = Site::new().await;
    let set = site.open().await;
    let write = |mut c: sqlx::pool::PoolConnection<sqlx::Sqlite>| async move {
        sqlx::query(NONSENSE).execute(&mut *c).await.map(drop)
    };
    site.store.call(write).await.expect("healthy");
    let _ = set.poll().await.expect_err("nonsense");
    assert_eq!(site.says(&set, &session(1)), "revocations since 3 s");
}

#[tokio::test]
async fn a_step_of_the_clock_makes_nothing_stale_and_passes_over_nothing() {
    const DAY: i64 = 24 * 3600;
    for step in [365 * DAY, -DAY, -600] {
        let site = Site::new().await;
        let other = Site { clock: Clock::standing_at(NOON), ..site.beside() };
        let (set, there) = (site.open().await, other.open().await);
        site.clock.step_wall(step);
        assert_eq!(site.says(&set, &session(1)), "live", "{step}");
        set.poll().await.expect("healthy");
        other.clock.advance(Duration::from_secs(300));
        site.clock.advance(Duration::from_secs(300));
        assert_eq!(other.end(&there, 1).await.expect("healthy"), LogoutReach::Everywhere);
        set.poll().await.expect("healthy");
        assert_eq!(site.says(&set, &session(1)), "ended", "{step}: another's word is heard");
        assert_eq!(site.end(&set, 2).await.expect("healthy"), LogoutReach::Everywhere);
        there.poll().await.expect("healthy");
        assert_eq!(other.says(&there, &session(2)), "ended", "{step}: and ours");
        assert_eq!(site.says(&site.open().await, &session(3)), "live", "{step}: after a restart too");
    }
}

#[tokio::test]
async fn who_was_signed_out_in_doubt_is_refused_by_both_readings_only() {
    let site = Site::new().await;
    let set = site.open().await;
    let check = |seconds, expected| {
        let who = Principal { begun: NOON + Duration::from_secs(seconds), session: None, ..session(1) };
        assert_eq!(site.says(&set, &who), expected, "{seconds}");
    };
    site.clock.step_wall(3600);
    set.revoke_user(ada(), "root", "left", site.now()).await.expect("healthy");
    check(0, "revoked");
    check(1, "no clock");
    check(3600, "no clock");
    check(3601, "live");
}

#[tokio::test]
async fn a_store_that_was_lost_is_made_again_and_told_everything() {
    let site = Site::new().await;
    site.store.must_have(Ids { store: "s".to_owned(), keyring: "k".to_owned() });
    let set = site.open().await;
    assert_eq!(site.end(&set, 1).await.expect("healthy"), LogoutReach::Everywhere);
    set.revoke_user(ada(), "operator", "left", site.now()).await.expect("healthy");
    for lost in
        [&["store.sqlite"][..], &["store.sqlite", "store.sqlite-wal", "store.sqlite-shm"], &["store.sqlite-wal"]]
    {
        lost.iter().for_each(|file| fs::remove_file(site.folder.path().join(file)).expect("it is there"));
        // While it is gone, a logout is kept on disk and nobody says that the others know.
        assert_eq!(site.end(&set, 2).await.expect("the disk takes it"), LogoutReach::ThisGateway);
        set.poll().await.expect("it was made again");
        assert_eq!(site.says(&set, &session(9)), "revoked", "ada was signed out everywhere");
        let there = site.beside();
        let other = there.open().await;
        for ended in [1, 2] {
            assert_eq!(there.says(&other, &session(ended)), "ended", "{lost:?}: the store knows {ended} again");
        }
        assert_eq!(there.says(&other, &session(9)), "revoked", "{lost:?}");
    }
}

#[tokio::test]
async fn a_store_that_was_put_back_from_a_backup_is_told_what_is_newer() {
    let site = Site::new().await;
    site.store.must_have(Ids { store: "s".to_owned(), keyring: "k".to_owned() });
    let (path, backup) = (site.store.path().to_owned(), site.folder.path().join("backup"));
    fs::copy(&path, &backup).expect("it is there");
    let set = site.open().await;
    assert_eq!(site.end(&set, 1).await.expect("healthy"), LogoutReach::Everywhere);
    for file in ["store.sqlite-wal", "store.sqlite-shm"] {
        fs::remove_file(site.folder.path().join(file)).expect("it is there");
    }
    fs::rename(&backup, &path).expect("the folder can be written");
    set.poll().await.expect("it is our store");
    let there = site.beside();
    assert_eq!(there.says(&there.open().await, &session(1)), "ended", "it was told again");
}

#[tokio::test]
async fn what_the_store_lost_is_given_back_within_ten_minutes() {
    const LOSE: [&str; 2] = ["DELETE FROM revocation", "DELETE FROM device_revocation"];
    let site = Site::new().await;
    let set = site.open().await;
    assert_eq!(site.end(&set, 1).await.expect("healthy"), LogoutReach::Everywhere);
    set.revoke_user(ada(), "operator", "left", site.now()).await.expect("healthy");
    let revoked = standing(3, BindingState::Revoked, 1);
    sql::write(&site.store, &revoked, site.now()).await.expect("healthy");
    set.poll().await.expect("healthy");
    let lose = |mut c: sqlx::pool::PoolConnection<sqlx::Sqlite>| async move {
        for statement in LOSE {
            sqlx::query(statement).execute(&mut *c).await?;
        }
        Ok(())
    };
    site.store.call(lose).await.expect("whoever has the file can do that");
    // What is put back from a backup is older.
    sql::write(&site.store, &standing(2, BindingState::Suspended, 1), site.now()).await.expect("healthy");
    let known = async || {
        let mut entries = sql::read(&site.store, None).await.expect("healthy");
        entries.sort_by_key(|entry| entry.name());
        entries.iter().map(|entry| entry.standing().map_or(0, |standing| standing.version)).collect::<Vec<_>>()
    };
    site.clock.advance(Duration::from_secs(599));
    set.poll().await.expect("healthy");
    assert_eq!(known().await, [2], "not looked at yet");
    site.clock.advance(Duration::from_secs(1));
    set.poll().await.expect("healthy");
    assert_eq!(known().await, [3, 0, 0]);
    let there = site.beside();
    assert_eq!(there.says(&there.open().await, &session(1)), "ended", "and others hear of it");
}

#[tokio::test]
async fn what_is_over_is_not_given_back() {
    let site = Site::new().await;
    let set = site.open().await;
    let _ = site.end(&set, 1).await.expect("healthy");
    site.clock.advance(Duration::from_secs(13 * 3600));
    sql::purge(&site.store, site.now().later()).await.expect("healthy");
    set.poll().await.expect("healthy");
    assert_eq!(sql::read(&site.store, None).await.expect("healthy").len(), 0);
}

#[tokio::test]
async fn a_lost_store_that_was_never_read_is_not_made_again() {
    let site = Site::new().await;
    site.store.must_have(Ids { store: "s".to_owned(), keyring: "k".to_owned() });
    site.store.disturb(Disturbance::Locked).await.expect("healthy until now");
    let set = site.open().await;
    site.store.heal().await.expect("nothing else is wrong");
    fs::remove_file(site.store.path()).expect("it is there");
    let down = set.poll().await.expect_err("it knew who is revoked, and we do not");
    assert_eq!(down.dependency, Dependency::Store);
    assert!(!site.store.path().exists(), "nothing was invented");
}

#[tokio::test]
async fn a_set_whose_file_was_removed_is_written_again_and_not_to_anothers_folder() {
    let site = Site::new().await;
    let set = site.open().await;
    assert_eq!(site.end(&set, 1).await.expect("healthy"), LogoutReach::Everywhere);
    let path = site.folder.path().join("revocations");
    fs::remove_file(&path).expect("it is there");
    set.poll().await.expect("healthy");
    let (kept, _) = file::read(&fs::read(&path).expect("it is there again")).expect("it can be read");
    assert_eq!(kept.all().count(), 1);
    // Somebody else's lock: the folder is not the one that we hold.
    fs::write(site.folder.path().join("theirs"), b"").expect("the folder can be written");
    fs::rename(site.folder.path().join("theirs"), site.folder.path().join("lock")).expect("the folder can be written");
    fs::remove_file(&path).expect("it is there");
    set.poll().await.expect("the store is up");
    assert!(!path.exists(), "it is not ours to write");
}

fn standing(version: i64, state: BindingState, generation: u32) -> Arc<RevocationEntry> {
    let (binding, device) = (BindingId::from_parts(1, [1; 10]), DeviceId::from_parts(1, [2; 10]));
    let standing = BindingStanding { binding, device, state, generation: Generation::new(generation), version };
    Arc::new(RevocationEntry::of_binding(standing, "root", "stolen", Now::at(NOON)))
}

#[tokio::test]
async fn of_two_standings_of_a_binding_the_later_stands_wherever_it_is_heard_first() {
    use BindingState::{Active, Revoked, Suspended};
    let site = Site::new().await;
    let set = site.open().await;
    let binding = BindingId::from_parts(1, [1; 10]);
    let version = |set: &Revocations| {
        let set = set.0.load().value.clone();
        set.of_binding(binding).and_then(|entry| entry.standing()).map(|standing| standing.version)
    };
    let latest = standing(4, Active, 2);
    for entry in [standing(2, Suspended, 1), latest.clone(), standing(3, Revoked, 1)] {
        sql::write(&site.store, &entry, site.now()).await.expect("healthy");
    }
    set.poll().await.expect("healthy");
    assert_eq!(version(&set), Some(4), "the store keeps the later");
    set.learn(vec![standing(3, Revoked, 1)]).await.expect("nothing is asked");
    assert_eq!(version(&set), Some(4), "and so does memory");
    site.store.disturb(Disturbance::Closed).await.expect("healthy until now");
    assert_eq!(version(&site.open().await), Some(4), "and the disk");
}

#[tokio::test]
async fn an_older_release_reads_the_sets_file_of_this_one() {
    #[derive(serde::Deserialize)]
    struct Before {
        entries: Vec<EntryBefore>,
        pending: Vec<EntryBefore>,
    }
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum EndsBefore {
        #[expect(dead_code, reason = "it is read and not looked at")]
        Session(String),
    }
    #[derive(serde::Deserialize)]
    struct EntryBefore {
        #[expect(dead_code, reason = "it is read and not looked at")]
        ends: EndsBefore,
    }
    let site = Site::new().await;
    let set = site.open().await;
    let _ = site.end(&set, 1).await.expect("healthy");
    set.learn(vec![standing(2, BindingState::Revoked, 1)]).await.expect("nothing is asked");
    let bytes = fs::read(site.folder.path().join("revocations")).expect("it was written");
    let at = bytes.iter().position(|byte| *byte == b'\n').expect("it has a first line");
    let before: Before = serde_json::from_slice(&bytes[at..]).expect("it knows of sessions only");
    assert_eq!((before.entries.len(), before.pending.len()), (1, 0));
}
