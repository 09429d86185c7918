//! How soon a display that was revoked is refused: at its next request, where the gateway was told so; within ten seconds,
//! where somebody else wrote it into the store.

use std::time::Duration;

use auth_core::{principal::BindingState, revocations::RevocationPolicy};
use gateway::{
    server::control::{self, Command, CommandAnswer, fleet::FleetCommand},
    state::Tuning,
};
use world::{
    World,
    caller::{Caller, Form},
    registered::RegisteredDisplay,
};

use super::fleet;

/// How long a display may go on after another process has revoked it.
const PROMISED: Duration = Duration::from_secs(10);

/// How often somebody looks whether what goes on in the background is done.
const TRIES: u32 = 1000;

const CALENDAR: &str = "/wall/calendar";

/// A display of acme that is served.
async fn served(world: &World) -> (RegisteredDisplay, Caller) {
    let wall = world.register("acme").await;
    let mut app = Caller::bearing(Form::Device, &world.token_of(&wall, Duration::ZERO));
    let heard = world.ask(&mut app, CALENDAR).await;
    assert_eq!(heard.status(), Some(200), "{}", heard.line());
    (wall, app)
}

pub(super) async fn at_the_next_request() {
    let world = fleet(World::new().standing_clock()).await;
    let (wall, mut app) = served(&world).await;
    let order = Command::Fleet(FleetCommand::Change {
        device: wall.binding.device,
        tenant: None,
        to: BindingState::Revoked,
        reason: "stolen".to_owned(),
    });
    let data = world.data();
    let asked = tokio::task::spawn_blocking(move || control::ask(&data, &order)).await.expect("it comes back");
    assert!(matches!(asked, Ok(CommandAnswer::Done(_))), "{asked:?}");
    let heard = world.ask(&mut app, CALENDAR).await;
    assert_eq!((heard.status(), heard.word()), (Some(401), Some("credential-invalid")), "{}", heard.line());
}

pub(super) async fn by_another_process() {
    // What a gateway goes by outside of tests: a poll begins, and its answer comes or is missing, in time.
    let RevocationPolicy { poll, patience } = Tuning::default().revocations;
    assert!(poll + patience <= PROMISED, "{poll:?} and {patience:?}");
    let world = fleet(World::new().standing_clock()).await;
    let (wall, mut app) = served(&world).await;
    let written = world.clock().now().steady();
    world.revoke_elsewhere(&wall).await;
    world.advance(poll + patience);
    // Nobody tells the gateway to ask its store: it does so by itself.
    let mut beat = tokio::time::interval(Duration::from_millis(10));
    for _ in 0..TRIES {
        let heard = world.ask(&mut app, CALENDAR).await;
        if heard.status() == Some(401) {
            assert!(world.clock().now().steady().since(written) <= PROMISED);
            return;
        }
        assert_eq!(heard.status(), Some(200), "{}", heard.line());
        beat.tick().await;
    }
    panic!("the gateway never heard of it");
}
