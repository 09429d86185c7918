//! Services that speak HTTP/2: many requests on one connection, and what each end of one means.

use std::{
    future::poll_fn,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use auth_core::lock::lock;
use bytes::Bytes;
use h2::{
    Reason, RecvStream,
    server::{Builder, SendResponse},
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use libtest_mimic::Trial;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::{Notify, Semaphore},
};
use tokio_rustls::TlsAcceptor;
use world::{World, certificates::Signer};

use super::{
    line::{Line, soon},
    patient, request,
};
use crate::in_a_runtime;

pub(super) fn tests() -> Vec<Trial> {
    vec![
        in_a_runtime("serving::requests_share_a_connection_by_http2", one_connection),
        in_a_runtime("serving::http2_over_tls_is_chosen_by_alpn", by_alpn),
        in_a_runtime("serving::what_an_endpoint_has_not_looked_at_goes_once_more", not_looked_at),
        in_a_runtime("serving::an_endpoint_that_goes_away_loses_no_request", goes_away),
        in_a_runtime("serving::half_an_answer_by_http2_is_none", half_answers),
        in_a_runtime("serving::bodies_by_http2_go_both_ways", bodies),
        in_a_runtime("serving::who_leaves_takes_their_stream_back", who_leaves),
        in_a_runtime("serving::a_late_answer_by_http2_costs_nobody_else_theirs", late),
        in_a_runtime("serving::interim_answers_have_an_end", interim),
    ]
}

/// What a service saw and does.
struct Service {
    /// How many requests each connection brought.
    connections: Mutex<Vec<usize>>,
    heads: Mutex<Vec<Request<()>>>,
    /// Those who are told to wait take one of these each.
    go_on: Semaphore,
    /// How many streams were reset by the other side while they waited.
    left: Notify,
    /// How often something was refused.
    refused: Mutex<usize>,
}

/// A service by HTTP/2, over TLS if there is an acceptor.
async fn serve(acceptor: Option<TlsAcceptor>, streams: u32) -> (SocketAddr, Arc<Service>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let service = Arc::new(Service {
        connections: Mutex::default(),
        heads: Mutex::default(),
        go_on: Semaphore::new(0),
        left: Notify::new(),
        refused: Mutex::default(),
    });
    let serving = service.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (service, acceptor) = (serving.clone(), acceptor.clone());
            tokio::spawn(async move {
                match acceptor {
                    None => converse(stream, service, streams).await,
                    Some(acceptor) => {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            converse(stream, service, streams).await;
                        }
                    }
                }
            });
        }
    });
    (address, service)
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, service: Arc<Service>, streams: u32) {
    let Ok(mut connection) = Builder::new().max_concurrent_streams(streams).handshake::<_, Bytes>(stream).await else {
        return;
    };
    let number = {
        let mut connections = lock(&service.connections);
        connections.push(0);
        connections.len() - 1
    };
    while let Some(Ok((request, respond))) = connection.accept().await {
        lock(&service.connections)[number] += 1;
        let what = request.uri().path().trim_start_matches("/public/").to_owned();
        match &*what {
            "goaway" => connection.graceful_shutdown(),
            "abrupt" => connection.abrupt_shutdown(Reason::NO_ERROR),
            _ => {}
        }
        let (head, body) = request.into_parts();
        lock(&service.heads).push(Request::from_parts(head, ()));
        tokio::spawn(answer(what, body, respond, service.clone()));
    }
}

