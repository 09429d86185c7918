//! The ways of what lasts: opened before something breaks, looked at while it is broken, and ended by a proof when all is
//! healed.

use std::time::Duration;

use gateway::demo::browser::NoAnswer;
use tokio::{net::TcpListener, time::interval};
use world::{
    World,
    caller::{Caller, Heard},
};

use super::{
    super::{oracle::Complaints, table::Flow, twins},
    Going,
};
use crate::serving::{
    line::Line,
    request,
    tunnels::{HANDSHAKE, HELLO, SWITCHED},
};

/// A comment in a stream of events, as a chunk; and a piece of an upload.
const COMMENT: &[u8] = b"7\r\n: ping\n\r\n";
const PIECE: &[u8] = b"4\r\nsome\r\n";

/// How often it is looked at meanwhile, and over how long: the gateway looks several times in that.
const BEATS: u32 = 6;
const BEAT: Duration = Duration::from_millis(50);

/// What is open, and the answer by which its person is known to be served.
pub(super) struct Lasting {
    client: Line,
    service: Line,
    opened: Heard,
}

impl Lasting {
    /// Opens it for `person`, who is signed in.
    pub(super) async fn open(world: &mut World, flow: Flow, person: &mut Caller, path: &str) -> Self {
        let opened = world.ask(person, path).await;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let live = format!("[upstreams.live]\nendpoints = [\"http://{address}\"]\n\n[upstreams.monolith]");
        world.settings.replace("[upstreams.monolith]", &live);
        let route = "[[routes]]\npath = \"/live/\"\nupstream = \"live\"\nallow = [\"user\"]\n\n[upstreams.live]";
        world.settings.replace("[upstreams.live]", route);
        world.reconfigure();
        let url = world.url("/live/x");
        let own = url.origin().ascii_serialization();
        let fields = format!("Cookie: {}\r\nOrigin: {own}\r\n", person.browser().cookies_for(&url));
        let (method, more, answer) = match flow {
            Flow::Upgrade => ("GET", HANDSHAKE, SWITCHED),
            Flow::StreamingBody => ("POST", "Transfer-Encoding: chunked\r\n", ""),
            _ => {
                ("GET", "", "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            }
        };
        let mut client = Line::to(url.socket_addrs(|| None).expect("a numeric address")[0]).await;
        client.say(request(method, "x", &format!("{fields}{more}")).replace("/public/", "/live/")).await;
        let mut service = Line::accepted(&listener).await;
        service.head().await;
        if !answer.is_empty() {
            service.say(answer).await;
            client.head().await;
        }
        Self { client, service, opened }
    }

    /// Whether something passes on it.
    async fn passes(&mut self, flow: Flow) -> bool {
        let Self { client, service, .. } = self;
        match flow {
            Flow::Upgrade => passes(service, client, HELLO).await && passes(client, service, b"there").await,
            Flow::StreamingBody => passes(client, service, PIECE).await,
            _ => passes(service, client, COMMENT).await,
        }
    }

    /// What its person sees: that they go on being served, or that it has ended.
    pub(super) async fn seen(&mut self, flow: Flow) -> Heard {
        let mut beat = interval(BEAT);
        for _ in 0..BEATS {
            beat.tick().await;
            if !self.passes(flow).await {
                return Heard {
                    answer: Err(NoAnswer::Broken("what was open has ended".to_owned())),
                    reached: Vec::new(),
                };
            }
        }
        let answer = self.opened.answer.as_ref().map_err(|_| NoAnswer::Page("it was never opened")).cloned();
        Heard { answer, reached: self.opened.reached.clone() }
    }

    /// Its person is signed out: it ends.
    pub(super) async fn judge_when_healed(
        mut self,
        world: &World,
        flow: Flow,
        subject: &str,
        complaints: &mut Complaints,
    ) {
        world.revoke(subject).await;
        let mut beat = interval(BEAT);
        for _ in 0..200 {
            beat.tick().await;
            if !self.passes(flow).await {
                return;
            }
        }
        complaints.add("what was open outlived its person's sign-in");
    }
}

impl Going {
    pub(super) async fn prepare_lasting(&mut self, world: &mut World) {
        self.twins = twins::of_earlier_sessions(world, self.good.form()).await;
        world.sign_in(&mut self.good, &self.subject, self.path).await;
        self.lasting = Some(Lasting::open(world, self.flow, &mut self.good, self.path).await);
    }
}

async fn passes(from: &mut Line, to: &mut Line, bytes: &[u8]) -> bool {
    from.try_say(bytes).await && to.try_exactly(bytes.len()).await.as_deref() == Some(bytes)
}
