//! TLS towards clients, over real sockets.

use std::{fs, net::SocketAddr, num::NonZero, sync::Arc, time::Duration};

use libtest_mimic::Trial;
use rustls::{ClientConfig, HandshakeKind, client::Resumption, pki_types::ServerName, version};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use world::{
    World,
    authority::{Authority, Issued},
    caller::{Caller, Form},
    raw, settings,
    wire::{self, Protocol},
};

use crate::in_a_runtime;

/// Beyond every deadline: who waits longer has found a hang.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn tests() -> Vec<Trial> {
    vec![
        in_a_runtime("wires::people_sign_in_over_tls", people_sign_in),
        in_a_runtime("wires::a_certificate_that_changes_is_served_and_a_bad_one_is_not", a_certificate_changes),
        in_a_runtime("wires::a_session_is_resumed_on_every_worker_and_under_the_next_certificate", resumption),
        in_a_runtime("wires::a_name_leads_to_its_certificate", a_name_leads_to_its_certificate),
        in_a_runtime("wires::who_speaks_no_common_protocol_is_told_so", no_common_protocol),
        in_a_runtime("wires::a_handshake_that_never_ends_is_ended", a_slow_handshake),
        in_a_runtime("wires::plain_http_leads_to_https", plain_http),
    ]
}

fn address(world: &World) -> SocketAddr {
    world.url("/").socket_addrs(|| None).expect("a numeric address")[0]
}

/// A handshake for `name` as `client` makes it.
async fn connect(world: &World, client: &Arc<ClientConfig>, name: &str) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address(world)).await?;
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    timeout(PATIENCE, TlsConnector::from(client.clone()).connect(name, stream)).await.expect("it does not hang")
}

/// Asks on a connection of its own, and how the handshake went and what was answered.
async fn ask(world: &World, client: &Arc<ClientConfig>) -> std::io::Result<(HandshakeKind, String)> {
    let mut stream = connect(world, client, "127.0.0.1").await?;
    let request = raw::request("GET", "/public/x", "127.0.0.1", "", "");
    stream.write_all(request.as_bytes()).await?;
    let mut heard = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut heard)).await.expect("it does not hang")?;
    let kind = stream.get_ref().1.handshake_kind().expect("the handshake is over");
    Ok((kind, String::from_utf8_lossy(&heard).into_owned()))
}

fn write(world: &World, issued: &Issued) {
    fs::write(world.folder().join("tls.pem"), &issued.certificate).expect("a file can be written");
    fs::write(world.folder().join("tls.key"), &issued.key).expect("a file can be written");
}

/// The certificate that is shown to who asks for `name`, as long as anything is.
async fn shown(world: &World, name: &str) -> Vec<u8> {
    let client = Arc::new(wire::client(b"http/1.1"));
    let stream = connect(world, &client, name).await.expect("a handshake");
    let chain = stream.get_ref().1.peer_certificates().expect("a server shows one");
    chain[0].to_vec()
}

/// Waits until the certificate that is shown is another than `before`.
async fn another(world: &World, before: &[u8]) -> Vec<u8> {
    let mut beat = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..1500 {
        let now = shown(world, "127.0.0.1").await;
        if now != before {
            return now;
        }
        beat.tick().await;
    }
    panic!("the certificate never changed");
}

/// Waits until the gateway says in its metrics that it kept a certificate more often than `times`.
async fn kept(world: &World, times: u32) -> u32 {
    let mut beat = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..1500 {
        let now = metric(world, "candor_certificates_read_total{result=\"kept\"}").await;
        if now > times {
            return now;
        }
        beat.tick().await;
    }
    panic!("it never said that it keeps the certificate");
}

async fn metric(world: &World, series: &str) -> u32 {
    let metrics = world.metrics().await;
    let line = metrics.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok());
    line.unwrap_or(0)
}