async fn answer(what: String, mut body: RecvStream, mut respond: SendResponse<Bytes>, service: Arc<Service>) {
    let ok = |length: usize| Response::builder().header("content-length", length).body(()).expect("an answer");
    match &*what {
        "refused" => {
            let first = {
                let mut refused = lock(&service.refused);
                *refused += 1;
                *refused % 2 == 1
            };
            if first {
                return respond.send_reset(Reason::REFUSED_STREAM);
            }
        }
        "reset" => return respond.send_reset(Reason::INTERNAL_ERROR),
        "half" | "short" | "long" | "cancelled" | "no-error" => {
            let length = if what == "long" { 2 } else { 10 };
            let mut sending = respond.send_response(ok(length), false).expect("it listens");
            let ends = matches!(&*what, "short" | "long");
            sending.send_data(Bytes::from_static(b"hello"), ends).expect("it listens");
            match &*what {
                "half" => sending.send_reset(Reason::INTERNAL_ERROR),
                "cancelled" => sending.send_reset(Reason::CANCEL),
                "no-error" => sending.send_reset(Reason::NO_ERROR),
                _ => {}
            }
            return;
        }
        "waits" => {
            tokio::select! {
                go_on = service.go_on.acquire() => go_on.expect("it stays open").forget(),
                _ = poll_fn(|cx| respond.poll_reset(cx)) => return service.left.notify_one(),
            }
        }
        "early" => {
            let refusal = Response::builder().status(StatusCode::PAYLOAD_TOO_LARGE).body(()).expect("an answer");
            let mut sending = respond.send_response(refusal, false).expect("it listens");
            sending.send_data(Bytes::from_static(b"no"), true).expect("it listens");
            return;
        }
        "interim" => {
            for _ in 0..10_000 {
                let hint = Response::builder().status(103).header("link", "</a>").body(()).expect("an answer");
                if respond.send_informational(hint).is_err() {
                    return;
                }
            }
        }
        _ => {}
    }
    let mut read = 0;
    while let Some(Ok(piece)) = body.data().await {
        read += piece.len();
        let _ = body.flow_control().release_capacity(piece.len());
    }
    let text = Bytes::from(format!("{what} {read}"));
    let mut head = ok(text.len());
    if what == "trailers" {
        head.headers_mut().insert("trailer", HeaderValue::from_static("x-checksum, set-cookie"));
        head.headers_mut().remove("content-length");
    }
    let Ok(mut sending) = respond.send_response(head, false) else { return };
    let _ = sending.send_data(text, what != "trailers");
    if what == "trailers" {
        let field = |name, value| (HeaderName::from_static(name), HeaderValue::from_static(value));
        let trailers = [field("x-checksum", "5"), field("set-cookie", "a=1"), field("x-gateway-answer", "own")];
        let _ = sending.send_trailers(HeaderMap::from_iter(trailers));
    }
}

/// A gateway before such a service.
async fn before(endpoint: &str, more: &str) -> World {
    let mut world = World::new().prepare().await;
    world.settings.replace(&world.proxies.monolith.base(), endpoint);
    world.settings.replace("[upstreams.monolith]", &format!("[upstreams.monolith]\nprotocol = \"http2\"\n{more}"));
    patient(&mut world.settings);
    world.start_gateway().await;
    world
}

async fn plain(streams: u32) -> (World, Arc<Service>) {
    let (address, service) = serve(None, streams).await;
    (before(&format!("http://{address}"), "").await, service)
}

async fn client(world: &World) -> Line {
    Line::to(world.url("/").socket_addrs(|| None).expect("a numeric address")[0]).await
}

/// The whole answer to a request on a connection of its own.
async fn ask(world: &World, method: &str, path: &str, body: &str) -> String {
    let mut client = client(world).await;
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    client.say(request(method, path, &format!("Connection: close\r\n{length}")) + body).await;
    client.end().await.rest
}

async fn one_connection() {
    let (world, service) = plain(100).await;
    for _ in 0..3 {
        let answer = ask(&world, "GET", "ok", "").await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nok 0"), "{answer}");
    }
    let mut waiting = Vec::new();
    for _ in 0..8 {
        let mut one = client(&world).await;
        one.say(request("GET", "waits", "")).await;
        waiting.push(one);
    }
    assert!(ask(&world, "GET", "ok", "").await.ends_with("ok 0"), "nobody waits for the others");
    while lock(&service.connections).iter().sum::<usize>() < 12 {
        tokio::task::yield_now().await;
    }
    service.go_on.add_permits(8);
    for mut one in waiting {
        assert!(one.message().await.ends_with("waits 0"));
    }
    assert_eq!(*lock(&service.connections), [12], "all on one connection");
    heads_are_of_http2(&lock(&service.heads)[0]);
    // An endpoint that takes one at a time gets the second on another connection.
    let (world, service) = plain(1).await;
    assert!(ask(&world, "GET", "ok", "").await.ends_with("ok 0"));
    let mut first = client(&world).await;
    first.say(request("GET", "waits", "")).await;
    while lock(&service.connections).iter().sum::<usize>() < 2 {
        tokio::task::yield_now().await;
    }
    assert!(ask(&world, "GET", "ok", "").await.ends_with("ok 0"));
    service.go_on.add_permits(1);
    assert!(first.message().await.ends_with("waits 0"));
    assert_eq!(*lock(&service.connections), [2, 1]);
}

