//! How long to wait after something went wrong.

use std::time::Duration;

use super::event::Moment;

/// No server makes a device wait longer.
pub(super) const LONGEST_TOLD: Duration = Duration::from_secs(1800);
/// The longest that a device waits by itself.
const LONGEST_OWN: Duration = Duration::from_secs(300);
pub(super) const SHORTEST: Duration = Duration::from_secs(1);

/// The longest that a device waits by itself where a server told it a time: that server knows how many wait, and a longer
/// wait of our own would only leave it idle.
const LONGEST_BESIDE_TOLD: Duration = Duration::from_secs(16);

/// The wait after so many failures: what the server assigned, at most half an hour; and never less than a random time
/// of our own, which doubles with each failure. So a server that assigns too little is not hammered, and one that
/// assigns nothing finds its devices spread over five minutes.
pub(super) fn wait(attempts: u32, told: Option<Duration>, moment: &Moment) -> Duration {
    let longest = if told.is_some() { LONGEST_BESIDE_TOLD } else { LONGEST_OWN };
    let own = SHORTEST.saturating_mul(1 << attempts.min(9)).min(longest);
    let own = SHORTEST + moment.up_to(own - SHORTEST);
    told.map_or(own, |told| told.min(LONGEST_TOLD).max(own))
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
        for (attempts, told, least, most) in [
            (0, None, secs(1), secs(1)),
            (1, None, secs(1), secs(2)),
            (5, None, secs(1), secs(32)),
            (9, None, secs(1), secs(300)),
            (u32::MAX, None, secs(1), secs(300)),
            (0, Some(secs(40)), secs(40), secs(40)),
            (0, Some(secs(0)), secs(1), secs(1)),
            (9, Some(secs(100)), secs(100), secs(100)),
            (9, Some(secs(0)), secs(1), secs(16)),
            (9, Some(secs(86_400)), secs(1800), secs(1800)),
        ] {
            let waits: Vec<_> = (0..=255).map(|entropy| wait(attempts, told, &with(entropy))).collect();
            let (shortest, longest) = (waits.iter().min(), waits.iter().max());
            assert!(
                shortest >= Some(&least) && longest <= Some(&most),
                "{attempts} {told:?}: {shortest:?} {longest:?}"
            );
            let room = (most - least) / 10;
            assert!(shortest <= Some(&(least + room)) && longest >= Some(&(most - room)), "{attempts} {told:?}");
        }
    }
}
