//! The world of a test: gateway, identity provider, monolith and store in one process, each behind something that can
//! break while it runs.
//!
//! [`World::new`] describes one and [`Builder::start`] starts it. It runs in real time, with deadlines of about 400
//! ms; tests wait for events and assert outcomes, never durations. Dropping a world ends everything in it.

pub mod authority;
pub mod caller;
pub mod certificates;
pub mod chromium;
pub mod device;
pub mod disk;
pub mod display;
pub mod fault_proxy;
pub mod folder;
pub mod frames;
pub mod keyring;
pub mod log;
pub mod names;
pub mod process;
pub mod raw;
pub mod registered;
pub mod scripted;
pub mod settings;
pub mod step;
pub mod store;
pub mod wire;

use std::{
    net::SocketAddr,
    num::NonZero,
    path::{Path, PathBuf},
    time::Duration,
};

use auth_core::{Authenticator, Clock, Requirement, Subject, database::Disturbance, device::legacy::LegacyTokens};
use gateway::{
    config::{self, Config},
    demo::{AccessTokenSpec, Idp, Login, Monolith, Part, browser::SeenPage, idp},
    server::{self, ServeOptions, Started},
    state::{Gateway, Tuning},
    telemetry::{AccessLog, Format},
};
use url::{Position, Url};

use self::{
    authority::Authority,
    caller::{Caller, Heard},
    fault_proxy::FaultProxy,
    folder::Folder,
    log::Log,
    names::Names,
    settings::Settings,
    store::Store,
    wire::Protocol,
};

/// The deadline of everything that has one.
pub const DEADLINE: Duration = Duration::from_millis(400);

const ANYWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// Everything started for a test.
pub struct World {
    /// The identity provider.
    pub idp: Idp,
    /// The legacy service.
    pub monolith: Monolith,
    /// The fault proxies before them.
    pub proxies: FaultProxies,
    /// What the gateway is told of the names of endpoints.
    pub names: Names,
    /// The gateway's database.
    pub store: Store,
    /// What the gateway is configured with.
    pub settings: Settings,
    gateway: Option<Started>,
    clock: Clock,
    /// The provider's own, where its machine is another one.
    provider_clock: Option<Clock>,
    log: Log,
    access: AccessLog,
    folder: Folder,
    workers: NonZero<usize>,
}

/// A fault proxy before each thing that the gateway depends on over the network.
pub struct FaultProxies {
    /// To the provider's discovery document.
    pub discovery: FaultProxy,
    /// To its key set.
    pub keys: FaultProxy,
    /// To its token endpoint.
    pub token: FaultProxy,
    /// To its userinfo endpoint.
    pub userinfo: FaultProxy,
    /// To its introspection endpoint.
    pub introspection: FaultProxy,
    /// To the endpoints that only browsers visit: where people sign in and out.
    pub front: FaultProxy,
    /// To the monolith.
    pub monolith: FaultProxy,
    /// To it by another endpoint.
    pub endpoint: FaultProxy,
}

/// A world that is not started yet.
#[derive(Default)]
#[must_use]
pub struct Builder {
    secure: bool,
    clock: Option<Clock>,
    provider_clock: Option<Clock>,
    further: String,
    protocol: Protocol,
}

impl Builder {
    /// The provider is reached by TLS, with a certificate of the test authority.
    pub fn secure(mut self) -> Self {
        self.secure = true;
        self
    }

    /// Everything goes by `clock` instead of the machine's.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Everything goes by a clock that stands still until the test moves it.
    pub fn standing_clock(self) -> Self {
        self.clock(Clock::standing_at(Clock::system().now().wall()))
    }

    /// The provider goes by a clock of its own: its `Date` and its `iat` are not moved by what moves the gateway's.
    pub fn provider_clock(mut self, clock: Clock) -> Self {
        self.provider_clock = Some(clock);
        self
    }

