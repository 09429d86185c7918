use super::*;
use crate::testing::Folder;

// A healthy store answers within it on a busy machine too; only what is broken takes so long.
const DEADLINE: Duration = Database::DEADLINE;

fn ids() -> Ids {
    Ids { store: "store-1".to_owned(), keyring: "keyring-1".to_owned() }
}

async fn made(folder: &Folder) -> Database {
    let store = Database::at(folder.path().join("store.sqlite"), Background::current(), DEADLINE);
    store.make(ids()).await.expect("the folder can be written");
    store.must_have(ids());
    store
}

async fn write(store: &Database, name: &'static str) -> Result<(), Unavailable> {
    const STATEMENT: &str =
        "INSERT INTO revocation (name, until, written, at, who, why) VALUES ($1, 1, 2, 3, 'w', 'y')";
    store.call(move |mut c| async move { sqlx::query(STATEMENT).bind(name).execute(&mut *c).await.map(drop) }).await
}

async fn count(store: &Database) -> Result<i64, Unavailable> {
    const STATEMENT: &str = "SELECT count(*) FROM revocation";
    store.call(|mut c| async move { sqlx::query_scalar(STATEMENT).fetch_one(&mut *c).await }).await
}

#[tokio::test]
async fn it_comes_back_by_itself_after_every_disturbance() {
    for how in Disturbance::ALL {
        let folder = Folder::new();
        let store = made(&folder).await;
        write(&store, "before").await.expect("healthy");
        store.disturb(how).await.expect("healthy until now");
        for _ in 0..2 {
            let down = write(&store, "a row as long as those that are really written").await.expect_err("broken");
            assert_eq!(down.dependency, Dependency::Store, "{how:?}");
        }
        store.heal().await.expect("nothing else is wrong");
        write(&store, "after").await.expect("healed");
        assert_eq!(count(&store).await.expect("healed"), 2, "{how:?}");
    }
}

#[tokio::test]
async fn another_program_that_holds_the_write_lock_keeps_writers_out_and_readers_not() {
    let folder = Folder::new();
    let store = made(&folder).await;
    write(&store, "before").await.expect("healthy");
    let another = Database::at(store.path().to_owned(), Background::current(), DEADLINE);
    another.hold_write_lock().await.expect("nobody else writes");
    for _ in 0..2 {
        let down = write(&store, "meanwhile").await.expect_err("another writes");
        assert_eq!(down.dependency, Dependency::Store);
        assert_eq!(count(&store).await.expect("readers go on"), 1);
    }
    another.heal().await.expect("nothing else is wrong");
    write(&store, "after").await.expect("healed");
    assert_eq!(count(&store).await.expect("healed"), 2);
}

#[tokio::test]
async fn a_file_that_was_damaged_under_our_feet_and_restored_is_used_again() {
    let folder = Folder::new();
    let store = made(&folder).await;
    write(&store, "before").await.expect("healthy");
    store.park().await;
    store.put_aside().expect("the folder can be written");
    *lock(&store.0.live) = None;
    let _ = write(&store, "meanwhile").await.expect_err("garbage");
    // Nobody tells the store that it is healed.
    store.put_back().expect("the folder can be written");
    write(&store, "after").await.expect("healed");
}

#[tokio::test]
async fn an_empty_file_or_another_database_is_never_made_a_store() {
    let folder = Folder::new();
    let store = made(&folder).await;
    store.park().await;
    *lock(&store.0.live) = None;
    std::fs::write(store.path(), b"").expect("the folder can be written");
    let _ = write(&store, "meanwhile").await.expect_err("empty");
    assert_eq!(store.ids().await.expect("it can be read"), None);
    std::fs::remove_file(store.path()).expect("it is there");
    let _ = write(&store, "meanwhile").await.expect_err("absent");
    assert!(store.is_absent().expect("the folder can be read"), "it was not made by the way");
}

#[tokio::test]
async fn only_its_owner_can_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let store = made(&folder).await;
    write(&store, "row").await.expect("healthy");
    for file in std::fs::read_dir(folder.path()).expect("the folder can be read") {
        let file = file.expect("the folder can be read");
        let mode = file.metadata().expect("it is there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?}", file.file_name());
    }
}

#[tokio::test]
async fn another_keyrings_store_is_not_used() {
    let folder = Folder::new();
    let store = made(&folder).await;
    assert_eq!(store.ids().await.expect("healthy"), Some(ids()));
    let other = Database::at(store.address().clone(), Background::current(), DEADLINE);
    other.must_have(Ids { keyring: "keyring-2".to_owned(), ..ids() });
    let refused = count(&other).await.expect_err("it is another's");
    assert!(refused.to_string().contains("another keyring"), "{refused}");
}

