//! One configuration's live parts ([`Running`]), and what outlives it ([`Gateway`]).
//!
//! Everything here starts with every dependency down: stores connect when they are first used, keys and documents are
//! read from disk and fetched in the background. What stops a start is our own misconfiguration alone, [`StartFault`].

mod data_folder;
mod issuers;
mod process;
mod routes;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use auth_core::{
    authenticator::Authenticator,
    background::Background,
    clock::{Clock, Now, Timestamp},
    data_folder::{DataFolder, FolderFault},
    database::Database,
    device::{
        Devices,
        legacy::{LegacyPolicy, LegacyTokens},
        registry::Registry,
    },
    keyring::{Keyring, KeyringFault},
    keys::KeyPolicy,
    outbound::OutboundPolicy,
    refusal_guard::RefusalGuard,
    revocations::{RevocationPolicy, Revocations},
    session::{
        Renewals, Sessions,
        ending::{LogoutTokensTaken, StandingSessions},
    },
    sign_in::{ReplayGuard, SignIn},
};

pub(crate) use self::process::device_policy;
use self::{
    issuers::{HeldIssuers, KnownIssuers},
    process::ProcessParts,
};
use crate::{
    body::WatchPolicy,
    certificates::{CertificateFault, Certificates},
    config::{Config, site::Site},
    limits::RateLimits,
    request::HeadPolicy,
    route::{Route, RouteTable},
    telemetry::{
        RouteMetrics, Telemetry,
        metrics::{CONFIG_HASH, CONFIG_SINCE},
    },
    upstream::{Endpoints, Resolver, Upstreams},
};

/// The process: what every configuration of it shares.
pub struct Gateway {
    running: ArcSwap<Running>,
    /// The mass-refusal guard.
    pub guard: Arc<RefusalGuard>,
    /// Our own keys.
    pub keyring: Keyring,
    /// Who is revoked.
    pub revocations: Revocations,
    /// The database of sessions.
    pub store: Database,
    /// The opaque tokens that devices hold from before.
    pub legacy: LegacyTokens,
    /// The logout tokens that were taken lately.
    pub logout_tokens: LogoutTokensTaken,
    /// How often one address may do what costs us something.
    pub limits: RateLimits,
    /// Logs and metrics.
    pub telemetry: Telemetry,
    /// Ours until the process ends.
    pub data: Arc<DataFolder>,
    /// Whether the folder at its path is not the one that we hold, and that has been said.
    folder_replaced: Arc<AtomicBool>,
    /// What clients are shown over TLS, if we speak it.
    certificates: Option<Arc<Certificates>>,
    parts: ProcessParts,
    clock: Clock,
    draining: AtomicBool,
}

/// One configuration's live parts. A request uses one of them from beginning to end.
pub struct Running {
    /// What our addresses and cookies are called.
    pub site: Site,
    /// How heads are read.
    pub head_policy: HeadPolicy,
    /// Who may pass where.
    pub routes: RouteTable,
    /// The services behind us.
    pub upstreams: Upstreams,
    /// Signs people in.
    pub sign_in: SignIn,
    /// Opens and ends their sessions.
    pub sessions: Sessions,
    /// The fleet, if there is one.
    pub devices: Option<Devices>,
    /// What is counted of the requests on each route, by the route's index.
    route_metrics: Vec<Arc<RouteMetrics>>,
    /// What is counted of the requests on none.
    pub elsewhere: Arc<RouteMetrics>,
    /// What it was made from.
    pub config: Config,
    /// Since when it is in force.
    pub since: Timestamp,
    /// What the next configuration finds again.
    _issuers: HeldIssuers,
    /// Knows who asks, and whether they may pass.
    pub authenticator: Authenticator,
}

/// What a gateway is started with, besides its configuration.
pub struct Dependencies {
    /// The data folder, taken.
    pub data: Arc<DataFolder>,
    /// The time.
    pub clock: Clock,
    /// Where calls to stores and providers run.
    pub background: Background,
    /// Logs and metrics; installed, since counters are taken at the start.
    pub telemetry: Telemetry,
    /// The numbers that no configuration names.
    pub tuning: Tuning,
}

