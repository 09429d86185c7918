//! What the gateway of a test world is configured with: real TOML text, read by the real parser.

use std::{
    net::TcpListener,
    num::NonZero,
    sync::atomic::{AtomicU16, Ordering},
};

use auth_core::revocations::RevocationPolicy;
use gateway::{
    body::WatchPolicy,
    demo::{Idp, Monolith, displays},
    server::ServeOptions,
    state::Tuning,
    telemetry::{AccessLog, Format, Telemetry},
};
use url::Url;

use crate::{DEADLINE, FaultProxies, names};

/// The configuration of one world.
pub struct Settings {
    port: u16,
    verify_port: u16,
    text: String,
    encrypted: bool,
}

impl Settings {
    pub(crate) fn new(proxies: &FaultProxies, idp: &Idp, secure: bool, further: String) -> Self {
        let (port, verify_port) = (free_port(), free_port());
        let ca = if secure { "ca = \"ca.pem\"" } else { "" };
        let (issuer, monolith) = (idp.issuer(), proxies.monolith.base());
        let routes = [
            ("/", r#"["user"]"#, ""),
            ("/engineers/", r#"["group:engineers"]"#, ""),
            ("/api/", r#"["user", "service"]"#, "expect = \"json\""),
            ("/display/", r#"["service"]"#, "client_kind = \"device\"\nexpect = \"json\""),
            ("/public/", r#"["anyone"]"#, ""),
            ("/passed/", r#"["user", "service"]"#, "on_denial = \"pass\""),
            ("/admin/", r#"["user", "service"]"#, "max_stale = \"0s\""),
        ];
        let routes: String = routes.map(|(path, allow, more)| route(path, allow, more)).concat();
        let deadline = deadline();
        let text = format!(
            r#"[server]
listen = ["127.0.0.1:{port}"]
public_url = "http://127.0.0.1:{port}"
data = "data"

[admin]
listen = "127.0.0.1:0"

[[identity]]
name = "pretend"
kind = "oidc"
issuer = "{issuer}"
client_id = "candor"
client_secret = {{ file = "client_secret" }}
scopes = ["openid", "profile"]
{ca}

[[bearer]]
issuer = "{issuer}"
audience = ["api://monolith"]

[upstreams.monolith]
endpoints = ["{monolith}"]
connect_timeout = "{deadline}"

{routes}{further}"#
        );
        Self { port, verify_port, text, encrypted: false }
    }

    /// The whole configuration, TOML.
    pub fn text(&self) -> String {
        self.text.clone()
    }

    /// Where people reach the gateway.
    pub fn public_url(&self) -> Url {
        let scheme = if self.encrypted { "https" } else { "http" };
        Url::parse(&format!("{scheme}://127.0.0.1:{}", self.port)).expect("an address")
    }

    /// The gateway speaks TLS, with the certificate in `tls.pem`.
    pub(crate) fn speak_tls(&mut self) {
        self.encrypted = true;
        let tls = "tls = { certificate = \"tls.pem\", key = \"tls.key\" }";
        self.replace("public_url = \"http://", &format!("{tls}\npublic_url = \"https://"));
    }

    /// Where another proxy asks about a request, once [`Settings::trust_loopback`] was said.
    pub fn verify_url(&self) -> Url {
        Url::parse(&format!("http://127.0.0.1:{}/.candor/verify", self.verify_port)).expect("an address")
    }

    /// Whoever asks from loopback is believed as another proxy, and may ask at [`Settings::verify_url`], from the next
    /// start of the gateway on.
    pub fn trust_loopback(&mut self) {
        self.replace("data = \"data\"", "data = \"data\"\ntrusted_proxies = [\"127.0.0.1/32\"]");
        let listen = format!("[forward_auth]\nlisten = [\"127.0.0.1:{}\"]\n\n[admin]", self.verify_port);
        self.replace("[admin]", &listen);
    }

    /// Sessions of people are renewed, from the next start of the gateway on, and live for half a day all the same.
    pub fn renew_sessions(&mut self) {
        self.replace("scopes = [\"openid\", \"profile\"]", "scopes = [\"openid\", \"profile\", \"offline_access\"]");
        self.replace("[admin]", "[sessions]\nhard = \"12h\"\nsign_ins_at_once = 1000\n\n[admin]");
    }

    /// Programs whose token says the role `security` may end sessions at the admin listener, and those with `view` may see
    /// them, from the next start of the gateway on.
    pub fn administer_sessions(&mut self) {
        let roles = r#"allow = { security-admin = ["role:security"], viewer = ["role:view"] }"#;
        self.replace("[admin]", &format!("[admin]\n{roles}"));
    }

    /// The monolith has three endpoints, of which one can be broken alone, from the next start of the gateway on.
    pub fn add_endpoints(&mut self, proxies: &FaultProxies, monolith: &Monolith) {
        let first = format!("\"{}\"", proxies.monolith.base());
        let three = format!("\"{}\", {first}, \"http://{}\"", proxies.endpoint.base(), monolith.address());
        self.replace(&first, &three);
    }

    /// The monolith's endpoint has a name, from the next start of the gateway on.
    pub fn name_the_endpoint(&mut self, proxies: &FaultProxies) {
        self.replace(&proxies.monolith.base(), &format!("http://{}:9000", names::SERVICE));
    }

    /// Userinfo is asked whether it is about the person of the ID token, from the next start of the gateway on.
    pub fn verify_userinfo(&mut self) {
        self.replace("kind = \"oidc\"", "kind = \"oidc\"\nuserinfo = \"verify-sub\"");
    }

    /// The provider is asked about bearer tokens that only it can read, from the next start of the gateway on.
    pub fn introspect(&mut self) {
        let asked = "introspection = { client_id = \"candor\", client_secret = { file = \"client_secret\" } }";
        self.replace("audience = [\"api://monolith\"]", &format!("audience = [\"api://monolith\"]\n{asked}"));
    }

    /// There is a fleet of displays, with `/fleet/` for all of them and `/acme/` for those of one tenant, from the next
    /// start of the gateway on. Those that hold a token of the monolith's are adopted, and its PINs are the gateway's. Ada may put
    /// displays in acme, and Grace in globex.
    pub fn add_fleet(&mut self) {
        let json = "expect = \"json\"";
        let fleet = [route("/fleet/", r#"["device"]"#, json), route("/acme/", r#"["tenant:acme"]"#, json)].concat();
        let legacy = format!(
            "legacy = {{ adopt_from = \"monolith\", path = \"{}\", timeout = \"{}\" }}",
            displays::ME,
            deadline()
        );
        let pins = format!(
            "legacy_pin = {{ path = \"{0}\", poll = \"{0}/{{id}}\", hardware_id = \"serial\" }}",
            displays::PIN
        );
        let tenants = [("acme", "engineers"), ("globex", "admirals")]
            .map(|(tenant, group)| format!("[devices.tenants.{tenant}]\nallow = [\"group:{group}\"]\n"))
            .concat();
        self.text.push_str(&format!("\n{fleet}[devices]\n{legacy}\n{pins}\n{tenants}"));
        self.replace("[admin]", "[admin]\nallow = { installer = [\"group:engineers\", \"group:admirals\"] }");
    }

    /// Replaces `old` by `new` in the text, for the next start of the gateway.
    ///
    /// # Panics
    /// The text does not contain `old`: the test would change nothing.
    pub fn replace(&mut self, old: &str, new: &str) {
        assert!(self.text.contains(old), "the configuration does not say {old}");
        self.text = self.text.replace(old, new);
    }
}

fn route(path: &str, allow: &str, more: &str) -> String {
    let deadline = deadline();
    format!(
        "[[routes]]\npath = \"{path}\"\nupstream = \"monolith\"\nallow = {allow}\n\
         response_timeout = \"{deadline}\"\nlogin_paths = [\"/accounts/login\"]\nidle_body_timeout = \"{deadline}\"\n{more}\n\n"
    )
}

fn deadline() -> String {
    format!("{}ms", DEADLINE.as_millis())
}

/// What a gateway is started with beside its configuration: deadlines of tests, one worker, no access log.
pub fn options() -> ServeOptions {
    options_with(AccessLog::to(Box::new(std::io::sink()), Format::Json))
}

/// The same with an access log.
pub(crate) fn options_with(access: AccessLog) -> ServeOptions {
    let level = std::env::var("CANDOR_LOG").ok().and_then(|level| level.parse().ok());
    let telemetry = Telemetry::start_with(access, Format::Json, level.unwrap_or(tracing::Level::ERROR));
    let revocations = RevocationPolicy { poll: DEADLINE / 4, patience: DEADLINE };
    let watch = WatchPolicy { bodies_after: DEADLINE / 4, every: DEADLINE / 8 };
    let tuning = Tuning {
        connect: DEADLINE,
        call: DEADLINE,
        store: DEADLINE,
        revocations,
        watch,
        certificates: DEADLINE / 4,
        drain: Some(DEADLINE),
        ..Tuning::default()
    };
    ServeOptions { tuning, workers: NonZero::<usize>::MIN, ..ServeOptions::new(telemetry) }
}

/// A port that nobody listens on, and that the system does not give away by itself: so it is still free when the
/// gateway takes it, and when a stopped gateway comes back.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 200).unwrap_or(0) * 100;
    loop {
        let port = 10_000 + (start + NEXT.fetch_add(1, Ordering::SeqCst)) % 20_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
