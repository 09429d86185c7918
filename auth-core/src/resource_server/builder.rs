//! What a [`Bearer`] is made from.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use tokio::runtime::Handle;
use url::Url;

use super::{
    Bearer, Running,
    gateway_identity::{GatewayIdentities, TrustedGateway},
    rules::Rules,
};
use crate::{
    background::Background,
    bearer::{
        BearerIssuer, BearerMemory, Bearers, Profile,
        introspection::{Introspection, IntrospectionConfig, IntrospectionMemory},
    },
    clock::Clock,
    data_folder::DataFolder,
    discovery::{Discovery, DiscoveryConfig},
    jws::Algorithm,
    keys::{IssuerKeys, KeyPolicy, KeySetLocation, KeysConfig},
    outbound::{Forbidden, Named, Outbound, OutboundPolicy},
    policy::Allow,
    principal::{Kind, UserClaim, stated::Absence},
    refusal_guard::{Harm, RefusalGuard},
    verdict_log::VerdictLog,
};

/// Says who is trusted and what is asked. What is said of an issuer or a gateway is said of the one named last; what is
/// asked is asked of everybody.
#[derive(Clone, Debug, Default)]
#[must_use = "nothing runs until `start`"]
pub struct BearerBuilder {
    trusted: Vec<Trusted>,
    rules: Rules,
    cache_dir: Option<PathBuf>,
    timeout: Option<Duration>,
    clock: Option<Clock>,
    /// What was said of nobody.
    misplaced: Option<&'static str>,
}

