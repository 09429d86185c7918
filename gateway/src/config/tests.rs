//! What a configuration may say, and what is said about one that may not.

use std::{fs, path::PathBuf, time::Duration};

use auth_core::{
    idp::{Prompt, ResponseMode},
    jws::Algorithm,
    outbound::Named,
    policy::{Allow, Attribute},
    principal::{
        Kind, UserClaim,
        stated::{Absence, WhenAbsent},
    },
    session::RenewalPolicy,
};
use secrecy::ExposeSecret;
use url::Url;

use super::*;
use crate::{limits::Allowance, request::path::NameRules, telemetry::Format};

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

pub(super) fn read(text: &str) -> Result<Config, Vec<ConfigProblem>> {
    parse(text, Path::new("/etc/candor"), Secrets::Read(&environment))
}

/// Each expectation is `line:column part of the message / part of the suggestion`.
pub(super) fn check(text: &str, expected: &[&str]) {
    let problems = read(text).err().unwrap_or_default();
    compare(text, &problems, expected);
}

pub(super) fn compare(text: &str, found: &[ConfigProblem], expected: &[&str]) {
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
    compare(LEAST, &config.warnings, &["2:2 every client will seem to be that / trusted_proxies"]);
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
    assert_eq!(config.store.address.to_string(), "/etc/candor/data/candor.sqlite");
    assert_eq!(config.sessions.hard_without_refresh, Duration::from_secs(12 * 3600));
    assert_eq!(config.sessions.renewal, RenewalPolicy::default());
    assert_eq!(config.sessions.sign_in_limit, Allowance { at_once: 60, per_minute: 120 });
    let identity = &config.identity[0];
    assert_eq!((identity.kind, identity.response_mode), (ProviderKind::Oidc, ResponseMode::Query));
    assert_eq!(identity.scopes, ["openid", "profile", "email"]);
    assert_eq!(identity.algorithms, [Algorithm::Rs256]);
    assert_eq!(identity.absence, Absence { groups: WhenAbsent::Unknown, roles: WhenAbsent::Unknown });
    assert_eq!((&*identity.name_claim, &*identity.groups_claim), ("name", "groups"));
    assert_eq!(identity.user_claim, UserClaim::Subject);
    assert!(identity.client_secret.is_none() && identity.prompt.is_none() && identity.ca.is_none());
    assert!(identity.discovery_url.is_none() && identity.endpoint_hosts.is_empty());
    let upstream = &config.upstreams["monolith"];
    assert_eq!(upstream.endpoints[0].as_str(), "http://127.0.0.1:9000/");
    assert_eq!((&upstream.host, &upstream.identity_headers), (&HostHeader::Public, &IdentityHeaders::XAuthRequest));
    assert_eq!((upstream.max_connections, upstream.connect_timeout.as_secs()), (512, 2));
    assert!(upstream.reuse_after_body);
    assert_eq!(upstream.names, NameRules::AnyCase);
    let route = &config.routes[0];
    assert_eq!((route.on_denial, route.expect, route.client_kind), (OnDenial::Dispute, None, None));
    assert_eq!((route.response_timeout.as_secs(), route.idle_body_timeout.as_secs()), (30, 30));
    assert_eq!((&route.host, &route.methods, route.max_body), (&None, &None, None));
    assert!(route.login_paths.is_empty() && route.underscore_headers.is_empty() && !route.forward_authorization);
    assert!(route.own_challenges.is_empty());
    assert_eq!(route.cache, Cache::Private);
    assert!(config.forward_auth.listen.is_empty());
    assert!(route.requirement.may_allow(Kind::User) && !route.requirement.may_allow(Kind::Service));
    assert_eq!(route.requirement.id().0, 0);
}

#[test]
fn what_is_said_is_taken() {
    let text = r#"
own_prefix = "/auth"
[server]
listen = ["127.0.0.1:0", "[::1]:8443"]
public_url = "http://localhost:8080"
data = "/var/lib/candor"
trusted_proxies = ["10.0.0.0/8", "192.0.2.7"]
head_timeout = "1s"
idle_timeout = "1m30s"
max_target = "4KiB"
max_head = "32KiB"
[log]
format = "json"
level = "debug"
[admin]
listen = "127.0.0.1:0"
[forward_auth]
listen = ["127.0.0.1:9091", "[::1]:0"]
[store]
[sessions]
hard_without_refresh = "8h"
[[identity]]
name = "one"
kind = "entra"
issuer = "https://login.microsoftonline.com/11111111-1111-1111-1111-111111111111/v2.0"
client_id = "candor"
client_secret = { env = "SECRET" }
scopes = ["openid", "offline_access"]
prompt = "consent"
discovery_url = "https://meta.example.com/x"
algorithms = ["ES256", "EdDSA"]
endpoint_hosts = ["Keys.Example.com"]
name_claim = "preferred_username"
groups_claim = "roles"
groups_when_absent = "none"
roles_when_absent = "unknown"
response_mode = "form_post"
[[bearer]]
issuer = "https://programs.example.com"
audience = ["c"]
[[bearer]]
issuer = "http://127.0.0.1:4000"
audience = ["a", "b"]
algorithms = ["PS512"]
roles_when_absent = "none"
leeway = "0s"
kind = "user"
jwks_uri = "http://localhost:4000/keys"
[upstreams.monolith]
endpoints = ["http://monolith.internal:9000"]
host = "endpoint"
max_connections = 7
connect_timeout = "300ms"
identity_headers = { user = "X-User", groups = "x-groups" }
case_sensitive = true
reuse_after_body = false
[upstreams.other]
endpoints = ["http://[::1]:9001"]
host = "legacy.example.com:8000"
identity_headers = "remote-user"
[[routes]]
path = "/api/"
host = "LOCALHOST."
methods = ["GET", "PUT"]
upstream = "monolith"
allow = ["user", "service", "group:staff", "role:Reader", "tenant:t1"]
on_denial = "dispute"
expect = "json"
max_stale = "0s"
response_timeout = "400ms"
idle_body_timeout = "2s"
login_paths = ["/login"]
max_body = "10MiB"
client_kind = "device"
forward_authorization = true
underscore_headers = ["X_Legacy"]
[[routes]]
path = "/api"
host = "localhost"
methods = ["POST"]
upstream = "other"
allow = ["anyone"]
on_denial = "pass"
cache = "pass"
[[routes]]
path = "/wiki/"
upstream = "other"
allow = ["user"]
own_challenges = ["Digest"]
"#;
    let config = read(text).expect("everything that exists reads");
    let entra =
        "any of http://127.0.0.1:4000 and https://login.microsoftonline.com/11111111-1111-1111-1111-111111111111/v2.0";
    let all = &format!("{entra} and https://programs.example.com").replace("any of ", "");
    let expected = [
        "22:1 over http, browsers send no cookie".to_owned(),
        "49:12 `monolith` cannot tell subjects of several issuers apart / `issuer`".to_owned(),
        format!("66:29 {entra} can say `group:staff` / {{ group = \"staff\", from = \"one\" }}"),
        format!("66:44 any of {all} can say `role:Reader` / {{ role = \"Reader\", from ="),
        format!("66:59 any of {all} can say `tenant:t1`"),
    ];
    compare(text, &config.warnings, &expected.each_ref().map(String::as_str));
    assert_eq!(config.own_prefix, "/auth");
    let server = &config.server;
    assert_eq!(server.listen.len(), 2);
    assert_eq!(
        (server.data.as_path(), server.public_authority()),
        (Path::new("/var/lib/candor"), "localhost:8080".into())
    );
    assert!(!server.is_secure());
    let networks: Vec<String> = server.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["10.0.0.0/8", "192.0.2.7/32"]);
    assert_eq!((server.head_timeout.as_secs(), server.idle_timeout.as_secs()), (1, 90));
    assert_eq!((server.max_target, server.max_head), (4 << 10, 32 << 10));
    assert_eq!((config.log.format, config.log.level), (Format::Json, tracing::Level::DEBUG));
    assert_eq!(config.sessions.hard_without_refresh.as_secs(), 8 * 3600);
    let identity = &config.identity[0];
    assert_eq!((identity.kind, identity.response_mode), (ProviderKind::Entra, ResponseMode::FormPost));
    assert_eq!(identity.absence, Absence { groups: WhenAbsent::None, roles: WhenAbsent::Unknown });
    assert_eq!(config.bearer[1].absence, Absence { groups: WhenAbsent::Unknown, roles: WhenAbsent::None });
    assert_eq!(identity.client_secret.as_ref().map(ExposeSecret::expose_secret), Some("canary"));
    assert_eq!(identity.algorithms, [Algorithm::Es256, Algorithm::EdDsa]);
    assert_eq!(
        (identity.prompt, &identity.endpoint_hosts[..]),
        (Some(Prompt::Consent), &["keys.example.com".into()][..])
    );
    let bearer = &config.bearer[1];
    assert_eq!((config.bearer[0].kind, config.bearer[0].leeway.as_secs()), (Kind::Service, 30));
    assert_eq!((bearer.kind, bearer.leeway, bearer.algorithms[0]), (Kind::User, Duration::ZERO, Algorithm::Ps512));
    assert_eq!((&bearer.audience[..], bearer.jwks_uri.is_some()), (&["a".to_owned(), "b".to_owned()][..], true));
    let (monolith, other) = (&config.upstreams["monolith"], &config.upstreams["other"]);
    assert!(!monolith.reuse_after_body);
    assert_eq!(
        (&monolith.host, monolith.max_connections, monolith.names),
        (&HostHeader::Endpoint, 7, NameRules::ByCase)
    );
    let IdentityHeaders::Named(named) = &monolith.identity_headers else { panic!("it has names of its own") };
    assert_eq!((named.user.as_ref().map(|it| it.as_str()), &named.email), (Some("x-user"), &None));
    assert!(matches!(&other.host, HostHeader::Literal(host) if host == "legacy.example.com:8000"));
    assert_eq!(other.identity_headers, IdentityHeaders::RemoteUser);
    let route = &config.routes[0];
    assert_eq!(
        (route.host.as_deref(), route.expect, route.max_body),
        (Some("localhost"), Some(Expect::Json), Some(10 << 20))
    );
    assert_eq!((route.client_kind, route.forward_authorization), (Some(RouteClientKind::Device), true));
    assert_eq!((route.response_timeout.as_millis(), route.idle_body_timeout.as_millis()), (400, 2000));
    assert_eq!((&config.routes[2].own_challenges[0][..], &route.login_paths[0][..]), ("digest", "/login"));
    assert_eq!((route.cache, config.routes[1].cache), (Cache::Private, Cache::Pass));
    assert_eq!(config.forward_auth.listen.len(), 2);
    assert_eq!(route.underscore_headers[0].as_str(), "x_legacy");
    let expected = [
        Allow::kind(Kind::User),
        Allow::kind(Kind::Service),
        Allow::group("staff"),
        Allow::role("Reader"),
        Allow::tenant("t1"),
    ];
    assert_eq!(route.requirement.allow(), expected);
    assert!(config.routes[1].requirement.is_open());
    assert_eq!(config.routes[1].on_denial, OnDenial::Pass);
}

