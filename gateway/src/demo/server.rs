//! The smallest HTTP/1.1 server that can also be dead: what the pretend servers stand on.

use std::{future::Future, io, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// A server that runs until this is dropped.
pub(super) struct DemoServer {
    address: SocketAddr,
    up: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

/// Marks what [`without_answer`] makes.
#[derive(Clone, Copy)]
struct NoResponse;

/// For whoever must answer and does not want to: the connection closes without a word.
pub(super) fn without_answer() -> Response<Full<Bytes>> {
    let mut nothing = Response::new(Full::default());
    nothing.extensions_mut().insert(NoResponse);
    nothing
}

impl DemoServer {
    /// Serves on `listen`, asking `answer` about each request. The request's body is read before.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub(super) async fn start<F, A>(listen: SocketAddr, answer: F) -> io::Result<Self>
    where
        F: Fn(Request<Bytes>) -> A + Send + Sync + 'static,
        A: Future<Output = Response<Full<Bytes>>> + Send + 'static,
    {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let (up, is_up) = watch::channel(true);
        let accepting = tokio::spawn(accept(listener, is_up, Arc::new(answer)));
        Ok(Self { address, up, accepting })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes it down, or up again. While it is down, connections are reset: those that stand, and new ones.
    pub(super) fn set_up(&self, up: bool) {
        self.up.send_replace(up);
    }
}

impl Drop for DemoServer {
    fn drop(&mut self) {
        self.accepting.abort();
        self.up.send_replace(false);
    }
}

async fn accept<F, A>(listener: TcpListener, is_up: watch::Receiver<bool>, answer: Arc<F>)
where
    F: Fn(Request<Bytes>) -> A + Send + Sync + 'static,
    A: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    loop {
        // An accept fails for one connection (it was gone already), not for the listener: carry on.
        let Ok((stream, _)) = listener.accept().await else { continue };
        if *is_up.borrow() {
            tokio::spawn(converse(stream, is_up.clone(), answer.clone()));
        } else {
            let _ = stream.set_zero_linger();
        }
    }
}

/// Serves one connection until it closes, or until the server goes down.
async fn converse<F, A>(stream: TcpStream, mut is_up: watch::Receiver<bool>, answer: Arc<F>)
where
    F: Fn(Request<Bytes>) -> A + Send + Sync + 'static,
    A: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answer.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = Limited::new(body, 1 << 20).collect().await.map(|all| all.to_bytes()).unwrap_or_default();
            let answer = answer(Request::from_parts(head, body)).await;
            // An error makes hyper close the connection.
            if answer.extensions().get::<NoResponse>().is_some() {
                return Err(io::Error::from(io::ErrorKind::ConnectionReset));
            }
            Ok(answer)
        }
    });
    // The date comes from the clock that the server was given, not from hyper.
    let connection = http1::Builder::new().auto_date_header(false).serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        _ = &mut connection => {}
        _ = is_up.wait_for(|up| !up) => {}
    }
}
