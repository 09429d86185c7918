//! Header names that are the gateway's to set: who is asking, who vouches for it, and which way the request came.
//!
//! Frameworks map names: CGI and its heirs turn `X-Auth-User`, `X_Auth_User` and `X.Auth.User` into one variable. So a
//! name is ours in every spelling: any case, and `_` or `.` for `-`.

use http::HeaderName;

/// The names that are ours, with those that the configuration adds.
#[derive(Clone, Debug, Default)]
pub struct Reserved {
    own: Vec<HeaderName>,
}

/// Who is asking, in every naming that a monolith may believe, and what other proxies say about the way.
const NAMES: [&str; 26] = [
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
}

/// Whether `name` spells one of the names by which a client changes the method after it was judged.
pub fn overrides_method(name: &str) -> bool {
    is_one_of(name, &METHOD_OVERRIDES)
}

/// Whether `name` spells one of the names that say where a message ends, or `Host`.
pub fn is_framing(name: &str) -> bool {
    is_one_of(name, &FRAMING)
}

/// Whether `name` spells one that only the gateway says in an answer.
pub fn is_gateways(name: &str) -> bool {
    starts_like(name, "x-gateway-")
}

fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|one| spells(name, one))
}

/// Whether `name` is `plain` (lower case, with `-`) in some spelling.
fn spells(name: &str, plain: &str) -> bool {
    name.len() == plain.len() && starts_like(name, plain)
}

fn starts_like(name: &str, plain: &str) -> bool {
    name.len() >= plain.len()
        && name.bytes().zip(plain.bytes()).all(|(byte, plain)| match plain {
            // A name of the configuration's own may itself hold the other two.
            b'-' | b'_' | b'.' => matches!(byte, b'-' | b'_' | b'.'),
            _ => byte.eq_ignore_ascii_case(&plain),
        })
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
            "REMOTE_USER",
            "remote.user",
            "x-real-ip",
            "x-request-id",
            "x-original-url",
            "x-rewrite-url",
            "x-legacy-user",
            "X_LEGACY_USER",
            "x.legacy.user",
            "proxy",
        ] {
            assert!(reserved.covers(name), "{name}");
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
        ] {
            assert!(!reserved.covers(name), "{name}");
        }
    }

    #[test]
    fn what_changes_the_method_or_the_framing_is_known_in_every_spelling() {
        for name in ["x-http-method-override", "X_HTTP_Method_Override", "x.method", "X-HTTP-Method"] {
            assert!(overrides_method(name), "{name}");
        }
        for name in ["transfer-encoding", "Transfer_Encoding", "content.length", "HOST"] {
            assert!(is_framing(name), "{name}");
        }
        assert!(!overrides_method("x-methods") && !is_framing("content-type"));
    }
}
