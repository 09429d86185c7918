//! A service that fails in the worst moment: nothing may be done twice that was ordered once, and nobody may be left
//! without the service by what the gateway believes of it.

use gateway::demo::Mode;
use world::{
    World,
    caller::{Caller, Form},
    fault_proxy::Break,
};

use super::{Attack, Probes};

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "an_order_to_a_service_that_fails",
        fault: "post-is-repeated",
        run: || Box::pin(an_order_to_a_service_that_fails()),
    },
    Attack {
        name: "a_service_that_was_down_for_a_while",
        fault: "everybody-is-ejected",
        run: || Box::pin(a_service_that_was_down_for_a_while()),
    },
];

/// An order, that is a POST, to a service that takes it and answers wrong.
async fn an_order_to_a_service_that_fails() -> Probes {
    let mut probes = Probes::default();
    let world = World::new().start().await;
    let token = world.token("display-4.12");
    for mode in [Mode::DenyAll, Mode::Hanging] {
        // It has answered well a moment ago: there is hope that it would again.
        world.monolith.set_mode(Mode::Healthy);
        let mut program = Caller::bearing(Form::Script, &token);
        world.warm_up(&mut program, "/api/warm").await;
        world.monolith.set_mode(mode);
        let ordered =
            |seen: &gateway::demo::monolith::SeenRequest| seen.method == "POST" && seen.target == "/api/order";
        for _ in 0..2 {
            world.monolith.forget();
            let url = world.url("/api/order");
            let heard = program.browser().post(&url, &[]).await;
            let times = world.monolith.seen().iter().filter(|seen| ordered(seen)).count();
            assert!(times > 0, "{mode:?}: it was ordered: {heard:?}");
            probes.made(times > 1, || format!("{mode:?}: ordered {times} times"));
        }
    }
    probes
}

/// The only endpoint fails until it is ejected, and is well again.
async fn a_service_that_was_down_for_a_while() -> Probes {
    let mut probes = Probes::default();
    for broken in [Break::Refused, Break::Status(503)] {
        let world = World::new().start().await;
        let mut anybody = Caller::new(Form::Script);
        world.proxies.monolith.break_with(broken).await;
        for _ in 0..8 {
            let heard = world.ask(&mut anybody, "/public/x").await;
            assert!(heard.status().is_some_and(|status| status >= 500), "{}", heard.line());
        }
        world.proxies.monolith.heal().await;
        for _ in 0..3 {
            let heard = world.ask(&mut anybody, "/public/x").await;
            probes.made(heard.status() != Some(200), || format!("{}: {}", broken.name(), heard.line()));
        }
    }
    probes
}