#[test]
fn keys_that_do_not_exist_are_refused_wherever_they_are() {
    check(&with("[server]", "lisen = []"), &["3:1 [server] has no key `lisen` / did you mean `listen`?"]);
    check(&with("[[identity]]", "colour = 1"), &["5:1 [[identity]] has no key `colour` / its keys are name, kind"]);
    check(&with("[upstreams.monolith]", "hosts = 1"), &["9:1 [upstreams.monolith] has no key `hosts` / `host`?"]);
    check(&with("[[routes]]", "paths = 1"), &["11:1 [[routes]] has no key `paths` / `path`?"]);
    check(&format!("{LEAST}[serve]\n"), &["14:2 the file has no key `serve` / did you mean `server`?"]);
    check(&format!("{LEAST}[log]\nlevle = 1\n"), &["15:1 [log] has no key `levle` / did you mean `level`?"]);
    check(&format!("\nx = 1{LEAST}"), &["2:1 the file has no key `x` / its keys are own_prefix"]);
}

#[test]
fn how_sessions_are_renewed_is_said_in_time() {
    let said = |text: &str| format!("{LEAST}[sessions]\n{text}\n");
    let config =
        read(&said("renew = \"10m\"\nrenew_grace = \"0s\"\nrenew_wait = \"1s\"\nhard = \"2d\"")).expect("good");
    let seconds = Duration::from_secs;
    let RenewalPolicy { renew, grace, wait, hard } = config.sessions.renewal;
    assert_eq!([renew, grace, wait, hard], [seconds(600), seconds(0), seconds(1), seconds(2 * 86_400)]);
    check(&said("renew = \"0s\""), &["15:9 `renew` must be from 1s to"]);
    check(&said("renew_wait = \"1m\""), &["15:14 `renew_wait` must be from 0"]);
    check(&said("hard = \"31d\""), &["15:8 `hard` must be from 1m to 30d"]);
}

#[test]
fn what_is_not_built_yet_is_said_and_not_taken() {
    check(
        &format!("{LEAST}[store]\ndatabase = \"postgres://x\"\n"),
        &["15:1 `database` is not built yet in [store] / leave it out"],
    );
    check(&format!("{LEAST}[store]\ndatabase = \"postgres://u:canary@h/d\"\n"), &["15:1 `database` is not built yet"]);
    check(&format!("{LEAST}[admin]\npublic_url = \"\"\n"), &["15:1 `public_url`"]);
    let endpoint = |text| LEAST.replace("[\"http://127.0.0.1:9000\"]", text);
    check(&endpoint("[\"http://a\", \"http://b\", \"http://a/\"]"), &["9:38 this endpoint is named twice"]);
    check(&endpoint("[]"), &["9:13 `endpoints` is empty"]);
    let many: Vec<_> = (1..=65).map(|port| format!("\"http://a:{port}\"")).collect();
    check(&endpoint(&format!("[{}]", many.join(", "))), &["9:965 an upstream has at most 64 endpoints"]);
    let issuer = |tenant| LEAST.replace("login.example.com", &format!("login.microsoftonline.com/{tenant}/v2.0"));
    check(&issuer("common"), &["6:10 `common` stands for many tenants, which is not built yet"]);
    check(&issuer("organizations"), &["6:10 `organizations` stands for many"]);
    check(&issuer("<tenant>"), &["6:10 `issuer` still has a placeholder"]);
    check(&issuer("contoso"), &[]);
}

#[test]
fn who_is_marked_for_other_origins_names_them() {
    let route = |text: &str| with("[[routes]]", text);
    check(&route("cors = \"pass\""), &["11:8 `cors` needs `cors_origins`"]);
    check(&route("cors_origins = [\"https://a.example\"]"), &["11:16 `cors_origins` does nothing by itself"]);
    let origins = |origins| route(&format!("cors = \"pass\"\ncors_origins = [{origins}]"));
    check(&origins("\"https://a.example\", \"http://localhost:3000/\""), &[]);
    check(&origins("\"https://a.example/app\""), &["12:17 an origin is a scheme and a host, nothing more"]);
    check(&origins("\"*\""), &["12:17 "]);
    check(&origins("\"null\""), &["12:17 "]);
    check(&route("cors = \"all\"\ncors_origins = [\"https://a.example\"]"), &["11:8 "]);
}

#[test]
fn userinfo_is_asked_for_what_the_operator_says() {
    for word in ["never", "verify-sub", "merge"] {
        check(&with("[[identity]]", &format!("userinfo = {word:?}")), &[]);
    }
    check(&with("[[identity]]", "userinfo = \"always\""), &["5:12 `userinfo` must be \"never\" or \"verify-sub\""]);
}