#[tokio::test]
async fn a_store_of_a_newer_release_is_used() {
    const NEWER: &str = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
        VALUES (9999, 'from tomorrow', 1, x'00', 0)";
    let folder = Folder::new();
    let store = made(&folder).await;
    store.call(|mut c| async move { sqlx::query(NEWER).execute(&mut *c).await.map(drop) }).await.expect("healthy");
    let again = Database::at(store.address().clone(), Background::current(), DEADLINE);
    write(&again, "row").await.expect("healthy");
}

#[tokio::test]
async fn work_that_panics_is_unavailable() {
    let folder = Folder::new();
    let store = made(&folder).await;
    let panics = store.call(|_| async { if true { panic!("planned") } else { Ok(()) } });
    assert!(panics.await.is_err(), "it panicked");
    write(&store, "after").await.expect("healthy");
}

/// What somebody does to the files of a store that is open.
fn spoil(path: &std::path::Path, how: &str) {
    let beside = |end: &str| PathBuf::from(format!("{}{end}", path.display()));
    let aside = beside(".aside");
    match how {
        "replaced" => {
            // As a backup is put back: another file with the same content.
            std::fs::copy(path, &aside).expect("it is there");
            std::fs::rename(&aside, path).expect("the folder can be written");
        }
        "emptied" => {
            std::fs::write(&aside, b"").expect("the folder can be written");
            std::fs::rename(&aside, path).expect("the folder can be written");
        }
        ends => ends.split(' ').for_each(|end| {
            std::fs::remove_file(beside(end.trim_start_matches("main"))).expect("it is there while it is open");
        }),
    }
}

#[tokio::test]
async fn files_that_are_removed_or_replaced_are_noticed_and_nothing_is_written_to_nowhere() {
    for (how, comes_back) in [
        ("main", false),
        ("main -wal -shm", false),
        ("emptied", false),
        ("-wal", true),
        ("-shm", true),
        ("-wal -shm", true),
        ("replaced", true),
    ] {
        let folder = Folder::new();
        let store = made(&folder).await;
        write(&store, "before").await.expect("healthy");
        spoil(store.path(), how);
        let _ = write(&store, "at once").await.expect_err("it would be nowhere");
        assert_eq!(write(&store, "after").await.is_ok(), comes_back, "{how}");
        assert_eq!(store.look().await.expect("the folder can be read").absent, how.starts_with("main"), "{how}");
        if how.starts_with("main") {
            store.make_again().await.expect("the folder can be written");
            write(&store, "anew").await.expect("it was made again");
            assert_eq!(
                count(&store).await.expect("healthy"),
                1,
                "{how}: nothing of the lost one comes back by its log"
            );
        }
        if comes_back && how != "replaced" {
            // What lay in the log is in the database, for whoever opens it next.
            let again = Database::at(store.address().clone(), Background::current(), DEADLINE);
            assert_eq!(count(&again).await.expect("healthy"), 2, "{how}");
        }
    }
}

#[tokio::test]
async fn calls_that_hold_connections_leave_one_for_the_question_who_is_revoked() {
    const COUNT: &str = "SELECT count(*) FROM revocation";
    let folder = Folder::new();
    made(&folder).await;
    let patient = Duration::from_secs(10);
    let store = Database::at(folder.path().join("store.sqlite"), Background::current(), patient);
    let (begun, mut beginning) = tokio::sync::mpsc::unbounded_channel();
    let gate = Arc::new(Semaphore::new(0));
    let hold = || {
        let (store, begun, gate) = (store.clone(), begun.clone(), Arc::clone(&gate));
        tokio::spawn(async move {
            let work = |_connection| async move {
                let _ = begun.send(());
                let _ = gate.acquire().await;
                Ok(())
            };
            let _ = store.call(work).await;
        })
    };
    let holding: Vec<_> = (0..=2 * SHARED).map(|_| hold()).collect();
    for _ in 0..SHARED {
        beginning.recv().await.expect("there is a connection for each");
    }
    for _ in 0..20 {
        let count = |mut c: PoolConnection<Sqlite>| async move { sqlx::query_scalar(COUNT).fetch_one(&mut *c).await };
        let count: i64 = store.call_reserved(count).await.expect("one is kept free");
        assert_eq!(count, 0);
    }
    beginning.try_recv().expect_err("the others wait");
    gate.add_permits(holding.len());
    for held in holding {
        held.await.expect("it ends");
    }
}
