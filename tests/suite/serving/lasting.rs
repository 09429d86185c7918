//! What lasts: WebSockets, streams of events and long uploads. They end within seconds of a proof that whoever has them
//! may not, and by no outage, whatever is out.

use std::time::Duration;

use auth_core::{clock::Clock, database::Disturbance};
use libtest_mimic::Trial;
use serde_json::json;
use tokio::net::TcpListener;
use world::{
    World,
    caller::{Caller, Form},
    fault_proxy::Break,
};

use super::{
    Setting,
    line::Line,
    patient, request,
    tunnels::{HANDSHAKE, HELLO, close_code, opened},
};
use crate::{ending::signed_in, in_a_runtime};

pub(super) fn tests() -> Vec<Trial> {
    vec![
        in_a_runtime("serving::what_lasts_outlives_every_outage", what_lasts_outlives_every_outage),
        in_a_runtime("serving::what_lasts_ends_when_its_person_signs_out", when_its_person_signs_out),
        in_a_runtime("serving::what_lasts_ends_by_the_providers_word", by_the_providers_word),
        in_a_runtime("serving::what_lasts_ends_by_an_administrators_order", by_an_order),
        in_a_runtime("serving::what_lasts_ends_at_its_hard_expiry", at_its_hard_expiry),
        in_a_runtime("serving::a_long_upload_ends_by_a_proof", a_long_upload_ends_by_a_proof),
        in_a_runtime("serving::what_nobody_is_named_in_lasts", what_nobody_is_named_in_lasts),
    ]
}

const EVENTS: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n\
                      7\r\n: ping\n\r\n";

/// Ada, signed in, with a WebSocket and a stream of events open.
struct Lasting {
    setting: Setting,
    ada: Caller,
    socket: (Line, Line),
    events: (Line, Line),
}

impl Lasting {
    async fn begun(clock: Clock) -> Self {
        let upstream = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
        let address = upstream.local_addr().expect("it is bound");
        let mut world = World::new().clock(clock).prepare().await;
        patient(&mut world.settings);
        // Longer than any route takes an outage by itself.
        world.settings.replace("[admin]", "[sessions]\nhard_without_refresh = \"20h\"\n\n[admin]");
        world.start_gateway().await;
        let ada = signed_in(&world, "ada", "s-1").await;
        // From here on the service is spoken by hand.
        world.settings.replace(&world.proxies.monolith.base(), &format!("http://{address}"));
        world.reconfigure();
        world.forget_access();
        let setting = Setting { world, upstream };
        let cookies = {
            let mut ada = ada;
            let url = setting.world.url("/");
            (ada.browser().cookies_for(&url), ada)
        };
        let (cookies, ada) = cookies;
        let own = setting.world.settings.public_url().origin().ascii_serialization();
        let asks = |path: &str, more: &str| {
            let fields = format!("Cookie: {cookies}\r\nOrigin: {own}\r\n{more}");
            request("GET", path, &fields).replace("/public/", "/")
        };
        let socket = opened(&setting, &asks("ws", HANDSHAKE)).await;
        let (mut client, mut service, _) = setting.asked(&asks("events", "")).await;
        service.say(EVENTS).await;
        client.until(": ping\n").await;
        Self { setting, ada, socket, events: (client, service) }
    }

    /// Both still pass what is said, after all that could have ended them was looked at.
    async fn lasts(&mut self) {
        let mut beat = tokio::time::interval(Duration::from_millis(60));
        for _ in 0..8 {
            beat.tick().await;
            self.socket.1.say(HELLO).await;
            assert_eq!(self.socket.0.exactly(HELLO.len()).await, HELLO);
            self.socket.0.say("echo").await;
            assert_eq!(self.socket.1.exactly(4).await, b"echo");
            self.events.1.say("7\r\n: ping\n\r\n").await;
            self.events.0.until(": ping\n").await;
        }
    }

    /// Both have ended by a proof of this reason.
    async fn ends(self, reason: &str) {
        let Self { setting, socket: (mut client, mut service), events: (reader, mut writer), .. } = self;
        assert_eq!(close_code(&mut client).await, 1008);
        service.ends().await;
        let end = reader.end().await;
        assert!(!end.rest.ends_with("0\r\n\r\n"), "half a stream is no whole one: {end:?}");
        writer.ends().await;
        for path in ["/ws", "/events"] {
            let line = setting.world.access_to(path).await.pop().expect("it is logged");
            assert_eq!(line["incomplete"], "rejected", "{line}");
            assert!(line["detail"].as_str().is_some_and(|detail| detail.contains(&format!("{reason}: "))), "{line}");
        }
    }
}