#[test]
fn an_opaque_token_can_be_one_issuers_only() {
    let secret = "client_secret = { env = \"SECRET\" }";
    let bearer = |issuer: &str, more: &str| {
        format!("[[bearer]]\nissuer = \"https://{issuer}.example\"\naudience = [\"a\"]\n{more}\n")
    };
    let asks = format!("introspection = {{ client_id = \"gate\", {secret} }}");
    check(&format!("{LEAST}{}", bearer("one", &asks)), &[]);
    let two = format!("{LEAST}{}{}", bearer("one", &asks), bearer("two", &asks));
    check(&two, &["18:1 another [[bearer]] has `introspection` already / leave `introspection` to one"]);
    let with = |inside: &str| format!("{LEAST}{}", bearer("one", &format!("introspection = {{ {inside} }}")));
    check(&with(secret), &["17:1 [[bearer]] introspection has no `client_id`"]);
    check(&with("client_id = \"gate\""), &["17:1 [[bearer]] introspection has no `client_secret`"]);
    let plain = with("client_id = \"gate\", client_secret = \"x\"");
    check(&plain, &["17:55 `client_secret` must not stand in the file itself"]);
    let further = |more: &str| with(&format!("{more}, client_id = \"gate\", {secret}"));
    check(&further("cache = \"0s\""), &[]);
    check(&further("cache = \"11m\""), &["17:27 `cache` must be from 0ms to 10m"]);
    let at = further("endpoint = \"http://idp.example/introspect\"");
    check(&at, &["17:30 http is only for providers on this machine"]);
    check(&further("endpont = \"https://idp.example\""), &["17:19 introspection has no key `endpont` / `endpoint`?"]);
    check(&format!("{LEAST}{}", bearer("one", "profile = \"rfc9068\"")), &[]);
    check(&format!("{LEAST}{}", bearer("one", "profile = \"jwt\"")), &["17:11 `profile` must be \"rfc9068\""]);
    let devices = |header: &str| {
        let legacy = "adopt_from = \"monolith\", path = \"/me\"";
        format!("{LEAST}{}[devices]\nlegacy = {{ {legacy}{header} }}\n", bearer("one", &asks))
    };
    check(&devices(""), &["14:1 an opaque token in `Authorization` could be the issuer's or a device's of before"]);
    check(&devices(", header = \"X-Device-Token\""), &[]);
}

#[test]
fn values_of_the_wrong_kind_or_form_are_refused() {
    let server = |text| with("[server]", text);
    check(&server("head_timeout = 10"), &["3:16 `head_timeout` needs a unit / \"10s\""]);
    check(&server("head_timeout = \"0s\""), &["3:16 `head_timeout` must be from 10ms to 1h"]);
    check(&server("head_timeout = true"), &["3:16 `head_timeout` must be a text, not true or false / \"30s\""]);
    check(&server("max_head = 16384"), &["3:12 `max_head` needs a unit / \"16384B\""]);
    check(&server("max_head = \"16KB\""), &["3:12 `max_head` must be a size / \"8KiB\""]);
    check(&server("max_head = \"4KiB\""), &["3:12 `max_head` must be from 8KiB to 1MiB"]);
    check(&server("max_target = \"20KiB\""), &["2:2 `max_target` is larger than `max_head`"]);
    check(&server("listen = \"127.0.0.1:1\""), &["3:10 `listen` must be a list, not a text / [\"127.0.0.1:8080\"]"]);
    check(&server("listen = []"), &["3:10 `listen` names no address"]);
    check(&server("listen = [\"localhost:80\"]"), &["3:11 \"localhost:80\" is not an IP address / \"127.0.0.1:80\""]);
    check(&server("listen = [\":80\"]"), &["3:11 \":80\" is not an IP address / \"0.0.0.0:80\""]);
    check(&server("listen = [\"80\"]"), &["3:11 \"80\" is not an IP address / \"127.0.0.1:80\""]);
    check(&server("listen = [8080]"), &["3:11 `listen` must be a text, not a number"]);
    check(&server("listen = [\"[::1]:1\", \"[::1]:1\"]"), &["3:10 `listen` names [::1]:1 twice"]);
    check(&server("trusted_proxies = [\"10/8\"]"), &["3:20 `trusted_proxies` must be a network"]);
    check(&server("data = \"\""), &["3:8 `data` must be a text, not empty"]);
    check(&server("data = \"a\\u0000b\""), &["3:8 `data` must be a text, not empty and without control"]);
    check(&format!("{LEAST}[log]\nformat = \"jsn\"\n"), &["15:10 `format` must be \"human\" or \"json\" / \"json\"?"]);
    check(&format!("{LEAST}[log]\nlevel = 3\n"), &["15:9 `level` must be a text, not a number"]);
    let public = |text| LEAST.replace("https://app.example.com", text);
    check(&public("app.example.com"), &["3:14 `public_url` must be an address"]);
    check(&public("ftp://app.example.com"), &["3:14 `public_url` must begin with https://"]);
    check(
        &public("https://a.example."),
        &["3:14 `public_url` must name one host in its usual form, not \"a.example.\" / \"a.example\""],
    );
    check(&public("https://a.example/x?y"), &["3:14 `public_url` is a scheme and a host / \"https://a.example\""]);
    check(&public("https://u:canary@a.example"), &["3:14 `public_url` must not hold a name or a password"]);
    check(&format!("own_prefix = \"/x/\"\n{LEAST}"), &["1:14 `own_prefix` must not end in a slash / \"/x\""]);
    check(&format!("own_prefix = \"/\"\n{LEAST}"), &["1:14 `own_prefix` must not end in a slash / \"/.candor\""]);
    check(&format!("own_prefix = \"x\"\n{LEAST}"), &["1:14 \"x\" is not a canonical path / \"/x\""]);
    check(
        "server = 1\n[[routes]]\npath = \"/\"\nupstream = \"m\"\nallow = [\"anyone\"]",
        &[
            "1:1 [server] has no `public_url` / write `public_url = ",
            "1:1 `server` must be a table / [server]",
            "4:12 there is no upstream \"m\" / add [upstreams.m]",
        ],
    );
    check(&LEAST.replace("[[routes]]", "[routes]"), &["10:2 `routes` must be a list of tables / [[routes]]"]);
}

