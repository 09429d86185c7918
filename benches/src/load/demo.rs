//! A gateway to try the load on: the pretend provider, the pretend service and Candor, all in this process.

use std::{
    fs, io,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    time::Duration,
};

use gateway::{
    config,
    demo::{AccessTokenSpec, Health, Idp, Login, Mode, Monolith, Twin, idp::IdpOptions},
    server::{self, ServeOptions, Started},
    state::Tuning,
    telemetry::{AccessLog, Format, Telemetry},
};

use super::{Credentials, LoadOptions};
use crate::peer::{Candor, Site, Way};

/// Loopback addresses of their own, so that the cookies of gateway and provider stay apart.
const GATEWAY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const PROVIDER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

/// So many programs and so many displays have a token.
const TOKENS: usize = 200;

/// All of it, running until it is ended.
pub struct Demo {
    provider: Idp,
    service: Monolith,
    gateway: Started,
    folder: PathBuf,
}

impl Demo {
    /// Starts all of it; the gateway's data folder is below `folder`, and is gone afterwards.
    ///
    /// # Errors
    /// An address cannot be listened on, or the folder not be made.
    pub async fn start(folder: &Path) -> io::Result<Self> {
        let folder = folder.join("demo");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let options = IdpOptions { listen: (PROVIDER, 0).into(), ..IdpOptions::default() };
        let provider = Idp::start(options).await?;
        provider.set_login(Login::Form);
        let service = Monolith::start((Ipv4Addr::LOCALHOST, 0).into()).await?;
        let listen = TcpListener::bind((GATEWAY, 0))?.local_addr()?;
        let site = Site { folder: &folder, origin: service.address(), provider: &provider, core: None };
        let text = Candor::configuration(&site, listen)?;
        let config = config::parse(&text, &folder, config::Secrets::Read(&|_| None)).map_err(|problems| {
            io::Error::other(problems.iter().map(|problem| format!("{problem}\n")).collect::<String>())
        })?;
        // An access line for each of thousands of requests would drown the report.
        let mut telemetry = Telemetry::start(Format::Human, tracing::Level::ERROR);
        telemetry.access = AccessLog::to(Box::new(io::sink()), Format::Human);
        let tuning = Tuning { drain: Some(Duration::from_millis(200)), ..Tuning::default() };
        let options = ServeOptions { tuning, ..ServeOptions::new(telemetry) };
        let gateway = server::start(config, options).await.map_err(io::Error::other)?;
        Ok(Self { provider, service, gateway, folder })
    }

    /// The options of a load on it, with its address and everybody's credentials: what was given on the command line
    /// stays, as far as it makes sense here.
    ///
    /// # Errors
    /// Its address is none.
    pub fn prepare(&self, options: &LoadOptions) -> io::Result<(LoadOptions, String, Credentials)> {
        let mut options = options.clone();
        options.program_path.get_or_insert_with(|| format!("{}calendar", Way::Token.path()));
        options.display_path.get_or_insert_with(|| format!("{}display", Way::Token.path()));
        let address = self.gateway.addresses().first().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let credentials = Credentials {
            programs: self.tokens("program"),
            displays: self.tokens("display"),
            bad: Twin::ALL.iter().map(|twin| self.provider.twin(&AccessTokenSpec::of("nobody"), *twin)).collect(),
            form: vec![("user".to_owned(), "ada".to_owned())],
        };
        Ok((options, format!("http://{address}{}calendar", Way::Session.path()), credentials))
    }

    fn tokens(&self, of: &str) -> Vec<String> {
        (0..TOKENS).map(|number| self.provider.mint(&AccessTokenSpec::of(&format!("{of}-{number}")))).collect()
    }

    /// Breaks or heals what the gateway depends on: the service resets connections, and so does the provider.
    pub fn set_broken(&self, broken: bool) {
        self.service.set_mode(if broken { Mode::Down } else { Mode::Healthy });
        self.provider.set_health(if broken { Health::Down } else { Health::Healthy });
    }

    /// Ends all of it.
    pub async fn end(self) {
        self.gateway.shutdown().await;
        let _ = fs::remove_dir_all(&self.folder);
    }
}
