//! One page for who chooses a gateway: what a request costs, what is lost when the service behind fails, where the time
//! goes. It runs the other commands and puts their reports together; it measures nothing by itself.

use std::{ffi::OsString, fs, io, path::PathBuf};

use clap::{Args, Command};
use tokio::{
    signal,
    task::{JoinHandle, yield_now},
};

use crate::{
    compare::{self, CompareOptions},
    fault::Fault,
    incident::{self, IncidentOptions},
    machine, micro,
    profile::{self, Profile, ProfileOptions},
    report::{Block, Report, ReportOrigin, Section, Table},
};

/// What a reader has to know who has never heard of it.
const LEAD: &str = "Candor is a gateway that signs people in, verifies the tokens of programs and displays, and says 401 \
                    only when that is true. An outage of January 2021 was replayed through it and through other gateways, \
                    at the same time.";

/// A short comparison, the incident, a profile and the last micro benches, on one page and as Markdown.
#[derive(Clone, Debug, Args)]
pub struct PerformanceOptions {
    /// Where reports, logs and installed gateways go.
    #[arg(long, default_value = "target/bench")]
    pub out: PathBuf,

    /// The folder of the documents: `performance.md` and its pictures are written there.
    #[arg(long, default_value = "docs")]
    pub docs: PathBuf,

    /// Where criterion keeps what the micro benches found.
    #[arg(long, default_value = "target/criterion")]
    pub criterion: PathBuf,

    /// Five rounds of two seconds for the comparison and a minute for the incident, rather than under six for all.
    #[arg(long)]
    pub whole: bool,
}

/// Runs it, and writes `performance.html` into the folder of reports and `performance.md` into that of the documents. Ctrl-C
/// ends it after the report of what was being measured.
///
/// # Errors
/// Something of our own cannot be started or written.
pub async fn run(options: &PerformanceOptions, command: &str) -> Result<(), Fault> {
    // Before anything keeps to some of the machine's cores.
    let (origin, all_cores) = (ReportOrigin::here(command), machine::cores()?);
    let interrupted = tokio::spawn(signal::ctrl_c());
    let compared = compare::run(&options.compare()?, command).await?;
    if is_over(&interrupted).await {
        return Ok(());
    }
    // The comparison keeps to some cores; what follows has all.
    machine::stay_on(&all_cores)?;
    let replayed = incident::run(&options.incident()?, command).await?;
    if is_over(&interrupted).await {
        return Ok(());
    }
    let profiled = profile::run(&options.profile()?).await?;
    let measured = micro::read(&options.criterion)?;
    let report = Report {
        title: "What Candor costs, and what it keeps".to_owned(),
        conclusion: format!("{LEAD} {} {}", replayed.conclusion, compared.conclusion),
        headlines: replayed.headlines.iter().chain(&compared.headlines).cloned().collect(),
        sections: sections(compared.sections, replayed.sections, profiled.as_ref(), &measured),
        origin,
    };
    write(&report, options)?;
    Ok(())
}

/// Whether it was ended by Ctrl-C: what was measured has its own report then, and the document stays that of a whole run.
async fn is_over<T>(interrupted: &JoinHandle<T>) -> bool {
    // Whoever waits for the same signal is woken in turn.
    yield_now().await;
    if interrupted.is_finished() {
        eprintln!("ended: the document on performance is left as it was");
    }
    interrupted.is_finished()
}

fn write(report: &Report, options: &PerformanceOptions) -> io::Result<()> {
    let page = options.out.join("performance.html");
    let text = options.docs.join("performance.md");
    fs::create_dir_all(&options.docs)?;
    report.write_html(&page)?;
    report.write_markdown(&text, "pictures")?;
    println!("written: {} and {}", page.display(), text.display());
    Ok(())
}

impl PerformanceOptions {
    fn compare(&self) -> Result<CompareOptions, Fault> {
        self.options("--short", &[("--out", self.out.clone())])
    }

    fn incident(&self) -> Result<IncidentOptions, Fault> {
        self.options("--short", &[("--out", self.out.join("incident")), ("--tools", self.out.join("tools"))])
    }

