//! What somebody tries with other people's displays: to get one's token, to guess PINs, to come back after a revocation, and
//! to have many of them erase what they hold.

use std::time::Duration;

use auth_core::device::{
    activation::{Administrator, AskingNetwork, PinAnswer, PollAnswer, TypedTag},
    grant::GrantAnswer,
    registry::Order,
    statement::{BrakeScope, StatementRequest},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::ExposeSecret;
use serde_json::Value;
use world::{
    display::{DisplayKey, Fleet, administrator},
    store::Store,
};

use super::{Attack, Probes};

pub(super) const ATTACKS: &[Attack] = &[
    Attack { name: "device_codes_overheard", fault: "code-of-another-key", run: || Box::pin(device_codes_overheard()) },
    Attack { name: "pins_guessed", fault: "guesses-uncounted", run: || Box::pin(pins_guessed()) },
    Attack {
        name: "pins_guessed_by_a_whole_tenant",
        fault: "tag-not-asked",
        run: || Box::pin(pins_guessed_by_a_whole_tenant()),
    },
    Attack { name: "pins_used_again", fault: "pin-reused", run: || Box::pin(pins_used_again()) },
    Attack {
        name: "revoked_displays_that_come_back",
        fault: "grant-ignores-revocation",
        run: || Box::pin(revoked_displays_that_come_back()),
    },
    Attack {
        name: "statements_for_another_moment",
        fault: "statement-without-nonce",
        run: || Box::pin(statements_for_another_moment()),
    },
    Attack {
        name: "revocations_of_a_restored_backup",
        fault: "restored-backup-unseen",
        run: || Box::pin(revocations_of_a_restored_backup()),
    },
    Attack { name: "mass_revocation", fault: "brake-off", run: || Box::pin(mass_revocation()) },
];

/// Somebody who has overheard an activation's id and device code, and has a key of their own.
async fn device_codes_overheard() -> Probes {
    let fleet = Fleet::start().await;
    let (display, thief) = (fleet.proven(&DisplayKey::new()), fleet.proven(&DisplayKey::new()));
    let activation = fleet.begin(&display).await;
    let poll = async |key| {
        let (id, code) = (activation.id.as_str(), activation.device_code.expose_secret());
        fleet.devices.poll_activation(key, id, code, fleet.now()).await.expect("the store is whole")
    };
    let mut probes = Probes::default();
    let mut attempt = async |when: &str| {
        let said = poll(&thief).await;
        probes.made(!matches!(said, PollAnswer::Expired), || format!("{when}: the thief is told of it"));
    };
    attempt("before the PIN was typed").await;
    let ada = administrator("ada", "acme");
    let confirmed = fleet.devices.confirm_activation(&activation.id, "acme", "4.12", &ada, fleet.now()).await;
    confirmed.expect("the store is whole");
    attempt("after it").await;
    let said = poll(&display).await;
    assert!(matches!(said, PollAnswer::Granted(_)), "the display gets its token");
    probes
}

/// An administrator who types one PIN after the other. Each that is looked at beyond the budget has succeeded.
async fn pins_guessed() -> Probes {
    let fleet = Fleet::start().await;
    let eve = administrator("eve", "acme");
    let mut probes = Probes::default();
    for guess in 0..30_u32 {
        let pin = format!("{:08}", guess * 1_000_003).parse().expect("a PIN");
        let said =
            fleet.devices.find_pin(pin, TypedTag::NotAsked, &eve, fleet.now()).await.expect("the store is whole");
        let is_stopped = matches!(said, PinAnswer::TooManyGuesses { .. });
        probes.made(guess >= 5 && !is_stopped, || format!("guess {guess} within a quarter of an hour: {said:?}"));
        fleet.clock.advance(Duration::from_secs(10));
    }
    probes
}

/// The administrators of one tenant, each within their own budget and in a network of their own.
async fn pins_guessed_by_a_whole_tenant() -> Probes {
    let fleet = Fleet::start().await;
    let (open, other) =
        (fleet.begin(&fleet.proven(&DisplayKey::new())).await, fleet.begin(&fleet.proven(&DisplayKey::new())).await);
    let person = |number: u8| Administrator {
        network: AskingNetwork::of([192, 0, 2, number].into()),
        ..administrator(&format!("eve{number}"), "acme")
    };
    let mut probes = Probes::default();
    for guess in 0..60_u8 {
        let pin = format!("{:08}", u32::from(guess) * 1_000_003).parse().expect("a PIN");
        let said = fleet.devices.find_pin(pin, TypedTag::NotAsked, &person(guess / 5), fleet.now()).await;
        let was_looked_at = matches!(said.expect("the store is whole"), PinAnswer::NotFound { .. });
        probes.made(guess >= 20 && was_looked_at, || format!("guess {guess} within an hour was looked at"));
    }
    // The right PIN, as if it had been hit.
    for tag in [TypedTag::NotAsked, TypedTag::NoneShown, TypedTag::Typed(other.tag)] {
        let said = fleet.devices.find_pin(open.pin, tag, &person(90), fleet.now()).await.expect("the store is whole");
        probes.made(matches!(said, PinAnswer::Found(_)), || format!("a PIN without its tag: {said:?}"));
    }
    let tag = TypedTag::Typed(open.tag);
    let said = fleet.devices.find_pin(open.pin, tag, &person(91), fleet.now()).await.expect("the store is whole");
    assert!(matches!(said, PinAnswer::Found(_)), "who stands before it activates it: {said:?}");
    probes
}

/// A PIN that was seen on a display and is typed once more, after it was used.
async fn pins_used_again() -> Probes {
    let fleet = Fleet::start().await;
    let mut probes = Probes::default();
    for who in ["eve", "mallory", "ada"] {
        let activation = fleet.begin(&fleet.proven(&DisplayKey::new())).await;
        let ada = administrator("ada", "acme");
        let found = fleet
            .devices
            .find_pin(activation.pin, TypedTag::NotAsked, &ada, fleet.now())
            .await
            .expect("the store is whole");
        assert!(matches!(found, PinAnswer::Found(_)), "the first time it is found");
        let confirmed = fleet.devices.confirm_activation(&activation.id, "acme", "4.12", &ada, fleet.now()).await;
        confirmed.expect("the store is whole");
        let other = administrator(who, "acme");
        let said = fleet
            .devices
            .find_pin(activation.pin, TypedTag::NotAsked, &other, fleet.now())
            .await
            .expect("the store is whole");
        probes.made(matches!(said, PinAnswer::Found(_)), || format!("{who}: {said:?}"));
    }
    probes
}

/// A display that was revoked asks for a token by its key, with and without its old token.
async fn revoked_displays_that_come_back() -> Probes {
    let fleet = Fleet::start().await;
    let (key, device) = fleet.registered("acme").await;
    let said = fleet.devices.reactivate(&key, fleet.now()).await.expect("the store is whole");
    let GrantAnswer::Granted(grant) = said else { panic!("it stands: {said:?}") };
    fleet.revoke(&device).await;
    let mut probes = Probes::default();
    for present in ["", "nonsense", grant.token.text.expose_secret()] {
        let said = fleet.devices.renew(&key, present, fleet.now()).await.expect("the store is whole");
        probes.made(matches!(said, GrantAnswer::Granted(_)), || format!("a renewal with {present:?}"));
    }
    let said = fleet.devices.reactivate(&key, fleet.now()).await.expect("the store is whole");
    probes.made(matches!(said, GrantAnswer::Granted(_)), || "a reactivation".to_owned());
    probes
}

fn claims(statement: &str) -> Value {
    let payload = statement.split('.').nth(1).expect("a JWS");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).expect("base64url")).expect("JSON")
}

