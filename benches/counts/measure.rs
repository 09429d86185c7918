//! Sends requests one after the other, each when the gateway sleeps, and counts what they cost it.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    asleep::{serving, until_asleep, wake_ups},
    core,
    gateway::allocations,
    origin,
    system_calls::{Strace, SystemCalls},
};
use ::gateway::demo::{
    Idp,
    idp::{AccessTokenSpec, IdpOptions},
};
use benches::{
    cost::{Counts, PerRequest},
    exchange::Connection,
    peer::{self, Program, Running, Site, Way},
};

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// So many make everything steady: pools, buffers, and what is remembered of a token.
const WARM_UP: u64 = 20;

/// So many are counted at a time, and as many again while `strace` looks.
const REQUESTS: u64 = 60;

/// How often that is done.
const ROUNDS: usize = 3;

/// What was measured.
pub(crate) struct Measured {
    /// The figures.
    pub(crate) counts: Counts,
    /// Which system calls they are, for who has to find out what changed.
    pub(crate) detail: String,
}

/// One kind of request.
struct Kind {
    name: &'static str,
    head: String,
    /// Of each request.
    allocations: Vec<u64>,
    /// Of each request.
    wake_ups: Vec<u64>,
    system_calls: Result<SystemCalls, String>,
}

/// The gateway, where it stands.
struct Stand {
    gateway: Running,
    process: u32,
    folder: PathBuf,
}

/// Measures the three kinds of request.
///
/// # Errors
/// Something cannot be started, or a request is not served.
pub(crate) fn measure() -> io::Result<Measured> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("counts-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let measured = runtime.block_on(measure_in(&folder));
    fs::remove_dir_all(&folder)?;
    measured
}

async fn measure_in(folder: &Path) -> io::Result<Measured> {
    let process = origin::GatewayProcess::default();
    let provider = Idp::start(IdpOptions::default()).await?;
    let site = Site { folder, origin: origin::start(process.clone())?, provider: &provider, core: Some(core::any()?) };
    let candor = peer::candor();
    let program = Program { path: env::current_exe()?, behind: None, version: String::new() };
    let gateway = peer::start(&*candor, &program, &site).await.map_err(io::Error::other)?;
    let cookie = peer::sign_in(&*candor, &gateway, &provider).await.map_err(io::Error::other)?;
    let token = provider.mint(&AccessTokenSpec::of("program"));
    let mut kinds = kinds(&gateway.address.to_string(), &token, &cookie);
    let stand = Stand::of(gateway, folder)?;
    let _ = process.set(stand.process);
    for _ in 0..ROUNDS {
        for kind in &mut kinds {
            stand.count(kind).await?;
        }
    }
    stand.gateway.end().await;
    Ok(Measured::of(&kinds))
}

fn kinds(host: &str, token: &str, cookie: &str) -> [Kind; 3] {
    let kind = |name, way: Way, field: &str| Kind {
        name,
        head: format!("GET {}x HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\n{field}\r\n", way.path()),
        allocations: Vec::new(),
        wake_ups: Vec::new(),
        system_calls: Err("it was not tried".to_owned()),
    };
    [
        kind("open", Way::Open, ""),
        kind("bearer", Way::Token, &format!("Authorization: Bearer {token}\r\n")),
        kind("ticket", Way::Session, &format!("Cookie: {cookie}\r\n")),
    ]
}

impl Kind {
    fn keep_lower(&mut self, counted: SystemCalls) {
        if !self.system_calls.as_ref().is_ok_and(|before| before.tenths(REQUESTS) <= counted.tenths(REQUESTS)) {
            self.system_calls = Ok(counted);
        }
    }
}

impl Stand {
    fn of(gateway: Running, folder: &Path) -> io::Result<Self> {
        let process = gateway.processes.first().ok_or(io::ErrorKind::NotFound)?.id();
        core::without_preemption(process)?;
        Ok(Self { gateway, process, folder: folder.to_owned() })
    }

    async fn count(&self, kind: &mut Kind) -> io::Result<()> {
        let mut connection = self.warm(kind).await?;
        let asking = self.asking_allocates()?;
        for _ in 0..REQUESTS {
            let before = (allocations(&self.folder)?, wake_ups(self.process)?);
            self.send(&mut connection, kind, 1).await?;
            let after = (allocations(&self.folder)?, wake_ups(self.process)?);
            kind.allocations.push((after.0 - before.0).saturating_sub(asking));
            kind.wake_ups.push(after.1 - before.1);
        }
        // Afterwards, since a thread that is watched sleeps at each call.
        match Strace::attach(&serving(self.process)?, &self.folder) {
            Ok(strace) => {
                self.send(&mut connection, kind, REQUESTS).await?;
                kind.keep_lower(strace.detach()?);
            }
            Err(why) => kind.system_calls = Err(why),
        }
        Ok(())
    }

    /// What asking for the number of allocations adds to it.
    fn asking_allocates(&self) -> io::Result<u64> {
        Ok(allocations(&self.folder)?.abs_diff(allocations(&self.folder)?))
    }

    /// A connection on which everything that a request of this kind needs is there.
    async fn warm(&self, kind: &Kind) -> io::Result<Connection> {
        let mut connection = Connection::open(self.gateway.address, None).await.map_err(io::Error::other)?;
        self.send(&mut connection, kind, WARM_UP).await?;
        Ok(connection)
    }

    async fn send(&self, connection: &mut Connection, kind: &Kind, requests: u64) -> io::Result<()> {
        for _ in 0..requests {
            until_asleep(self.process)?;
            let answer = connection.exchange(kind.head.as_bytes(), b"", PATIENCE).await.map_err(io::Error::other)?;
            if answer.status != 200 {
                return Err(io::Error::other(format!("{}: the answer is {answer:?}", kind.name)));
            }
        }
        until_asleep(self.process)
    }
}

/// What nine of ten requests took at least. What the gateway does besides adds to some; and a thread that is interrupted
/// while it holds a lock makes another wait for it, which on a busy machine happens to more than half of them.
fn usual(counts: &[u64]) -> f64 {
    let mut sorted = counts.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 10).copied().map_or(0.0, |count| count as f64)
}

impl Measured {
    fn of(kinds: &[Kind; 3]) -> Self {
        let usual = |of: fn(&Kind) -> &[u64]| {
            let [open, bearer, ticket] = kinds.each_ref().map(|kind| usual(of(kind)));
            PerRequest { open, bearer, ticket }
        };
        let uncounted = kinds.iter().find_map(|kind| kind.system_calls.as_ref().err());
        let calls = || {
            let tenths = |kind: &Kind| kind.system_calls.as_ref().map_or(0, |calls| calls.tenths(REQUESTS));
            let [open, bearer, ticket] = kinds.each_ref().map(|kind| tenths(kind) as f64 / 10.0);
            PerRequest { open, bearer, ticket }
        };
        let counts = Counts {
            allocations: usual(|kind| &kind.allocations),
            system_calls: uncounted.map_or_else(|| Ok(calls()), |why| Err(why.clone())),
            wake_ups: usual(|kind| &kind.wake_ups),
        };
        Self { counts, detail: detail(kinds) }
    }
}

fn detail(kinds: &[Kind; 3]) -> String {
    let line = |kind: &Kind| {
        let calls = kind.system_calls.as_ref().map_or_else(Clone::clone, ToString::to_string);
        format!("system calls of {REQUESTS} requests, {}: {calls}", kind.name)
    };
    kinds.iter().map(line).collect::<Vec<_>>().join("\n")
}
