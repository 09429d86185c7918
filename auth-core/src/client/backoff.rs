//! How long to wait after something went wrong.

use std::time::Duration;

use super::event::Moment;

/// What was heard when it went wrong.
#[derive(Clone, Copy, Debug)]
pub(super) enum Heard {
    /// Nothing.
    Silence,
    /// An answer that says no time.
    Answer,
    /// When to come again.
    Told(Duration),
}

/// No server makes a device wait longer.
pub(super) const LONGEST_TOLD: Duration = Duration::from_secs(1800);
pub(super) const SHORTEST: Duration = Duration::from_secs(1);

impl Heard {
    /// The longest that a device waits by itself: a fleet that hears nothing must not come back all at once. Where something
    /// answers, asking no more often than while all is well is enough. Who is told a time was told it by a server that knows
    /// how many wait, and a longer wait of our own would only leave that idle.
    const fn longest_own(self) -> Duration {
        Duration::from_secs(match self {
            Self::Silence => 300,
            Self::Answer => 60,
            Self::Told(_) => 16,
        })
    }
}

/// The wait after so many failures: what the server assigned, at most half an hour; and never less than a random time
/// of our own, which doubles with each failure, so that a server that assigns too little is not hammered.
pub(super) fn wait(attempts: u32, heard: Heard, moment: &Moment) -> Duration {
    let own = SHORTEST.saturating_mul(1 << attempts.min(9)).min(heard.longest_own());
    let own = SHORTEST + moment.up_to(own - SHORTEST);
    match heard {
        Heard::Told(told) => told.min(LONGEST_TOLD).max(own),
        Heard::Silence | Heard::Answer => own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(entropy: u8) -> Moment {
        Moment { now: Duration::ZERO, wall: 0, entropy: [entropy; 32] }
    }

    #[test]
    fn it_lies_within_its_bounds_and_uses_them() {
        let secs = Duration::from_secs;
        for (attempts, heard, least, most) in [
            (0, Heard::Silence, secs(1), secs(1)),
            (1, Heard::Silence, secs(1), secs(2)),
            (5, Heard::Silence, secs(1), secs(32)),
            (9, Heard::Silence, secs(1), secs(300)),
            (u32::MAX, Heard::Silence, secs(1), secs(300)),
            (0, Heard::Told(secs(40)), secs(40), secs(40)),
            (0, Heard::Told(secs(0)), secs(1), secs(1)),
            (9, Heard::Told(secs(100)), secs(100), secs(100)),
            (9, Heard::Answer, secs(1), secs(60)),
            (9, Heard::Told(secs(0)), secs(1), secs(16)),
            (9, Heard::Told(secs(86_400)), secs(1800), secs(1800)),
        ] {
            let waits: Vec<_> = (0..=255).map(|entropy| wait(attempts, heard, &with(entropy))).collect();
            let (shortest, longest) = (waits.iter().min(), waits.iter().max());
            assert!(
                shortest >= Some(&least) && longest <= Some(&most),
                "{attempts} {heard:?}: {shortest:?} {longest:?}"
            );
            let room = (most - least) / 10;
            assert!(shortest <= Some(&(least + room)) && longest >= Some(&(most - room)), "{attempts} {heard:?}");
        }
    }
}