    /// The gateway is spoken to in `protocol`, by everybody who asks it through a [`Caller`].
    pub fn over(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Adds `text` (TOML) to the gateway's configuration, after everything else.
    pub fn configured(mut self, text: &str) -> Self {
        self.further.push_str(text);
        self
    }

    /// Starts everything.
    pub async fn start(self) -> World {
        let mut world = self.prepare().await;
        world.start_gateway().await;
        world
    }

    /// Starts everything but the gateway, so that a test can break something before it comes up.
    pub async fn prepare(self) -> World {
        let clock = self.clock.unwrap_or_else(Clock::system);
        let provider_clock = self.provider_clock;
        let options =
            idp::IdpOptions { clock: provider_clock.as_ref().unwrap_or(&clock).clone(), ..idp::IdpOptions::default() };
        let idp = Idp::start(options).await.expect("the provider starts");
        let monolith = Monolith::start(ANYWHERE).await.expect("the monolith starts");
        let proxies = FaultProxies::start(&idp, &monolith, self.secure).await;
        let folder = Folder::new();
        if self.secure {
            std::fs::write(folder.path().join("ca.pem"), Authority::shared().pem()).expect("a file can be written");
        }
        let mut settings = Settings::new(&proxies, &idp, self.secure, self.further);
        if self.protocol.is_encrypted() {
            let own = Authority::shared().issue(&["127.0.0.1", "localhost"]);
            std::fs::write(folder.path().join("tls.pem"), own.certificate).expect("a file can be written");
            std::fs::write(folder.path().join("tls.key"), own.key).expect("a file can be written");
            settings.speak_tls();
        }
        self.protocol.speak_to(&settings.public_url());
        let store = Store::at(folder.path().join("data/candor.sqlite"));
        let log = Log::default();
        let access = AccessLog::to(Box::new(log.clone()), Format::Json);
        World {
            idp,
            monolith,
            proxies,
            names: Names::default(),
            store,
            settings,
            gateway: None,
            clock,
            provider_clock,
            log,
            access,
            folder,
            workers: NonZero::<usize>::MIN,
        }
    }
}

impl FaultProxies {
    async fn start(idp: &Idp, monolith: &Monolith, secure: bool) -> Self {
        let towards_idp = async || {
            let laid = if secure {
                FaultProxy::secure(idp.address(), Authority::shared()).await
            } else {
                FaultProxy::to(idp.address()).await
            };
            laid.expect("a proxy can be started")
        };
        let proxies = Self {
            discovery: towards_idp().await,
            keys: towards_idp().await,
            token: towards_idp().await,
            userinfo: towards_idp().await,
            introspection: towards_idp().await,
            front: towards_idp().await,
            monolith: FaultProxy::to(monolith.address()).await.expect("a proxy can be started"),
            endpoint: FaultProxy::to(monolith.address()).await.expect("a proxy can be started"),
        };
        idp.stands_at(Part::Discovery, &proxies.discovery.base());
        idp.stands_at(Part::Keys, &proxies.keys.base());
        idp.stands_at(Part::Token, &proxies.token.base());
        idp.stands_at(Part::Authorize, &proxies.front.base());
        idp.stands_at(Part::Userinfo, &proxies.userinfo.base());
        idp.stands_at(Part::Introspection, &proxies.introspection.base());
        proxies
    }
}

impl World {
    /// A world to be described further, or started as it is.
    #[expect(clippy::new_ret_no_self, reason = "a world is made by starting it")]
    pub fn new() -> Builder {
        Builder { protocol: wire::usual(), ..Builder::default() }
    }

    /// Starts the gateway, in this process.
    pub async fn start_gateway(&mut self) {
        assert!(self.gateway.is_none(), "the gateway runs already");
        self.gateway = Some(self.try_start().await.expect("the gateway starts"));
    }

    /// Starts the gateway, or says why it would not.
    async fn try_start(&self) -> Result<Started, String> {
        let config = self.config()?;
        let options = settings::options_with(self.access.clone());
        let tuning = Tuning { resolver: self.names.resolver(), ..options.tuning };
        let (clock, workers) = (self.clock.clone(), self.workers);
        let options = ServeOptions { clock, workers, tuning, ..options };
        server::start(config, options).await.map_err(|fault| fault.to_string())
    }

