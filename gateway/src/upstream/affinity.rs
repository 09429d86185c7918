//! To which endpoint somebody's requests go again and again, where a service keeps sessions in its own memory.
//!
//! No table of who is where: it would be lost with the process, and two gateways would have two. By **principal**, the
//! endpoint follows from who asks (rendezvous hashing: of all endpoints, the one that makes the highest number of the name
//! and its own); if it is ejected, the next highest serves until it is back, and nobody else moves. By **cookie**, the
//! endpoint that sets the service's session cookie is named in a second cookie beside it, of our own; who has the first
//! without the second is placed by its value.

use auth_core::principal::Subject;
use aws_lc_rs::digest::{Context, SHA256};
use http::{HeaderMap, HeaderValue, header};

use crate::headers::cookie_field;

/// What the name of our own cookie begins with, before that of the service's.
const OURS: &str = "candor-at-";

/// Names an endpoint towards browsers: 24 bits of a hash of its address, from which nobody can tell the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EndpointTag(u32);

/// Where somebody's requests belong.
#[derive(Clone, Debug)]
pub(super) struct AffinityKey {
    /// What they are placed by.
    placed_by: [u8; 32],
    /// The endpoint that said so itself.
    bound: Option<EndpointTag>,
}

impl EndpointTag {
    /// That of the endpoint at `address`.
    pub(super) fn of(address: &str) -> Self {
        let digest = hash(&[b"endpoint", address.as_bytes()]);
        Self(u32::from_be_bytes([0, digest[0], digest[1], digest[2]]))
    }

    fn parse(text: &str) -> Option<Self> {
        if text.len() != 6 { None } else { u32::from_str_radix(text, 16).ok().map(Self) }
    }
}

impl AffinityKey {
    /// That of everything that this principal asks.
    pub(super) fn of_principal(subject: &Subject) -> Self {
        Self { placed_by: hash(&[b"principal", subject.issuer.as_bytes(), subject.id.as_bytes()]), bound: None }
    }

    /// That of a request with the cookie `name`, if it has it. Takes our own cookie out.
    pub(super) fn of_cookie(name: &str, headers: &mut HeaderMap) -> Option<Self> {
        let bound = cookie_field::take(headers, &format!("{OURS}{name}"));
        let value = cookie_field::value(headers, name)?;
        let bound = bound.and_then(|bound| EndpointTag::parse(std::str::from_utf8(&bound).ok()?));
        Some(Self { placed_by: hash(&[b"cookie", &value]), bound })
    }

    /// Whether the endpoint of this tag has set the cookie that the request came with.
    pub(super) fn is_bound_to(&self, tag: EndpointTag) -> bool {
        self.bound == Some(tag)
    }

    /// How strongly it is drawn to the endpoint at `address`.
    pub(super) fn weight(&self, address: &str) -> u64 {
        let digest = hash(&[&self.placed_by, address.as_bytes()]);
        u64::from_be_bytes(digest[..8].try_into().unwrap_or_default())
    }

    /// A number that is always the same, in place of a request's turn: who is of an endpoint's share stays of it.
    pub(super) fn turn(&self) -> usize {
        usize::from(u16::from_be_bytes([self.placed_by[0], self.placed_by[1]]))
    }
}

/// If `headers`, of an answer of the endpoint `tag`, set the cookie `name`: sets ours beside it, for the same paths and the
/// same time.
pub(super) fn bind(headers: &mut HeaderMap, name: &str, tag: EndpointTag) {
    let sets = headers.get_all(header::SET_COOKIE).iter().filter(|field| cookie_field::sets(field, name));
    let beside: Vec<_> = sets
        .filter_map(|field| {
            let attributes = field.as_bytes().iter().position(|byte| *byte == b';');
            let attributes = &field.as_bytes()[attributes.unwrap_or(field.len())..];
            let ours = [format!("{OURS}{name}={:06x}", tag.0).as_bytes(), attributes].concat();
            HeaderValue::from_bytes(&ours).ok()
        })
        .collect();
    for field in beside {
        headers.append(header::SET_COOKIE, field);
    }
}