#[test]
fn secrets_come_from_elsewhere_and_are_in_no_message() {
    let folder = std::env::temp_dir().join(format!("candor-config-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder can be made");
    fs::write(folder.join("secret"), "canary\r\n").expect("a file can be written");
    fs::write(folder.join("empty"), "\n").expect("a file can be written");
    fs::write(folder.join("binary"), b"\xff").expect("a file can be written");
    let check = |value: &str, expected: &[&str]| {
        let text = with("[[identity]]", &format!("client_secret = {value}"));
        let read = parse(&text, &folder, Secrets::Read(&environment));
        if let Ok(config) = &read {
            let secret = config.identity[0].client_secret.as_ref();
            assert_eq!(secret.map(ExposeSecret::expose_secret), Some("canary"), "{value}");
        }
        assert!(!format!("{read:?}").contains("canary"), "{value}");
        compare(&text, &read.err().unwrap_or_default(), expected);
    };
    check("{ env = \"SECRET\" }", &[]);
    check("{ file = \"secret\" }", &[]);
    let literal = "5:17 `client_secret` must not stand in the file itself / { env = \"NAME\" }";
    check("\"canary\"", &[literal]);
    check("[\"canary\"]", &[literal]);
    check("{}", &["5:17 `client_secret` must name exactly one of"]);
    check("{ env = \"SECRET\", file = \"secret\" }", &["5:17 `client_secret` must name exactly one of"]);
    check("{ vault = \"canary\" }", &["5:19 a secret comes from `env` or `file`"]);
    check("{ env = \"ABSENT\" }", &["5:25 the environment variable ABSENT is not set"]);
    check("{ file = \"absent\" }", &["5:26 "]);
    check("{ file = \"empty\" }", &["5:26 the secret for `client_secret` is empty"]);
    check("{ file = \"binary\" }", &["5:26 the file is not text"]);
    for lost in ["{ env = \"ABSENT\" }", "{ file = \"absent\" }"] {
        let text = with("[[identity]]", &format!("client_secret = {lost}"));
        let read = parse(&text, &folder, Secrets::NotNeeded).expect("who needs no secret can do without");
        assert!(read.identity[0].client_secret.is_none(), "{lost}");
    }
    let text = with("[[identity]]", "client_secret = \"canary\"");
    compare(&text, &parse(&text, &folder, Secrets::NotNeeded).err().unwrap_or_default(), &[literal]);
    fs::remove_dir_all(&folder).expect("the folder goes");
}

#[test]
fn an_offline_session_is_asked_for_where_it_is_needed_and_nowhere_else() {
    let entra = read(&with("[[identity]]", "kind = \"entra\"")).expect("it reads");
    assert_eq!(entra.identity[0].scopes, ["openid", "profile", "email", "offline_access"]);
    let warnings = |kind: &str| {
        let text = with("[[identity]]", &format!("kind = \"{kind}\"\nscopes = [\"openid\", \"offline_access\"]"));
        let config = read(&text).expect("it reads");
        assert_eq!(config.identity[0].scopes, ["openid", "offline_access"], "what is said is taken");
        let of_scopes = config.warnings.iter().filter(|warning| warning.message.contains("`offline_access`"));
        of_scopes.map(|warning| (warning.line, warning.column)).collect::<Vec<_>>()
    };
    assert_eq!(warnings("entra"), []);
    assert_eq!(warnings("oidc"), [(6, 10)]);
}

#[test]
fn what_is_named_for_an_issuer_goes_with_it() {
    let text = with("[[identity]]", "discovery_url = \"https://10.0.0.1/meta\"\nendpoint_hosts = [\"10.0.0.2\"]")
        + "[[bearer]]\nissuer = \"https://login.example.com\"\naudience = [\"a\"]\njwks_uri = \"http://127.0.0.1:8081/keys\"\n";
    let config = read(&text).expect("it reads");
    let url = |text: &str| Url::parse(text).expect("a URL");
    let expected = [
        Named::address(&url("https://10.0.0.1/meta")),
        Named::address(&url("http://127.0.0.1:8081/keys")),
        Named::host("10.0.0.2"),
    ];
    assert_eq!(config.named_for("https://login.example.com"), expected.map(|named| named.expect("reachable")));
    assert_eq!(config.named_for("https://login.example.com/"), []);
}

#[test]
fn issuers_and_upstreams_have_forms() {
    let sessions = |text: &str| format!("{LEAST}[sessions]\n{text}\n");
    check(&sessions("sign_ins_at_once = 500\nsign_ins_per_minute = 1000"), &[]);
    check(&sessions("sign_ins_at_once = 0"), &["15:20 `sign_ins_at_once` must be from 1 to 10000"]);
    check(&sessions("sign_ins_per_minute = 60001"), &["15:23 `sign_ins_per_minute` must be from 1 to 60000"]);
    let identity = |text| with("[[identity]]", text);
    let issuer = |text| LEAST.replace("https://login.example.com", text);
    check(&issuer("http://login.example.com"), &["6:10 http is only for providers on this machine / https://"]);
    check(&issuer("http://localhost:3000"), &[]);
    check(&issuer("http://127.0.0.3:3000/"), &[]);
    check(&issuer("http://[::1]:3000"), &[]);
    check(&issuer("http://idp.localhost:3000"), &[]);
    check(&issuer("https://10.0.0.7"), &[]);
    check(&issuer("https://169.254.169.254"), &["6:10 169.254.169.254 is never called / name another"]);
    check(&issuer("https://a.example/?x=1"), &["6:10 an issuer has no query"]);
    check(&issuer("login"), &["6:10 `issuer` must be an address"]);
    check(&identity("scopes = [\"profile\"]"), &["5:10 without the scope `openid`"]);
    check(&identity("scopes = [\"openid profile\"]"), &["5:10 without", "5:11 `scopes` must be one scope"]);
    check(&identity("algorithms = []"), &["5:14 `algorithms` is empty"]);
    check(&identity("algorithms = [\"HS256\"]"), &["5:15 HS256 is never taken: whoever can verify"]);
    check(&identity("algorithms = [\"none\"]"), &["5:15 none is never taken"]);
    check(&identity("algorithms = [\"rs256\"]"), &["5:15 `algorithms` must be \"RS256\" or"]);
    check(&identity("kind = \"google\""), &["5:8 `kind` must be \"oidc\" or \"entra\""]);
    check(&identity("groups_when_absent = \"nobody\""), &["5:22 `groups_when_absent` must be \"unknown\" or \"none\""]);
    check(&identity("roles_when_absent = false"), &["5:21 `roles_when_absent` must be a text"]);
    check(&identity("user_claim = \"name\""), &["5:14 `user_claim` must tell people apart / \"preferred_username\""]);
    check(&identity("user_claim = \"\""), &["5:14 `user_claim` must be a text"]);
    check(&identity("user_claim = \"email\""), &[]);
    check(&identity("prompt = \"none\""), &["5:10 `prompt` must be \"consent\" or"]);
    check(&identity("endpoint_hosts = [\"https://a\"]"), &["5:19 `endpoint_hosts` must be a host name"]);
    check(&identity("endpoint_hosts = [\"169.254.1.1\"]"), &["5:19 169.254.1.1 is never called"]);
    check(&identity("discovery_url = \"https://[fe80::1]/x\""), &["5:17 [fe80::1] is never called"]);
    check(&identity("ca = \"/nowhere/ca.pem\""), &["5:6 /nowhere/ca.pem cannot be read"]);
    check(&LEAST.replace("\"entra\"", "\"Entra ID\""), &["5:8 `name` must be 1 to 32 of a-z"]);
    check(&LEAST.replace("client_id = \"candor\"", ""), &["4:1 [[identity]] has no `client_id`"]);
    let bearer = |text: &str| format!("{LEAST}[[bearer]]\nissuer = \"https://b.example\"\n{text}");
    check(&bearer(""), &["14:1 [[bearer]] has no `audience` / `audience = [\"api://monolith\"]`"]);
    check(&bearer("audience = []"), &["16:12 `audience` is empty: tokens for anybody"]);
    check(&bearer("audience = \"a\""), &["16:12 `audience` must be a list, not a text"]);
    check(
        &bearer("audience = [\"a\"]\nuser_claim = \"upn\""),
        &["14:1 `user_claim` is for people / add kind = \"user\""],
    );
    check(&bearer("audience = [\"a\"]\nkind = \"user\"\nuser_claim = \"upn\""), &[]);
    check(&bearer("audience = [\"a\"]\nleeway = \"10m\""), &["17:10 `leeway` must be from 0ms to 5m"]);
    check(&bearer("audience = [\"a\"]\nkind = \"device\""), &["17:8 `kind` must be \"service\" or \"user\""]);
    let keys_at = |uri: &str| bearer(&format!("audience = [\"a\"]\njwks_uri = \"{uri}\""));
    check(&keys_at("http://127.0.0.1:4000/keys"), &[]);
    check(&keys_at("https://10.0.0.7/keys"), &[]);
    check(&keys_at("http://10.0.0.7/keys"), &["17:12 http is only for providers on this machine"]);
    check(&keys_at("https://169.254.169.254/keys"), &["17:12 169.254.169.254 is never called"]);
    let upstream = |text| with("[upstreams.monolith]", text);
    check(&upstream("host = \"a b\""), &["9:8 `host` must be \"public\", \"endpoint\" or a host name"]);
    check(&upstream("max_connections = 0"), &["9:19 `max_connections` must be from 1 to 65536"]);
    check(&upstream("max_connections = -1"), &["9:19 `max_connections` must be from 1"]);
    check(&upstream("max_connections = 99999999999999999999999"), &["9:19 `max_connections` must be from 1"]);
    check(&upstream("case_sensitive = \"yes\""), &["9:18 `case_sensitive` must be true or false, not a text"]);
    check(&upstream("windows = 1"), &["9:11 `windows` must be true or false, not a number"]);
    check(
        &upstream("windows = true\ncase_sensitive = true"),
        &["9:11 names on Windows are not told apart by case / leave out `case_sensitive`"],
    );
    for name in ["content.length", "x~gateway~identity", "keep.alive", "x.real.ip", "x-http-method-override"] {
        let cannot = format!("9:29 `{name}` cannot carry an identity");
        let named = format!("identity_headers = {{ user = \"{name}\" }}");
        check(&with("[upstreams.monolith]", &named), &[&cannot]);
    }
    check(
        &upstream("identity_headers = { user = \"x-me\", email = \"x.me\" }"),
        &["9:20 `x-me` stands for two facts, to a service that folds names / a name of its own"],
    );
    check(&upstream("identity_headers = \"x-auth\""), &["9:20 `identity_headers` must be \"x-auth-request\" or"]);
    check(&upstream("identity_headers = { user = \"host\" }"), &["9:29 `host` cannot carry an identity"]);
    check(
        &upstream("identity_headers = { user = \"x-gateway-identity\" }"),
        &["9:29 `x-gateway-identity` cannot carry"],
    );
    check(&upstream("identity_headers = { roles = \"x\" }"), &["9:22 `identity_headers` can name `user`"]);
    let endpoint = |text| LEAST.replace("http://127.0.0.1:9000", text);
    check(
        &endpoint("http://127.0.0.1:9000/app"),
        &["9:14 an endpoint is a scheme, a host and a port / \"http://127.0.0.1:9000\""],
    );
    check(&endpoint("127.0.0.1:9000"), &["9:14 `endpoints` must be an address"]);
    check(&format!("{LEAST}[upstreams.\"a b\"]\nendpoints = [\"http://a\"]"), &["14:12 `a b` must be 1 to 64 of"]);
    check(
        &LEAST.replace("[upstreams.monolith]", "[upstreams]\nmonolith = 1\n[log]").replace("endpoints", "#"),
        &["9:1 `monolith` must be a table / [upstreams.monolith]"],
    );
}

#[test]
fn a_rule_may_name_whose_word_it_takes() {
    let bearer = |text: &str| {
        format!("{LEAST}[[bearer]]\nissuer = \"https://b.example\"\naudience = [\"a\"]\n{text}\n")
            .replace("[server]", "[server]\ntrusted_proxies = [\"10.0.0.1\"]")
    };
    let (named, of_people) = (bearer("name = \"robots\""), bearer("name = \"robots\"\nkind = \"user\""));
    let config = read(&named).expect("a bearer may have a name");
    assert_eq!(config.bearer[0].name.as_deref(), Some("robots"));
    let warned = |text: &str, allow: &str, expected: &[&str]| {
        let text = text.replace("[\"user\"]", allow);
        compare(&text, &read(&text).expect("a warning stops nobody").warnings, expected);
    };
    let (entra, robots) = ("https://login.example.com", "https://b.example");
    let either = format!("any of {robots} and {entra} can say");
    let role = format!("14:10 {either} `role:Reader` / {{ role = \"Reader\", from = \"robots\" }}");
    warned(&named, "[\"role:Reader\"]", &[&role]);
    warned(&named, "[\"tenant:t1\"]", &[&format!("14:10 {either} `tenant:t1` / from =")]);
    warned(&named, "[\"group:staff\"]", &[]);
    warned(&of_people, "[\"group:staff\"]", &[&format!("14:10 {either} `group:staff` / group = \"staff\", from =")]);
    warned(&named, "[\"user\", \"service\", \"anyone\"]", &[]);
    warned(&named, "[{ role = \"Reader\", from = \"robots\" }, { role = \"Reader\", from = \"entra\" }]", &[]);
    warned(&bearer(""), "[\"role:Reader\"]", &[&format!("14:10 {either} `role:Reader` / from = \"entra\"")]);
    // One issuer, by sign-in and by token, is one word.
    warned(&named.replace(robots, entra), "[\"role:Reader\"]", &[]);

    let text = named.replace("[\"user\"]", "[{ role = \"Reader\", from = \"robots\" }]");
    let config = read(&text).expect("it is good");
    let expected = [Allow::Known { is: Attribute::Role("Reader".into()), from: Some(robots.into()) }];
    assert_eq!(config.routes[0].requirement.allow(), expected);

    let refused = |text: &str, allow: &str, expected: &[&str]| check(&text.replace("[\"user\"]", allow), expected);
    let from_robots = |is: &str| format!("[{{ {is}, from = \"robots\" }}]");
    let nobody = "14:10 `group:staff` can never pass: https://b.example vouches for nobody";
    refused(&named, &from_robots("group = \"staff\""), &[nobody]);
    refused(&of_people, &from_robots("group = \"staff\""), &[]);
    refused(&named, &from_robots("kind = \"user\""), &["14:10 `user` can never pass"]);
    refused(&named, "[{ kind = \"service\", from = \"entra\" }]", &["14:10 `service` can never pass"]);
    refused(&bearer("name = \"entra\""), "[\"user\"]", &["15:1 another issuer has the same name / rename"]);
    refused(&bearer("name = \"entra\"").replace(robots, entra), "[\"user\"]", &[]);
    refused(&bearer("name = \"Ro bots\""), "[\"user\"]", &["18:8 `name` must be 1 to 32 of a-z"]);
    let two = format!("{named}[[bearer]]\nissuer = \"https://c.example\"\naudience = [\"a\"]\nname = \"robots\"\n");
    refused(&two, "[\"user\"]", &["19:1 another issuer has the same name"]);
}

#[test]
fn routes_have_forms() {
    let route = |text| with("[[routes]]", text);
    let path = |text: &str| LEAST.replace("path = \"/\"", &format!("path = '{text}'"));
    for bad in ["/a.", "/a./b", "/a::$b", "/a:$b"] {
        let canonical = format!("11:8 {bad:?} is not a canonical path / a segment that ends in a dot");
        check(&path(bad), &[&canonical]);
    }
    for bad in ["x", "/a//b", "/a/../b", "/.", "/a%2Fb", "/a;b", "/a?b", "/a#b", "/ä", "/a b", "/a*", "/a\\b", "*"] {
        let canonical = format!("11:8 {bad:?} is not a canonical path");
        check(&path(bad), &[&canonical]);
    }
    for good in ["/", "/a", "/a/", "/a.b/c-d_e~f", "/.well-known/x", "/@a:b!$&'()+,="] {
        check(&path(&good.replace('\'', "")), &[]);
    }
    let allow = |text: &str| LEAST.replace("[\"user\"]", text);
    check(&allow("[]"), &["13:9 `allow` is empty: nobody could pass"]);
    check(&allow("\"user\""), &["13:9 `allow` must be a list, not a text / [\"user\"]"]);
    check(&allow("[\"users\"]"), &["13:10 `allow` does not know \"users\" / \"user\"?"]);
    check(&allow("[\"everyone\"]"), &["13:10 `allow` does not know \"everyone\""]);
    check(&allow("[\"group:\"]"), &["13:10 `allow` does not know \"group:\" / \"group:…\"?"]);
    let from_entra = |is: &str| format!("[{{ {is}, from = \"entra\" }}]");
    for is in ["group = \"staff\"", "role = \"Reader\"", "tenant = \"t1\"", "kind = \"user\""] {
        check(&allow(&from_entra(is)), &[]);
    }
    check(&allow("[{ group = \"staff\" }]"), &["13:10 without `from` this is the short form / \"group:staff\""]);
    check(&allow("[{ from = \"entra\" }]"), &["13:10 `from` alone would let in / group"]);
    check(&allow(&from_entra("group = \"a\", role = \"b\"")), &["13:10 one of `group`, `role`, `tenant` and `kind`"]);
    check(&allow(&from_entra("groups = \"a\"")), &["13:12 `allow` can ask for `group`, `role`, `tenant` or `kind`"]);
    check(&allow(&from_entra("kind = \"users\"")), &["13:19 `kind` must be \"user\" or \"service\", not \"users\""]);
    check(&allow(&from_entra("kind = \"device\"")), &["13:19 a device's issuer is the gateway itself"]);
    check(&allow(&from_entra("group = \"\"")), &["13:20 `group` must be a text, not empty"]);
    let entry = "13:36 no [[identity]] and no [[bearer]] is called";
    let called = |name: &str| allow(&format!("[{{ group = \"staff\", from = \"{name}\" }}]"));
    check(&called("entrra"), &[&format!("{entry} \"entrra\" / did you mean \"entra\"?")]);
    check(&called("somewhere"), &[&format!("{entry} \"somewhere\" / the names are entra")]);
    // Where a section cannot be read, its name may be the one.
    let broken = called("somewhere").replace("client_id = \"candor\"", "");
    check(&broken, &["4:1 [[identity]] has no `client_id`"]);
    check(&LEAST.replace("allow = [\"user\"]", ""), &["10:1 [[routes]] has no `allow` / `allow = [\"user\"]`"]);
    check(&route("host = \"a.example:80\""), &["11:8 `host` must be a host name, without a port"]);
    let another = "[[routes]]\npath = \"/\"\nupstream = \"monolith\"\nallow = [\"user\"]\n";
    check(&format!("{}{another}", route("host = \"a..b\"")), &["11:8 `host` must be a host name"]);
    check(&format!("{}{another}", route("methods = [\"get\"]")), &["11:12 `methods` must be a method, in capitals"]);
    check(&route("host = \"a.example..\""), &["11:8 `host` must be a host name"]);
    check(&route("host = \"xn--a-.example\""), &["11:8 `host` must be a host name"]);
    check(&route("host = \"*.example\""), &["11:8 `host` must be a host name"]);
    check(&route("methods = [\"get\"]"), &["11:12 `methods` must be a method, in capitals"]);
    check(&route("methods = []"), &["11:11 `methods` is empty"]);
    check(&route("methods = [\"CONNECT\"]"), &["11:12 `methods` must be a method"]);
    check(&route("on_denial = \"deny\""), &["11:13 `on_denial` must be \"dispute\" or \"pass\""]);
    check(&route("cache = \"public\""), &["11:9 `cache` must be \"private\" or \"pass\""]);
    check(&route("expect = \"html\""), &["11:10 `expect` must be \"json\""]);
    check(&route("client_kind = \"display\""), &["11:15 `client_kind` must be \"device\""]);
    check(&route("asker = \"display\""), &["11:9 `asker` must be \"device\""]);
    check(&route("asker = \"device\""), &[]);
    check(
        &route("asker = \"device\"\nclient_kind = \"device\""),
        &["11:9 `asker` is the former name of `client_kind`, which is here too / leave out `asker`"],
    );
    check(&route("max_stale = \"100d\""), &["11:13 `max_stale` must be from 0ms to 30d"]);
    check(&route("login_paths = [\"login\"]"), &["11:16 `login_paths` must be a path"]);
    check(
        &route("underscore_headers = [\"x-legacy\"]"),
        &["11:23 `underscore_headers` must be a header name with `_`"],
    );
    check(
        &route("underscore_headers = [\"remote_user\"]"),
        &["11:23 `remote_user` spells a name that is the gateway's"],
    );
    check(&route("underscore_headers = [\"keep_alive\"]"), &["11:23 `keep_alive` spells a name that is the gateway's"]);
    check(&route("forward_authorization = 1"), &["11:25 `forward_authorization` must be true or false"]);
}

#[test]
fn affinity_is_by_principal_or_by_a_named_cookie() {
    let with =
        |said: &str| LEAST.replace("[upstreams.monolith]", &format!("[upstreams.monolith]\naffinity = \"{said}\""));
    let affinity = |said: &str| {
        let config = read(&with(said)).expect("a configuration");
        config.upstreams.values().next().expect("an upstream").affinity.clone()
    };
    assert_eq!(affinity("principal"), Some(Affinity::Principal));
    assert_eq!(affinity("cookie:JSESSIONID"), Some(Affinity::Cookie("JSESSIONID".to_owned())));
    for wrong in ["cookie", "cookie:", "cookie:a b", "cookie:a=b", "address"] {
        check(&with(wrong), &["9:12 `affinity` must be \"principal\", or"]);
    }
}

#[test]
fn probes_have_defaults_and_bounds() {
    let with =
        |health: &str| LEAST.replace("[upstreams.monolith]", &format!("[upstreams.monolith]\nhealth = {health}"));
    let probe = |text: &str| {
        let config = read(text).expect("a configuration");
        config.upstreams.values().next().expect("an upstream").probe.clone()
    };
    assert_eq!(probe(LEAST), None);
    let least = probe(&with("{ path = \"/healthz\" }")).expect("probes");
    assert_eq!((least.path.as_str(), least.interval.as_secs(), least.timeout.as_secs()), ("/healthz", 2, 1));
    assert_eq!((least.healthy_after, least.unhealthy_after, least.status, least.host), (2, 2, vec![200..=299], None));
    let all = "{ path = \"/x?y\", host = \"s:80\", interval = \"5s\", timeout = \"2s\", healthy_after = 1, \
               unhealthy_after = 3, status = [204, \"300-302\"] }";
    let all = probe(&with(all)).expect("probes");
    assert_eq!((all.healthy_after, all.unhealthy_after, all.status), (1, 3, vec![204..=204, 300..=302]));
    assert_eq!(all.host.as_ref().map(|host| host.as_bytes()), Some(&b"s:80"[..]));
    let named = with("{ path = \"/x\" }\nhost = \"service.example\"");
    assert_eq!(
        probe(&named).and_then(|probe| probe.host).as_ref().map(|host| host.as_bytes()),
        Some(&b"service.example"[..])
    );
    check(&with("{}"), &["9:1 [upstreams] health has no `path`"]);
    check(&with("{ path = \"x\" }"), &["9:19 `path` must be a path"]);
    check(&with("{ path = \"/x\", status = [] }"), &["9:34 `status` is empty"]);
    check(&with("{ path = \"/x\", status = [\"299-200\"] }"), &["9:35 `status` must be a status"]);
    check(&with("{ path = \"/x\", status = [99] }"), &["9:35 `status` must be from 100 to 599"]);
    check(&with("{ path = \"/x\", often = true }"), &["9:25 [upstreams] health has no key `often`"]);
}

#[test]
fn sections_must_fit_together() {
    let route = |text: &str| format!("{LEAST}[[routes]]\nupstream = \"monolith\"\nallow = [\"user\"]\n{text}\n");
    check(&route("path = \"/\""), &["17:8 another route serves \"/\" already / `methods`"]);
    check(
        &route("path = \"/x\"\n[[routes]]\npath = \"/x/\"\nupstream = \"monolith\"\nallow = [\"user\"]"),
        &["19:8 another route serves \"/x/\""],
    );
    check(&route("path = \"/\"\nmethods = [\"GET\"]"), &[]);
    check(&route("path = \"/\"\nhost = \"app.example.com\""), &[]);
    check(
        &route(
            "path = \"/x\"\nmethods = [\"GET\", \"PUT\"]\n[[routes]]\npath = \"/x\"\nmethods = [\"PUT\"]\nupstream = \"monolith\"\nallow = [\"user\"]",
        ),
        &["21:11 another route serves \"/x\" already for PUT"],
    );
    let windows = |path: &str| {
        route(&format!("path = \"{path}\"")).replace("[upstreams.monolith]", "[upstreams.monolith]\nwindows = true")
    };
    check(&windows("/a:b"), &["18:8 Windows reads a `:` as the start of a stream"]);
    check(&windows("/A~1"), &["18:8 Windows reads a `:` as the start of a stream, and a `~` as a short name"]);
    check(&windows("/a-b"), &[]);
    check(
        &route("path = \"/x\"\nunderscore_headers = [\"x_me\"]")
            .replace("[upstreams.monolith]", "[upstreams.monolith]\nidentity_headers = { user = \"x-me\" }"),
        &["19:22 `x_me` spells a name by which an upstream is told who is asking"],
    );
    check(&route("path = \"/.candor/x\""), &["17:8 the gateway's own paths shadow this route"]);
    check(&route("path = \"/.candor\""), &["17:8 the gateway's own paths shadow this route"]);
    check(&route("path = \"/.candor-x\""), &[]);
    check(
        &route("path = \"/x\"\nhost = \"api.example.com\""),
        &["18:8 people cannot be known on api.example.com / \"app.example.com\""],
    );
    check(
        &route("path = \"/x\"\nhost = \"api.example.com\"")
            .replace("[\"user\"]\npath = \"/x\"", "[\"anyone\"]\npath = \"/x\""),
        &[],
    );
    check(&LEAST.replace("\"monolith\"", "\"monolit\""), &["12:12 there is no upstream \"monolit\" / \"monolith\"?"]);
    check(
        &LEAST.replace("\"monolith\"", "\"other\""),
        &["12:12 there is no upstream \"other\" / the upstreams are monolith"],
    );
    check(
        &format!("{LEAST}[admin]\nlisten = \"127.0.0.1:8080\""),
        &["14:2 the admin listener 127.0.0.1:8080 and the public one"],
    );
    check(&format!("{LEAST}[admin]\nlisten = \"0.0.0.0:8080\""), &["14:2 the admin listener"]);
    let verify = |listen: &str| format!("{LEAST}[forward_auth]\nlisten = {listen}\n");
    check(&verify("\"127.0.0.1:9091\""), &[]);
    check(&verify("[\"127.0.0.1:9091\", \"[::1]:9091\"]"), &[]);
    check(&verify("[\"127.0.0.1:8080\"]"), &["14:2 the forward-auth listener 127.0.0.1:8080 and the public one"]);
    check(&verify("\"127.0.0.1:9090\""), &["14:2 the forward-auth listener 127.0.0.1:9090 and the admin one"]);
    check(&verify("\"0.0.0.0:9090\""), &["14:2 the forward-auth listener 0.0.0.0:9090 and the admin one"]);
    check(&verify("\"127.0.0.1:9000\""), &["8:12 the endpoint http://127.0.0.1:9000/ is the gateway itself"]);
    check(&verify("[]"), &["15:10 `listen` names no address"]);
    check(&verify("\"9091\""), &["15:10 \"9091\" is not an IP address with a port / \"127.0.0.1:9091\""]);
    check(&format!("{LEAST}[forward_auth]\n"), &["14:2 [forward_auth] has no `listen`"]);
    for allow in ["\"anyone\"", "\"user\", \"service\"", "\"tenant:t\"", "\"user\", \"role:Reader\""] {
        let text = with("[[routes]]", "own_challenges = [\"Basic\"]").replace("\"user\"", allow);
        check(&text, &["11:18 a challenge passes only where nobody but people may go / forward_authorization = true"]);
    }
    check(&with("[[routes]]", "own_challenges = [\"Basic\"]"), &[]);
    check(&with("[[routes]]", "own_challenges = []\nclient_kind = \"device\""), &[]);
    check(
        &with("[[routes]]", "own_challenges = [\"Basic\"]\nasker = \"device\""),
        &["11:18 a challenge passes only where nobody but people may go"],
    );
    check(
        &LEAST.replace("127.0.0.1:9000", "127.0.0.1:8080"),
        &["8:12 the endpoint http://127.0.0.1:8080/ is the gateway itself"],
    );
    let again = "[[identity]]\nname = \"entra\"\nissuer = \"https://b.example\"\nclient_id = \"c\"\n";
    check(&format!("{LEAST}{again}"), &["14:1 another [[identity]] has the same name"]);
    let bearer = "[[bearer]]\nissuer = \"https://b.example\"\naudience = [\"a\"]\n";
    check(&format!("{LEAST}{bearer}{bearer}"), &["17:1 another [[bearer]] has the same issuer / audiences of both"]);
    let tenant = "[[identity]]\nname = \"again\"\nissuer = \"https://login.example.com\"\nclient_id = \"b\"\n";
    check(&format!("{LEAST}{tenant}"), &[]);
    let elsewhere =
        format!("{tenant}discovery_url = \"https://login.example.com/b/.well-known/openid-configuration\"\n");
    check(&format!("{LEAST}{elsewhere}"), &["14:1 reaches the same issuer in another way / discovery_url"]);
    let named = format!("{tenant}user_claim = \"email\"\n");
    check(
        &format!("{LEAST}{named}"),
        &["14:1 another [[identity]] of the same issuer has another `user_claim` / one name"],
    );
    let nobody = |allow: &str| {
        let identity = LEAST.find("[[identity]]").expect("it is there")..LEAST.find("[upstreams").expect("it is there");
        let mut text = LEAST.replace("\"user\"", allow);
        text.replace_range(identity, "");
        text
    };
    check(&nobody("\"group:staff\""), &["9:9 `group:staff` needs people / [[identity]]"]);
    check(&nobody("\"anyone\""), &[]);
}

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    let warned = |text: &str, expected: &[&str]| match read(text) {
        Ok(mut config) => {
            // That nothing is said to speak https before it is the least configuration's own.
            config.warnings.retain(|warning| !warning.message.contains("speaks https"));
            compare(text, &config.warnings, expected);
        }
        Err(problems) => compare(text, &problems, &[]),
    };
    warned(&with("[[routes]]", "on_denial = \"pass\""), &["11:13 a 401 from this upstream reaches people"]);
    let cached = with("[[routes]]", "cache = \"pass\"");
    warned(&cached, &["11:9 a shared cache may give these answers to people who may not pass"]);
    warned(&cached.replace("\"user\"", "\"anyone\""), &[]);
    warned(&with("[[routes]]", "own_challenges = [\"NTLM\"]"), &["11:19 ntlm does not work through the gateway"]);
    warned(&with("[server]", "trusted_proxies = [\"0.0.0.0/0\"]"), &["3:20 everybody is a trusted proxy"]);
    warned(&LEAST.replace("https://app", "http://app"), &["3:14 cookies travel in the clear"]);
    warned(
        &format!("{LEAST}[forward_auth]\nlisten = \"127.0.0.1:9091\""),
        &["14:2 nobody may ask on the forward-auth listener / trusted_proxies"],
    );
    warned(
        &format!("{LEAST}[admin]\nlisten = \"0.0.0.0:9090\""),
        &["15:10 the admin listener shows metrics to whoever asks"],
    );
    warned(
        &format!("{LEAST}[upstreams.spare]\nendpoints = [\"http://a\"]"),
        &["14:12 no route leads to the upstream `spare`"],
    );
    let form_post = with("[[identity]]", "response_mode = \"form_post\"");
    warned(&form_post, &[]);
    let developing = form_post.replace("https://app.example.com", "http://127.0.0.1:8080");
    warned(&developing, &["4:1 over http, browsers send no cookie along with a form_post"]);
    warned(&developing.replace("https://login.example.com", "http://127.0.0.1:9100"), &[]);
    warned(
        &format!("{LEAST}[[bearer]]\nissuer = \"https://login.example.com\"\naudience = [\"candor\"]\n"),
        &["14:1 tokens that people sign in with could pass as access tokens / an application of its own"],
    );
    let named = with("[[identity]]", "user_claim = \"preferred_username\"");
    warned(&named, &[]);
    let of = |issuer: &str| format!("{named}[[bearer]]\nissuer = \"{issuer}\"\naudience = [\"a\"]\n");
    warned(&of("https://login.example.com"), &[]);
    let two = "4:1 another issuer may state the same `preferred_username` of somebody else";
    warned(&of("https://b.example"), &[two]);
    warned(
        &format!("{}kind = \"user\"\n", of("https://login.example.com")),
        &["15:1 the [[identity]] of the same issuer has another `user_claim` / one person for two"],
    );
    warned(&LEAST.replace("\"user\"", "\"service\""), &["13:9 no issuer of programs' tokens"]);
    let identity = LEAST.find("[[identity]]").expect("it is there")..LEAST.find("[upstreams").expect("it is there");
    let mut nobody = LEAST.to_owned();
    nobody.replace_range(identity, "");
    warned(&nobody, &["9:9 nothing here signs people in"]);
    let cased = format!(
        "{LEAST}[[routes]]\npath = \"/App\"\nupstream = \"monolith\"\nallow = [\"user\"]\n[[routes]]\npath = \"/app\"\nupstream = \"monolith\"\nallow = [\"user\"]\n"
    );
    warned(&cased, &["19:8 \"/App\" differs only by case"]);
    warned(&cased.replace("[upstreams.monolith]", "[upstreams.monolith]\ncase_sensitive = true"), &[]);
}

