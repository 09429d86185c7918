//! A certificate authority for tests, and an impostor that nobody trusts.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use auth_core::{Clock, Timestamp};
use base64::{Engine, prelude::BASE64_STANDARD};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio_rustls::TlsAcceptor;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// An authority, a certificate of its own for loopback, and one for the same names that it did not sign.
pub struct Authority {
    certificate: String,
    acceptor: TlsAcceptor,
    impostor: TlsAcceptor,
}

impl Authority {
    /// The one authority of this process: making keys takes a while.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Authority> = OnceLock::new();
        SHARED.get_or_init(|| {
            let (certificate, acceptor) = made("Candor's test authority");
            let (_, impostor) = made("Somebody else's authority");
            Self { certificate, acceptor, impostor }
        })
    }

    /// Its certificate, PEM.
    pub fn pem(&self) -> &str {
        &self.certificate
    }

    /// Accepts TLS connections with a certificate that it signed.
    pub fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
    }

    /// Accepts TLS connections with a certificate that it did not sign.
    pub fn impostor(&self) -> TlsAcceptor {
        self.impostor.clone()
    }
}

fn made(name: &str) -> (String, TlsAcceptor) {
    let mut authority = CertificateParams::new(Vec::new()).expect("no names are good names");
    authority.distinguished_name.push(DnType::CommonName, name);
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key can be made");
    let certificate = pem(authority.self_signed(&key).expect("it signs itself").der());
    let issuer = Issuer::new(authority, key);

    let mut server = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()]).expect("good names");
    // Over in less than a year, as all are: a clock that is a year wrong sees none that holds.
    let now = Clock::system().now().wall().since(Timestamp::default());
    server.not_before = date_time_ymd(1970, 1, 1) + (now - DAY * 30);
    server.not_after = date_time_ymd(1970, 1, 1) + (now + DAY * 300);
    let server_key = KeyPair::generate().expect("a key can be made");
    let signed = server.signed_by(&server_key, &issuer).expect("it signs others");
    let chain: Vec<CertificateDer<'static>> = vec![signed.der().clone()];
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider knows the versions")
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .expect("the key is the certificate's");
    (certificate, TlsAcceptor::from(Arc::new(config)))
}

/// RFC 7468 §5.
fn pem(certificate: &CertificateDer<'_>) -> String {
    let text = BASE64_STANDARD.encode(certificate);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}
