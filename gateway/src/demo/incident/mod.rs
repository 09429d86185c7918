//! `gateway device simulate --incident`: January 2021, replayed in compressed time against the real gateway, and against
//! a bare pass-through, so that it is known what the replay would show.
//!
//! For half an hour of the devices' time the service behind the gate answers two in five requests right and gives all
//! others a random wrong answer ([`super::january`]). Half of the displays run the unmodified app, which a 401 makes erase
//! what it holds; half of those the gateway meets for the first time in the middle of it. The other displays have the new
//! client. One display of each kind was revoked before, and must not be served again.
//!
//! The gateway is this program in a process of its own. Only the displays' time is compressed: the gateway has the
//! machine's clock, as always, so that what it waits for or lets grow old takes as long as it does in service.

mod candor;
mod process;
mod stage;

use std::{
    env,
    io::{self, Write},
    process::Command,
    time::Duration,
};

use tokio::{
    select,
    signal::unix::{SignalKind, signal},
    task::JoinSet,
    time::Instant,
};

use self::stage::IncidentStage;
use super::{
    monolith::Mode,
    simulate::{
        Fleet,
        tally::{Seen, Shows},
    },
};

/// How it is replayed.
#[derive(Clone, Copy, Debug)]
pub struct IncidentOptions {
    /// So many unmodified displays, and as many with the new client; and of each kind one that is revoked.
    pub devices: usize,
    /// How much faster the devices' time goes than ours.
    pub speed: u32,
    /// How long it lasts, by the devices' time.
    pub lasts: Duration,
    /// How often a display asks, by its time.
    pub every: Duration,
    /// Identity provider and store break too, and the gateway is killed and started again twice.
    pub everything_breaks: bool,
    /// What starts the gateway's program, but for `--config FILE`.
    pub program: fn() -> io::Result<Command>,
}

impl Default for IncidentOptions {
    fn default() -> Self {
        Self {
            devices: 1000,
            speed: 30,
            lasts: Duration::from_secs(30 * 60),
            every: Duration::from_secs(60),
            everything_breaks: false,
            program: this_program_serves,
        }
    }
}

/// `gateway serve`, of the program that this is.
fn this_program_serves() -> io::Result<Command> {
    let mut program = Command::new(env::current_exe()?);
    program.arg("serve");
    Ok(program)
}

/// What was seen on the walls, without the revoked displays.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IncidentOutcome {
    /// How many displays.
    pub devices: usize,
    /// How many erased what they held.
    pub wiped: usize,
    /// How many asked for a PIN.
    pub asked_for_a_pin: usize,
    /// How many were served after it was over.
    pub recovered: usize,
    /// How long that took, by the devices' time; until we gave up waiting, if not all came back.
    pub recovered_in: Duration,
    /// How many revoked displays were served.
    pub revoked_served: usize,
    /// How many requests there were.
    pub requests: u64,
    /// Of a hundred requests while it lasted, so many were answered with what was asked for.
    pub served_percent: u64,
}

/// Who is not back by then, by the devices' time, is late.
const GIVE_UP: Duration = Duration::from_secs(150);
/// How fast the devices' time goes once it is over.
const RECOVERY_SPEED: u32 = 4;
/// How long the fleet may take to be in service before it begins, by our time.
const BEGIN_WITHIN: Duration = Duration::from_secs(60);
/// How often it is looked at the walls.
const LOOK: Duration = Duration::from_millis(50);

/// Replays it through the gateway, with everything else broken too, and through a pass-through; says what is seen. Told
/// to end (SIGINT, SIGTERM, SIGHUP), it ends its gateway first.
///
/// # Errors
/// Something of it cannot be started, or the gateway does not do what it is for, or it was told to end.
pub async fn show(options: IncidentOptions, to: &mut (dyn Write + Send)) -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (mut terminate, mut hangup) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
    select! {
        shown = show_each(options, to) => return shown,
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Err(io::Error::new(io::ErrorKind::Interrupted, "it was told to end"))
}

async fn show_each(options: IncidentOptions, to: &mut (dyn Write + Send)) -> io::Result<()> {
    let broken = IncidentOptions { everything_breaks: true, ..options };
    let through = through_candor(options).await?;
    writeln!(to, "{through}")?;
    let too = through_candor(broken).await?;
    writeln!(to, "{too}, with identity provider, store and gateway broken too")?;
    let bare = through_pass_through(options).await?;
    writeln!(to, "{bare}, through a bare pass-through")?;
    for outcome in [through, too] {
        if !outcome.is_as_promised() {
            let why = "the gateway did not do what it is for, or this machine cannot keep up: a lower --speed asks less of it";
            return Err(io::Error::other(why));
        }
    }
    if bare.wiped == 0 { Err(io::Error::other("the replay shows nothing")) } else { Ok(()) }
}

