//! Which way a request came: `X-Forwarded-*` and `Forwarded` (RFC 7239), policy from trusted proxies only.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use ipnet::IpNet;

use crate::{fault::BadRequest, request::host::Host};

/// Whose word about the way a request came we take.
#[derive(Clone, Debug, Default)]
pub struct ForwardedPolicy {
    /// The networks of `trusted_proxies`.
    pub proxies: Vec<IpNet>,
    /// Whether `public_url` is https: how people reach us unless a trusted proxy says otherwise.
    pub secure: bool,
}

/// Which way a request came, as far as we believe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// The client's address: the first from the right that is not a trusted proxy's.
    pub client: IpAddr,
    /// From the client to our peer.
    pub hops: Vec<IpAddr>,
    /// The host that the client named.
    pub host: Host,
    /// Whether a trusted proxy stated it; else it is that of `Host`.
    pub host_stated: bool,
    /// Whether the client used https.
    pub secure: bool,
    /// Whether our peer is a trusted proxy.
    pub by_proxy: bool,
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// With any of these, a proxy speaks the older family of fields.
const SAID_BY_MOST: [HeaderName; 3] = [X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO];

/// How a proxy says which way a request came.
#[derive(Clone, Copy)]
enum Family {
    /// `X-Forwarded-*`.
    X,
    /// `Forwarded` (RFC 7239).
    Standard,
}

/// More proxies than this in a row are nobody's set-up.
const MOST_HOPS: usize = 32;

impl ForwardedPolicy {
    /// Whether `address` is a trusted proxy's.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|net| net.contains(&address))
    }
}

impl Forwarded {
    /// Reads which way a request from `peer` to `host` came.
    ///
    /// # Errors
    /// [`BadRequest::Host`] for what a trusted proxy states as the client's host and is none. Its own `Host` does not
    /// stand in for it: that may lead to other routes.
    pub fn of(headers: &HeaderMap, peer: IpAddr, host: Host, policy: &ForwardedPolicy) -> Result<Self, BadRequest> {
        let peer = peer.to_canonical();
        let by_proxy = policy.trusts(peer);
        let mut forwarded =
            Self { client: peer, hops: vec![peer], host, host_stated: false, secure: policy.secure, by_proxy };
        if by_proxy {
            forwarded.apply(headers, policy)?;
        }
        Ok(forwarded)
    }

    /// Whether the client is known to have come by another address than that of `public_host`, by https if `secure`: not
    /// where a trusted proxy may have written `Host` itself.
    pub fn is_elsewhere(&self, public_host: &str, secure: bool) -> bool {
        let host_is_the_clients = self.host_stated || !self.by_proxy;
        (host_is_the_clients && self.host.name() != public_host) || (secure && !self.secure)
    }

    fn apply(&mut self, headers: &HeaderMap, policy: &ForwardedPolicy) -> Result<(), BadRequest> {
        // A proxy that sets one family passes on what its client says in the other.
        let family =
            if SAID_BY_MOST.iter().any(|name| headers.contains_key(name)) { Family::X } else { Family::Standard };
        let stated = match family {
            Family::X => elements(headers, &X_FORWARDED_FOR).map(address).collect(),
            Family::Standard => {
                let hops = elements(headers, &header::FORWARDED);
                hops.map(|element| parameter(element, "for").and_then(address)).collect()
            }
        };
        self.walk(stated, policy);
        let proto = family.last(headers, &X_FORWARDED_PROTO, "proto");
        if let Some(proto) = proto.as_deref() {
            self.secure = match proto.to_ascii_lowercase().as_str() {
                "https" | "wss" => true,
                "http" | "ws" => false,
                _ => self.secure,
            };
        }
        if let Some(host) = family.last(headers, &X_FORWARDED_HOST, "host").filter(|host| !host.is_empty()) {
            let host = HeaderValue::try_from(host).ok().as_ref().and_then(Host::parse);
            self.host = host.ok_or(BadRequest::Host)?;
            self.host_stated = true;
        }
        Ok(())
    }

    /// Goes from our peer towards the client for as long as a trusted proxy vouches for the next step.
    fn walk(&mut self, stated: Vec<Option<IpAddr>>, policy: &ForwardedPolicy) {
        for hop in stated.into_iter().rev().take(MOST_HOPS) {
            let Some(hop) = hop else { break };
            self.client = hop;
            self.hops.insert(0, hop);
            if !policy.trusts(hop) {
                break;
            }
        }
    }