/// A hash of these parts, each with its length.
fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    context.finish().as_ref().try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const ENDPOINTS: [&str; 3] = ["http://10.0.0.1:9000", "http://10.0.0.2:9000", "http://10.0.0.3:9000"];

    fn placed(key: &AffinityKey, endpoints: &[&'static str]) -> &'static str {
        endpoints.iter().copied().max_by_key(|endpoint| key.weight(endpoint)).expect("there is one")
    }

    fn of(person: u32) -> AffinityKey {
        AffinityKey::of_principal(&Subject::new("https://idp.example", person.to_string()))
    }

    #[test]
    fn people_are_spread_and_move_only_if_they_must() {
        let mut at: BTreeMap<&str, u32> = BTreeMap::new();
        for person in 0..3000 {
            let key = of(person);
            let home = placed(&key, &ENDPOINTS);
            *at.entry(home).or_default() += 1;
            assert_eq!(home, placed(&of(person), &ENDPOINTS), "always the same");
            for gone in ENDPOINTS {
                let left: Vec<_> = ENDPOINTS.into_iter().filter(|endpoint| *endpoint != gone).collect();
                let moved = placed(&key, &left) != home;
                assert_eq!(moved, gone == home, "only who was there moves");
            }
        }
        assert!(at.len() == 3 && at.values().all(|count| (850..1150).contains(count)), "{at:?}");
        // What another gateway, or the next release, must find too.
        assert_eq!(of(7).weight(ENDPOINTS[0]), of(7).weight(ENDPOINTS[0]));
    }

    #[test]
    fn a_session_cookie_names_its_endpoint_beside_it() {
        let tag = EndpointTag::of(ENDPOINTS[1]);
        let mut answer = HeaderMap::new();
        let set = |text: &'static str| (header::SET_COOKIE, HeaderValue::from_static(text));
        answer.extend([set("other=1; Path=/"), set("JSESSIONID=abc; Path=/app; HttpOnly; Max-Age=60")]);
        bind(&mut answer, "JSESSIONID", tag);
        let fields: Vec<_> =
            answer.get_all(header::SET_COOKIE).iter().map(|field| field.to_str().expect("text")).collect();
        let ours = format!("candor-at-JSESSIONID={:06x}; Path=/app; HttpOnly; Max-Age=60", tag.0);
        assert_eq!(fields, ["other=1; Path=/", "JSESSIONID=abc; Path=/app; HttpOnly; Max-Age=60", &ours]);

        let mut request = HeaderMap::new();
        let cookies = format!("a=1; candor-at-JSESSIONID={:06x}; JSESSIONID=abc", tag.0);
        request.insert(header::COOKIE, HeaderValue::from_str(&cookies).expect("a value"));
        let key = AffinityKey::of_cookie("JSESSIONID", &mut request).expect("it has the cookie");
        assert!(key.is_bound_to(tag) && !key.is_bound_to(EndpointTag::of(ENDPOINTS[0])));
        assert_eq!(request.get(header::COOKIE).map(HeaderValue::as_bytes), Some(&b"a=1; JSESSIONID=abc"[..]));
    }

    #[test]
    fn without_ours_the_value_places_it_and_without_theirs_nothing_does() {
        let key = |cookies: &'static str| {
            let mut request = HeaderMap::new();
            request.insert(header::COOKIE, HeaderValue::from_static(cookies));
            AffinityKey::of_cookie("SID", &mut request)
        };
        let (one, same, other) = (key("SID=abc"), key("x=1; SID=abc"), key("SID=abd"));
        let weight = |key: &Option<AffinityKey>| key.as_ref().map(|key| key.weight(ENDPOINTS[0]));
        assert!(weight(&one).is_some() && weight(&one) == weight(&same) && weight(&one) != weight(&other));
        assert!(key("x=1").is_none() && key("candor-at-SID=000000").is_none());
        for nonsense in ["candor-at-SID=zzzzzz; SID=a", "candor-at-SID=; SID=a", "candor-at-SID=1234567; SID=a"] {
            assert!(key(nonsense).is_some_and(|key| key.bound.is_none()), "{nonsense}");
        }
    }
}
