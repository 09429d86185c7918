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
    issuer: Issuer<'static, KeyPair>,
    acceptor: TlsAcceptor,
    impostor: TlsAcceptor,
}

/// A certificate with its key, PEM.
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

impl Authority {
    /// The one authority of this process: making keys takes a while.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Authority> = OnceLock::new();
        SHARED.get_or_init(|| {
            let (certificate, issuer) = authority("Candor's test authority");
            let (_, impostor) = authority("Somebody else's authority");
            let acceptor = acceptor(&issuer);
            Self { certificate, issuer, acceptor, impostor: self::acceptor(&impostor) }
        })
    }

    /// Its certificate, PEM.
    pub fn pem(&self) -> &str {
        &self.certificate
    }

    /// A certificate for `names` that holds now.
    pub fn issue(&self, names: &[&str]) -> Issued {
        self.issue_until(names, 300)
    }

    /// The same, good for so many days, or since so many no more.
    pub fn issue_until(&self, names: &[&str], days: i64) -> Issued {
        let (certificate, key) = issue(&self.issuer, names, days);
        Issued { certificate: pem("CERTIFICATE", &certificate), key: pem("PRIVATE KEY", &key.serialize_der()) }
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

fn authority(name: &str) -> (String, Issuer<'static, KeyPair>) {
    let mut authority = CertificateParams::new(Vec::new()).expect("no names are good names");
    authority.distinguished_name.push(DnType::CommonName, name);
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key can be made");
    let certificate = pem("CERTIFICATE", authority.self_signed(&key).expect("it signs itself").der());
    (certificate, Issuer::new(authority, key))
}

/// A certificate that `issuer` signed, and its key.
fn issue(issuer: &Issuer<'static, KeyPair>, names: &[&str], days: i64) -> (CertificateDer<'static>, KeyPair) {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut server = CertificateParams::new(names).expect("good names");
    // Over in less than a year, as all are: a clock that is a year wrong sees none that holds.
    let now = date_time_ymd(1970, 1, 1) + Clock::system().now().wall().since(Timestamp::default());
    server.not_before = now - DAY * 30;
    let (away, past) = (DAY * u32::try_from(days.unsigned_abs()).unwrap_or(0), days < 0);
    server.not_after = if past { now - away } else { now + away };
    let key = KeyPair::generate().expect("a key can be made");
    (server.signed_by(&key, issuer).expect("it signs others").der().clone(), key)
}

fn acceptor(issuer: &Issuer<'static, KeyPair>) -> TlsAcceptor {
    let (certificate, key) = issue(issuer, &["127.0.0.1", "localhost"], 300);
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider knows the versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], private)
        .expect("the key is the certificate's");
    TlsAcceptor::from(Arc::new(config))
}

/// RFC 7468 §5 and §10.
fn pem(label: &str, der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
