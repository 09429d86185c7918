//! TLS towards clients: the handshake, on the worker that has the connection, and the connection over it.

use std::{net::IpAddr, rc::Rc, sync::Arc};

use rustls::{HandshakeKind, ServerConfig};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tower::{BoxError, Service};

use super::{
    connection::{HttpServer, RequestInContext},
    io::{Spoken, Transport},
    phase::Phase,
};
use crate::{response::reply::Reply, telemetry::metrics::TLS_HANDSHAKES};

/// How many bytes of an answer a connection holds that could not be written yet. A record holds as many: with more, a slow
/// client would seem to take nothing for longer.
const UNWRITTEN: usize = 16 * 1024;

impl<S> HttpServer<S>
where
    S: Service<RequestInContext, Response = Reply, Error: Into<BoxError>> + Clone + 'static,
{
    /// Speaks TLS with a client, and serves the connection over it. The handshake may take as long as a head.
    pub(super) async fn serve_tls(
        self: Rc<Self>,
        tls: Arc<ServerConfig>,
        stream: TcpStream,
        peer: IpAddr,
        phase: Arc<Phase>,
    ) {
        let handshake = TlsAcceptor::from(tls).accept(stream);
        let outcome = match timeout(phase.limits().head, handshake).await {
            Ok(Ok(mut transport)) => {
                let (_, session) = transport.get_mut();
                session.set_buffer_limit(Some(UNWRITTEN));
                let resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
                TLS_HANDSHAKES.with([if resumed { "resumed" } else { "full" }]).increment(1);
                return self.serve(transport, peer, phase).await;
            }
            Ok(Err(error)) => {
                // Whoever probes an open port fails here: it is no news.
                tracing::debug!(%peer, %error, "a TLS handshake failed");
                "failed"
            }
            Err(_) => "late",
        };
        TLS_HANDSHAKES.with([outcome]).increment(1);
    }
}

impl Transport for TlsStream<TcpStream> {
    fn is_encrypted(&self) -> bool {
        true
    }

    /// Who does not say what it speaks means HTTP/1.1 (RFC 9113 §3.2).
    fn spoken(&self) -> Option<Spoken> {
        let (_, session) = self.get_ref();
        Some(if session.alpn_protocol() == Some(b"h2") { Spoken::Http2 } else { Spoken::Http1 })
    }

    fn reset_on_close(&self) {
        self.get_ref().0.reset_on_close();
    }
}
