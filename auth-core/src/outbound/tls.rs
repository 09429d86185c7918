//! Whom we believe to be a provider: the public certificate authorities, and those that configuration adds.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject},
};

/// The extra certificates cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the extra certificates cannot be used: {0}")]
pub struct CaFault(pub String);

pub(super) fn config(ca: Option<&[u8]>) -> Result<ClientConfig, CaFault> {
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
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider supports TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
