//! The server's own promises, over real sockets: both ends of the gateway are spoken by hand.
//!
//! Whoever tests no deadline sets them so long that a slow machine changes nothing; who tests one waits for its event.

mod access_lines;
mod affinity;
mod bodies;
mod clients;
mod cross_origin;
mod crowds;
mod early;
mod endings;
mod http2;
mod http2_upstreams;
mod lasting;
pub(crate) mod line;
mod metrics;
mod reload;
mod secure_upstreams;
mod slow;
pub(crate) mod tunnels;
mod upstreams;

use std::net::SocketAddr;

use libtest_mimic::Trial;
use tokio::net::TcpListener;
use world::{World, settings::Settings};

use self::line::Line;

pub(crate) fn tests() -> Vec<Trial> {
    [
        clients::tests(),
        cross_origin::tests(),
        crowds::tests(),
        slow::tests(),
        bodies::tests(),
        early::tests(),
        upstreams::tests(),
        affinity::tests(),
        secure_upstreams::tests(),
        http2_upstreams::tests(),
        endings::tests(),
        http2::tests(),
        reload::tests(),
        metrics::tests(),
        access_lines::tests(),
        tunnels::tests(),
        lasting::tests(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A gateway before an upstream that is spoken by hand.
pub(crate) struct Setting {
    pub(crate) world: World,
    upstream: TcpListener,
}

impl Setting {
    /// Every deadline is far away.
    pub(crate) async fn patient() -> Self {
        Self::with(patient).await
    }

    /// `change` changes the configuration, whose deadlines are 400 ms.
    async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let upstream = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
        let address = upstream.local_addr().expect("it is bound");
        let mut world = World::new().prepare().await;
        world.settings.replace(&world.proxies.monolith.base(), &format!("http://{address}"));
        change(&mut world.settings);
        world.start_gateway().await;
        Self { world, upstream }
    }

    /// A new client.
    pub(crate) async fn client(&self) -> Line {
        Line::to(self.address()).await
    }

    /// A new client at another address.
    async fn client_from(&self, own: [u8; 4]) -> Line {
        Line::from(own, self.address()).await
    }

    fn address(&self) -> SocketAddr {
        self.world.url("/").socket_addrs(|| None).expect("a numeric address")[0]
    }

    /// The next connection to the upstream.
    pub(crate) async fn upstream(&self) -> Line {
        Line::accepted(&self.upstream).await
    }

    /// A client that has asked, and the upstream that has heard it: its head.
    pub(crate) async fn asked(&self, request: &str) -> (Line, Line, String) {
        let mut client = self.client().await;
        client.say(request).await;
        let mut upstream = self.upstream().await;
        let head = upstream.head().await;
        (client, upstream, head)
    }
}

/// Puts every deadline far away.
fn patient(settings: &mut Settings) {
    settings.replace("\"400ms\"", "\"25s\"");
}

/// A request to a route that is open to anyone. `fields` are lines that end in CRLF.
pub(crate) fn request(method: &str, path: &str, fields: &str) -> String {
    format!("{method} /public/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}\r\n")
}

/// A whole answer.
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
