use std::{io::BufRead, path::PathBuf, process, time::Duration};

use sqlx::{Sqlite, pool::PoolConnection};

use super::*;
use crate::{
    audit::{self, AuditFinding},
    background::Background,
    clock::Clock,
    database::{Disturbance, Ids},
    revocations::RevocationPolicy,
    testing::Folder,
};

const NOON: Timestamp = Timestamp::from_secs(43_200);

struct Site {
    folder: Folder,
    clock: Clock,
    registry: Registry,
}

impl Site {
    async fn new() -> Self {
        let folder = Folder::new();
        let clock = Clock::standing_at(NOON);
        let store = Database::at(folder.path().join("store.sqlite"), Background::current(), Duration::from_secs(1));
        store.make(Ids { store: "s".to_owned(), keyring: "k".to_owned() }).await.expect("the folder can be written");
        let policy = RevocationPolicy::default();
        let set = Revocations::open(&folder.taken(), store.clone(), Background::current(), clock.clone(), policy).await;
        Self { folder, clock, registry: Registry::new(store, set) }
    }

    fn now(&self) -> Now {
        self.clock.now()
    }

    async fn add(&self, n: u8, tenant: &str) -> RegisteredDevice {
        self.clock.advance(Duration::from_millis(1));
        self.registry.register(new(n, tenant), order("ada"), self.now()).await.expect("healthy")
    }

    async fn change(&self, binding: BindingId, to: BindingState) -> BindingChange {
        self.registry.change(binding, to, order("root"), self.now()).await.expect("healthy")
    }

    async fn audited(&self) -> u64 {
        match audit::verify(self.registry.store()).await.expect("healthy") {
            AuditFinding::Whole { rows, .. } => rows,
            broken @ AuditFinding::Broken { .. } => panic!("{broken:?}"),
        }
    }
}

fn new(n: u8, tenant: &str) -> NewDevice {
    let text = str::to_owned;
    let description =
        DeviceDescription { hardware_id: format!("sn-{n}"), model: text("wall-7"), app_version: text("4.2") };
    let key = Some(PublicKey { thumbprint: Thumbprint::from_bytes([n; 32]), jwk: text("{}") });
    NewDevice { description, key, tenant: text(tenant), room: text("1.01") }
}

fn order(who: &str) -> Order {
    Order { who: who.to_owned(), why: "test".to_owned() }
}

#[tokio::test]
async fn a_device_is_found_by_its_key_with_its_bindings() {
    let site = Site::new().await;
    let added = site.add(1, "acme").await;
    let found = site.registry.of_key(Thumbprint::from_bytes([1; 32])).await.expect("healthy");
    let (key, device) = found.expect("it was registered");
    assert_eq!((key.device, &device), (added.id, &added));
    let [binding] = &device.bindings[..] else { panic!("{device:?}") };
    assert_eq!(
        (binding.tenant.as_str(), binding.state, binding.generation.number()),
        ("acme", BindingState::Active, 1)
    );
    assert_eq!(site.registry.of_key(Thumbprint::from_bytes([2; 32])).await.expect("healthy"), None);
    assert_eq!(site.registry.show(added.id).await.expect("healthy"), Some(added));
    assert_eq!(site.audited().await, 2);
}

#[tokio::test]
async fn half_a_device_is_never_written() {
    let site = Site::new().await;
    let _ = site.add(1, "acme").await;
    let twice = site.registry.register(new(1, "other"), order("ada"), site.now()).await;
    assert_eq!(twice.expect_err("the key is taken").dependency, crate::Dependency::Store);
    let page = site.registry.list(None, None, 10).await.expect("healthy");
    assert_eq!((page.devices.len(), site.audited().await), (1, 2));
}

