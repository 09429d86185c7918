//! One token, three doors: the gateway, a layer over HTTP and a layer over gRPC. Each asks the same provider, through the
//! same fault proxies and by the same clock, and says the same of the same token: whatever is broken, and however.

use std::{convert::Infallible, time::Duration};

use auth_core::{
    Bearer, Principal,
    layer::{AnswerWriter, AuthLayer},
    principal::Kind,
    resource_server::Algorithm,
};
use gateway::demo::{AccessTokenSpec, Twin};
use http::{Request, Response};
use libtest_mimic::Trial;
use tower::{Layer, ServiceExt};
use world::{
    DEADLINE, World,
    caller::{Caller, Form},
    fault_proxy::Break,
};

use crate::{in_a_runtime, report};

/// How the keys cannot be had. The matrix has every way; what differs at the doors is seen by these.
const BREAKS: [Break; 7] = [
    Break::Refused,
    Break::Hang,
    Break::Half,
    Break::Status(401),
    Break::Status(503),
    Break::Nonsense,
    Break::EmptySet,
];

/// What is known when they break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// All of it.
    Warm,
    /// Nothing: a first start.
    Cold,
    /// All of it, and it is long due to be confirmed.
    Stale,
    /// All but the key that signs since a moment ago.
    Rotated,
}

/// Where somebody asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Gateway,
    Http,
    Grpc,
}

/// What is said there.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Served(String),
    /// 401, or 16.
    Refused,
    /// 503, or 14.
    Unavailable,
    Other(String),
}

/// A world with a service of one's own beside the gateway.
struct Doors {
    world: World,
    linked: Bearer,
}

const STATES: [State; 4] = [State::Warm, State::Cold, State::Stale, State::Rotated];
const DOORS: [Door; 3] = [Door::Gateway, Door::Http, Door::Grpc];
const LONG_OUTAGE: Duration = Duration::from_secs(2 * 3600);

pub(super) fn tests() -> Vec<Trial> {
    vec![in_a_runtime("linking::each_door_says_the_same", each_door_says_the_same)]
}

async fn each_door_says_the_same() {
    let mut asked = 0;
    let (mut refused_falsely, mut admitted_wrongly) = (Vec::new(), Vec::new());
    for state in STATES {
        for how in BREAKS {
            let doors = Doors::in_state(state).await;
            doors.world.proxies.keys.break_with(how).await;
            doors.world.proxies.discovery.break_with(how).await;
            if state == State::Stale {
                doors.world.advance(LONG_OUTAGE);
            }
            let cell = format!("{state:?} {}", how.name());
            asked += doors.ask(&cell, false, &mut refused_falsely, &mut admitted_wrongly).await;
            doors.world.proxies.keys.heal().await;
            doors.world.proxies.discovery.heal().await;
            doors.world.advance(Duration::from_secs(61));
            asked += doors.ask(&format!("{cell}, healed"), true, &mut refused_falsely, &mut admitted_wrongly).await;
        }
    }
    assert!(refused_falsely.is_empty(), "{refused_falsely:#?}");
    assert!(admitted_wrongly.is_empty(), "{admitted_wrongly:#?}");
    report::say(format!(
        "doors: gateway, http and grpc, {asked} tokens, 0 told apart, 0 false refusals, 0 wrongly admitted"
    ));
}

impl Doors {
    async fn in_state(state: State) -> Self {
        let world = World::new().standing_clock().start().await;
        let linked = self::linked(&world);
        let mut doors = Self { world, linked };
        if state == State::Cold {
            doors.world.stop_gateway().await;
            doors.world.forget_providers();
            // Broken before anybody asks: see the caller.
            for proxy in [&doors.world.proxies.keys, &doors.world.proxies.discovery] {
                proxy.break_with(Break::Refused).await;
            }
            doors.linked = self::linked(&doors.world);
            doors.world.start_gateway().await;
            return doors;
        }
        let token = doors.world.token("display-1");
        doors.world.warm_up(&mut Caller::bearing(Form::Script, &token), "/api/calendar").await;
        for door in [Door::Http, Door::Grpc] {
            assert_eq!(doors.said(door, &token).await, Said::Served("display-1".to_owned()), "{door:?}");
        }
        if state == State::Rotated {
            doors.world.idp.rotate();
        }
        doors
    }