/// What a request of HTTP/1 has become.
fn heads_are_of_http2(head: &Request<()>) {
    assert_eq!(head.uri().scheme_str(), Some("http"));
    assert_eq!(head.uri().authority().map(http::uri::Authority::as_str), Some("127.0.0.1"));
    for name in ["host", "connection", "transfer-encoding", "te"] {
        assert!(!head.headers().contains_key(name), "{name}");
    }
    assert!(head.headers().contains_key("x-request-id"));
}

async fn by_alpn() {
    let authority = Signer::root("The house");
    let shown = authority.server("127.0.0.1", -1, 30);
    let tls = "tls = { ca = \"house.pem\" }";
    let with_file = async |address: SocketAddr| {
        let mut world = World::new().prepare().await;
        std::fs::write(world.folder().join("house.pem"), authority.pem()).expect("a file can be written");
        world.settings.replace(&world.proxies.monolith.base(), &format!("https://{address}"));
        world.settings.replace("[upstreams.monolith]", &format!("[upstreams.monolith]\nprotocol = \"http2\"\n{tls}"));
        patient(&mut world.settings);
        world.start_gateway().await;
        world
    };
    let (address, service) = serve(Some(shown.acceptor(&["h2", "http/1.1"], None)), 100).await;
    let world = with_file(address).await;
    assert!(ask(&world, "GET", "ok", "").await.ends_with("ok 0"));
    assert_eq!(lock(&service.heads)[0].uri().scheme_str(), Some("https"));
    // Who does not say that they speak it is sent nothing.
    for protocols in [&["http/1.1"][..], &[]] {
        let (address, service) = serve(Some(shown.acceptor(protocols, None)), 100).await;
        let answer = ask(&with_file(address).await, "GET", "ok", "").await;
        assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("error=tls_protocol_error"), "{answer}");
        assert!(lock(&service.connections).is_empty());
    }
    // Without TLS it is known beforehand, or not spoken.
    let old = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
    let world = before(&format!("http://{}", old.local_addr().expect("bound")), "").await;
    let speaks = async {
        let mut line = Line::accepted(&old).await;
        line.say("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
        line
    };
    let (answer, _line) = tokio::join!(ask(&world, "GET", "ok", ""), speaks);
    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("error=http_protocol_error"), "{answer}");
}

async fn not_looked_at() {
    let (world, _service) = plain(100).await;
    // On a connection that has served, whatever the method, and with a body that was read whole.
    assert!(ask(&world, "GET", "ok", "").await.ends_with("ok 0"));
    for (method, body, read) in [("GET", "", 0), ("POST", "", 0), ("POST", "hello", 5), ("PATCH", "hello", 5)] {
        let answer = ask(&world, method, "refused", body).await;
        assert!(answer.ends_with(&format!("refused {read}")), "{method} {body}: {answer}");
    }
    // What it has looked at is not repeated.
    let answer = ask(&world, "POST", "reset", "hello").await;
    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("error=connection_terminated"), "{answer}");
}

async fn goes_away() {
    let (world, service) = plain(100).await;
    for (method, path) in [("GET", "ok"), ("POST", "goaway"), ("POST", "ok"), ("POST", "goaway"), ("GET", "ok")] {
        let answer = ask(&world, method, path, "").await;
        assert!(answer.ends_with(&format!("{path} 0")), "{method} {path}: {answer}");
    }
    assert!(lock(&service.connections).len() >= 3, "another connection after each farewell");
    // It leaves in the middle: what it had begun is not whole, and is not repeated.
    let answer = ask(&world, "POST", "abrupt", "").await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    assert!(ask(&world, "POST", "ok", "").await.ends_with("ok 0"), "the next one finds another");
}