#[tokio::test]
async fn only_what_was_revoked_begins_a_new_generation() {
    use BindingState::{Active, Revoked, Suspended};
    let site = Site::new().await;
    let id = site.add(1, "acme").await.bindings[0].id;
    let check = async |to, changes: bool, state, generation| {
        let before = site.audited().await;
        let (binding, changed) = match site.change(id, to).await {
            BindingChange::Changed(binding) => (binding, true),
            BindingChange::Unchanged(binding) => (binding, false),
            BindingChange::Unknown => panic!("it is there"),
        };
        assert_eq!((changed, binding.state, binding.generation.number()), (changes, state, generation), "to {to}");
        assert_eq!(site.audited().await - before, u64::from(changes), "to {to}");
    };
    check(Active, false, Active, 1).await;
    check(Suspended, true, Suspended, 1).await;
    check(Suspended, false, Suspended, 1).await;
    check(Active, true, Active, 1).await;
    check(Suspended, true, Suspended, 1).await;
    check(Revoked, true, Revoked, 1).await;
    check(Suspended, false, Revoked, 1).await;
    check(Revoked, false, Revoked, 1).await;
    check(Active, true, Active, 2).await;
    check(Revoked, true, Revoked, 2).await;
    let nobody = BindingId::from_parts(0, [0; 10]);
    assert_eq!(site.change(nobody, Revoked).await, BindingChange::Unknown);
}

#[tokio::test]
async fn binding_again_brings_back_what_was_revoked_and_moves_what_stands() {
    let site = Site::new().await;
    let device = site.add(1, "acme").await;
    let bind = async |tenant: &str, room: &str| {
        let bound = site.registry.bind(device.id, tenant.to_owned(), room.to_owned(), order("ada"), site.now());
        bound.await.expect("healthy").expect("there is such a device")
    };
    let moved = bind("acme", "2.02").await;
    assert_eq!((moved.id, moved.room.as_str(), moved.generation.number()), (device.bindings[0].id, "2.02", 1));
    let _ = site.change(moved.id, BindingState::Revoked).await;
    let back = bind("acme", "2.02").await;
    assert_eq!((back.id, back.state, back.generation.number()), (moved.id, BindingState::Active, 2));
    let elsewhere = bind("other", "1.01").await;
    assert_ne!(elsewhere.id, moved.id);
    let shown = site.registry.show(device.id).await.expect("healthy").expect("it is there");
    assert_eq!(shown.active_bindings().count(), 2);
    let unknown = DeviceId::from_parts(0, [0; 10]);
    let bound = site.registry.bind(unknown, "acme".to_owned(), "1".to_owned(), order("ada"), site.now()).await;
    assert_eq!(bound.expect("healthy"), None);
}

#[tokio::test]
async fn a_change_that_the_store_did_not_take_has_not_happened() {
    for how in Disturbance::ALL {
        let site = Site::new().await;
        let id = site.add(1, "acme").await.bindings[0].id;
        site.registry.store().disturb(how).await.expect("healthy until now");
        let long = Order { who: "root".to_owned(), why: "a reason that needs a page of its own ".repeat(400) };
        let down = site.registry.change(id, BindingState::Revoked, long, site.now()).await.expect_err("broken");
        assert_eq!(down.dependency, crate::Dependency::Store, "{how:?}");
        site.registry.store().heal().await.expect("nothing else is wrong");
        let page = site.registry.list(None, None, 1).await.expect("healed");
        assert_eq!(page.devices[0].bindings[0].state, BindingState::Active, "{how:?}");
        assert_eq!(site.audited().await, 2, "{how:?}");
    }
}

#[tokio::test]
async fn pages_hold_every_device_once() {
    let site = Site::new().await;
    for n in 0..7 {
        let _ = site.add(n, if n % 2 == 0 { "even" } else { "odd" }).await;
    }
    let check = async |tenant: Option<&str>, expected: &[&str]| {
        let (mut after, mut found) = (None, Vec::new());
        loop {
            let page = site.registry.list(tenant.map(str::to_owned), after, 2).await.expect("healthy");
            assert!(page.devices.len() <= 2);
            found.extend(page.devices.into_iter().map(|device| device.hardware_id));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, expected, "{tenant:?}");
    };
    check(None, &["sn-0", "sn-1", "sn-2", "sn-3", "sn-4", "sn-5", "sn-6"]).await;
    check(Some("even"), &["sn-0", "sn-2", "sn-4", "sn-6"]).await;
    check(Some("odd"), &["sn-1", "sn-3", "sn-5"]).await;
    check(Some("nobody"), &[]).await;
}

