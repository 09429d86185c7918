//! Handing out a renewed ticket: the one place that decides which answers may carry it.
//!
//! A ticket is one person's, so it goes out only with an answer that no shared cache keeps: ours, which say `no-store`, or an
//! upstream's that says `private` or `no-store` to every cache. What an upstream says of an answer that anyone may have is
//! not changed for it: the next answer will do. Never with a part or a confirmation of an answer (206, 304), which caches add
//! to what they keep, and never beside a ticket's cookie that is set or taken back for another reason.

use auth_core::{clock::Now, session::Ticket};
use http::{Response, StatusCode, header::SET_COOKIE};

use super::cookies::SetCookie;
use crate::{config::site::Site, headers::cookie_field, upstream::shared_cache};

/// Sets the cookie of `ticket`, if `response` may carry it.
pub(crate) fn hand_out<B>(response: &mut Response<B>, ticket: &Ticket, now: Now, site: &Site) {
    if !may_carry(response, site) {
        return;
    }
    match SetCookie::ticket(ticket, now, site) {
        Ok(cookie) => _ = response.headers_mut().append(SET_COOKIE, cookie.into_header()),
        Err(bad) => tracing::error!("a renewed ticket is {bad}"),
    }
}

fn may_carry<B>(response: &Response<B>, site: &Site) -> bool {
    #[cfg(candor_mutants)]
    if auth_core::mutants::is("renewed-ticket-on-public-answer") {
        return true;
    }
    let status = response.status();
    if status.is_informational() || matches!(status, StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED) {
        return false;
    }
    let sets_it = |field| cookie_field::sets(field, site.ticket_cookie());
    shared_cache::is_kept_out(response.headers()) && !response.headers().get_all(SET_COOKIE).iter().any(sets_it)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::config::site::tests::site;

    fn check(status: u16, fields: &[(&'static str, &'static str)], expected: bool) {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::from_u16(status).expect("a status");
        for (name, value) in fields {
            response.headers_mut().append(*name, HeaderValue::from_static(value));
        }
        assert_eq!(may_carry(&response, &site()), expected, "{status} {fields:?}");
    }

    #[test]
    fn a_ticket_goes_out_only_with_what_no_shared_cache_keeps() {
        let private = ("cache-control", "private");
        check(200, &[private], true);
        check(200, &[("cache-control", "no-store")], true);
        check(503, &[("cache-control", "no-store")], true);
        check(200, &[("cache-control", "max-age=60, private")], true);
        check(200, &[("cache-control", "max-age=60"), private], true);
        check(200, &[], false);
        check(200, &[("cache-control", "public")], false);
        check(200, &[("cache-control", "no-cache")], false);
        check(200, &[("cache-control", "max-age=60")], false);
        check(200, &[("cache-control", "private=\"set-cookie\"")], false);
        check(200, &[("cache-control", "no-cache=\"private\"")], false);
        check(200, &[private, ("surrogate-control", "max-age=60")], false);
        check(200, &[private, ("cdn-cache-control", "max-age=60")], false);
        for status in [101, 206, 304] {
            check(status, &[private], false);
        }
    }

    #[test]
    fn a_ticket_that_is_set_or_taken_back_stays_as_it_is() {
        let no_store = ("cache-control", "no-store");
        check(200, &[no_store, ("set-cookie", "__Host-candor=; Max-Age=0")], false);
        check(200, &[no_store, ("set-cookie", "theirs=1"), ("set-cookie", "__Host-candor=x")], false);
        check(200, &[no_store, ("set-cookie", "theirs=1")], true);
    }
}
