//! What a configuration may say, and what is said about one that may not.

use std::{fs, path::PathBuf, time::Duration};

use auth_core::{
    jws::Algorithm,
    policy::{Allow, MaxStale},
    principal::Kind,
};
use secrecy::ExposeSecret;

use super::*;
use crate::telemetry::Format;

/// The least that is a configuration.
const LEAST: &str = r#"
[server]
public_url = "https://app.example.com"
[[identity]]
name = "entra"
issuer = "https://login.example.com"
client_id = "candor"
[upstreams.monolith]
endpoints = ["http://127.0.0.1:9000"]
[[routes]]
path = "/"
upstream = "monolith"
allow = ["user"]
"#;

fn environment(name: &str) -> Option<String> {
    (name == "SECRET").then(|| "canary".to_owned())
}

fn read(text: &str) -> Result<Config, Vec<Problem>> {
    parse(text, Path::new("/etc/candor"), &environment)
}

/// Each expectation is `line:column part of the message / part of the suggestion`.
fn check(text: &str, expected: &[&str]) {
    let problems = read(text).err().unwrap_or_default();
    compare(text, &problems, expected);
}

fn compare(text: &str, found: &[Problem], expected: &[&str]) {
    let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), expected.len(), "{text}\n{}", shown.join("\n"));
    for (problem, expected) in found.iter().zip(expected) {
        let (place, rest) = expected.split_once(' ').expect("a place, then a message");
        let (message, suggestion) = rest.split_once(" / ").unwrap_or((rest, ""));
        let fits = format!("{}:{}", problem.line, problem.column) == place
            && problem.message.contains(message)
            && problem.suggestion.as_deref().unwrap_or_default().contains(suggestion);
        assert!(fits, "{text}\nexpected {expected}\nfound {problem}");
    }
}

/// The least configuration with `text` in the place of its `[server]`, `[[identity]]` and so on.
fn with(section: &str, text: &str) -> String {
    LEAST.replacen(section, &format!("{section}\n{text}"), 1)
}

#[test]
fn what_is_not_said_has_the_documented_default() {
    let config = read(LEAST).expect("the least configuration reads");
    assert_eq!(config.warnings, []);
    assert_eq!(config.own_prefix, "/.candor");
    let server = &config.server;
    assert_eq!(server.listen, ["127.0.0.1:8080".parse().expect("an address")]);
    assert_eq!(server.data, PathBuf::from("/etc/candor/data"));
    assert!(server.trusted_proxies.is_empty());
    assert_eq!((server.head_timeout.as_secs(), server.idle_timeout.as_secs()), (10, 75));
    assert_eq!((server.max_target, server.max_head), (8 << 10, 16 << 10));
    assert_eq!(server.public_authority(), "app.example.com");
    assert!(server.is_secure());
    assert_eq!((config.log.format, config.log.level), (Format::Human, tracing::Level::INFO));
    assert_eq!(config.admin.listen, "127.0.0.1:9090".parse().expect("an address"));
    assert_eq!(config.store.sqlite, PathBuf::from("/etc/candor/data/candor.sqlite"));
    assert_eq!(config.sessions.hard_without_refresh, Duration::from_secs(12 * 3600));
    let identity = &config.identity[0];
    assert_eq!((identity.kind, identity.response_mode), (ProviderKind::Oidc, ResponseMode::Query));
    assert_eq!(identity.scopes, ["openid", "profile", "offline_access"]);
    assert_eq!(identity.algorithms, [Algorithm::Rs256]);
    assert_eq!((&*identity.name_claim, &*identity.groups_claim), ("name", "groups"));
    assert!(identity.client_secret.is_none() && identity.prompt.is_none() && identity.ca.is_none());
    assert!(identity.discovery_url.is_none() && identity.endpoint_hosts.is_empty());
    let upstream = &config.upstreams["monolith"];
    assert_eq!(upstream.endpoints[0].as_str(), "http://127.0.0.1:9000/");
    assert_eq!((&upstream.host, &upstream.identity_headers), (&HostHeader::Public, &IdentityHeaders::XAuthRequest));
    assert_eq!((upstream.max_connections, upstream.connect_timeout.as_secs()), (512, 2));
    assert!(!upstream.case_sensitive);
    let route = &config.routes[0];
    assert_eq!((route.on_denial, route.expect, route.asker), (OnDenial::Dispute, None, None));
    assert_eq!((route.response_timeout.as_secs(), route.idle_body_timeout.as_secs()), (30, 30));
    assert_eq!((&route.host, &route.methods, route.max_body), (&None, &None, None));
    assert!(route.login_paths.is_empty() && route.underscore_headers.is_empty() && !route.forward_authorization);
    assert_eq!(route.own_challenges, ["basic"]);
    assert!(route.requirement.may_allow(Kind::User) && !route.requirement.may_allow(Kind::Service));
    assert_eq!(route.requirement.id().0, 0);
}
