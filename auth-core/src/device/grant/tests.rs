//! Every row of the table, and every answer that can be lost.

use secrecy::ExposeSecret;
use sqlx::{Connection as _, Sqlite, pool::PoolConnection};
use tokio::{sync::oneshot, task::JoinHandle};

use super::*;
use crate::{
    background::Background,
    database::Disturbance,
    device::registry::{NewDevice, Order},
    principal::Generation,
    testing::fleet::{Fleet, display, key},
};

fn word(answer: &GrantAnswer) -> String {
    match answer {
        GrantAnswer::Granted(grant) => format!("granted {} {}", grant.binding.tenant, grant.binding.generation),
        GrantAnswer::Ambiguous => "ambiguous".to_owned(),
        GrantAnswer::Suspended => "suspended".to_owned(),
        GrantAnswer::Revoked => "revoked".to_owned(),
        GrantAnswer::Unknown => "unknown".to_owned(),
    }
}

async fn back(fleet: &Fleet, key: &ProvenDeviceKey) -> String {
    word(&fleet.devices.reactivate(key, fleet.now()).await.expect("healthy"))
}

async fn renewed(fleet: &Fleet, key: &ProvenDeviceKey, present: &str) -> String {
    word(&fleet.devices.renew(key, present, fleet.now()).await.expect("healthy"))
}

async fn token(fleet: &Fleet, key: &ProvenDeviceKey) -> String {
    match fleet.devices.reactivate(key, fleet.now()).await.expect("healthy") {
        GrantAnswer::Granted(grant) => grant.token.text.expose_secret().to_owned(),
        other => panic!("{}", word(&other)),
    }
}

/// What the registry holds of a device's two places.
#[derive(Clone, Copy, Debug)]
struct Places(Option<BindingState>, Option<BindingState>);

async fn in_places(fleet: &Fleet, Places(acme, globex): Places) -> ProvenDeviceKey {
    let key = key();
    let mut bound = Vec::new();
    for (tenant, state) in [("acme", acme), ("globex", globex)] {
        if let Some(state) = state {
            let registry = fleet.devices.registry();
            let order = || crate::device::registry::Order { who: "root".to_owned(), why: "a test".to_owned() };
            let binding = match registry.of_key(key.thumbprint()).await.expect("healthy") {
                Some((_, device)) => registry
                    .bind(device.id, tenant.to_owned(), "1".to_owned(), order(), fleet.now())
                    .await
                    .expect("healthy")
                    .expect("it is known"),
                None => fleet.activated(&key, tenant).await,
            };
            bound.push((binding, state));
        }
    }
    for (binding, state) in bound {
        fleet.change(&binding, state).await;
    }
    key
}

#[tokio::test]
async fn a_device_comes_back_where_it_stands_once() {
    use BindingState::{Active, Revoked, Suspended};
    let fleet = Fleet::new().await;
    assert_eq!(back(&fleet, &key()).await, "unknown", "a key that nobody knows");
    for (places, expected) in [
        (Places(Some(Active), None), "granted acme 1"),
        (Places(Some(Active), Some(Active)), "ambiguous"),
        (Places(Some(Suspended), None), "suspended"),
        (Places(Some(Revoked), None), "revoked"),
        (Places(Some(Revoked), Some(Suspended)), "suspended"),
        (Places(Some(Revoked), Some(Revoked)), "revoked"),
        (Places(Some(Active), Some(Revoked)), "granted acme 1"),
        (Places(Some(Revoked), Some(Active)), "granted globex 1"),
        (Places(Some(Suspended), Some(Active)), "granted globex 1"),
    ] {
        let key = in_places(&fleet, places).await;
        for _ in 0..2 {
            assert_eq!(back(&fleet, &key).await, expected, "{places:?}");
            assert_eq!(renewed(&fleet, &key, "").await, expected, "without a token the key decides: {places:?}");
        }
    }
    fleet.break_store().await;
    let down = fleet.devices.reactivate(&key(), fleet.now()).await.map(|_| ()).map_err(|down| down.dependency);
    assert_eq!(down, Err(Dependency::Store));
}

#[tokio::test]
async fn coming_back_is_recorded_once_an_hour() {
    let fleet = Fleet::new().await;
    let key = in_places(&fleet, Places(Some(BindingState::Active), None)).await;
    let count = async || fleet.audited().await.iter().filter(|action| *action == "auto-reactivated").count();
    for (wait, expected) in [(0, 1), (1, 1), (3_598, 1), (1, 2), (0, 2)] {
        fleet.pass(wait);
        assert_eq!(back(&fleet, &key).await, "granted acme 1");
        assert_eq!(count().await, expected);
    }
    assert_eq!(renewed(&fleet, &key, "").await, "granted acme 1");
    assert_eq!(count().await, 2, "a renewal is not");
}