/// Why nothing was started. The text says the way out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A text is no address that could be asked.
    #[error("{text:?} is no address that can be asked: {why}. Way out: name it whole, as https://idp.example")]
    Address {
        /// The text.
        text: String,
        /// Why it is none.
        why: String,
    },
    /// It can be asked, and no token can name it: so each would be refused for its issuer.
    /// Of a text with a password, this has the host alone.
    #[error(
        "{0:?} is no issuer: it has a space, a query, a fragment or a password. Way out: name it as its tokens say it in \
         `iss`"
    )]
    Issuer(String),
    /// It is named more than once, so that what is said of it is in doubt.
    #[error("{0} is named twice. Way out: say all of it in one place; several of `.audience(\"…\")` are a choice")]
    NamedTwice(Arc<str>),
    /// No token could be verified.
    #[error("no algorithm is left for {0}. Way out: name one, or leave `.algorithms(…)` out")]
    NoAlgorithm(Arc<str>),
    /// No issuer could answer.
    #[error("no time is left for an issuer to answer. Way out: a longer `.timeout(…)`, or leave it out")]
    NoTime,
    /// Tokens for anybody would be taken.
    #[error(
        "no audience is named for {0}, so that its tokens for other services would be taken. Way out: `.audience(\"…\")` \
         with what their `aud` says of this service"
    )]
    NoAudience(Arc<str>),
    /// Nobody is trusted.
    #[error("nobody is trusted. Way out: begin with `Bearer::issuer` or `Bearer::gateway_identity`")]
    NobodyTrusted,
    /// There is nowhere for the background work.
    #[error(
        "there is no tokio runtime here to fetch keys on. Way out: call `start` inside of one, or `start_on` with its handle"
    )]
    NoRuntime,
    /// A scope or a client that no token can have.
    #[error("an empty text is asked for as {0}. Way out: name it, or leave the call out")]
    Empty(&'static str),
    /// It was said before anybody was named that it could be said of.
    #[error("`{0}` is said before any issuer. Way out: name the issuer first")]
    Misplaced(&'static str),
    /// The certificates to trust are none.
    #[error("the certificates of {0} cannot be used: {1}. Way out: PEM, with at least one certificate")]
    Ca(Arc<str>, String),
}

/// An issuer or a gateway, as it was named.
#[derive(Clone, Debug)]
struct Trusted {
    name: Arc<str>,
    url: Url,
    is_gateway: bool,
    audience: Vec<String>,
    jwks: Option<String>,
    leeway: Duration,
    kind: Kind,
    profile: Profile,
    algorithms: Vec<Algorithm>,
    absence: Absence,
    user_claim: UserClaim,
    introspection: Option<IntrospectionConfig>,
    ca: Option<Vec<u8>>,
}

/// What all that is started shares.
struct Ground {
    timeout: Option<Duration>,
    background: Background,
    clock: Clock,
    cache: Option<DataFolder>,
}

/// Where a gateway publishes its keys, unless its `own_prefix` is another.
const GATEWAY_KEYS: &str = "/.candor/keys.json";

const LEEWAY: Duration = Duration::from_secs(30);

impl BearerBuilder {
    /// A builder that trusts nobody yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes this issuer's access tokens too. See [`Bearer::issuer`].
    ///
    /// # Errors
    /// As there.
    pub fn issuer(self, issuer: &str) -> Result<Self, StartError> {
        let url = address(issuer)?;
        if !can_be_named(issuer, &url) {
            let shown = if url.password().is_some() { url.host_str().unwrap_or_default() } else { issuer };
            return Err(StartError::Issuer(shown.to_owned()));
        }
        Ok(self.trusting(Trusted::new(issuer, url, false)))
    }

    /// Takes the identities of this gateway too. See [`Bearer::gateway_identity`].
    ///
    /// # Errors
    /// As there.
    pub fn gateway_identity(self, public_url: &str) -> Result<Self, StartError> {
        let url = address(public_url)?;
        let origin = url.origin().ascii_serialization();
        Ok(self.trusting(Trusted::new(&origin, url, true)))
    }

    /// What `aud` says of this service; several are a choice. Of a gateway: the name of this service in its configuration.
    pub fn audience(self, audience: impl Into<String>) -> Self {
        self.of_last("audience", |last| last.audience.push(audience.into()))
    }

    /// Where the keys are (RFC 7517), if the issuer has no discovery document, or the gateway another `own_prefix`.
    pub fn jwks(self, url: impl Into<String>) -> Self {
        self.of_last("jwks", |last| last.jwks = Some(url.into()))
    }

    /// How far the issuer's clock may be from ours. By default 30 seconds.
    pub fn leeway(self, leeway: Duration) -> Self {
        self.of_last("leeway", |last| last.leeway = leeway)
    }

    /// The only algorithms that are taken. By default all asymmetric ones, as far as a key allows them.
    pub fn algorithms(self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.of_last("algorithms", |last| last.algorithms = algorithms.into_iter().collect())
    }

    /// Whom its tokens stand for. By default people.
    pub fn kind(self, kind: Kind) -> Self {
        self.of_last("kind", |last| last.kind = kind)
    }

    /// Holds the issuer to RFC 9068: `typ` is `at+jwt`, and `client_id` and `jti` are there.
    pub fn rfc9068(self) -> Self {
        self.of_last("rfc9068", |last| last.profile = Profile::Rfc9068)
    }

    /// What it means that its tokens do not state groups or roles. By default nothing: who is asked for one is then
    /// Unavailable, since nobody said that they lack it.
    pub fn absence(self, absence: Absence) -> Self {
        self.of_last("absence", |last| last.absence = absence)
    }

    /// Takes its opaque tokens too, about which it is asked (RFC 7662). One issuer's can be taken.
    pub fn introspection(self, config: IntrospectionConfig) -> Self {
        self.of_last("introspection", |last| last.introspection = Some(config))
    }

    /// Certificates (PEM) to trust for its server besides the public ones.
    pub fn ca(self, pem: impl Into<Vec<u8>>) -> Self {
        self.of_last("ca", |last| last.ca = Some(pem.into()))
    }

    /// Asks for this scope, or for each of a list with spaces (RFC 6749 §3.3); several are all asked for. An identity that
    /// a gateway signed states none.
    pub fn scope(mut self, scope: impl Into<Arc<str>>) -> Self {
        self.rules.scope(scope.into());
        self
    }

    /// Asks for tokens that were issued to this client; several are a choice.
    pub fn client(mut self, client: impl Into<Arc<str>>) -> Self {
        self.rules.clients.push(client.into());
        self
    }

    /// Asks for this to be true; several are a choice. By default whoever is known may pass.
    pub fn allow(mut self, allow: Allow) -> Self {
        self.rules.allow(allow);
        self
    }

    /// Lets anybody pass, and knows who shows a good token.
    pub fn optional(self) -> Self {
        self.allow(Allow::Anyone)
    }

    /// How old knowledge may be while it cannot be confirmed. By default 12 hours, of devices 72.
    pub fn max_stale(mut self, limit: Duration) -> Self {
        self.rules.max_stale(limit);
        self
    }

    /// Says that a refusal costs nobody more than a sign-in. See [`Bearer::harmless`].
    pub fn harmless(mut self) -> Self {
        self.rules.harm = Harm::None;
        self
    }

    /// Keeps what issuers said last in this folder, so that a restart during their outage still knows them. It is made if
    /// it is not there, and is this process's alone. Where it cannot be used there is one warning, and all is kept in
    /// memory.
    pub fn cache_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.cache_dir = Some(path.into());
        self
    }

    /// How long an issuer may take to answer. By default 2 seconds to connect, and 5 in all.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Goes by this clock in place of the machine's: [`Clock::standing_at`] one, in tests.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Starts, on the runtime that this is called from. Nothing is waited for: keys are fetched in the background, and what
    /// they are needed for before is Unavailable.
    ///
    /// The background work ends with the last clone of the [`Bearer`], and with that runtime: tokens under keys that are
    /// known by then are still judged, and nothing new is learned.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(self) -> Result<Bearer, StartError> {
        let runtime = Handle::try_current().map_err(|_| StartError::NoRuntime)?;
        self.start_on(runtime)
    }

    /// The same on another runtime.
    ///
    /// # Errors
    /// [`StartError`], but for [`StartError::NoRuntime`].
    pub fn start_on(self, runtime: Handle) -> Result<Bearer, StartError> {
        self.check()?;
        let clock = self.clock.unwrap_or_else(Clock::system);
        let cache = self.cache_dir.and_then(|path| {
            let taken = DataFolder::take(&path, clock.now());
            taken.inspect_err(|fault| tracing::warn!("what issuers say is kept in memory alone: {fault}")).ok()
        });
        let ground = Ground { timeout: self.timeout, background: Background::new(runtime), clock, cache };
        let (mut tokens, mut gateways) = (Vec::new(), BTreeMap::new());
        for trusted in self.trusted {
            if trusted.is_gateway {
                gateways.insert(Arc::clone(&trusted.name), trusted.gateway(&ground)?);
            } else {
                tokens.push(trusted.issuer(&ground)?);
            }
        }
        let running = Running {
            tokens: Bearers::new(tokens),
            gateways: GatewayIdentities::new(gateways),
            log: VerdictLog::new(Arc::new(RefusalGuard::new())),
            clock: ground.clock,
            _cache: ground.cache,
        };
        Ok(Bearer { running: Arc::new(running), rules: Arc::new(self.rules) })
    }

    fn check(&self) -> Result<(), StartError> {
        if let Some(said) = self.misplaced {
            return Err(StartError::Misplaced(said));
        }
        if self.trusted.is_empty() {
            return Err(StartError::NobodyTrusted);
        }
        if self.timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Err(StartError::NoTime);
        }
        let has_empty = |all: &[Arc<str>]| all.iter().any(|one| one.trim().is_empty());
        if has_empty(&self.rules.scopes) {
            return Err(StartError::Empty("a scope"));
        }
        if has_empty(&self.rules.clients) {
            return Err(StartError::Empty("a client"));
        }
        let unnamed = |trusted: &&Trusted| trusted.audience.iter().all(|audience| audience.trim().is_empty());
        if let Some(trusted) = self.trusted.iter().find(unnamed) {
            return Err(StartError::NoAudience(Arc::clone(&trusted.name)));
        }
        if let Some(trusted) = self.trusted.iter().find(|trusted| trusted.algorithms.is_empty()) {
            return Err(StartError::NoAlgorithm(Arc::clone(&trusted.name)));
        }
        let mut seen = BTreeSet::new();
        match self.trusted.iter().find(|trusted| !seen.insert((trusted.is_gateway, &trusted.name))) {
            Some(again) => Err(StartError::NamedTwice(Arc::clone(&again.name))),
            None => Ok(()),
        }
    }

    fn trusting(mut self, trusted: Trusted) -> Self {
        self.trusted.push(trusted);
        self
    }

    fn of_last(mut self, what: &'static str, say: impl FnOnce(&mut Trusted)) -> Self {
        match self.trusted.last_mut() {
            Some(last) => say(last),
            None => _ = self.misplaced.get_or_insert(what),
        }
        self
    }
}