    /// So many workers, from the next start of the gateway on, in place of one.
    pub fn workers(&mut self, workers: NonZero<usize>) {
        self.workers = workers;
    }

    fn config(&self) -> Result<Config, String> {
        let text = self.settings.text();
        config::parse(&text, self.folder.path(), config::Secrets::Read(&|_| None))
            .map_err(|problems| format!("{problems:#?}\n{text}"))
    }

    /// Puts what [`World::settings`] says now in force, while the gateway runs.
    ///
    /// # Panics
    /// The gateway does not run, or does not take it.
    pub fn reconfigure(&self) {
        let config = self.config().expect("a configuration");
        self.gateway().reconfigure(config).expect("the gateway takes it");
    }

    /// Writes the configuration to a file, for a gateway in a process of its own. Its path.
    ///
    /// # Panics
    /// It cannot be written.
    pub fn write_config(&self) -> PathBuf {
        let path = self.folder.path().join("gateway.toml");
        std::fs::write(&path, self.settings.text()).expect("a file can be written");
        path
    }

    /// The folder that the configuration calls `data`.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The folder of everything that the gateway keeps.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Stops the gateway: what it held in memory is gone, what it wrote to disk is not.
    pub async fn stop_gateway(&mut self) {
        if let Some(gateway) = self.gateway.take() {
            gateway.shutdown().await;
        }
    }

    /// Stops the gateway and starts it again.
    pub async fn restart_gateway(&mut self) {
        self.stop_gateway().await;
        self.start_gateway().await;
    }

    /// Stops the gateway and tries to start it again.
    ///
    /// # Errors
    /// Why it would not start.
    pub async fn try_restart_gateway(&mut self) -> Result<(), String> {
        self.stop_gateway().await;
        self.gateway = Some(self.try_start().await?);
        Ok(())
    }

    /// Breaks the store from within: what becomes of the gateway's connections to it.
    ///
    /// # Panics
    /// The gateway does not run, or the store is broken already.
    pub async fn disturb_store(&self, how: Disturbance) {
        self.gateway().store.disturb(how).await.expect("a whole store can be broken");
    }

    /// Heals the store, however it was broken.
    ///
    /// # Panics
    /// It cannot be healed: the test is at fault.
    pub async fn heal_store(&mut self) {
        self.store.heal().await.expect("the store can be healed");
        if let Some(running) = &self.gateway {
            running.gateway().store.heal().await.expect("its connections can be healed");
        }
    }

    /// Asks the store who is revoked, now; whether it said so.
    ///
    /// # Panics
    /// The gateway does not run.
    pub async fn poll_revocations(&self) -> bool {
        // What was removed meanwhile is written again first, as the gateway does by itself.
        let _ = self.gateway().repair().await;
        self.gateway().revocations.poll().await.is_ok()
    }

    /// Signs `subject` out everywhere: whatever of theirs began up to now is revoked. What a busy machine misses is tried
    /// again.
    ///
    /// # Panics
    /// The gateway does not run, or its store is broken.
    pub async fn revoke(&self, subject: &str) {
        self.revoke_by("the test", subject).await;
    }

    /// The same by `who`; empty: by nobody on record.
    ///
    /// # Panics
    /// As [`World::revoke`].
    pub async fn revoke_by(&self, who: &str, subject: &str) {
        let subject = Subject::new(self.idp.issuer(), subject);
        for _ in 0..10 {
            let revoking = self.gateway().revocations.revoke_user(subject.clone(), who, "", self.clock.now());
            if revoking.await.is_ok() {
                return;
            }
        }
        panic!("the store never took it that {subject} is revoked");
    }

    /// Who knows the gateway's credentials, to put into a layer of this process.
    ///
    /// # Panics
    /// The gateway does not run.
    pub fn authenticator(&self) -> Authenticator {
        self.gateway().running().authenticator.clone()
    }

