//! Who is asking, signed for upstreams: a short-lived JWT beside the plain identity headers, which the monolith can check
//! by our published keys, so that a request that went around the gateway names nobody.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use auth_core::{
    clock::{Now, Timestamp},
    jws::GATEWAY_IDENTITY,
    keyring::Keyring,
    principal::{Groups, Kind, Principal, Roles, Subject, UserName},
};
use http::HeaderValue;
use moka::sync::Cache;
use serde::Serialize;

use crate::fault::Fault;

/// Signs identities, and remembers them for half their life: the hot path signs nothing. Cheap to clone.
#[derive(Clone)]
pub struct IdentitySigner {
    keyring: Keyring,
    issuer: Arc<str>,
    signed: Cache<Whom, Signed>,
}

/// Everything that a signed identity states, besides its times. Two principals that differ in any of it never share one.
#[derive(Clone, PartialEq, Eq)]
struct Whom {
    upstream: Arc<str>,
    kind: Kind,
    subject: Subject,
    user_name: UserName,
    tenant: Option<Arc<str>>,
    name: Option<Arc<str>>,
    preferred_username: Option<Arc<str>>,
    email: Option<Arc<str>>,
    roles: Roles,
    groups: Groups,
}

#[derive(Clone)]
struct Signed {
    token: HeaderValue,
    at: Timestamp,
}

/// The claims (RFC 7519 §4.1 for the registered ones).
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
    sub: &'a str,
    /// Who vouched for `sub`: a subject alone means nothing.
    idp: &'a str,
    /// As whom the plain headers tell of them: `sub`, or what `user_claim` names.
    user: &'a str,
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preferred_username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    /// Absent where none were stated, which is not "none".
    #[serde(skip_serializing_if = "Option::is_none")]
    roles: Option<&'a [String]>,
    /// Of a ticket, those that some route asks about. Absent where we know of none: not knowing is not "none".
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<Vec<&'a str>>,
}

impl IdentitySigner {
    /// How long a signed identity holds.
    pub const LIFE: Duration = Duration::from_secs(60);
    /// The most identities that are remembered.
    const MOST: u64 = 50_000;

    /// A signer in the name of `issuer`, our public address.
    pub fn new(keyring: Keyring, issuer: impl Into<Arc<str>>) -> Self {
        let signed = Cache::builder().max_capacity(Self::MOST).time_to_live(Self::LIFE / 2).build();
        Self { keyring, issuer: issuer.into(), signed }
    }

    /// The identity of `principal`, signed for `upstream` (its name in the configuration). It holds for at least half of
    /// [`IdentitySigner::LIFE`] from `now`, and names no path: any request of theirs to that upstream may carry it.
    ///
    /// # Errors
    /// [`Fault::Internal`], if our key cannot sign: nothing is forwarded then.
    pub fn sign(&self, principal: &Principal, upstream: &Arc<str>, now: Now) -> Result<HeaderValue, Fault> {
        let whom = Whom::new(principal, upstream);
        if let Some(signed) = self.signed.get(&whom)
            && signed.at <= now.earlier()
            && now.earlier().since(signed.at) < Self::LIFE / 2
        {
            return Ok(signed.token);
        }
        let token = self.sign_anew(&whom, now)?;
        self.signed.insert(whom, Signed { token: token.clone(), at: now.earlier() });
        Ok(token)
    }

    fn sign_anew(&self, whom: &Whom, now: Now) -> Result<HeaderValue, Fault> {
        let claims = Claims {
            iss: &self.issuer,
            aud: &whom.upstream,
            iat: now.earlier().as_secs(),
            exp: (now.earlier() + Self::LIFE).as_secs(),
            sub: &whom.subject.id,
            idp: &whom.subject.issuer,
            user: whom.user_name.of(&whom.subject),
            kind: whom.kind,
            tenant: whom.tenant.as_deref(),
            name: whom.name.as_deref(),
            preferred_username: whom.preferred_username.as_deref(),
            email: whom.email.as_deref(),
            roles: whom.roles.stated(),
            groups: whom.groups.stated().map(|groups| groups.iter().map(String::as_str).collect()),
        };
        let token = self
            .keyring
            .sign(GATEWAY_IDENTITY, &claims)
            .map_err(|fault| Fault::Internal(format!("no identity for the upstream: {fault}").into()))?;
        let mut value =
            HeaderValue::try_from(token).map_err(|_| Fault::Internal("a signed identity is no header value".into()))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl Whom {
    fn new(principal: &Principal, upstream: &Arc<str>) -> Self {
        Self {
            upstream: upstream.clone(),
            kind: principal.kind,
            subject: principal.subject.clone(),
            user_name: principal.user_name.clone(),
            tenant: principal.tenant.clone(),
            name: principal.name.clone(),
            preferred_username: principal.preferred_username.clone(),
            email: principal.email.clone(),
            roles: principal.roles.clone(),
            groups: principal.groups.clone(),
        }
    }
}

/// Names whose; `Eq` compares the rest.
impl Hash for Whom {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.subject.hash(state);
        self.upstream.hash(state);
    }
}

impl std::fmt::Debug for IdentitySigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Voucher").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
