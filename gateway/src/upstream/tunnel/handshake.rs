//! The handshake of a tunnel: what a client may ask for, what the endpoint is asked, and which 101 is believed.
//!
//! Of the protocols that a client offers one goes on: `websocket`, or one that the route names. An endpoint is never
//! asked for anything else, so that no 101 leads to a protocol that nobody allowed: `h2c` least of all, whose requests
//! nobody would judge.

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, header,
    header::{CONNECTION, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, UPGRADE},
    request, response,
};
use url::Url;

use crate::{
    fault::{BadRequest, Fault},
    headers::connection::{elements_of, upgrades_asked},
    route::Route,
};

/// What every server adds to a key before it hashes it (RFC 6455 §1.3).
const KEY_SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The only version of the protocol that has become a standard.
const VERSION: &[u8] = b"13";

/// What a client asks its connection to become.
#[derive(Debug)]
pub(in crate::upstream) enum UpgradeRequest {
    /// A WebSocket (RFC 6455).
    WebSocket(WebSocketHandshake),
    /// Another protocol, which the route names: its token, as the route spells it.
    Other(HeaderValue),
}

/// The client's half of a WebSocket's handshake.
#[derive(Debug)]
pub(in crate::upstream) struct WebSocketHandshake {
    key: HeaderValue,
    /// The subprotocols that it offers.
    offered: Vec<Vec<u8>>,
}

impl UpgradeRequest {
    /// Reads what a request asks to become; `bare`: it has no body. `None` if that is nothing, or nothing that the route
    /// allows: then it goes on as a plain request, as RFC 9110 §7.8 has it.
    ///
    /// # Errors
    /// [`BadRequest::WebSocketHandshake`], [`BadRequest::WebSocketOrigin`].
    pub(in crate::upstream) fn read(
        head: &request::Parts,
        bare: bool,
        route: &Route,
        public: &Url,
    ) -> Result<Option<Self>, Fault> {
        let asked = upgrades_asked(head.version, &head.headers);
        if asked.iter().any(|token| token.eq_ignore_ascii_case(b"websocket")) {
            let handshake = (head.method == Method::GET && bare).then(|| WebSocketHandshake::read(&head.headers));
            let handshake = handshake.flatten().ok_or(Fault::BadRequest(BadRequest::WebSocketHandshake))?;
            if !may_come_from_there(&head.headers, route, public) {
                return Err(Fault::BadRequest(BadRequest::WebSocketOrigin));
            }
            return Ok(Some(Self::WebSocket(handshake)));
        }
        let allowed = |token: &[u8]| route.upgrades.iter().find(|own| own.as_bytes().eq_ignore_ascii_case(token));
        Ok(asked.into_iter().find_map(allowed).filter(|_| bare).map(|own| Self::Other(own.clone())))
    }

    /// Whether it is for a WebSocket.
    pub(in crate::upstream) fn is_websocket(&self) -> bool {
        matches!(self, Self::WebSocket(_))
    }

    /// Asks the endpoint for it, over whatever of the client's is left.
    pub(in crate::upstream) fn write_to(&self, headers: &mut HeaderMap) {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, self.token());
        if let Self::WebSocket(handshake) = self {
            headers.insert(SEC_WEBSOCKET_KEY, handshake.key.clone());
            headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
    }

    /// Whether this 101 is the answer to it.
    ///
    /// # Errors
    /// What is wrong with it, for the log.
    pub(in crate::upstream) fn vet(&self, answer: &HeaderMap) -> Result<(), &'static str> {
        let names = |name: &HeaderName, expected: &[u8]| {
            let mut named = elements_of(answer, name);
            named.next().is_some_and(|first| first.eq_ignore_ascii_case(expected)) && named.next().is_none()
        };
        if !elements_of(answer, &CONNECTION).any(|named| named.eq_ignore_ascii_case(b"upgrade")) {
            return Err("a 101 whose Connection does not name Upgrade");
        }
        if !names(&UPGRADE, self.token().as_bytes()) {
            return Err("a 101 to another protocol than the one that was asked for");
        }
        let Self::WebSocket(handshake) = self else { return Ok(()) };
        #[cfg(candor_mutants)]
        if auth_core::mutants::is("websocket-accept-unread") {
            return Ok(());
        }
        let (accepted, mut accepts) = (handshake.accept(), answer.get_all(SEC_WEBSOCKET_ACCEPT).iter());
        let only = accepts.next().filter(|_| accepts.next().is_none());
        if only.is_none_or(|accept| accept.as_bytes() != accepted.as_bytes()) {
            return Err("a 101 whose Sec-WebSocket-Accept is not that of the key");
        }
        let mut chosen = elements_of(answer, &SEC_WEBSOCKET_PROTOCOL);
        match (chosen.next(), chosen.next()) {
            (None, _) => Ok(()),
            (Some(chosen), None) if handshake.offered.iter().any(|offered| offered == chosen) => Ok(()),
            (Some(_), _) => Err("a 101 to a subprotocol that was not offered"),
        }
    }

    /// Says in a 101 of ours what the client's connection becomes.
    pub(in crate::upstream) fn grant_in(&self, head: &mut response::Parts) {
        let headers = &mut head.headers;
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, self.token());
        headers.remove(header::CONTENT_LENGTH);
    }

    fn token(&self) -> HeaderValue {
        match self {
            Self::WebSocket(_) => HeaderValue::from_static("websocket"),
            Self::Other(token) => token.clone(),
        }
    }
}

