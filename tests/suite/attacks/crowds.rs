//! One address that takes the places of everybody else: connections, and places at the service.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    task::{JoinHandle, JoinSet},
    time::timeout,
};
use world::{World, raw};

use super::{Attack, Probes};
use crate::report;

pub(super) const ATTACKS: &[Attack] = &[
    Attack { name: "places_taken_by_one_address", fault: "no-share-of-places", run: || Box::pin(by_one_address()) },
    Attack { name: "places_held_by_a_drip", fault: "slow-clients-hold-places", run: || Box::pin(by_a_drip()) },
];

/// How many places there are at the service.
const PLACES: usize = 64;

/// How many bodies drip.
const DRIPS: u8 = 4;

/// Longer than what is read whole before a place is taken.
const LONG: usize = 100_000;

/// More than lies in the buffers on the way to who does not read.
const LARGE: usize = 16 << 20;

/// A service that never answers what asks for `held`, answers much to what asks for `large`, and `ok` to the rest.
struct Service {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

/// Slow bodies, slow readers and slow answers from one address, as many as there are places: whoever else comes is
/// served.
async fn by_one_address() -> Probes {
    let mut probes = Probes::default();
    for way in ["a slow body", "a slow reader", "a slow answer"] {
        let (world, _service) = start("").await;
        let host = world.url("/").authority().to_owned();
        let crowd = crowd(&host, way, PLACES).await;
        let mut refused = 0;
        for _ in 0..3 {
            let answered = raw::ask(&host, raw::request("GET", "/public/x", &host, "", "")).await;
            refused += usize::from(answered.status() != Some(200));
            probes.made(answered.status() != Some(200), || format!("{way}: {answered:?}"));
        }
        if way == "a slow body" {
            report::say(format!("slow bodies: {} of {PLACES} places asked, {refused} others refused", crowd.len()));
        }
        drop(crowd);
    }
    probes
}

/// Bodies that come by a byte at a time, each from an address of its own: every one is cut in time.
async fn by_a_drip() -> Probes {
    let (world, _service) = start("min_body_rate = \"4KiB\"\n").await;
    let host = world.url("/").authority().to_owned();
    let address = host.parse().expect("a numeric address");
    let mut drips = JoinSet::new();
    for client in 0..DRIPS {
        let mut stream = from([127, 0, 0, client + 10], address).await;
        say(&mut stream, &host, "POST", "held", &format!("Content-Length: {LONG}\r\n")).await;
        drips.spawn(async move { drip(stream).await });
    }
    let mut probes = Probes::default();
    while let Some(cut) = drips.join_next().await {
        let cut = cut.unwrap_or(false);
        probes.made(!cut, || "it held its place for as long as anybody would wait".to_owned());
    }
    probes
}

/// Sends a byte at a time, never so late that it would count as standing still; whether it was cut.
async fn drip(mut stream: TcpStream) -> bool {
    let (mut read, mut write) = stream.split();
    let mut answer = Vec::new();
    let dripping = async {
        let mut every = tokio::time::interval(world::DEADLINE / 8);
        while every.tick().await.elapsed() < world::DEADLINE * 20 && write.write_all(b"a").await.is_ok() {}
        std::future::pending::<()>().await;
    };
    let cut = async {
        let _ = read.read_to_end(&mut answer).await;
    };
    tokio::select! {
        () = dripping => false,
        ended = timeout(world::DEADLINE * 10, cut) => ended.is_ok(),
    }
}

/// So many clients at another address than ours, which do `way`.
async fn crowd(host: &str, way: &str, many: usize) -> Vec<TcpStream> {
    let address = host.parse().expect("a numeric address");
    let mut crowd = Vec::with_capacity(many);
    for _ in 0..many {
        let mut stream = from([127, 0, 0, 2], address).await;
        match way {
            "a slow body" => say(&mut stream, host, "POST", "held", &format!("Content-Length: {LONG}\r\n")).await,
            "a slow reader" => say(&mut stream, host, "GET", "large", "").await,
            _ => say(&mut stream, host, "GET", "held", "").await,
        }
        crowd.push(stream);
    }
    crowd
}

async fn from(own: [u8; 4], address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("there is a socket left");
    socket.bind((own, 0).into()).expect("loopback is ours");
    socket.connect(address).await.expect("the gateway listens")
}

async fn say(stream: &mut TcpStream, host: &str, method: &str, path: &str, fields: &str) {
    let head = format!("{method} /public/{path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n");
    // Who is not let in is closed at once.
    let _ = stream.write_all(head.as_bytes()).await;
}

/// A world before the service, where every deadline but those of bodies is far away. `line` is of the public route.
async fn start(line: &str) -> (World, Service) {
    let service = Service::start().await;
    let mut world = World::new().prepare().await;
    world.settings.replace(&world.proxies.monolith.base(), &format!("http://{}", service.address));
    world.settings.replace("response_timeout = \"400ms\"", "response_timeout = \"25s\"");
    if line.is_empty() {
        world.settings.replace("idle_body_timeout = \"400ms\"", "idle_body_timeout = \"25s\"");
    }
    world.settings.replace("allow = [\"anyone\"]", &format!("allow = [\"anyone\"]\n{line}"));
    world.settings.replace("endpoints = [", &format!("max_connections = {PLACES}\nendpoints = ["));
    world.start_gateway().await;
    (world, service)
}

impl Service {
    async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client));
            }
        });
        Self { address, accepting }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// One request, and the end of the connection.
async fn serve(mut client: TcpStream) {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if client.read_buf(&mut head).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    if head.contains("/held ") {
        // Read and never answered.
        let mut sink = [0; 4096];
        while client.read(&mut sink).await.unwrap_or(0) > 0 {}
        return;
    }
    let body = if head.contains("/large ") { LARGE } else { 2 };
    let answer = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {body}\r\n\r\n");
    let _ = client.write_all(answer.as_bytes()).await;
    let _ = client.write_all(&vec![b'a'; body]).await;
}