    fn profile(&self) -> Result<ProfileOptions, Fault> {
        self.options("", &[("--out", self.out.join("profile"))])
    }

    /// The options of another command, as its own command line would have them.
    fn options<T: Args>(&self, short: &str, paths: &[(&str, PathBuf)]) -> Result<T, Fault> {
        let short = (!self.whole && !short.is_empty()).then(|| OsString::from(short));
        let paths = paths.iter().flat_map(|(name, path)| [OsString::from(name), path.clone().into()]);
        let line = T::augment_args(Command::new("performance").no_binary_name(true));
        let matches = line.try_get_matches_from(short.into_iter().chain(paths));
        matches.and_then(|matches| T::from_arg_matches(&matches)).map_err(|error| Fault::Usage(error.to_string()))
    }
}

/// What is lost in an outage first, then what a request costs: the two questions that decide. The rest is for who asks on.
fn sections(
    mut compared: Vec<Section>,
    mut replayed: Vec<Section>,
    profiled: Option<&Profile>,
    measured: &[micro::MicroFigure],
) -> Vec<Section> {
    // The drawing and why, then the costs, then the details of both.
    let (further, events) = (compared.split_off(compared.len().min(1)), replayed.split_off(replayed.len().min(2)));
    let meanings = Section::new("What the figures mean", vec![Block::List(meanings())]);
    let inside = [time_goes(profiled)].into_iter().chain(parts(measured)).chain([meanings]);
    replayed.into_iter().chain(compared).chain(further).chain(inside).chain(events).collect()
}

fn time_goes(profiled: Option<&Profile>) -> Section {
    let blocks = match profiled {
        Some(profile) => vec![
            Block::Text(
                "Samples of the release build by `perf`, under as many requests as one core takes. Each column adds up to \
                 what a request costs in all."
                    .to_owned(),
            ),
            Block::Table(profile.table()),
        ],
        None => vec![Block::Text("Not sampled: this machine has no `perf`, or does not allow it.".to_owned())],
    };
    Section::new("Where Candor's time goes", blocks)
}

fn parts(measured: &[micro::MicroFigure]) -> Option<Section> {
    let mut table = Table::new(&["part of a request", "median", "95 % interval"]);
    for figure in measured {
        let (from, to) = figure.interval;
        table.row([
            format!("{}: {}", figure.group, figure.name).into(),
            figure.median.to_string().into(),
            format!("{from} to {to}").into(),
        ]);
    }
    let said = "Each by itself, in a loop, with everything in the processor's caches (criterion; `cargo bench -p \
                candor-benches`). They show which part a change made slower, not what a request costs.";
    (!measured.is_empty()).then(|| {
        Section::new("Parts of a request by themselves", vec![Block::Text(said.to_owned()), Block::Table(table)])
    })
}

fn meanings() -> Vec<(String, String)> {
    let meanings = [
        (
            "Processor time a request",
            "User and system time of all processes of a gateway (`/proc/PID/stat`, before and after), divided by the \
             requests that were answered rightly, while it had as much to do as one core takes. It is what decides how many \
             machines are needed. It does not depend on how fast the client or the service behind are.",
        ),
        (
            "Spread",
            "How far the rounds of a figure differ: the largest less the smallest, divided by the median. A ratio of two \
             figures that differ by less than their spreads is not shown: it says `within the noise`.",
        ),
        (
            "Latency",
            "At one rate for all, sent on time whatever became of the requests before (open loop), so that a stall is seen \
             by every request that was due in it.",
        ),
        (
            "Memory",
            "Proportional set size: what is a gateway's own, and its share of what it has in common with others.",
        ),
        (
            "Checked by other means",
            "`bench compare --hold` starts the same gateways and says where they are, as which processes they run and what \
             to send them. `wrk` then sends, and `/proc/PID/stat` before and after tells what it cost.",
        ),
    ];
    meanings.map(|(name, meaning)| (name.to_owned(), meaning.to_owned())).to_vec()
}
