//! What is stated of whom, and when nothing is.

use serde_json::Value;

use super::*;
use crate::{
    dependency::Dependency,
    device::registry::Binding,
    testing::fleet::{Fleet, key},
};

const NONCE: &str = "AAECAwQFBgcICQoLDA0ODw";

async fn stated(fleet: &Fleet, key: &ProvenDeviceKey, device: Option<DeviceId>, generation: Option<u32>) -> Value {
    let request = StatementRequest {
        nonce: NONCE.parse().expect("a nonce"),
        device,
        generation: generation.map(Generation::new),
    };
    let statement = fleet.devices.state(key, &request, fleet.now()).await.expect("healthy");
    let [header, payload, _] = statement.split('.').collect::<Vec<_>>()[..] else { panic!("a JWS") };
    let part = |part: &str| -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
    };
    let keys = fleet.devices.keyring().statement_keys();
    assert_eq!(part(header)["typ"], "device-statement+jwt");
    assert_eq!(part(header)["kid"], keys["keys"][0]["kid"]);
    let jwk = keys["keys"][0].as_object().expect("a key");
    assert_eq!(
        crate::jws::signature_holds(&statement, jwk, crate::jws::Algorithm::EdDsa).map_err(|wrong| wrong.to_string()),
        Ok(true)
    );
    part(payload)
}

async fn verdict(fleet: &Fleet, key: &ProvenDeviceKey) -> String {
    let said = stated(fleet, key, None, None).await;
    format!("{} {}", said["verdict"].as_str().expect("text"), said["reason"].as_str().expect("text"))
}

async fn revoked(fleet: &Fleet, tenant: &str) -> (ProvenDeviceKey, Binding) {
    let (key, binding) = stands(fleet, tenant).await;
    fleet.change(&binding, BindingState::Revoked).await;
    (key, binding)
}

async fn stands(fleet: &Fleet, tenant: &str) -> (ProvenDeviceKey, Binding) {
    let key = key();
    let order = Order { who: "root".to_owned(), why: "a test".to_owned() };
    let new = crate::device::registry::NewDevice {
        description: crate::testing::fleet::display("s"),
        key: Some(key.public().clone()),
        tenant: tenant.to_owned(),
        room: "1".to_owned(),
    };
    let device = fleet.devices.registry().register(new, order, fleet.now()).await.expect("healthy");
    (key, device.bindings[0].clone())
}

#[tokio::test]
async fn a_statement_is_about_one_device_key_generation_and_nonce() {
    let fleet = Fleet::new().await;
    let (key, binding) = revoked(&fleet, "acme").await;
    let said = stated(&fleet, &key, Some(binding.device), Some(1)).await;
    assert_eq!(said["iss"], "https://gate.example/.candor");
    assert_eq!(said["sub"], binding.device.to_string());
    assert_eq!(said["jkt"], key.thumbprint().to_string());
    assert_eq!(said["gen"], 1);
    assert_eq!((&said["verdict"], &said["reason"]), (&"revoked".into(), &"revoked".into()));
    assert_eq!(said["wipe"], serde_json::json!(["token", "calendar"]));
    assert_eq!(said["nonce"], NONCE);
    assert_eq!(said["exp"].as_i64().zip(said["iat"].as_i64()).map(|(exp, iat)| exp - iat), Some(600));
    assert_ne!(said["jti"], stated(&fleet, &key, None, None).await["jti"]);
}

#[tokio::test]
async fn only_what_is_revoked_on_record_erases_anything() {
    let fleet = Fleet::new().await;
    let nobody = key();
    assert_eq!(verdict(&fleet, &nobody).await, "unknown not-on-record");
    let (key, binding) = stands(&fleet, "acme").await;
    assert_eq!(verdict(&fleet, &key).await, "valid active");
    let other = stands(&fleet, "acme").await.1.device;
    let foreign = stated(&fleet, &key, Some(other), None).await;
    assert_eq!((&foreign["verdict"], &foreign["sub"]), (&"unknown".into(), &Value::Null));
    fleet.change(&binding, BindingState::Suspended).await;
    assert_eq!(verdict(&fleet, &key).await, "suspended suspended");
    fleet.change(&binding, BindingState::Revoked).await;
    assert_eq!(verdict(&fleet, &key).await, "revoked revoked");
    // Of a later generation than any on record, a restored store knows nothing.
    let later = stated(&fleet, &key, None, Some(2)).await;
    assert_eq!((&later["verdict"], &later["wipe"]), (&"unknown".into(), &serde_json::json!([])));
    fleet.change(&binding, BindingState::Active).await;
    let anew = stated(&fleet, &key, None, Some(2)).await;
    assert_eq!((&anew["verdict"], &anew["gen"], &anew["wipe"]), (&"valid".into(), &2.into(), &serde_json::json!([])));
    let order = Order { who: "root".to_owned(), why: "a test".to_owned() };
    let globex = fleet.devices.registry().bind(binding.device, "globex".to_owned(), "1".to_owned(), order, fleet.now());
    globex.await.expect("healthy").expect("it is known");
    fleet.change(&binding, BindingState::Revoked).await;
    assert_eq!(verdict(&fleet, &key).await, "valid active", "it stands elsewhere");
}

