//! Requests within the bodies of requests, at services that leave bodies unread.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use auth_core::lock::lock;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};
use world::{
    World,
    caller::{Caller, Form},
    raw,
};

use super::{Attack, Probes};

pub(super) const ATTACKS: &[Attack] = &[
    Attack { name: "requests_in_unread_bodies", fault: "unread-body-kept", run: || Box::pin(in_unread_bodies()) },
    Attack { name: "requests_begun_in_late_bodies", fault: "early-answer-pooled", run: || Box::pin(in_late_bodies()) },
];

/// What the upstream would do as root.
const AS_ROOT: &str = "GET /admin/stolen HTTP/1.1\r\nHost: x\r\nX-Auth-Request-User: root\r\n\r\n";

/// A body whose end is the beginning of a request, and longer than what is read whole before it is sent on: whoever comes
/// next on the connection completes it.
const BEGUN: usize = 100_000;

/// A service that answers every request without reading its body, whatever its length, and goes on with the bytes that
/// come, as Python's `http.server` does. It heeds `Connection: close`.
struct Careless {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<Head>>>,
    taken: watch::Receiver<usize>,
    accepting: JoinHandle<()>,
}

/// One request, as it understood it.
#[derive(Clone, Debug, Default)]
struct Head {
    target: String,
    fields: BTreeMap<String, String>,
}

/// A body on a request that has none, and any body at a service for which that line is written: nothing in it is done.
async fn in_unread_bodies() -> Probes {
    let (world, careless) = start("reuse_after_body = false").await;
    let host = world.url("/").authority().to_owned();
    let mut probes = Probes::default();
    for method in ["GET", "HEAD", "DELETE", "OPTIONS", "POST", "PUT", "PATCH", "REPORT"] {
        for chunked in [false, true] {
            let before = careless.stolen().len();
            let (fields, body) = match chunked {
                false => (format!("Content-Length: {}\r\n", AS_ROOT.len()), AS_ROOT.to_owned()),
                true => (
                    "Transfer-Encoding: chunked\r\n".to_owned(),
                    format!("{:x}\r\n{AS_ROOT}\r\n0\r\n\r\n", AS_ROOT.len()),
                ),
            };
            let head = format!("{method} /public/x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{fields}\r\n");
            raw::ask(&host, head + &body).await;
            // Whatever is still to come on that connection has come before the next one is served.
            raw::ask(&host, raw::request("GET", "/public/after", &host, "", "")).await;
            let stolen = careless.stolen();
            probes.made(stolen.len() > before, || format!("{method}, chunked {chunked}: {:?}", stolen.last()));
        }
    }
    probes
}

/// An upload that is answered before it ends, and whose end is the beginning of a request: nobody's request completes it.
async fn in_late_bodies() -> Probes {
    let (world, mut careless) = start("").await;
    let host = world.url("/").authority().to_owned();
    let mut ada = Caller::bearing(Form::Script, &world.token("ada"));
    // The keys are there before anything is tried.
    world.ask(&mut ada, "/api/before").await;
    let mut probes = Probes::default();
    for method in ["POST", "PUT", "PATCH"] {
        let before = careless.stolen().len();
        let begun = "GET /public/stolen HTTP/1.1\r\nX-Rest: ";
        let body = format!("{begun}{}", "a".repeat(BEGUN - begun.len()));
        let mut mallory = TcpStream::connect(&host).await.expect("the gateway listens");
        let head = format!("{method} /public/x HTTP/1.1\r\nHost: {host}\r\nContent-Length: {BEGUN}\r\n\r\n");
        mallory.write_all(head.as_bytes()).await.expect("the gateway listens");
        let mut answer = [0; 4096];
        let _ = mallory.read(&mut answer).await;
        let taken = *careless.taken.borrow() + BEGUN;
        // It may not be taken any more: then there is nothing to complete.
        if mallory.write_all(body.as_bytes()).await.is_ok() {
            let _ = tokio::time::timeout(world::DEADLINE, careless.taken.wait_for(|now| *now >= taken)).await;
        }
        world.ask(&mut ada, "/api/next").await;
        let stolen = careless.stolen();
        probes.made(stolen.len() > before, || format!("{method}: {:?}", stolen.last()));
    }
    probes
}

/// A world before a careless service, with `line` written for it.
async fn start(line: &str) -> (World, Careless) {
    let careless = Careless::start().await;
    let mut world = World::new().prepare().await;
    world.settings.replace(&world.proxies.monolith.base(), &format!("http://{}", careless.address));
    world.settings.replace("endpoints = [", &format!("{line}\nendpoints = ["));
    world.start_gateway().await;
    (world, careless)
}

impl Careless {
    async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let (heard, (counting, taken)) = (Arc::<Mutex<Vec<Head>>>::default(), watch::channel(0));
        let (hearing, counting) = (heard.clone(), Arc::new(counting));
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, hearing.clone(), counting.clone()));
            }
        });
        Self { address, heard, taken, accepting }
    }

    /// The requests that nobody sent: in root's name, or begun by one and completed by another.
    fn stolen(&self) -> Vec<Head> {
        let named = |head: &&Head| head.fields.contains_key("x-auth-request-user");
        lock(&self.heard).iter().filter(|head| head.target.contains("stolen")).filter(named).cloned().collect()
    }
}

impl Drop for Careless {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(mut client: TcpStream, heard: Arc<Mutex<Vec<Head>>>, counting: Arc<watch::Sender<usize>>) {
    let mut bytes = Vec::new();
    loop {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let Some(end) = end else {
            match client.read_buf(&mut bytes).await {
                Ok(read) if read > 0 => counting.send_modify(|taken| *taken += read),
                _ => return,
            }
            continue;
        };
        let text = String::from_utf8_lossy(&bytes.drain(..end + 4).collect::<Vec<u8>>()).into_owned();
        // The frames of a chunked body are no requests: who reads the rest as one skips them, as some do.
        let mut lines = text.split("\r\n").skip_while(|line| !line.ends_with("HTTP/1.1"));
        let Some(target) = lines.next().and_then(|line| line.split(' ').nth(1)) else { continue };
        let fields = lines.filter_map(|line| line.split_once(": "));
        let fields = fields.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        let head = Head { target: target.to_owned(), fields };
        let closes = head.fields.get("connection").is_some_and(|options| options.eq_ignore_ascii_case("close"));
        lock(&heard).push(head);
        if client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.is_err() || closes {
            return;
        }
    }
}
