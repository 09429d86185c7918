//! The gateway before the pretend monolith, as it is deployed: a configuration file in a folder. The demonstration and
//! the replay of January 2021 have the same one.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use tracing::Level;

use super::{
    Idp, Monolith,
    displays::{ME, PIN},
    gates::Registration,
    idp::random,
    january::WrongAnswer,
    portal::TENANT,
};
use crate::{
    config,
    server::{self, ServeOptions},
    telemetry::{AccessLog, Format, Telemetry},
};

/// What a deployment is told.
pub(super) struct Deployment<'a> {
    /// Where it listens, and how it is known.
    pub(super) listen: SocketAddr,
    /// Where people sign in.
    pub(super) provider: &'a Idp,
    /// What stands behind it.
    pub(super) monolith: &'a Monolith,
    /// How long it waits for that.
    pub(super) deadline: Duration,
}

/// A folder that is gone when this is.
pub(super) struct Scratch(PathBuf);

impl Deployment<'_> {
    /// Writes the configuration file into `folder`, and the secret that it names; gives the file. The gateway's data will
    /// lie in `data` beside it.
    pub(super) fn write_into(&self, folder: &Path) -> io::Result<PathBuf> {
        let registration = Registration::at(self.provider);
        std::fs::write(folder.join("client-secret"), &registration.client_secret)?;
        let file = folder.join("gateway.toml");
        std::fs::write(&file, self.text(&registration.client_id))?;
        Ok(file)
    }

    fn text(&self, client_id: &str) -> String {
        format!(
            r#"
[server]
listen = ["{listen}"]
public_url = "http://{listen}"
data = "data"

[admin]
listen = "{admin}:0"
allow = {{ installer = ["user"] }}

[[identity]]
name = "pretend"
kind = "oidc"
issuer = "{issuer}"
client_id = "{client_id}"
client_secret = {{ file = "client-secret" }}
scopes = ["openid", "profile", "email"]

[devices]
legacy = {{ adopt_from = "monolith", path = "{ME}", timeout = "{deadline}ms" }}
legacy_pin = {{ path = "{PIN}", poll = "{PIN}/{{id}}" }}

[devices.tenants.{TENANT}]
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
            listen = self.listen,
            admin = self.listen.ip(),
            issuer = self.provider.issuer(),
            monolith = self.monolith.address(),
            login = WrongAnswer::SIGN_IN,
            deadline = self.deadline.as_millis(),
        )
    }
}

/// Starts the gateway of the configuration file `file` in this process, with the options that `adjust` makes of the
/// defaults. It writes no access log.
pub(super) async fn start(file: &Path, adjust: impl FnOnce(&mut ServeOptions)) -> io::Result<server::Started> {
    let text = std::fs::read_to_string(file)?;
    let base = file.parent().unwrap_or_else(|| Path::new(""));
    let config = config::parse(&text, base, config::Secrets::Read(&|_| None)).map_err(|problems| {
        io::Error::other(problems.iter().map(|problem| format!("{problem}\n")).collect::<String>())
    })?;
    let mut telemetry = Telemetry::start(Format::Human, Level::ERROR);
    telemetry.access = AccessLog::to(Box::new(io::sink()), Format::Human);
    let mut options = ServeOptions::new(telemetry);
    adjust(&mut options);
    server::start(config, options).await.map_err(io::Error::other)
}

impl Scratch {
    /// A new folder for temporary files, whose name says what for.
    pub(super) fn new(what: &str) -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("candor-{what}-{}-{}", std::process::id(), random()));
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
