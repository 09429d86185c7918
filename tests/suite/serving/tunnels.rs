//! WebSockets and other upgrades: who asks, what the service is asked, which 101 is believed, and what passes then.

use libtest_mimic::Trial;
use world::settings::Settings;

use super::{OK, Setting, line::Line, patient, request};
use crate::in_a_runtime;

/// What a client sends to open a WebSocket: the example of RFC 6455 §1.3.
pub(crate) const HANDSHAKE: &str = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                                    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// What a service answers to that.
pub(crate) const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                                   Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// A frame of text from a service.
pub(crate) const HELLO: &[u8] = b"\x81\x05hello";

pub(super) fn tests() -> Vec<Trial> {
    vec![
        in_a_runtime("serving::a_websocket_passes_both_ways", a_websocket_passes_both_ways),
        in_a_runtime("serving::a_101_is_believed_only_to_what_was_asked", a_101_is_believed_only_to_what_was_asked),
        in_a_runtime("serving::what_is_sent_ahead_of_a_101_is_no_request", what_is_sent_ahead_of_a_101_is_no_request),
        in_a_runtime("serving::a_handshake_that_is_none_goes_nowhere", a_handshake_that_is_none_goes_nowhere),
        in_a_runtime("serving::a_page_of_another_site_opens_no_websocket", a_page_of_another_site_opens_no_websocket),
        in_a_runtime("serving::another_protocol_passes_where_the_route_names_it", another_protocol_passes),
        in_a_runtime("serving::a_tunnel_holds_its_place_and_no_more_than_fits", a_tunnel_holds_its_place),
        in_a_runtime("serving::a_websocket_is_closed_with_a_word_of_ours", a_websocket_is_closed_with_a_word_of_ours),
    ]
}

/// An open WebSocket: both of its ends.
pub(crate) async fn opened(setting: &Setting, request: &str) -> (Line, Line) {
    let (mut client, mut upstream, _) = setting.asked(request).await;
    upstream.say(SWITCHED).await;
    assert!(client.head().await.starts_with("HTTP/1.1 101 "));
    (client, upstream)
}

/// The close frame that comes next, after whatever else: its code.
pub(crate) async fn close_code(client: &mut Line) -> u16 {
    loop {
        let head = client.exactly(2).await;
        let payload = client.exactly(usize::from(head[1] & 0x7f)).await;
        if head[0] == 0x88 {
            return u16::from_be_bytes([payload[0], payload[1]]);
        }
    }
}

async fn a_websocket_passes_both_ways() {
    let setting = Setting::patient().await;
    let mut client = setting.client().await;
    let ahead = "\u{1}said ahead";
    let asked = format!("{HANDSHAKE}Sec-WebSocket-Protocol: chat\r\nUpgrade: h2c\r\n");
    client.say(request("GET", "ws", &asked) + ahead).await;
    let mut upstream = setting.upstream().await;
    let head = upstream.head().await;
    let lower = head.to_ascii_lowercase();
    assert_eq!(lower.matches("\r\nupgrade: ").count(), 1, "{head}");
    for line in
        ["upgrade: websocket", "connection: upgrade", "sec-websocket-protocol: chat", "sec-websocket-version: 13"]
    {
        assert!(lower.contains(&format!("\r\n{line}\r\n")), "{line} is not in {head}");
    }
    // Right behind the head.
    upstream.say([SWITCHED.as_bytes(), HELLO].concat()).await;
    let answer = client.head().await;
    let lower = answer.to_ascii_lowercase();
    for line in ["upgrade: websocket", "connection: upgrade", "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="] {
        assert!(lower.contains(&format!("\r\n{line}\r\n")), "{line} is not in {answer}");
    }
    assert_eq!(client.exactly(HELLO.len()).await, HELLO);
    assert_eq!(upstream.exactly(ahead.len()).await, ahead.as_bytes(), "only now, and whole");
    for _ in 0..3 {
        client.say("there").await;
        assert_eq!(upstream.exactly(5).await, b"there");
        upstream.say(HELLO).await;
        assert_eq!(client.exactly(HELLO.len()).await, HELLO);
    }
    upstream.say(b"\x88\x02\x03\xe8").await;
    assert_eq!(close_code(&mut client).await, 1000, "the service's own word");
    client.say("bye").await;
    client.finish().await;
    upstream.until("bye").await;
    drop(upstream);
    assert_eq!(client.end().await.rest, "");
    let line = setting.world.access_to("/public/ws").await.pop().expect("it is logged");
    assert_eq!((line["status"].as_u64(), line["answer"].as_str()), (Some(101), Some("upstream")), "{line}");
    let moved = (line["received_bytes"].as_u64(), line["sent_bytes"].as_u64());
    let (received, sent) = (ahead.len() + 3 * 5 + 3, 4 * HELLO.len() + 4);
    assert_eq!(moved, (Some(received as u64), Some(sent as u64)), "{line}");
    assert!(line.get("incomplete").is_none(), "{line}");
}

