//! A timer that is finer than a millisecond.
//!
//! tokio's own rounds up to whole milliseconds, which is more than what is measured. The kernel's (`timerfd_create(2)`)
//! is late by some tens of microseconds.

use std::{
    io,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;

/// It rings at one instant, and can be set again.
pub(super) struct Alarm {
    timer: AsyncFd<OwnedFd>,
    set: Option<Instant>,
}

impl Alarm {
    pub(super) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        #[expect(
            deprecated,
            reason = "its successor is unsafe, for descriptors that change while they are watched; an OwnedFd's does not"
        )]
        let timer = AsyncFd::new(timerfd_create(TimerfdClockId::Monotonic, flags)?)?;
        Ok(Self { timer, set: None })
    }

    /// Waits until `instant`. Dropped before, it can be waited for again.
    pub(super) async fn at(&mut self, instant: Instant) -> io::Result<()> {
        if self.set != Some(instant) {
            // Nothing would switch it off.
            let ahead = instant.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1));
            let none = Timespec { tv_sec: 0, tv_nsec: 0 };
            let value = Timespec::try_from(ahead).map_err(io::Error::other)?;
            timerfd_settime(
                self.timer.get_ref(),
                TimerfdTimerFlags::empty(),
                &Itimerspec { it_interval: none, it_value: value },
            )?;
            self.set = Some(instant);
        }
        loop {
            let mut ready = self.timer.readable().await?;
            let mut rings = [0; 8];
            match ready.try_io(|timer| Ok(rustix::io::read(timer.get_ref(), &mut rings)?)) {
                Ok(read) => {
                    self.set = None;
                    return read.map(|_| ());
                }
                // It was set anew before it was read.
                Err(_) => continue,
            }
        }
    }
}
