//! Keeping one person's answer out of a shared cache in front of us (RFC 9111 §3), where it could be given to another.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::headers::elements;

/// Fields that tell a shared cache more than `Cache-Control` does, or something else, and that it believes before that:
/// surrogates' (Edge Architecture), Akamai's and nginx's. Those of RFC 9213 §3 all end in `-Cache-Control`.
const FOR_SHARED_CACHES: [&str; 3] = ["edge-control", "surrogate-control", "x-accel-expires"];

/// What an upstream says to shared caches alone, and what contradicts `private`.
const FOR_EVERYBODY: [&str; 2] = ["public", "s-maxage"];

/// Takes what an upstream says to shared caches out of an answer, and forbids them to keep it. What it says to the
/// browser stays. Of all answers, whatever their status: a 304 updates what is stored, and 206 is stored too.
pub(super) fn keep_out(headers: &mut HeaderMap) {
    let targeted: Vec<HeaderName> = headers.keys().filter(|name| is_for_shared_caches(name)).cloned().collect();
    for name in targeted {
        headers.remove(name);
    }
    let mut directives = Vec::new();
    let mut kept_out = false;
    for line in headers.get_all(header::CACHE_CONTROL) {
        for directive in elements(line.as_bytes()) {
            let end = directive.iter().position(|byte| matches!(byte, b'=' | b' ' | b'\t')).unwrap_or(directive.len());
            let (name, argument) = directive.split_at(end);
            let is = |word: &str| name.eq_ignore_ascii_case(word.as_bytes());
            match argument {
                _ if FOR_EVERYBODY.into_iter().any(is) => continue,
                // With an argument it forbids to keep these fields, and allows all the rest (RFC 9111 §5.2.2.7).
                [_, ..] if is("private") => continue,
                _ => {}
            }
            kept_out |= is("private") || is("no-store");
            directives.push(directive);
        }
    }
    let mut value = directives.join(&b", "[..]);
    if !kept_out {
        value.extend_from_slice(if value.is_empty() { b"private" } else { b", private" });
    }
    // Its parts were field values, which any join by commas is.
    let value = HeaderValue::from_bytes(&value).unwrap_or(HeaderValue::from_static("no-store"));
    headers.insert(header::CACHE_CONTROL, value);
}

/// Whether no shared cache keeps an answer with these fields: it says `private` (of the whole answer) or `no-store`, and
/// nothing that such a cache believes before that.
pub(crate) fn is_kept_out(headers: &HeaderMap) -> bool {
    let says_so = |line: &HeaderValue| {
        let mut directives = elements(line.as_bytes());
        directives.any(|it| it.eq_ignore_ascii_case(b"private") || it.eq_ignore_ascii_case(b"no-store"))
    };
    !headers.keys().any(is_for_shared_caches) && headers.get_all(header::CACHE_CONTROL).iter().any(says_so)
}

fn is_for_shared_caches(name: &HeaderName) -> bool {
    name.as_str().ends_with("-cache-control") || FOR_SHARED_CACHES.contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(fields: &[(&'static str, &'static str)], expected: &[(&'static str, &'static str)]) {
        let made = |fields: &[(&'static str, &'static str)]| -> HeaderMap {
            let named = |(name, value): &(&'static str, &'static str)| {
                (HeaderName::from_static(name), HeaderValue::from_static(value))
            };
            fields.iter().map(named).collect()
        };
        let mut found = made(fields);
        keep_out(&mut found);
        assert_eq!(found, made(expected), "{fields:?}");
    }

    #[test]
    fn no_shared_cache_keeps_what_was_for_one_person() {
        let check = |said: &'static str, expected: &'static str| {
            check(&[("cache-control", said)], &[("cache-control", expected)]);
        };
        check("", "private");
        check("max-age=60", "max-age=60, private");
        check("public, max-age=60", "max-age=60, private");
        check("Public,S-MaxAge=600 , max-age=60", "max-age=60, private");
        check("s-maxage=600", "private");
        check("no-cache", "no-cache, private");
        check("must-revalidate, immutable", "must-revalidate, immutable, private");
        check("stale-while-revalidate=30", "stale-while-revalidate=30, private");
        // It said so already.
        check("private", "private");
        check("PRIVATE, max-age=0", "PRIVATE, max-age=0");
        check("no-store", "no-store");
        check("No-Store, must-revalidate", "No-Store, must-revalidate");
        // It said two things: the stricter one counts (RFC 9111 §4.2.1).
        check("public, private", "private");
        check("public, no-store, s-maxage=60", "no-store");
        check("private, s-maxage=60", "private");
        // These fields may not be kept, and all else may.
        check("private=\"set-cookie, x-user\", max-age=60", "max-age=60, private");
        check("no-cache=\"set-cookie, private\", public", "no-cache=\"set-cookie, private\", private");
        // Not quite what it seems.
        check("privately, no-storey", "privately, no-storey, private");
        check("ext=\"a, private\"", "ext=\"a, private\", private");
        check("ext=\"a\\\", private\", public", "ext=\"a\\\", private\", private");
        check(",, ,", "private");
    }

    #[test]
    fn whatever_a_shared_cache_believes_before_that_is_gone() {
        for name in [
            "surrogate-control",
            "cdn-cache-control",
            "cloudflare-cdn-cache-control",
            "vercel-cdn-cache-control",
            "x-litespeed-cache-control",
            "akamai-cache-control",
            "edge-control",
            "x-accel-expires",
        ] {
            check(&[(name, "max-age=3600"), ("etag", "\"1\"")], &[("cache-control", "private"), ("etag", "\"1\"")]);
        }
    }

    #[test]
    fn what_is_said_in_several_lines_is_said_once() {
        let said = [("cache-control", "public"), ("cache-control", "max-age=60"), ("cache-control", "private")];
        check(&said, &[("cache-control", "max-age=60, private")]);
        // A cache that knows no Cache-Control is none of HTTP/1.1's; the browser keeps its own time.
        let expires = ("expires", "Thu, 01 Jan 2099 00:00:00 GMT");
        check(&[expires], &[expires, ("cache-control", "private")]);
        check(
            &[("last-modified", "x"), ("vary", "*")],
            &[("last-modified", "x"), ("vary", "*"), ("cache-control", "private")],
        );
    }
}
