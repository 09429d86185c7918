//! Header names that are the gateway's to set: who is asking, who vouches for it, and which way the request came.
//!
//! Frameworks map names: CGI and its heirs turn `X-Auth-User`, `X_Auth_User` and `X~Auth~User` into one variable, since
//! they replace every byte that is no letter and no digit by `_`. So a name is ours
//! in every spelling: any case, and any such byte for any other. Each byte counts once, as there: `X--Auth-User` is
//! another variable, and another name.

use http::HeaderName;

/// The names that are ours, with those that the configuration adds.
#[derive(Clone, Debug, Default)]
pub struct Reserved {
    own: Vec<HeaderName>,
}

/// Who is asking, in every naming that a monolith may believe, and what other proxies say about the way.
const NAMES: [&str; 28] = [
    "cf-connecting-ip",
    "client-cert",
    "client-cert-chain",
    "client-ip",
    "fastly-client-ip",
    "forwarded",
    "proxy",
    "remote-addr",
    "remote-email",
    "remote-groups",
    "remote-issuer",
    "remote-kind",
    "remote-name",
    "remote-user",
    "ssl-client-cert",
    "ssl-client-verify",
    "true-client-ip",
    "x-client-cert",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-forwarded",
    "x-host",
    "x-real-ip",
    "x-remote-addr",
    "x-remote-ip",
    "x-remote-user",
    "x-request-id",
    "x-rewrite-url",
];

/// Everything that begins like this is ours too.
const PREFIXES: [&str; 8] = [
    "x-auth-request-",
    "x-authenticated-",
    "x-forwarded-",
    "x-gateway-",
    "x-original-",
    "x-remote-user-",
    "x-ssl-client-",
    "x-webauth-",
];

/// Names that make a framework take the request for one of another method.
const METHOD_OVERRIDES: [&str; 4] = ["x-http-method", "x-http-method-override", "x-method", "x-method-override"];

/// Names that say where a message ends, and `Host`.
const FRAMING: [&str; 4] = ["content-length", "host", "trailer", "transfer-encoding"];

/// Names that are about one connection, whether `Connection` names them or not (RFC 9110 §7.6.1). So are proxy
/// credentials: there is no proxy behind us that they are for.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];

impl Reserved {
    /// The names that are always ours, and `own`: the configuration's own names for identity headers.
    pub fn with(own: impl IntoIterator<Item = HeaderName>) -> Self {
        let mut own: Vec<_> = own.into_iter().collect();
        own.dedup();
        Self { own }
    }

    /// Whether `name` spells one of ours.
    pub fn covers(&self, name: &str) -> bool {
        is_one_of(name, &NAMES)
            || PREFIXES.iter().any(|prefix| starts_like(name, prefix))
            || self.own.iter().any(|own| spells(name, own.as_str()))
    }

    /// Whether `name` spells one of ours with another byte in place of a `-`. Whoever writes the name itself over it, as
    /// another proxy does, leaves this one standing.
    pub fn is_evaded_by(&self, name: &str) -> bool {
        name.bytes().any(|byte| !byte.is_ascii_alphanumeric() && byte != b'-') && self.covers(name)
    }
}

/// Whether `name` spells one of the names by which a client changes the method after it was judged.
pub fn overrides_method(name: &str) -> bool {
    is_one_of(name, &METHOD_OVERRIDES)
}

/// Whether a query has a parameter that changes the method for some framework: `_method` (Symfony, Laravel, Rails), or
/// one of the fields' names (ASP.NET). It is read as leniently as any of them does. Content may hold such a parameter
/// too, and is not read here.
pub fn query_overrides_method(query: &str) -> bool {
    query.split(['&', ';']).flat_map(|part| url::form_urlencoded::parse(part.as_bytes())).any(|(name, _)| {
        let name = name.split(['[', '\0']).next().unwrap_or_default().trim();
        overrides_method(name) || spells(name, "-method")
    })
}

/// Whether `name` spells one of the names that say where a message ends, or `Host`.
pub fn is_framing(name: &str) -> bool {
    is_one_of(name, &FRAMING)
}

/// Whether `name` spells one of the names that are about one connection.
pub fn is_hop_by_hop(name: &str) -> bool {
    is_one_of(name, &HOP_BY_HOP)
}

/// Whether `name` spells one of the framing or of one connection, and is not the name itself. No honest peer sends it.
pub fn is_disguised(name: &str) -> bool {
    let itself = |names: &[&str]| names.iter().any(|one| name.eq_ignore_ascii_case(one));
    (is_framing(name) && !itself(&FRAMING)) || (is_hop_by_hop(name) && !itself(&HOP_BY_HOP))
}

/// Whether two names are one to whoever replaces all but letters and digits.
pub fn are_one(name: &str, other: &str) -> bool {
    spells(name, other)
}

/// Whether `name` spells one that only the gateway says in an answer.
pub fn is_gateways(name: &str) -> bool {
    starts_like(name, "x-gateway-")
}

fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|one| spells(name, one))
}

/// Whether `name` is `plain` in some spelling.
fn spells(name: &str, plain: &str) -> bool {
    name.len() == plain.len() && starts_like(name, plain)
}

