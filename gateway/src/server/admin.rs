//! The admin thread: the admin listener, and the socket that commands come by. It serves to the end of a shutdown, whatever
//! clients, stores and providers do.

use std::{convert::Infallible, io, net::TcpListener as Socket, rc::Rc, sync::Arc};

use tokio::{net::TcpListener, task::spawn_local};
use tokio_util::sync::CancellationToken;
use tower::{BoxError, Service, service_fn};

use super::{
    acceptor::{self, AcceptFailures},
    connection::{HttpServer, RequestInContext},
    control::Control,
    orders::Orders,
    phase::Phase,
    thread::Thread,
};
use crate::{own, response::reply::Reply, state::Gateway};

/// Starts the admin thread, which takes nobody new from `leaving` on, and ends at `stop`.
///
/// # Errors
/// The machine has no thread or poller left.
pub(super) async fn start(
    socket: Socket,
    gateway: Arc<Gateway>,
    orders: Option<Orders>,
    leaving: CancellationToken,
    stop: CancellationToken,
) -> io::Result<Thread> {
    Thread::start("admin".to_owned(), move || {
        let listener = TcpListener::from_std(socket)?;
        let commands = Control::listen(&gateway.data);
        let commands = commands.inspect_err(|error| tracing::error!("commands cannot reach this gateway: {error}"));
        let service = service_fn(|(context, request): RequestInContext| async move {
            Ok::<_, Infallible>(own::admin::answer(&context, request).await)
        });
        let under_way = commands.as_ref().map(Control::under_way).ok();
        let http = HttpServer::new(service, gateway.clone(), leaving.clone());
        let serve = async move {
            tokio::select! {
                () = leaving.cancelled() => {}
                () = accept(listener, http) => {}
                () = async {
                    match commands {
                        Ok(commands) => commands.serve(gateway, orders).await,
                        Err(_) => std::future::pending().await,
                    }
                } => {}
            }
        };
        Ok(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = async { serve.await; std::future::pending().await } => {}
            }
            // Whoever has ordered something is told what came of it.
            if let Some(under_way) = under_way {
                under_way.ended().await;
            }
        })
    })
    .await
}

/// Serves every connection that comes to `listener`, for ever.
pub(super) async fn accept<S>(listener: TcpListener, http: Rc<HttpServer<S>>)
where
    S: Service<RequestInContext, Response = Reply, Error: Into<BoxError>> + Clone + 'static,
{
    let mut fails = AcceptFailures::default();
    loop {
        // Operators are not counted among the clients, so that they come in when no client does.
        if let Some((stream, peer)) = acceptor::accept(&listener, &mut fails).await {
            spawn_local(http.clone().serve(stream, peer.ip(), Phase::new(http.limits(peer.ip()).timeouts)));
        }
    }
}
