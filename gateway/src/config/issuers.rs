//! `[[identity]]` and `[[bearer]]`: who may vouch for people and for programs.

use std::{sync::Arc, time::Duration};

use auth_core::{
    bearer::{Profile, introspection::IntrospectionConfig},
    idp::{Prompt, ResponseMode, UserinfoUse},
    jws::Algorithm,
    outbound::{Forbidden, Named},
    principal::{
        Kind, UserClaim,
        stated::{Absence, WhenAbsent},
    },
};
use secrecy::SecretString;
use url::Url;

use super::{Config, file::Section, value::Value};

/// `[[identity]]`: an OpenID provider that signs people in.
#[derive(Clone, Debug)]
pub struct IdentityConfig {
    /// Names it in the callback's path and in logs.
    pub name: Arc<str>,
    /// Its dialect. Default plain OpenID Connect.
    pub kind: ProviderKind,
    /// Its issuer, exactly as its discovery document and its tokens say it (OpenID Connect Discovery 1.0 §3).
    pub issuer: Arc<str>,
    /// Our name there.
    pub client_id: String,
    /// Our secret there; `None` for a public client, which PKCE alone protects.
    pub client_secret: Option<SecretString>,
    /// What we ask for, `openid` among it. Default `openid profile email`, and for Entra ID `offline_access`.
    pub scopes: Vec<String>,
    /// The `prompt` parameter.
    pub prompt: Option<Prompt>,
    /// Where the discovery document is, if not below the issuer.
    pub discovery_url: Option<Url>,
    /// Certificate authorities to trust for its hosts besides the public ones, PEM.
    pub ca: Option<Arc<[u8]>>,
    /// The algorithms that its ID tokens may be signed with. Default `RS256`.
    pub algorithms: Vec<Algorithm>,
    /// Hosts that its endpoints may move to, besides those of the first good discovery document.
    pub endpoint_hosts: Vec<String>,
    /// The claim of the ID token that services know its people by. Default `sub`.
    pub user_claim: UserClaim,
    /// The claim that holds the name to show. Default `name`.
    pub name_claim: String,
    /// The claim that holds the groups. Default `groups`.
    pub groups_claim: String,
    /// What it means that an ID token has no claim of groups, or of roles. Default: nothing, we were not told.
    pub absence: Absence,
    /// How the provider answers the browser. Default by query.
    pub response_mode: ResponseMode,
    /// What userinfo is asked for. Default nothing.
    pub userinfo: UserinfoUse,
    /// Whether who signs out here is sent on to sign out there too. Default yes.
    pub logout_at_provider: bool,
}

/// A provider's dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderKind {
    /// Plain OpenID Connect.
    Oidc,
    /// Entra ID with one tenant's own issuer.
    Entra,
}

/// `[[bearer]]`: an issuer whose JWT access tokens we take (RFC 9068).
#[derive(Clone, Debug)]
pub struct BearerConfig {
    /// Names it in `from` of a route's `allow`.
    pub name: Option<Arc<str>>,
    /// The tokens' `iss`, exactly.
    pub issuer: Arc<str>,
    /// The audiences that are ours; a token must name one of them. Never empty.
    pub audience: Vec<String>,
    /// The algorithms that its tokens may be signed with. Default `RS256`.
    pub algorithms: Vec<Algorithm>,
    /// How far clocks may differ. Default 30 s.
    pub leeway: Duration,
    /// Whom its tokens speak for: programs (the default) or people.
    pub kind: Kind,
    /// The claim that services know its people by; of programs always the subject. Default `sub`.
    pub user_claim: UserClaim,
    /// What it means that a token has no claim of groups, or of roles. Default: nothing, we were not told.
    pub absence: Absence,
    /// Where its keys are; `None`: by discovery.
    pub jwks_uri: Option<Url>,
    /// What it promises of its JWTs. Default: what every JWT must have.
    pub profile: Profile,
    /// How it is asked about opaque tokens (RFC 7662); `None`: they are not its own.
    pub introspection: Option<IntrospectionConfig>,
}

/// OpenID Connect Core §11.
const OFFLINE_ACCESS: &str = "offline_access";

/// How long an issuer is not asked again about a token that is active, unless the configuration says.
const CACHE: Duration = Duration::from_secs(60);

/// And the longest that it can say: a token that is revoked there passes here for so long.
const LONGEST_CACHE: Duration = Duration::from_secs(600);

const ISSUER: &str = "\"https://login.example.com\"";

