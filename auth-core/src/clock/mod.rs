//! Time: two readings of it, and the doubt between them. The one place that reads the wall clock.
//!
//! Everything else takes a [`Now`] as a parameter, so that a test can choose it and so that one request is judged
//! by one moment. `clippy.toml` bans reading any clock outside this folder.
//!
//! The wall clock may be set by anybody at any time, so there is a second reading: the **anchor**, a time of the wall
//! clock carried on by CLOCK_BOOTTIME, across restarts of the program too. While both agree, to thirty seconds, either
//! will do. While they do not, the clock is **in doubt**: what only one of them calls over is neither admitted nor
//! refused. A [`Witness`] chooses between them; so does an operator, by [`Clock::accept`]. After a start of the machine the
//! anchor goes on from the time last written, since nobody knows how long the machine was off.
//!
//! | | Expired needs | Ends by |
//! |---|---|---|
//! | both agree | both readings | |
//! | in doubt | both readings | a witness, an operator, or the wall clock's return |
//! | a witness chose the anchor | the anchor | the wall clock's return, or another step, which is in doubt |
//! | a witness chose the wall clock | the wall clock, which the anchor now follows | |
//! | witnesses contradict each other | both readings | an operator, or the wall clock's return |
//! | started again, and the wall clock is behind the time last written | nothing is known to be over or not | as in doubt |
//!
//! Ages, schedules and windows go by neither, but by a line that nothing steps: [`Steady`].

mod now;
mod readings;
mod reckoning;
mod record;
mod source;
#[cfg(test)]
mod tests;
mod timestamp;
mod witness;

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::sync::watch;

pub use self::{
    now::{Now, Past},
    readings::Readings,
    timestamp::{Steady, Timestamp},
    witness::Witness,
};
use self::{
    reckoning::{ReadingsState, Reckoning, WitnessOutcome},
    source::Source,
};
use crate::{
    alarm::{self, Alarm},
    lock::lock,
    metric::{CLOCK_IN_DOUBT, CLOCK_WALL_CONTRADICTED},
};

/// The source of [`Now`]. Cheap to clone; clones share one time.
#[derive(Clone)]
pub struct Clock(Arc<Inner>);

struct Inner {
    source: Source,
    reckoning: ArcSwap<Reckoning>,
    /// How the readings stood when that was last looked at.
    noted: AtomicU8,
    /// How many doubts there were.
    doubts: watch::Sender<u64>,
    /// Where it is written down, once [`Clock::keep_in`] has said so. Held while the reckoning is changed.
    kept: Mutex<Kept>,
    writing: Mutex<()>,
    /// Whether another process writes it down now.
    left: AtomicBool,
    unwritten: AtomicBool,
}

#[derive(Default)]
struct Kept {
    path: Option<PathBuf>,
    /// When a provider's clock was last complained of.
    rung: BTreeMap<String, Steady>,
}

/// Tells when doubt begins.
pub struct Doubts {
    told: u64,
    doubts: watch::Receiver<u64>,
}

/// How often the clock is looked at though nobody asks it.
const LOOK: Duration = Duration::from_secs(1);

/// How often the readings are written down though nothing happens, in looks.
const WRITE_EVERY: u32 = 60;

