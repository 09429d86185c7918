//! Orders that only whoever runs the process can carry out, since they know its configuration file and its program.

use tokio::sync::{mpsc, oneshot};

/// How many orders may wait.
const WAITING: usize = 8;

/// What is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// To read the configuration file once more, and to put it in force.
    Reload,
    /// To start its program once more, and to hand over to that.
    Upgrade,
}

/// An order, and whom to tell what came of it: what was done, or why it was not.
#[derive(Debug)]
pub struct Ordered {
    /// The order.
    pub order: Order,
    /// Who waits.
    pub answer: oneshot::Sender<Result<String, String>>,
}

/// Whither orders go.
#[derive(Clone, Debug)]
pub struct Orders(mpsc::Sender<Ordered>);

/// A way for orders, and its other end.
pub fn orders() -> (Orders, mpsc::Receiver<Ordered>) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (Orders(sender), receiver)
}

impl Orders {
    /// Gives an order, and waits for what comes of it.
    ///
    /// # Errors
    /// It was not carried out, and why.
    pub async fn give(&self, order: Order) -> Result<String, String> {
        let (answer, answered) = oneshot::channel();
        let gone = || "this gateway is stopping".to_owned();
        self.0.send(Ordered { order, answer }).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}
