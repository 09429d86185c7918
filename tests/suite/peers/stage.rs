//! A certified provider in a process of its own, a gateway with a plain `gateway.toml`, and the monolith behind it.

use std::{
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use auth_core::{Clock, database::Database};
use gateway::{
    demo::{Monolith, browser::SeenPage},
    server::{self, ServeOptions, Started},
    state::Tuning,
};
use serde_json::Value;
use url::Url;
use world::{
    caller::{Caller, Heard},
    fault_proxy::FaultProxy,
    folder::Folder,
    settings,
};

use super::provider::{Peer, PeerPlace, node, peers};

/// Of every client that the provider knows.
pub(super) const SECRET: &str = "peers-only-secret";

/// Everything started for one test.
pub(super) struct Stage {
    pub(super) peer: Peer,
    /// The proxy to the provider, for the gateway and for browsers: the issuer stands at it.
    pub(super) proxy: FaultProxy,
    pub(super) monolith: Monolith,
    /// Stands still until the test moves it, so that "ten seconds ago" needs no waiting.
    pub(super) clock: Clock,
    /// Where people reach the gateway.
    pub(super) home: Url,
    /// Where it listens.
    listen: Url,
    config: String,
    patient: bool,
    gateway: Option<Started>,
    folder: Folder,
}

/// A gateway's place: what people call it, and what it is configured with besides.
#[derive(Clone, Copy, Default)]
pub(super) struct Place {
    pub(super) public_url: Option<&'static str>,
    /// Of its provider, and whatever may stand after that.
    pub(super) further: &'static str,
    /// Its provider gives refresh tokens: it is asked for access while people are away, and asks them whether they like
    /// that.
    pub(super) renewed: bool,
    /// Nothing here hangs on purpose, and there is more to do than a busy machine may get done in time.
    pub(super) patient: bool,
    /// The provider says names and groups at its userinfo endpoint alone.
    pub(super) claims_at_userinfo: bool,
}

impl Stage {
    /// Starts everything, on http, as on a developer's machine.
    pub(super) async fn start() -> Self {
        Self::at(Place::default()).await
    }

    pub(super) async fn at(place: Place) -> Self {
        let mut stage = Self::prepare(place).await;
        stage.start_gateway().await;
        stage
    }

    /// Starts everything but the gateway.
    pub(super) async fn prepare(place: Place) -> Self {
        let (gateway_port, peer_port) = (settings::free_port(), settings::free_port());
        let listen = Url::parse(&format!("http://127.0.0.1:{gateway_port}")).expect("an address");
        let home = place.public_url.map_or(listen.clone(), |url| Url::parse(url).expect("an address"));
        let proxy = FaultProxy::to(([127, 0, 0, 1], peer_port).into()).await.expect("a proxy can be started");
        let redirect_uri = home.join("/.candor/callback/peer").expect("a path").to_string();
        let claims_at_userinfo = place.claims_at_userinfo;
        let peer = PeerPlace { port: peer_port, redirect_uri, issuer: proxy.base(), claims_at_userinfo };
        let peer = Peer::start(peer).await;
        let monolith = Monolith::start(([127, 0, 0, 1], 0).into()).await.expect("the monolith starts");
        let config = config(&listen, &home, &proxy, &monolith, place);
        let folder = Folder::new();
        std::fs::write(folder.path().join("client_secret"), SECRET).expect("a file can be written");
        let clock = Clock::standing_at(Clock::system().now().wall());
        Self { peer, proxy, monolith, clock, home, listen, config, patient: place.patient, gateway: None, folder }
    }

    /// Writes the configuration to a file, for a gateway in a process of its own. Its path.
    pub(super) fn write_config(&self) -> PathBuf {
        let path = self.folder.path().join("gateway.toml");
        std::fs::write(&path, &self.config).expect("a file can be written");
        path
    }

    async fn start_gateway(&mut self) {
        let config =
            gateway::config::parse(&self.config, self.folder.path(), gateway::config::Secrets::Read(&|_| None));
        let config = config.unwrap_or_else(|problems| panic!("{problems:#?}\n{}", self.config));
        // The provider runs on a busy machine: only what is broken may be late.
        let call = Duration::from_secs(if self.patient { 30 } else { 4 });
        let tuning = Tuning { call, ..Tuning::default() };
        let options = ServeOptions { clock: self.clock.clone(), tuning, ..settings::options() };
        self.gateway = Some(server::start(config, options).await.expect("the gateway starts"));
    }

    /// Stops the gateway and starts it again: what it held in memory is gone.
    pub(super) async fn restart_gateway(&mut self) {
        if let Some(gateway) = self.gateway.take() {
            gateway.shutdown().await;
        }
        self.start_gateway().await;
    }

    /// Adds `text` (TOML) to the configuration, for the next start.
    pub(super) fn configure(&mut self, text: &str) {
        self.config.push_str(text);
    }

    /// The store of the gateway that runs.
    pub(super) fn store(&self) -> &Database {
        &self.gateway.as_ref().expect("the gateway runs").gateway().store
    }

    /// Gives the gateway another secret than the provider knows, for the next start.
    pub(super) fn lose_secret(&self) {
        std::fs::write(self.folder.path().join("client_secret"), "another").expect("a file can be written");
    }

    /// The address of `path` as people know it.
    pub(super) fn url(&self, path: &str) -> Url {
        self.home.join(path).expect("a path")
    }

    /// The same where the gateway listens: between the two stands what speaks TLS.
    pub(super) fn behind_tls(&self, url: &Url) -> Url {
        self.listen.join(&url[url::Position::BeforePath..]).expect("a path")
    }

    pub(super) async fn ask(&self, caller: &mut Caller, path: &str) -> Heard {
        caller.get(&self.url(path), &self.monolith).await
    }

    /// Makes the last good contact with the provider old enough that signing in asks it again.
    pub(super) fn let_contact_grow_old(&self) {
        self.clock.advance(Duration::from_secs(11));
    }

    /// Lets time pass, here and at the provider.
    pub(super) async fn advance(&self, by: Duration) {
        self.clock.advance(by);
        self.peer.tell(&format!("advance {}", by.as_secs())).await;
    }

    /// The claims of a signed identity, checked by a library that nobody here wrote and the gateway's published keys.
    pub(super) async fn verified(&self, token: &str) -> Value {
        let keys = self.url("/.candor/keys.json").to_string();
        let issuer = self.home.as_str().trim_end_matches('/').to_owned();
        let token = token.to_owned();
        tokio::task::spawn_blocking(move || {
            let mut command = Command::new(node());
            command.arg(peers().join("verify.mjs")).args([&keys, &issuer, "monolith", "gateway-identity+jwt"]);
            let mut check = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("node starts");
            check.stdin.take().expect("its input").write_all(token.as_bytes()).expect("it reads");
            let said = check.wait_with_output().expect("it ends");
            assert!(said.status.success(), "an independent library takes the signed identity");
            serde_json::from_slice(&said.stdout).expect("claims")
        })
        .await
        .expect("the check ends")
    }
}

fn config(listen: &Url, home: &Url, proxy: &FaultProxy, monolith: &Monolith, place: Place) -> String {
    let (at, home) = (&listen[url::Position::BeforeHost..url::Position::AfterPort], home.as_str());
    let (issuer, endpoint) = (proxy.base(), monolith.address());
    let further = place.further.replace("{issuer}", &issuer);
    let (scope, prompt) = if place.renewed { (", \"offline_access\"", "prompt = \"consent\"") } else { ("", "") };
    format!(
        r#"[server]
listen = ["{at}"]
public_url = "{home}"
data = "data"

[admin]
listen = "127.0.0.1:0"

[[identity]]
name = "peer"
kind = "oidc"
issuer = "{issuer}"
client_id = "candor"
client_secret = {{ file = "client_secret" }}
scopes = ["openid", "profile", "email"{scope}]
{prompt}
{further}

[upstreams.monolith]
endpoints = ["http://{endpoint}"]

[[routes]]
path = "/"
upstream = "monolith"
allow = ["user"]

[[routes]]
path = "/staff/"
upstream = "monolith"
allow = ["group:staff"]

[[routes]]
path = "/board/"
upstream = "monolith"
allow = ["group:board"]
"#
    )
}

/// A person's way through the provider's own pages, from any page of a sign-in that began.
pub(super) struct Person<'a> {
    pub(super) caller: &'a mut Caller,
    pub(super) name: &'a str,
}

