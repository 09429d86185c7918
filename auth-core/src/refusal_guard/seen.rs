//! Which credentials were accepted, and when last: a day's worth, bounded.

use std::{collections::HashMap, sync::Mutex, time::Duration};

use super::RefusalGuard;
use crate::{clock::Steady, credential::CredentialId, lock::lock};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A request notes its credential, so the map is cut into parts that are locked apart.
const SHARDS: usize = 16;

/// How many credentials are remembered, some 12 MB of them.
pub(super) const CAP: usize = 1 << 18;

/// When each credential was accepted last.
#[derive(Debug, Default)]
pub(super) struct Seen {
    shards: [Mutex<HashMap<CredentialId, Steady>>; SHARDS],
    /// How many were seen lately, and when that was counted.
    counted: Mutex<Option<(Steady, usize)>>,
}

impl Seen {
    /// Notes that `credential` was accepted at `now`.
    pub(super) fn note(&self, credential: CredentialId, now: Steady) {
        let mut shard = lock(&self.shards[credential.shard(SHARDS)]);
        if shard.len() >= CAP / SHARDS && !shard.contains_key(&credential) {
            make_room(&mut shard, now);
        }
        shard.insert(credential, now);
    }

    /// Whether `credential` was accepted within a day before `now`.
    pub(super) fn within_a_day(&self, credential: CredentialId, now: Steady) -> bool {
        lock(&self.shards[credential.shard(SHARDS)]).get(&credential).is_some_and(|at| now.since(*at) <= DAY)
    }

    /// How many were accepted within [`RefusalGuard::WINDOW`] before `now`. Counted once a second at most: it is asked only
    /// while many are refused, and then often.
    pub(super) fn lately(&self, now: Steady) -> usize {
        let mut counted = lock(&self.counted);
        match *counted {
            Some((at, count)) if at <= now && now.since(at) < Duration::from_secs(1) => count,
            Some(_) | None => {
                let count = self.shards.iter().map(|shard| fresh_in(&lock(shard), now)).sum();
                *counted = Some((now, count));
                count
            }
        }
    }
}

fn fresh_in(shard: &HashMap<CredentialId, Steady>, now: Steady) -> usize {
    shard.values().filter(|at| now.since(**at) <= RefusalGuard::WINDOW).count()
}

/// Forgets what is older than a day; if that is not enough, the older half. Either way it is long until the next time.
fn make_room(shard: &mut HashMap<CredentialId, Steady>, now: Steady) {
    shard.retain(|_, at| now.since(*at) <= DAY);
    if shard.len() > CAP / SHARDS / 2 {
        let mut times: Vec<Steady> = shard.values().copied().collect();
        let middle = times.len() / 2;
        let (_, median, _) = times.select_nth_unstable(middle);
        let median = *median;
        let mut surplus = shard.len() - CAP / SHARDS / 2;
        shard.retain(|_, at| {
            let forget = surplus > 0 && *at <= median;
            surplus -= usize::from(forget);
            !forget
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_the_oldest_go_first() {
        let seen = Seen::default();
        let named = |n: u32| CredentialId::of(&n.to_be_bytes());
        let total = u32::try_from(CAP + CAP / 4).expect("it fits");
        for n in 0..total {
            seen.note(named(n), Steady::from_millis(i64::from(n) * 10));
        }
        let now = Steady::from_millis(i64::from(total) * 10);
        let kept: usize = seen.shards.iter().map(|shard| lock(shard).len()).sum();
        assert!((CAP / 2..=CAP).contains(&kept), "{kept}");
        assert!(seen.within_a_day(named(total - 1), now));
        assert!(!seen.within_a_day(named(0), now));
    }
}
