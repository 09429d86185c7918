use std::time::Duration;

use sqlx::Connection;

use super::*;
use crate::{background::Background, database::Ids, testing::Folder};

async fn store(folder: &Folder) -> Database {
    let store = Database::at(folder.path().join("store.sqlite"), Background::current(), Duration::from_secs(1));
    store.make(Ids { store: "s".to_owned(), keyring: "k".to_owned() }).await.expect("the folder can be written");
    store
}

fn record(action: &'static str) -> AuditRecord {
    let device = Some(DeviceId::from_parts(1, [0; 10]));
    AuditRecord { at: Timestamp::from_secs(1), actor: "ada".to_owned(), action, device, detail: json!({"room": "r"}) }
}

async fn add(store: &Database, action: &'static str, commit: bool) {
    let work = move |mut connection: sqlx::pool::PoolConnection<sqlx::Sqlite>| async move {
        let mut writing = connection.begin_with("BEGIN IMMEDIATE").await?;
        append(&mut writing, record(action)).await?;
        if commit { writing.commit().await } else { writing.rollback().await }
    };
    store.call(work).await.expect("healthy");
}

async fn run(store: &Database, statement: &'static str) -> Result<(), Unavailable> {
    store.call(move |mut c| async move { sqlx::query(statement).execute(&mut *c).await.map(drop) }).await
}

#[tokio::test]
async fn what_was_appended_is_a_whole_chain() {
    let folder = Folder::new();
    let store = store(&folder).await;
    let empty = AuditFinding::Whole { rows: 0, head: String::new() };
    assert_eq!(verify(&store).await.expect("healthy"), empty);
    for action in ["device-registered", "binding-revoked"] {
        add(&store, action, true).await;
        add(&store, "what was rolled back", false).await;
    }
    let AuditFinding::Whole { rows: 2, head } = verify(&store).await.expect("healthy") else { panic!("two rows") };
    let rows = of_device(&store, DeviceId::from_parts(1, [0; 10]), 10).await.expect("healthy");
    let actions: Vec<_> = rows.iter().map(|row| row.action.as_str()).collect();
    assert_eq!((actions, &rows[0].hash), (vec!["binding-revoked", "device-registered"], &head));
}

#[tokio::test]
async fn a_row_that_was_changed_taken_out_or_put_in_is_found() {
    const PUT_IN: &str = "INSERT INTO device_audit SELECT 4, at, actor, action, device, detail, previous, hash
        FROM device_audit WHERE seq = 3";
    let check = async |statement: &'static str, expected: i64| {
        let folder = Folder::new();
        let store = store(&folder).await;
        for action in ["device-registered", "binding-suspended", "binding-revoked"] {
            add(&store, action, true).await;
        }
        for trigger in ["DROP TRIGGER device_audit_unchanged", "DROP TRIGGER device_audit_kept"] {
            run(&store, trigger).await.expect("healthy");
        }
        run(&store, statement).await.expect("whoever has the file can do that");
        match verify(&store).await.expect("healthy") {
            AuditFinding::Broken { seq, .. } => assert_eq!(seq, expected, "{statement}"),
            AuditFinding::Whole { .. } => panic!("not noticed: {statement}"),
        }
    };
    check("UPDATE device_audit SET actor = 'eve' WHERE seq = 2", 2).await;
    check("UPDATE device_audit SET at = at + 1 WHERE seq = 3", 3).await;
    check("UPDATE device_audit SET action = detail, detail = action WHERE seq = 1", 1).await;
    check("UPDATE device_audit SET previous = '' WHERE seq = 2", 2).await;
    check("DELETE FROM device_audit WHERE seq = 2", 3).await;
    check("DELETE FROM device_audit WHERE seq = 1", 2).await;
    check(PUT_IN, 4).await;
}

#[tokio::test]
async fn nobody_changes_a_row_by_the_way() {
    let folder = Folder::new();
    let store = store(&folder).await;
    add(&store, "device-registered", true).await;
    let _ = run(&store, "UPDATE device_audit SET actor = 'eve'").await.expect_err("append-only");
    let _ = run(&store, "DELETE FROM device_audit").await.expect_err("append-only");
    assert!(matches!(verify(&store).await.expect("healthy"), AuditFinding::Whole { rows: 1, .. }));
}
