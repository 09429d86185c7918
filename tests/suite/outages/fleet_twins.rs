//! Bad twins of what displays hold.

use std::time::Duration;

use auth_core::{
    device::{DevicePolicy, Devices},
    principal::BindingState,
};
use gateway::demo::displays::LegacyDisplay;
use tokio::sync::OnceCell;
use world::{
    World,
    caller::{Caller, Form},
    display::Fleet,
};

use super::{
    flows::ACME,
    oracle::{EXPIRED, OF_ANOTHER_TENANT, SUSPENDED},
    table::CacheState,
    twins::{Impostor, swapped},
};

/// Longer than any device token is good for.
const LONG_OVER: Duration = Duration::from_secs(15 * 24 * 3600);

/// Bad device tokens: of displays that once were good, of good ones that are not here, and of none.
pub(super) async fn of_token(world: &World) -> Vec<Impostor> {
    let now = Duration::ZERO;
    let with = |name, token: &str| Impostor::new(name, Caller::bearing(Form::Device, token));
    let display = world.register(ACME).await;
    let token = world.token_of(&display, now);
    let ended = world.register(ACME).await;
    let revoked = world.token_of(&ended, now);
    world.change(&ended, BindingState::Revoked).await;
    let returned = world.register(ACME).await;
    let of_before = world.token_of(&returned, now);
    world.change(&returned, BindingState::Revoked).await;
    world.change(&returned, BindingState::Active).await;
    let pausing = world.register(ACME).await;
    let suspended = world.token_of(&pausing, now);
    world.change(&pausing, BindingState::Suspended).await;
    let elsewhere = world.token_of(&world.register("globex").await, now);
    vec![
        with(EXPIRED, &world.token_of(&display, LONG_OVER)),
        with("revoked", &revoked),
        with("of-an-old-generation", &of_before),
        with(SUSPENDED, &suspended),
        with(OF_ANOTHER_TENANT, &elsewhere).going_to("/acme/calendar"),
        with("forged", &signed_by(&token, &elsewhere)),
        with("tampered", &swapped(&token, token.len() / 2)),
        with("cut-short", &token[..token.len() - 8]),
        with("for-another-site", &display.token(&of_another_site(&world.devices()), world.clock())),
        // A key that nobody knows may be one that has not reached us.
        with("foreign-keyring", foreign_token().await).unprovable(),
    ]
}

/// What `token` says, with the signature of `other`.
fn signed_by(token: &str, other: &str) -> String {
    let (says, _) = token.rsplit_once('.').expect("a JWT has three parts");
    let (_, signature) = other.rsplit_once('.').expect("a JWT has three parts");
    format!("{says}.{signature}")
}

/// The same gateway, as if it stood before another site.
fn of_another_site(devices: &Devices) -> Devices {
    let policy = DevicePolicy { audience: "https://other.example".into(), ..devices.policy().clone() };
    let registry = devices.registry();
    Devices::new(devices.keyring().clone(), registry.store().clone(), registry.revocations().clone(), policy)
}

/// A good token of another gateway, which has a keyring of its own.
async fn foreign_token() -> &'static str {
    static FOREIGN: OnceCell<String> = OnceCell::const_new();
    let made = async || {
        let elsewhere = Fleet::start().await;
        let display = elsewhere.register(ACME).await;
        display.token(&elsewhere.devices, &elsewhere.clock)
    };
    FOREIGN.get_or_init(made).await
}

/// Longer than a refusal must have been on record before it is shown.
const SETTLED: Duration = Duration::from_secs(601);

/// Bad tokens of before. Most of them the monolith still knows: what it says of them is not heard any more.
pub(super) async fn of_legacy_token(world: &World, cache_state: CacheState) -> Vec<Impostor> {
    let known = |number: u32, tenant: &str| {
        let display = LegacyDisplay::numbered(number, tenant);
        (world.monolith.add_display(display.clone()), display.id)
    };
    let [(refused, _), (refused_unseen, _), (refused_lately, _), (gone, _)] =
        [101, 102, 103, 107].map(|number| known(number, ACME));
    let [(revoked, revoked_id), (suspended, suspended_id)] = [104, 105].map(|number| known(number, ACME));
    let (elsewhere, _) = known(106, "globex");
    world.monolith.remove_display(&gone);
    for token in [&refused, &revoked, &suspended] {
        world.warm_up(&mut Caller::bearing(Form::Device, token), "/fleet/calendar").await;
    }
    world.refuse_legacy(&[&refused, &refused_unseen]).await;
    world.change_adopted(&revoked_id, BindingState::Revoked).await;
    world.change_adopted(&suspended_id, BindingState::Suspended).await;
    world.advance(SETTLED);
    world.refuse_legacy(&[&refused_lately]).await;
    let with = |name, token: &str| Impostor::new(name, Caller::bearing(Form::Device, token));
    let lately = with("refused-lately", &refused_lately);
    vec![
        // Hours later it has settled too.
        if cache_state == CacheState::Stale { lately } else { lately.spared() },
        with("refused", &refused),
        with("refused-unseen", &refused_unseen),
        with("revoked", &revoked),
        // An app of before may take any refusal for the end.
        with(SUSPENDED, &suspended).spared(),
        with(OF_ANOTHER_TENANT, &elsewhere).going_to("/acme/calendar").spared(),
        // The monolith's no proves nothing.
        with("no-longer-known", &gone).spared(),
        with("made-up", "evb_Zx0000000000000000000000made0up").unprovable(),
    ]
}