/// Displays with keys that the registry knows.
async fn registered(fleet: &Fleet, count: usize) -> Vec<ProvenDeviceKey> {
    let mut keys = Vec::new();
    for number in 0..count {
        let (key, order) = (key(), Order { who: "root".to_owned(), why: "a test".to_owned() });
        let (description, public) = (display(&format!("s{number}")), Some(key.public().clone()));
        let new = NewDevice { description, key: public, tenant: "acme".to_owned(), room: "1".to_owned() };
        fleet.devices.registry().register(new, order, fleet.now()).await.expect("healthy");
        keys.push(key);
    }
    keys
}

/// What each of them is told that come back at the same time.
async fn come_back(fleet: &Fleet, keys: &[ProvenDeviceKey]) -> Vec<Result<GrantAnswer, Unavailable>> {
    let coming: Vec<_> = keys.iter().map(|key| begin_coming_back(fleet, key)).collect();
    let mut told = Vec::new();
    for came in coming {
        told.push(came.await.expect("it ends"));
    }
    told
}

fn begin_coming_back(fleet: &Fleet, key: &ProvenDeviceKey) -> JoinHandle<Result<GrantAnswer, Unavailable>> {
    let (devices, key, now) = (fleet.devices.clone(), key.clone(), fleet.now());
    tokio::spawn(async move { devices.reactivate(&key, now).await })
}

async fn came_back(fleet: &Fleet) -> usize {
    fleet.audited().await.iter().filter(|action| *action == "auto-reactivated").count()
}

/// Somebody else writes, until they are told to go on.
async fn somebody_else_writes(fleet: &Fleet) -> (oneshot::Sender<()>, JoinHandle<Result<(), Unavailable>>) {
    let ((begun, has_begun), (go, gate)) = (oneshot::channel(), oneshot::channel::<()>());
    let store = fleet.store.clone();
    let other = tokio::spawn(async move {
        let work = |mut connection: PoolConnection<Sqlite>| async move {
            let writing = connection.begin_with("BEGIN IMMEDIATE").await?;
            let _ = begun.send(());
            let _ = gate.await;
            writing.rollback().await
        };
        store.call(work).await
    });
    has_begun.await.expect("nobody else writes");
    (go, other)
}

/// A connection for each of them would leave none for the question who is revoked.
#[tokio::test]
async fn a_fleet_that_comes_back_at_once_leaves_room_in_the_store() {
    let fleet = Fleet::new().await;
    let keys = registered(&fleet, 20).await;
    let (go, other) = somebody_else_writes(&fleet).await;
    let coming: Vec<_> = keys.iter().map(|key| begin_coming_back(&fleet, key)).collect();
    for _ in 0..100 {
        fleet.devices.registry().list(None, None, 1).await.expect("whoever only reads is not held up");
    }
    go.send(()).expect("it waits");
    other.await.expect("it ends").expect("it was not too long");
    for came in coming {
        assert!(matches!(came.await.expect("it ends"), Ok(GrantAnswer::Granted(_))));
    }
    assert_eq!(came_back(&fleet).await, 20);
}

#[tokio::test]
async fn whoever_would_wait_too_long_to_be_written_down_is_asked_to_come_later() {
    let fleet = Fleet::new().await;
    let keys = registered(&fleet, 1).await;
    let known = fleet.devices.registry().of_key(keys[0].thumbprint()).await.expect("healthy");
    let (_, device) = known.expect("it is registered");
    let (go, other) = somebody_else_writes(&fleet).await;
    let record = || {
        let (devices, now) = (fleet.devices.clone(), fleet.now());
        let came = ComingBack { binding: device.bindings[0].clone(), key: keys[0].thumbprint(), now };
        tokio::spawn(async move {
            devices.0.comings_back.record(came, devices.registry().store(), &Background::current()).await
        })
    };
    let recording: Vec<_> = (0..2000).map(|_| record()).collect();
    // Whoever is turned away does not wait for the store.
    let mut told = Vec::new();
    let mut go = Some(go);
    for recorded in recording.into_iter().rev() {
        told.push(recorded.await.expect("it ends"));
        if let Some(go) = go.take() {
            go.send(()).expect("it waits");
        }
    }
    other.await.expect("it ends").expect("it was not too long");
    let later = told.iter().filter(|told| told.is_err()).count();
    assert!((1..=1000).contains(&later), "{later}");
    assert!(told.iter().flat_map(|told| told.as_ref().err()).all(|down| down.dependency == Dependency::Store));
    assert_eq!(came_back(&fleet).await, 1);
}

