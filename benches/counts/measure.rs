//! Sends requests one after the other, each when the gateway sleeps, and counts what they cost it.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    asleep::{until_asleep, wake_ups},
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
const WARM_UP: usize = 20;

/// So many are counted at a time.
const REQUESTS: usize = 150;

/// How often that is done. What the gateway does besides falls into some of them; the lowest count is free of it.
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
    allocations: u64,
    wake_ups: u64,
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
        allocations: u64::MAX,
        wake_ups: u64::MAX,
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
        if !self.system_calls.as_ref().is_ok_and(|before| before.sum() <= counted.sum()) {
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
        let before = (allocations(&self.folder)?, wake_ups(self.process)?);
        self.send(&mut connection, kind, REQUESTS).await?;
        let after = (allocations(&self.folder)?, wake_ups(self.process)?);
        kind.allocations = kind.allocations.min(after.0 - before.0);
        kind.wake_ups = kind.wake_ups.min(after.1 - before.1);
        // Afterwards, since a thread that is watched sleeps at each call.
        match Strace::attach(self.process, &self.folder) {
            Ok(strace) => {
                self.send(&mut connection, kind, REQUESTS).await?;
                kind.keep_lower(strace.detach()?);
            }
            Err(why) => kind.system_calls = Err(why),
        }
        Ok(())
    }

    /// A connection on which everything that a request of this kind needs is there.
    async fn warm(&self, kind: &Kind) -> io::Result<Connection> {
        let mut connection = Connection::open(self.gateway.address, None).await.map_err(io::Error::other)?;
        self.send(&mut connection, kind, WARM_UP).await?;
        Ok(connection)
    }

    async fn send(&self, connection: &mut Connection, kind: &Kind, requests: usize) -> io::Result<()> {
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

impl Measured {
    fn of(kinds: &[Kind; 3]) -> Self {
        let average = |of: fn(&Kind) -> u64| {
            let [open, bearer, ticket] = kinds.each_ref().map(of);
            PerRequest::average(open, bearer, ticket, REQUESTS)
        };
        let sum = |kind: &Kind| kind.system_calls.as_ref().map_or(0, SystemCalls::sum);
        let uncounted = kinds.iter().find_map(|kind| kind.system_calls.as_ref().err());
        let counts = Counts {
            allocations: average(|kind| kind.allocations),
            system_calls: uncounted.map_or_else(|| Ok(average(sum)), |why| Err(why.clone())),
            wake_ups: average(|kind| kind.wake_ups),
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
