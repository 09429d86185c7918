//! A certificate in its files: PEM (RFC 7468), the chain in one and the key in another.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use aws_lc_rs::digest;
use rustls::{
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};

use super::{Certificate, Metadata};

/// More is no certificate.
const LARGEST: u64 = 1 << 20;

/// Where a certificate with its chain lies, and where its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Why there is no certificate to serve.
#[derive(Debug, thiserror::Error)]
pub enum CertificateFault {
    /// A file cannot be read.
    #[error("{0} cannot be read: {1}")]
    Unreadable(PathBuf, String),
    /// A file holds no certificate.
    #[error("{0} holds no certificate in PEM")]
    NoCertificate(PathBuf),
    /// A file holds a certificate that cannot be understood.
    #[error("{0} holds a certificate that cannot be understood: {1}")]
    NotUnderstood(PathBuf, String),
    /// A file holds no key.
    #[error("{0} holds no private key in PEM")]
    NoKey(PathBuf),
    /// A key that needs a passphrase.
    #[error("{0} holds a key under a passphrase, which nobody could type at a start")]
    EncryptedKey(PathBuf),
    /// A key of a kind, or a size, that is not used.
    #[error("{0} holds a key that cannot be used: {1}")]
    UnknownKey(PathBuf, String),
    /// A key of another certificate.
    #[error("the key in {1} is not that of the certificate in {0}")]
    OtherKey(PathBuf, PathBuf),
    /// TLS itself.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[source] rustls::Error),
}

/// What two files hold, or why they cannot be read.
pub(super) struct Content {
    pub(super) digest: Digest,
    certificate: Result<Vec<u8>, String>,
    key: Result<Vec<u8>, String>,
}

/// By what two contents are compared, so that nothing keeps the text of a key.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Digest(Vec<u8>);

impl CertificateFiles {
    /// Reads the certificate.
    ///
    /// # Errors
    /// It cannot be used.
    pub fn read(&self) -> Result<Certificate, CertificateFault> {
        self.content().certificate(self)
    }

    /// What the files hold now.
    pub(super) fn content(&self) -> Content {
        let read = |path: &Path| {
            let mut bytes = Vec::new();
            let read = fs::File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
            match read {
                Ok(length) if length as u64 > LARGEST => Err("it is larger than 1 MiB".to_owned()),
                Ok(_) => Ok(bytes),
                Err(cause) => Err(cause.to_string()),
            }
        };
        let (certificate, key) = (read(&self.certificate), read(&self.key));
        Content { digest: Digest::of([&certificate, &key]), certificate, key }
    }
}

impl Digest {
    fn of(parts: [&Result<Vec<u8>, String>; 2]) -> Self {
        let mut digest = digest::Context::new(&digest::SHA256);
        for part in parts {
            let bytes = match part {
                Ok(bytes) => bytes.as_slice(),
                Err(cause) => cause.as_bytes(),
            };
            digest.update(&[u8::from(part.is_ok())]);
            digest.update(&(bytes.len() as u64).to_be_bytes());
            digest.update(bytes);
        }
        Self(digest.finish().as_ref().to_vec())
    }
}

impl Content {
    /// The certificate that they hold.
    ///
    /// # Errors
    /// It cannot be used.
    pub(super) fn certificate(self, files: &CertificateFiles) -> Result<Certificate, CertificateFault> {
        let CertificateFiles { certificate: chain_path, key: key_path } = files;
        let unreadable = |path: &Path, cause| CertificateFault::Unreadable(path.to_owned(), cause);
        let chain = self.certificate.map_err(|cause| unreadable(chain_path, cause))?;
        let key = self.key.map_err(|cause| unreadable(key_path, cause))?;
        let chain = CertificateDer::pem_slice_iter(&chain).collect::<Result<Vec<_>, _>>();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain = chain.ok_or_else(|| CertificateFault::NoCertificate(chain_path.clone()))?;
        let not_understood = |cause| CertificateFault::NotUnderstood(chain_path.clone(), cause);
        let metadata = Metadata::read(&chain).map_err(not_understood)?;
        let key = private_key(&key, key_path)?;
        let signing = default_provider().key_provider.load_private_key(key);
        let signing = signing.map_err(|cause| CertificateFault::UnknownKey(key_path.clone(), cause.to_string()))?;
        let served = CertifiedKey::new(chain, signing);
        match served.keys_match() {
            Ok(()) => Ok(Certificate { served: Arc::new(served), metadata }),
            Err(rustls::Error::InconsistentKeys(_)) => {
                Err(CertificateFault::OtherKey(chain_path.clone(), key_path.clone()))
            }
            Err(cause) => Err(not_understood(cause.to_string())),
        }
    }
}

fn private_key(pem: &[u8], path: &Path) -> Result<PrivateKeyDer<'static>, CertificateFault> {
    let encrypted = b"ENCRYPTED";
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| {
        if pem.windows(encrypted.len()).any(|part| part == encrypted) {
            CertificateFault::EncryptedKey(path.to_owned())
        } else {
            CertificateFault::NoKey(path.to_owned())
        }
    })
}
