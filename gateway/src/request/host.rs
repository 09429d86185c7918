//! One host, one spelling: what routes are found by is what upstreams are sent.
//!
//! Servers read a host in more ways than one: case is folded, a dot at the end dropped, an address written short or in
//! hexadecimal. A [`Host`] is in the one form that all of them agree on. What has no such form is no host.

use std::net::Ipv6Addr;

use http::{HeaderValue, uri::Authority};

/// Whom a request was sent to: a name or an address in its canonical form, with at most a port (RFC 9110 §7.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    field: HeaderValue,
    name: Box<str>,
}

/// The longest name (RFC 1035 §2.3.4, without the dot at its end).
const LONGEST: usize = 253;

impl Host {
    /// The host that a field's value names, if it is one.
    pub fn parse(value: &HeaderValue) -> Option<Self> {
        let text = value.to_str().ok()?;
        let (name, port) = match text.rfind(':') {
            Some(at) if !text.ends_with(']') => (&text[..at], Some(port(&text[at + 1..])?)),
            _ => (text, None),
        };
        let name = canonical(name)?;
        let field = match port {
            Some(port) => HeaderValue::try_from(format!("{name}:{port}")),
            None => HeaderValue::from_str(&name),
        };
        Some(Self { field: field.ok()?, name: name.into() })
    }

    /// The host of an absolute address, if it is one; never with a user's name.
    pub fn of(authority: &Authority) -> Option<Self> {
        Self::parse(&HeaderValue::from_str(authority.as_str()).ok()?)
    }

    /// The name or address, without the port: routes know no ports.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The host as a field says it, with its port if one was named.
    pub fn field(&self) -> &HeaderValue {
        &self.field
    }
}

/// The one form of a name or an address, if it has one: lower case, no dot at its end, no empty label; an IPv4 address as
/// four decimal numbers, an IPv6 address in brackets and as RFC 5952 writes it; a label of other letters (RFC 5890) as it
/// reads when it is undone and made again.
///
/// The last is how browsers read a name (WHATWG URL): one that they would change is one that two readers may take for two
/// names.
pub fn canonical(name: &str) -> Option<String> {
    if let Some(address) = name.strip_prefix('[') {
        let address: Ipv6Addr = address.strip_suffix(']')?.parse().ok()?;
        // An IPv4 address within would be another spelling of that.
        return address.to_ipv4_mapped().is_none().then(|| format!("[{address}]"));
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    // `app.example.` names the root of all names explicitly, and so the same as `app.example`.
    let bare = name.strip_suffix('.').unwrap_or(name);
    if bare.len() > LONGEST || !bare.bytes().all(plain) || bare.split('.').any(str::is_empty) {
        return None;
    }
    let lower = bare.to_ascii_lowercase();
    let read = url::Host::parse(&lower).ok()?.to_string();
    #[cfg(candor_mutants)]
    if auth_core::mutants::is("host-keeps-its-dot") {
        return Some(name.to_ascii_lowercase());
    }
    (read == lower).then_some(lower)
}

fn port(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let value = HeaderValue::from_bytes(text.as_bytes()).expect("a header value");
        let host = Host::parse(&value);
        let found = host.as_ref().map(|host| host.field().to_str().expect("ASCII"));
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn a_host_is_a_name_or_an_address_with_at_most_a_port() {
        for host in [
            "app.example",
            "app",
            "my_app.example",
            "r3---sn-x.example",
            "-a.example",
            "127.0.0.1",
            "127.0.0.1:80",
            "[::1]",
            "[::1]:8080",
            "1.example",
            "xn--bcher-kva.example",
        ] {
            check(host, Some(host));
        }
        for host in [
            "",
            ":80",
            "a b",
            "a,b",
            "a, b",
            "me@app.example",
            "app.example/x",
            "app.example:",
            "app.example:x",
            "app.example:0",
            "app.example:99999",
            "app.example:+80",
            "app.example:80:80",
            "::1",
            "[::1",
            "[x]",
            "[::1]x",
            "[fe80::1%25eth0]",
            "[fe80::1%eth0]",
            "a..b",
            ".a",
            ".",
            "a\\b",
            "http://app.example",
            "app.example?x",
            "app.example#x",
            "ä.example",
            "a%2eb",
            "app.example:80 ",
            "[::1]:",
        ] {
            check(host, None);
        }
    }

    #[test]
    fn every_spelling_of_a_host_is_one_host() {
        for name in ["admin.test", "ADMIN.test", "admin.test.", "Admin.Test."] {
            check(name, Some("admin.test"));
        }
        check("admin.test.:080", Some("admin.test:80"));
        check("APP.Example:8443", Some("app.example:8443"));
        check("127.0.0.1.", Some("127.0.0.1"));
        check("[0:0:0:0:0:0:0:1]", Some("[::1]"));
        check("[2001:DB8::0:1]:00443", Some("[2001:db8::1]:443"));
    }

    #[test]
    fn what_another_reader_could_take_for_another_host_is_none() {
        for host in [
            "admin.test..",
            "admin..test",
            "admin.test%2e",
            "admin%2etest",
            "127.1",
            "127.0.1",
            "0x7f.1",
            "0x7f.0.0.1",
            "0177.0.0.1",
            "127.0.0.01",
            "2130706433",
            "0x7f000001",
            "127.0.0.0x1",
            "127.1.",
            "1.2.3.4.5",
            "256.0.0.1",
            "app.0x",
            "[::ffff:127.0.0.1]",
            "xn--admin-.test",
            "xn--.test",
            "xn--Admin-.test",
            "admin.xn--test-",
        ] {
            check(host, None);
        }
    }
}
