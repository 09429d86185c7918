//! Thousands of connections that say nothing, and what everybody else notices of them.
//!
//! Requests come at a pace that waits for nobody, first alone and then beside the silent ones; both latencies are said, and
//! what the silent ones take of the gateway's memory, if it is ours. They come from 127.0.0.2 and the addresses after it, so
//! that no address has more than a hundredth of them.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use clap::Args;
use gateway::demo::{Idp, idp::IdpOptions};
use tokio::{
    net::{TcpSocket, TcpStream},
    time::sleep,
};
use url::Url;

use crate::{
    drive::{Measured, Requests, pace_requests},
    fault::Fault,
    machine,
    origin::Origin,
    outcome::{Asked, Outcome},
    peer::{self, Running, Site, Way},
    target::Target,
};

/// How many stay silent, and what is asked beside them.
#[derive(Clone, Debug, Args)]
pub struct SlowOptions {
    /// An address of a gateway that runs already; else one of ours is started.
    #[arg(long)]
    pub url: Option<String>,
    /// How many connections say nothing.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub silent: u32,
    /// Requests a second beside them.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rate: u32,
    /// For how many seconds each is measured.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub seconds: u64,
    /// Where the gateway's own files go.
    #[arg(long, default_value = "target/bench/slow")]
    pub out: PathBuf,
}

/// How long it runs before anything is measured.
const WARM_UP: Duration = Duration::from_secs(1);

/// How long the silent ones have, to be accepted by somebody who has much to do.
const SETTLE: Duration = Duration::from_secs(2);

/// From how many addresses they come.
const ADDRESSES: u32 = 100;

/// Measures, and says what came out in one line.
///
/// # Errors
/// What was asked for makes no sense, the gateway does not start, or this machine has too few open files.
pub async fn run(options: &SlowOptions) -> Result<(), Fault> {
    machine::allow_open_files(u64::from(options.silent) + 1000)?;
    match &options.url {
        Some(url) => {
            let Target { url, address } = Target::read(url, &[]).await?;
            measure(options, url, address, None).await
        }
        None => of_ours(options).await,
    }
}

async fn of_ours(options: &SlowOptions) -> Result<(), Fault> {
    let folder = std::path::absolute(&options.out)?;
    std::fs::create_dir_all(&folder)?;
    let candor = peer::candor();
    let program = candor.install(&folder.join("tools")).map_err(|error| Fault::Usage(error.to_string()))?;
    let (origin, provider) = (Origin::start().await?, Idp::start(IdpOptions::default()).await?);
    let site = Site { folder: &folder, origin: origin.address(), provider: &provider, core: None };
    let running = peer::start(&*candor, &program, &site).await.map_err(std::io::Error::other)?;
    let url = format!("http://{}{}x", running.address, Way::Open.path());
    let url = Url::parse(&url).map_err(|error| Fault::Usage(error.to_string()))?;
    let measured = measure(options, url, running.address, Some(&running)).await;
    running.end().await;
    measured
}

async fn measure(options: &SlowOptions, url: Url, address: SocketAddr, ours: Option<&Running>) -> Result<(), Fault> {
    let requests = Requests::get(&address.to_string(), url.path(), &[String::new()]);
    let asked = Asked::by_program(url);
    let (rate, span) = (f64::from(options.rate), Duration::from_secs(options.seconds));
    pace_requests(address, &requests, &asked, rate, WARM_UP).await?;
    let memory = || ours.map(Running::memory);
    let before = pace_requests(address, &requests, &asked, rate, span).await?;
    let memory_before = memory();
    let silent = silent(address, options.silent).await?;
    sleep(SETTLE).await;
    let during = pace_requests(address, &requests, &asked, rate, span).await?;
    let still_open = silent.iter().filter(|stream| is_open(stream)).count();
    let taken = memory().zip(memory_before).map(|(now, before)| now.saturating_sub(before) / u64::from(options.silent));
    println!("{}", line(&before, &during, still_open, taken));
    Ok(())
}

/// So many connections, which say nothing for as long as they are held.
async fn silent(address: SocketAddr, many: u32) -> Result<Vec<TcpStream>, Fault> {
    let mut silent = Vec::with_capacity(usize::try_from(many).unwrap_or(0));
    for number in 0..many {
        let socket = TcpSocket::new_v4()?;
        let own = Ipv4Addr::from_bits(Ipv4Addr::new(127, 0, 0, 2).to_bits() + number % ADDRESSES);
        socket.bind((own, 0).into())?;
        silent.push(socket.connect(address).await?);
    }
    Ok(silent)
}

/// Whether the other side has not closed it.
fn is_open(stream: &TcpStream) -> bool {
    matches!(stream.try_read(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}

fn line(before: &Measured, during: &Measured, still_open: usize, taken: Option<u64>) -> String {
    let p99 = |measured: &Measured| match measured.latency.p99() {
        Some(p99) => format!("{:.2} ms", p99.as_secs_f64() * 1000.0),
        None => "unknown".to_owned(),
    };
    let unserved = during.outcomes.total() - during.outcomes.of(Outcome::Served);
    let taken = taken.map(|bytes| format!(", {:.1} KiB each", bytes as f64 / 1024.0)).unwrap_or_default();
    format!(
        "slow clients: {still_open} silent, p99 of the others {} before, {} during, {unserved} of them not served{taken}",
        p99(before),
        p99(during)
    )
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_connection_is_silent_until_it_is_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let silent = silent(listener.local_addr().expect("it is bound"), 2).await.expect("they connect");
        let (first, from) = listener.accept().await.expect("one came");
        assert_eq!(from.ip(), Ipv4Addr::new(127, 0, 0, 2), "not from where the others are");
        let (_second, _) = listener.accept().await.expect("another came");
        drop(first);
        silent[0].readable().await.expect("its end comes");
        assert_eq!(silent.iter().map(is_open).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn one_line_says_it_all() {
        let (mut before, mut during) = (Measured::default(), Measured::default());
        before.latency.record(Duration::from_millis(2));
        during.latency.record(Duration::from_millis(3));
        during.outcomes.count(Outcome::Served);
        during.outcomes.count(Outcome::Unavailable);
        let said = line(&before, &during, 10_000, Some(4096));
        let expected = "slow clients: 10000 silent, p99 of the others 2.00 ms before, 3.00 ms during, \
                        1 of them not served, 4.0 KiB each";
        assert_eq!(said, expected);
    }
}
