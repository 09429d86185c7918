//! Where the readings come from: the machine, or a test.

use std::{
    fs, io,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustix::time::{ClockId, clock_gettime};

use super::timestamp::{Timestamp, millis_of};
use crate::lock::lock;

/// What both clocks of a machine say at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    /// The wall clock, which anybody may set.
    pub(super) wall: i64,
    /// Milliseconds since the machine was started, suspended or not: nothing sets this one.
    pub(super) since_boot: i64,
}

#[derive(Clone)]
pub(super) enum Source {
    Machine,
    TestMachine(Arc<Mutex<TestMachine>>),
}

/// A machine of a test.
pub(super) struct TestMachine {
    reading: Reading,
    boots: u32,
}

/// How long a machine of a test has been up when the test begins.
const UP: i64 = 3_600_000;

/// How much of [`TestMachine::reboot`] it is up again.
const UP_AGAIN: i64 = 10_000;

impl Source {
    pub(super) fn standing_at(moment: Timestamp) -> Self {
        let reading = Reading { wall: moment.as_millis(), since_boot: UP };
        Self::TestMachine(Arc::new(Mutex::new(TestMachine { reading, boots: 1 })))
    }

    pub(super) fn read(&self) -> Reading {
        match self {
            Self::Machine => Reading { wall: wall_clock(), since_boot: since_boot() },
            Self::TestMachine(set) => lock(set).reading,
        }
    }

    /// Names this start of the machine; `None` if that cannot be told.
    pub(super) fn boot(&self) -> Option<String> {
        match self {
            Self::Machine => boot_id().ok().filter(|id| !id.is_empty()),
            Self::TestMachine(set) => Some(format!("boot {}", lock(set).boots)),
        }
    }

    /// Changes a machine of a test. The real one stays as it is.
    pub(super) fn change(&self, change: impl FnOnce(&mut TestMachine)) {
        if let Self::TestMachine(set) = self {
            change(&mut lock(set));
        }
    }
}

impl TestMachine {
    pub(super) fn advance(&mut self, by: Duration) {
        let by = millis_of(by);
        self.reading.wall = self.reading.wall.saturating_add(by);
        self.reading.since_boot = self.reading.since_boot.saturating_add(by);
    }

    pub(super) fn step_wall(&mut self, by: i64) {
        self.reading.wall = self.reading.wall.saturating_add(by);
    }

    pub(super) fn reboot(&mut self, off: Duration) {
        self.reading.wall = self.reading.wall.saturating_add(millis_of(off));
        self.reading.since_boot = UP_AGAIN.min(millis_of(off));
        self.boots += 1;
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
fn wall_clock() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => millis_of(since),
        Err(before) => -millis_of(before.duration()),
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the time since the machine's start")]
fn since_boot() -> i64 {
    // macOS has no CLOCK_BOOTTIME; its CLOCK_MONOTONIC goes on while the machine sleeps, as Linux's does not.
    #[cfg(target_os = "linux")]
    const CLOCK: ClockId = ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    const CLOCK: ClockId = ClockId::Monotonic;
    let read = clock_gettime(CLOCK);
    read.tv_sec.saturating_mul(1000).saturating_add(read.tv_nsec / 1_000_000)
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads a clock")]
pub(super) fn monotonic_micros() -> i64 {
    let read = clock_gettime(ClockId::Monotonic);
    read.tv_sec.saturating_mul(1_000_000).saturating_add(read.tv_nsec / 1000)
}

fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}