impl Person<'_> {
    /// Signs in from the provider's login page `page` on, and consents if asked. Stops before the callback, and gives
    /// its address.
    pub(super) async fn until_callback(&mut self, page: SeenPage) -> Url {
        let mut page = page;
        for _ in 0..8 {
            page = match self.fill_in(page).await {
                Ok(callback) => return callback,
                Err(next) => next,
            };
        }
        panic!("no callback: {} {}", page.url, page.text())
    }

    /// Signs in from the login page `page` on, to the end.
    pub(super) async fn through(&mut self, page: SeenPage) -> SeenPage {
        let callback = self.until_callback(page).await;
        let seen = self.caller.browser().get(&callback).await.expect("the callback is answered");
        self.caller.browser().follow(seen).await.expect("and leads somewhere")
    }

    /// The next page, or the callback's address.
    async fn fill_in(&mut self, page: SeenPage) -> Result<Url, SeenPage> {
        let browser = self.caller.browser();
        if let Some(next) = page.location() {
            if next.path().starts_with("/.candor/callback/") {
                return Ok(next);
            }
            return Err(browser.get(&next).await.expect("the provider answers"));
        }
        let (action, mut fields) = page.form().unwrap_or_else(|| panic!("a form: {} {}", page.status, page.text()));
        if fields.contains(&("prompt".to_owned(), "login".to_owned())) {
            let said = [("login", self.name), ("password", "anything")];
            fields.extend(said.map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
        Err(browser.post(&action, &fields).await.expect("the provider answers"))
    }
}
