//! How far a provider may lead us. A document or a key set that names an address of ours must not make us call it: so
//! the addresses are judged after the name is resolved, where a name cannot lie any more.

use std::{
    future::Future,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
    vec,
};

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::{
    client::legacy::connect::{HttpConnector, dns::Name},
    rt::TokioIo,
};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tower_service::Service;
use url::{Host, Url};

use super::Forbidden;

/// Where an issuer is, and so what its documents may name; and what the configuration names beside it.
pub(super) struct Reach {
    issuer: String,
    named: Vec<Named>,
}

/// A place that the configuration names for a provider. The operator's own hand wrote it, so it may be reached on
/// loopback and on private addresses too, wherever the issuer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    host: String,
    /// Any port, if none is named.
    port: Option<u16>,
}

/// What kind of place an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Public,
    Private,
    Loopback,
    Never,
}

/// Who named an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// The configuration.
    Operator,
    /// A document of the provider's.
    Provider,
}

/// Resolves names, and drops what is out of reach.
#[derive(Clone)]
pub(super) struct Resolver {
    reach: Arc<Reach>,
    by: By,
}

/// Connects, TLS included, within one deadline.
#[derive(Clone)]
pub(super) struct Connector {
    reach: Arc<Reach>,
    /// A resolver learns no ports, so there is one for what the configuration names, and one for all else.
    to_named: HttpsConnector<HttpConnector<Resolver>>,
    to_others: HttpsConnector<HttpConnector<Resolver>>,
    deadline: Duration,
}

type Pending<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

impl Named {
    /// An address that the configuration names.
    ///
    /// # Errors
    /// If nothing there can ever be reached: neither https nor on loopback, or a link-local or otherwise special address.
    pub fn address(url: &Url) -> Result<Self, Forbidden> {
        let host = url.host_str().unwrap_or_default();
        is_spoken(url.scheme(), host)?;
        Ok(Self { port: url.port_or_known_default(), ..Self::host(host)? })
    }

    /// A host that the configuration names, with any port.
    ///
    /// # Errors
    /// As [`Named::address`], of its address.
    pub fn host(host: &str) -> Result<Self, Forbidden> {
        match literal(host).map(place) {
            Some(Place::Never) => Err(Forbidden::Address(host.to_owned())),
            Some(Place::Public | Place::Private | Place::Loopback) | None => {
                Ok(Self { host: host.to_owned(), port: None })
            }
        }
    }

    fn is_of(&self, uri: &Uri) -> bool {
        let default = if uri.scheme_str() == Some("http") { 80 } else { 443 };
        uri.host() == Some(&*self.host) && self.port.is_none_or(|port| port == uri.port_u16().unwrap_or(default))
    }
}

impl Reach {
    pub(super) fn of(issuer: &Url, named: Vec<Named>) -> Self {
        Self { issuer: issuer.host_str().unwrap_or_default().to_owned(), named }
    }

    fn named_by(&self, uri: &Uri) -> By {
        if self.named.iter().any(|named| named.is_of(uri)) { By::Operator } else { By::Provider }
    }

    /// What can be said before resolving: the scheme, and an address that is written out (which no resolver sees).
    pub(super) fn allows_uri(&self, uri: &Uri) -> Result<(), Forbidden> {
        let host = uri.host().unwrap_or_default();
        is_spoken(uri.scheme_str().unwrap_or_default(), host)?;
        let Some(address) = literal(host) else { return Ok(()) };
        #[cfg(candor_mutants)]
        if crate::mutants::is("documents-name-anything") {
            return Ok(());
        }
        match place(address) {
            Place::Public => Ok(()),
            Place::Never => Err(Forbidden::Address(host.to_owned())),
            Place::Private | Place::Loopback if self.named_by(uri) == By::Operator => Ok(()),
            // The issuer's own host, or another that is written out in the same kind of place. An issuer that is a
            // name may only lead to names here, or to its own address.
            inner if host == self.issuer || self.literal_place() == Some(inner) => Ok(()),
            Place::Loopback if is_loopback_name(&self.issuer) => Ok(()),
            Place::Private | Place::Loopback => Err(Forbidden::Address(host.to_owned())),
        }
    }

    fn literal_place(&self) -> Option<Place> {
        literal(&self.issuer).map(place)
    }

