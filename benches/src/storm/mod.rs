//! All displays come back at once, to a service that can serve a few hundred a second.
//!
//! After an outage the return is the next one: who is sent away asks again, and if all ask again at the same moment, all
//! but a few are sent away again. What it takes is a gateway that passes "not now, in 5 s" on as what it is, and clients that
//! spread themselves. Both are measured: time until all are back, tries each, peaks; beside the ideal, in which each asks
//! once, exactly when its turn is.

mod client;
mod options;
mod page;
mod record;
mod service;

use std::{cell::RefCell, fs, io, net::SocketAddr, path::Path, time::Duration};

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};
use gateway::demo::{AccessTokenSpec, Idp, idp::IdpOptions};
use serde::Serialize;
use tokio::{signal::ctrl_c, task::yield_now, time::interval};
use url::{Position, Url};

pub use client::Rule;
pub use options::StormOptions;
pub use record::RunRecord;

use self::{
    client::Storm,
    record::Watch,
    service::{Capacity, Service},
};
use crate::{
    fault::Fault,
    outcome::Asked,
    peer::{self, Running, Site, Way},
    report::{ReportOrigin, count},
    target::Target,
    terminal::Progress,
};

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