#[tokio::test]
async fn every_look_up_goes_by_an_index_however_many_devices_there_are() {
    let site = Site::new().await;
    let statements = sql::LOOK_UPS;
    let explain = move |mut connection: PoolConnection<Sqlite>| async move {
        let mut plans = Vec::new();
        for statement in statements {
            let explained = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
            let steps: Vec<(i64, i64, i64, String)> = sqlx::query_as(explained).fetch_all(&mut *connection).await?;
            plans.push((*statement, steps.into_iter().map(|(_, _, _, step)| step).collect::<Vec<_>>()));
        }
        Ok(plans)
    };
    for (statement, steps) in site.registry.store().call(explain).await.expect("healthy") {
        let by_index = steps.iter().any(|step| step.starts_with("SEARCH device"));
        let scans = steps.iter().any(|step| step.starts_with("SCAN device"));
        assert!(by_index && !scans, "{statement}: {steps:?}");
        if statement.contains("LIMIT") {
            assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE")), "{statement} sorts: {steps:?}");
        }
    }
}

#[tokio::test]
async fn the_revocation_set_holds_what_happened_and_not_the_fleet() {
    let site = Site::new().await;
    let mut bindings = Vec::new();
    for n in 0..20 {
        bindings.push(site.add(n, "acme").await.bindings[0].id);
    }
    assert_eq!(site.registry.revocations().len(), 0);
    let _ = site.change(bindings[3], BindingState::Suspended).await;
    let _ = site.change(bindings[7], BindingState::Revoked).await;
    let _ = site.change(bindings[7], BindingState::Active).await;
    assert_eq!(site.registry.revocations().len(), 2);
    site.registry.revocations().poll().await.expect("healthy");
    assert_eq!(site.registry.revocations().len(), 2);
}

/// Run it alone, to see how long a page of a large fleet takes.
#[tokio::test]
#[ignore = "it writes a million devices"]
async fn a_page_of_a_million_devices() {
    const FILL: [&str; 2] = [
        "INSERT INTO device (id, hardware_id, model, app_version, first_seen, created_by)
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)
            SELECT printf('%08x-0000-7000-8000-000000000000', i), i, 'wall', '1', 0, 'test' FROM n",
        "INSERT INTO device_binding (id, device, tenant, room, state, generation, version, created, created_by, changed,
            changed_by, reason)
            SELECT id, id, 'acme', '1', 'active', 1, 1, 0, 'test', 0, 'test', '' FROM device",
    ];
    let site = Site::new().await;
    let store = Database::at(site.folder.path().join("store.sqlite"), Background::current(), Duration::from_secs(300));
    for statement in FILL {
        let fill =
            move |mut c: PoolConnection<Sqlite>| async move { sqlx::query(statement).execute(&mut *c).await.map(drop) };
        store.call(fill).await.expect("there is room");
    }
    let after = "000f0000-0000-7000-8000-000000000000".parse().expect("an id");
    for tenant in [None, Some("acme".to_owned())] {
        let clock = Clock::system();
        let begun = clock.now();
        let page = site.registry.list(tenant.clone(), Some(after), 100).await.expect("healthy");
        println!("a page of 100 of a million, {tenant:?}: {:?}", clock.now().steady().since(begun.steady()));
        assert_eq!(page.devices.len(), 100);
        assert!(page.devices.iter().all(|device| device.bindings.len() == 1));
    }
    assert_eq!(site.registry.revocations().len(), 0);
}

#[tokio::test]
async fn a_commit_waits_for_the_disk() {
    let site = Site::new().await;
    let ask = |mut connection: PoolConnection<Sqlite>| async move {
        let journal: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *connection).await?;
        let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut *connection).await?;
        Ok((journal, synchronous))
    };
    // 2 is FULL: the log is synced at every commit.
    assert_eq!(site.registry.store().call(ask).await.expect("healthy"), ("wal".to_owned(), 2));
}