    /// Of the addresses that `host` resolved to, those in reach.
    async fn within(&self, host: &str, by: By, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Forbidden> {
        let places = |addresses: &[SocketAddr]| addresses.iter().map(|a| place(a.ip())).collect::<Vec<_>>();
        let by_itself =
            by == By::Operator || host == self.issuer || places(&found).iter().all(|place| *place == Place::Public);
        let issuer_is_in = if by_itself {
            places(&found)
        } else if let Some(place) = self.literal_place() {
            vec![place]
        } else {
            let issuer = tokio::net::lookup_host((self.issuer.as_str(), 0)).await;
            places(&issuer.map(Iterator::collect::<Vec<_>>).unwrap_or_default())
        };
        // What is named as this machine is spoken to without TLS, so it must be this machine (RFC 6761 §6.3).
        let only_here = is_loopback_name(host);
        let in_reach = |address: &SocketAddr| match place(address.ip()) {
            Place::Public => !only_here,
            Place::Never => false,
            Place::Private if only_here => false,
            inner => issuer_is_in.contains(&inner),
        };
        let found: Vec<_> = found.into_iter().filter(in_reach).collect();
        if found.is_empty() { Err(Forbidden::Address(host.to_owned())) } else { Ok(found) }
    }
}

/// Only https; http to this machine alone.
fn is_spoken(scheme: &str, host: &str) -> Result<(), Forbidden> {
    let here = || literal(host).is_some_and(|address| place(address) == Place::Loopback) || is_loopback_name(host);
    match scheme {
        "https" => Ok(()),
        "http" if here() => Ok(()),
        _ => Err(Forbidden::Scheme(host.to_owned())),
    }
}

fn is_loopback_name(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost")
}

fn literal(host: &str) -> Option<IpAddr> {
    match Host::parse(host).ok()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

fn place(address: IpAddr) -> Place {
    match address.to_canonical() {
        IpAddr::V4(address) => place_v4(address),
        IpAddr::V6(address) => place_v6(address),
    }
}

fn place_v4(address: Ipv4Addr) -> Place {
    let [first, second, ..] = address.octets();
    let carrier_grade_nat = first == 100 && second & 0b1100_0000 == 64;
    if address.is_loopback() {
        Place::Loopback
    } else if address.is_private() || carrier_grade_nat {
        Place::Private
    } else if first == 0 || first >= 240 || address.is_link_local() || address.is_multicast() || address.is_broadcast()
    {
        Place::Never
    } else {
        Place::Public
    }
}

fn place_v6(address: Ipv6Addr) -> Place {
    // Addresses that carry an IPv4 address inside (NAT64, 6to4) are where that one is.
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => return place_v4(embedded(high, low)),
        [0x2002, high, low, ..] => return place_v4(embedded(high, low)),
        _ => {}
    }
    if address.is_loopback() {
        Place::Loopback
    } else if address.is_unique_local() {
        Place::Private
    } else if address.is_unicast_link_local() || address.is_unspecified() || address.is_multicast() {
        Place::Never
    } else {
        Place::Public
    }
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))
}

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pending<Self::Response, io::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let Self { reach, by } = self.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed = reach.within(name.as_str(), by, found).await;
            allowed.map(Vec::into_iter).map_err(|forbidden| io::Error::new(io::ErrorKind::PermissionDenied, forbidden))
        })
    }
}

