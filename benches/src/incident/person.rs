//! Somebody in a browser: what signs them out.

use serde::Serialize;

use super::said::Speaker;

/// How a person is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Person {
    /// Their session stands, whether or not a page was served.
    SignedIn,
    /// They were sent to sign in, or their cookie is gone.
    SignedOut,
}

/// What of a page tells whether a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageAnswer {
    /// Its status.
    pub(super) status: u16,
    /// Whether it deletes a cookie.
    pub(super) deletes_cookie: bool,
    /// Who said so.
    pub(super) by: Speaker,
}

impl Person {
    /// The page that people look at where the gateway keeps their sessions.
    pub(super) const PAGE: &'static str = "/app/calendar";

    /// The same where the gateway asks nobody who they are, and the monolith keeps their sessions.
    pub(super) const PAGE_OF_MONOLITH: &'static str = "/open/app/calendar";

    /// How they are after `answer`, or after none.
    pub(super) fn after(self, answer: Option<PageAnswer>) -> Self {
        match answer {
            Some(answer) if answer.signs_out() => Self::SignedOut,
            _ => self,
        }
    }
}

impl PageAnswer {
    /// Their page never redirects but to a sign-in. A 403 of the service's own is about that page: who loads it again is
    /// still signed in. Of the gateway's own it says that it takes them for nobody.
    fn signs_out(self) -> bool {
        self.deletes_cookie
            || match self.status {
                401 | 300..=399 => true,
                403 => self.by == Speaker::Gateway,
                _ => false,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_401_a_redirect_and_a_deleted_cookie_sign_out() {
        use Speaker::{Gateway, Monolith};
        let check = |status, deletes_cookie, by, signs_out: bool| {
            let expected = if signs_out { Person::SignedOut } else { Person::SignedIn };
            let answer = PageAnswer { status, deletes_cookie, by };
            assert_eq!(Person::SignedIn.after(Some(answer)), expected, "{answer:?}");
            assert_eq!(Person::SignedOut.after(Some(answer)), Person::SignedOut, "nobody signs in again by themselves");
        };
        for by in [Gateway, Monolith] {
            for status in [401, 302, 303, 307] {
                check(status, false, by, true);
            }
            for status in [200, 404, 429, 500, 502, 503, 504] {
                check(status, false, by, false);
                check(status, true, by, true);
            }
        }
        check(403, false, Gateway, true);
        check(403, false, Monolith, false);
        check(403, true, Monolith, true);
        assert_eq!(Person::SignedIn.after(None), Person::SignedIn);
        assert_eq!(Person::SignedOut.after(None), Person::SignedOut);
    }
}
