//! `Host`: exactly one, a name or an address with at most a port (RFC 9110 §7.2).

use std::net::Ipv6Addr;

use http::{HeaderMap, HeaderValue, header};

/// Whom a request was sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    received: HeaderValue,
    lower: Box<str>,
}

impl Host {
    /// The one host that `headers` names, if it is one.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let received = hosts.next()?;
        if hosts.next().is_some() {
            return None;
        }
        Self::parse(received)
    }

    /// A host from a field's value.
    pub fn parse(received: &HeaderValue) -> Option<Self> {
        let text = received.to_str().ok()?;
        let (name, port) = match text.rfind(':') {
            Some(at) if !text.ends_with(']') => (&text[..at], Some(&text[at + 1..])),
            _ => (text, None),
        };
        let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok() && port.bytes().all(|b| b.is_ascii_digit()));
        (is_port && is_name(name)).then(|| Self { received: received.clone(), lower: text.to_ascii_lowercase().into() })
    }

    /// The host in lower case, with its port if one was named.
    pub fn as_str(&self) -> &str {
        &self.lower
    }

    /// The value as it was received.
    pub fn received(&self) -> &HeaderValue {
        &self.received
    }

    /// Whether `authority` names the same, port and all.
    pub fn is(&self, authority: &str) -> bool {
        self.lower.eq_ignore_ascii_case(authority)
    }
}

/// A registered name of plain characters, an IPv4 address, or an IPv6 address in brackets.
fn is_name(name: &str) -> bool {
    if let Some(address) = name.strip_prefix('[') {
        return address.strip_suffix(']').is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let labels = name.strip_suffix('.').unwrap_or(name);
    name.len() <= 255 && name.bytes().all(plain) && labels.split('.').all(|label| !label.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_with_at_most_a_port() {
        let check = |text: &str, expected: Option<&str>| {
            let value = HeaderValue::from_bytes(text.as_bytes()).expect("a header value");
            assert_eq!(Host::parse(&value).map(|host| host.as_str().to_owned()).as_deref(), expected, "{text}");
        };
        for host in
            ["app.example", "app", "app.example.", "my_app.example", "127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:8080"]
        {
            check(host, Some(host));
        }
        check("APP.Example:8443", Some("app.example:8443"));
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
            "app.example:99999",
            "app.example:+80",
            "app.example:80:80",
            "::1",
            "[::1",
            "[x]",
            "[::1]x",
            "a..b",
            ".a",
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
}
