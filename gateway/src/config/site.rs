//! What our own addresses and cookies are called here: the part of the configuration that replies need.

use auth_core::sign_in;
use http::HeaderValue;
use url::{Url, form_urlencoded};

use crate::{config::Config, headers::CookieNames};

/// One gateway as its clients name it.
#[derive(Clone, Debug)]
pub struct Site {
    own_prefix: String,
    origin: String,
    host: String,
    secure: bool,
    signs_in: bool,
    hsts: Option<HeaderValue>,
}

/// What a link to our own sign-in says.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoginLink<'a> {
    /// At which provider; `None`: the only one, or the person chooses.
    pub provider: Option<&'a str>,
    /// The address to come back to.
    pub return_to: Option<&'a str>,
    /// Whether it has come to nothing before, for lack of a cookie.
    pub again: bool,
    /// Whether the provider is to let the person choose an account.
    pub select_account: bool,
    /// Whether the provider is to ask whoever has not signed in there just now.
    pub fresh: bool,
    /// Whether somebody who is signed in here already goes straight to `return_to`.
    pub unless_signed_in: bool,
}

impl Site {
    /// The site that `config` describes.
    pub fn new(config: &Config) -> Self {
        let hsts = config.server.tls.hsts.and_then(|hsts| HeaderValue::try_from(hsts.value()).ok());
        let named = Self::of(&config.own_prefix, &config.server.public_url, !config.identity.is_empty());
        Self { hsts, ..named }
    }

    /// A site by its parts: the prefix of our own paths, the public address, and whether people can sign in at all.
    pub fn of(own_prefix: &str, public_url: &Url, signs_in: bool) -> Self {
        Self {
            own_prefix: own_prefix.to_owned(),
            origin: public_url.origin().ascii_serialization(),
            host: public_url.host_str().unwrap_or_default().trim_end_matches('.').to_owned(),
            secure: public_url.scheme() == "https",
            signs_in,
            hsts: None,
        }
    }

    /// `Strict-Transport-Security`, on every answer over TLS of ours.
    pub fn hsts(&self) -> Option<&HeaderValue> {
        self.hsts.as_ref()
    }

    /// The public address without a path, as `Origin` spells it (RFC 6454 §6.2).
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The name or address in the public address, without a port: cookies know no ports (RFC 6265 §8.5).
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether people reach us by https: then cookies are `__Host-` and `Secure`.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Whether there is a provider to sign in with.
    pub fn signs_in(&self) -> bool {
        self.signs_in
    }

    /// The cookie that holds a ticket: bound to this host where browsers can do that (RFC 6265bis §4.1.3.2).
    pub fn ticket_cookie(&self) -> &'static str {
        if self.secure { "__Host-candor" } else { "candor" }
    }

    /// What the name of every cookie of a pending sign-in begins with.
    pub fn pending_cookie_prefix(&self) -> &'static str {
        sign_in::pending_cookie_prefix(self.secure)
    }

    /// The names of both, for whoever reads or removes them.
    pub fn cookies(&self) -> CookieNames {
        CookieNames { ticket: self.ticket_cookie(), pending: self.pending_cookie_prefix() }
    }

    /// One of our own paths: `/.candor/` and `rest`.
    pub fn own(&self, rest: &str) -> String {
        format!("{}/{rest}", self.own_prefix)
    }

    /// The prefix of our own paths, without a closing slash.
    pub fn prefix(&self) -> &str {
        &self.own_prefix
    }

    /// Where signing in begins, with the address to come back to.
    pub fn login(&self, return_to: Option<&str>) -> String {
        self.login_by(&LoginLink { return_to, ..LoginLink::default() })
    }

    /// Where signing in begins as `link` says.
    pub fn login_by(&self, link: &LoginLink<'_>) -> String {
        let LoginLink { provider, return_to, again, select_account, fresh, unless_signed_in } = *link;
        let parameters = [
            ("provider", provider),
            ("return_to", return_to),
            ("again", again.then_some("1")),
            ("select_account", select_account.then_some("1")),
            ("fresh", fresh.then_some("1")),
            ("unless_signed_in", unless_signed_in.then_some("1")),
        ];
        let given = parameters.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish();
        let question_mark = if query.is_empty() { "" } else { "?" };
        format!("{}{question_mark}{query}", self.own("login"))
    }

    /// The address of the plain explanation of `word`.
    pub fn problem(&self, word: &str) -> String {
        format!("{}/problems/{word}", self.own_prefix)
    }

    /// Whether `location` leads to our own sign-in.
    pub fn is_login(&self, location: &HeaderValue) -> bool {
        let Ok(location) = location.to_str() else { return false };
        let path = location.strip_prefix(&self.origin).unwrap_or(location);
        path.strip_prefix(&self.own_prefix)
            .and_then(|rest| rest.strip_prefix("/login"))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['?', '#', '/']))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn site() -> Site {
        Site::of("/.candor", &Url::parse("https://app.example.com").expect("an address"), true)
    }

    #[test]
    fn our_sign_in_is_recognised_however_it_is_written() {
        let check = |location: &str, expected| {
            let value = HeaderValue::from_str(location).expect("a header value");
            assert_eq!(site().is_login(&value), expected, "{location}");
        };
        check("/.candor/login", true);
        check("/.candor/login?return_to=%2F", true);
        check("https://app.example.com/.candor/login?x", true);
        check("https://login.example.net/authorize", false);
        check("/.candor/logins", false);
        check("/.candor/logout", false);
        check("/", false);
    }

    #[test]
    fn a_return_address_is_escaped_whole() {
        assert_eq!(site().login(Some("/a?b=1&c=2#d")), "/.candor/login?return_to=%2Fa%3Fb%3D1%26c%3D2%23d");
        assert_eq!(site().login(None), "/.candor/login");
    }
}
