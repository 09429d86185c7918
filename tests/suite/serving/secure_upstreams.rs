//! Services behind TLS: whom the gateway believes to be one, as whom it comes, and what is said when it does not believe.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use auth_core::lock::lock;
use libtest_mimic::Trial;
use rustls::{HandshakeKind, pki_types::CertificateDer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, UnixListener},
};
use tokio_rustls::TlsAcceptor;
use world::{
    World,
    certificates::{Certified, Signer},
    folder::Folder,
};

use super::{OK, line::Line, patient, request};
use crate::in_a_runtime;

pub(super) fn tests() -> Vec<Trial> {
    vec![
        in_a_runtime("serving::a_service_is_reached_over_tls", over_tls),
        in_a_runtime("serving::a_service_that_proves_nothing_is_sent_nothing", nothing_proven),
        in_a_runtime("serving::tls_that_does_not_come_to_stand_has_a_deadline", tls_has_a_deadline),
        in_a_runtime("serving::a_service_may_ask_for_a_certificate", a_client_certificate),
        in_a_runtime("serving::a_service_on_this_machine_has_a_socket_file", a_socket_file),
    ]
}

/// What a service saw of one connection.
struct Seen {
    kind: Option<HandshakeKind>,
    client: Option<CertificateDer<'static>>,
    requests: usize,
}

/// A service that answers everything with [`OK`], and closes each connection after `each` requests.
struct Service {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Service {
    async fn start(acceptor: TlsAcceptor, each: usize) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let seeing = seen.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(acceptor.clone(), stream, each, seeing.clone()));
            }
        });
        Self { address, seen }
    }
}

async fn serve(acceptor: TlsAcceptor, stream: tokio::net::TcpStream, each: usize, seen: Arc<Mutex<Vec<Seen>>>) {
    let mut stream = match acceptor.accept(stream).into_fallible().await {
        Ok(stream) => stream,
        Err((_, mut stream)) => {
            // Closing it with unread bytes in it would reset it, and the alert with it.
            let mut sink = [0; 1024];
            while stream.read(&mut sink).await.is_ok_and(|read| read > 0) {}
            return;
        }
    };
    let number = {
        let (_, session) = stream.get_ref();
        let client = session.peer_certificates().and_then(|chain| chain.first()).map(|it| it.clone().into_owned());
        let mut seen = lock(&seen);
        seen.push(Seen { kind: session.handshake_kind(), client, requests: 0 });
        seen.len() - 1
    };
    for _ in 0..each {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        lock(&seen)[number].requests += 1;
        let _ = stream.write_all(OK.as_bytes()).await;
    }
    let _ = stream.shutdown().await;
}

/// A gateway whose upstream is at `endpoint`, with what else is said about it.
async fn gateway(endpoint: &str, tls: &str, files: &[(&str, String)]) -> World {
    let mut world = World::new().prepare().await;
    for (name, content) in files {
        std::fs::write(world.folder().join(name), content).expect("a file can be written");
    }
    world.settings.replace(&world.proxies.monolith.base(), endpoint);
    world.settings.replace("[upstreams.monolith]", &format!("[upstreams.monolith]\n{tls}"));
    patient(&mut world.settings);
    world.start_gateway().await;
    world
}

async fn ask(world: &World) -> String {
    let address = world.url("/").socket_addrs(|| None).expect("a numeric address")[0];
    let mut client = Line::to(address).await;
    client.say(request("GET", "x", "Connection: close\r\n")).await;
    client.end().await.rest
}

async fn over_tls() {
    let authority = Signer::root("The house");
    let shown = authority.server("localhost", -1, 30);
    let service = Service::start(shown.acceptor(&["http/1.1"], None), 2).await;
    let endpoint = format!("https://localhost:{}", service.address.port());
    let world = gateway(&endpoint, "tls = { ca = \"house.pem\" }", &[("house.pem", authority.pem())]).await;
    for _ in 0..6 {
        let answer = ask(&world).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("ok"), "{answer}");
    }
    let seen = lock(&service.seen);
    assert!(seen.iter().any(|one| one.requests == 2), "a connection serves again");
    let resumed = seen.iter().filter(|one| one.kind == Some(HandshakeKind::Resumed)).count();
    assert!(resumed >= 1, "a session is resumed");
}

