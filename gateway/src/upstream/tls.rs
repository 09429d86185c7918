//! TLS with an endpoint: who it must prove to be, as whom we come, and what went wrong, in a fault's words.
//!
//! Sessions are resumed within one [`TlsClient`], which all workers share. Deliberately absent: 0-RTT, since whoever
//! replays it repeats a request.

use std::{io, sync::Arc};

use auth_core::{clock::Clock, outbound::tls_client};
use rustls::{
    AlertDescription, CertificateError, Error, RootCertStore,
    pki_types::ServerName,
    sign::{CertifiedKey, SingleCertAndKey},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use url::Url;

use crate::{
    config::{UpstreamProtocol, UpstreamTls},
    fault::{ConnectFault, TlsFault},
};

/// TLS as it is spoken with one endpoint.
pub(super) struct TlsClient {
    settings: Arc<UpstreamTls>,
    /// `None` if nothing can prove who the endpoint is: then there is no connection, never one without TLS.
    verified: Option<(TlsConnector, ServerName<'static>)>,
    protocol: UpstreamProtocol,
}

/// Why there is no TLS.
pub(super) enum HandshakeFailure {
    /// It was closed or reset before that stood.
    Closed(io::Error),
    /// One of the two did not want the other.
    Refused(TlsFault, io::Error),
}

impl TlsClient {
    /// For the endpoint at `url`, which must be known to speak `protocol` (RFC 7301).
    pub(super) fn new(settings: Arc<UpstreamTls>, url: &Url, protocol: UpstreamProtocol, clock: Clock) -> Self {
        let verified =
            settings.name_at(url).and_then(|name| Some((Self::connector(&settings, protocol, clock)?, name)));
        Self { settings, verified, protocol }
    }

    /// Believes whom `settings` name; `None` if that is nobody.
    fn connector(settings: &UpstreamTls, protocol: UpstreamProtocol, clock: Clock) -> Option<TlsConnector> {
        let roots = match &settings.roots {
            Some(roots) => (**roots).clone(),
            None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
        };
        let builder = tls_client(roots, clock).ok()?;
        let mut config = match &settings.identity {
            Some(identity) => {
                let identity: Arc<CertifiedKey> = identity.clone();
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity)))
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![in_alpn(protocol).to_vec()];
        Some(TlsConnector::from(Arc::new(config)))
    }

    /// What it was made from.
    pub(super) fn settings(&self) -> &UpstreamTls {
        &self.settings
    }

    /// TLS over `stream`.
    ///
    /// # Errors
    /// [`HandshakeFailure`].
    pub(super) async fn handshake(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, HandshakeFailure> {
        let Some((connector, name)) = &self.verified else {
            let failure = io::Error::other("no certificate can prove who it is");
            return Err(HandshakeFailure::Refused(TlsFault::WrongName, failure));
        };
        let stream = connector.connect(name.clone(), stream).await.map_err(|failure| match in_tls(&failure) {
            Some(error) => HandshakeFailure::Refused(kind_of(error), failure),
            None => HandshakeFailure::Closed(failure),
        })?;
        // A server that knows nothing of ALPN speaks HTTP/1.1.
        let chosen = stream.get_ref().1.alpn_protocol();
        if self.protocol == UpstreamProtocol::Http2 && chosen != Some(in_alpn(UpstreamProtocol::Http2)) {
            let failure = io::Error::other("it does not say that it speaks HTTP/2 (ALPN)");
            return Err(HandshakeFailure::Refused(TlsFault::HttpVersion, failure));
        }
        Ok(stream)
    }
}

impl std::fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsClient").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// What TLS says of a connection that failed after its handshake: whether our certificate is good, a TLS 1.3 endpoint says
/// only then.
pub(super) fn fault_behind(error: &(dyn std::error::Error + 'static)) -> Option<ConnectFault> {
    let mut next = Some(error);
    while let Some(error) = next {
        let found = error.downcast_ref::<io::Error>().and_then(in_tls);
        if let Some(found) = found.or_else(|| error.downcast_ref()) {
            return Some(ConnectFault::Tls(kind_of(found)));
        }
        next = error.source();
    }
    None
}

fn in_alpn(protocol: UpstreamProtocol) -> &'static [u8] {
    match protocol {
        UpstreamProtocol::Http1 => b"http/1.1",
        UpstreamProtocol::Http2 => b"h2",
    }
}

fn in_tls(failure: &io::Error) -> Option<&Error> {
    let inner = failure.get_ref()?;
    inner.downcast_ref().or_else(|| inner.source()?.downcast_ref())
}

fn kind_of(error: &Error) -> TlsFault {
    match error {
        Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => TlsFault::WrongName,
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => TlsFault::Expired,
            CertificateError::UnknownIssuer => TlsFault::UnknownAuthority,
            _ => TlsFault::BadCertificate,
        },
        Error::NoCertificatesPresented | Error::UnsupportedNameType | Error::InvalidCertRevocationList(_) => {
            TlsFault::BadCertificate
        }
        Error::AlertReceived(AlertDescription::NoApplicationProtocol) | Error::NoApplicationProtocol => {
            TlsFault::HttpVersion
        }
        Error::AlertReceived(_) => TlsFault::Alert,
        _ => TlsFault::Protocol,
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn where_nobody_can_vouch_there_is_no_connection_and_none_in_the_clear() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it has an address");
        let url = Url::parse(&format!("https://{address}")).expect("an address");
        let mut settings = UpstreamTls::default();
        settings.roots = Some(Arc::new(RootCertStore::empty()));
        let client = TlsClient::new(Arc::new(settings), &url, UpstreamProtocol::Http1, Clock::system());
        let stream = TcpStream::connect(address).await.expect("it is there");
        let refused = client.handshake(stream).await.err();
        assert!(matches!(refused, Some(HandshakeFailure::Refused(TlsFault::WrongName, _))));
    }
}
