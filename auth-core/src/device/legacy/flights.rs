//! One question at a time about one token, however many requests show it at once; and so many questions at all.

use std::{collections::HashMap, sync::Mutex};

use tokio::sync::watch;

use crate::{
    background::Background, credential::CredentialHash, dependency::Dependency, lock::lock, verdict::Unavailable,
};

type Outcome = Result<(), Unavailable>;

/// The questions that are under way, by token.
pub(super) struct Flights {
    background: Background,
    under_way: std::sync::Arc<Mutex<HashMap<CredentialHash, watch::Receiver<Option<Outcome>>>>>,
    most: usize,
}

impl Flights {
    /// At most `most` questions are under way.
    pub(super) fn new(background: Background, most: usize) -> Self {
        Self { background, under_way: std::sync::Arc::default(), most }
    }

    /// Waits for the question about `hash` that is under way, else for `ask`, which goes on to its end whoever waits.
    ///
    /// # Errors
    /// What the question came to. Unavailable, if as many as may be are under way, or it ended without a result.
    pub(super) async fn join<F>(&self, hash: CredentialHash, ask: impl FnOnce() -> F) -> Outcome
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let mut outcome = self.begin(hash, ask)?;
        match outcome.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or_else(|| Err(lost())),
            Err(_) => Err(lost()),
        }
    }

    fn begin<F>(
        &self,
        hash: CredentialHash,
        ask: impl FnOnce() -> F,
    ) -> Result<watch::Receiver<Option<Outcome>>, Unavailable>
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let mut under_way = lock(&self.under_way);
        if let Some(outcome) = under_way.get(&hash) {
            return Ok(outcome.clone());
        }
        if under_way.len() >= self.most {
            return Err(Unavailable::because(Dependency::Adoption, "as many tokens as may be are being asked about")
                .unsettled());
        }
        let (done, outcome) = watch::channel(None);
        under_way.insert(hash, outcome.clone());
        let (asking, landing) = (ask(), Landing { hash, under_way: self.under_way.clone() });
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
struct Landing {
    hash: CredentialHash,
    under_way: std::sync::Arc<Mutex<HashMap<CredentialHash, watch::Receiver<Option<Outcome>>>>>,
}

impl Drop for Landing {
    fn drop(&mut self) {
        lock(&self.under_way).remove(&self.hash);
    }
}

fn lost() -> Unavailable {
    Unavailable::because(Dependency::Background, "the question about a token ended without an answer")
}
