//! Where the gateway's time goes: samples of what runs in it while it has as much to do as it can.
//!
//! A release build is sampled by `perf`. What the compiler put into another function counts as that function, so the
//! borders between the parts that are Rust are not sharp; those to the kernel, to memory and to cryptography are.

mod part;
mod perf;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::Args;
use gateway::demo::{
    Idp,
    idp::{AccessTokenSpec, IdpOptions},
};
use serde::Serialize;

pub use self::part::Part;
use self::part::Sample;
use crate::{
    drive::{Requests, saturate},
    machine::{self, Machine},
    origin::Origin,
    peer::{self, NotHere, Program, Running, Site, Way},
    report::{Table, significant},
};

/// What to sample.
#[derive(Clone, Debug, Args)]
pub struct ProfileOptions {
    /// Where the result, samples and logs go.
    #[arg(long, default_value = "target/bench/profile")]
    pub out: PathBuf,
    /// For how many seconds each kind of request is sampled.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub seconds: u64,
}

/// How many connections keep the gateway busy.
const CONNECTIONS: usize = 32;

/// How long it is busy before that is sampled.
const WARM_UP: Duration = Duration::from_secs(1);

/// So many functions are named.
const NAMED: usize = 15;

/// Where the time went.
#[derive(Clone, Debug, Serialize)]
pub struct Profile {
    /// The gateway's version.
    pub version: String,
    /// The machine.
    pub machine: Machine,
    /// How long each was sampled, in seconds.
    pub seconds: f64,
    /// The kinds of request.
    pub kinds: Vec<KindProfile>,
}

/// Where the time of one kind of request went.
#[derive(Clone, Debug, Serialize)]
pub struct KindProfile {
    /// What was asked: `open`, `bearer`.
    pub name: &'static str,
    /// Requests served in a second, by one core, while it was sampled.
    pub per_second: f64,
    /// Processor time of a request, in microseconds, user and system, while it was sampled.
    pub micros: f64,
    /// How many samples there are.
    pub samples: usize,
    /// Every part, the largest first.
    pub parts: Vec<PartShare>,
    /// The functions that took the most, the largest first.
    pub functions: Vec<FunctionShare>,
}

/// What one part took.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartShare {
    /// The part.
    pub part: Part,
    /// Of the whole, in percent.
    pub percent: f64,
    /// Of a request, in microseconds.
    pub micros: f64,
}

/// What one function took.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FunctionShare {
    /// Its name.
    pub name: String,
    /// The part that it is of, mostly.
    pub part: Part,
    /// Of the whole, in percent.
    pub percent: f64,
}

/// Takes a profile of each kind of request, says what it shows and writes it into the folder as `profile.json`. `None` if
/// this machine does not allow it; why is said then.
///
/// # Errors
/// Something of our own cannot be started, or a file not be written.
pub async fn run(options: &ProfileOptions) -> io::Result<Option<Profile>> {
    let folder = std::path::absolute(&options.out)?;
    fs::create_dir_all(&folder)?;
    match installed_and_taken(&folder, Duration::from_secs(options.seconds)).await {
        Ok(profile) => {
            fs::write(folder.join("profile.json"), serde_json::to_vec_pretty(&profile)?)?;
            println!("{}\nwritten: {}/profile.json", profile.lines(), folder.display());
            Ok(Some(profile))
        }
        Err(not_here) => {
            println!("profile: {not_here}");
            Ok(None)
        }
    }
}

async fn installed_and_taken(folder: &Path, span: Duration) -> Result<Profile, NotHere> {
    let program = peer::candor().install(&folder.join("tools"))?;
    let perf = peer::perf()?;
    take(&program, &perf, folder, span).await.map_err(|error| NotHere(error.to_string()))
}

async fn take(program: &Program, perf: &Path, folder: &Path, span: Duration) -> io::Result<Profile> {
    let machine = Machine::here();
    // One core for it alone, as where gateways are compared.
    let core = match &machine::cores()?[..] {
        [ours @ .., core] if !ours.is_empty() => {
            machine::stay_on(ours)?;
            Some(*core)
        }
        _ => None,
    };
    let (origin, provider) = (Origin::start().await?, Idp::start(IdpOptions::default()).await?);
    let site = Site { folder, origin: origin.address(), provider: &provider, core };
    let running = peer::start(&*peer::candor(), program, &site).await.map_err(io::Error::other)?;
    let token = format!("Authorization: Bearer {}\r\n", provider.mint(&AccessTokenSpec::of("program")));
    let mut kinds = Vec::new();
    for (name, way, field) in [("open", Way::Open, String::new()), ("bearer", Way::Token, token)] {
        let requests = Requests::get(&running.address.to_string(), &format!("{}x", way.path()), &[field]);
        let data = folder.join(format!("{name}.perf"));
        kinds.push(kind(name, &running, Arc::new(requests), (perf, core, &data, span)).await?);
    }
    running.end().await;
    Ok(Profile { version: program.version.clone(), machine, seconds: span.as_secs_f64(), kinds })
}

