//! What a storm is told on the command line, and what of this machine it needs.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::{Rule, service::Capacity};
use crate::{fault::Fault, load::span, machine};

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

impl StormOptions {
    pub(super) fn behind(&self) -> Capacity {
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
    pub(super) fn allow_open_files(&self) -> Result<(), Fault> {
        let clients = u64::from(self.clients) + OTHER_FILES;
        let behind = self.behind();
        let least = (behind.workers() + behind.queue) as u64;
        Ok(machine::allow_open_files(clients + if self.url.is_some() { 0 } else { least })?)
    }

    /// How many connections the service takes at once.
    pub(super) fn connections(&self) -> Result<usize, Fault> {
        let left = machine::raise_open_files()?.saturating_sub(u64::from(self.clients) + OTHER_FILES);
        Ok(usize::try_from(left).unwrap_or(usize::MAX).clamp(1, MOST_CONNECTIONS))
    }

    pub(super) fn service(&self) -> String {
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
}
