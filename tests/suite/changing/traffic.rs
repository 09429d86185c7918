//! Clients of every kind that ask on and on, and count what went wrong.

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::{interval, timeout},
};
use world::{
    World,
    caller::{Caller, Form},
};

/// Well beyond what a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(20);

/// An upload is this long, and comes in so many pieces.
const UPLOAD: (usize, usize) = (256 * 1024, 16);

/// How long each client waits from one request to the next, and an upload from one piece to the next.
const BEAT: Duration = Duration::from_millis(10);

/// A world for a gateway in a process of its own that none of its deadlines disturbs, with whoever asks it.
pub(super) struct Crowd {
    pub(super) world: Arc<World>,
    device: String,
}

/// Clients that ask until they are told to stop.
pub(super) struct Traffic {
    stop: Arc<AtomicBool>,
    asking: JoinSet<Tally>,
    answered: Arc<AtomicUsize>,
}

/// What became of some requests.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) answered: usize,
    pub(super) connections: usize,
    /// Of each that was not answered as it should be, what came instead.
    pub(super) failed: Vec<String>,
}

/// What came back.
struct Answer {
    status: String,
    is_last: bool,
}

/// A client that speaks HTTP/1.1 by hand, so that nothing is tried twice unseen.
struct Client {
    host: String,
    line: Option<TcpStream>,
    tally: Tally,
}

impl Crowd {
    /// A world with a fleet, where sessions are renewed every second.
    pub(super) async fn gather() -> Self {
        let mut world = World::new().prepare().await;
        world.settings.replace("\"400ms\"", "\"20s\"");
        world.settings.renew_sessions();
        world.settings.replace("hard = \"12h\"", "hard = \"12h\"\nrenew = \"1s\"\nrenew_grace = \"2s\"");
        world.settings.add_fleet();
        world.start_gateway().await;
        let display = world.register("acme").await;
        let device = world.token_of(&display, Duration::ZERO);
        world.stop_gateway().await;
        Self { world: Arc::new(world), device }
    }

    /// Lets all of them ask.
    pub(super) async fn ask(&self) -> Traffic {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut asking = JoinSet::new();
        let host = self.world.settings.public_url().socket_addrs(|| None).expect("numeric")[0].to_string();
        let program = self.world.token("display-1");
        for kept in [true, true, false, false] {
            let get = request("GET", "/api/calendar", &host, &program, if kept { "" } else { "Connection: close\r\n" });
            asking.spawn(Client::new(&host).ask_on(get, stop.clone(), answered.clone()));
        }
        let device = request("GET", "/fleet/calendar", &host, &self.device, "");
        asking.spawn(Client::new(&host).ask_on(device, stop.clone(), answered.clone()));
        let length = format!("Content-Length: {}\r\n", UPLOAD.0);
        let upload = request("POST", "/api/calendar", &host, &program, &length);
        asking.spawn(Client::new(&host).upload_on(upload, stop.clone(), answered.clone()));
        let mut person = Caller::new(Form::Browser);
        self.world.sign_in(&mut person, "ada", "/calendar").await;
        asking.spawn(visit_on(person, self.world.clone(), stop.clone(), answered.clone()));
        Traffic { stop, asking, answered }
    }
}

impl Traffic {
    /// Waits until so many more requests were answered.
    pub(super) async fn more(&self, count: usize) {
        let (mut beat, goal) = (interval(BEAT), self.answered.load(Ordering::SeqCst) + count);
        for _ in 0..3000 {
            if self.answered.load(Ordering::SeqCst) >= goal {
                return;
            }
            beat.tick().await;
        }
        panic!("nobody is answered any more");
    }

    /// Lets each end the request that it is at; what became of them all.
    pub(super) async fn end(self) -> Tally {
        self.stop.store(true, Ordering::SeqCst);
        let mut all = Tally::default();
        for tally in self.asking.join_all().await {
            all.answered += tally.answered;
            all.connections += tally.connections;
            all.failed.extend(tally.failed);
        }
        all
    }
}

/// A request with a bearer token. `fields` are lines that end in CRLF.
fn request(method: &str, path: &str, host: &str, token: &str, fields: &str) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\n");
    // Writing to a String cannot fail.
    let _ = write!(text, "Authorization: Bearer {token}\r\n{fields}\r\n");
    text
}