/// How often one provider's clock is complained of at most.
const COMPLAIN_EVERY: Duration = Duration::from_secs(600);

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self::over(Source::Machine)
    }

    /// A clock that stands still until a test moves it.
    pub fn standing_at(moment: Timestamp) -> Self {
        Self::over(Source::standing_at(moment))
    }

    fn over(source: Source) -> Self {
        let reckoning = ArcSwap::from_pointee(Reckoning::begun(source.read()));
        Self(Arc::new(Inner {
            source,
            reckoning,
            noted: AtomicU8::new(ReadingsState::Agreed as u8),
            doubts: watch::Sender::new(0),
            kept: Mutex::default(),
            writing: Mutex::new(()),
            left: AtomicBool::new(false),
            unwritten: AtomicBool::new(false),
        }))
    }

    /// Moves a standing clock, and its clones, forward, as time does. The machine's clock stays as it is; so in all that
    /// follows.
    pub fn advance(&self, by: Duration) {
        self.0.source.change(|set| set.advance(by));
    }

    /// Sets the wall clock of a standing clock forward or back, in seconds.
    pub fn step_wall(&self, by: i64) {
        self.0.source.change(|set| set.step_wall(by.saturating_mul(1000)));
    }

    /// Lets time pass that a standing clock's machine does not see, as a virtual machine that is paused: the wall clock is
    /// right afterwards, and CLOCK_BOOTTIME stood still.
    pub fn pause(&self, by: Duration) {
        self.0.source.change(|set| set.step_wall(timestamp::millis_of(by)));
    }

    /// Starts the machine of a standing clock again, which takes so long. Stop what runs on it first.
    pub fn reboot(&self, took: Duration) {
        self.0.source.change(|set| set.reboot(took));
    }

    /// Reads the clock.
    pub fn now(&self) -> Now {
        let (reading, reckoning) = (self.0.source.read(), self.0.reckoning.load());
        if reckoning.standing(reading) as u8 == self.0.noted.load(Ordering::Acquire) {
            return reckoning.now(reading);
        }
        drop(reckoning);
        self.look_again(&mut lock(&self.0.kept))
    }

    /// Carries the anchor on from where the folder `data` says that it stood, and writes it there from now on.
    pub fn keep_in(&self, data: &Path) {
        let mut kept = lock(&self.0.kept);
        let path = data.join("clock");
        self.0.reckoning.store(Arc::new(record::carry_on(&path, &self.0.source)));
        kept.path = Some(path);
        self.0.noted.store(ReadingsState::Agreed as u8, Ordering::Release);
        self.look_again(&mut kept);
    }

    /// Looks at the clock again and again, and writes down where it stands. Spawned by whoever called
    /// [`Clock::keep_in`]; ends with its runtime.
    pub async fn watch(self) {
        let mut beat = tokio::time::interval(LOOK);
        let mut written = None;
        for look in 0_u32.. {
            beat.tick().await;
            self.now();
            let stands = **self.0.reckoning.load();
            if look.is_multiple_of(WRITE_EVERY) || written != Some(stands) {
                self.written().await;
                written = Some(stands);
            }
        }
    }

    /// Writes down where the clock stands, once. That it cannot be written is no outage: it rings.
    pub async fn written(&self) {
        let this = self.clone();
        let written = tokio::task::spawn_blocking(move || this.write()).await;
        match written.map_err(io::Error::other).flatten() {
            Ok(()) => self.0.unwritten.store(false, Ordering::Relaxed),
            Err(fault) if !self.0.unwritten.swap(true, Ordering::Relaxed) => {
                alarm::ring(
                    Alarm::ClockUnwritten,
                    &format!("where the clock stands cannot be written to disk: {fault}"),
                );
            }
            Err(_) => {}
        }
    }

    /// The same, blocking.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn write(&self) -> io::Result<()> {
        let _writing = lock(&self.0.writing);
        if self.0.left.load(Ordering::Relaxed) {
            return Ok(());
        }
        let Some(path) = lock(&self.0.kept).path.clone() else { return Ok(()) };
        record::write(&path, &self.0.source, **self.0.reckoning.load())
    }

    /// Leaves it to another process to write down where the clock stands, or takes that up again. Returns when nothing is being
    /// written. Blocks.
    pub fn leave_writing(&self, left: bool) {
        let _writing = lock(&self.0.writing);
        self.0.left.store(left, Ordering::Relaxed);
    }

    /// Microseconds by CLOCK_MONOTONIC, as service managers compare them.
    pub fn monotonic_micros() -> i64 {
        source::monotonic_micros()
    }

    /// Tells when doubt begins. One that goes on now is told of too.
    pub fn doubts(&self) -> Doubts {
        let doubts = self.0.doubts.subscribe();
        let so_far = *doubts.borrow();
        Doubts { told: so_far - u64::from(self.now().is_in_doubt() && so_far > 0), doubts }
    }

    /// Both readings.
    pub fn readings(&self) -> Readings {
        let now = self.now();
        let (reading, reckoning) = (self.0.source.read(), self.0.reckoning.load());
        Readings {
            wall: Timestamp::from_millis(reading.wall),
            anchor: Timestamp::from_millis(reckoning.anchor_at(reading)),
            standing: now.standing.explain(),
            in_doubt: now.is_in_doubt(),
        }
    }

    /// Ends doubt by an operator's word: the wall clock is right, and the anchor begins anew where it is.
    pub fn accept(&self) -> Readings {
        let mut kept = lock(&self.0.kept);
        let accepted = self.0.reckoning.load().believing_the_wall(self.0.source.read());
        self.0.reckoning.store(Arc::new(accepted));
        tracing::warn!("the wall clock was accepted by hand; the anchor begins anew where it is");
        self.look_again(&mut kept);
        drop(kept);
        self.readings()
    }

    /// Takes in what a provider says of the time. `whose` names it in the log.
    pub fn hear(&self, witness: Witness, whose: &str) {
        let mut kept = lock(&self.0.kept);
        self.look_again(&mut kept);
        let reading = self.0.source.read();
        let (reckoning, heard) = self.0.reckoning.load().hear(reading, witness);
        self.0.reckoning.store(Arc::new(reckoning));
        match heard {
            WitnessOutcome::Confirmed | WitnessOutcome::Undecided => {}
            WitnessOutcome::ChoseWall => {
                tracing::warn!("{whose} says that the wall clock is right; the anchor begins anew where it is");
            }
            WitnessOutcome::ChoseAnchor => {
                tracing::warn!("{whose} says that the wall clock is wrong; the anchor counts")
            }
            WitnessOutcome::Contested => {
                let told = format!(
                    "{whose} contradicts what another provider said of the time, so neither is believed; set the clock \
                     right, then: gateway clock accept"
                );
                alarm::ring(Alarm::ProviderClock, &told);
            }
            WitnessOutcome::Unfit => self.complain(&mut kept, whose, witness),
        }
        self.look_again(&mut kept);
    }

    fn complain(&self, kept: &mut Kept, whose: &str, witness: Witness) {
        let now = self.0.reckoning.load().now(self.0.source.read());
        if kept.rung.get(whose).is_some_and(|at| now.steady().since(*at) < COMPLAIN_EVERY) {
            return;
        }
        kept.rung.insert(whose.to_owned(), now.steady());
        let told = format!(
            "{whose} says that it is {}, which fits no reading of ours: the wall clock says {} and the anchor {}",
            witness.from,
            now.wall(),
            now.anchor
        );
        alarm::ring(Alarm::ProviderClock, &told);
    }

    /// Notices how the readings stand. A thread that was stopped between reading one clock and the other is no step, so
    /// they are read again.
    fn look_again(&self, _kept: &mut Kept) -> Now {
        let (reading, reckoning) = (self.0.source.read(), self.0.reckoning.load_full());
        let standing = reckoning.standing(reading);
        if standing as u8 == self.0.noted.load(Ordering::Acquire) {
            return reckoning.now(reading);
        }
        let reckoning = Arc::new(reckoning.changed(reading));
        self.0.reckoning.store(reckoning.clone());
        let now = reckoning.now(reading);
        if now.is_in_doubt() {
            let told = format!(
                "the clock is in doubt: the wall clock says {} and the anchor {}; what only one of them calls over is \
                 neither admitted nor refused until a provider says which is right, or: gateway clock accept",
                now.wall(),
                now.anchor
            );
            alarm::ring(Alarm::ClockDoubt, &told);
        } else if standing == ReadingsState::Agreed {
            tracing::warn!("the doubt about the clock is over: the wall clock and the anchor agree");
        }
        CLOCK_IN_DOUBT.alone().set(f64::from(u8::from(now.is_in_doubt())));
        CLOCK_WALL_CONTRADICTED.alone().set(f64::from(u8::from(standing == ReadingsState::Contradicted)));
        self.0.noted.store(standing as u8, Ordering::Release);
        if now.is_in_doubt() {
            self.0.doubts.send_modify(|doubts| *doubts += 1);
        }
        now
    }
}

impl Doubts {
    /// Waits until doubt begins. Never returns once its clock is gone.
    pub async fn begun(&mut self) {
        let told = self.told;
        match self.doubts.wait_for(|doubts| *doubts > told).await.map(|doubts| *doubts) {
            Ok(doubts) => self.told = doubts,
            Err(_) => std::future::pending().await,
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0.source {
            Source::Machine => "Clock(system)",
            Source::TestMachine(_) => "Clock(standing)",
        })
    }
}
