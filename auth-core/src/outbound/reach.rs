//! How far a provider may lead us. A document or a key set that names an address of ours must not make us call it: so
//! the addresses are judged after the name is resolved, where a name cannot lie any more.

use std::{
    future::Future,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
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
use tower::Service;
use url::{Host, Url};

use super::Forbidden;

/// Where an issuer is, and so what it may name.
pub(super) struct Reach {
    issuer: String,
}

/// What kind of place an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Public,
    Private,
    Loopback,
    Never,
}

/// Resolves names, and drops what is out of reach.
#[derive(Clone)]
pub(super) struct Resolver(Arc<Reach>);

/// Connects, TLS included, within one deadline.
#[derive(Clone)]
pub(super) struct Connector {
    https: HttpsConnector<HttpConnector<Resolver>>,
    deadline: Duration,
}

type Pending<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

impl Reach {
    pub(super) fn of(issuer: &Url) -> Self {
        Self { issuer: issuer.host_str().unwrap_or_default().to_owned() }
    }

    /// What can be said before resolving: the scheme, and an address that is written out (which no resolver sees).
    pub(super) fn allows_uri(&self, uri: &Uri) -> Result<(), Forbidden> {
        let host = uri.host().unwrap_or_default();
        let literal = literal(host);
        let loopback = literal.is_some_and(|address| place(address) == Place::Loopback)
            || host == "localhost"
            || host.ends_with(".localhost");
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if loopback => {}
            _ => return Err(Forbidden::Scheme(host.to_owned())),
        }
        let Some(address) = literal else { return Ok(()) };
        match place(address) {
            Place::Public => Ok(()),
            Place::Never => Err(Forbidden::Address(host.to_owned())),
            // The issuer's own host, or another that is written out in the same kind of place. An issuer that is a
            // name may only lead to names here, or to its own address.
            inner if host == self.issuer || self.literal_place() == Some(inner) => Ok(()),
            Place::Loopback if self.issuer == "localhost" || self.issuer.ends_with(".localhost") => Ok(()),
            Place::Private | Place::Loopback => Err(Forbidden::Address(host.to_owned())),
        }
    }

    fn literal_place(&self) -> Option<Place> {
        literal(&self.issuer).map(place)
    }

    /// Of the addresses that `host` resolved to, those in reach.
    async fn within(&self, host: &str, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Forbidden> {
        let places = |addresses: &[SocketAddr]| addresses.iter().map(|a| place(a.ip())).collect::<Vec<_>>();
        let issuer_is_in = if host == self.issuer || places(&found).iter().all(|place| *place == Place::Public) {
            places(&found)
        } else if let Some(place) = self.literal_place() {
            vec![place]
        } else {
            let issuer = tokio::net::lookup_host((self.issuer.as_str(), 0)).await;
            places(&issuer.map(Iterator::collect::<Vec<_>>).unwrap_or_default())
        };
        let in_reach = |address: &SocketAddr| match place(address.ip()) {
            Place::Public => true,
            Place::Never => false,
            inner => issuer_is_in.contains(&inner),
        };
        let found: Vec<_> = found.into_iter().filter(in_reach).collect();
        if found.is_empty() { Err(Forbidden::Address(host.to_owned())) } else { Ok(found) }
    }
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
        let reach = Arc::clone(&self.0);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed = reach.within(name.as_str(), found).await;
            allowed.map(Vec::into_iter).map_err(|forbidden| io::Error::new(io::ErrorKind::PermissionDenied, forbidden))
        })
    }
}

impl Connector {
    pub(super) fn new(reach: Arc<Reach>, tls: ClientConfig, deadline: Duration) -> Self {
        let mut http = HttpConnector::new_with_resolver(Resolver(reach));
        http.enforce_http(false);
        http.set_nodelay(true);
        let https =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(http);
        Self { https, deadline }
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pending<Self::Response, Self::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.https.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        // hyper's own deadline is divided among addresses and leaves TLS out.
        let connecting = tokio::time::timeout(self.deadline, self.https.call(uri));
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
            let reach = Reach::of(&Url::parse(issuer).expect("an issuer"));
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

    #[tokio::test]
    async fn names_are_judged_by_where_they_lead() {
        let at = |ip: &str| SocketAddr::new(ip.parse().expect("an address"), 0);
        let outside = Reach { issuer: "192.0.2.1".to_owned() };
        assert_eq!(outside.within("a.example", vec![at("8.8.8.8")]).await, Ok(vec![at("8.8.8.8")]));
        assert_eq!(outside.within("a.example", vec![at("127.0.0.1"), at("8.8.8.8")]).await, Ok(vec![at("8.8.8.8")]));
        assert!(outside.within("a.example", vec![at("10.0.0.1")]).await.is_err());
        let inside = Reach { issuer: "10.1.1.1".to_owned() };
        assert!(inside.within("a.example", vec![at("10.0.0.1")]).await.is_ok());
        assert!(inside.within("a.example", vec![at("127.0.0.1")]).await.is_err());
        let itself = Reach { issuer: "a.example".to_owned() };
        assert!(itself.within("a.example", vec![at("192.168.0.9")]).await.is_ok());
        assert!(itself.within("a.example", vec![at("169.254.1.1")]).await.is_err());
    }
}
