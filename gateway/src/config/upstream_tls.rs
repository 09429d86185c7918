//! `tls` of `[upstreams.NAME]`: who vouches for the service, by which name, and as whom we come.
//!
//! Deliberately absent: a way not to verify its certificate.

use std::{fmt, sync::Arc};

use aws_lc_rs::digest::{Context, SHA256};
use rustls::{
    RootCertStore,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    sign::CertifiedKey,
};
use url::{Host, Url};

use super::{file::Section, value::Value};

/// How TLS is spoken with an upstream. Two that were read from the same are equal.
#[derive(Clone, Default)]
pub struct UpstreamTls {
    /// Who vouches for the service; `None`: the public authorities.
    pub roots: Option<Arc<RootCertStore>>,
    /// What we show it, if it asks.
    pub identity: Option<Arc<CertifiedKey>>,
    /// By which name it is known; `None`: the endpoint's own.
    pub server_name: Option<ServerName<'static>>,
    /// Of all that this was read from. The key itself is not kept in a form that could be compared.
    digest: Vec<u8>,
}

const PEM: &str = "a file in PEM form, which begins with -----BEGIN";

impl UpstreamTls {
    /// Reads `tls` of the upstream that is `section`, whose endpoints are these. `None` if there is none, or it is wrong.
    pub(super) fn read(section: &Section<'_>, endpoints: &[Url]) -> Option<Arc<Self>> {
        let written = section.value("tls");
        let tls = written.as_ref().and_then(|value| Self::of(value));
        if let Some(value) = &written
            && !endpoints.is_empty()
            && !endpoints.iter().any(is_https)
        {
            value.problem("`tls` is for https endpoints, and there is none", "write https:// in `endpoints`");
        }
        tls.map(Arc::new)
    }

    fn of(value: &Value<'_>) -> Option<Self> {
        let forms = "for example { ca = \"upstream-ca.pem\" }";
        let Some(entries) = value.entries() else {
            value.problem("`tls` must be a table", forms);
            return None;
        };
        let (mut roots, mut certificate, mut key, mut server_name) = (None, None, None, None);
        let mut digest = Context::new(&SHA256);
        for (word, value) in entries {
            digest.update(word.key().as_bytes());
            match word.key() {
                "ca" => roots = Some((value.file_content("\"upstream-ca.pem\"")?, value)),
                "client_certificate" => certificate = Some((value.file_content("\"gateway.pem\"")?, value)),
                "client_key" => key = Some((value.key_content("\"gateway.key\"")?, value)),
                "server_name" => {
                    let name = value.text("\"monolith.internal\"")?;
                    digest.update(name.as_bytes());
                    server_name = Some(self::server_name(&value, name)?);
                }
                _ => {
                    let keys = "its keys are `ca`, `client_certificate`, `client_key` and `server_name`";
                    word.problem(format!("`tls` of an upstream has no key `{}`", word.key().escape_debug()), keys);
                }
            }
        }
        for (content, _) in [&roots, &certificate].into_iter().flatten() {
            digest.update(&content.len().to_be_bytes());
            digest.update(content);
        }
        if let Some((Some(key), _)) = &key {
            digest.update(key);
        }
        let roots = match roots {
            Some((pem, value)) => Some(Arc::new(self::roots(&pem, &value)?)),
            None => None,
        };
        let identity = match (certificate, key) {
            (None, None) => None,
            // Who needs no secrets has read none.
            (Some(_), Some((None, _))) => None,
            (Some((chain, at)), Some((Some(key), key_at))) => Some(Arc::new(identity(&chain, &at, &key, &key_at)?)),
            (Some((_, at)), None) => return incomplete(&at, "client_key"),
            (None, Some((_, at))) => return incomplete(&at, "client_certificate"),
        };
        Some(Self { roots, identity, server_name, digest: digest.finish().as_ref().to_vec() })
    }

    /// The name that a service at `url` must have, if it can have one.
    pub fn name_at(&self, url: &Url) -> Option<ServerName<'static>> {
        self.server_name.clone().or_else(|| name_of(url))
    }
}

/// Whether TLS is spoken with an endpoint.
pub(super) fn is_https(url: &Url) -> bool {
    url.scheme() == "https"
}

/// The name in an endpoint's own address that a certificate can be for.
pub(super) fn name_of(url: &Url) -> Option<ServerName<'static>> {
    match url.host()? {
        Host::Domain(name) => ServerName::try_from(name.to_owned()).ok(),
        Host::Ipv4(ip) => Some(ServerName::IpAddress(std::net::IpAddr::from(ip).into())),
        Host::Ipv6(ip) => Some(ServerName::IpAddress(std::net::IpAddr::from(ip).into())),
    }
}

fn server_name(value: &Value<'_>, name: &str) -> Option<ServerName<'static>> {
    let read = ServerName::try_from(name.to_owned()).ok();
    if read.is_none() {
        value.problem(format!("`server_name` must be a host name or an IP address, not {name:?}"), "");
    }
    read
}

fn incomplete(at: &Value<'_>, missing: &str) -> Option<UpstreamTls> {
    at.problem(format!("`{}` needs `{missing}` beside it", at.key()), "give both, or neither");
    None
}

/// Whoever is certified in `pem`.
fn roots(pem: &[u8], at: &Value<'_>) -> Option<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for (certificate, which) in chain(pem, at)?.into_iter().zip(1..) {
        if let Err(cause) = roots.add(certificate) {
            at.problem(format!("certificate {which} of `{}` cannot vouch for anybody: {cause}", at.key()), "");
            return None;
        }
    }
    Some(roots)
}

fn identity(pem: &[u8], at: &Value<'_>, key: &[u8], key_at: &Value<'_>) -> Option<CertifiedKey> {
    let chain = chain(pem, at)?;
    let key = match PrivateKeyDer::from_pem_slice(key) {
        Ok(key) => key,
        Err(cause) => {
            key_at.problem(format!("`{}` holds no private key that can be read: {cause}", key_at.key()), PEM);
            return None;
        }
    };
    match CertifiedKey::from_der(chain, key, &default_provider()) {
        Ok(identity) => Some(identity),
        Err(cause) => {
            let instead =
                "the file of the certificate begins with the one that belongs to the key, then comes who signed it";
            at.problem(format!("`client_certificate` and `client_key` cannot be used together: {cause}"), instead);
            None
        }
    }
}

/// The certificates in `pem`, of which there is one at least.
fn chain(pem: &[u8], at: &Value<'_>) -> Option<Vec<CertificateDer<'static>>> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(chain) if !chain.is_empty() => return Some(chain),
        Ok(_) => at.problem(format!("there is no certificate in `{}`", at.key()), PEM),
        Err(cause) => at.problem(format!("a certificate in `{}` cannot be read: {cause}", at.key()), PEM),
    }
    None
}

impl PartialEq for UpstreamTls {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

/// Without the key.
impl fmt::Debug for UpstreamTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamTls")
            .field("own_roots", &self.roots.as_ref().map(|roots| roots.len()))
            .field("has_identity", &self.identity.is_some())
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}
