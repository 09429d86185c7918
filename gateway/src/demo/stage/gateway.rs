//! The gateway of the demonstration: the one that is deployed, from a configuration file's text.

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    time::Duration,
};

use auth_core::Clock;
use tracing::Level;

use super::super::{
    Idp, Monolith,
    displays::{ME, PIN},
    gates::Registration,
    january::WrongAnswer,
    portal::TENANT,
    show::ShowOptions,
};
use crate::{
    config, server,
    telemetry::{AccessLog, Format, Telemetry},
};

/// Its loopback address: its own, so that its cookies stay apart.
const GATEWAY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// A folder that is gone when this is.
pub(super) struct Scratch(PathBuf);

pub(super) async fn start_gateway(
    provider: &Idp,
    monolith: &Monolith,
    data: &Scratch,
    show: &ShowOptions,
) -> io::Result<server::Started> {
    let registration = Registration::at(provider);
    let port = TcpListener::bind((GATEWAY, 0))?.local_addr()?.port();
    let secret = data.0.join("client-secret");
    std::fs::write(&secret, &registration.client_secret)?;
    let text = format!(
        r#"
[server]
listen = ["{GATEWAY}:{port}"]
public_url = "http://{GATEWAY}:{port}"
data = "data"

[admin]
listen = "{GATEWAY}:0"
allow = {{ installer = ["user"] }}

[[identity]]
name = "pretend"
kind = "oidc"
issuer = "{issuer}"
client_id = "{client_id}"
client_secret = {{ file = "client-secret" }}
scopes = ["openid", "profile", "email"]

[devices]
legacy = {{ adopt_from = "monolith", path = "{me}", timeout = "{deadline}ms" }}
legacy_pin = {{ path = "{pin}", poll = "{pin}/{{id}}" }}

[devices.tenants.{tenant}]
allow = ["user"]

[upstreams.monolith]
endpoints = ["http://{monolith}"]

[[routes]]
path = "/api/"
upstream = "monolith"
allow = ["device"]
expect = "json"
response_timeout = "{deadline}ms"

[[routes]]
path = "/"
upstream = "monolith"
allow = ["user"]
login_paths = ["{login}"]
response_timeout = "{deadline}ms"
"#,
        issuer = provider.issuer(),
        client_id = registration.client_id,
        monolith = monolith.address(),
        login = WrongAnswer::SIGN_IN,
        me = ME,
        pin = PIN,
        tenant = TENANT,
        deadline = show.deadline.as_millis(),
    );
    let config = config::parse(&text, &data.0, config::Secrets::Read(&|_| None)).map_err(|problems| {
        io::Error::other(problems.iter().map(|problem| format!("{problem}\n")).collect::<String>())
    })?;
    // The page shows what happens; four clients a second would drown the one line that says where it is.
    let mut telemetry = Telemetry::start(Format::Human, Level::ERROR);
    telemetry.access = AccessLog::to(Box::new(io::sink()), Format::Human);
    let mut options =
        server::ServeOptions { drain: Duration::from_millis(200), ..server::ServeOptions::new(telemetry) };
    options.tuning.legacy.settle = show.settle;
    server::start(config, options).await.map_err(io::Error::other)
}

impl Scratch {
    pub(super) fn new(clock: &Clock) -> io::Result<Self> {
        let name = format!("candor-demo-{}-{}", std::process::id(), clock.now().wall().as_millis());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
