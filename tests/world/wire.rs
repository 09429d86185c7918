//! In which protocol a world's gateway is spoken to. Whoever asks looks up the address that they ask, so that any flow of
//! any test runs over any of them unchanged.

use std::{
    cell::Cell,
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock},
};

use auth_core::lock::lock;
use gateway::demo::wire::Wire;
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, pem::PemObject},
    version,
};
use url::{Position, Url};

use crate::authority::Authority;

/// How clients speak with a gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// HTTP/1.1 over TCP.
    #[default]
    Http1,
    /// HTTP/1.1 over TLS: the gateway's `public_url` is https.
    Http1Tls,
    /// HTTP/2 over TCP, without asking (RFC 9113 §3.3).
    Http2,
    /// HTTP/2 over TLS, by ALPN: the gateway's `public_url` is https.
    Http2Tls,
}

/// The gateways that are spoken to otherwise than in HTTP/1.1 over TCP, by host and port.
static SPOKEN: Mutex<BTreeMap<String, Protocol>> = Mutex::new(BTreeMap::new());

thread_local! {
    /// What is spoken where a test says nothing about it.
    static USUAL: Cell<Protocol> = const { Cell::new(Protocol::Http1) };
}

/// Does `work`; the worlds that it describes on this thread, without a word about it, are spoken to in `protocol`.
pub fn usually<T>(protocol: Protocol, work: impl FnOnce() -> T) -> T {
    let before = USUAL.replace(protocol);
    let done = work();
    USUAL.set(before);
    done
}

pub(crate) fn usual() -> Protocol {
    USUAL.get()
}

impl Protocol {
    /// Every protocol.
    pub const ALL: [Self; 4] = [Self::Http1, Self::Http1Tls, Self::Http2, Self::Http2Tls];

    /// Its name in figures and in the matrix.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http1 => "h1",
            Self::Http1Tls => "h1-tls",
            Self::Http2 => "h2",
            Self::Http2Tls => "h2-tls",
        }
    }

    /// Whether the gateway speaks TLS.
    pub const fn is_encrypted(self) -> bool {
        matches!(self, Self::Http1Tls | Self::Http2Tls)
    }

    /// Whoever asks `url` from now on speaks so.
    pub fn speak_to(self, url: &Url) {
        lock(&SPOKEN).insert(authority(url), self);
    }
}

/// How `url` is reached.
pub fn of(url: &Url) -> Wire {
    match lock(&SPOKEN).get(&authority(url)).copied().unwrap_or_default() {
        Protocol::Http1 => Wire::default(),
        Protocol::Http1Tls => Wire { tls: Some(trusting(b"http/1.1")), http2: false },
        Protocol::Http2 => Wire { tls: None, http2: true },
        Protocol::Http2Tls => Wire { tls: Some(trusting(b"h2")), http2: false },
    }
}

/// Whoever trusts the test authority and speaks `protocol` (RFC 7301), with a memory for sessions of its own.
pub fn client(protocol: &[u8]) -> ClientConfig {
    client_of(protocol, &[&version::TLS12, &version::TLS13])
}

/// The same in these versions of TLS only.
pub fn client_of(protocol: &[u8], versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let pem = CertificateDer::from_pem_slice(Authority::shared().pem().as_bytes()).expect("a certificate");
    roots.add(pem).expect("an authority");
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(versions)
        .expect("the provider knows the versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    config
}

fn trusting(protocol: &'static [u8]) -> Arc<ClientConfig> {
    static CLIENTS: OnceLock<[Arc<ClientConfig>; 2]> = OnceLock::new();
    let clients = CLIENTS.get_or_init(|| [b"http/1.1".as_slice(), b"h2"].map(|protocol| Arc::new(client(protocol))));
    clients[usize::from(protocol == b"h2")].clone()
}

fn authority(url: &Url) -> String {
    url[Position::BeforeHost..Position::AfterPort].to_owned()
}