impl Trusted {
    fn new(name: &str, url: Url, is_gateway: bool) -> Self {
        Self {
            name: name.into(),
            url,
            is_gateway,
            audience: Vec::new(),
            jwks: None,
            leeway: LEEWAY,
            kind: Kind::User,
            profile: Profile::default(),
            algorithms: Algorithm::ALL.to_vec(),
            absence: Absence::default(),
            user_claim: UserClaim::default(),
            introspection: None,
            ca: None,
        }
    }

    fn gateway(mut self, ground: &Ground) -> Result<TrustedGateway, StartError> {
        self.jwks.get_or_insert_with(|| format!("{}{GATEWAY_KEYS}", self.name));
        let (outbound, named) = self.outbound(ground)?;
        let keys = self.keys(ground, &outbound, named, None);
        Ok(TrustedGateway { audience: self.audience, leeway: self.leeway, keys })
    }

    fn issuer(self, ground: &Ground) -> Result<BearerIssuer, StartError> {
        let (outbound, named) = self.outbound(ground)?;
        let config =
            DiscoveryConfig { issuer: Arc::clone(&self.name), discovery_url: None, endpoint_hosts: Vec::new() };
        let (background, clock) = (ground.background.clone(), ground.clock.clone());
        let discovery =
            Discovery::new(config, outbound.clone(), background.clone(), clock.clone(), ground.cache.as_ref());
        let needs_document = self.introspection.as_ref().is_some_and(|config| config.endpoint.is_none());
        if named.is_none() || needs_document {
            discovery.start();
        }
        let keys = self.keys(ground, &outbound, named, Some(&discovery));
        let introspection = self.introspection.map(|config| {
            Introspection::new(config, discovery, outbound, background, clock, IntrospectionMemory::default())
        });
        Ok(BearerIssuer {
            issuer: self.name,
            audience: self.audience,
            leeway: self.leeway,
            kind: self.kind,
            user_claim: self.user_claim,
            absence: self.absence,
            profile: self.profile,
            introspection,
            keys,
            memory: BearerMemory::default(),
        })
    }