#[test]
fn broken_text_is_named_and_nothing_is_guessed_about_the_rest() {
    let only = |text: &str, line: usize| {
        let problems = read(text).expect_err("it is broken");
        assert_eq!(problems.iter().map(|problem| problem.line).collect::<Vec<_>>(), [line], "{text}\n{problems:?}");
    };
    only(&LEAST.replace("[server]", "[server"), 2);
    only(&LEAST.replace("[[routes]]", "[[routes]"), 10);
    only(&LEAST.replace("[upstreams.monolith]", "[upstreams.monolith"), 8);
    only(&LEAST.replace("\"https://app.example.com\"", "\"https://app.example.com"), 3);
    only(&LEAST.replace("\"https://app.example.com\"", "https://app.example.com"), 3);
    only(&LEAST.replace("[\"user\"]", "[\"user\""), 13);
    only(&LEAST.replace("upstream = \"monolith\"", "upstream \"monolith\""), 12);
    only(&LEAST.replace("name = \"entra\"", "name = \"entra\"\nname = \"entra\""), 6);
    let problems = read(&LEAST.replace("client_id = \"candor\"", "client_id = \"candor")).expect_err("it is broken");
    assert!(problems.iter().any(|problem| problem.line == 7), "{problems:?}");
    check(&LEAST.replace("[server]", "[server"), &["2:8 "]);
    check(&LEAST.replace("client_id", "name"), &["7:1 duplicate key"]);
    check(&format!("{LEAST}a = \n[[["), &["14:5 ", "15:3 "]);
}