    /// Says which way the request came, in every customary form. What stood there before is gone.
    pub(crate) fn write_to(&self, headers: &mut HeaderMap) {
        let proto = if self.secure { "https" } else { "http" };
        let hops = self.hops.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ");
        put(headers, X_FORWARDED_FOR, &hops);
        put(headers, X_REAL_IP, &self.client.to_string());
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(proto));
        headers.insert(X_FORWARDED_HOST, self.host.field().clone());
        let host = self.host.field().to_str().unwrap_or_default();
        put(headers, X_FORWARDED_PORT, port_of(host).unwrap_or(if self.secure { "443" } else { "80" }));
        let first = format!("for={};host=\"{host}\";proto={proto}", node(self.client));
        let others = self.hops.iter().skip(1).map(|hop| format!(", for={}", node(*hop)));
        put(headers, header::FORWARDED, &std::iter::once(first).chain(others).collect::<String>());
    }
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// An address as `Forwarded` writes it (RFC 7239 §6).
fn node(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("\"[{address}]\""),
    }
}

fn port_of(host: &str) -> Option<&str> {
    host.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.is_empty() && !port.contains(']'))
}

/// The elements of a list field, all its lines in order; an element that is not ASCII is empty.
fn elements<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers.get_all(name).iter().flat_map(|value| value.to_str().unwrap_or_default().split(',')).map(str::trim)
}

impl Family {
    /// The rightmost element of the field `name`, or its parameter there: what the proxy next to us says.
    fn last(self, headers: &HeaderMap, name: &HeaderName, parameter_name: &str) -> Option<String> {
        let element = match self {
            Self::X => elements(headers, name).last(),
            Self::Standard => {
                elements(headers, &header::FORWARDED).last().and_then(|element| parameter(element, parameter_name))
            }
        };
        element.map(str::to_owned)
    }
}

/// One parameter of a `Forwarded` element, without its quotes.
fn parameter<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    element.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