    /// Asks at each door with a good token and with each bad twin.
    async fn ask(
        &self,
        cell: &str,
        is_whole: bool,
        refused_falsely: &mut Vec<String>,
        admitted_wrongly: &mut Vec<String>,
    ) -> usize {
        let spec = AccessTokenSpec::of("display-1").lasting(Duration::from_secs(6 * 3600));
        let good = self.world.idp.mint(&spec);
        let mut said = Vec::new();
        for door in DOORS {
            said.push((door, self.said(door, &good).await));
        }
        for (door, said) in &said {
            match said {
                Said::Served(who) if who == "display-1" => {}
                Said::Unavailable if !is_whole => {}
                other => refused_falsely.push(format!("{cell}: {door:?} says {other:?} of a good token")),
            }
        }
        let alike = said.iter().all(|(_, one)| *one == said[0].1);
        assert!(alike, "{cell}: told apart at the doors: {said:?}");
        for twin in Twin::ALL {
            let bad = self.world.idp.twin(&spec, twin);
            for door in DOORS {
                match self.said(door, &bad).await {
                    Said::Refused | Said::Unavailable => {}
                    other => admitted_wrongly.push(format!("{cell}: {door:?} says {other:?} of one {}", twin.as_str())),
                }
            }
        }
        DOORS.len() * (1 + Twin::ALL.len())
    }

    async fn said(&self, door: Door, token: &str) -> Said {
        match door {
            Door::Gateway => {
                let mut caller = Caller::bearing(Form::Script, token);
                let heard = self.world.ask(&mut caller, "/api/calendar").await;
                match heard.status() {
                    Some(200) => Said::Served(heard.identities().into_iter().map(|who| who.to_string()).collect()),
                    Some(401) => Said::Refused,
                    Some(503) => Said::Unavailable,
                    _ => Said::Other(heard.line()),
                }
            }
            Door::Http => self.behind(self.linked.http(), token).await,
            Door::Grpc => self.behind(self.linked.grpc(), token).await,
        }
    }

    async fn behind<A>(&self, layer: AuthLayer<A>, token: &str) -> Said
    where
        A: AnswerWriter<String> + Clone + Send + Sync + 'static,
    {
        let request =
            Request::builder().header("authorization", format!("Bearer {token}")).body(()).expect("a request");
        let answer = layer.layer(tower::service_fn(who)).oneshot(request).await.expect("infallible");
        let grpc = answer.headers().get("grpc-status").map(|status| status.to_str().unwrap_or_default().to_owned());
        match (answer.status().as_u16(), grpc.as_deref()) {
            (200, None) => Said::Served(answer.into_body()),
            (401, None) | (200, Some("16")) => Said::Refused,
            (503, None) | (200, Some("14")) => Said::Unavailable,
            other => Said::Other(format!("{other:?}")),
        }
    }
}

/// A service of one's own that trusts the world's provider, as the gateway does.
fn linked(world: &World) -> Bearer {
    Bearer::issuer(&world.idp.issuer())
        .expect("loopback")
        .audience("api://monolith")
        .algorithms([Algorithm::Rs256])
        .kind(Kind::Service)
        .timeout(DEADLINE)
        .clock(world.clock().clone())
        .start()
        .expect("it starts")
}

/// The service behind the layers.
async fn who(request: Request<()>) -> Result<Response<String>, Infallible> {
    let who = request.extensions().get::<Principal>().map(|known| known.subject.id.to_string());
    Ok(Response::new(who.unwrap_or_else(|| "nobody".to_owned())))
}
