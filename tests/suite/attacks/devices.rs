//! What an outage and a lost row must not do to displays, nor for them.

use std::time::Duration;

use auth_core::principal::{BindingId, BindingState, DeviceId};
use world::{
    World,
    caller::{Caller, Form, Heard},
    registered::RegisteredDisplay,
    store::StoreBreak,
};

use super::{Attack, Probes};

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "a_device_without_a_row",
        fault: "absent-device-is-revoked",
        run: || Box::pin(a_device_without_a_row()),
    },
    Attack {
        name: "an_overdue_device_in_an_outage",
        fault: "overdue-in-an-outage-is-stopped",
        run: || Box::pin(an_overdue_device_in_an_outage()),
    },
    Attack {
        name: "a_store_put_back_from_before_the_revocation",
        fault: "lost-revocations-stay-lost",
        run: || Box::pin(a_store_put_back_from_before_the_revocation()),
    },
];

const PATHS: [&str; 3] = ["/fleet/calendar", "/acme/plan", "/public/page"];

async fn world() -> World {
    let mut world = World::new().standing_clock().prepare().await;
    world.settings.add_fleet();
    world.start_gateway().await;
    world
}

async fn ask(world: &World, token: &str, path: &str) -> Heard {
    world.ask(&mut Caller::bearing(Form::Device, token), path).await
}

/// A display that is in force on every path before anything happens to it, and its token.
async fn display(world: &World) -> (RegisteredDisplay, String) {
    let display = world.register("acme").await;
    let token = world.token_of(&display, Duration::ZERO);
    for path in PATHS {
        world.warm_up(&mut Caller::bearing(Form::Device, &token), path).await;
    }
    (display, token)
}

/// Whether a display that is good was kept away, or was told that it is nobody.
fn is_wronged(heard: &Heard) -> bool {
    heard.identities().is_empty() || matches!(heard.status(), Some(300..=499))
}

/// A display that the registry has no row of: that is no word against it.
async fn a_device_without_a_row() -> Probes {
    let world = world().await;
    let mut display = world.register("acme").await;
    world.warm_up(&mut Caller::bearing(Form::Script, &world.token("ada")), "/api/x").await;
    display.binding.device = DeviceId::from_parts(1, [7; 10]);
    display.binding.id = BindingId::from_parts(1, [7; 10]);
    let token = world.token_of(&display, Duration::ZERO);
    let mut probes = Probes::default();
    for path in PATHS {
        let heard = ask(&world, &token, path).await;
        probes.made(is_wronged(&heard), || format!("{path}: {}", heard.line()));
    }
    probes
}

/// A display that could not renew its token for days, since the registry was down: it is served all the same.
async fn an_overdue_device_in_an_outage() -> Probes {
    let mut world = world().await;
    let (display, _) = display(&world).await;
    let token = world.token_of(&display, Duration::from_secs(60 * 3600));
    let healthy = ask(&world, &token, PATHS[0]).await;
    assert_eq!((healthy.status(), healthy.word()), (Some(503), Some("renewal-required")), "{}", healthy.line());
    world.store.break_with(StoreBreak::Emptied).await.expect("it is healthy");
    assert!(!world.poll_revocations().await, "the tables are gone");
    let mut probes = Probes::default();
    for path in PATHS {
        let heard = ask(&world, &token, path).await;
        probes.made(is_wronged(&heard), || format!("{path}: {}", heard.line()));
    }
    world.heal_store().await;
    probes
}

/// The store is put back from a backup of before a revocation; ten minutes later the gateway that knew of it is gone with
/// its folder's copy. The next one has nothing but the store, and knows it all the same.
async fn a_store_put_back_from_before_the_revocation() -> Probes {
    let mut world = world().await;
    let (display, token) = display(&world).await;
    world.change(&display, BindingState::Revoked).await;
    for statement in
        ["DELETE FROM device_revocation", "UPDATE device_binding SET state = 'active', version = 1, reason = ''"]
    {
        world.store.rewrite(statement).await.expect("whoever has the file can do that");
    }
    world.advance(Duration::from_secs(600));
    assert!(world.poll_revocations().await, "the store is up");
    world.stop_gateway().await;
    std::fs::remove_file(world.data().join("revocations")).expect("it is there");
    world.start_gateway().await;
    let mut probes = Probes::default();
    for path in PATHS {
        let heard = ask(&world, &token, path).await;
        probes.made(!heard.identities().is_empty(), || format!("{path}: {}", heard.line()));
    }
    probes
}
