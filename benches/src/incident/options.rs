//! What a replay can be told.

use std::path::PathBuf;

use clap::{Args, builder::PossibleValuesParser};

use crate::peer::{self, Peer};

/// The outage of January 2021, replayed through each of them: who loses what, and why.
#[derive(Clone, Debug, Args)]
pub struct IncidentOptions {
    /// Where the report goes.
    #[arg(long, default_value = "target/bench/incident")]
    pub out: PathBuf,

    /// Where gateways that have to be installed are.
    #[arg(long, default_value = "target/bench/tools")]
    pub tools: PathBuf,

    /// Only through these gateways, with commas between them.
    #[arg(long, value_delimiter = ',', ignore_case = true, value_parser = names())]
    pub only: Vec<String>,

    /// How many displays there are behind each gateway.
    #[arg(long, default_value_t = 200)]
    pub displays: usize,

    /// How many people are signed in behind each gateway.
    #[arg(long, default_value_t = 50)]
    pub people: usize,

    /// In thirty-six seconds rather than sixty.
    #[arg(long)]
    pub short: bool,
}

impl IncidentOptions {
    /// The gateways that take part.
    pub(super) fn peers(&self) -> Vec<Box<dyn Peer>> {
        let is_wanted = |peer: &dyn Peer| self.only.iter().any(|name| name.eq_ignore_ascii_case(peer.name()));
        peer::all().into_iter().filter(|peer| self.only.is_empty() || is_wanted(&**peer)).collect()
    }
}

fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(peer::all().iter().map(|peer| peer.name()))
}