impl WebSocketHandshake {
    /// `None` if a client that keeps to RFC 6455 §4.1 would not send it.
    fn read(headers: &HeaderMap) -> Option<Self> {
        let only = |name: HeaderName| {
            let mut values = headers.get_all(name).iter();
            values.next().filter(|_| values.next().is_none())
        };
        let key = only(SEC_WEBSOCKET_KEY)?;
        let is_key = STANDARD.decode(key.as_bytes()).is_ok_and(|key| key.len() == 16);
        let is_version = only(header::SEC_WEBSOCKET_VERSION)?.as_bytes() == VERSION;
        let offered = elements_of(headers, &SEC_WEBSOCKET_PROTOCOL).map(<[u8]>::to_vec).collect();
        (is_key && is_version).then(|| Self { key: key.clone(), offered })
    }

    /// What proves that an endpoint has read the key.
    fn accept(&self) -> String {
        let mut hashed = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
        hashed.update(self.key.as_bytes());
        hashed.update(KEY_SUFFIX);
        STANDARD.encode(hashed.finish())
    }
}

/// Whether the page that opens a WebSocket is one of ours, as far as that matters: browsers open them across sites, and
/// send along the cookies and passwords that they have, of which the page knows nothing. Who shows a token of their own
/// accord comes from wherever they like.
fn may_come_from_there(headers: &HeaderMap, route: &Route, public: &Url) -> bool {
    #[cfg(candor_mutants)]
    if auth_core::mutants::is("websocket-from-any-site") {
        return true;
    }
    let is_bearer =
        |value: &HeaderValue| value.as_bytes().get(..7).is_some_and(|it| it.eq_ignore_ascii_case(b"bearer "));
    let by_itself = headers.contains_key(header::COOKIE)
        || headers.get_all(header::AUTHORIZATION).iter().any(|value| !is_bearer(value));
    if !by_itself {
        return true;
    }
    let mut origins = headers.get_all(ORIGIN).iter();
    let (Some(origin), None) = (origins.next(), origins.next()) else { return false };
    let Some(origin) = origin.to_str().ok().and_then(|text| Url::parse(text).ok()) else { return false };
    let origin = origin.origin();
    origin.is_tuple() && (origin == public.origin() || route.websocket_origins.iter().any(|own| own.origin() == origin))
}

#[cfg(test)]
mod tests {
    use auth_core::policy::Allow;
    use http::Request;

    use super::*;
    use crate::route::tests::route;

    const KEY: (&str, &str) = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    const ACCEPT: (&str, &str) = ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    const UPGRADED: [(&str, &str); 2] = [("connection", "Upgrade"), ("upgrade", "websocket")];

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    fn read(
        method: Method,
        bare: bool,
        fields: &[(&'static str, &'static str)],
    ) -> Result<Option<UpgradeRequest>, Fault> {
        let (mut head, ()) = Request::new(()).into_parts();
        (head.method, head.headers) = (method, headers(fields));
        let route = Route {
            upgrades: vec![HeaderValue::from_static("example/1")],
            websocket_origins: vec!["https://wall.example".parse().expect("an address")],
            ..route(&[Allow::Anyone])
        };
        UpgradeRequest::read(&head, bare, &route, &"https://app.example".parse().expect("an address"))
    }

    fn handshake(more: &[(&'static str, &'static str)]) -> Result<Option<UpgradeRequest>, Fault> {
        let fields = [&UPGRADED[..], &[KEY, ("sec-websocket-version", "13")], more].concat();
        read(Method::GET, true, &fields)
    }

    fn is_bad(read: &Result<Option<UpgradeRequest>, Fault>, expected: BadRequest) -> bool {
        matches!(read, Err(Fault::BadRequest(bad)) if *bad == expected)
    }