/// The words for algorithms (RFC 7518 §3.1, RFC 8037). Only asymmetric ones: with HMAC whoever verifies can forge.
const ALGORITHMS: [(&str, Algorithm); 9] = [
    ("RS256", Algorithm::Rs256),
    ("RS384", Algorithm::Rs384),
    ("RS512", Algorithm::Rs512),
    ("PS256", Algorithm::Ps256),
    ("PS384", Algorithm::Ps384),
    ("PS512", Algorithm::Ps512),
    ("ES256", Algorithm::Es256),
    ("ES384", Algorithm::Es384),
    ("EdDSA", Algorithm::EdDsa),
];

/// Entra's issuers that stand for many tenants.
const MANY_TENANTS: [&str; 3] = ["common", "consumers", "organizations"];

impl Config {
    /// What it names for an issuer besides the issuer itself: by the operator's own hand, so that it may be reached
    /// wherever it is.
    pub fn named_for(&self, issuer: &str) -> Vec<Named> {
        let identities = self.identity.iter().filter(|identity| *identity.issuer == *issuer);
        let bearers = self.bearer.iter().filter(|bearer| *bearer.issuer == *issuer);
        let hosts = identities.clone().flat_map(|identity| &identity.endpoint_hosts).map(|host| Named::host(host));
        let documents = identities.filter_map(|identity| identity.discovery_url.as_ref());
        let addresses = documents.chain(bearers.flat_map(BearerConfig::named)).map(Named::address);
        // Each was found to be one that can be reached when it was read.
        addresses.chain(hosts).filter_map(Result::ok).collect()
    }
}

impl IdentityConfig {
    /// Reads one `[[identity]]`; `None` if something that has no default is missing or wrong.
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let name = section.required("name", "\"entra\"").and_then(|value| name(&value));
        let kind = section
            .value("kind")
            .and_then(|value| value.choice(&[("oidc", ProviderKind::Oidc), ("entra", ProviderKind::Entra)]))
            .unwrap_or(ProviderKind::Oidc);
        let issuer = section.required("issuer", ISSUER).and_then(|value| issuer(&value));
        let client_id = section.required("client_id", "\"…\"").and_then(|value| value.text("\"candor\""));
        let client_secret = section.value("client_secret").map(|value| value.secret());
        let scopes = section.value("scopes").map(|value| scopes(&value, kind).unwrap_or_default());
        let prompt = section.value("prompt").and_then(|value| {
            value.choice(&[
                ("consent", Prompt::Consent),
                ("login", Prompt::Login),
                ("select_account", Prompt::SelectAccount),
            ])
        });
        let discovery_url = section.value("discovery_url").and_then(|value| provider_url(&value));
        let ca = section.value("ca").and_then(|value| certificates(&value));
        let algorithms = algorithms(section);
        let endpoint_hosts =
            section.value("endpoint_hosts").and_then(|value| value.each("[\"keys.example.com\"]", host));
        let claim = |key, default: &str| {
            section.value(key).and_then(|value| value.text("\"groups\"")).unwrap_or(default).to_owned()
        };
        let (name_claim, groups_claim) = (claim("name_claim", "name"), claim("groups_claim", "groups"));
        let user_claim = user_claim(section).unwrap_or_default();
        let absence = absence(section);
        let response_mode = section
            .value("response_mode")
            .and_then(|value| value.choice(&[("query", ResponseMode::Query), ("form_post", ResponseMode::FormPost)]));
        let userinfo = section.value("userinfo").and_then(|value| {
            value.choice(&[
                ("never", UserinfoUse::Never),
                ("verify-sub", UserinfoUse::VerifySub),
                ("merge", UserinfoUse::Merge),
            ])
        });
        let logout_at_provider = section.value("logout_at_provider").and_then(|value| value.boolean());
        section.finish();
        Some(Self {
            name: name?.into(),
            kind,
            issuer: issuer?.into(),
            client_id: client_id?.to_owned(),
            client_secret: client_secret.flatten(),
            scopes: scopes.unwrap_or_else(|| default_scopes(kind)),
            prompt,
            discovery_url,
            ca,
            algorithms,
            endpoint_hosts: endpoint_hosts.unwrap_or_default(),
            user_claim,
            name_claim,
            groups_claim,
            absence,
            response_mode: response_mode.unwrap_or(ResponseMode::Query),
            userinfo: userinfo.unwrap_or_default(),
            logout_at_provider: logout_at_provider.unwrap_or(true),
        })
    }
}