async fn a_101_is_believed_only_to_what_was_asked() {
    let setting = Setting::patient().await;
    let wrong = [
        SWITCHED.replace("s3pP", "AAAA"),
        SWITCHED.replace("Upgrade: websocket", "Upgrade: h2c"),
        SWITCHED.replace("Upgrade: websocket", "Upgrade: websocket, h2c"),
        SWITCHED.replace("Connection: Upgrade\r\n", ""),
        SWITCHED.replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: chat\r\n\r\n"),
        SWITCHED.replace("\r\n\r\n", "\r\nX-Split: a\r\n b\rc\r\n\r\n"),
    ];
    for wrong in wrong {
        let (mut client, mut upstream, _) = setting.asked(&request("GET", "x", HANDSHAKE)).await;
        upstream.say(&wrong).await;
        let answer = client.message().await;
        assert!(answer.starts_with("HTTP/1.1 502 "), "{wrong}: {answer}");
        assert!(answer.contains("upgrade_failed") || answer.contains("protocol_error"), "{answer}");
        assert_eq!(upstream.end().await.rest, "", "nothing more is said there");
        client.try_say("GET /public/smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").await;
        assert_eq!(client.end().await.rest, "", "nor answered here");
    }
}

async fn what_is_sent_ahead_of_a_101_is_no_request() {
    let setting = Setting::patient().await;
    let ahead = request("GET", "ws", HANDSHAKE) + &request("GET", "smuggled", "");
    let mut client = setting.client().await;
    client.say(&ahead).await;
    let mut upstream = setting.upstream().await;
    upstream.head().await;
    upstream.say(OK).await;
    let answer = client.message().await;
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.to_ascii_lowercase().contains("connection: close"),
        "{answer}"
    );
    assert_eq!(client.end().await.rest, "", "one question, one answer");
    drop(upstream);
    let (_, _, head) = setting.asked(&request("GET", "next", "")).await;
    assert!(head.starts_with("GET /public/next "), "{head}");

    // Nobody is let in, and nothing goes on.
    let mut stranger = setting.client().await;
    stranger.say(ahead.replace("/public/", "/api/")).await;
    assert!(stranger.message().await.starts_with("HTTP/1.1 401 "));
    assert_eq!(stranger.end().await.rest, "");
}

async fn a_handshake_that_is_none_goes_nowhere() {
    let setting = Setting::patient().await;
    let bad = [
        request("POST", "x", &format!("{HANDSHAKE}Content-Length: 0\r\n")),
        request("GET", "x", &format!("{HANDSHAKE}Content-Length: 5\r\n")) + "hello",
        request("GET", "x", &HANDSHAKE.replace("Version: 13", "Version: 8")),
        request("GET", "x", &HANDSHAKE.replace("dGhl", "")),
        request("GET", "x", &format!("{HANDSHAKE}Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n")),
    ];
    for bad in bad {
        let mut client = setting.client().await;
        client.say(&bad).await;
        let answer = client.message().await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("A WebSocket is opened by"), "{bad}: {answer}");
        assert_eq!(client.end().await.rest, "");
    }
    // What has no upgrades, and what is never upgraded to, is a plain request.
    let plain = [
        request("GET", "x", HANDSHAKE).replace("HTTP/1.1", "HTTP/1.0"),
        request("GET", "x", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"),
    ];
    for plain in plain {
        let (mut client, mut upstream, head) = setting.asked(&plain).await;
        let lower = head.to_ascii_lowercase();
        assert!(!lower.contains("\r\nupgrade:") && !lower.contains("http2-settings"), "{head}");
        upstream.say(SWITCHED).await;
        let answer = client.message().await;
        assert!(answer.contains(" 502 "), "a 101 that nobody asked for: {answer}");
    }
}

async fn a_page_of_another_site_opens_no_websocket() {
    let setting = Setting::with(|settings| {
        patient(settings);
        public(settings, "websocket_origins = [\"https://wall.example\"]");
    })
    .await;
    let own = setting.world.settings.public_url().origin().ascii_serialization();
    for (origin, passes) in [
        ("", false),
        ("Origin: null\r\n", false),
        ("Origin: https://evil.example\r\n", false),
        ("Origin: https://wall.example\r\n", true),
        (&*format!("Origin: {own}\r\n"), true),
    ] {
        let asked = request("GET", "x", &format!("{HANDSHAKE}Cookie: app=1\r\n{origin}"));
        if passes {
            opened(&setting, &asked).await;
            continue;
        }
        let mut client = setting.client().await;
        client.say(asked).await;
        let answer = client.message().await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("Another site"), "{origin}: {answer}");
    }
    opened(&setting, &request("GET", "x", HANDSHAKE)).await;
}