#[test]
fn no_text_makes_it_panic() {
    let mut pieces: Vec<&str> = LEAST.split_inclusive(['\n', '=', '"', '[', ']', ' ']).collect();
    let mut seed = 7_u64;
    let mut next = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).expect("31 bits fit") % below
    };
    for _ in 0..4000 {
        let (one, other) = (next(pieces.len()), next(pieces.len()));
        pieces.swap(one, other);
        let text = pieces.concat();
        let cut = text.floor_char_boundary(next(text.len()));
        for text in [&text[..], &text[..cut], &text[cut..]] {
            let _ = read(text);
        }
    }
    let deep = format!("a = {}", "[".repeat(100_000));
    let nested = format!("a{} = 1", ".a".repeat(100_000));
    for text in [&deep, &nested, "\u{feff}", "\0", "=", "a.b = 1\na = 2", "\u{202e} = 1", "[[routes]]\n[routes]"] {
        assert!(read(text).is_err(), "{:?}", text.get(..20));
    }
}

#[test]
fn every_key_is_documented() {
    let document = include_str!("../../../docs/configuration.md");
    let sources = [
        include_str!("server.rs"),
        include_str!("issuers.rs"),
        include_str!("upstreams.rs"),
        include_str!("routes.rs"),
    ];
    let calls = ["value(\"", "count(\"", "required(\"", "not_built(\"", "timeout(\"", "flag(\"", "claim(\""];
    let mut keys = 0;
    for (source, call) in sources.iter().flat_map(|source| calls.map(|call| (source, call))) {
        for key in source.split(call).skip(1).filter_map(|rest| rest.split('"').next()) {
            keys += 1;
            assert!(document.contains(&format!("`{key}`")) || document.contains(&format!(".{key}`")), "{key}");
        }
    }
    assert!(keys > 50, "{keys} keys found in the sources");
}

