//! All displays come back at once, to a service that can serve a few hundred a second.
//!
//! After an outage the return is the next one: who is sent away asks again, and if all ask again at the same moment, all
//! but a few are sent away again. What it takes is a gateway that passes "not now, in 5 s" on as what it is, and clients that
//! spread themselves. Both are measured: time until all are back, tries each, peaks; beside the ideal, in which each asks
//! once, exactly when its turn is.

mod client;
mod page;
mod record;
mod service;

use std::{
    cell::RefCell,
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use clap::Args;
use futures_util::stream::{FuturesUnordered, StreamExt};
use gateway::demo::{AccessTokenSpec, Idp, idp::IdpOptions};
use serde::Serialize;
use tokio::{signal::ctrl_c, task::yield_now, time::interval};
use url::{Position, Url};

pub use client::Rule;
pub use record::RunRecord;

use self::{
    client::Storm,
    record::Watch,
    service::{Capacity, Service},
};
use crate::{
    fault::Fault,
    load::span,
    machine,
    outcome::Asked,
    peer::{self, Running, Site, Way},
    report::{ReportOrigin, count},
    target::Target,
    terminal::Progress,
};

/// Files that this program needs beside the sockets of clients and service.
const OTHER_FILES: u64 = 256;

/// More connections than any gateway opens to a service.
const MOST_CONNECTIONS: usize = 1 << 16;

/// Many clients return at once, against a service of a given capacity.
#[derive(Clone, Debug, Args)]
pub struct StormOptions {
    /// So many displays.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=25_000))]
    pub clients: u32,

    /// What the service behind can do: requests a second.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub capacity: u32,

    /// How long the service works on a request: it works on capacity × this at once.
    #[arg(long, default_value = "100ms", value_name = "SPAN", value_parser = span)]
    pub takes: Duration,

    /// So many requests wait at the service; what is more is answered 503. Without it, as many as it does in a second.
    #[arg(long)]
    pub queue: Option<u32>,

    /// The Retry-After of these 503, in seconds.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub retry_after: u32,

    /// When clients that were told "not now" ask again; one storm for each rule.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Rule::Jittered, Rule::Exact])]
    pub rule: Vec<Rule>,

    /// The gateway in front, by its name in `bench compare`.
    #[arg(long, default_value = "Candor", conflicts_with = "url")]
    pub gateway: String,

    /// A gateway that runs already, with a service behind that can do --capacity: the address that displays ask for.
    #[arg(long, requires = "token_file")]
    pub url: Option<String>,

    /// A host that may be put under load although it is not this machine; can be repeated.
    #[arg(long, value_name = "HOST")]
    pub i_own_this: Vec<String>,

    /// With --url: bearer tokens, one a line, used by turns.
    #[arg(long, value_name = "FILE", requires = "url")]
    pub token_file: Option<PathBuf>,

    /// An answer that takes longer is none.
    #[arg(long, default_value = "30s", value_name = "SPAN", value_parser = span)]
    pub patience: Duration,

    /// So long a storm is watched; who is not back then is out.
    #[arg(long = "for", default_value = "4m", value_name = "SPAN", value_parser = span)]
    pub span: Duration,

    /// Where report.html and report.json go.
    #[arg(long, default_value = "target/bench/storm")]
    pub out: PathBuf,
}

/// What the storms came to.
#[derive(Clone, Debug, Serialize)]
pub struct StormRecord {
    /// The gateway.
    pub gateway: String,
    /// How many clients.
    pub clients: u64,
    /// Requests a second that the service can serve.
    pub capacity: u32,
    /// The service, in words.
    pub service: String,
    /// One for each rule that was run.
    pub runs: Vec<RunRecord>,
    /// What could not be measured, and why.
    pub left_out: Vec<String>,
}

/// Where the clients go: to a gateway of ours, or to one that runs already.
struct Front {
    url: Url,
    address: SocketAddr,
    tokens: Vec<String>,
    ours: Option<(Running, Service)>,
}

/// Runs it, and writes the report.
///
/// # Errors
/// What was asked for makes no sense, this machine has too few open files, or the report cannot be written.
pub async fn run(options: &StormOptions, command: &str) -> Result<(), Fault> {
    let folder = std::path::absolute(&options.out)?;
    fs::create_dir_all(&folder).map_err(|error| Fault::Usage(format!("{}: {error}", folder.display())))?;
    options.allow_open_files()?;
    let mut interrupt = std::pin::pin!(ctrl_c());
    let mut record = StormRecord {
        gateway: options.url.clone().unwrap_or_else(|| options.gateway.clone()),
        clients: options.clients.into(),
        capacity: options.capacity,
        service: options.service(),
        runs: Vec::new(),
        left_out: Vec::new(),
    };
    let provider = Idp::start(IdpOptions::default()).await?;
    let progress = Progress::new();
    for rule in &options.rule {
        progress.show(&format!("{}: getting ready", rule.as_str()));
        let front = tokio::select! {
            front = options.front(&provider, &folder) => front?,
            _ = &mut interrupt => break,
        };
        let front = match front {
            Ok(front) => front,
            Err(lack) => {
                record.left_out.push(format!("{}: {lack}", record.gateway));
                break;
            }
        };
        let run = front.storm(options, *rule, &progress, interrupt.as_mut()).await;
        let stopped = run.stopped;
        record.runs.push(run);
        if stopped {
            break;
        }
    }
    progress.end();
    if record.left_out.is_empty() {
        let not_run = options.rule.iter().skip(record.runs.len());
        record.left_out.extend(not_run.map(|rule| format!("{}: it was stopped before", rule.as_str())));
    }
    let report = page::report(&record, ReportOrigin::here(command));
    report.write_html(&folder.join("report.html"))?;
    fs::write(folder.join("report.json"), serde_json::to_vec_pretty(&record).map_err(io::Error::other)?)?;
    print!("{}", page::summary(&record));
    println!("\n{}", folder.join("report.html").display());
    Ok(())
}

impl StormOptions {
    fn behind(&self) -> Capacity {
        Capacity {
            rate: self.capacity,
            takes: self.takes,
            queue: usize::try_from(self.queue.unwrap_or(self.capacity)).unwrap_or(usize::MAX),
            retry_after: self.retry_after.into(),
            connections: 0,
        }
    }

    /// Files for the clients' connections, and for those of requests that the service works on or lets wait. A gateway may
    /// open one for each of the others too; how many of them the service takes is what is left.
    fn allow_open_files(&self) -> Result<(), Fault> {
        let clients = u64::from(self.clients) + OTHER_FILES;
        let behind = self.behind();
        let least = (behind.workers() + behind.queue) as u64;
        Ok(machine::allow_open_files(clients + if self.url.is_some() { 0 } else { least })?)
    }

    /// How many connections the service takes at once.
    fn connections(&self) -> Result<usize, Fault> {
        let left = machine::raise_open_files()?.saturating_sub(u64::from(self.clients) + OTHER_FILES);
        Ok(usize::try_from(left).unwrap_or(usize::MAX).clamp(1, MOST_CONNECTIONS))
    }

    fn service(&self) -> String {
        if self.url.is_some() {
            return format!(
                "the service behind the gateway can do {} requests a second, its owner says",
                self.capacity
            );
        }
        let behind = self.behind();
        format!(
            "the service behind works on {} requests at once, each for {} ms, lets {} wait, and answers all others 503 with \
             Retry-After: {}",
            behind.workers(),
            behind.takes.as_millis(),
            behind.queue,
            behind.retry_after
        )
    }

    /// The gateway, running, with everybody's tokens; inside, why it is not here.
    async fn front(&self, provider: &Idp, folder: &Path) -> Result<Result<Front, String>, Fault> {
        if let (Some(url), Some(file)) = (&self.url, &self.token_file) {
            let Target { url, address } = Target::read(url, &self.i_own_this).await?;
            return Ok(Ok(Front { url, address, tokens: crate::load::tokens(file)?, ours: None }));
        }
        let all = peer::all();
        let names = || all.iter().map(|peer| peer.name()).collect::<Vec<_>>().join(", ");
        let peer = all
            .iter()
            .find(|peer| peer.name().eq_ignore_ascii_case(&self.gateway))
            .ok_or_else(|| Fault::Usage(format!("there is no gateway `{}` here, only {}", self.gateway, names())))?;
        let program = match peer.install(&folder.join("tools")) {
            Ok(program) => program,
            Err(not_here) => return Ok(Err(not_here.to_string())),
        };
        let service = Service::start(Capacity { connections: self.connections()?, ..self.behind() })?;
        let own = folder.join(peer.name());
        let site = Site { folder: &own, origin: service.address(), provider, core: None };
        let running = match peer::start(&**peer, &program, &site).await {
            Ok(running) => running,
            Err(fault) => return Ok(Err(fault.to_string())),
        };
        // Who verifies no tokens passes everybody on.
        let way = if peer.lacks(Way::Token).is_none() { Way::Token } else { Way::Open };
        let address = running.address;
        let url = Url::parse(&format!("http://{address}{}display", way.path())).map_err(io::Error::other)?;
        Ok(Ok(Front { url, address, tokens: self.mint(provider).await, ours: Some((running, service)) }))
    }
}

impl StormOptions {
    /// A token for each display. Ten thousand signatures take seconds, in which this can be stopped.
    async fn mint(&self, provider: &Idp) -> Vec<String> {
        let mut tokens = Vec::new();
        for number in 0..self.clients {
            tokens.push(provider.mint(&token_of(number)));
            if number % 64 == 0 {
                yield_now().await;
            }
        }
        tokens
    }
}

impl Front {
    /// One storm, until all are back, or it was watched for long enough, or is stopped.
    async fn storm(
        self,
        options: &StormOptions,
        rule: Rule,
        progress: &Progress,
        mut interrupt: std::pin::Pin<&mut impl Future<Output = io::Result<()>>>,
    ) -> RunRecord {
        let asked = Asked::by_program(self.url.clone());
        let watch = RefCell::new(Watch::new(rule, options.clients.into()));
        let storm = Storm { address: self.address, asked: &asked, rule, patience: options.patience, watch: &watch };
        let heads: Vec<Bytes> = self.tokens.iter().map(|token| head(&self.url, token)).collect();
        let mut out: FuturesUnordered<_> = (0..options.clients)
            .zip(heads.iter().cycle())
            .map(|(number, head)| storm.come_back(number.into(), head.clone()))
            .collect();
        let (mut held, mut was_stopped) = (Vec::new(), false);
        let mut seconds = interval(Duration::from_secs(1));
        while watch.borrow().elapsed() < options.span {
            tokio::select! {
                biased;
                _ = &mut interrupt => {
                    was_stopped = true;
                    break;
                }
                _ = seconds.tick() => progress.show(&line(watch.borrow().record(), watch.borrow().elapsed())),
                back = out.next() => match back {
                    // A display that is back keeps its connection.
                    Some(connection) => held.extend(connection),
                    None => break,
                },
            }
        }
        drop(out);
        let mut run = watch.into_inner().finish(was_stopped);
        progress.end();
        if let Some((running, service)) = self.ours {
            let (came, served) = service.seen();
            run.most_served_by_service = served.into_iter().max();
            run.at_service = Some(came);
            running.end().await;
        }
        run
    }
}

fn token_of(number: u32) -> AccessTokenSpec {
    AccessTokenSpec::of(&format!("display-{number}")).lasting(Duration::from_secs(24 * 3600))
}

fn head(url: &Url, token: &str) -> Bytes {
    let (path, host) =
        (&url[Position::BeforePath..Position::AfterQuery], &url[Position::BeforeHost..Position::AfterPort]);
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: candor-bench\r\nAccept: application/json\r\n\
         Authorization: Bearer {token}\r\n\r\n"
    )
    .into()
}

/// How it goes, in a line.
fn line(run: &RunRecord, elapsed: Duration) -> String {
    format!(
        "{}, {} s: {} of {} back; {}",
        run.rule.as_str(),
        elapsed.as_secs(),
        count(run.back as f64),
        count(run.clients as f64),
        run.outcomes
    )
}

#[cfg(test)]
mod tests;
