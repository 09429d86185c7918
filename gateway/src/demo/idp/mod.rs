//! A pretend OpenID provider: small, real, and willing to fail.
//!
//! Discovery, key set, authorisation code flow with PKCE, token, userinfo and introspection endpoints (OpenID Connect Core
//! 1.0, RFC 7636, RFC 7662), RS256. It also mints bearer tokens for programs, and their evil twins. Deliberately absent: storage,
//! consent, and a check of redirect addresses beyond their being on loopback.

mod endpoints;
mod lies;
mod tokens;

use std::{
    collections::{HashMap, HashSet},
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use auth_core::{Clock, Timestamp, lock::lock};

use super::server::DemoServer;
pub use lies::Lie;
use tokens::KeyRing;
pub(super) use tokens::random;
pub use tokens::{AccessTokenSpec, Twin};

/// A pretend provider, running until this is dropped.
pub struct Idp {
    server: DemoServer,
    state: Arc<State>,
}

/// What a provider is started with.
#[derive(Clone)]
pub struct IdpOptions {
    /// Where to listen; port 0 chooses one.
    pub listen: SocketAddr,
    /// The one client that it knows.
    pub client_id: String,
    /// That client's secret.
    pub client_secret: String,
    /// For whom its access tokens and minted bearer tokens are made.
    pub audience: String,
    /// The people who can sign in. The first is who signs in by default.
    pub users: Vec<User>,
    /// The clock that its tokens and its `Date` headers go by.
    pub clock: Clock,
}

/// Somebody who can sign in at the provider.
#[derive(Clone, Debug)]
pub struct User {
    /// The claim `sub`.
    pub subject: String,
    /// The claim `name`.
    pub name: String,
    /// The claim `email`.
    pub email: String,
    /// The claim `groups`.
    pub groups: Vec<String>,
}

/// How the whole provider is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It answers as it should.
    Healthy,
    /// It resets every connection.
    Down,
    /// It answers everything with 500.
    Failing,
    /// It answers well, but its key set is not one.
    NonsenseKeys,
    /// It answers well, but who asks for its key set gets no answer: the connection goes.
    UnreachableKeys,
}

/// A part of the provider, which can stand under a base address of its own (behind its own wire).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The discovery document; its base is the issuer.
    Discovery,
    /// The key set.
    Keys,
    /// The authorisation endpoint and the login page.
    Authorize,
    /// The token endpoint.
    Token,
    /// The userinfo endpoint.
    Userinfo,
    /// The introspection endpoint.
    Introspection,
}

/// What the authorisation endpoint does with a visitor.
#[derive(Clone, Debug)]
pub enum Login {
    /// It shows a page with a form.
    Form,
    /// It signs in the user with this subject at once.
    Immediately(String),
    /// It sends them back with this OAuth error (RFC 6749 §4.1.2.1).
    Refuse(String),
}

/// Everything that can change while it runs.
struct State {
    options: IdpOptions,
    keys: KeyRing,
    changing: Mutex<Changing>,
    asked: [AtomicUsize; 6],
}

struct Changing {
    health: Health,
    login: Login,
    bases: HashMap<Part, String>,
    codes: HashMap<String, Grant>,
    /// Whom refresh tokens are of, and for what. Each is good once.
    refresh: HashMap<String, Refreshable>,
    /// Whom it does not renew any more.
    disabled: HashSet<String>,
    access: HashMap<String, User>,
    /// Access tokens that only it can read, and what it says of each.
    opaque: HashMap<String, serde_json::Value>,
    lie: Option<Lie>,
    dateless: bool,
    offers_logout: bool,
    stated: HashMap<String, serde_json::Value>,
}

/// What a code stands for, until it is spent.
#[derive(Clone)]
struct Grant {
    user: User,
    redirect_uri: String,
    challenge: String,
    nonce: Option<String>,
    scope: String,
    expires: Timestamp,
}

/// What a refresh token stands for, until it is spent.
#[derive(Clone)]
struct Refreshable {
    user: User,
    scope: String,
}

/// A code is good for this long (RFC 6749 §4.1.2 allows ten minutes; short finds mistakes).
const CODE_LIFETIME: Duration = Duration::from_secs(60);

impl Default for IdpOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            client_id: "candor".into(),
            client_secret: "a pretend secret".into(),
            audience: "api://monolith".into(),
            users: vec![User::ada(), User::grace()],
            clock: Clock::system(),
        }
    }
}

impl User {
    /// Ada, of the group `engineers`.
    pub fn ada() -> Self {
        Self::named("ada", "Ada Lovelace", &["engineers"])
    }

    /// Grace, of the group `admirals`.
    pub fn grace() -> Self {
        Self::named("grace", "Grace Hopper", &["admirals"])
    }

    fn named(subject: &str, name: &str, groups: &[&str]) -> Self {
        Self {
            subject: subject.into(),
            name: name.into(),
            email: format!("{subject}@example.com"),
            groups: groups.iter().map(ToString::to_string).collect(),
        }
    }
}

impl Part {
    /// Every part.
    pub const ALL: [Self; 6] =
        [Self::Discovery, Self::Keys, Self::Authorize, Self::Token, Self::Userinfo, Self::Introspection];

    /// Its path on the provider.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Discovery => "/.well-known/openid-configuration",
            Self::Keys => "/keys",
            Self::Authorize => "/authorize",
            Self::Token => "/token",
            Self::Userinfo => "/userinfo",
            Self::Introspection => "/introspect",
        }
    }
}