/// More than one transaction takes, too.
#[tokio::test]
async fn whoever_is_told_that_it_came_back_is_on_record() {
    let fleet = Fleet::new().await;
    let keys = registered(&fleet, 220).await;
    fleet.store.disturb(Disturbance::Full).await.expect("healthy until now");
    let mut granted = 0;
    for told in come_back(&fleet, &keys).await {
        match told {
            // There may be room for the first few.
            Ok(answer) => granted += usize::from(matches!(answer, GrantAnswer::Granted(_))),
            Err(down) => assert_eq!(down.dependency, Dependency::Store),
        }
    }
    assert!(granted < keys.len(), "the store is full");
    assert_eq!(came_back(&fleet).await, granted);
    fleet.heal_store().await;
    for told in come_back(&fleet, &keys).await {
        assert!(matches!(told, Ok(GrantAnswer::Granted(_))), "{told:?}");
    }
    assert_eq!(came_back(&fleet).await, keys.len());
}

#[tokio::test]
async fn the_present_token_says_which_place_is_meant_and_no_more() {
    let fleet = Fleet::new().await;
    let key = in_places(&fleet, Places(Some(BindingState::Active), None)).await;
    let present = token(&fleet, &key).await;
    let (_, device) = fleet.devices.registry().of_key(key.thumbprint()).await.expect("healthy").expect("it is known");
    let order = crate::device::registry::Order { who: "root".to_owned(), why: "a test".to_owned() };
    let second =
        fleet.devices.registry().bind(device.id, "globex".to_owned(), "1".to_owned(), order, fleet.now()).await;
    let second = second.expect("healthy").expect("it is known");
    assert_eq!(renewed(&fleet, &key, "").await, "ambiguous");
    for _ in 0..3 {
        assert_eq!(renewed(&fleet, &key, &present).await, "granted acme 1", "an answer that was lost costs nothing");
    }
    fleet.pass(400 * 24 * 3600);
    assert_eq!(renewed(&fleet, &key, &present).await, "granted acme 1", "however old it is");
    let forged = format!("{}x", &present[..present.len() - 1]);
    for nonsense in ["", "nonsense", "a.b.c", &*forged] {
        assert_eq!(renewed(&fleet, &key, nonsense).await, "ambiguous", "{nonsense}");
    }
    // Another device's token leads nowhere.
    let other = in_places(&fleet, Places(Some(BindingState::Active), None)).await;
    assert_eq!(renewed(&fleet, &other, &present).await, "granted acme 1");
    assert_eq!(renewed(&fleet, &key, &token(&fleet, &other).await).await, "ambiguous");
    fleet.change(&device.bindings[0], BindingState::Suspended).await;
    assert_eq!(renewed(&fleet, &key, &present).await, "suspended");
    fleet.change(&device.bindings[0], BindingState::Revoked).await;
    assert_eq!(renewed(&fleet, &key, &present).await, "granted globex 1");
    fleet.change(&second, BindingState::Revoked).await;
    assert_eq!(renewed(&fleet, &key, &present).await, "revoked");
}

#[tokio::test]
async fn what_began_anew_has_the_new_generation() {
    let fleet = Fleet::new().await;
    let key = key();
    let binding = fleet.activated(&key, "acme").await;
    let old = token(&fleet, &key).await;
    fleet.change(&binding, BindingState::Revoked).await;
    assert_eq!(renewed(&fleet, &key, &old).await, "revoked");
    fleet.pass(601);
    assert_eq!(fleet.activated(&key, "acme").await.generation, Generation::new(2));
    assert_eq!(renewed(&fleet, &key, &old).await, "granted acme 2");
}