async fn what_lasts_outlives_every_outage() {
    let clock = Clock::standing_at(Clock::system().now().wall());
    let mut lasting = Lasting::begun(clock).await;
    let proxies = &lasting.setting.world.proxies;
    for provider in [&proxies.discovery, &proxies.keys, &proxies.token, &proxies.userinfo, &proxies.introspection] {
        provider.break_with(Break::Refused).await;
    }
    lasting.lasts().await;
    // Beyond what the route takes of staleness (12 h), and short of the session's hard expiry.
    lasting.setting.world.disturb_store(Disturbance::Closed).await;
    assert!(!lasting.setting.world.poll_revocations().await, "the store is out");
    lasting.setting.world.advance(Duration::from_secs(13 * 3600));
    lasting.lasts().await;
    let world = &lasting.setting.world;
    world.clock().step_wall(40 * 24 * 3600);
    lasting.lasts().await;
    lasting.setting.world.reconfigure();
    lasting.lasts().await;
    drop(lasting.socket);
    drop(lasting.events);
}

async fn when_its_person_signs_out() {
    let mut lasting = Lasting::begun(Clock::system()).await;
    lasting.lasts().await;
    let world = &lasting.setting.world;
    let out = lasting.ada.post(&world.url("/.candor/logout"), &[], &world.monolith).await;
    assert!(out.status().is_some_and(|status| status < 400), "{}", out.line());
    lasting.ends("ended").await;
}

async fn by_the_providers_word() {
    let lasting = Lasting::begun(Clock::system()).await;
    let world = &lasting.setting.world;
    let event = "http://schemas.openid.net/event/backchannel-logout";
    let claims = json!({ "aud": "candor", "sid": "s-1", "events": { event: {} } });
    let spec = gateway::demo::AccessTokenSpec::of("ada").aged(Duration::ZERO).lasting(Duration::from_secs(120));
    let token = world.idp.mint(&spec.typed(Some("logout+jwt")).with(claims));
    let to = world.url("/.candor/logout/backchannel");
    let told = Caller::new(Form::Script).post(&to, &[("logout_token".to_owned(), token)], &world.monolith).await;
    assert_eq!(told.status(), Some(200), "{}", told.line());
    lasting.ends("ended").await;
}

async fn by_an_order() {
    let lasting = Lasting::begun(Clock::system()).await;
    lasting.setting.world.revoke("ada").await;
    lasting.ends("revoked").await;
}

async fn at_its_hard_expiry() {
    let clock = Clock::standing_at(Clock::system().now().wall());
    let mut lasting = Lasting::begun(clock).await;
    lasting.setting.world.disturb_store(Disturbance::Closed).await;
    lasting.lasts().await;
    lasting.setting.world.advance(Duration::from_secs(20 * 3600 + 1));
    lasting.ends("expired").await;
}

async fn a_long_upload_ends_by_a_proof() {
    let setting = Setting::patient().await;
    let token = setting.world.token("ada");
    let fields = format!("Authorization: Bearer {token}\r\nTransfer-Encoding: chunked\r\n");
    let (mut client, mut upstream, _) =
        setting.asked(&request("POST", "up", &fields).replace("/public/", "/api/")).await;
    client.say("4\r\nsome\r\n").await;
    upstream.until("some").await;
    setting.world.revoke("ada").await;
    let end = upstream.end().await;
    assert!(!end.rest.contains("0\r\n\r\n"), "the service does not take it for whole: {end:?}");
    let answer = client.message().await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("Asking again says why"), "{answer}");
    let (mut again, whole) = (setting.client().await, request("POST", "up", &format!("{fields}\r\n0\r\n")));
    again.say(whole.replace("/public/", "/api/")).await;
    assert!(again.message().await.starts_with("HTTP/1.1 401 "), "asked again, it is told why");
}

async fn what_nobody_is_named_in_lasts() {
    let setting = Setting::patient().await;
    let (mut client, mut upstream) = opened(&setting, &request("GET", "ws", HANDSHAKE)).await;
    setting.world.revoke("ada").await;
    let mut beat = tokio::time::interval(world::DEADLINE / 8);
    for _ in 0..4 {
        beat.tick().await;
        upstream.say(HELLO).await;
        assert_eq!(client.exactly(HELLO.len()).await, HELLO);
    }
}