/// An address, with or without a port; "unknown" and invented names are none.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &'static str) -> Host {
        Host::parse(&HeaderValue::from_static(text)).expect("a host")
    }

    fn read(peer: &str, fields: &[(&'static str, &'static str)]) -> Result<Forwarded, BadRequest> {
        let headers: HeaderMap = fields
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let nets = ["10.0.0.0/8", "fd00::/8"].map(|net| net.parse().expect("a network"));
        let policy = ForwardedPolicy { proxies: nets.to_vec(), secure: false };
        Forwarded::of(&headers, peer.parse().expect("an address"), host("app.example"), &policy)
    }

    fn forwarded(peer: &str, fields: &[(&'static str, &'static str)]) -> Forwarded {
        read(peer, fields).expect("a host is stated, or none")
    }

    #[test]
    fn the_client_is_the_first_from_the_right_that_is_no_proxy_of_ours() {
        let check = |peer: &str, field: &'static str, value: &'static str, expected: &str| {
            assert_eq!(forwarded(peer, &[(field, value)]).client.to_string(), expected, "{peer} {field}: {value}");
        };
        let xff = "x-forwarded-for";
        check("192.0.2.1", xff, "203.0.113.9", "192.0.2.1");
        check("10.0.0.1", xff, "203.0.113.9", "203.0.113.9");
        check("10.0.0.1", xff, "6.6.6.6, 203.0.113.9", "203.0.113.9");
        check("10.0.0.1", xff, "6.6.6.6, 203.0.113.9, 10.0.0.2", "203.0.113.9");
        check("10.0.0.1", xff, "10.0.0.3,10.0.0.2", "10.0.0.3");
        check("10.0.0.1", xff, "203.0.113.9, unknown, 10.0.0.2", "10.0.0.2");
        check("10.0.0.1", xff, "", "10.0.0.1");
        check("10.0.0.1", xff, "203.0.113.9:4711", "203.0.113.9");
        check("10.0.0.1", xff, "[2001:db8::1]:4711", "2001:db8::1");
        check("::ffff:10.0.0.1", xff, "::ffff:203.0.113.9", "203.0.113.9");
        check("fd00::1", xff, "2001:db8::1", "2001:db8::1");
        check("10.0.0.1", "forwarded", "for=6.6.6.6, for=\"[2001:db8::1]:80\";proto=https", "2001:db8::1");
        check("10.0.0.1", "forwarded", "for=_hidden", "10.0.0.1");
        check("10.0.0.1", "x-real-ip", "6.6.6.6", "10.0.0.1");
    }

    #[test]
    fn a_proxy_says_how_people_reach_us_and_nobody_else_does() {
        let fields = [("x-forwarded-proto", "https"), ("x-forwarded-host", "public.example")];
        let told = forwarded("10.0.0.1", &fields);
        assert_eq!((told.secure, told.host.name(), told.by_proxy), (true, "public.example", true));
        let stranger = forwarded("192.0.2.1", &fields);
        assert_eq!((stranger.secure, stranger.host.name()), (false, "app.example"));
        let mixed = [("x-forwarded-for", "203.0.113.9"), ("forwarded", "for=6.6.6.6;host=evil.example;proto=https")];
        let told = forwarded("10.0.0.1", &mixed);
        assert_eq!((told.secure, told.host.name()), (false, "app.example"), "a client's own word");
        let standard = forwarded("10.0.0.1", &[("forwarded", "for=203.0.113.9;host=public.example;proto=https")]);
        assert_eq!((standard.secure, standard.host.name()), (true, "public.example"));
        let odd = forwarded("10.0.0.1", &[("x-forwarded-proto", "gopher"), ("x-forwarded-host", "")]);
        assert_eq!((odd.secure, odd.host.name()), (false, "app.example"));
    }

    #[test]
    fn a_client_is_elsewhere_only_if_its_host_is_known_to_be_its_own_word() {
        let check = |peer: &str, fields: &[(&'static str, &'static str)], public: &str, expected: bool| {
            assert_eq!(forwarded(peer, fields).is_elsewhere(public, false), expected, "{peer} {fields:?} {public}");
        };
        check("192.0.2.1", &[], "app.example", false);
        check("192.0.2.1", &[], "public.example", true);
        check("10.0.0.1", &[], "public.example", false);
        check("10.0.0.1", &[("x-forwarded-for", "203.0.113.9")], "public.example", false);
        check("10.0.0.1", &[("x-forwarded-host", "public.example")], "public.example", false);
        check("10.0.0.1", &[("x-forwarded-host", "public.example:8443")], "public.example", false);
        check("10.0.0.1", &[("x-forwarded-host", "other.example")], "public.example", true);
        let by_http = forwarded("10.0.0.1", &[("x-forwarded-proto", "http")]);
        assert!(by_http.is_elsewhere("app.example", true) && !by_http.is_elsewhere("app.example", false));
    }

    #[test]
    fn a_host_that_a_proxy_states_is_that_host_in_every_spelling_or_none() {
        for (name, value) in [
            ("x-forwarded-host", "Public.Example."),
            ("x-forwarded-host", "6.6.6.6, public.example."),
            ("forwarded", "host=evil.example, for=203.0.113.9;host=\"PUBLIC.example.\""),
        ] {
            assert_eq!(forwarded("10.0.0.1", &[(name, value)]).host, host("public.example"), "{value}");
        }
        for (name, value) in [
            ("x-forwarded-host", "a/b"),
            ("x-forwarded-host", "public.example.."),
            ("x-forwarded-host", "public.example%2e"),
            ("x-forwarded-host", "127.1"),
            ("x-forwarded-host", "a:b:c"),
            ("forwarded", "host=\"public.example\\.\""),
        ] {
            assert_eq!(read("10.0.0.1", &[(name, value)]), Err(BadRequest::Host), "{value}");
            assert!(read("192.0.2.1", &[(name, value)]).is_ok(), "a stranger's word: {value}");
        }
    }

    #[test]
    fn upstreams_are_told_what_we_believe() {
        let mut headers = HeaderMap::new();
        forwarded("10.0.0.1", &[("x-forwarded-for", "6.6.6.6, 2001:db8::1, 10.0.0.2"), ("x-forwarded-proto", "https")])
            .write_to(&mut headers);
        let said = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
        assert_eq!(said("x-forwarded-for"), "2001:db8::1, 10.0.0.2, 10.0.0.1");
        assert_eq!(said("x-real-ip"), "2001:db8::1");
        assert_eq!(said("x-forwarded-proto"), "https");
        assert_eq!(said("x-forwarded-host"), "app.example");
        assert_eq!(said("x-forwarded-port"), "443");
        let forwarded = "for=\"[2001:db8::1]\";host=\"app.example\";proto=https, for=10.0.0.2, for=10.0.0.1";
        assert_eq!(said("forwarded"), forwarded);
    }
}
