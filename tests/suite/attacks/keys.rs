//! What strangers try by way of an issuer's keys: to keep out those who are good, and to be called an outage.

use std::time::Duration;

use gateway::demo::{AccessTokenSpec, Twin};
use world::{
    World,
    caller::{Caller, Form, Heard},
    fault_proxy::Break,
};

use super::{Attack, Probes};

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "forged_under_a_name_that_is_a_hash",
        fault: "own-hash-proves-nothing",
        run: || Box::pin(forged_under_a_name_that_is_a_hash()),
    },
    Attack {
        name: "strangers_who_hold_up_recovery",
        fault: "failed-fetches-are-paid-for",
        run: || Box::pin(strangers_who_hold_up_recovery()),
    },
];

const PATH: &str = "/api/x";

/// Forged tokens, fresh as can be, of an issuer that names its keys by their hash and dates nothing, while its key set is
/// there and while it is not. Whoever is not refused has passed a forgery off as an outage.
async fn forged_under_a_name_that_is_a_hash() -> Probes {
    let mut world = World::new().prepare().await;
    // As Keycloak does.
    world.idp.name_keys_by_hash();
    world.idp.leave_out_date(true);
    world.start_gateway().await;
    let good = world.token("ada");
    world.warm_up(&mut Caller::bearing(Form::Script, &good), PATH).await;
    let other = world.token("grace");
    let (forged, signature) = (good.rsplit_once('.').expect("a JWT").0, other.rsplit_once('.').expect("a JWT").1);
    let tokens = [
        ("another key", world.idp.twin(&AccessTokenSpec::of("ada"), Twin::Forged)),
        ("another key, issued now", world.idp.twin(&AccessTokenSpec::of("ada").aged(Duration::ZERO), Twin::Forged)),
        ("another's signature", format!("{forged}.{signature}")),
        ("a cut signature", good[..good.len() - 8].to_owned()),
        ("no signature", format!("{forged}.")),
    ];
    let mut probes = Probes::default();
    for broken in [None, Some(Break::Refused), Some(Break::Status(500)), Some(Break::EmptySet)] {
        if let Some(how) = broken {
            world.proxies.keys.break_with(how).await;
        }
        for (name, token) in &tokens {
            let heard = world.ask(&mut Caller::bearing(Form::Script, token), PATH).await;
            let refused = heard.status() == Some(401) && heard.identities().is_empty();
            probes.made(!refused, || format!("{name}, key set broken by {broken:?}: {}", heard.line()));
        }
        let heard = world.ask(&mut Caller::bearing(Form::Script, &good), PATH).await;
        assert_eq!(heard.status(), Some(200), "the good one is served: {}", heard.line());
    }
    probes
}

/// While an issuer has a new key and its key set cannot be had, strangers ask for keys that nobody has, and for known ones
/// in vain. They have succeeded if whoever has a good token by the new key is not served five seconds after all is whole.
async fn strangers_who_hold_up_recovery() -> Probes {
    let world = World::new().standing_clock().start().await;
    let ask = async |token: &str| -> Heard { world.ask(&mut Caller::bearing(Form::Script, token), PATH).await };
    world.warm_up(&mut Caller::bearing(Form::Script, &world.token("ada")), PATH).await;
    let mut probes = Probes::default();
    for how in [Break::Status(500), Break::Refused, Break::Nonsense] {
        world.proxies.keys.break_with(how).await;
        world.idp.rotate();
        let good = world.token("ada");
        for number in 0..30 {
            let made_up = AccessTokenSpec::of("mallory").under_kid(&format!("{how:?}-{number}"));
            for token in [world.idp.mint(&made_up), world.idp.twin(&AccessTokenSpec::of("mallory"), Twin::Forged)] {
                let heard = ask(&token).await;
                assert!(heard.identities().is_empty(), "a stranger is nobody: {}", heard.line());
            }
            world.clock().advance(Duration::from_secs(2));
        }
        world.proxies.keys.heal().await;
        world.clock().advance(Duration::from_secs(5));
        let heard = ask(&good).await;
        probes.made(heard.status() != Some(200), || format!("after {how:?}: {}", heard.line()));
        world.clock().advance(Duration::from_secs(60));
        // So that the next round begins with what the provider has.
        world.warm_up(&mut Caller::bearing(Form::Script, &good), PATH).await;
    }
    probes
}
