//! What the gateway proves to its clients that it is: certificates with their keys, chosen by the name that a client asks
//! for (SNI, RFC 6066 §3), and read again when their files change.
//!
//! One [`ServerConfig`] serves every worker and outlives every certificate, so that a session that began under one is
//! resumed under the next, on whatever worker. A certificate that has expired is served on, loudly: clients that check it
//! turn away, and those that do not are served.

mod files;
mod metadata;
#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use arc_swap::ArcSwap;
use auth_core::{
    clock::{Clock, Timestamp},
    lock::lock,
};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs::{Ticketer, default_provider},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::task::spawn_blocking;

use self::files::Digest;
pub use self::{
    files::{CertificateFault, CertificateFiles},
    metadata::Metadata,
};
use crate::telemetry::metrics::{CERTIFICATE_REMAINING, CERTIFICATES_READ};

/// A certificate with its chain and its key, read and found to belong together.
#[derive(Clone, Debug)]
pub struct Certificate {
    served: Arc<CertifiedKey>,
    /// What it says of itself.
    pub metadata: Metadata,
}

/// The certificates of one gateway, and what speaks TLS with them.
pub struct Certificates {
    served: Arc<Served>,
    tls: Arc<ServerConfig>,
    entries: Mutex<Vec<Entry>>,
}

/// What a handshake sees: the first is for whoever names nobody, or nobody known.
#[derive(Debug)]
struct Served(ArcSwap<Vec<Certificate>>);

/// One certificate, and what its files were found to hold.
struct Entry {
    files: CertificateFiles,
    certificate: Certificate,
    /// What it was made of.
    digest: Digest,
    /// What the files held when they were last read and were no good: read once more, that is a fault.
    suspected: Option<Digest>,
    /// The content that has been said to be no good.
    refused: Option<Digest>,
    /// Whether it has been said that this one has expired.
    expiry_said: bool,
}

/// What a server says over TLS that it speaks, in its order of preference (RFC 7301). Without one that the client speaks
/// there is no connection.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

impl Certificates {
    /// Reads the certificates in `files`, of which the first is the default.
    ///
    /// # Errors
    /// The first that cannot be used.
    pub fn read(files: &[CertificateFiles], now: Timestamp) -> Result<Self, CertificateFault> {
        let entries = files.iter().map(Entry::read).collect::<Result<Vec<_>, _>>()?;
        let served = Arc::new(Served(ArcSwap::from_pointee(entries.iter().map(|it| it.certificate.clone()).collect())));
        let tls = Arc::new(server_config(served.clone()).map_err(CertificateFault::Tls)?);
        let certificates = Self { served, tls, entries: Mutex::new(entries) };
        certificates.measure(now);
        Ok(certificates)
    }

    /// What speaks TLS with them: one for all workers.
    pub fn tls(&self) -> &Arc<ServerConfig> {
        &self.tls
    }

    /// Serves the certificates in `files` from now on.
    ///
    /// # Errors
    /// The first that cannot be used; everything stays as it was.
    pub fn replace(&self, files: &[CertificateFiles], now: Timestamp) -> Result<(), CertificateFault> {
        let entries = files.iter().map(Entry::read).collect::<Result<Vec<_>, _>>()?;
        *lock(&self.entries) = entries;
        self.publish();
        self.measure(now);
        Ok(())
    }

    /// Looks whether the files have changed. What is good is served from now on; in place of what is not, the one before
    /// is. It says so once the files are found so twice: whoever replaces them may be between the one and the other.
    pub fn look(&self, now: Timestamp) {
        let mut changed = false;
        for entry in &mut *lock(&self.entries) {
            changed |= entry.look();
        }
        if changed {
            self.publish();
        }
        self.measure(now);
    }

    /// Looks for changes `every` so often, for as long as anybody else holds it.
    pub async fn watch(self: Arc<Self>, clock: Clock, every: Duration) {
        let mut beat = tokio::time::interval(every);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let certificates = Arc::downgrade(&self);
        drop(self);
        loop {
            beat.tick().await;
            let Some(certificates) = certificates.upgrade() else { return };
            let now = clock.now().wall();
            // Files may lie on a disk that does not answer.
            let _ = spawn_blocking(move || certificates.look(now)).await;
        }
    }

    fn publish(&self) {
        let certificates = lock(&self.entries).iter().map(|entry| entry.certificate.clone()).collect();
        self.served.0.store(Arc::new(certificates));
    }

    /// Tells how long each is still good for, and once that one no longer is.
    fn measure(&self, now: Timestamp) {
        for entry in &mut *lock(&self.entries) {
            let expires = entry.certificate.metadata.expires;
            let remaining = expires.as_secs() - now.as_secs();
            let file = entry.files.certificate.display().to_string();
            #[expect(clippy::cast_precision_loss, reason = "seconds of some years")]
            CERTIFICATE_REMAINING.with([file.clone()]).set(remaining as f64);
            if remaining <= 0 && !entry.expiry_said {
                entry.expiry_said = true;
                tracing::error!(certificate = file, "the certificate has expired, and is served on: replace it");
            }
        }
    }
}

impl Entry {
    fn read(files: &CertificateFiles) -> Result<Self, CertificateFault> {
        let content = files.content();
        let digest = content.digest.clone();
        let (certificate, files) = (content.certificate(files)?, files.clone());
        Ok(Self { files, certificate, digest, suspected: None, refused: None, expiry_said: false })
    }

    /// Whether there is another certificate to serve.
    fn look(&mut self) -> bool {
        let content = self.files.content();
        let digest = content.digest.clone();
        if digest == self.digest {
            (self.suspected, self.refused) = (None, None);
            return false;
        }
        if self.refused.as_ref() == Some(&digest) {
            return false;
        }
        let file = self.files.certificate.display();
        match content.certificate(&self.files) {
            Ok(certificate) => {
                let metadata = &certificate.metadata;
                tracing::info!(certificate = %file, names = ?metadata.names, "another certificate is served");
                CERTIFICATES_READ.with(["taken"]).increment(1);
                let files = self.files.clone();
                *self = Self { files, certificate, digest, suspected: None, refused: None, expiry_said: false };
                true
            }
            Err(fault) if self.suspected.as_ref() == Some(&digest) => {
                tracing::error!(certificate = %file, "the certificate before is kept: {fault}");
                CERTIFICATES_READ.with(["kept"]).increment(1);
                (self.suspected, self.refused) = (None, Some(digest));
                false
            }
            Err(_) => {
                self.suspected = Some(digest);
                false
            }
        }
    }
}

impl Served {
    fn find(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let certificates = self.0.load();
        let named = name.and_then(|name| certificates.iter().find(|it| it.metadata.covers(name)));
        named.or_else(|| certificates.first()).map(|it| it.served.clone())
    }
}

impl ResolvesServerCert for Served {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.find(hello.server_name())
    }
}

/// TLS 1.2 and 1.3, with tickets that every worker understands, and no early data: what comes in it may come twice
/// (RFC 8446 §8).
fn server_config(served: Arc<Served>) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(served);
    config.ticketer = Ticketer::new()?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(config)
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificates").field("served", &self.served).finish_non_exhaustive()
    }
}