async fn another_protocol_passes() {
    let setting = Setting::with(|settings| {
        patient(settings);
        public(settings, "upgrades = [\"example/1\"]");
    })
    .await;
    let asked = request("GET", "x", "Connection: upgrade\r\nUpgrade: other/2, Example/1\r\n");
    let (mut client, mut upstream, head) = setting.asked(&asked).await;
    let lower = head.to_ascii_lowercase();
    assert!(lower.contains("\r\nupgrade: example/1\r\n") && !lower.contains("other"), "{head}");
    upstream.say("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: example/1\r\n\r\nfirst").await;
    assert!(client.head().await.to_ascii_lowercase().contains("\r\nupgrade: example/1\r\n"));
    client.until("first").await;
    client.say("last words").await;
    client.finish().await;
    let heard = upstream.ends().await;
    assert_eq!((heard.rest.as_str(), heard.reset), ("last words", false), "its end passes");
    upstream.say("and the other way still").await;
    drop(upstream);
    assert_eq!(client.end().await.rest, "and the other way still");
}

async fn a_tunnel_holds_its_place() {
    let setting = Setting::with(|settings| {
        patient(settings);
        settings.replace("connect_timeout = \"25s\"", "connect_timeout = \"400ms\"\nmax_connections = 1");
    })
    .await;
    let (mut client, mut upstream) = opened(&setting, &request("GET", "ws", HANDSHAKE)).await;
    let mut other = setting.client().await;
    other.say(request("GET", "x", "")).await;
    assert!(other.message().await.starts_with("HTTP/1.1 503 "), "the one place is taken");
    // Nobody reads: what does not fit waits where it comes from.
    let piece = vec![0x5a; 64 * 1024];
    let frame = [b"\x82\x7f".as_slice(), &(1_u64 << 40).to_be_bytes()].concat();
    upstream.say(frame).await;
    let mut taken = 0;
    while tokio::time::timeout(world::DEADLINE, upstream.try_say(&piece)).await == Ok(true) {
        taken += piece.len();
        assert!(taken < 64 << 20, "it is kept by nobody");
    }
    let mut read = 0;
    while read < taken.min(8 << 20) {
        read += client.exactly(64 * 1024).await.len();
    }
    drop((client, upstream));
    let mut other = setting.client().await;
    loop {
        other.say(request("GET", "y", "")).await;
        tokio::select! {
            mut upstream = setting.upstream() => {
                upstream.head().await;
                upstream.say(OK).await;
                assert!(other.message().await.starts_with("HTTP/1.1 200 "), "its place is free again");
                return;
            }
            answer = other.message() => assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}"),
        }
    }
}

async fn a_websocket_is_closed_with_a_word_of_ours() {
    let mut setting = Setting::with(|settings| {
        patient(settings);
        public(settings, "tunnel_idle_timeout = \"400ms\"");
    })
    .await;
    let asked = request("GET", "silent", HANDSHAKE);
    let (mut client, mut upstream) = opened(&setting, &asked).await;
    assert_eq!(close_code(&mut client).await, 1013, "nothing moves");
    client.finish().await;
    assert_eq!(client.end().await.rest, "");
    upstream.ends().await;
    let line = setting.world.access_to("/public/silent").await.pop().expect("it is logged");
    assert_eq!(line["incomplete"], "idle", "{line}");

    let lively = |path: &str| request("GET", path, HANDSHAKE).replace("/public/", "/lively/");
    let (mut client, upstream) = opened(&setting, &lively("gone")).await;
    drop(upstream);
    assert_eq!(close_code(&mut client).await, 1013, "the service went without a word");
    drop(client);
    let line = setting.world.access_to("/lively/gone").await.pop().expect("it is logged");
    assert_eq!(line["incomplete"], "upstream", "{line}");

    let (mut client, mut upstream) = opened(&setting, &lively("cut")).await;
    upstream.say(b"\x82\x0ahalf").await;
    client.until("half").await;
    drop(upstream);
    assert_eq!(client.end().await.rest, "", "no word fits into the middle of a frame");

    let (mut between, _upstream) = opened(&setting, &lively("between")).await;
    let (mut within, mut upstream) = opened(&setting, &lively("within")).await;
    upstream.say(b"\x82\x0ahalf ").await;
    within.until("half ").await;
    let ending = async {
        assert_eq!(close_code(&mut between).await, 1012);
        upstream.say([b"other".as_slice(), HELLO].concat()).await;
        assert_eq!(within.exactly(5).await, b"other", "what had begun comes whole");
        assert_eq!(close_code(&mut within).await, 1012);
        drop((between, within));
    };
    tokio::join!(setting.world.stop_gateway(), ending);
    let line = setting.world.access_to("/lively/between").await.pop().expect("it is logged");
    assert_eq!(line["incomplete"], "shutdown", "{line}");
}

/// Adds `more` to the route `/public/`, and beside it `/lively/`, which is open too.
fn public(settings: &mut Settings, more: &str) {
    let old = "path = \"/public/\"\n";
    let lively = "path = \"/lively/\"\nupstream = \"monolith\"\nallow = [\"anyone\"]\n\n[[routes]]\n";
    settings.replace(old, &format!("{lively}{old}{more}\n"));
}