/// Replays it through the gateway.
///
/// # Errors
/// Something of it cannot be started.
pub async fn through_candor(options: IncidentOptions) -> io::Result<IncidentOutcome> {
    replay(options, true).await
}

/// Replays it through a gate that hands on every answer.
///
/// # Errors
/// Something of it cannot be started.
pub async fn through_pass_through(options: IncidentOptions) -> io::Result<IncidentOutcome> {
    replay(options, false).await
}

async fn replay(options: IncidentOptions, through_candor: bool) -> io::Result<IncidentOutcome> {
    let mut stage = IncidentStage::set(options, through_candor).await?;
    let fleet = stage.fleet()?;
    let mut running = JoinSet::new();
    let (unmodified, all) = (options.of_a_kind(), 2 * options.of_a_kind());
    // The last of each kind is the one that is revoked.
    let is_revoked = |number: usize| number + 1 == unmodified || number + 1 == all;
    for number in (0..unmodified / 2).chain(unmodified..all).chain([unmodified - 1]) {
        stage.switch_on(number, &fleet, &mut running)?;
    }
    // The ones to be revoked too: the gateway must know whom it is to revoke.
    let begins = |_, seen: &Seen| matches!(seen.shows, Shows::Live | Shows::Off);
    wait_until(&fleet, BEGIN_WITHIN, begins).await;
    stage.revoke().await?;
    fleet.tally.forget();

    stage.monolith.set_mode(Mode::January2021);
    for number in unmodified / 2..unmodified - 1 {
        stage.switch_on(number, &fleet, &mut running)?;
    }
    let (asked, served) = (fleet.tally.requests(), fleet.tally.requests_served());
    stage.live_through().await?;
    let (asked, served) = (fleet.tally.requests() - asked, fleet.tally.requests_served() - served);
    let served_before: Vec<bool> = fleet.tally.screens().iter().map(|seen| seen.served).collect();
    stage.monolith.set_mode(Mode::Healthy);
    fleet.tally.forget_served();
    // What the gateway itself waits for goes by our time, and would count thirty times in theirs.
    fleet.pace.change_to(RECOVERY_SPEED);
    let healed = fleet.pace.now();
    let is_back = |number: usize, seen: &Seen| seen.served && seen.shows == Shows::Live || is_revoked(number);
    wait_until(&fleet, GIVE_UP / RECOVERY_SPEED, is_back).await;
    let recovered_in = fleet.pace.now() - healed;
    running.shutdown().await;
    let outcome = judged(&fleet, &served_before, recovered_in, is_revoked);
    let outcome = IncidentOutcome { served_percent: 100 * served / asked.max(1), ..outcome };
    stage.strike()?;
    Ok(outcome)
}

fn judged(
    fleet: &Fleet,
    served_before: &[bool],
    recovered_in: Duration,
    is_revoked: impl Fn(usize) -> bool,
) -> IncidentOutcome {
    let screens = fleet.tally.screens();
    let count = |is: &dyn Fn(&Seen) -> bool| {
        screens.iter().enumerate().filter(|(number, seen)| !is_revoked(*number) && is(seen)).count()
    };
    let revoked_served =
        (0..screens.len()).filter(|number| is_revoked(*number) && (screens[*number].served || served_before[*number]));
    IncidentOutcome {
        devices: count(&|_| true),
        wiped: count(&|seen| seen.wiped),
        asked_for_a_pin: count(&|seen| seen.asked_for_a_pin),
        recovered: count(&|seen| seen.served),
        recovered_in,
        revoked_served: revoked_served.count(),
        requests: fleet.tally.requests(),
        served_percent: 0,
    }
}

/// Looks at the walls until all are as they should be, or time is over.
async fn wait_until(fleet: &Fleet, within: Duration, is_so: impl Fn(usize, &Seen) -> bool) {
    let begun = Instant::now();
    let mut look = tokio::time::interval(LOOK);
    while begun.elapsed() < within {
        look.tick().await;
        if fleet.tally.screens().iter().enumerate().all(|(number, seen)| is_so(number, seen)) {
            return;
        }
    }
}

impl IncidentOptions {
    /// With the one that is revoked.
    const fn of_a_kind(&self) -> usize {
        self.devices + 1
    }
}

impl IncidentOutcome {
    /// Nothing erased, no PIN, all back within two minutes, and nobody served who was revoked.
    pub fn is_as_promised(&self) -> bool {
        (self.wiped, self.asked_for_a_pin, self.revoked_served) == (0, 0, 0)
            && self.recovered == self.devices
            && self.recovered_in <= Duration::from_secs(120)
    }
}

impl std::fmt::Display for IncidentOutcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "incident: {} devices, {} wiped, {} asked for a PIN, {} recovered in {:.0} s, {} % of requests served meanwhile",
            self.devices,
            self.wiped,
            self.asked_for_a_pin,
            self.recovered,
            self.recovered_in.as_secs_f64(),
            self.served_percent
        )
    }
}
