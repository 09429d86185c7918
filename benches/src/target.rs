//! Where traffic goes, and where it may not go.

use std::net::SocketAddr;

use tokio::net::lookup_host;
use url::{Host, Url};

/// A place that may be put under load: loopback, or what its user called their own.
#[derive(Clone, Debug)]
pub struct Target {
    /// The address as it was given.
    pub url: Url,
    /// Where its connections go.
    pub address: SocketAddr,
}

/// Why a place is not put under load.
#[derive(Debug, thiserror::Error)]
pub enum TargetFault {
    /// It is no address.
    #[error("{0}: {1}")]
    NoUrl(String, url::ParseError),
    /// It is none that this program can speak to.
    #[error("{0}: only http:// addresses are spoken to")]
    Scheme(Url),
    /// It is somebody's, and nobody said that it is theirs.
    #[error("{0} is not on this machine. If its host is yours to put under load, say --i-own-this {1}")]
    NotOurs(Url, String),
    /// Its host has no address.
    #[error("{0}: {1}")]
    NoAddress(Url, String),
}

impl Target {
    /// Reads `text`. `owned` are the hosts that the user called their own (`--i-own-this`).
    ///
    /// # Errors
    /// It is no `http://` address, or neither on loopback nor owned, or its host is unknown.
    pub async fn read(text: &str, owned: &[String]) -> Result<Self, TargetFault> {
        let url = Url::parse(text).map_err(|error| TargetFault::NoUrl(text.to_owned(), error))?;
        let (Some(host), "http") = (url.host(), url.scheme()) else { return Err(TargetFault::Scheme(url)) };
        let is_owned = owned.iter().any(|owned| owned.eq_ignore_ascii_case(&host.to_string()));
        if !is_loopback(&host) && !is_owned {
            let host = host.to_string();
            return Err(TargetFault::NotOurs(url, host));
        }
        let (host, port) = (host.to_string(), url.port_or_known_default().unwrap_or(80));
        let found = lookup_host((host.trim_matches(['[', ']']), port)).await;
        let address = match found.map(|mut found| found.next()) {
            Ok(Some(address)) => address,
            Ok(None) => return Err(TargetFault::NoAddress(url, "its host has no address".to_owned())),
            Err(error) => return Err(TargetFault::NoAddress(url, error.to_string())),
        };
        // A name that only looks like this machine's is not it.
        if !is_owned && !address.ip().is_loopback() {
            return Err(TargetFault::NotOurs(url, host));
        }
        Ok(Self { url, address })
    }
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
        Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(text: &str, owned: &[&str], expected: Result<&str, &str>) {
        let owned: Vec<String> = owned.iter().map(ToString::to_string).collect();
        let read = Target::read(text, &owned).await;
        let read = read.map(|target| target.address.to_string()).map_err(|fault| fault.to_string());
        assert_eq!(read.as_deref().map_err(|fault| &**fault), expected, "{text}");
    }

    #[tokio::test]
    async fn only_loopback_and_what_is_owned_is_put_under_load() {
        check("http://127.0.0.1:81/x", &[], Ok("127.0.0.1:81")).await;
        check("http://[::1]:81", &[], Ok("[::1]:81")).await;
        check("http://127.9.9.9", &[], Ok("127.9.9.9:80")).await;
        let refusal = "http://192.0.2.1/ is not on this machine. If its host is yours to put under load, say \
                       --i-own-this 192.0.2.1";
        check("http://192.0.2.1", &[], Err(refusal)).await;
        check("http://192.0.2.1", &["192.0.2.2"], Err(refusal)).await;
        check("http://192.0.2.1", &["192.0.2.1"], Ok("192.0.2.1:80")).await;
    }

    #[tokio::test]
    async fn what_is_no_address_is_said() {
        check("127.0.0.1:80", &[], Err("127.0.0.1:80: relative URL without a base")).await;
        check("https://127.0.0.1/", &[], Err("https://127.0.0.1/: only http:// addresses are spoken to")).await;
    }
}