impl Idp {
    /// Starts a provider. Its first key is made once a process and shared, since making one takes a while.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start(options: IdpOptions) -> io::Result<Self> {
        let login = Login::Immediately(options.users.first().map_or_else(String::new, |user| user.subject.clone()));
        let state = Arc::new(State {
            keys: KeyRing::new(),
            changing: Mutex::new(Changing {
                health: Health::Healthy,
                login,
                bases: HashMap::new(),
                codes: HashMap::new(),
                refresh: HashMap::new(),
                disabled: HashSet::new(),
                access: HashMap::new(),
                opaque: HashMap::new(),
                lie: None,
                dateless: false,
                offers_logout: false,
                stated: HashMap::new(),
            }),
            asked: Default::default(),
            options,
        });
        let answering = state.clone();
        let server = DemoServer::start(state.options.listen, move |request| {
            let state = answering.clone();
            async move { endpoints::answer(&state, &request) }
        })
        .await?;
        let base = format!("http://{}", server.address());
        lock(&state.changing).bases = Part::ALL.map(|part| (part, base.clone())).into();
        Ok(Self { server, state })
    }

    /// Where it listens, all parts alike.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The issuer: the base of its discovery part.
    pub fn issuer(&self) -> String {
        self.state.base(Part::Discovery)
    }

    /// The address under which `part` is to be found.
    pub fn url(&self, part: Part) -> String {
        self.state.url(part)
    }

    /// Puts `part` under another base (scheme, host and port), where something forwards to [`Self::address`].
    pub fn stands_at(&self, part: Part, base: &str) {
        lock(&self.state.changing).bases.insert(part, base.trim_end_matches('/').to_owned());
    }

    /// Breaks or heals the whole of it.
    pub fn set_health(&self, health: Health) {
        lock(&self.state.changing).health = health;
        self.server.set_up(health != Health::Down);
    }

    /// How it is.
    pub fn health(&self) -> Health {
        lock(&self.state.changing).health
    }

    /// Chooses what happens to who comes to sign in.
    pub fn set_login(&self, login: Login) {
        lock(&self.state.changing).login = login;
    }

    /// From now on sign-ins are answered wrongly, in this way; `None` ends it.
    pub fn lie(&self, lie: Option<Lie>) {
        lock(&self.state.changing).lie = lie;
    }

    /// From now on it renews no sign-in of `subject`: they were disabled.
    pub fn disable(&self, subject: &str) {
        lock(&self.state.changing).disabled.insert(subject.to_owned());
    }

    /// It renews everybody's sign-in again.
    pub fn enable_all(&self) {
        lock(&self.state.changing).disabled.clear();
    }

    /// Whether its answers have no `Date` from now on.
    pub fn leave_out_date(&self, leave_out: bool) {
        lock(&self.state.changing).dateless = leave_out;
    }

    /// From now on its document names where people sign out.
    pub fn offer_logout(&self) {
        lock(&self.state.changing).offers_logout = true;
    }

    /// From now on ID tokens of `subject` state these claims too, and not those that are null here.
    pub fn states_of(&self, subject: &str, claims: serde_json::Value) {
        lock(&self.state.changing).stated.insert(subject.to_owned(), claims);
    }

    /// Signs with a new key from now on, and publishes it beside the old ones. Returns its id.
    pub fn rotate(&self) -> String {
        self.state.keys.rotate()
    }

    /// From now on its keys are named by their own hash, as Keycloak's are.
    pub fn name_keys_by_hash(&self) {
        self.state.keys.name_by_hash();
    }

    /// Its key set as it is published now (RFC 7517), for who cannot fetch it.
    pub fn key_set(&self) -> serde_json::Value {
        self.state.keys.published()
    }

    /// How often `part` was asked since the start.
    pub fn asked(&self, part: Part) -> usize {
        self.state.asked[part as usize].load(Ordering::SeqCst)
    }

    /// A bearer token, signed as `bearer` says.
    pub fn mint(&self, bearer: &AccessTokenSpec) -> String {
        let state = &self.state;
        bearer.mint(&state.keys, &self.issuer(), &state.options.audience, state.options.clock.now().wall())
    }

    /// The same as a token that only the provider can read, by introspection.
    pub fn issue_opaque(&self, bearer: &AccessTokenSpec) -> String {
        let state = &self.state;
        let claims = bearer.claims(&self.issuer(), &state.options.audience, state.options.clock.now().wall());
        let token = random();
        lock(&state.changing).opaque.insert(token.clone(), claims);
        token
    }

    /// Takes such a token back.
    pub fn revoke_opaque(&self, token: &str) {
        lock(&self.state.changing).opaque.remove(token);
    }

    /// Whose an access token is that it gave at a sign-in or at a refresh.
    pub fn whose(&self, access_token: &str) -> Option<String> {
        lock(&self.state.changing).access.get(access_token).map(|user| user.subject.clone())
    }

    /// A bad copy of the token that `bearer` would be.
    pub fn twin(&self, bearer: &AccessTokenSpec, twin: Twin) -> String {
        self.mint(&bearer.clone().twin(twin))
    }
}

impl State {
    fn base(&self, part: Part) -> String {
        lock(&self.changing).bases.get(&part).cloned().unwrap_or_default()
    }

    fn url(&self, part: Part) -> String {
        self.base(part) + part.path()
    }

    fn lie(&self) -> Option<Lie> {
        lock(&self.changing).lie
    }
}
