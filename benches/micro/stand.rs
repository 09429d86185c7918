//! A gateway that runs, for its parts to be measured in: nobody sends it anything.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use auth_core::{
    Background, Clock,
    bearer::{BearerIssuer, BearerMemory},
    data_folder::{DataFolder, FolderFault},
    jws::{Algorithm, SignFault},
    keys::{IssuerKeys, KeyPolicy, KeySetLocation, KeysConfig},
    outbound::{CaFault, Outbound, OutboundPolicy},
    principal::{Kind, UserClaim, stated::Absence},
};
use aws_lc_rs::error::{KeyRejected, Unspecified};
use gateway::{
    config::{self, Config, Secrets},
    state::{Dependencies, Gateway, StartFault, Tuning},
    telemetry::{AccessLog, Format, Telemetry},
};
use tokio::runtime;
use tracing::Level;
use url::Url;

use crate::tokens::{AUDIENCE, TokenIssuer};

/// The parts of a running gateway, and an issuer that it trusts.
pub(crate) struct Stand {
    pub(crate) runtime: runtime::Runtime,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) issuer: TokenIssuer,
    /// The issuer's keys, fetched.
    pub(crate) keys: IssuerKeys,
    pub(crate) outbound: Outbound,
    pub(crate) clock: Clock,
    folder: PathBuf,
}

/// Why nothing can be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StandFault {
    /// The machine refuses something.
    #[error("{0}")]
    Machine(#[from] io::Error),
    /// The folder is another's.
    #[error("{0}")]
    Folder(#[from] FolderFault),
    /// The gateway does not start.
    #[error("{0}")]
    Start(#[from] StartFault),
    /// The outbound client does not start.
    #[error("{0}")]
    Outbound(#[from] CaFault),
    /// A key cannot be made or used.
    #[error("a key cannot be made or used: {0}")]
    Key(#[from] Unspecified),
    /// A key is none.
    #[error("a key is none: {0}")]
    KeyRejected(#[from] KeyRejected),
    /// A token cannot be signed.
    #[error("{0}")]
    Sign(#[from] SignFault),
    /// Something is not what is to be measured.
    #[error("{0}")]
    Wrong(String),
}

impl Stand {
    /// Starts it in a folder of its own.
    pub(crate) fn new() -> Result<Self, StandFault> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("micro-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let clock = Clock::system();
        let issuer = TokenIssuer::start(clock.clone())?;
        let config = config_for(&issuer, &folder, &route("/", "user"))?;
        let (gateway, keys, outbound) = runtime.block_on(start(config, &issuer, &folder, &clock))?;
        Ok(Self { runtime, gateway, issuer, keys, outbound, clock, folder })
    }

    /// The configuration of this gateway with `routes` in place of its own.
    pub(crate) fn config(&self, routes: &str) -> Result<Config, StandFault> {
        config_for(&self.issuer, &self.folder, routes)
    }

    /// The issuer, of whose tokens nothing is remembered.
    pub(crate) fn bearer_issuer(&self) -> BearerIssuer {
        BearerIssuer {
            issuer: self.issuer.name().into(),
            audience: vec![AUDIENCE.to_owned()],
            leeway: Duration::from_secs(30),
            kind: Kind::Service,
            user_claim: UserClaim::Subject,
            absence: Absence::default(),
            profile: auth_core::bearer::Profile::Jwt,
            introspection: None,
            keys: self.keys.clone(),
            memory: BearerMemory::default(),
        }
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A route of a configuration file.
pub(crate) fn route(path: &str, allow: &str) -> String {
    format!("[[routes]]\npath = \"{path}\"\nupstream = \"monolith\"\nallow = [\"{allow}\"]\n")
}

fn config_for(issuer: &TokenIssuer, folder: &Path, routes: &str) -> Result<Config, StandFault> {
    let issuer = issuer.name();
    let text = format!(
        r#"
[server]
listen = ["127.0.0.1:0"]
public_url = "http://127.0.0.1:8080"
data = "data"

[[identity]]
name = "provider"
issuer = "{issuer}"
client_id = "candor"

[upstreams.monolith]
endpoints = ["http://127.0.0.1:9000"]

{routes}"#
    );
    config::parse(&text, folder, Secrets::Read(&|name| env::var(name).ok()))
        .map_err(|problems| StandFault::Wrong(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))
}

async fn start(
    config: Config,
    issuer: &TokenIssuer,
    folder: &Path,
    clock: &Clock,
) -> Result<(Arc<Gateway>, IssuerKeys, Outbound), StandFault> {
    let mut telemetry = Telemetry::start(Format::Human, Level::ERROR);
    telemetry.access = AccessLog::to(Box::new(io::sink()), Format::Human);
    let (background, data) = (Background::current(), Arc::new(DataFolder::take(&folder.join("data"), clock.now())?));
    let dependencies = Dependencies {
        data: data.clone(),
        clock: clock.clone(),
        background: background.clone(),
        telemetry,
        tuning: Tuning::default(),
    };
    let gateway = Gateway::start(config, dependencies).await?;
    let url = Url::parse(&issuer.name()).map_err(|error| StandFault::Wrong(error.to_string()))?;
    let outbound = Outbound::new(&url, OutboundPolicy::default(), clock.clone())?;
    let keys = KeysConfig {
        issuer: issuer.name().into(),
        location: KeySetLocation::Uri(url),
        algorithms: Algorithm::ALL.to_vec(),
        policy: KeyPolicy::default(),
    };
    let keys = IssuerKeys::new(keys, outbound.clone(), background, clock.clone(), &*data);
    keys.start();
    Ok((gateway, keys, outbound))
}
