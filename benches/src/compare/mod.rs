//! The same work through each gateway, by turns.
//!
//! All gateways run at once, each kept to the same core, and have nothing to do while another has. A work goes round all
//! of them before it goes round again, so that what else the machine does strikes all alike; how far the rounds of a
//! gateway differ is the spread, and no two figures are compared that differ less. A gateway that does not answer a
//! work rightly has no figure for it: it shows what it answered.

mod comparison;
mod figure;
mod hold;
mod measure;
mod options;
mod pages;
mod stage;
mod tokens;
mod work;

use std::{fs, io, path::Path};

pub use comparison::{Compared, Comparison, Entry, Round, Served, WorkResult};
pub use figure::{Figure, Ratio};
pub use options::CompareOptions;
pub use work::Work;

use self::{
    stage::{Gateway, Stage},
    tokens::Tokens,
};
use crate::{
    fault::Fault,
    machine,
    peer::{self, Peer},
    report::{Report, ReportOrigin},
};

/// Runs it, writes `compare.json` and `compare.html` into the folder, and says what was found. Ctrl-C ends it early, with
/// what was found until then.
///
/// # Errors
/// None of the gateways is asked for; or something of our own cannot be started, or a report not be written.
pub async fn run(options: &CompareOptions, command: &str) -> Result<Report, Fault> {
    let folder = std::path::absolute(&options.out)?;
    let mut peers = peer::all();
    peers.retain(|peer| options.has(peer.name()));
    if peers.is_empty() {
        let names: Vec<&str> = peer::all().iter().map(|peer| peer.name()).collect();
        return Err(Fault::Usage(format!("the gateways are: {}", names.join(", "))));
    }
    let mut comparison = Comparison::begin(options, command, &peers);
    let mut stage = Stage::new(&folder).await?;
    let ended = tokio::select! {
        ended = play(options, peers, &mut stage, &mut comparison) => ended,
        interrupted = tokio::signal::ctrl_c() => {
            comparison.interrupted = true;
            interrupted
        }
    };
    stage.end().await;
    ended?;
    let report = pages::report(&comparison);
    if !options.hold {
        write(&report, &comparison, &folder)?;
    }
    Ok(report)
}

async fn play(
    options: &CompareOptions,
    peers: Vec<Box<dyn Peer>>,
    stage: &mut Stage,
    comparison: &mut Comparison,
) -> io::Result<()> {
    stage.start(peers).await;
    comparison.describe(&stage.gateways);
    let (rounds, spans) = (options.rounds(), options.spans());
    let works = if options.hold { vec![Work::Remembered] } else { options.works() };
    let tokens = Tokens::mint(&stage.provider, &works, rounds, spans.closed, spans.paced);
    stage.keep_to_cores()?;
    if options.hold {
        hold::describe(stage, &tokens).await?;
        return std::future::pending().await;
    }
    stage.measure(comparison, &tokens, rounds, spans).await;
    Ok(())
}

fn write(report: &Report, comparison: &Comparison, folder: &Path) -> io::Result<()> {
    println!("{}", pages::text(comparison));
    fs::write(folder.join("compare.json"), serde_json::to_vec_pretty(comparison)?)?;
    report.write_html(&folder.join("compare.html"))?;
    println!("written: {0}/compare.html and {0}/compare.json", folder.display());
    Ok(())
}

impl Comparison {
    /// Nothing found yet.
    fn begin(options: &CompareOptions, command: &str, peers: &[Box<dyn Peer>]) -> Self {
        let missing = || Err("not reached: the run was ended before".to_owned());
        let compared =
            |name: &'static str| Compared { name, version: missing(), commands: Vec::new(), memory_at_rest: None };
        let entries = |work: Work| {
            let lacking = |lack: &str| Entry::Lacking(lack.to_owned());
            peers.iter().map(|peer| peer.lacks(work.way()).map_or(Entry::NotReached, lacking)).collect()
        };
        let ReportOrigin { command, machine, date } = ReportOrigin::here(command);
        Self {
            command,
            date,
            machine,
            load_before: machine::load_average(),
            pinned: machine::cores().is_ok_and(|cores| cores.len() > 1),
            span_seconds: options.spans().closed.as_secs_f64(),
            interrupted: false,
            gateways: peers.iter().map(|peer| compared(peer.name())).collect(),
            works: options.works().into_iter().map(|work| WorkResult { work, entries: entries(work) }).collect(),
        }
    }

    /// What runs, and what does not.
    fn describe(&mut self, gateways: &[Gateway]) {
        for (at, (compared, gateway)) in self.gateways.iter_mut().zip(gateways).enumerate() {
            match &gateway.here {
                Ok(here) => {
                    compared.version = Ok(here.program.version.clone());
                    compared.commands = here.running.commands.clone();
                    compared.memory_at_rest = Some(here.running.memory()).filter(|bytes| *bytes > 0);
                }
                Err(why) => {
                    compared.version = Err(why.clone());
                    for result in &mut self.works {
                        result.entries[at] = Entry::Lacking("does not run here".to_owned());
                    }
                }
            }
        }
    }
}
