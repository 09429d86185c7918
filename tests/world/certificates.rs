//! Certificates of every kind, and servers that show them.

use std::{sync::Arc, time::Duration};

use auth_core::{Clock, Timestamp};
use base64::{Engine, prelude::BASE64_STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd,
};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
    sign::{CertifiedKey, SingleCertAndKey},
};
use tokio_rustls::TlsAcceptor;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Somebody who signs certificates.
pub struct Signer {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate, those that came with it, and its key.
pub struct Certified {
    /// The certificate, and whoever vouches for it.
    pub chain: Vec<CertificateDer<'static>>,
    key: Vec<u8>,
}

impl Signer {
    /// An authority that nobody vouches for.
    pub fn root(name: &str) -> Self {
        let (params, key) = authority(name);
        let certificate = params.self_signed(&key).expect("it signs itself").der().clone();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// An authority that this one vouches for.
    pub fn intermediate(&self, name: &str) -> Self {
        let (params, key) = authority(name);
        let certificate = params.signed_by(&key, &self.issuer).expect("it signs others").der().clone();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// Its own certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The same, PEM.
    pub fn pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate)
    }

    /// A server of this name, from so many days from now until so many.
    pub fn server(&self, name: &str, from: i32, until: i32) -> Certified {
        self.sign(name, ExtendedKeyUsagePurpose::ServerAuth, from, until)
    }

    /// A client of this name, for a month.
    pub fn client(&self, name: &str) -> Certified {
        self.sign(name, ExtendedKeyUsagePurpose::ClientAuth, -1, 30)
    }

    fn sign(&self, name: &str, purpose: ExtendedKeyUsagePurpose, from: i32, until: i32) -> Certified {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a good name");
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages.push(purpose);
        let today = Clock::system().now().wall().since(Timestamp::default());
        let day = |days: i32| match u32::try_from(days) {
            Ok(after) => date_time_ymd(1970, 1, 1) + (today + DAY * after),
            Err(_) => date_time_ymd(1970, 1, 1) + (today - DAY * days.unsigned_abs()),
        };
        (params.not_before, params.not_after) = (day(from), day(until));
        let key = KeyPair::generate().expect("a key can be made");
        let signed = params.signed_by(&key, &self.issuer).expect("it signs others");
        Certified { chain: vec![signed.der().clone()], key: key.serialize_der() }
    }
}

impl Certified {
    /// With these certificates after its own.
    pub fn with(mut self, others: &[&CertificateDer<'static>]) -> Self {
        self.chain.extend(others.iter().map(|other| (*other).clone()));
        self
    }

    /// The whole chain, PEM.
    pub fn pem(&self) -> String {
        self.chain.iter().map(|certificate| pem("CERTIFICATE", certificate)).collect()
    }

    /// Its key, PEM.
    pub fn key_pem(&self) -> String {
        pem("PRIVATE KEY", &self.key)
    }

    /// Accepts TLS connections with it, and speaks one of `protocols` where any are named. Clients must be known to
    /// `clients`, if there is one. What the chain looks like is nobody's business here.
    pub fn acceptor(&self, protocols: &[&str], clients: Option<&Signer>) -> TlsAcceptor {
        let provider = Arc::new(default_provider());
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()));
        let key = provider.key_provider.load_private_key(key).expect("it is a key");
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("the provider knows the versions");
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(signer) => {
                let mut roots = RootCertStore::empty();
                roots.add(signer.certificate.clone()).expect("it is an authority");
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().expect("there is a root"))
            }
        };
        let shown = SingleCertAndKey::from(CertifiedKey::new(self.chain.clone(), key));
        let mut config = builder.with_cert_resolver(Arc::new(shown));
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }
}

fn authority(name: &str) -> (CertificateParams, KeyPair) {
    let mut params = CertificateParams::new(Vec::new()).expect("no names are good names");
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    (params, KeyPair::generate().expect("a key can be made"))
}

/// RFC 7468 §2.
fn pem(label: &str, bytes: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(bytes);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