    /// The client towards its server, and where its keys are, if that was said.
    fn outbound(&self, ground: &Ground) -> Result<(Outbound, Option<Url>), StartError> {
        let jwks = self.jwks.as_deref().map(address).transpose()?;
        let endpoint = self.introspection.as_ref().and_then(|config| config.endpoint.as_ref());
        let named =
            jwks.iter().chain(endpoint).map(|url| Named::address(url).map_err(|why| not_asked(url.as_str(), why)));
        let default = OutboundPolicy::default();
        let policy = OutboundPolicy {
            connect: ground.timeout.map_or(default.connect, |total| total.min(default.connect)),
            total: ground.timeout.unwrap_or(default.total),
            ca: self.ca.clone(),
            named: named.collect::<Result<_, _>>()?,
        };
        let outbound = Outbound::new(&self.url, policy, ground.clock.clone())
            .map_err(|fault| StartError::Ca(Arc::clone(&self.name), fault.0))?;
        Ok((outbound, jwks))
    }

    /// Its keys, kept fresh from now on: at `named`, else where the document says.
    fn keys(
        &self,
        ground: &Ground,
        outbound: &Outbound,
        named: Option<Url>,
        discovery: Option<&Discovery>,
    ) -> IssuerKeys {
        let location = match (named, discovery) {
            (None, Some(discovery)) => KeySetLocation::Discovery(discovery.clone()),
            (named, _) => KeySetLocation::Uri(named.unwrap_or_else(|| self.url.clone())),
        };
        let config = KeysConfig {
            issuer: Arc::clone(&self.name),
            location,
            algorithms: self.algorithms.clone(),
            policy: KeyPolicy::default(),
        };
        let (background, clock) = (ground.background.clone(), ground.clock.clone());
        let keys = IssuerKeys::new(config, outbound.clone(), background, clock, ground.cache.as_ref());
        keys.start();
        keys
    }
}

/// Whether tokens can say `text`, whose address is `url`, in `iss`: an issuer has no query and no fragment (OpenID Connect
/// Discovery 1.0 §3), and the parser of addresses overlooks white space that a comparison does not.
fn can_be_named(text: &str, url: &Url) -> bool {
    let has_secret = !url.username().is_empty() || url.password().is_some();
    !text.contains(char::is_whitespace) && url.query().is_none() && url.fragment().is_none() && !has_secret
}

/// The address that `text` is, if something there can be asked.
fn address(text: &str) -> Result<Url, StartError> {
    let url = Url::parse(text).map_err(|why| not_asked(text, why))?;
    Named::address(&url).map_err(|why: Forbidden| not_asked(text, why))?;
    Ok(url)
}

fn not_asked(text: &str, why: impl ToString) -> StartError {
    StartError::Address { text: text.to_owned(), why: why.to_string() }
}
