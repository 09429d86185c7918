//! The cookies that we set and take back. Taking a ticket back needs an [`Ended`] that names it: an outage has none.

use std::time::Duration;

use auth_core::{clock::Now, credential::CredentialId, refusal_guard::Ended, session::Ticket};
use cookie::{Cookie, SameSite};
use http::HeaderValue;
use secrecy::ExposeSecret;

use crate::config::site::Site;

/// One `Set-Cookie` of ours. Its value is a secret and is never shown.
pub struct SetCookie(HeaderValue);

/// A ticket's cookie that may be forgotten: the credential it holds has ended.
pub struct ClearCookie(());

impl SetCookie {
    /// Keeps a ticket in the browser, for as long as it can live.
    ///
    /// # Errors
    /// [`NotACookie`], if the ticket holds a character that a cookie cannot.
    pub fn ticket(ticket: &Ticket, now: Now, site: &Site) -> Result<Self, NotACookie> {
        Self::holding(ticket.text().expose_secret(), ticket.until().since(now.earlier()), site)
    }

    fn holding(ticket: &str, lifetime: Duration, site: &Site) -> Result<Self, NotACookie> {
        set(site.ticket_cookie(), ticket, lifetime, SameSite::Lax, site)
    }

    /// Keeps a sign-in that has begun. `cross_site`: the provider will answer by a form of its own, which sends no
    /// `SameSite=Lax` cookie (OAuth 2.0 Form Post Response Mode).
    ///
    /// # Errors
    /// [`NotACookie`], if name or value hold a character that a cookie cannot.
    pub fn pending(
        name: &str,
        value: &str,
        lifetime: Duration,
        cross_site: bool,
        site: &Site,
    ) -> Result<Self, NotACookie> {
        // Browsers take SameSite=None from secure sites only.
        let same_site = if cross_site && site.is_secure() { SameSite::None } else { SameSite::Lax };
        set(name, value, lifetime, same_site, site)
    }

    /// Takes back a sign-in that was spent, or is one too many. It is no credential.
    ///
    /// # Errors
    /// [`NotACookie`], if the name is not that of a sign-in.
    pub fn forget_pending(name: &str, site: &Site) -> Result<Self, NotACookie> {
        let prefix = site.pending_cookie_prefix();
        if !name.starts_with(prefix) {
            return Err(NotACookie);
        }
        set(name, "", Duration::ZERO, SameSite::Lax, site)
    }

    /// Takes back the ticket.
    pub fn forget_ticket(_because: ClearCookie, site: &Site) -> Self {
        set(site.ticket_cookie(), "", Duration::ZERO, SameSite::Lax, site).expect("our own name and no value")
    }

    pub(crate) fn into_header(self) -> HeaderValue {
        self.0
    }
}

impl ClearCookie {
    /// The right to forget the cookie that holds the credential `held`; `None` unless it is the one that ended.
    pub fn because(ended: &Ended, held: CredentialId) -> Option<Self> {
        (ended.credential() == held).then_some(Self(()))
    }
}

fn set(name: &str, value: &str, lifetime: Duration, same_site: SameSite, site: &Site) -> Result<SetCookie, NotACookie> {
    let fits =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b';' | b',' | b'"' | b'\\'));
    if name.is_empty() || name.contains('=') || !fits(name) || !fits(value) {
        return Err(NotACookie);
    }
    let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
    let cookie = Cookie::build((name, value))
        .path("/")
        .http_only(true)
        .secure(site.is_secure())
        .same_site(same_site)
        .max_age(cookie::time::Duration::seconds(seconds));
    let mut header = HeaderValue::try_from(cookie.to_string()).map_err(|_| NotACookie)?;
    header.set_sensitive(true);
    Ok(SetCookie(header))
}

/// A name or a value that a cookie cannot hold (RFC 6265 §4.1.1). A mistake of ours.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("not a cookie's name or value")]
pub struct NotACookie;

impl std::fmt::Debug for SetCookie {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SetCookie(..)")
    }
}

impl std::fmt::Debug for ClearCookie {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClearCookie")
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::config::site::tests::site;

    fn text(cookie: SetCookie) -> String {
        cookie.into_header().to_str().expect("ASCII").to_owned()
    }

    #[test]
    fn a_ticket_is_for_this_host_alone() {
        let cookie = SetCookie::holding("abc", Duration::from_secs(60), &site()).expect("a cookie");
        assert_eq!(text(cookie), "__Host-candor=abc; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=60");
        let plain = Site::of("/.candor", &Url::parse("http://127.0.0.2:8080").expect("an address"), true);
        let cookie = SetCookie::holding("abc", Duration::from_secs(60), &plain).expect("a cookie");
        assert_eq!(text(cookie), "candor=abc; HttpOnly; SameSite=Lax; Path=/; Max-Age=60");
    }

    #[test]
    fn only_a_form_post_needs_a_cookie_across_sites() {
        let cookie =
            |cross| SetCookie::pending("__Host-candor-signin-x", "v", Duration::from_secs(600), cross, &site());
        assert!(text(cookie(true).expect("a cookie")).contains("SameSite=None; Secure"));
        assert!(text(cookie(false).expect("a cookie")).contains("SameSite=Lax"));
    }

    #[test]
    fn a_sign_in_is_forgotten_by_its_own_name_only() {
        assert!(SetCookie::forget_pending("__Host-candor", &site()).is_err());
        assert!(SetCookie::forget_pending("session", &site()).is_err());
        let cookie = SetCookie::forget_pending("__Host-candor-signin-x", &site()).expect("a cookie");
        assert!(text(cookie).ends_with("Max-Age=0"));
    }

    #[test]
    fn no_value_can_add_an_attribute() {
        for value in ["a; Domain=example.com", "a\r\nx: y", "a,b", "\"a\""] {
            assert!(SetCookie::holding(value, Duration::ZERO, &site()).is_err(), "{value}");
        }
    }
}