fn starts_like(name: &str, plain: &str) -> bool {
    name.len() >= plain.len() && name.bytes().zip(plain.bytes()).all(|(byte, plain)| folded(byte) == folded(plain))
}

/// A byte of a name as CGI and its heirs see it.
fn folded(byte: u8) -> u8 {
    #[cfg(candor_mutants)]
    if auth_core::mutants::is("header-spellings-pass") && !matches!(byte, b'-' | b'_' | b'.') {
        return byte.to_ascii_lowercase();
    }
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_ours_in_every_spelling() {
        let reserved = Reserved::with([HeaderName::from_static("x_legacy-user")]);
        for name in [
            "x-gateway-identity",
            "X-Gateway-Identity",
            "x_gateway_identity",
            "x.gateway.identity",
            "X-Gateway_Identity",
            "x-auth-request-user",
            "X_AUTH_REQUEST_USER",
            "x-auth.request-anything",
            "x-forwarded-for",
            "X_Forwarded_For",
            "x-forwarded-user",
            "forwarded",
            "Forwarded",
            "remote-user",
            "remote-issuer",
            "Remote_Kind",
            "x-auth-request-issuer",
            "x_forwarded_kind",
            "REMOTE_USER",
            "remote.user",
            "x-real-ip",
            "x-request-id",
            "x-original-url",
            "x-rewrite-url",
            "x-legacy-user",
            "X_LEGACY_USER",
            "x.legacy.user",
            "x-legacy~user",
            "proxy",
            "X~Auth~Request~User",
            "x-auth-request'user",
            "Remote'User",
            "remote`user",
            "X|Forwarded^For",
            "x+real$ip",
        ] {
            assert!(reserved.covers(name), "{name}");
            let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            assert_eq!(reserved.is_evaded_by(name), !plain, "{name}");
        }
        for name in [
            "accept",
            "authorization",
            "cookie",
            "host",
            "x-requested-with",
            "x-forwardedfor",
            "user",
            "x-gateway",
            "x-auth-request",
            "x-api-key",
            "remote",
            "x-csrf-token",
            "via",
            "xx-gateway-identity",
            "x-legacy-users",
            "x--auth-request-user",
            "remote--user",
            "remoteuser",
        ] {
            assert!(!reserved.covers(name) && !reserved.is_evaded_by(name), "{name}");
        }
    }

    #[test]
    fn every_byte_of_a_name_that_is_no_letter_and_no_digit_counts_as_a_hyphen() {
        let separators = b"!#$%&'*+-.^_`|~";
        for byte in separators.iter().map(|byte| char::from(*byte)) {
            let spelt = |name: &str| name.replace('-', &byte.to_string());
            let known = HeaderName::from_bytes(spelt("x-a").as_bytes());
            assert!(known.is_ok(), "{byte}: a name on the wire");
            assert!(NAMES.iter().all(|name| Reserved::default().covers(&spelt(name))), "{byte}");
            assert!(PREFIXES.iter().all(|prefix| Reserved::default().covers(&spelt(prefix))), "{byte}");
            assert!(METHOD_OVERRIDES.iter().all(|name| overrides_method(&spelt(name))), "{byte}");
            assert!(FRAMING.iter().all(|name| is_framing(&spelt(name))), "{byte}");
            assert!(HOP_BY_HOP.iter().all(|name| is_hop_by_hop(&spelt(name))), "{byte}");
            assert!(are_one(&spelt("x-user"), "x-user") && is_gateways(&spelt("x-gateway-answer")), "{byte}");
        }
    }

    #[test]
    fn what_changes_the_method_or_the_framing_is_known_in_every_spelling() {
        for name in ["x-http-method-override", "X_HTTP_Method_Override", "x.method", "X-HTTP-Method", "X!HTTP!Method"] {
            assert!(overrides_method(name), "{name}");
        }
        for name in ["transfer-encoding", "Transfer_Encoding", "content.length", "HOST", "Content*Length"] {
            assert!(is_framing(name), "{name}");
        }
        for name in ["keep-alive", "Keep_Alive", "proxy~authorization", "TE", "HTTP2#Settings"] {
            assert!(is_hop_by_hop(name), "{name}");
        }
        for name in ["Transfer_Encoding", "content~length", "keep&alive", "proxy_connection"] {
            assert!(is_disguised(name), "{name}");
        }
        for name in ["Transfer-Encoding", "content-length", "keep-alive", "te", "content-type", "x_legacy"] {
            assert!(!is_disguised(name), "{name}");
        }
        assert!(!overrides_method("x-methods") && !is_framing("content-type"));
    }

    #[test]
    fn a_query_that_names_a_method_is_known_in_every_spelling() {
        for query in [
            "_method=DELETE",
            "a=b&_method=put",
            "a;_method",
            "_METHOD=DELETE",
            "%5fmethod=DELETE",
            "+_method=DELETE",
            ".method=DELETE",
            "_method[]=DELETE",
            "_method%00x=DELETE",
            "X-HTTP-Method-Override=DELETE",
            "x_http_method=DELETE",
        ] {
            assert!(query_overrides_method(query), "{query}");
        }
        for query in ["", "method=DELETE", "_methods=x", "a=_method", "a=b%26_method=x", "the_method=x"] {
            assert!(!query_overrides_method(query), "{query}");
        }
    }
}
