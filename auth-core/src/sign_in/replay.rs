//! Which pending sign-ins are being finished, and which are spent, so that each asks its provider once.
//!
//! The cookie of a spent one is cleared, and whoever copied it still has it: without this memory each callback with
//! another code would make us call the token endpoint. It is this process's own, bounded, and forgets those spent first;
//! after a restart a copied one (which lives for ten minutes) is good for one call more. That a *code* is good once is the
//! provider's rule (RFC 6749 §4.1.2), which no restart changes.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
};

use crate::lock::lock;

/// How many spent ones are remembered: those of ten minutes with a hundred sign-ins a second.
const MOST: usize = 60_000;

/// The pending sign-ins that have come back: one for every configuration of a process, so that none is finished under each
/// of two. Cheap to clone; clones share them.
#[derive(Clone, Default)]
pub struct ReplayGuard(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    phases: HashMap<Arc<str>, Phase>,
    /// The spent ones, the first to be forgotten first.
    spent: VecDeque<Arc<str>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    UnderWay,
    Spent,
}

/// Why a pending sign-in cannot be finished now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replay {
    /// Another callback of it is.
    UnderWay,
    /// One was before.
    Spent,
}

/// The right to finish one pending sign-in. Dropped, it leaves it as good as before, unless it was spent meanwhile.
pub(super) struct InProgress {
    guard: ReplayGuard,
    id: Arc<str>,
}

impl ReplayGuard {
    /// Takes the pending sign-in `id`, if nobody has.
    pub(super) fn take(&self, id: &str) -> Result<InProgress, Replay> {
        let id: Arc<str> = id.into();
        #[cfg(candor_mutants)]
        if crate::mutants::is("sign-ins-are-never-spent") {
            return Ok(InProgress { guard: Self::default(), id });
        }
        let mut known = lock(&self.0);
        match known.phases.get(&id) {
            Some(Phase::UnderWay) => Err(Replay::UnderWay),
            Some(Phase::Spent) => Err(Replay::Spent),
            None => {
                known.phases.insert(Arc::clone(&id), Phase::UnderWay);
                drop(known);
                Ok(InProgress { guard: self.clone(), id })
            }
        }
    }
}

impl InProgress {
    /// It is of no more use, whatever comes.
    pub(super) fn spend(&self) {
        let mut known = lock(&self.guard.0);
        if known.phases.insert(Arc::clone(&self.id), Phase::Spent) == Some(Phase::Spent) {
            return;
        }
        known.spent.push_back(Arc::clone(&self.id));
        if known.spent.len() > MOST
            && let Some(first) = known.spent.pop_front()
        {
            known.phases.remove(&first);
        }
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        let mut known = lock(&self.guard.0);
        if known.phases.get(&self.id) == Some(&Phase::UnderWay) {
            known.phases.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_is_finished_once_and_one_at_a_time() {
        let guard = ReplayGuard::default();
        let first = guard.take("a").expect("nobody has it");
        assert_eq!(guard.take("a").err(), Some(Replay::UnderWay));
        assert!(guard.take("b").is_ok());
        drop(first);
        let second = guard.take("a").expect("it was kept");
        second.spend();
        second.spend();
        assert_eq!(guard.take("a").err(), Some(Replay::Spent), "from that moment on, not only afterwards");
        drop(second);
        assert_eq!(guard.take("a").err(), Some(Replay::Spent));
        assert!(guard.take("b").is_ok());
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_oldest_goes_first() {
        let guard = ReplayGuard::default();
        for id in 0..MOST + 2 {
            guard.take(&id.to_string()).expect("another one").spend();
        }
        let known = lock(&guard.0);
        assert_eq!((known.phases.len(), known.spent.len()), (MOST, MOST));
        drop(known);
        assert!(guard.take("1").is_ok());
        assert_eq!(guard.take("2").err(), Some(Replay::Spent));
    }
}