impl Connector {
    pub(super) fn new(reach: Arc<Reach>, tls: &ClientConfig, deadline: Duration) -> Self {
        let to = |by| {
            let mut http = HttpConnector::new_with_resolver(Resolver { reach: Arc::clone(&reach), by });
            http.enforce_http(false);
            http.set_nodelay(true);
            let https = HttpsConnectorBuilder::new().with_tls_config(tls.clone()).https_or_http();
            https.enable_http1().wrap_connector(http)
        };
        Self { to_named: to(By::Operator), to_others: to(By::Provider), reach, deadline }
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pending<Self::Response, Self::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        ready!(self.to_named.poll_ready(context)?);
        self.to_others.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        // hyper's own deadline is divided among addresses and leaves TLS out.
        let https = match self.reach.named_by(&uri) {
            By::Operator => &mut self.to_named,
            By::Provider => &mut self.to_others,
        };
        let connecting = tokio::time::timeout(self.deadline, https.call(uri));
        Box::pin(async move { connecting.await? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_known() {
        let check = |address: &str, expected| {
            assert_eq!(place(address.parse().expect("an address")), expected, "{address}");
        };
        for public in ["8.8.8.8", "1.1.1.1", "100.128.0.1", "2606:4700::1111", "64:ff9b::808:808"] {
            check(public, Place::Public);
        }
        for private in ["10.0.0.1", "172.16.9.9", "192.168.1.1", "100.64.0.1", "fd00:ec2::254", "::ffff:10.0.0.1"] {
            check(private, Place::Private);
        }
        for loopback in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"] {
            check(loopback, Place::Loopback);
        }
        for never in ["169.254.169.254", "fe80::1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "240.0.0.1", "::"] {
            check(never, Place::Never);
        }
    }

    #[test]
    fn what_is_written_out_is_judged_before_anything_is_sent() {
        let check = |issuer: &str, target: &str, expected| {
            let reach = Reach::of(&url(issuer), Vec::new());
            assert_eq!(reach.allows_uri(&target.parse().expect("a target")).is_ok(), expected, "{issuer} {target}");
        };
        check("https://idp.example", "https://idp.example/keys", true);
        check("https://idp.example", "http://idp.example/keys", false);
        check("https://idp.example", "https://8.8.8.8/keys", true);
        check("https://idp.example", "https://10.0.0.1/keys", false);
        check("https://idp.example", "https://127.0.0.1/keys", false);
        check("https://idp.example", "http://localhost/keys", true);
        check("https://10.1.1.1", "https://10.0.0.1/keys", true);
        check("https://10.1.1.1", "https://127.0.0.1/keys", false);
        check("https://10.1.1.1", "http://10.1.1.1/keys", false);
        check("http://127.0.0.1:9", "http://127.0.0.2:8/keys", true);
        check("http://127.0.0.1:9", "http://[::1]:8/keys", true);
        check("http://localhost:9", "http://127.0.0.1:8/keys", true);
        check("http://127.0.0.1:9", "https://169.254.169.254/keys", false);
        check("http://169.254.169.254", "http://169.254.169.254/", false);
        check("https://169.254.169.254", "https://169.254.169.254/", false);
        check("https://idp.example", "ftp://idp.example/keys", false);
    }

    #[test]
    fn what_the_configuration_names_is_in_reach_and_its_neighbours_are_not() {
        let named = |addresses: &[&str], hosts: &[&str]| -> Vec<Named> {
            let addresses = addresses.iter().map(|address| Named::address(&url(address)));
            addresses.chain(hosts.iter().map(|host| Named::host(host))).collect::<Result<_, _>>().expect("reachable")
        };
        let beside = named(&["http://127.0.0.1:8081/keys", "https://[fd00::1]/keys"], &["10.0.0.7"]);
        let reach = Reach::of(&url("https://idp.example"), beside);
        let check = |target: &str, expected| {
            assert_eq!(reach.allows_uri(&target.parse().expect("a target")).is_ok(), expected, "{target}");
        };
        check("http://127.0.0.1:8081/keys", true);
        check("http://127.0.0.1:8082/keys", false);
        check("http://127.0.0.1/keys", false);
        check("http://127.0.0.2:8081/keys", false);
        check("https://[fd00::1]/other", true);
        check("https://[fd00::1]:444/keys", false);
        check("https://[fd00::2]/keys", false);
        check("https://10.0.0.7:9443/token", true);
        check("http://10.0.0.7/token", false);
        check("https://10.0.0.8/token", false);
        check("https://169.254.169.254/", false);
    }

    #[test]
    fn what_can_never_be_reached_cannot_be_named() {
        let check = |address: &str, expected| {
            assert_eq!(Named::address(&url(address)).is_ok(), expected, "{address}");
        };
        check("https://10.0.0.1/keys", true);
        check("http://127.0.0.1:4000/keys", true);
        check("http://localhost:4000/keys", true);
        check("http://idp.localhost/keys", true);
        check("http://10.0.0.1/keys", false);
        check("http://idp.example/keys", false);
        check("https://169.254.169.254/keys", false);
        check("https://[fe80::1]/keys", false);
        check("https://0.0.0.0/keys", false);
        check("ftp://idp.example/keys", false);
        assert!(Named::host("169.254.169.254").is_err());
        assert!(Named::host("keys.example").is_ok());
    }

    #[tokio::test]
    async fn names_are_judged_by_where_they_lead() {
        let at = |ip: &str| SocketAddr::new(ip.parse().expect("an address"), 0);
        let issuer = |host: &str| Reach { issuer: host.to_owned(), named: Vec::new() };
        let within =
            async |issuer: &Reach, host: &str, ip: &str| issuer.within(host, By::Provider, vec![at(ip)]).await.is_ok();
        let outside = issuer("192.0.2.1");
        let both = vec![at("127.0.0.1"), at("8.8.8.8")];
        assert_eq!(outside.within("a.example", By::Provider, both).await, Ok(vec![at("8.8.8.8")]));
        assert!(within(&outside, "a.example", "8.8.8.8").await);
        assert!(!within(&outside, "a.example", "10.0.0.1").await);
        let inside = issuer("10.1.1.1");
        assert!(within(&inside, "a.example", "10.0.0.1").await);
        assert!(!within(&inside, "a.example", "127.0.0.1").await);
        let itself = issuer("a.example");
        assert!(within(&itself, "a.example", "192.168.0.9").await);
        assert!(!within(&itself, "a.example", "169.254.1.1").await);
        let named = async |host: &str, ip: &str| outside.within(host, By::Operator, vec![at(ip)]).await.is_ok();
        assert!(named("keys.internal", "10.0.0.1").await);
        assert!(named("keys.internal", "127.0.0.1").await);
        assert!(!named("keys.internal", "169.254.169.254").await);
        assert!(named("keys.localhost", "127.0.0.1").await);
        assert!(!named("keys.localhost", "8.8.8.8").await, "http must not leave this machine");
    }

    fn url(text: &str) -> Url {
        Url::parse(text).expect("a URL")
    }
}
