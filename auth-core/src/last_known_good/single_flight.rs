//! One fetch at a time, in the background. Whoever needs the same thing waits for the one that is under way, and a client
//! that goes away neither stops it nor starts a second.

use std::{future::Future, sync::Mutex};

use tokio::sync::watch;

use crate::{background::Background, dependency::Dependency, lock::lock, verdict::Unavailable};

/// At most one piece of work under way.
pub(crate) struct SingleFlight<T> {
    background: Background,
    under_way: Mutex<Option<watch::Receiver<Option<T>>>>,
}

impl<T: Clone + Send + Sync + 'static> SingleFlight<T> {
    pub(crate) fn new(background: Background) -> Self {
        Self { background, under_way: Mutex::new(None) }
    }

    /// Waits for the work that is under way, else for the work that `begin` gives.
    ///
    /// # Errors
    /// What `begin` says, if nothing is to begin now. Unavailable(Background), if the work panicked or its runtime is going
    /// down.
    pub(crate) async fn join<F: Future<Output = T> + Send + 'static>(
        &self,
        begin: impl FnOnce() -> Result<F, Unavailable>,
    ) -> Result<T, Unavailable> {
        let mut result = self.under_way(begin)?;
        match result.wait_for(Option::is_some).await {
            Ok(result) => result.clone().ok_or_else(lost),
            Err(_) => Err(lost()),
        }
    }

    /// Where the result will be of the work that is under way, or begins now.
    fn under_way<F: Future<Output = T> + Send + 'static>(
        &self,
        begin: impl FnOnce() -> Result<F, Unavailable>,
    ) -> Result<watch::Receiver<Option<T>>, Unavailable> {
        let mut under_way = lock(&self.under_way);
        // A receiver whose sender is gone, or has sent, belongs to work that is over.
        if let Some(flight) =
            under_way.as_ref().filter(|flight| flight.borrow().is_none() && flight.has_changed().is_ok())
        {
            return Ok(flight.clone());
        }
        let work = begin()?;
        let (done, result) = watch::channel(None);
        *under_way = Some(result.clone());
        self.background.spawn(async move {
            // Fails only when nobody waits any more.
            let _ = done.send(Some(work.await));
        });
        Ok(result)
    }
}

fn lost() -> Unavailable {
    Unavailable::because(Dependency::Background, "the fetch ended without a result")
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use super::*;

    #[tokio::test]
    async fn many_who_ask_at_once_cause_one_fetch() {
        let flight = SingleFlight::new(Background::current());
        let begun = Arc::new(AtomicU32::new(0));
        let (open, gate) = watch::channel(false);
        let ask = || {
            flight.join(|| {
                let number = begun.fetch_add(1, Ordering::SeqCst);
                let mut gate = gate.clone();
                Ok(async move { gate.wait_for(|open| *open).await.map(|_| number).ok() })
            })
        };
        let asks = async { tokio::join!(ask(), ask(), ask()) };
        let (answers, _) = tokio::join!(asks, async { open.send(true) });
        assert!([answers.0, answers.1, answers.2].into_iter().all(|answer| matches!(answer, Ok(Some(0)))));
        assert_eq!(begun.load(Ordering::SeqCst), 1);
        assert!(matches!(ask().await, Ok(Some(1))), "the next who asks begins a new one");
    }

    #[tokio::test]
    async fn what_must_not_begin_does_not() {
        let flight = SingleFlight::<u8>::new(Background::current());
        let not_now = || Err(Unavailable::because(Dependency::Keys, "not now"));
        let denied = flight.join(not_now as fn() -> Result<std::future::Ready<u8>, Unavailable>).await;
        assert_eq!(denied.map_err(|denied| denied.dependency), Err(Dependency::Keys));
        assert!(matches!(flight.join(|| Ok(async { 7 })).await, Ok(7)), "nothing is under way");
    }

    #[tokio::test]
    async fn a_panic_costs_one_fetch_and_not_the_next() {
        let flight = SingleFlight::<u8>::new(Background::current());
        let lost = flight.join(|| Ok(async { panic!("planned") })).await;
        assert_eq!(lost.map_err(|lost| lost.dependency), Err(Dependency::Background));
        assert!(matches!(flight.join(|| Ok(async { 7 })).await, Ok(7)));
    }
}