impl Client {
    fn new(host: &str) -> Self {
        Self { host: host.to_owned(), line: None, tally: Tally::default() }
    }

    /// Sends `request` again and again, on one connection for as long as the gateway keeps it.
    async fn ask_on(mut self, request: String, stop: Arc<AtomicBool>, answered: Arc<AtomicUsize>) -> Tally {
        let mut beat = interval(BEAT);
        while !stop.load(Ordering::SeqCst) {
            let outcome = timeout(PATIENCE, self.exchange(&[request.as_bytes()])).await;
            self.count(outcome.unwrap_or_else(|_| Err("nothing came".to_owned())), &answered);
            beat.tick().await;
        }
        self.tally
    }

    /// The same with a body in pieces, each on a connection of its own.
    async fn upload_on(mut self, head: String, stop: Arc<AtomicBool>, answered: Arc<AtomicUsize>) -> Tally {
        let piece = vec![b'x'; UPLOAD.0 / UPLOAD.1];
        let pieces: Vec<&[u8]> = std::iter::once(head.as_bytes()).chain((0..UPLOAD.1).map(|_| &piece[..])).collect();
        while !stop.load(Ordering::SeqCst) {
            let outcome = timeout(PATIENCE, self.exchange(&pieces)).await;
            self.count(outcome.unwrap_or_else(|_| Err("nothing came".to_owned())), &answered);
            self.line = None;
        }
        self.tally
    }

    async fn exchange(&mut self, pieces: &[&[u8]]) -> Result<Answer, String> {
        let mut line = match self.line.take() {
            Some(line) => line,
            None => {
                self.tally.connections += 1;
                let line = TcpStream::connect(&self.host).await.map_err(|fault| format!("not connected: {fault}"))?;
                line.set_nodelay(true).map_err(|fault| fault.to_string())?;
                line
            }
        };
        let mut beat = interval(BEAT);
        for piece in pieces {
            beat.tick().await;
            line.write_all(piece).await.map_err(|fault| format!("not sent: {fault}"))?;
        }
        let answer = read(&mut line).await?;
        if !answer.is_last {
            self.line = Some(line);
        }
        Ok(answer)
    }

    fn count(&mut self, outcome: Result<Answer, String>, answered: &AtomicUsize) {
        answered.fetch_add(1, Ordering::SeqCst);
        match outcome {
            Ok(answer) if answer.status == "200" => self.tally.answered += 1,
            Ok(answer) => self.tally.failed.push(answer.status),
            Err(fault) => self.tally.failed.push(fault),
        }
    }
}

/// Reads one whole answer.
async fn read(line: &mut TcpStream) -> Result<Answer, String> {
    let mut heard = Vec::new();
    loop {
        let head = heard.windows(4).position(|end| end == b"\r\n\r\n");
        if let Some(end) = head {
            let head = String::from_utf8_lossy(&heard[..end]).to_ascii_lowercase();
            let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
            let length: usize = length.and_then(|length| length.trim().parse().ok()).ok_or("it states no length")?;
            if heard.len() >= end + 4 + length {
                let status = head.split(' ').nth(1).unwrap_or_default().to_owned();
                return Ok(Answer { status, is_last: head.contains("connection: close") });
            }
        }
        match line.read_buf(&mut heard).await {
            Ok(0) if heard.is_empty() => return Err("closed before an answer".to_owned()),
            Ok(0) => return Err("an answer was cut".to_owned()),
            Ok(_) => {}
            Err(fault) => return Err(format!("not received: {fault}")),
        }
    }
}

/// A person who looks at their calendar again and again; each request is on a connection of its own.
async fn visit_on(mut person: Caller, world: Arc<World>, stop: Arc<AtomicBool>, answered: Arc<AtomicUsize>) -> Tally {
    let (mut tally, mut beat) = (Tally::default(), interval(BEAT));
    while !stop.load(Ordering::SeqCst) {
        let heard = world.ask(&mut person, "/calendar").await;
        answered.fetch_add(1, Ordering::SeqCst);
        tally.connections += 1;
        if heard.status() == Some(200) && !heard.identities().is_empty() {
            tally.answered += 1;
        } else {
            tally.failed.push(heard.line());
        }
        beat.tick().await;
    }
    tally
}
