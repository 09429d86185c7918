//! Addresses that are safe to come back to after signing in.

use http::uri::PathAndQuery;
use url::{Position, Url};

use crate::request::path::{CanonicalPath, folded};

/// A path and query on our own site: nothing else can be named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnTo(String);

/// Longer than this is no address that a person came from; it has to fit into a cookie.
const LONGEST: usize = 2048;

/// Our own paths that would begin or end a session once more.
const NEVER: [&str; 4] = ["/login", "/logout", "/callback", "/verify"];

impl ReturnTo {
    /// The address `text`, if it is a path on `public_url` that every reader takes for one: it begins with one slash,
    /// in every reading; it has no segment that leads upwards; and it names the same origin when it is read as browsers
    /// read it (WHATWG URL). Our own paths (under `own_prefix`) that would begin or end a session once more are none.
    pub fn parse(text: &str, public_url: &Url, own_prefix: &str) -> Option<Self> {
        #[cfg(candor_mutants)]
        if auth_core::mutants::is("any-return-address") {
            return Some(Self(text.to_owned()));
        }
        if text.len() > LONGEST
            || !text.starts_with('/')
            || !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
        {
            return None;
        }
        let before_fragment = text.split('#').next().unwrap_or_default();
        let target = PathAndQuery::try_from(before_fragment.to_owned()).ok()?;
        let path = CanonicalPath::read(&target).ok()?;
        if !path.readings().all(is_on_this_site) || path.readings().any(|reading| ends_or_begins(reading, own_prefix)) {
            return None;
        }
        let url = public_url.join(text).ok()?;
        let same = url.origin() == public_url.origin() && url.username().is_empty() && url.password().is_none();
        let address = &url[Position::BeforePath..];
        (same && is_on_this_site(address.as_bytes())).then(|| Self(address.to_owned()))
    }

    /// The front page.
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// The path and query.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One slash at the start. Two, of either kind, are the start of another host's name to some reader.
fn is_on_this_site(reading: &[u8]) -> bool {
    matches!(reading, [b'/'] | [b'/', b'!'..=b'.' | b'0'..=b'[' | b']'..=0xff, ..])
}

fn ends_or_begins(reading: &[u8], own_prefix: &str) -> bool {
    let reading = folded(reading);
    let rest = reading.strip_prefix(folded(own_prefix.as_bytes()).as_slice());
    rest.is_some_and(|rest| NEVER.iter().any(|never| rest.starts_with(never.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<String> {
        let public_url = Url::parse("https://app.example.com").expect("an address");
        ReturnTo::parse(text, &public_url, "/.candor").map(|address| address.as_str().to_owned())
    }

    #[test]
    fn an_address_on_our_own_site_is_kept() {
        for address in [
            "/",
            "/a",
            "/a/b?c=d&e=/f",
            "/a?next=https://evil.example/",
            "/a#b",
            "/%7Euser/x%2Fy",
            "/a;b=c/d",
            "/a//b",
            "/@me",
            "/a@b.c",
            "/:80",
            "/.candor/me",
            "/.candor/activate?x",
            "/?",
            "/a?b=//c",
            "/%C3%A9",
            "/logout",
        ] {
            assert_eq!(parse(address).as_deref(), Some(address), "{address}");
        }
        assert_eq!(parse("/a\"b|{c}").as_deref(), Some("/a%22b|%7Bc%7D"));
    }

    #[test]
    fn a_hostile_address_is_none() {
        let list = include_str!("hostile_return_addresses.txt");
        let addresses: Vec<_> = list.lines().filter(|line| !line.is_empty() && !line.starts_with("## ")).collect();
        assert!(addresses.len() >= 200, "{}", addresses.len());
        for line in &addresses {
            let address = unescaped(line);
            assert_eq!(parse(&address), None, "{line}");
        }
    }

    #[test]
    fn every_disguise_of_another_host_is_seen_through() {
        let starts = [
            "//", "/\\", "\\/", "\\\\", "///", "/%2f", "/%5c", "/%2F", "/%252f", "/%255C", "/\t/", "/ /", "/;/",
            "/.//", "/..//", "/%2e//", "/;x//", "/.;//",
        ];
        let hosts = [
            "evil.example",
            "evil.example:443",
            "app.example.com@evil.example",
            "app.example.com.evil.example",
            "[::1]",
            "0x7f.1",
            "2130706433",
            "evil\u{3002}example",
        ];
        let ends = ["", "/", "/x?y", "#z", "/%2e%2e"];
        let mut seen = 0;
        for (start, host) in starts.iter().flat_map(|start| hosts.map(|host| (start, host))) {
            for end in ends {
                let address = format!("{start}{host}{end}");
                assert_eq!(parse(&address), None, "{address}");
                seen += 1;
            }
        }
        assert!(seen > 500, "{seen}");
    }

    /// The list writes a character that would not be seen as its code between two broken bars.
    fn unescaped(line: &str) -> String {
        let mut out = String::new();
        let mut rest = line;
        while let Some((before, after)) = rest.split_once('\u{a6}') {
            out.push_str(before);
            let (code, tail) = after.split_once('\u{a6}').expect("a code between two broken bars");
            let code = u32::from_str_radix(code, 16).expect("a hexadecimal code");
            out.push(char::from_u32(code).expect("a character"));
            rest = tail;
        }
        out + rest
    }
}
