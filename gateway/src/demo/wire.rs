//! How a program reaches whoever it asks: over TCP or TLS, in HTTP/1.1 or HTTP/2, on a connection for one request.

use std::{error::Error, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header::HOST, uri};
use http_body_util::Full;
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
    rt::{Read, Write},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::{Position, Url};

/// How one address is reached.
#[derive(Clone, Debug, Default)]
pub struct Wire {
    /// For https: whom to trust, and what to say that we speak (RFC 7301). Without it no https is spoken.
    pub tls: Option<Arc<ClientConfig>>,
    /// For http: whether it is known that HTTP/2 is spoken there (RFC 9113 §3.3).
    pub http2: bool,
}

type Fault = Box<dyn Error + Send + Sync>;

impl Wire {
    /// Sends `request` to `url`, on a fresh connection: a kept one would hide that the other side is down.
    pub(super) async fn send(&self, url: &Url, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Fault> {
        let host = url.host_str().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let port = url.port_or_known_default().unwrap_or(80);
        let stream = TcpStream::connect((bare, port)).await?;
        stream.set_nodelay(true)?;
        if url.scheme() != "https" {
            return exchange(TokioIo::new(stream), self.http2, url, request).await;
        }
        let Some(tls) = &self.tls else { return Err("no https is spoken here".into()) };
        let name = ServerName::try_from(bare.to_owned())?;
        let stream = TlsConnector::from(tls.clone()).connect(name, stream).await?;
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        exchange(TokioIo::new(stream), http2, url, request).await
    }
}

/// Speaks one request over `io`. The connection goes on for as long as its answer is read.
async fn exchange(
    io: impl Read + Write + Unpin + Send + 'static,
    http2: bool,
    url: &Url,
    mut request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, Fault> {
    if http2 {
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
        tokio::spawn(connection);
        *request.uri_mut() = absolute(url, request.headers_mut().remove(HOST))?;
        *request.version_mut() = http::Version::HTTP_2;
        return Ok(sender.send_request(request).await?);
    }
    let (mut sender, connection) = http1::handshake(io).await?;
    tokio::spawn(connection);
    *request.uri_mut() = url[Position::BeforePath..Position::AfterQuery].parse()?;
    Ok(sender.send_request(request).await?)
}

/// The address in HTTP/2's form, whose authority stands for `Host` (RFC 9113 §8.3.1).
fn absolute(url: &Url, host: Option<HeaderValue>) -> Result<Uri, Fault> {
    let authority = &url[Position::BeforeHost..Position::AfterPort];
    let authority = host.as_ref().map_or(authority.as_bytes(), HeaderValue::as_bytes);
    let target: uri::PathAndQuery = url[Position::BeforePath..Position::AfterQuery].parse()?;
    Ok(Uri::builder().scheme(url.scheme()).authority(authority).path_and_query(target).build()?)
}