impl BearerConfig {
    /// Reads one `[[bearer]]`; `None` if something that has no default is missing or wrong.
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let name = section.value("name").map(|value| name(&value));
        let issuer = section.required("issuer", ISSUER).and_then(|value| issuer(&value));
        let example = "[\"api://monolith\"]";
        let audience = section.required("audience", example).and_then(|value| {
            let audience = value.each(example, |one| one.text("\"api://monolith\"").map(str::to_owned))?;
            if value.list(example)?.is_empty() {
                value.problem(
                    "`audience` is empty: tokens for anybody would be taken",
                    format!("for example {example}"),
                );
            }
            Some(audience)
        });
        let algorithms = algorithms(section);
        let leeway =
            section.value("leeway").and_then(|value| value.duration(Duration::ZERO..=Duration::from_secs(300)));
        let kind =
            section.value("kind").and_then(|value| value.choice(&[("service", Kind::Service), ("user", Kind::User)]));
        let user_claim = user_claim(section);
        if user_claim.is_some() && kind != Some(Kind::User) {
            section.problem(
                "`user_claim` is for people: a program is told by its subject".to_owned(),
                Some("leave it out, or add kind = \"user\"".to_owned()),
            );
        }
        let absence = absence(section);
        let jwks_uri = section.value("jwks_uri").and_then(|value| provider_url(&value));
        let profile = section.value("profile").and_then(|value| value.choice(&[("rfc9068", Profile::Rfc9068)]));
        let introspects = section.has("introspection");
        let introspection = section.section("introspection").and_then(introspection);
        section.finish();
        if introspects && introspection.is_none() {
            return None;
        }
        Some(Self {
            name: match name {
                Some(name) => Some(name?.into()),
                None => None,
            },
            issuer: issuer?.into(),
            audience: audience?,
            algorithms,
            leeway: leeway.unwrap_or(Duration::from_secs(30)),
            kind: kind.unwrap_or(Kind::Service),
            user_claim: user_claim.unwrap_or_default(),
            absence,
            jwks_uri,
            profile: profile.unwrap_or_default(),
            introspection,
        })
    }

    /// The addresses that it names besides the issuer.
    pub fn named(&self) -> impl Iterator<Item = &Url> {
        let endpoint = self.introspection.as_ref().and_then(|introspection| introspection.endpoint.as_ref());
        self.jwks_uri.iter().chain(endpoint)
    }
}

/// How an issuer is asked about opaque tokens; `None` if something that has no default is missing or wrong.
fn introspection(mut section: Section<'_>) -> Option<IntrospectionConfig> {
    "[[bearer]] introspection".clone_into(&mut section.name);
    let client_id = section.required("client_id", "\"…\"").and_then(|value| value.text("\"candor\""));
    let client_secret = section.required("client_secret", "{ env = \"INTROSPECTION_SECRET\" }");
    let has_secret = client_secret.is_some();
    let client_secret = client_secret.and_then(|value| value.secret());
    let endpoint = section.value("endpoint").map(|value| provider_url(&value));
    let cache = section.value("cache").and_then(|value| value.duration(Duration::ZERO..=LONGEST_CACHE));
    section.finish();
    let endpoint = match endpoint {
        Some(endpoint) => Some(endpoint?),
        None => None,
    };
    let (client_id, cache) = (client_id?.to_owned(), cache.unwrap_or(CACHE));
    has_secret.then_some(IntrospectionConfig { client_id, client_secret, endpoint, cache })
}

/// An issuer's name here. A provider's stands in the callback's path.
fn name(value: &Value<'_>) -> Option<String> {
    value.parsed("1 to 32 of a-z, 0-9 and -", "\"entra\"", |text| {
        let fits = text.len() <= 32 && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        fits.then(|| text.to_owned())
    })
}

/// An issuer, to the letter; its form is checked (OpenID Connect Discovery 1.0 §3).
fn issuer<'a>(value: &Value<'a>) -> Option<&'a str> {
    let text = value.text(ISSUER)?;
    if text.contains(['<', '>']) {
        value.problem("`issuer` still has a placeholder", "write your directory's id in its place");
        return None;
    }
    let url = provider_url(value)?;
    if url.query().is_some() || url.fragment().is_some() {
        value.problem("an issuer has no query and no fragment", format!("for example {ISSUER}"));
        return None;
    }
    let tenant = url.path_segments().and_then(|mut segments| segments.next()).unwrap_or_default();
    if url.host_str().is_some_and(|host| host.starts_with("login.microsoftonline.")) && MANY_TENANTS.contains(&tenant) {
        let instead = "name one tenant's own issuer: https://login.microsoftonline.com/DIRECTORY-ID/v2.0";
        value.problem(format!("`{tenant}` stands for many tenants, which is not built yet"), instead);
        return None;
    }
    Some(text)
}

/// An address of a provider: https, unless it cannot leave this machine; and one that may be reached at all.
fn provider_url(value: &Value<'_>) -> Option<Url> {
    let url = value.url(ISSUER)?;
    match Named::address(&url) {
        Ok(_) => Some(url),
        Err(Forbidden::Scheme(_)) => {
            let why = "http is only for providers on this machine: anybody on the way could forge keys";
            value.problem(why, "use https://");
            None
        }
        Err(Forbidden::Address(host)) => {
            never_reached(value, &host);
            None
        }
    }
}

