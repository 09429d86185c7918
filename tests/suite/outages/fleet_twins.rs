//! Bad twins of what displays hold.

use std::{sync::Arc, time::Duration};

use auth_core::{
    device::{DevicePolicy, Devices},
    principal::BindingState,
};
use gateway::demo::displays::LegacyDisplay;
use tokio::sync::OnceCell;
use world::{
    World,
    caller::{Caller, Form},
    display::{DisplayKey, Fleet},
};

use super::{
    flows::ACME,
    installer::{self, Installation},
    old_pin,
    oracle::{EXPIRED, OF_ANOTHER_TENANT, SUSPENDED},
    protocol::ProtocolRequest,
    table::{CacheState, Flow},
    twins::{self, Impostor, swapped},
};

/// Whose key nobody knows.
pub(super) const OF_ANOTHER_KEY: &str = "of-another-key";

/// Whose key was replaced longer ago than it is good for.
const REPLACED_LONG_AGO: &str = "replaced-long-ago";

/// Of whom nothing is known that a store would have to say.
pub(super) const UNKNOWN: [&str; 3] = [OF_ANOTHER_KEY, REPLACED_LONG_AGO, old_pin::OF_NOBODY];

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

/// Longer than a PIN is good for.
const PIN_LIFETIME: Duration = Duration::from_secs(601);

/// Whoever asks what became of a PIN that is over. Time goes on, so it comes before the good one asks for its own.
pub(super) async fn of_an_activation_that_is_over(world: &World) -> Impostor {
    let key = Arc::new(DisplayKey::new());
    let begun = installer::new_pin(world, &key).await;
    world.advance(PIN_LIFETIME);
    Impostor::sending(EXPIRED, ProtocolRequest::poll(key, &begun))
}

/// Requests of those who do not hold the key that they name, or prove it over what is no nonce of this gateway's, or hold
/// one that is not in any more. `made` makes the request that a display with this key would send.
pub(super) async fn of_request(
    world: &World,
    flow: Flow,
    good: &Arc<DisplayKey>,
    made: &impl Fn(&Arc<DisplayKey>) -> ProtocolRequest,
) -> Vec<Impostor> {
    let thief = Arc::new(DisplayKey::new());
    let mut spent = ProtocolRequest::statement(good.clone());
    let nonce = spent.fresh_nonce(world).await.expect("nonces need nobody");
    spent.over(nonce.clone()).go(world).await;
    // A process that has just started takes none that is older than its own: time does not stand still meanwhile.
    world.advance(Duration::from_secs(1));
    let mut twins = vec![
        Impostor::sending("without-the-key", made(good).by(thief.clone()).in_the_name_of(good.jwk())),
        Impostor::sending("foreign-nonce", made(good).over(Fleet::start().await.nonce())),
        Impostor::sending("used-nonce", made(good).over(nonce)),
    ];
    match flow {
        Flow::Activation => return twins,
        // For renewal: a token that was stolen without its key. For polling: a device code.
        _ => twins.push(Impostor::sending(OF_ANOTHER_KEY, made(&thief))),
    }
    if flow == Flow::Polling {
        return twins;
    }
    for (name, to) in [("revoked", BindingState::Revoked), (SUSPENDED, BindingState::Suspended)] {
        let display = world.register(ACME).await;
        let token = world.token_of(&display, Duration::ZERO);
        world.change(&display, to).await;
        let request = match flow {
            Flow::Renewal => ProtocolRequest::renewal(display.key, &token),
            _ => made(&display.key),
        };
        twins.push(Impostor::sending(name, request));
    }
    if flow == Flow::Reactivation {
        let display = world.register(ACME).await;
        world.bind(&display, "globex").await;
        twins.push(Impostor::sending("of-two-tenants", made(&display.key)));
    }
    twins
}

/// Longer than a key is good for after its successor was used.
const LAST_WEEK: Duration = Duration::from_secs(7 * 24 * 3600 + 1);

/// Those who would put a key in place of one that is not theirs to replace, or one that is not theirs in its place. Time
/// goes on by a week.
pub(super) async fn of_replaced_keys(world: &World) -> Vec<Impostor> {
    let new_key = || Arc::new(DisplayKey::new());
    let replaced = async || {
        let (display, new) = (world.register(ACME).await, new_key());
        ProtocolRequest::rotation(display.key.clone(), new.clone()).done(world).await;
        ProtocolRequest::reactivation(new).done(world).await;
        ProtocolRequest::rotation(display.key, new_key())
    };
    let long_ago = replaced().await;
    world.advance(LAST_WEEK);
    world.poll_revocations().await;
    let [display, other] = [world.register(ACME).await, world.register(ACME).await];
    let not_held = ProtocolRequest::rotation(display.key.clone(), new_key()).succeeded_in_name_only(new_key());
    vec![
        Impostor::sending(REPLACED_LONG_AGO, long_ago),
        Impostor::sending("replaced", replaced().await),
        Impostor::sending("to-the-key-of-another", ProtocolRequest::rotation(display.key, other.key)),
        Impostor::sending("to-a-key-not-held", not_held),
    ]
}

/// Longer than a sign-in is recent.
const NOT_RECENT: Duration = Duration::from_secs(15 * 60 + 1);

/// People who may not confirm the PIN that they type. It is one that a display shows.
pub(super) async fn of_installer(world: &World) -> Vec<Impostor> {
    let earlier = twins::of_earlier_sessions(world, Form::Browser).await;
    let (mut of_before, mut grace) = (Caller::new(Form::Browser), Caller::new(Form::Browser));
    world.sign_in(&mut of_before, "ada", "/calendar").await;
    world.advance(NOT_RECENT);
    world.poll_revocations().await;
    world.sign_in(&mut grace, "grace", "/calendar").await;
    let begun = installer::new_pin(world, &Arc::new(DisplayKey::new())).await;
    let installation = Installation { pin: begun["pin"].as_str().expect("a PIN").to_owned(), tenant: ACME };
    let mut twins = vec![
        Impostor::typing("signed-in-long-ago", of_before, installation.clone()),
        Impostor::typing(OF_ANOTHER_TENANT, grace, installation.clone()),
        Impostor::typing("nobody", Caller::new(Form::Browser), installation.clone()),
    ];
    twins.extend(earlier.into_iter().map(|twin| twin.who_types(installation.clone())));
    twins
}