/// By the name that is told, too.
async fn nothing_proven() {
    let (authority, other) = (Signer::root("The house"), Signer::root("Another house"));
    let between = authority.intermediate("The house's clerk");
    let http = &["http/1.1"][..];
    let certificate = "tls_certificate_error";
    let by_clerk = || between.server("127.0.0.1", -1, 30);
    let mut turned = by_clerk().with(&[between.certificate()]);
    turned.chain.reverse();
    let cases: [(&str, Certified, &[&str], &str); 9] = [
        ("good", authority.server("127.0.0.1", -1, 30), http, ""),
        ("with its clerk", by_clerk().with(&[authority.certificate(), between.certificate()]), http, ""),
        ("no word about protocols", authority.server("127.0.0.1", -1, 30), &[], ""),
        ("another name", authority.server("127.0.0.2", -1, 30), http, certificate),
        ("over", authority.server("127.0.0.1", -30, -1), http, certificate),
        ("not yet", authority.server("127.0.0.1", 2, 30), http, certificate),
        ("another house", other.server("127.0.0.1", -1, 30), http, certificate),
        ("without its clerk", by_clerk(), http, certificate),
        ("out of order", turned, http, certificate),
    ];
    for (what, shown, protocols, error) in cases {
        let service = Service::start(shown.acceptor(protocols, None), 1).await;
        let files = [("house.pem", authority.pem())];
        let world = gateway(&format!("https://{}", service.address), "tls = { ca = \"house.pem\" }", &files).await;
        let answer = ask(&world).await;
        let requests: usize = lock(&service.seen).iter().map(|seen| seen.requests).sum();
        if error.is_empty() {
            assert!(answer.starts_with("HTTP/1.1 200 "), "{what}: {answer}");
        } else {
            is_bad_gateway(what, &answer, error);
            assert_eq!(requests, 0, "{what}: nothing was sent");
        }
    }
    // Another protocol, none at all, and a name that is told.
    let good = authority.server("service.internal", -1, 30);
    let files = || [("house.pem", authority.pem())];
    let named = "tls = { ca = \"house.pem\", server_name = \"service.internal\" }";
    let two = Service::start(good.acceptor(&["h2"], None), 1).await;
    let world = gateway(&format!("https://{}", two.address), named, &files()).await;
    is_bad_gateway("another protocol", &ask(&world).await, "tls_protocol_error");
    let one = Service::start(good.acceptor(http, None), 1).await;
    let world = gateway(&format!("https://{}", one.address), named, &files()).await;
    assert!(ask(&world).await.starts_with("HTTP/1.1 200 "));
    // Whoever is told no authority believes the public ones.
    let world = gateway(&format!("https://{}", one.address), "tls = { server_name = \"service.internal\" }", &[]).await;
    is_bad_gateway("a private authority", &ask(&world).await, certificate);
    let plain = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
    let world = gateway(&format!("https://{}", plain.local_addr().expect("bound")), named, &files()).await;
    let speaks = async {
        let mut line = Line::accepted(&plain).await;
        line.say("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
        line
    };
    let (answer, _line) = tokio::join!(ask(&world), speaks);
    is_bad_gateway("no TLS", &answer, "tls_protocol_error");
    let closes = async { drop(Line::accepted(&plain).await) };
    let (answer, ()) = tokio::join!(ask(&world), closes);
    is_bad_gateway("an end", &answer, "connection_terminated");
}

fn is_bad_gateway(what: &str, answer: &str, error: &str) {
    assert!(answer.starts_with("HTTP/1.1 502 "), "{what}: {answer}");
    assert!(answer.contains("x-gateway-answer: upstream-failed"), "{what}: {answer}");
    assert!(answer.contains(&format!("proxy-status: candor; error={error}\r\n")), "{what}: {answer}");
}

async fn tls_has_a_deadline() {
    let silent = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
    let mut world = World::new().prepare().await;
    let endpoint = format!("https://{}", silent.local_addr().expect("bound"));
    world.settings.replace(&world.proxies.monolith.base(), &endpoint);
    world.settings.replace("response_timeout = \"400ms\"", "response_timeout = \"25s\"");
    world.start_gateway().await;
    let (answer, _line) = tokio::join!(ask(&world), Line::accepted(&silent));
    assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
    assert!(answer.contains("proxy-status: candor; error=connection_timeout\r\n"), "{answer}");
}

async fn a_client_certificate() {
    let (authority, clients) = (Signer::root("The house"), Signer::root("The porter"));
    let (first, second) = (clients.client("gateway"), clients.client("gateway"));
    let service = Service::start(authority.server("127.0.0.1", -1, 30).acceptor(&[], Some(&clients)), 2).await;
    let endpoint = format!("https://{}", service.address);
    let files = [("house.pem", authority.pem()), ("me.pem", first.pem()), ("me.key", first.key_pem())];
    let world = gateway(&endpoint, "tls = { ca = \"house.pem\" }", &files).await;
    is_bad_gateway("nobody", &ask(&world).await, "tls_alert_received");

    let tls = "tls = { ca = \"house.pem\", client_certificate = \"me.pem\", client_key = \"me.key\" }";
    let world = gateway(&endpoint, tls, &files).await;
    assert!(ask(&world).await.starts_with("HTTP/1.1 200 "));
    // The same files once more change nothing: the same connection serves on.
    world.reconfigure();
    assert!(ask(&world).await.starts_with("HTTP/1.1 200 "));
    // Another key is shown at once, on a connection of its own.
    std::fs::write(world.folder().join("me.pem"), second.pem()).expect("a file can be written");
    std::fs::write(world.folder().join("me.key"), second.key_pem()).expect("a file can be written");
    world.reconfigure();
    assert!(ask(&world).await.starts_with("HTTP/1.1 200 "));
    let seen = lock(&service.seen);
    let shown: Vec<_> = seen.iter().filter_map(|one| Some((one.client.as_ref()?, one.requests))).collect();
    assert!(shown.contains(&(&second.chain[0], 1)), "the new certificate was shown");
    let of_first: usize =
        shown.iter().filter(|(shown, _)| *shown == &first.chain[0]).map(|(_, requests)| requests).sum();
    assert_eq!(of_first, 2, "two requests under the one before");
}

async fn a_socket_file() {
    let folder = Folder::new();
    let path = folder.path().join("service.sock");
    let listener = UnixListener::bind(&path).expect("a socket can be made");
    let world = gateway(&format!("unix:{}", path.display()), "host = \"endpoint\"", &[]).await;
    let serves = async {
        let (mut stream, _) = listener.accept().await.expect("it is reached");
        let mut heads = Vec::new();
        for _ in 0..2 {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.expect("a whole head"));
            }
            heads.push(String::from_utf8_lossy(&head).into_owned());
            stream.write_all(OK.as_bytes()).await.expect("it listens");
        }
        heads
    };
    let asks = async { (ask(&world).await, ask(&world).await) };
    let (answers, heads) = tokio::join!(asks, serves);
    assert!(answers.0.starts_with("HTTP/1.1 200 ") && answers.1.starts_with("HTTP/1.1 200 "), "{answers:?}");
    assert!(heads.iter().all(|head| head.contains("host: localhost\r\n")), "{heads:?}");
    drop(listener);
    std::fs::remove_file(&path).expect("it was there");
    let answer = ask(&world).await;
    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("upstream-failed"), "{answer}");
}