#[tokio::test]
async fn a_store_that_is_down_states_nothing() {
    let fleet = Fleet::new().await;
    let (key, _) = revoked(&fleet, "acme").await;
    let request = StatementRequest { nonce: NONCE.parse().expect("a nonce"), device: None, generation: None };
    fleet.break_store().await;
    let said = fleet.devices.state(&key, &request, fleet.now()).await.map_err(|down| down.dependency);
    assert_eq!(said, Err(Dependency::Store));
    fleet.heal_store().await;
    assert_eq!(verdict(&fleet, &key).await, "revoked revoked");
}

#[tokio::test]
async fn a_nonce_is_128_bits() {
    for text in [
        "",
        "AAECAwQFBgcICQoLDA0OD",
        "AAECAwQFBgcICQoLDA0ODx",
        "AAECAwQFBgcICQoLDA0ODw==",
        "AAECAwQFBgcICQoLDA0OD\u{e4}",
    ] {
        assert_eq!(text.parse::<StatementNonce>(), Err(NotAStatementNonce), "{text}");
    }
}

#[tokio::test]
async fn the_sixth_revocation_of_an_hour_waits_for_somebody_to_look() {
    let fleet = Fleet::new().await;
    let mut keys = Vec::new();
    for _ in 0..7 {
        keys.push(revoked(&fleet, "acme").await.0);
    }
    for key in &keys[..5] {
        assert_eq!(verdict(&fleet, key).await, "revoked revoked");
        assert_eq!(verdict(&fleet, key).await, "revoked revoked", "its confirmation is not another");
    }
    for _ in 0..2 {
        assert_eq!(verdict(&fleet, &keys[5]).await, "suspended pending-review");
    }
    assert_eq!(verdict(&fleet, &keys[0]).await, "suspended pending-review", "nor are those said again");
    let said = stated(&fleet, &keys[6], None, None).await;
    assert_eq!(said["wipe"], serde_json::json!([]));
    fleet.pass(3 * 3600);
    assert_eq!(verdict(&fleet, &keys[5]).await, "suspended pending-review", "time releases nothing");
    let pressed = fleet.devices.pressed_brakes().await.expect("healthy");
    assert_eq!(
        pressed.iter().map(|brake| (&brake.scope, brake.why)).collect::<Vec<_>>(),
        [(&BrakeScope::Fleet, Brake::TooMany)]
    );
    let order = || Order { who: "root".to_owned(), why: "the office closed".to_owned() };
    let release = async |scope| fleet.devices.release_brake(scope, order(), fleet.now()).await.expect("healthy");
    assert!(!release(BrakeScope::Tenant("acme".to_owned())).await);
    assert!(release(BrakeScope::Fleet).await);
    assert!(!release(BrakeScope::Fleet).await);
    for key in &keys {
        assert_eq!(verdict(&fleet, key).await, "revoked revoked");
    }
    let audited = fleet.audited().await;
    let of_brakes: Vec<_> = audited.iter().filter(|action| action.starts_with("brake-")).collect();
    assert_eq!(of_brakes, ["brake-pressed", "brake-released"]);
}

#[tokio::test]
async fn a_tenants_brake_holds_that_tenant_only() {
    let fleet = Fleet::new().await;
    // With the fleet's own brake released, only the tenants' are left.
    let order = Order { who: "root".to_owned(), why: "a test".to_owned() };
    for _ in 0..6 {
        let (key, _) = revoked(&fleet, "initech").await;
        let _ = verdict(&fleet, &key).await;
    }
    fleet.devices.release_brake(BrakeScope::Fleet, order, fleet.now()).await.expect("healthy");
    let mut said = Vec::new();
    for _ in 0..6 {
        let (key, _) = revoked(&fleet, "acme").await;
        said.push(verdict(&fleet, &key).await);
    }
    assert_eq!(said[..5], vec!["revoked revoked"; 5]);
    assert_eq!(said[5], "suspended pending-review");
    let (elsewhere, _) = revoked(&fleet, "globex").await;
    assert_eq!(verdict(&fleet, &elsewhere).await, "revoked revoked");
    let pressed = fleet.devices.pressed_brakes().await.expect("healthy");
    let scopes: Vec<_> = pressed.iter().map(|brake| &brake.scope).collect();
    assert_eq!(scopes, [&BrakeScope::Tenant("acme".to_owned())]);
}

#[tokio::test]
async fn a_few_an_hour_never_press_it() {
    let fleet = Fleet::new().await;
    for _ in 0..4 {
        for _ in 0..5 {
            let (key, _) = revoked(&fleet, "acme").await;
            assert_eq!(verdict(&fleet, &key).await, "revoked revoked");
        }
        fleet.pass(3_600);
    }
}