fn host(value: &Value<'_>) -> Option<String> {
    let host = value.parsed("a host name", "\"keys.example.com\"", |text| match url::Host::parse(text) {
        Ok(host) if !text.contains(['/', '@']) => Some(host.to_string()),
        Ok(_) | Err(_) => None,
    })?;
    if Named::host(&host).is_err() {
        never_reached(value, &host);
        return None;
    }
    Some(host)
}

fn never_reached(value: &Value<'_>, host: &str) {
    value.problem(format!("{host} is never called: it is a link-local or otherwise special address"), "name another");
}

/// Entra ID gives no refresh token without `offline_access`. Elsewhere that scope means something else and costs much:
/// Keycloak keeps an offline session for each sign-in, and refuses whoever may not have one.
fn default_scopes(kind: ProviderKind) -> Vec<String> {
    let further: &[&str] = match kind {
        ProviderKind::Entra => &[OFFLINE_ACCESS],
        #[cfg(candor_mutants)]
        ProviderKind::Oidc if auth_core::mutants::is("offline-by-default") => &[OFFLINE_ACCESS],
        ProviderKind::Oidc => &[],
    };
    ["openid", "profile", "email"].iter().chain(further).map(|&scope| scope.to_owned()).collect()
}

fn scopes(value: &Value<'_>, kind: ProviderKind) -> Option<Vec<String>> {
    let scopes = value.each("[\"openid\", \"profile\"]", |one| {
        one.parsed("one scope, without spaces", "\"profile\"", |text| {
            (!text.contains(char::is_whitespace)).then(|| text.to_owned())
        })
    })?;
    if !scopes.iter().any(|scope| scope == "openid") {
        value.problem("without the scope `openid` there is no ID token", "add \"openid\"");
    }
    if kind == ProviderKind::Oidc && scopes.iter().any(|scope| scope == OFFLINE_ACCESS) {
        let what = "`offline_access` asks for a session at the provider that outlives signing out there, and some \
                    (Keycloak) refuse whoever may not have one";
        value.warning(what, "leave it out: nothing here needs it");
    }
    Some(scopes)
}

fn certificates(value: &Value<'_>) -> Option<Arc<[u8]>> {
    let pem = value.file_content("\"ca.pem\"")?;
    if !String::from_utf8_lossy(&pem).contains("-----BEGIN CERTIFICATE-----") {
        value.problem("the file of `ca` holds no PEM certificate", "it must have a line -----BEGIN CERTIFICATE-----");
        return None;
    }
    Some(pem.into())
}

/// What an issuer's silence about groups and roles means: nothing is learned by itself, so the operator says it.
fn absence(section: &Section<'_>) -> Absence {
    let read = |key| {
        let value = section.value(key);
        value.and_then(|value| value.choice(&[("unknown", WhenAbsent::Unknown), ("none", WhenAbsent::None)]))
    };
    Absence {
        groups: read("groups_when_absent").unwrap_or_default(),
        roles: read("roles_when_absent").unwrap_or_default(),
    }
}

/// Claims that are the same for many, or that people choose: by none of them is anybody told from somebody else.
const OF_MANY: [&str; 11] =
    ["aud", "azp", "family_name", "given_name", "groups", "iss", "locale", "middle_name", "name", "nickname", "tid"];

/// The claim that services know people by. Which address is verified, only `email` has a claim for.
fn user_claim(section: &Section<'_>) -> Option<UserClaim> {
    let value = section.value("user_claim")?;
    let name = value.text("\"preferred_username\"")?;
    if OF_MANY.contains(&name) {
        let what = format!("`user_claim` must tell people apart, which {name:?} does not");
        value.problem(what, "for example \"preferred_username\"");
        return None;
    }
    Some(UserClaim::named(name))
}

fn algorithms(section: &Section<'_>) -> Vec<Algorithm> {
    let Some(value) = section.value("algorithms") else { return vec![Algorithm::Rs256] };
    let example = "[\"RS256\"]";
    if value.list(example).is_some_and(|list| list.is_empty()) {
        value.problem("`algorithms` is empty: no token could ever be good", format!("for example {example}"));
    }
    let read = value.each(example, |one| {
        let text = one.text("\"RS256\"")?;
        if matches!(text, "HS256" | "HS384" | "HS512" | "none") {
            let why = "whoever can verify such a token can forge it";
            one.problem(format!("{text} is never taken: {why}"), "for example \"RS256\"");
            return None;
        }
        one.choice(&ALGORITHMS)
    });
    read.unwrap_or_default()
}
