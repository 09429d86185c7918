//! The `Cookie` field, byte for byte: split at `;`, blanks are space and tab, nothing is unquoted or decoded
//! (RFC 6265 §5.4 as browsers send it). Other people's cookies stay exactly as they are.

use auth_core::credential::trim_blanks;
use http::{HeaderMap, HeaderValue, header};

/// The names of our own cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CookieNames {
    /// The ticket's.
    pub ticket: &'static str,
    /// What the name of every pending sign-in's begins with.
    pub pending: &'static str,
}

impl CookieNames {
    /// Whether `name` is one of ours, for any reader: some compare without case.
    pub fn cover(self, name: &[u8]) -> bool {
        let begins = |prefix: &str| {
            name.split_at_checked(prefix.len()).is_some_and(|(start, _)| start.eq_ignore_ascii_case(prefix.as_bytes()))
        };
        name.eq_ignore_ascii_case(self.ticket.as_bytes()) || begins(self.pending)
    }
}

/// Takes our own cookies out, and leaves every other byte where it is.
pub(crate) fn remove_ours(headers: &mut HeaderMap, names: CookieNames) {
    remove(headers, |part| names.cover(name_of(part)));
}

fn remove(headers: &mut HeaderMap, is_ours: impl Fn(&[u8]) -> bool) {
    let fields = headers.get_all(header::COOKIE);
    if !fields.iter().any(|field| field.as_bytes().split(|byte| *byte == b';').any(&is_ours)) {
        return;
    }
    let left: Vec<_> = fields.iter().filter_map(|field| without(field, &is_ours)).collect();
    headers.remove(header::COOKIE);
    for mut field in left {
        field.set_sensitive(true);
        headers.append(header::COOKIE, field);
    }
}

/// The value of the first cookie `name`; of several, browsers send the one of the longest path first.
pub(crate) fn value(headers: &HeaderMap, name: &str) -> Option<Vec<u8>> {
    let fields = headers.get_all(header::COOKIE).iter();
    let mut parts = fields.flat_map(|field| field.as_bytes().split(|byte| *byte == b';'));
    parts.find_map(|part| {
        let is_it = name_of(part) == name.as_bytes();
        let at = part.iter().position(|byte| *byte == b'=').filter(|_| is_it)?;
        Some(trim_blanks(&part[at + 1..]).to_vec())
    })
}

/// Takes the cookie `name` out, and leaves every other byte where it is; its value.
pub(crate) fn take(headers: &mut HeaderMap, name: &str) -> Option<Vec<u8>> {
    let taken = value(headers, name)?;
    remove(headers, |part| name_of(part) == name.as_bytes());
    Some(taken)
}

/// Whether a `Set-Cookie` sets a cookie of ours, for any browser: a nameless `=name=value` has been taken for
/// `name=value` before.
pub(crate) fn sets_ours(field: &HeaderValue, names: CookieNames) -> bool {
    names.cover(name_set_by(field))
}

/// Whether a `Set-Cookie` sets the cookie `name`, for any browser.
pub(crate) fn sets(field: &HeaderValue, name: &str) -> bool {
    name_set_by(field).eq_ignore_ascii_case(name.as_bytes())
}

fn name_set_by(field: &HeaderValue) -> &[u8] {
    let start = field.as_bytes().iter().position(|byte| !byte.is_ascii_whitespace() && *byte != b'=');
    name_of(&field.as_bytes()[start.unwrap_or(field.len())..])
}

fn without(field: &HeaderValue, is_ours: impl Fn(&[u8]) -> bool) -> Option<HeaderValue> {
    let parts: Vec<_> = field.as_bytes().split(|byte| *byte == b';').filter(|part| !is_ours(part)).collect();
    let left = parts.join(&b';');
    let left = left.trim_ascii();
    if left.is_empty() { None } else { HeaderValue::from_bytes(left).ok() }
}

/// The name before the first `=`, or the whole part: a cookie without `=` is a value to some and a name to others.
fn name_of(part: &[u8]) -> &[u8] {
    let end = part.iter().position(|byte| matches!(byte, b'=' | b';')).unwrap_or(part.len());
    trim_blanks(&part[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: CookieNames = CookieNames { ticket: "__Host-candor", pending: "__Host-candor-signin-" };

    fn headers(fields: &[&str]) -> HeaderMap {
        let value = |text: &&str| HeaderValue::from_bytes(text.as_bytes()).expect("a header value");
        fields.iter().map(|text| (header::COOKIE, value(text))).collect()
    }

    #[test]
    fn our_cookies_go_and_the_others_stay_as_they_are() {
        let check = |fields: &[&str], expected: &[&str]| {
            let mut headers = headers(fields);
            remove_ours(&mut headers, OURS);
            let left: Vec<_> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
            let expected: Vec<_> = expected.iter().map(|text| text.as_bytes()).collect();
            assert_eq!(left, expected, "{fields:?}");
        };
        check(&["a=1;b=\"2\" ;  c"], &["a=1;b=\"2\" ;  c"]);
        check(&["__Host-candor=x"], &[]);
        check(&["a=1; __Host-candor=x; b=2"], &["a=1; b=2"]);
        check(&["__Host-candor=x; a=\u{fc};b"], &["a=\u{fc};b"]);
        check(&["a=1; __Host-candor-signin-7=x", "__Host-candor=y", "b"], &["a=1", "b"]);
        check(&["__host-CANDOR=x; a=1; __Host-candor"], &["a=1"]);
        check(
            &["__Host-candora=1; x__Host-candor=2; y=__Host-candor=3"],
            &["__Host-candora=1; x__Host-candor=2; y=__Host-candor=3"],
        );
    }

    #[test]
    fn one_cookie_is_read_or_taken_and_the_others_stay_as_they_are() {
        let mut headers = headers(&["a=1; SID = x=y ;SIDE=2", "SID=second; b"]);
        assert_eq!(value(&headers, "SID").as_deref(), Some(&b"x=y"[..]));
        assert_eq!(value(&headers, "sid"), None, "names have a case");
        assert_eq!(take(&mut headers, "SID").as_deref(), Some(&b"x=y"[..]));
        let left: Vec<_> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
        assert_eq!(left, [&b"a=1;SIDE=2"[..], b"b"]);
        assert_eq!(take(&mut headers, "SID"), None);
    }

    #[test]
    fn a_cookie_of_ours_is_set_by_us_alone() {
        let check = |text: &str, expected: bool| {
            assert_eq!(sets_ours(&HeaderValue::from_str(text).expect("a value"), OURS), expected, "{text}");
        };
        check("__Host-candor=x; Path=/", true);
        check("__host-candor=x", true);
        check(" __Host-candor =x", true);
        check("=__Host-candor=x; Secure", true);
        check("== __Host-candor-signin-1=x", true);
        check("__Host-candor; Path=/", true);
        check("session=__Host-candor=x", false);
        check("a=b; x=__Host-candor", false);
        check("", false);
    }
}
