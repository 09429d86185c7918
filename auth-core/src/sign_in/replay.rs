//! Which tries are being finished, and which are spent, so that one try asks its provider once.
//!
//! The cookie of a spent try is taken back, and whoever copied it still has it: without this memory each callback with
//! another code would make us call the token endpoint. It is this process's own, bounded, and forgets those spent first;
//! after a restart a copied try (which lives for ten minutes) is good for one call more. That a *code* is good once is the
//! provider's rule (RFC 6749 §4.1.2), which no restart changes.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
};

use crate::lock::lock;

/// How many spent tries are remembered: those of ten minutes with a hundred sign-ins a second.
const MOST: usize = 60_000;

/// The tries that have come back. Cheap to clone; clones share them.
#[derive(Clone, Default)]
pub(super) struct Returned(Arc<Mutex<Known>>);

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

/// Why a try cannot be finished now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotTaken {
    /// Another callback of it is.
    UnderWay,
    /// One was before.
    Spent,
}

/// The right to finish one try. Dropped, it leaves the try as good as before, unless it was spent meanwhile.
pub(super) struct Finishing {
    returned: Returned,
    id: Arc<str>,
}

impl Returned {
    /// Takes the try `id`, if nobody has.
    pub(super) fn take(&self, id: &str) -> Result<Finishing, NotTaken> {
        let id: Arc<str> = id.into();
        #[cfg(candor_mutants)]
        if crate::mutants::is("tries-are-never-spent") {
            return Ok(Finishing { returned: Self::default(), id });
        }
        let mut known = lock(&self.0);
        match known.phases.get(&id) {
            Some(Phase::UnderWay) => Err(NotTaken::UnderWay),
            Some(Phase::Spent) => Err(NotTaken::Spent),
            None => {
                known.phases.insert(Arc::clone(&id), Phase::UnderWay);
                drop(known);
                Ok(Finishing { returned: self.clone(), id })
            }
        }
    }
}

impl Finishing {
    /// The try is of no more use, whatever comes.
    pub(super) fn spend(&self) {
        let mut known = lock(&self.returned.0);
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

impl Drop for Finishing {
    fn drop(&mut self) {
        let mut known = lock(&self.returned.0);
        if known.phases.get(&self.id) == Some(&Phase::UnderWay) {
            known.phases.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_try_is_finished_once_and_one_at_a_time() {
        let tries = Returned::default();
        let first = tries.take("a").expect("nobody has it");
        assert_eq!(tries.take("a").err(), Some(NotTaken::UnderWay));
        assert!(tries.take("b").is_ok());
        drop(first);
        let second = tries.take("a").expect("it was kept");
        second.spend();
        second.spend();
        assert_eq!(tries.take("a").err(), Some(NotTaken::Spent), "from that moment on, not only afterwards");
        drop(second);
        assert_eq!(tries.take("a").err(), Some(NotTaken::Spent));
        assert!(tries.take("b").is_ok());
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_oldest_goes_first() {
        let tries = Returned::default();
        for id in 0..MOST + 2 {
            tries.take(&id.to_string()).expect("another one").spend();
        }
        let known = lock(&tries.0);
        assert_eq!((known.phases.len(), known.spent.len()), (MOST, MOST));
        drop(known);
        assert!(tries.take("1").is_ok());
        assert_eq!(tries.take("2").err(), Some(NotTaken::Spent));
    }
}