#[tokio::test]
async fn what_nobody_ordered_presses_it_at_once() {
    let fleet = Fleet::new().await;
    let (key, binding) = stands(&fleet, "acme").await;
    let id = binding.id.to_string();
    let behind_our_back = move |mut connection: sqlx::pool::PoolConnection<sqlx::Sqlite>| async move {
        let update = "UPDATE device_binding SET state = 'revoked' WHERE id = $1";
        sqlx::query(update).bind(id).execute(&mut *connection).await.map(drop)
    };
    fleet.store.call(behind_our_back).await.expect("healthy");
    assert_eq!(verdict(&fleet, &key).await, "suspended pending-review");
    let (ordered, _) = revoked(&fleet, "globex").await;
    assert_eq!(
        verdict(&fleet, &ordered).await,
        "suspended pending-review",
        "nothing is said until somebody has looked"
    );
    let pressed = fleet.devices.pressed_brakes().await.expect("healthy");
    assert_eq!(pressed.first().map(|brake| brake.why), Some(Brake::NobodyOrdered));
    let order = Order { who: "root".to_owned(), why: "looked".to_owned() };
    assert!(fleet.devices.release_brake(BrakeScope::Fleet, order, fleet.now()).await.expect("healthy"));
    assert_eq!(verdict(&fleet, &ordered).await, "revoked revoked");
}

async fn run(fleet: &Fleet, statements: &'static [&'static str]) {
    let work = move |mut connection: sqlx::pool::PoolConnection<sqlx::Sqlite>| async move {
        for statement in statements {
            sqlx::query(*statement).execute(&mut *connection).await?;
        }
        Ok(())
    };
    fleet.store.call(work).await.expect("whoever has the file can do that");
}

/// The registry is looked at.
async fn look(fleet: &Fleet) {
    fleet.pass(60);
    fleet.devices.registry().revocations().poll().await.expect("healthy");
}

#[tokio::test]
async fn a_store_that_lacks_what_was_known_revokes_nobody_until_somebody_has_looked() {
    const LOSE_ONE: &[&str] = &["DELETE FROM device_binding WHERE tenant = 'one'"];
    const LOSE_MORE: &[&str] = &["DELETE FROM device_binding WHERE tenant IN ('two', 'three')"];
    const LOSE_ROWS: &[&str] =
        &["DROP TRIGGER device_audit_kept", "DELETE FROM device_audit WHERE action = 'brake-released'"];
    let fleet = Fleet::new().await;
    for tenant in ["one", "two", "three"] {
        stands(&fleet, tenant).await;
    }
    for _ in 0..17 {
        stands(&fleet, "acme").await;
    }
    let (key, _) = revoked(&fleet, "acme").await;
    look(&fleet).await;
    run(&fleet, LOSE_ONE).await;
    assert_eq!(verdict(&fleet, &key).await, "revoked revoked", "one of twenty-one");
    run(&fleet, LOSE_MORE).await;
    look(&fleet).await;
    assert_eq!(verdict(&fleet, &key).await, "suspended pending-review", "three, and what was known stays known");
    let pressed = fleet.devices.pressed_brakes().await.expect("healthy");
    assert_eq!(pressed.iter().map(|brake| brake.why).collect::<Vec<_>>(), [Brake::RestoredBackup]);
    let order = || Order { who: "root".to_owned(), why: "it is meant".to_owned() };
    let release = async || fleet.devices.release_brake(BrakeScope::Fleet, order(), fleet.now()).await.expect("healthy");
    assert!(release().await);
    assert_eq!(verdict(&fleet, &key).await, "revoked revoked");
    fleet.pass(2 * 3600);
    assert_eq!(verdict(&fleet, &key).await, "revoked revoked", "and not for an hour only");
    run(&fleet, LOSE_ROWS).await;
    assert_eq!(verdict(&fleet, &key).await, "suspended pending-review", "the newest row is gone");
    assert!(release().await);
    assert_eq!(verdict(&fleet, &key).await, "revoked revoked");
}

#[tokio::test]
async fn a_brake_released_for_another_reason_lets_no_backup_speak() {
    let fleet = Fleet::new().await;
    for _ in 0..6 {
        let (key, _) = revoked(&fleet, "acme").await;
        let _ = verdict(&fleet, &key).await;
    }
    let (key, _) = revoked(&fleet, "acme").await;
    look(&fleet).await;
    run(&fleet, &["DELETE FROM device_binding WHERE room = '1' AND state = 'revoked' AND rowid <= 3"]).await;
    let order = Order { who: "root".to_owned(), why: "the office closed".to_owned() };
    assert!(fleet.devices.release_brake(BrakeScope::Fleet, order, fleet.now()).await.expect("healthy"));
    assert_eq!(verdict(&fleet, &key).await, "suspended pending-review");
    let pressed = fleet.devices.pressed_brakes().await.expect("healthy");
    assert_eq!(pressed.iter().map(|brake| brake.why).collect::<Vec<_>>(), [Brake::RestoredBackup]);
}