async fn kind(
    name: &'static str,
    running: &Running,
    requests: Arc<Requests>,
    (perf, core, data, span): (&Path, Option<usize>, &Path, Duration),
) -> io::Result<KindProfile> {
    saturate(running.address, &requests, CONNECTIONS, WARM_UP).await;
    let process = running.processes.first().ok_or(io::ErrorKind::NotFound)?.id();
    let before = running.cpu_time();
    let ((tally, took), recorded) = tokio::join!(
        // Longer than it is sampled: `perf` takes a moment to begin.
        saturate(running.address, &requests, CONNECTIONS, span + WARM_UP),
        perf::record(perf, core, span, data),
    );
    recorded?;
    let used = running.cpu_time().since(before).sum();
    let served = tally.served();
    if let Some(wrong) = tally.wrong() {
        return Err(io::Error::other(format!("{name}: {wrong}")));
    }
    let samples = perf::samples(perf, process, data).await?;
    let micros = used.as_secs_f64() * 1e6 / served as f64;
    let per_second = served as f64 / took.as_secs_f64();
    Ok(KindProfile { per_second, ..KindProfile::of(name, &samples, micros)? })
}

impl KindProfile {
    /// Sums up `samples` of requests that took `micros` each.
    fn of(name: &'static str, samples: &[Sample], micros: f64) -> io::Result<Self> {
        // A share of what one may see is no share of the whole.
        if !samples.iter().any(|sample| sample.object.starts_with("[kernel")) {
            return Err(io::Error::other(
                "perf may not look into the kernel (kernel.perf_event_paranoid), or saw nothing",
            ));
        }
        let percent = |count: usize| count as f64 * 100.0 / samples.len() as f64;
        let (mut by_part, mut by_function) = (BTreeMap::new(), BTreeMap::new());
        for sample in samples {
            let part = Part::of(sample);
            *by_part.entry(part).or_insert(0) += 1;
            *by_function.entry(&*sample.symbol).or_insert_with(BTreeMap::new).entry(part).or_insert(0) += 1;
        }
        let share = |part| {
            let percent = percent(by_part.get(&part).copied().unwrap_or(0));
            PartShare { part, percent, micros: micros * percent / 100.0 }
        };
        let mut parts: Vec<_> = Part::ALL.into_iter().map(share).collect();
        parts.sort_by(|one, other| other.percent.total_cmp(&one.percent));
        let mut functions: Vec<_> = by_function
            .into_iter()
            .filter_map(|(name, parts)| {
                let (part, _) = parts.iter().max_by_key(|(_, count)| **count)?;
                Some(FunctionShare { name: name.to_owned(), part: *part, percent: percent(parts.values().sum()) })
            })
            .collect();
        functions.sort_by(|one, other| other.percent.total_cmp(&one.percent));
        functions.truncate(NAMED);
        Ok(Self { name, per_second: 0.0, micros, samples: samples.len(), parts, functions })
    }
}

impl Profile {
    /// The parts as a table: microseconds of a request, and percent, for each kind.
    pub fn table(&self) -> Table {
        let columns = self.kinds.iter().flat_map(|kind| [format!("{}, µs", kind.name), "%".to_owned()]);
        let head: Vec<String> = ["where the time goes".to_owned()].into_iter().chain(columns).collect();
        let mut table = Table { head, rows: Vec::new() };
        let order = self.kinds.first().map(|kind| &kind.parts[..]).unwrap_or_default();
        for PartShare { part, .. } in order {
            let shares = self.kinds.iter().filter_map(|kind| kind.parts.iter().find(|share| share.part == *part));
            let cells = shares.flat_map(|share| [significant(share.micros), format!("{:.1}", share.percent)]);
            table.row([part.as_str().to_owned()].into_iter().chain(cells).map(Into::into));
        }
        let sums = self.kinds.iter().flat_map(|kind| [significant(kind.micros), "100".to_owned()]);
        table.row(["together".to_owned()].into_iter().chain(sums).map(Into::into));
        table
    }

    /// For a terminal: the parts, and the functions of each kind.
    pub fn lines(&self) -> String {
        let mut lines = self.table().lines();
        for kind in &self.kinds {
            lines += &format!(
                "\n{}: {} samples, {} requests a second\n",
                kind.name,
                kind.samples,
                significant(kind.per_second)
            );
            for function in &kind.functions {
                lines += &format!("{:5.1} %  {}  ({})\n", function.percent, function.name, function.part.as_str());
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(symbol: &str, object: &str) -> Sample {
        Sample { symbol: symbol.to_owned(), object: object.to_owned(), ..Sample::default() }
    }

    #[test]
    fn shares_are_of_all_samples_and_of_a_request() {
        let kernel = sample("__x64_sys_writev", "[kernel.kallsyms]");
        let samples = [kernel.clone(), kernel.clone(), kernel, sample("mi_free", "gateway")];
        let profile = KindProfile::of("open", &samples, 40.0).expect("the kernel is seen");
        assert_eq!(profile.parts[0], PartShare { part: Part::Sockets, percent: 75.0, micros: 30.0 });
        assert_eq!(profile.parts[1], PartShare { part: Part::Memory, percent: 25.0, micros: 10.0 });
        assert_eq!(profile.parts.len(), Part::ALL.len(), "a part without a sample is a row too");
        let first = FunctionShare { name: "__x64_sys_writev".to_owned(), part: Part::Sockets, percent: 75.0 };
        assert_eq!((profile.functions.len(), &profile.functions[0]), (2, &first));
        let whole = Profile { version: String::new(), machine: Machine::here(), seconds: 1.0, kinds: vec![profile] };
        let lines = whole.lines();
        assert!(lines.contains("kernel: sockets and TCP") && lines.contains("30.0  75.0"), "{lines}");
    }

    #[test]
    fn without_the_kernel_there_is_no_share_of_the_whole() {
        let fault = KindProfile::of("open", &[sample("mi_free", "gateway")], 40.0).expect_err("half a picture");
        assert!(fault.to_string().contains("perf_event_paranoid"));
        assert!(KindProfile::of("open", &[], 40.0).is_err());
    }
}