async fn people_sign_in() {
    let mut world = World::new().over(Protocol::Http1Tls).prepare().await;
    world.settings.replace("data = \"data\"", "data = \"data\"\nhsts = \"365d\"");
    world.start_gateway().await;
    let mut ada = Caller::new(Form::Browser);
    let page = world.sign_in(&mut ada, "ada", "/calendar").await;
    assert_eq!(page.header("strict-transport-security"), Some("max-age=31536000"), "on an upstream's answer");
    let seen = world.monolith.seen();
    let seen = seen.iter().find(|seen| seen.target == "/calendar").expect("it arrived");
    assert_eq!(seen.header("x-forwarded-proto"), Some("https"));
    assert!(ada.browser().cookie(&world.url("/"), "__Host-candor").is_some(), "bound to this host");
    let own = ada.browser().get(&world.url("/.candor/me")).await.expect("an answer");
    assert_eq!(own.header("strict-transport-security"), Some("max-age=31536000"), "on an answer of ours");
}

async fn a_certificate_changes() {
    let world = World::new().over(Protocol::Http1Tls).start().await;
    let first = shown(&world, "127.0.0.1").await;
    write(&world, &Authority::shared().issue(&["127.0.0.1"]));
    let second = another(&world, &first).await;
    let mut times = metric(&world, "candor_certificates_read_total{result=\"kept\"}").await;
    let bad = [
        Issued { certificate: "garbage".to_owned(), key: "garbage".to_owned() },
        Issued {
            certificate: Authority::shared().issue(&["127.0.0.1"]).certificate,
            key: Authority::shared().issue(&["127.0.0.1"]).key,
        },
    ];
    for issued in bad {
        write(&world, &issued);
        times = kept(&world, times).await;
        assert!(shown(&world, "127.0.0.1").await == second, "the one before is kept");
    }
    fs::remove_file(world.folder().join("tls.key")).expect("a file can be removed");
    kept(&world, times).await;
    assert!(shown(&world, "127.0.0.1").await == second, "the one before is kept");
    write(&world, &Authority::shared().issue(&["127.0.0.1"]));
    another(&world, &second).await;
    let remaining = "candor_certificate_remaining_seconds{certificate=\"";
    assert!(world.metrics().await.contains(remaining), "how long it is good for is measured");
}

async fn resumption() {
    let mut world = World::new().over(Protocol::Http1Tls).prepare().await;
    world.workers(NonZero::new(3).expect("three"));
    world.start_gateway().await;
    for only in [&version::TLS12, &version::TLS13] {
        let mut own = wire::client_of(b"http/1.1", &[only]);
        own.resumption = Resumption::in_memory_sessions(8);
        let own = Arc::new(own);
        let (kind, answer) = ask(&world, &own).await.expect("an answer");
        assert!(kind != HandshakeKind::Resumed && answer.starts_with("HTTP/1.1 200"), "{answer}");
        // Each connection goes to another worker than the one before.
        for _ in 0..4 {
            let (kind, answer) = ask(&world, &own).await.expect("an answer");
            assert!(kind == HandshakeKind::Resumed && answer.starts_with("HTTP/1.1 200"), "{kind:?} {answer}");
        }
        let before = shown(&world, "127.0.0.1").await;
        write(&world, &Authority::shared().issue(&["127.0.0.1"]));
        another(&world, &before).await;
        let (kind, _) = ask(&world, &own).await.expect("an answer");
        assert_eq!(kind, HandshakeKind::Resumed, "the certificate is another, the session is not");
    }
}

