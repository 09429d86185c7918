//! One question at a time about one thing, however many requests need its answer at once; and so many questions at all.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex},
};

use tokio::sync::watch;

use crate::{background::Background, dependency::Dependency, lock::lock, verdict::Unavailable};

type UnderWay<K, T> = Arc<Mutex<HashMap<K, watch::Receiver<Option<T>>>>>;

/// The questions that are under way, by what they are about.
pub(crate) struct Flights<K, T> {
    background: Background,
    under_way: UnderWay<K, T>,
    /// Whom they are put to.
    asked: Dependency,
    most: usize,
}

impl<K, T> Flights<K, T>
where
    K: Copy + Eq + Hash + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// At most `most` questions to `asked` are under way.
    pub(crate) fn new(background: Background, asked: Dependency, most: usize) -> Self {
        Self { background, under_way: Arc::default(), asked, most }
    }

    /// Waits for the question about `key` that is under way, else for `ask`, which goes on to its end whoever waits.
    ///
    /// # Errors
    /// Unavailable, if as many as may be are under way, or it ended without a result.
    pub(crate) async fn join<F>(&self, key: K, ask: impl FnOnce() -> F) -> Result<T, Unavailable>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut outcome = self.begin(key, ask)?;
        match outcome.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().ok_or_else(lost),
            Err(_) => Err(lost()),
        }
    }

    fn begin<F>(&self, key: K, ask: impl FnOnce() -> F) -> Result<watch::Receiver<Option<T>>, Unavailable>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut under_way = lock(&self.under_way);
        if let Some(outcome) = under_way.get(&key) {
            return Ok(outcome.clone());
        }
        if under_way.len() >= self.most {
            return Err(Unavailable::because(self.asked, "as many tokens as may be are being asked about").unsettled());
        }
        let (done, outcome) = watch::channel(None);
        under_way.insert(key, outcome.clone());
        let (asking, landing) = (ask(), Landing { key, under_way: self.under_way.clone() });
        self.background.spawn(async move {
            let outcome = asking.await;
            // First it is over, then it is told: whoever is told and asks again begins anew.
            drop(landing);
            // Fails only when nobody waits any more.
            let _ = done.send(Some(outcome));
        });
        Ok(outcome)
    }
}

/// Takes a question off the list when it is over, also by a panic.
struct Landing<K: Eq + Hash, T> {
    key: K,
    under_way: UnderWay<K, T>,
}

impl<K: Eq + Hash, T> Drop for Landing<K, T> {
    fn drop(&mut self) {
        lock(&self.under_way).remove(&self.key);
    }
}

fn lost() -> Unavailable {
    Unavailable::because(Dependency::Background, "the question about a token ended without an answer")
}