/// The numbers that no configuration names. Tests make them small.
#[derive(Clone, Debug)]
pub struct Tuning {
    /// Towards a provider: until a connection stands. Default 2 s.
    pub connect: Duration,
    /// Towards a provider: a whole call. Default 5 s.
    pub call: Duration,
    /// Towards the store: a whole call. Default 1 s.
    pub store: Duration,
    /// Looking up the names of endpoints.
    pub resolver: Resolver,
    /// Refreshing keys, and refusing by them.
    pub keys: KeyPolicy,
    /// Asking who is revoked.
    pub revocations: RevocationPolicy,
    /// Refusing, and not refusing, tokens of before.
    pub legacy: LegacyPolicy,
    /// How often it is looked whether certificates have changed. Default 5 s.
    pub certificates: Duration,
    /// How long what is under way may take to end when the gateway stops, whatever the configuration says. Default: as
    /// `[server] drain` says.
    pub drain: Option<Duration>,
    /// Looking whether whoever has a tunnel or a long body may still have it.
    pub watch: WatchPolicy,
}

/// Why a gateway does not start: always something that its operator must put right (exit code 20).
#[derive(Debug, thiserror::Error)]
pub enum StartFault {
    /// The keyring and the store do not belong together, or the keyring cannot be read.
    #[error(transparent)]
    Keyring(#[from] KeyringFault),
    /// An address cannot be listened on.
    #[error("{0} cannot be listened on: {1}")]
    Listen(std::net::SocketAddr, #[source] std::io::Error),
    /// A service manager gave us a socket for which there is no listener.
    #[error(
        "the socket for {0} that the service manager opened is none of `[server] listen`, `[admin] listen` and \
         `[forward_auth] listen`. Way out: write the same address in both places"
    )]
    SocketFitsNothing(std::net::SocketAddr),
    /// The process before does not hand over.
    #[error("the process before does not hand over: {0}")]
    NotHandedOver(#[source] std::io::Error),
    /// The machine has no thread, poller or socket left.
    #[error("the machine gives us no thread or socket: {0}")]
    Machine(#[source] std::io::Error),
    /// The data folder is another's, or cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderFault),
    /// An issuer is no address.
    #[error("the issuer {0:?} is not an address")]
    Issuer(String),
    /// A certificate cannot be served.
    #[error(transparent)]
    Certificate(#[from] CertificateFault),
    /// An issuer's own certificates cannot be used.
    #[error("the issuer {0}: its certificate authorities cannot be used: {1}")]
    Ca(String, String),
}

impl Gateway {
    /// Starts a gateway. It needs none of its dependencies for that.
    ///
    /// # Errors
    /// [`StartFault`]; a dependency that is down is none.
    pub async fn start(config: Config, means: Dependencies) -> Result<Arc<Self>, StartFault> {
        let Dependencies { data, clock, background, telemetry, tuning } = means;
        clock.keep_in(data.path());
        background.spawn(clock.clone().watch());
        let store = Database::at(config.store.address.clone(), background.clone(), tuning.store);
        let keyring = Keyring::open(&data, &store, clock.now()).await?;
        let revocations =
            Revocations::open(&data, store.clone(), background.clone(), clock.clone(), tuning.revocations.clone())
                .await;
        revocations.start();
        let every = tuning.revocations.poll;
        let files = &config.server.tls.certificates;
        let certificates = match files[..] {
            [] => None,
            [..] => Some(Arc::new(Certificates::read(files, clock.now().wall())?)),
        };
        if let Some(certificates) = &certificates {
            background.spawn(certificates.clone().watch(clock.clone(), tuning.certificates));
        }
        let guard = Arc::new(RefusalGuard::new());
        let registry = Registry::new(store.clone(), revocations.clone());
        let legacy = LegacyTokens::new(registry, background.clone(), clock.clone(), tuning.legacy.clone());
        let resolver = tuning.resolver.clone();
        let parts = ProcessParts {
            data: data.clone(),
            clock: clock.clone(),
            background: background.clone(),
            tuning,
            store: store.clone(),
            keyring: keyring.clone(),
            revocations: revocations.clone(),
            guard: guard.clone(),
            issuers: KnownIssuers::default(),
            replay: ReplayGuard::default(),
            renewals: Renewals::new(background.clone(), clock.clone(), guard.clone()),
            endpoints: Endpoints::new(background.clone(), clock.clone(), resolver),
            legacy: legacy.clone(),
        };
        let running = parts.running(config)?;
        running.measured();
        let gateway = Arc::new(Self {
            running: ArcSwap::from_pointee(running),
            guard,
            keyring,
            revocations,
            store,
            legacy,
            logout_tokens: LogoutTokensTaken::default(),
            limits: RateLimits::default(),
            telemetry,
            certificates,
            data,
            folder_replaced: Arc::default(),
            parts,
            clock,
            draining: AtomicBool::new(false),
        });
        background.spawn(data_folder::keep_repaired(Arc::downgrade(&gateway), every));
        Ok(gateway)
    }

    /// Puts `config` in force in place of the configuration before, which this returns. Requests that have arrived go on under that one; issuers
    /// and endpoints that both name go on as they are.
    ///
    /// What the process was started with stays as it is, whatever `config` says of it: its listeners, its data folder and
    /// the store, its log.
    ///
    /// # Errors
    /// [`StartFault`]: the configuration before stays in force.
    pub fn reconfigure(&self, config: Config) -> Result<Arc<Running>, StartFault> {
        let files = config.server.tls.certificates.clone();
        let running = self.parts.running(config)?;
        match &self.certificates {
            // Whether TLS is spoken is the listener's, and stays.
            Some(certificates) if !files.is_empty() => certificates.replace(&files, self.now().wall())?,
            Some(_) | None => {}
        }
        running.measured();
        Ok(self.running.swap(Arc::new(running)))
    }

    /// What speaks TLS with clients, if we do.
    pub fn tls(&self) -> Option<Arc<rustls::ServerConfig>> {
        self.certificates.as_ref().map(|certificates| certificates.tls().clone())
    }

    /// What the configuration in force names that vouches for somebody, and `next` does not.
    pub fn no_longer_named(&self, next: &Config) -> Vec<String> {
        self.running.load().config.no_longer_named(next)
    }

    /// The configuration that is in force: take it once a request.
    pub fn running(&self) -> Arc<Running> {
        self.running.load_full()
    }

    /// The time.
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// The devices of the configuration in force, for commands: requests have them in their snapshot.
    pub fn devices(&self) -> Option<Devices> {
        self.running.load().devices.clone()
    }

    /// The sessions that stand, by their rows.
    pub fn standing_sessions(&self) -> StandingSessions {
        StandingSessions::new(self.store.clone(), self.revocations.clone())
    }

    /// The sessions of the configuration in force, for commands.
    pub fn sessions(&self) -> Sessions {
        self.running.load().sessions.clone()
    }

    /// When tunnels and long bodies are looked at.
    pub fn watch_policy(&self) -> WatchPolicy {
        self.parts.tuning.watch
    }

    /// The clock, to look at and to accept by hand.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// How each endpoint of each upstream is, a line each.
    pub fn endpoints(&self) -> Vec<String> {
        self.parts.endpoints.describe()
    }

    /// How long what is under way may take to end when the gateway stops.
    pub fn drain_time(&self) -> Duration {
        self.parts.tuning.drain.unwrap_or_else(|| self.running.load().config.server.drain)
    }

    /// How long clients are accepted while we say that we are not ready any more.
    pub fn ready_off_for(&self) -> Duration {
        self.running.load().config.server.ready_off_for
    }

    /// Says that no new connections should come: `/readyz` turns to 503.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether load balancers should send requests here: configured and not draining. Not whether any dependency is up,
    /// since what we know is served without them.
    pub fn is_ready(&self) -> bool {
        !self.draining.load(Ordering::Relaxed)
    }
}

impl Running {
    /// Shows in the metrics which configuration is in force, and since when.
    fn measured(&self) {
        CONFIG_HASH.alone().set(self.config.hash.as_gauge());
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of this age fit")]
        CONFIG_SINCE.alone().set(self.since.as_millis() as f64 / 1000.0);
    }

    /// What is counted of the requests on `route`.
    pub fn metrics_of(&self, route: &Route) -> Arc<RouteMetrics> {
        let index = usize::try_from(route.requirement.id().0).unwrap_or(usize::MAX);
        self.route_metrics.get(index).unwrap_or(&self.elsewhere).clone()
    }
}

impl Default for Tuning {
    fn default() -> Self {
        let outbound = OutboundPolicy::default();
        Self {
            connect: outbound.connect,
            call: outbound.total,
            store: Database::DEADLINE,
            resolver: Resolver::system(),
            keys: KeyPolicy::default(),
            revocations: RevocationPolicy::default(),
            legacy: LegacyPolicy::default(),
            certificates: Duration::from_secs(5),
            drain: None,
            watch: WatchPolicy::default(),
        }
    }
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("draining", &self.draining).finish_non_exhaustive()
    }
}