    /// What the route at `path` asks for.
    ///
    /// # Panics
    /// The gateway does not run, or no route has this path.
    pub fn requirement(&self, path: &str) -> Requirement {
        let running = self.gateway().running();
        let route = running.config.routes.iter().find(|route| route.path == path);
        route.expect("a route of the configuration").requirement.clone()
    }

    /// The opaque tokens of before, as an administrator's command reaches them.
    ///
    /// # Panics
    /// The gateway does not run.
    pub fn legacy(&self) -> LegacyTokens {
        self.gateway().legacy.clone()
    }

    fn gateway(&self) -> &Gateway {
        self.gateway.as_ref().expect("the gateway runs").gateway()
    }

    /// Waits until what the gateway knows of the provider is on disk. Until then the fetch that brought it is under
    /// way, and whoever asks the provider joins it, however far a test has moved the clock meanwhile.
    ///
    /// # Panics
    /// It never is.
    pub async fn until_provider_is_on_disk(&self) {
        let mut beat = tokio::time::interval(Duration::from_millis(10));
        for _ in 0..500 {
            let entries = std::fs::read_dir(self.folder.path().join("data/issuers"));
            let files: Vec<_> = entries.map(|entries| entries.flatten().collect()).unwrap_or_default();
            let has = |end: &str| files.iter().any(|file| file.file_name().to_string_lossy().ends_with(end));
            if has(".keys.json") && has(".discovery.json") {
                return;
            }
            beat.tick().await;
        }
        panic!("the provider was never written to disk");
    }

    /// What the gateway of this process has written to its access log since [`World::forget_access`].
    pub fn access(&self) -> Vec<serde_json::Value> {
        if let Some(running) = &self.gateway {
            running.gateway().telemetry.access.flush(DEADLINE);
        }
        self.log.lines()
    }

    /// Every line of the access log about `path`, once there is one: it is written when the request is over, which its
    /// client may know first.
    ///
    /// # Panics
    /// There never is.
    pub async fn access_to(&self, path: &str) -> Vec<serde_json::Value> {
        let mut beat = tokio::time::interval(Duration::from_millis(10));
        for _ in 0..1000 {
            let mut lines = self.access();
            lines.retain(|line| line["path"] == path);
            if !lines.is_empty() {
                return lines;
            }
            beat.tick().await;
        }
        panic!("no line about {path} was ever written");
    }

    /// Forgets what the access log said so far.
    pub fn forget_access(&self) {
        self.access();
        self.log.clear();
    }

    /// The clock that everything goes by.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Lets time pass, everywhere.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
        if let Some(provider) = &self.provider_clock {
            provider.advance(by);
        }
    }

    /// Takes from the stopped gateway what it last knew of the provider. Its own keys, its database and the revocations
    /// stay.
    ///
    /// # Panics
    /// The gateway runs, or a file cannot be removed.
    pub fn forget_providers(&self) {
        assert!(self.gateway.is_none(), "stop the gateway first");
        let known = self.folder.path().join("data/issuers");
        if known.exists() {
            std::fs::remove_dir_all(known).expect("what was known can be removed");
        }
    }

    /// The address of `path` on the gateway.
    pub fn url(&self, path: &str) -> Url {
        self.settings.public_url().join(path).expect("a path")
    }

    /// A good bearer token for `subject`.
    pub fn token(&self, subject: &str) -> String {
        self.idp.mint(&AccessTokenSpec::of(subject))
    }

    /// Asks for `path` until the answer is 200, as time goes on: so a test begins with everything known.
    ///
    /// # Panics
    /// It never is.
    pub async fn warm_up(&self, caller: &mut Caller, path: &str) {
        let mut beat = tokio::time::interval(Duration::from_millis(20));
        let mut last = self.ask(caller, path).await;
        for _ in 0..50 {
            if last.status() == Some(200) {
                return;
            }
            self.advance(Duration::from_secs(1));
            beat.tick().await;
            last = self.ask(caller, path).await;
        }
        panic!("all is well before anything breaks: {}", last.line());
    }