fn request(nonce: &str) -> StatementRequest {
    StatementRequest { nonce: nonce.parse().expect("a nonce"), device: None, generation: None }
}

/// A statement that does not name the nonce of who asked for it could be kept and shown to the display later.
async fn statements_for_another_moment() -> Probes {
    let fleet = Fleet::start().await;
    let (key, device) = fleet.registered("acme").await;
    let mut probes = Probes::default();
    for (round, nonce) in ["AAECAwQFBgcICQoLDA0ODw", "DwECAwQFBgcICQoLDA0ODw"].into_iter().enumerate() {
        let statement = fleet.devices.state(&key, &request(nonce), fleet.now()).await.expect("the store is whole");
        let said = claims(&statement);
        probes.made(said["nonce"] != nonce, || format!("{nonce}: {said}"));
        if round == 0 {
            fleet.revoke(&device).await;
        }
    }
    probes
}

/// A store that was put back from a backup, before the gateway started again or under its hands, asked about a display
/// that is revoked in it.
async fn revocations_of_a_restored_backup() -> Probes {
    let mut probes = Probes::default();
    for later in [1, 30] {
        let fleet = Fleet::start().await;
        let (store, copy) = (Store::at(fleet.store_path()), fleet.store_path().with_extension("copy"));
        let (key, device) = fleet.registered("acme").await;
        fleet.revoke(&device).await;
        let asked = request("AAECAwQFBgcICQoLDA0ODw");
        let state = async || claims(&fleet.devices.state(&key, &asked, fleet.now()).await.expect("the store is whole"));
        assert_eq!(state().await["verdict"], "revoked", "as long as nothing is odd");
        store.back_up(&copy).await.expect("it can be read");
        for _ in 0..later {
            fleet.registered("acme").await;
        }
        let look = async || {
            fleet.clock.advance(Duration::from_secs(61));
            fleet.devices.registry().revocations().poll().await.expect("the store is whole");
        };
        look().await;
        assert_eq!(state().await["verdict"], "revoked", "more displays are nothing odd");
        store.restore(&copy).expect("whoever has the folder can do that");
        for _ in 0..2 {
            look().await;
            let said = state().await;
            let erases = said["wipe"].as_array().is_none_or(|wipe| !wipe.is_empty());
            probes.made(erases, || format!("with {later} displays lost: {said}"));
        }
        let pressed = fleet.devices.pressed_brakes().await.expect("the store is whole");
        if let [pressed] = &pressed[..] {
            assert_eq!((&pressed.scope, pressed.why.as_str()), (&BrakeScope::Fleet, "restored-backup"));
            let order = Order { who: "root".to_owned(), why: "the backup is what counts".to_owned() };
            let released = fleet.devices.release_brake(BrakeScope::Fleet, order, fleet.now()).await;
            assert!(released.expect("the store is whole"), "it was pressed");
            assert_eq!(state().await["verdict"], "revoked", "somebody has looked");
        }
    }
    probes
}

/// A whole tenant is revoked in one go. Every display beyond the fifth that is told to erase something has lost it.
async fn mass_revocation() -> Probes {
    let fleet = Fleet::start().await;
    let mut probes = Probes::default();
    for number in 0..20 {
        let (key, device) = fleet.registered("acme").await;
        fleet.revoke(&device).await;
        let asked = request("AAECAwQFBgcICQoLDA0ODw");
        let said = claims(&fleet.devices.state(&key, &asked, fleet.now()).await.expect("the store is whole"));
        assert!(number >= 5 || said["verdict"] == "revoked", "a few are told: {said}");
        let erases = said["wipe"].as_array().is_none_or(|wipe| !wipe.is_empty());
        probes.made(number >= 5 && erases, || format!("display {number}: {said}"));
    }
    probes
}
