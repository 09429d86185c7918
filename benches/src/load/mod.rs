//! Load on any gateway: browsers, programs and displays in a chosen mix, at a rate that waits for nobody.
//!
//! Answers are judged by what was sent, so that a gateway which is fast because it refuses is not fast here.

mod crowd;
mod demo;
mod mix;
mod options;
mod page;
mod sign_in;

use std::{fs, io};

use serde::Serialize;
use tokio::signal::ctrl_c;

pub use crowd::{Crowd, KindRecord};
pub use demo::Demo;
pub use mix::{Kind, Mix};
pub use options::{Credentials, LoadOptions, rate, span, tokens};

use self::sign_in::SignedIn;
use crate::{
    drive::{Measured, pace},
    fault::Fault,
    report::{ReportOrigin, count, duration},
    target::Target,
    terminal::Progress,
};

/// So many sign-ins may fail before no more are tried.
const FAILED_SIGN_INS: usize = 3;

/// What a load came to.
#[derive(Clone, Debug, Serialize)]
pub struct LoadRecord {
    /// What was put under load.
    pub target: String,
    /// The mix.
    pub mix: String,
    /// Requests a second.
    pub rate: f64,
    /// So many connections at most.
    pub connections: usize,
    /// All requests.
    pub all: Measured,
    /// The same by kind of client.
    pub kinds: Vec<KindRecord>,
    /// Who was to take part and does not, and why.
    pub left_out: Vec<String>,
    /// From which second to which what the gateway depends on was broken on purpose.
    pub outage: Option<(f64, f64)>,
    /// Whether it was stopped before its time.
    pub stopped: bool,
}

/// Everything that is ready to be sent, and where to.
pub struct Prepared {
    target: Target,
    mix: String,
    crowd: Crowd,
    left_out: Vec<String>,
}

/// Runs it, and writes the report.
///
/// # Errors
/// What was asked for makes no sense, or the report cannot be written. A target that does not answer is none.
pub async fn run(options: &LoadOptions, command: &str) -> Result<(), Fault> {
    let folder = std::path::absolute(&options.out)?;
    fs::create_dir_all(&folder).map_err(|error| Fault::Usage(format!("{}: {error}", folder.display())))?;
    let credentials = options.credentials()?;
    let demo = if options.demo { Some(Demo::start(&folder).await?) } else { None };
    let record = match &demo {
        Some(demo) => {
            let (options, url, credentials) = demo.prepare(options)?;
            measure(&options, &url, credentials, Some(demo)).await
        }
        None => measure(options, options.url.as_deref().unwrap_or_default(), credentials, None).await,
    };
    if let Some(demo) = demo {
        demo.end().await;
    }
    let record = record?;
    let report = page::report(&record, ReportOrigin::here(command));
    report.write_html(&folder.join("report.html"))?;
    fs::write(folder.join("report.json"), serde_json::to_vec_pretty(&record).map_err(io::Error::other)?)?;
    print!("{}", page::summary(&record));
    println!("\n{}", folder.join("report.html").display());
    Ok(())
}

async fn measure(
    options: &LoadOptions,
    url: &str,
    credentials: Credentials,
    demo: Option<&Demo>,
) -> Result<LoadRecord, Fault> {
    let mut interrupt = std::pin::pin!(ctrl_c());
    let progress = Progress::new();
    let prepared = tokio::select! {
        prepared = prepare(options, url, credentials) => prepared?,
        _ = &mut interrupt => return Err(Fault::Usage("stopped before anything was measured".to_owned())),
    };
    for lack in &prepared.left_out {
        progress.show(lack);
        progress.end();
    }
    let stop = async { drop(interrupt.await) };
    let record = send(options, prepared, demo, stop, |measured| progress.show(&line(measured))).await;
    progress.end();
    Ok(record?)
}

