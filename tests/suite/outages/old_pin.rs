//! What an app of before asks at the service's own PIN screen, which the gateway answers in its place and in its shape; and
//! those who poll for what is not theirs.

use std::time::Duration;

use auth_core::principal::BindingState;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use gateway::demo::displays::PIN;
use serde_json::json;
use world::{
    World,
    caller::{Caller, Form, Heard},
};

use super::{flows::ACME, installer::TRIES, oracle::EXPIRED, protocol::content, twins::Impostor};

/// One request of the app's, to be made again and again.
pub(super) struct PinScreen {
    caller: Caller,
    asks: Asks,
}

enum Asks {
    /// For a PIN, for the device with this serial number.
    New(String),
    /// What became of the PIN that it was given with this id.
    Poll(String),
}

/// What it polls with whose PIN nobody has typed. That is no refusal, and lets nobody in.
pub(super) const NOT_CONFIRMED: &str = "not-confirmed";

/// What it polls with that was given nothing to poll with.
pub(super) const OF_NOBODY: &str = "of-nobody";

/// Longer than a PIN is good for.
const PIN_LIFETIME: Duration = Duration::from_secs(601);

impl PinScreen {
    /// Asks for a PIN.
    pub(super) fn opening(serial: &str) -> Self {
        Self { caller: Caller::new(Form::Device), asks: Asks::New(serial.to_owned()) }
    }

    /// Polls.
    pub(super) fn polling(id: &str) -> Self {
        Self { caller: Caller::new(Form::Device), asks: Asks::Poll(id.to_owned()) }
    }

    /// Sends it.
    pub(super) async fn go(&mut self, world: &World) -> Heard {
        match &self.asks {
            Asks::New(serial) => {
                self.caller.post_json(&world.url(PIN), &json!({ "serial": serial }), &world.monolith).await
            }
            Asks::Poll(id) => self.caller.get(&world.url(&format!("{PIN}/{id}")), &world.monolith).await,
        }
    }
}

/// Whether a PIN is shown.
pub(super) fn is_shown(heard: &Heard) -> bool {
    let said = content(heard);
    said["pin"].is_string() && said["id"].is_string()
}

/// Whether it is told that nobody has typed its PIN yet.
pub(super) fn is_pending(heard: &Heard) -> bool {
    let said = content(heard);
    heard.status() == Some(200) && said["status"] == "pending" && said["token"].is_null()
}

/// Whether it is told that its PIN is over.
pub(super) fn is_over(heard: &Heard) -> bool {
    heard.status() == Some(404) && content(heard)["error"].is_string()
}

/// The id of a new PIN. What a busy machine misses is tried again.
async fn opened(world: &World, serial: &str) -> String {
    for _ in 0..TRIES {
        let heard = PinScreen::opening(serial).go(world).await;
        if let Some(id) = content(&heard)["id"].as_str() {
            return id.to_owned();
        }
    }
    panic!("no PIN was to be had");
}

/// The id of a PIN that an administrator has confirmed, and the device that shows it.
pub(super) async fn confirmed(world: &World, serial: &str) -> (String, String) {
    let id = opened(world, serial).await;
    let (activation, _) = id.split_once('.').expect("an activation and a code");
    let device = world.confirm(&json!({ "activation_id": activation }), ACME).await;
    (id, device.to_string())
}

/// Those who poll for a PIN that is over, that nobody has typed, that nobody was given, or whose device was revoked since.
/// Time goes on, so they come before the good one.
pub(super) async fn of_polls(world: &World) -> Vec<Impostor> {
    const REVOKED: &str = "sn-old-revoked";
    let polling = |name, id: &str| Impostor::sending(name, PinScreen::polling(id));
    let expired = opened(world, "sn-old-expired").await;
    world.advance(PIN_LIFETIME);
    let (revoked, _) = confirmed(world, REVOKED).await;
    world.change_adopted(REVOKED, BindingState::Revoked).await;
    let open = opened(world, "sn-old-open").await;
    let made_up = format!("6{}.{}", URL_SAFE_NO_PAD.encode([1; 16]), code());
    vec![
        polling(EXPIRED, &expired),
        polling("revoked", &revoked),
        polling(NOT_CONFIRMED, &open),
        polling(OF_NOBODY, &made_up),
    ]
}

/// Who polls for the good one's PIN, and was not given its code.
pub(super) fn of_another_code(id: &str) -> Impostor {
    let (activation, _) = id.split_once('.').expect("an activation and a code");
    Impostor::sending("with-another-code", PinScreen::polling(&format!("{activation}.{}", code())))
}

/// A code of the right form that nobody was given.
fn code() -> String {
    URL_SAFE_NO_PAD.encode([7; 32])
}
