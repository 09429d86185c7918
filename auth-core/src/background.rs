//! The runtime on which every call to a store or a provider runs.
//!
//! A request's future is dropped when its client goes away. What was begun for it (a code spent, a row written)
//! must not be: so such work is spawned here, on a runtime of its own, and the request only awaits its result. A process
//! that ends waits for it too.

use std::{future::Future, sync::Arc};

use tokio::{runtime::Handle, sync::watch, task::JoinHandle};

use crate::{dependency::Dependency, verdict::Unavailable};

/// A handle to the background runtime. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Background {
    runtime: Handle,
    /// How many pieces of work are under way that must come to their end.
    under_way: Arc<watch::Sender<usize>>,
}

/// A piece of work that is under way.
struct UnderWay(Arc<watch::Sender<usize>>);

impl Background {
    /// The handle to `runtime`.
    pub fn new(runtime: Handle) -> Self {
        Self { runtime, under_way: Arc::default() }
    }

    /// The handle to the runtime that this is called from.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn current() -> Self {
        Self::new(Handle::current())
    }

    /// Runs `work` to its end, whoever stops waiting for it.
    ///
    /// # Errors
    /// Unavailable, if the work panicked or the runtime is going down.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Unavailable> {
        self.begin(work).await.map_err(|gone| Unavailable::because(Dependency::Background, gone))
    }

    /// Starts `work`, which must come to its end, without waiting for it.
    pub fn begin<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        let under_way = UnderWay::new(&self.under_way);
        self.runtime.spawn(async move {
            let done = work.await;
            drop(under_way);
            done
        })
    }

    /// Waits until nothing is under way that must come to its end.
    pub async fn idle(&self) {
        // Its sender is ours.
        let _ = self.under_way.subscribe().wait_for(|count| *count == 0).await;
    }

    /// Starts `work` without waiting for it. It is cut off when the process ends.
    pub fn spawn<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.runtime.spawn(work)
    }
}

impl UnderWay {
    fn new(counted: &Arc<watch::Sender<usize>>) -> Self {
        counted.send_modify(|count| *count += 1);
        Self(counted.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_vanished_client_does_not_cancel_the_work() {
        let background = Background::current();
        let (go, gate) = tokio::sync::oneshot::channel::<()>();
        let (done, finished) = tokio::sync::oneshot::channel();
        let mut request = Box::pin(background.run(async move {
            gate.await.expect("the test opens the gate");
            done.send("kept").expect("the test listens");
        }));
        tokio::select! {
            biased;
            _ = &mut request => panic!("the gate is closed"),
            () = std::future::ready(()) => {}
        }
        drop(request);
        go.send(()).expect("the work still waits");
        assert_eq!(finished.await, Ok("kept"));
    }

    #[tokio::test]
    async fn it_is_idle_when_all_that_was_begun_has_ended() {
        let background = Background::current();
        background.idle().await;
        let (go, gate) = tokio::sync::oneshot::channel::<()>();
        let begun = background.begin(gate);
        drop(background.spawn(std::future::pending::<()>()));
        let mut idle = Box::pin(background.idle());
        tokio::select! {
            biased;
            () = &mut idle => panic!("something is under way"),
            () = std::future::ready(()) => {}
        }
        go.send(()).expect("the work still waits");
        idle.await;
        begun.await.expect("it ended").expect("the gate was opened");
        let _ = background.begin(async { panic!("planned") }).await;
        background.idle().await;
    }

    #[tokio::test]
    async fn a_panic_is_unavailable() {
        let answer: Result<(), _> = Background::current().run(async { panic!("planned") }).await;
        assert_eq!(answer.expect_err("it panicked").dependency, Dependency::Background);
    }
}