/// Reads the target, and gets everybody ready: signs browsers in, makes the requests.
///
/// # Errors
/// The target may not be put under load, or somebody in the mix has no credentials.
pub async fn prepare(options: &LoadOptions, url: &str, credentials: Credentials) -> Result<Prepared, Fault> {
    let target = Target::read(url, &options.i_own_this).await?;
    let mix = options.mix(&credentials)?;
    let (mut crowd, mut left_out, mut shares) = (Crowd::new(), Vec::new(), Vec::new());
    for (kind, share) in mix.shares() {
        let address = options.address(kind, &target.url)?;
        match kind {
            Kind::Browsers => {
                let (browsers, fault) = sign_in(options, &address, &credentials.form).await;
                let signed_in = browsers.len();
                left_out.extend(fault.map(|fault| {
                    format!("{signed_in} of {} browsers are signed in, because {fault}", options.browsers)
                }));
                if signed_in == 0 {
                    continue;
                }
                crowd.add_browsers(&address, browsers);
            }
            Kind::Programs => crowd.add_bearers(kind, &address, &credentials.programs),
            Kind::Displays => crowd.add_bearers(kind, &address, &credentials.displays),
            Kind::BadTokens => crowd.add_bearers(kind, &address, &credentials.bad),
            Kind::Anonymous => crowd.add_anonymous(&address),
        }
        shares.push(share);
    }
    crowd.set_shares(shares);
    Ok(Prepared { target, mix: mix.to_string(), crowd, left_out })
}

/// Sends what is prepared, until all of it has ended or `stop` is done.
///
/// # Errors
/// The machine gives no timer.
pub async fn send(
    options: &LoadOptions,
    prepared: Prepared,
    demo: Option<&Demo>,
    stop: impl Future<Output = ()>,
    mut show: impl FnMut(&Measured),
) -> io::Result<LoadRecord> {
    let Prepared { target, mix, mut crowd, left_out } = prepared;
    let (begins, ends) = (options.span / 3, options.span * 2 / 3);
    let (mut is_broken, mut outage) = (false, None::<(f64, f64)>);
    let step = |measured: &Measured| {
        if let (Some(demo), true) = (demo, options.outage) {
            let now = measured.took.as_secs_f64();
            if is_broken {
                outage = outage.map(|(from, _)| (from, now));
            }
            let breaks = (begins..ends).contains(&measured.took);
            if breaks != is_broken {
                demo.set_broken(breaks);
                is_broken = breaks;
                outage = outage.or(Some((now, now)));
            }
        }
        show(measured);
    };
    let pace_of = options.pace();
    let all = if crowd.is_empty() {
        Measured::default()
    } else {
        pace(target.address, &pace_of, &mut crowd, stop, step).await?
    };
    let stopped = !crowd.is_empty() && all.outcomes.total() < pace_of.arrivals;
    Ok(LoadRecord {
        target: target.url.to_string(),
        mix,
        rate: options.rate,
        connections: pace_of.connections,
        all,
        kinds: crowd.records(),
        left_out,
        outage,
        stopped,
    })
}

/// As many browsers as were asked for, one after the other, and what kept the others out.
async fn sign_in(options: &LoadOptions, url: &url::Url, form: &[(String, String)]) -> (Vec<SignedIn>, Option<String>) {
    let (mut browsers, mut failed, mut fault) = (Vec::new(), 0, None);
    for _ in 0..options.browsers {
        match SignedIn::at(url, form, &options.i_own_this, options.patience).await {
            Ok(browser) => browsers.push(browser),
            Err(error) => {
                fault = Some(error.to_string());
                failed += 1;
                if failed == FAILED_SIGN_INS {
                    break;
                }
            }
        }
    }
    (browsers, fault)
}

/// How it goes, in a line.
fn line(measured: &Measured) -> String {
    let second = usize::try_from(measured.took.as_secs()).unwrap_or(0).checked_sub(1);
    let last = second.and_then(|second| measured.seconds.get(second)).map_or(0, |outcomes| outcomes.total());
    let took = |took: Option<std::time::Duration>| took.map_or_else(|| "–".to_owned(), duration);
    format!(
        "{} s: {} due, {}/s ended; {}; p50 {}, p99 {}",
        measured.took.as_secs(),
        count(measured.due as f64),
        count(last as f64),
        measured.outcomes,
        took(measured.latency.p50()),
        took(measured.latency.p99()),
    )
}