    /// Asks for `path` on the gateway.
    pub async fn ask(&self, caller: &mut Caller, path: &str) -> Heard {
        caller.get(&self.url(path), &self.monolith).await
    }

    /// Signs `caller` in through the provider, as `subject`, beginning at `path`. A busy machine may miss a deadline of
    /// 400 ms, so a 503 is tried again: this is how a test begins, not what it tests.
    ///
    /// # Panics
    /// It did not end in a page of the monolith's for that person.
    pub async fn sign_in(&self, caller: &mut Caller, subject: &str, path: &str) -> SeenPage {
        let mut beat = tokio::time::interval(Duration::from_millis(20));
        let mut last = None;
        for _ in 0..60 {
            if let Ok(callback) = self.try_until_callback(caller, subject, path).await {
                let browser = caller.browser();
                let seen = browser.get(&callback).await.expect("the callback is answered");
                let seen = browser.follow(seen).await.expect("and leads somewhere");
                if seen.status == 200 {
                    return seen;
                }
                last = Some(seen);
            }
            self.advance(Duration::from_secs(1));
            beat.tick().await;
        }
        panic!("never signed in: {:?}", last.map(|seen| seen.status))
    }

    /// Takes `caller` through the provider's login as `subject`, and returns the callback's address, not yet visited. What
    /// a busy machine misses is tried again, as by [`World::sign_in`].
    ///
    /// # Panics
    /// The way never led there.
    pub async fn until_callback(&self, caller: &mut Caller, subject: &str, path: &str) -> Url {
        let mut beat = tokio::time::interval(Duration::from_millis(20));
        let mut last = None;
        for _ in 0..20 {
            match self.try_until_callback(caller, subject, path).await {
                Ok(callback) => return callback,
                Err(seen) => last = seen,
            }
            self.advance(Duration::from_secs(1));
            beat.tick().await;
        }
        panic!("never came to the callback: {:?}", last.map(|seen| seen.status))
    }

    /// The same, where it may not lead there yet.
    ///
    /// # Errors
    /// Where it ended instead.
    pub async fn try_until_callback(
        &self,
        caller: &mut Caller,
        subject: &str,
        path: &str,
    ) -> Result<Url, Option<SeenPage>> {
        self.try_until_callback_from(caller, subject, &self.url(path)).await
    }

    /// The same, beginning at a link.
    ///
    /// # Errors
    /// Where it ended instead.
    pub async fn try_until_callback_from(
        &self,
        caller: &mut Caller,
        subject: &str,
        link: &Url,
    ) -> Result<Url, Option<SeenPage>> {
        self.idp.set_login(Login::Immediately(subject.to_owned()));
        let browser = caller.browser();
        let mut seen = browser.get(link).await.map_err(|_| None)?;
        for _ in 0..6 {
            let Some(mut next) = seen.location() else { return Err(Some(seen)) };
            if next.path().starts_with("/.candor/callback/") {
                return Ok(next);
            }
            if next.path() == Part::Authorize.path() {
                next = self.at_the_provider(&next);
            }
            seen = browser.get(&next).await.map_err(|_| None)?;
        }
        Err(Some(seen))
    }

    /// The same address at the provider itself: browsers of tests speak no TLS.
    pub fn at_the_provider(&self, url: &Url) -> Url {
        let base = Url::parse(&format!("http://{}", self.idp.address())).expect("an address");
        base.join(&url[Position::BeforePath..]).expect("a path")
    }

    /// The gateway's metrics, as `/metrics` shows them.
    pub async fn metrics(&self) -> String {
        let mut caller = Caller::new(caller::Form::Script);
        caller.browser().get(&self.admin_url("/metrics")).await.expect("metrics").text()
    }

    /// The address of `path` on the admin listener.
    ///
    /// # Panics
    /// The gateway does not run.
    pub fn admin_url(&self, path: &str) -> Url {
        let admin = self.gateway.as_ref().expect("the gateway runs").admin();
        Url::parse(&format!("http://{admin}")).and_then(|base| base.join(path)).expect("an address")
    }
}