#[test]
fn an_access_token_is_that_of_somebody_who_signed_in() {
    let route = |allow: &str| with("[[routes]]", "forward_access_token = true").replace("[\"user\"]", allow);
    let config = read(&route("[\"user\"]")).expect("it reads");
    assert!(config.routes[0].forward_access_token);
    assert!(!read(LEAST).expect("it reads").routes[0].forward_access_token);
    check(&route("[\"anyone\"]"), &["11:24 where anyone may pass nobody waits for an access token"]);
    let found = read(&route("[\"service\"]")).expect_err("it is refused");
    assert!(found.iter().any(|it| it.to_string().contains("nobody who signs in passes here")), "{found:?}");
    check(&with("[[routes]]", "forward_access_token = 1"), &["11:24 `forward_access_token` must be true or false"]);
}

#[test]
fn an_endpoint_may_be_behind_tls_or_a_socket_of_this_machine() {
    let endpoint = |text: &str| LEAST.replace("[\"http://127.0.0.1:9000\"]", text);
    let tls = |endpoints: &str, tls: &str| endpoint(&format!("{endpoints}\ntls = {tls}"));
    for text in ["[\"https://a\"]", "[\"https://127.0.0.1:9443\"]", "[\"https://[::1]\"]", "[\"unix:/run/a-b_1.sock\"]"]
    {
        assert!(read(&endpoint(text)).is_ok(), "{text}");
    }
    let named = read(&tls("[\"https://a\"]", "{ server_name = \"b.internal\" }")).expect("a configuration");
    let name = named.upstreams["monolith"].tls.server_name.clone().expect("it is told");
    assert_eq!(name.to_str(), "b.internal");
    let socket = "9:14 the path of a socket is absolute, in letters, digits and";
    for text in
        ["[\"unix:run/a.sock\"]", "[\"unix:\"]", "[\"unix://host/a\"]", "[\"unix:/run/a b\"]", "[\"unix:/a/../b\"]"]
    {
        check(&endpoint(text), &[socket]);
    }
    check(&endpoint(&format!("[\"unix:/{}\"]", "a".repeat(107))), &[socket]);
    check(&endpoint("[\"ftp://a\"]"), &["9:14 `endpoints` must begin with https:// or http://"]);
    check(
        &tls("[\"http://a\"]", "{ ca = \"absent.pem\" }"),
        &["10:7 `tls` is for https", "10:14 /absent.pem cannot be read"],
    );
    check(&tls("[\"http://a\"]", "{}"), &["10:7 `tls` is for https endpoints, and there is none"]);
    let two = read(&endpoint("[\"https://a\"]\nprotocol = \"http2\"")).expect("a configuration");
    assert_eq!(two.upstreams["monolith"].protocol, UpstreamProtocol::Http2);
    check(&endpoint("[\"https://a\"]\nprotocol = \"h2\""), &["10:12 `protocol` must be \"http1\" or \"http2\""]);
    check(&tls("[\"https://a\"]", "\"yes\""), &["10:7 `tls` must be a table"]);
    check(&tls("[\"https://a\"]", "{ verify = false }"), &["10:9 `tls` of an upstream has no key `verify`"]);
    check(&tls("[\"https://a\"]", "{ server_name = \"a b\" }"), &["10:23 `server_name` must be a host name"]);
}