async fn a_name_leads_to_its_certificate() {
    let mut world = World::new().over(Protocol::Http1Tls).prepare().await;
    let other = Authority::shared().issue(&["other.example", "*.wild.example"]);
    fs::write(world.folder().join("other.pem"), &other.certificate).expect("a file can be written");
    fs::write(world.folder().join("other.key"), &other.key).expect("a file can be written");
    let one = "{ certificate = \"tls.pem\", key = \"tls.key\" }";
    world.settings.replace(one, &format!("[{one}, {{ certificate = \"other.pem\", key = \"other.key\" }}]"));
    world.start_gateway().await;
    let first = shown(&world, "127.0.0.1").await;
    assert!(shown(&world, "localhost").await == first);
    assert!(shown(&world, "other.example").await != first);
    assert!(shown(&world, "a.wild.example").await != first);
    let client = Arc::new(wire::client(b"http/1.1"));
    let fault = connect(&world, &client, "stranger.example").await.expect_err("nobody has a certificate for that");
    assert!(fault.to_string().contains("not valid for name"), "{fault}");
}

async fn no_common_protocol() {
    let world = World::new().over(Protocol::Http1Tls).start().await;
    let client = Arc::new(wire::client(b"imap"));
    let fault = connect(&world, &client, "127.0.0.1").await.expect_err("nothing in common");
    assert!(fault.to_string().contains("NoApplicationProtocol"), "{fault}");
    let answered = raw::ask(&address(&world).to_string(), raw::request("GET", "/", "127.0.0.1", "", "")).await;
    assert!(!answered.hung && answered.status().is_none(), "plain HTTP on a port for TLS: {answered:?}");
}

async fn a_slow_handshake() {
    let mut world = World::new().over(Protocol::Http1Tls).prepare().await;
    world.settings.replace("data = \"data\"", "data = \"data\"\nhead_timeout = \"300ms\"");
    world.start_gateway().await;
    let mut silent = TcpStream::connect(address(&world)).await.expect("it accepts");
    let mut half = TcpStream::connect(address(&world)).await.expect("it accepts");
    // A record that announces more than ever comes (RFC 8446 §5.1).
    half.write_all(&[22, 3, 1, 2, 0, 1]).await.expect("it listens");
    for stream in [&mut silent, &mut half] {
        let mut heard = Vec::new();
        let ended = timeout(PATIENCE, stream.read_to_end(&mut heard)).await;
        assert!(ended.is_ok() && heard.is_empty(), "{heard:?}");
    }
    let client = Arc::new(wire::client(b"http/1.1"));
    let (_, answer) = ask(&world, &client).await.expect("others are served");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

async fn plain_http() {
    let mut world = World::new().over(Protocol::Http1Tls).prepare().await;
    let port = settings::free_port();
    let guarded = format!("data = \"data\"\nredirect_http = [\"127.0.0.1:{port}\"]");
    world.settings.replace("data = \"data\"", &guarded);
    world.settings.replace("path = \"/public/\"", "host = \"other.example\"\npath = \"/public/\"");
    world.start_gateway().await;
    let host = format!("127.0.0.1:{port}");
    let public = world.url("/").to_string();
    let check = async |method: &str, target: &str, named: &str, expected: String| {
        let answered = raw::ask(&host, raw::request(method, target, named, "Expect: 100-continue\r\n", "body")).await;
        let text = String::from_utf8_lossy(&answered.bytes).into_owned();
        let location = format!("\r\nlocation: {expected}\r\n");
        assert!(text.starts_with("HTTP/1.1 308 ") && text.contains(&location), "{method} {target} {named}: {text}");
        assert!(!text.contains("strict-transport-security"), "it is said over TLS alone (RFC 6797 §7.2)");
    };
    check("GET", "/a?b=c", "127.0.0.1", format!("{public}a?b=c")).await;
    check("POST", "//evil.example/x", "127.0.0.1", format!("{public}/evil.example/x")).await;
    check("GET", "/.candor/login", "evil.example", format!("{public}.candor/login")).await;
    let port = world.url("/").port().expect("it has one");
    check("GET", "/public/x", "other.example", format!("https://other.example:{port}/public/x")).await;
    let bad = raw::ask(&host, raw::request("GET", "/a/../b", "127.0.0.1", "", "")).await;
    assert_eq!(bad.status(), Some(400));
    assert!(world.monolith.seen().is_empty(), "nothing went further");
}