#[tokio::test]
async fn a_key_is_replaced_in_two_steps() {
    let fleet = Fleet::new().await;
    let old = in_places(&fleet, Places(Some(BindingState::Active), None)).await;
    let (lost, new, thief) = (key(), key(), key());
    let replace = async |old: &ProvenDeviceKey, new: &ProvenDeviceKey| {
        fleet.devices.replace_key(old, new, fleet.now()).await.expect("healthy")
    };
    assert_eq!(replace(&lost, &new).await, KeyAnswer::Unknown);
    for _ in 0..2 {
        assert_eq!(replace(&old, &lost).await, KeyAnswer::Added(lost.thumbprint()));
    }
    // The device has forgotten that key before it used it.
    assert_eq!(replace(&old, &new).await, KeyAnswer::Added(new.thumbprint()));
    fleet.pass(30 * 24 * 3600);
    assert_eq!(back(&fleet, &lost).await, "unknown");
    assert_eq!(back(&fleet, &old).await, "granted acme 1", "however long the new one is not used");
    assert_eq!(back(&fleet, &new).await, "granted acme 1");
    assert_eq!(back(&fleet, &old).await, "granted acme 1");
    assert_eq!(replace(&old, &thief).await, KeyAnswer::Taken, "in its last week it gets no other");
    assert_eq!(replace(&old, &new).await, KeyAnswer::Added(new.thumbprint()));
    fleet.pass(7 * 24 * 3600 - 1);
    assert_eq!(back(&fleet, &old).await, "granted acme 1");
    fleet.pass(1);
    assert_eq!(back(&fleet, &old).await, "unknown");
    assert_eq!(back(&fleet, &new).await, "granted acme 1");
    let other = in_places(&fleet, Places(Some(BindingState::Active), None)).await;
    assert_eq!(replace(&other, &new).await, KeyAnswer::Taken);
    let audited = fleet.audited().await;
    let of_keys: Vec<_> = audited.iter().filter(|action| action.starts_with("key-")).collect();
    assert_eq!(of_keys, ["key-added", "key-added", "key-replaced"]);
}

#[tokio::test]
async fn what_is_not_admitted_gets_no_other_key() {
    let fleet = Fleet::new().await;
    for (state, expected) in
        [(BindingState::Suspended, KeyAnswer::Suspended), (BindingState::Revoked, KeyAnswer::Revoked)]
    {
        let old = in_places(&fleet, Places(Some(state), None)).await;
        let said = fleet.devices.replace_key(&old, &key(), fleet.now()).await.expect("healthy");
        assert_eq!(said, expected);
    }
}

#[tokio::test]
async fn a_key_that_only_one_clock_calls_over_is_neither() {
    let fleet = Fleet::new().await;
    let old = in_places(&fleet, Places(Some(BindingState::Active), None)).await;
    let new = key();
    fleet.devices.replace_key(&old, &new, fleet.now()).await.expect("healthy");
    assert_eq!(back(&fleet, &new).await, "granted acme 1");
    fleet.clock.step_wall(8 * 24 * 3600);
    let said = fleet.devices.reactivate(&old, fleet.now()).await.map(|_| ()).map_err(|down| down.dependency);
    assert_eq!(said, Err(Dependency::Clock));
    assert_eq!(back(&fleet, &new).await, "granted acme 1");
}

/// Takes every row of the registry away, as a store that was lost and made again has none.
async fn lose_the_registry(fleet: &Fleet) {
    const LOSE: [&str; 3] = ["DELETE FROM device_key", "DELETE FROM device_binding", "DELETE FROM device"];
    let lose = |mut connection: sqlx::pool::PoolConnection<sqlx::Sqlite>| async move {
        for statement in LOSE {
            sqlx::query(statement).execute(&mut *connection).await?;
        }
        Ok(())
    };
    fleet.devices.registry().store().call(lose).await.expect("healthy");
}

#[tokio::test]
async fn a_registry_that_was_lost_is_written_again_by_the_tokens_that_it_gave() {
    use BindingState::{Active, Revoked, Suspended};
    for (state, expected) in [
        (None, "granted acme 1"),
        (Some(Suspended), "suspended"),
        (Some(Revoked), "revoked"),
        (Some(Active), "granted acme 2"),
    ] {
        let fleet = Fleet::new().await;
        let (key, stranger) = (key(), key());
        let binding = fleet.activated(&key, "acme").await;
        let old = token(&fleet, &key).await;
        let mut present = old.clone();
        if let Some(state) = state {
            if state == Active {
                fleet.change(&binding, Revoked).await;
            }
            fleet.change(&binding, state).await;
        }
        if state == Some(Active) {
            present = token(&fleet, &key).await;
        }
        lose_the_registry(&fleet).await;
        assert_eq!(back(&fleet, &key).await, "unknown", "without its token nobody knows it");
        assert_eq!(renewed(&fleet, &stranger, &present).await, "unknown");
        assert_eq!(renewed(&fleet, &key, &present).await, expected, "{state:?}");
        assert_eq!(renewed(&fleet, &key, &present).await, expected, "{state:?}, again");
        if state == Some(Active) {
            fleet.change(&binding, Revoked).await;
            assert_eq!(renewed(&fleet, &key, &present).await, "revoked", "what is restored can be ended");
            let verdict = fleet.devices.verify(&CredentialText::new(present), fleet.now());
            assert!(matches!(verdict, Err(Stop::Rejected(_))), "{verdict:?}");
        }
    }
}
