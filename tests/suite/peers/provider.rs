//! The certified provider's process: told what to do by lines that it reads, heard by lines that it prints.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Mutex,
    time::Duration,
};

use auth_core::lock::lock;
use serde_json::Value;
use tokio::sync::watch;

/// How long it may take to do what it is told, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// The provider's process. Dropping it ends it.
pub(super) struct Peer {
    running: Running,
    place: PeerPlace,
}

/// Where it stands, and what it says of people.
#[derive(Clone)]
pub(super) struct PeerPlace {
    pub(super) port: u16,
    pub(super) redirect_uri: String,
    pub(super) issuer: String,
    /// Names and groups are said at its userinfo endpoint alone.
    pub(super) claims_at_userinfo: bool,
}

struct Running {
    process: Child,
    events: watch::Receiver<Vec<Value>>,
    /// One command at a time.
    commands: Mutex<std::process::ChildStdin>,
}

/// Whether the peers are installed: `tests/peers/install` does it.
pub(super) fn installed() -> bool {
    node().exists() && peers().join("node_modules/oidc-provider").exists()
}

pub(super) fn peers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}

pub(super) fn node() -> PathBuf {
    peers().join("node_modules/.bin/node")
}

impl Peer {
    pub(super) async fn start(place: PeerPlace) -> Self {
        Self { running: launch(place.clone()).await, place }
    }

    /// Ends it and starts it again: its store and its key are lost.
    pub(super) async fn restart(&mut self) {
        self.running.end();
        self.running = launch(self.place.clone()).await;
    }

    /// Stops the process in its tracks: connections are accepted by the system, and nothing is ever said.
    pub(super) fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets a frozen process go on.
    pub(super) fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").arg(signal).arg(self.running.process.id().to_string()).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill {signal}");
    }

    /// Tells it to do something, by a line that it knows, and waits until it has.
    pub(super) async fn tell(&self, command: &str) {
        let done = self.count("done", |_| true);
        writeln!(lock(&self.running.commands), "{command}").expect("it reads");
        self.until(&format!("it did not {command}"), |events| count(events, "done", |_| true) > done).await;
    }

    /// How many events of this name it has printed since it was started, of those that are so.
    pub(super) fn count(&self, name: &str, is_so: impl Fn(&Value) -> bool) -> usize {
        count(&self.running.events.borrow(), name, is_so)
    }

    /// How often its token endpoint was asked for new tokens by a refresh token.
    pub(super) fn refreshes(&self) -> usize {
        self.count("token", is_refresh)
    }

    /// Waits until its token endpoint has been asked so often.
    pub(super) async fn until_refreshes(&self, so_many: usize) {
        self.until("nobody refreshes", |events| count(events, "token", is_refresh) >= so_many).await;
    }

    /// Waits until its token endpoint has answered so often.
    pub(super) async fn until_answered(&self, so_many: usize) {
        self.until("it does not answer", |events| count(events, "answered", is_refresh) >= so_many).await;
    }

    /// Waits until its events are so.
    pub(super) async fn until(&self, why: &str, is_so: impl Fn(&[Value]) -> bool) {
        let mut events = self.running.events.clone();
        let waited = tokio::time::timeout(PATIENCE, events.wait_for(|events| is_so(events))).await;
        let came = waited.is_ok_and(|heard| heard.is_ok());
        assert!(came, "{why}: {:#?}", self.running.events.borrow());
    }

    /// That no refresh token was shown to it twice: it takes that for a theft, and takes everything back.
    pub(super) fn saw_no_token_twice(&self) {
        assert_eq!(self.count("reused", |_| true), 0, "a refresh token was shown twice");
    }
}

fn is_refresh(event: &Value) -> bool {
    event["grant"] == "refresh_token"
}

fn count(events: &[Value], name: &str, is_so: impl Fn(&Value) -> bool) -> usize {
    events.iter().filter(|event| event["event"] == name && is_so(event)).count()
}

impl Running {
    fn end(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// A provider that listens.
async fn launch(place: PeerPlace) -> Running {
    let started = tokio::task::spawn_blocking(move || {
        let mut command = Command::new(node());
        let port = place.port.to_string();
        command.arg(peers().join("provider.mjs")).args([&port, &place.redirect_uri, &place.issuer]);
        if place.claims_at_userinfo {
            command.arg("--claims-at-userinfo");
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().expect("node starts");
        let commands = Mutex::new(process.stdin.take().expect("its input"));
        let mut lines = BufReader::new(process.stdout.take().expect("its output")).lines().map_while(Result::ok);
        let listens = lines.any(|line| line == "listening");
        assert!(listens, "the provider listens");
        let (tell, events) = watch::channel(Vec::new());
        std::thread::spawn(move || {
            for event in lines.filter_map(|line| serde_json::from_str(&line).ok()) {
                tell.send_modify(|events| events.push(event));
            }
        });
        Running { process, events, commands }
    });
    started.await.expect("the provider starts")
}