#[test]
fn tls_is_two_files_that_can_be_read() {
    let tls = |text: &str| with("[server]", text);
    check(&tls("tls = { certificate = \"a\", key = \"b\" }"), &["3:7 /etc/candor/a cannot be read / relative paths"]);
    check(&tls("tls = { certificate = \"a\" }"), &["3:7 must name `certificate` and `key`"]);
    check(&tls("tls = []"), &["3:7 names no certificate"]);
    check(&tls("tls = [\"a\"]"), &["3:8 a table of two files"]);
    check(&tls("tls = { certificat = \"a\" }"), &["3:7 must name", "3:9 `tls` has no key `certificat`"]);
    check(&tls("hsts = \"365d\""), &["3:8 there is no `tls` here"]);
    check(&tls("hsts = { max_age = \"1d\", sub = true }"), &["3:8 there is no `tls` here", "3:26 has no key `sub`"]);
    let plain = tls("redirect_http = [\"0.0.0.0:80\"]").replace("https://app", "http://app");
    check(&plain, &["3:17 `redirect_http` is for a `public_url` that is https"]);
    check(&tls("redirect_http = []"), &["3:17 `redirect_http` names no address"]);
    // Commands need no keys.
    let text =
        tls("tls = { certificate = \"a\", key = \"b\" }\nhsts = { max_age = \"2d\", include_subdomains = true }");
    let config = parse(&text, Path::new("/etc/candor"), Secrets::NotNeeded).expect("it reads");
    assert_eq!(config.server.tls.certificates[0].key, PathBuf::from("/etc/candor/b"));
    assert_eq!(config.server.tls.hsts.map(Hsts::value).as_deref(), Some("max-age=172800; includeSubDomains"));
    compare(&text, &config.warnings, &[]);
}