    #[test]
    fn a_handshake_is_whole_or_none() {
        assert!(matches!(handshake(&[]), Ok(Some(UpgradeRequest::WebSocket(_)))));
        let version = ("sec-websocket-version", "13");
        let bad: [&[(&str, &str)]; 5] = [
            &[KEY],
            &[version],
            &[KEY, ("sec-websocket-version", "8")],
            &[KEY, KEY, version],
            &[("sec-websocket-key", "c2hvcnQ="), version],
        ];
        for fields in bad {
            let read = read(Method::GET, true, &[&UPGRADED, fields].concat());
            assert!(is_bad(&read, BadRequest::WebSocketHandshake), "{fields:?}");
        }
        let whole = [&UPGRADED[..], &[KEY, version]].concat();
        assert!(is_bad(&read(Method::POST, true, &whole), BadRequest::WebSocketHandshake));
        assert!(is_bad(&read(Method::GET, false, &whole), BadRequest::WebSocketHandshake));
    }

    #[test]
    fn what_a_browser_adds_by_itself_counts_only_from_a_page_of_ours() {
        let check = |fields: &[(&'static str, &'static str)], passes: bool| {
            let read = handshake(fields);
            assert_eq!(read.is_ok(), passes, "{fields:?}");
            assert!(passes || is_bad(&read, BadRequest::WebSocketOrigin), "{fields:?}");
        };
        let cookie = ("cookie", "a=1");
        check(&[("origin", "https://evil.example")], true);
        check(&[("origin", "https://evil.example"), ("authorization", "Bearer x")], true);
        check(&[("origin", "https://evil.example"), ("authorization", "Basic x")], false);
        check(&[cookie], false);
        check(&[cookie, ("origin", "null")], false);
        check(&[cookie, ("origin", "https://evil.example")], false);
        check(&[cookie, ("origin", "http://app.example")], false);
        check(&[cookie, ("origin", "https://app.example:8443")], false);
        check(&[cookie, ("origin", "https://app.example"), ("origin", "https://evil.example")], false);
        check(&[cookie, ("origin", "https://app.example")], true);
        check(&[cookie, ("origin", "https://App.Example:443")], true);
        check(&[cookie, ("origin", "https://wall.example")], true);
    }

    #[test]
    fn of_other_protocols_one_goes_on_that_the_route_names() {
        let asked = |upgrade: &'static str, bare| {
            let read = read(Method::GET, bare, &[("connection", "upgrade"), ("upgrade", upgrade)]);
            read.unwrap_or_else(|fault| panic!("{fault}")).map(|asked| asked.token())
        };
        assert_eq!(asked("h2c, Example/1", true), Some(HeaderValue::from_static("example/1")));
        assert_eq!(asked("h2c", true), None);
        assert_eq!(asked("example/1", false), None, "what follows could be its body, or the protocol");
    }

    #[test]
    fn a_101_is_believed_that_answers_the_very_handshake() {
        let asked = handshake(&[("sec-websocket-protocol", "chat, superchat")]);
        let asked = asked.unwrap_or_else(|fault| panic!("{fault}")).expect("a handshake");
        let check = |fields: &[(&'static str, &'static str)], expected: Result<(), &str>| {
            assert_eq!(asked.vet(&headers(fields)).is_ok(), expected.is_ok(), "{fields:?}");
            if let Err(expected) = expected {
                assert!(asked.vet(&headers(fields)).is_err_and(|why| why.contains(expected)), "{fields:?}");
            }
        };
        let [connection, upgrade] = UPGRADED;
        check(&[connection, upgrade, ACCEPT], Ok(()));
        check(&[connection, upgrade, ACCEPT, ("sec-websocket-protocol", "superchat")], Ok(()));
        check(&[connection, upgrade, ACCEPT, ("sec-websocket-protocol", "other")], Err("not offered"));
        check(&[connection, upgrade, ACCEPT, ("sec-websocket-protocol", "chat, superchat")], Err("not offered"));
        check(&[connection, upgrade], Err("Sec-WebSocket-Accept"));
        check(&[connection, upgrade, ACCEPT, ACCEPT], Err("Sec-WebSocket-Accept"));
        check(&[connection, upgrade, ("sec-websocket-accept", "AAAA")], Err("Sec-WebSocket-Accept"));
        check(&[connection, ("upgrade", "h2c"), ACCEPT], Err("another protocol"));
        check(&[connection, upgrade, ("upgrade", "h2c"), ACCEPT], Err("another protocol"));
        check(&[connection, ACCEPT], Err("another protocol"));
        check(&[upgrade, ACCEPT], Err("Connection"));
    }

    #[test]
    fn the_endpoint_is_asked_for_one_protocol() {
        let asked = handshake(&[]).unwrap_or_else(|fault| panic!("{fault}")).expect("a handshake");
        let mut sent = HeaderMap::new();
        asked.write_to(&mut sent);
        let expected = [("connection", "upgrade"), ("upgrade", "websocket"), KEY, ("sec-websocket-version", "13")];
        assert_eq!(sent, headers(&expected));
    }
}