/// Where the process that is killed keeps its store.
const FOLDER: &str = "CANDOR_TEST_REGISTRY";

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    let site = Site::new().await;
    let program = std::env::current_exe().expect("this program");
    let mut child = process::Command::new(program)
        .args(["--exact", "device::registry::tests::acknowledges_until_it_is_killed", "--ignored", "--nocapture"])
        .env(FOLDER, site.folder.path())
        .stdout(process::Stdio::piped())
        .spawn()
        .expect("it can be started");
    let said = std::io::BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let acknowledged = said.map_while(Result::ok).filter_map(|line| line.strip_prefix("revoked ").map(str::to_owned));
    let acknowledged: Vec<String> = acknowledged.take(3).collect();
    child.kill().expect("it runs");
    child.wait().expect("it was ours");
    assert_eq!(acknowledged.len(), 3);
    for id in acknowledged {
        let device = site.registry.show(id.parse().expect("an id")).await.expect("healthy").expect("acknowledged");
        assert_eq!(device.bindings[0].state, BindingState::Revoked);
    }
    assert!(site.audited().await >= 9, "each with its registration, its binding and its end");
}

/// The process that is killed.
#[tokio::test]
#[ignore = "it is the process that another test kills"]
async fn acknowledges_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let store = Database::at(folder.join("store.sqlite"), Background::current(), Duration::from_secs(5));
    let (own, clock) = (Folder::new(), Clock::standing_at(NOON));
    let (background, policy) = (Background::current(), RevocationPolicy::default());
    let set = Revocations::open(&own.taken(), store.clone(), background, clock.clone(), policy).await;
    let registry = Registry::new(store, set);
    for n in 0..=u8::MAX {
        let added = registry.register(new(n, "acme"), order("ada"), clock.now()).await.expect("healthy");
        let id = added.bindings[0].id;
        let _ = registry.change(id, BindingState::Revoked, order("root"), clock.now()).await.expect("healthy");
        println!("revoked {}", added.id);
    }
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn an_import_is_all_or_nothing_and_names_who_is_known() {
    let site = Site::new().await;
    site.add(1, "acme").await;
    let listed =
        |numbers: &[u8]| numbers.iter().map(|n| NewDevice { key: None, ..new(*n, "acme") }).collect::<Vec<_>>();
    let import = |new| site.registry.import(new, order("operator ada"), site.now());
    let (audited, count) = (site.audited().await, async || site.registry.list(None, None, 500).await);
    assert_eq!(import(listed(&[2, 1, 3])).await.expect("healthy"), ImportOutcome::Known(vec!["sn-1".to_owned()]));
    assert_eq!(count().await.expect("healthy").devices.len(), 1);
    assert_eq!(site.audited().await, audited);
    assert_eq!(import(listed(&[2, 3])).await.expect("healthy"), ImportOutcome::Done);
    assert_eq!(count().await.expect("healthy").devices.len(), 3);
    let keyed = |serials: &[u8], keys: &[u8]| {
        let listed =
            serials.iter().zip(keys).map(|(serial, key)| NewDevice { key: new(*key, "").key, ..new(*serial, "acme") });
        listed.collect::<Vec<_>>()
    };
    for (serials, keys, known) in [([5, 6], [6, 6], "sn-6"), ([5, 6], [5, 1], "sn-6")] {
        let outcome = import(keyed(&serials, &keys)).await.expect("healthy");
        assert_eq!(outcome, ImportOutcome::Known(vec![known.to_owned()]), "a key is one device's");
    }
    assert_eq!(count().await.expect("healthy").devices.len(), 3);
    assert_eq!(import(keyed(&[5, 6], &[5, 6])).await.expect("healthy"), ImportOutcome::Done);
    let many: Vec<_> = (0..2000)
        .map(|n| NewDevice {
            description: DeviceDescription { hardware_id: format!("x{n}"), ..new(9, "").description },
            key: None,
            ..new(9, "acme")
        })
        .collect();
    assert_eq!(import(many).await.expect("two thousand fit into a call"), ImportOutcome::Done);
}
