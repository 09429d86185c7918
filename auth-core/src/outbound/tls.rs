//! Whom we believe to be a provider: the public certificate authorities, and those that configuration adds.

use std::sync::Arc;

use rustls::{
    CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WantsClientCert, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};

use crate::clock::{Clock, Timestamp};

/// The extra certificates cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the extra certificates cannot be used: {0}")]
pub struct CaFault(pub String);

/// The usual verifier, by our clock. While that is in doubt, a certificate holds if it does by either reading: else a
/// wrong wall clock would cut us off from every provider that could say so.
#[derive(Debug)]
struct ByOurClock {
    verifier: Arc<WebPkiServerVerifier>,
    clock: Clock,
}

pub(super) fn config(ca: Option<&[u8]>, clock: Clock) -> Result<ClientConfig, CaFault> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(pem) = ca {
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|bad| CaFault(bad.to_string()))?;
            roots.add(certificate).map_err(|bad| CaFault(bad.to_string()))?;
        }
        if roots.len() == before {
            return Err(CaFault("there is none in it".to_owned()));
        }
    }
    Ok(client(roots, clock)?.with_no_client_auth())
}

/// The beginning of a client that believes whom `roots` vouch for, by our clock; still to be said: who it is itself.
///
/// # Errors
/// There is none in `roots`.
pub fn client(roots: RootCertStore, clock: Clock) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, CaFault> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|bad| CaFault(bad.to_string()))?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider supports TLS 1.2 and 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(ByOurClock { verifier, clock }));
    Ok(builder)
}

impl ServerCertVerifier for ByOurClock {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let now = self.clock.now();
        let verified = |at: Timestamp| {
            let at = UnixTime::since_unix_epoch(at.since(Timestamp::default()));
            self.verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, at)
        };
        match verified(now.wall()) {
            Err(Error::InvalidCertificate(untimely)) if now.is_in_doubt() && is_about_time(&untimely) => {
                verified(now.anchor())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

fn is_about_time(fault: &CertificateError) -> bool {
    matches!(
        fault,
        CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. }
    )
}