async fn half_answers() {
    let (world, _service) = plain(100).await;
    for path in ["half", "short", "long", "cancelled", "no-error"] {
        let mut client = client(&world).await;
        client.say(request("GET", path, "Connection: close\r\n")).await;
        let rest = client.end().await.rest;
        // Where its head was not on its way yet, it is 502 or nothing at all; else its connection ends before its end.
        let body = rest.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let cut = rest.is_empty()
            || rest.starts_with("HTTP/1.1 502 ")
            || (rest.contains("content-length: 10") && body.len() < 10)
            || (path == "long" && body.len() < 2);
        assert!(cut, "{path}: {rest}");
    }
    assert!(ask(&world, "GET", "ok", "").await.ends_with("ok 0"));
}

async fn bodies() {
    let (world, service) = plain(100).await;
    let large = "x".repeat(3 << 20);
    let answer = ask(&world, "POST", "large", &large).await;
    assert!(answer.ends_with(&format!("large {}", 3 << 20)), "{}", &answer[..answer.len().min(300)]);
    // In chunks, of which the service learns nothing.
    let mut one = client(&world).await;
    one.say(request("PUT", "chunks", "Transfer-Encoding: chunked\r\n") + "3\r\nabc\r\n").await;
    one.say("2\r\nde\r\n0\r\n\r\n").await;
    assert!(one.message().await.ends_with("chunks 5"));
    assert!(lock(&service.heads).iter().all(|head| !head.headers().contains_key("transfer-encoding")));
    // An answer before the end of the request ends that.
    let mut early = client(&world).await;
    early.say(request("POST", "early", "Content-Length: 9000000\r\n") + &"x".repeat(100_000)).await;
    let head = early.head().await;
    assert!(head.starts_with("HTTP/1.1 413 ") && head.contains("x-gateway-answer: upstream\r\n"), "{head}");
    // Trailers pass, less what no trailer may say.
    let mut trailing = client(&world).await;
    trailing.say(request("GET", "trailers", "TE: trailers\r\nConnection: TE, close\r\n")).await;
    let rest = trailing.end().await.rest;
    assert!(rest.contains("\r\n0\r\nx-checksum: 5\r\n\r\n"), "{rest}");
    assert!(!rest.contains("set-cookie") || rest.matches("set-cookie").count() == 1, "{rest}");
}

async fn who_leaves() {
    let (world, service) = plain(100).await;
    assert!(ask(&world, "GET", "ok", "").await.ends_with("ok 0"));
    let mut one = client(&world).await;
    one.say(request("GET", "waits", "")).await;
    while lock(&service.connections).iter().sum::<usize>() < 2 {
        tokio::task::yield_now().await;
    }
    drop(one);
    soon("the stream to be taken back", service.left.notified()).await;
    assert!(ask(&world, "GET", "ok", "").await.ends_with("ok 0"));
    assert_eq!(*lock(&service.connections), [3], "the connection stays");
}

async fn late() {
    let (address, service) = serve(None, 100).await;
    let mut world = World::new().prepare().await;
    world.settings.replace(&world.proxies.monolith.base(), &format!("http://{address}"));
    world.settings.replace("[upstreams.monolith]", "[upstreams.monolith]\nprotocol = \"http2\"");
    world.start_gateway().await;
    let answer = ask(&world, "POST", "waits", "").await;
    assert!(answer.starts_with("HTTP/1.1 504 ") && answer.contains("error=http_response_timeout"), "{answer}");
    assert!(ask(&world, "POST", "ok", "").await.ends_with("ok 0"), "on a connection that is not suspect");
    assert_eq!(lock(&service.connections).len(), 2);
}

async fn interim() {
    let (world, _service) = plain(100).await;
    let answer = ask(&world, "POST", "interim", "").await;
    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("error=http_protocol_error"), "{answer}");
    assert!(ask(&world, "POST", "ok", "").await.ends_with("ok 0"));
    // By HTTP/1 too.
    let setting = super::Setting::patient().await;
    let (mut client, mut upstream, _) = setting.asked(&request("POST", "x", "")).await;
    upstream.flood("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(1000).as_bytes()).await;
    let answer = client.message().await;
    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("error=http_protocol_error"), "{answer}");
}
