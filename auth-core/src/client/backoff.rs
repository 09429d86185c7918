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
/// However long nothing answers: so a hundred thousand devices that hear nothing ask some 850 times a second, and all of
/// them are heard again four minutes after the end.
const LONGEST_SILENCE: Duration = Duration::from_secs(240);

impl Heard {
    /// The longest that a device waits by itself after it failed for the first time `lasted` ago. A fleet that hears nothing
    /// must not come back all at once, and yet nobody waits much longer than the outage has lasted: who sleeps on after it is
    /// over cannot be woken. Where something answers, asking no more often than while all is well is enough. Who is told a
    /// time was told it by a server that knows how many wait, and a longer wait of our own would only leave that idle.
    fn longest_own(self, lasted: Duration) -> Duration {
        match self {
            Self::Silence => LONGEST_SILENCE.min(lasted).max(SHORTEST),
            Self::Answer => Duration::from_secs(60),
            Self::Told(_) => Duration::from_secs(16),
        }
    }
}

/// The wait after so many failures, the first of which was `lasted` ago: what the server assigned, at most half an hour;
/// and never less than a random time of our own, which doubles with each failure, so that a server that assigns too little
/// is not hammered.
pub(super) fn wait(attempts: u32, heard: Heard, lasted: Duration, moment: &Moment) -> Duration {
    let own = SHORTEST.saturating_mul(1 << attempts.min(9)).min(heard.longest_own(lasted));
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
        let long = secs(3600);
        for (attempts, heard, lasted, least, most) in [
            (0, Heard::Silence, secs(0), secs(1), secs(1)),
            (1, Heard::Silence, secs(2), secs(1), secs(2)),
            (5, Heard::Silence, long, secs(1), secs(32)),
            (9, Heard::Silence, long, secs(1), secs(240)),
            (9, Heard::Silence, secs(0), secs(1), secs(1)),
            (9, Heard::Silence, secs(120), secs(1), secs(120)),
            (u32::MAX, Heard::Silence, long, secs(1), secs(240)),
            (0, Heard::Told(secs(40)), secs(0), secs(40), secs(40)),
            (0, Heard::Told(secs(0)), secs(0), secs(1), secs(1)),
            (9, Heard::Told(secs(100)), secs(0), secs(100), secs(100)),
            (9, Heard::Answer, secs(0), secs(1), secs(60)),
            (9, Heard::Told(secs(0)), secs(0), secs(1), secs(16)),
            (9, Heard::Told(secs(86_400)), secs(0), secs(1800), secs(1800)),
        ] {
            let waits: Vec<_> = (0..=255).map(|entropy| wait(attempts, heard, lasted, &with(entropy))).collect();
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
