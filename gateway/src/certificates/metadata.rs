//! What a certificate says of itself (RFC 5280): for whom it is, until when, and whether the others of its chain follow in
//! order. Nothing of this is verified: whoever connects does that.

use std::net::IpAddr;

use auth_core::clock::Timestamp;
use rustls::pki_types::CertificateDer;
use x509_cert::{
    Certificate as X509,
    der::{Decode, asn1::OctetString},
    ext::pkix::{SubjectAltName, name::GeneralName},
};

/// What a certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// The names that it is for, lower case, perhaps with `*` for a first label. Common names count for nothing
    /// (RFC 9525 §6.1).
    pub names: Vec<Box<str>>,
    /// The addresses that it is for.
    pub addresses: Vec<IpAddr>,
    /// From when on it is good.
    pub begins: Timestamp,
    /// Until when.
    pub expires: Timestamp,
    /// Whether each of the chain was issued by the next one (RFC 8446 §4.4.2). Clients may not find their way otherwise.
    pub in_order: bool,
}

impl Metadata {
    /// Reads the first of `chain`.
    ///
    /// # Errors
    /// One of them is no certificate.
    pub(super) fn read(chain: &[CertificateDer<'_>]) -> Result<Self, String> {
        let chain: Vec<X509> =
            chain.iter().map(|der| X509::from_der(der)).collect::<Result<_, _>>().map_err(|cause| cause.to_string())?;
        let Some(own) = chain.first() else { return Err("there is none".to_owned()) };
        let (mut names, mut addresses) = (Vec::new(), Vec::new());
        let alternative = own.tbs_certificate.get::<SubjectAltName>().map_err(|cause| cause.to_string())?;
        for name in alternative.into_iter().flat_map(|(_critical, names)| names.0) {
            match name {
                GeneralName::DnsName(name) => names.push(name.as_str().to_ascii_lowercase().into()),
                GeneralName::IpAddress(address) => addresses.extend(read_address(&address)),
                _ => {}
            }
        }
        let validity = &own.tbs_certificate.validity;
        let moment = |time: &x509_cert::time::Time| {
            Timestamp::from_secs(i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX / 1000))
        };
        let issued = |pair: &[X509]| match pair {
            [one, next] => one.tbs_certificate.issuer == next.tbs_certificate.subject,
            _ => true,
        };
        Ok(Self {
            names,
            addresses,
            begins: moment(&validity.not_before),
            expires: moment(&validity.not_after),
            in_order: chain.windows(2).all(issued),
        })
    }

    /// Whether it is for `host`: a name, or an address with or without brackets. `*` stands for one whole label
    /// (RFC 9525 §6.3).
    pub fn covers(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&host);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return self.addresses.contains(&address);
        }
        let parent = host.split_once('.').map(|(_, parent)| parent);
        self.names.iter().any(|name| match name.strip_prefix("*.") {
            Some(rest) => parent == Some(rest),
            None => **name == *host,
        })
    }

    /// The names and addresses that it is for, for people.
    pub fn subjects(&self) -> String {
        let names = self.names.iter().map(ToString::to_string);
        let all: Vec<_> = names.chain(self.addresses.iter().map(ToString::to_string)).collect();
        if all.is_empty() { "nobody".to_owned() } else { all.join(", ") }
    }
}

/// Four bytes, or sixteen (RFC 5280 §4.2.1.6).
fn read_address(address: &OctetString) -> Option<IpAddr> {
    let bytes = address.as_bytes();
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}
