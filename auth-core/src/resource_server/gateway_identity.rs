//! Identities that a Candor gateway signs for the services behind it (`X-Gateway-Identity`): short-lived JWTs under its
//! published keys.
//!
//! One that is over proves nothing about whoever is asking: a good gateway sends a fresh one with every request, so it is
//! a replay or two clocks that disagree, and neither is their fault. It is Unavailable.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName};
use serde_json::Value;

use super::VerifiedClaims;
use crate::{
    bearer,
    clock::{Now, Past},
    credential::{AmbiguousCredentials, CredentialText},
    dependency::Dependency,
    jws::{self, Claims, TokenKind},
    keys::{IssuerKeys, NotVerified},
    principal::{Freshness, Groups, Kind, Principal, Roles, Silence, Subject, UserName},
    verdict::{Detail, Proof, Reason, Rejected, Stop, Unavailable},
};

/// The gateways whose identities are taken.
#[derive(Default)]
pub(super) struct GatewayIdentities(BTreeMap<Arc<str>, TrustedGateway>);

/// One gateway.
pub(super) struct TrustedGateway {
    /// The names of this service there.
    pub(super) audience: Vec<String>,
    pub(super) leeway: Duration,
    pub(super) keys: IssuerKeys,
}

/// It was signed for another service.
struct ForAnotherService {
    who: Subject,
    aud: Vec<String>,
}

/// It names a gateway whose identities are not taken here.
struct UntrustedGateway {
    issuer: String,
}

const IDENTITY: HeaderName = HeaderName::from_static("x-gateway-identity");
const UNDECIDED: HeaderName = HeaderName::from_static("x-gateway-undecided");

impl GatewayIdentities {
    pub(super) fn new(gateways: BTreeMap<Arc<str>, TrustedGateway>) -> Self {
        Self(gateways)
    }

    /// The identity that came with a head, if one is looked for.
    pub(super) fn identity(&self, headers: &HeaderMap) -> Result<Option<String>, AmbiguousCredentials> {
        let mut fields = headers.get_all(IDENTITY).iter().filter(|field| !field.is_empty());
        match (fields.next(), fields.next()) {
            (Some(_), _) if self.0.is_empty() => Ok(None),
            (Some(_), Some(_)) => Err(AmbiguousCredentials::TwoIdentities),
            // No token has a byte beyond ASCII: what does is none.
            (Some(one), None) => Ok(Some(String::from_utf8_lossy(one.as_bytes()).into_owned())),
            (None, _) => Ok(None),
        }
    }

    /// Why the gateway names nobody, if it says that it could not tell. Anybody may say so who reaches the service past it:
    /// they are told 503 in place of 401.
    pub(super) fn undecided(&self, headers: &HeaderMap) -> Option<Stop> {
        let said = headers.get(UNDECIDED).filter(|said| !said.is_empty() && !self.0.is_empty())?;
        let of = Dependency::ALL.into_iter().find(|of| of.as_str().as_bytes() == said.as_bytes());
        let cause = "the gateway could not tell who is asking";
        Some(Unavailable::because(of.unwrap_or(Dependency::OwnJudgement), cause).unsettled().into())
    }

    /// Whom it names.
    pub(super) async fn verify(&self, text: &CredentialText, now: Now) -> Result<(Principal, VerifiedClaims), Stop> {
        let unverified = jws::read(text.expose(), TokenKind::GatewayIdentity).map_err(bearer::malformed)?;
        let Some(gateway) = self.0.get(unverified.issuer()) else {
            return Err(Rejected::proven_by(UntrustedGateway { issuer: unverified.issuer().to_owned() }).into());
        };
        let (claims, keys) = match gateway.keys.check(&unverified, now).await {
            Ok(checked) => checked,
            Err(NotVerified::Forged(proof, _)) => return Err(Rejected::proven_by(proof).into()),
            Err(NotVerified::Stop(stop)) => return Err(stop),
        };
        let Some(principal) = stated(&claims, keys.freshness) else {
            let cause = "a gateway states an identity that cannot be read";
            return Err(Unavailable::because(Dependency::OwnJudgement, cause).into());
        };
        if !claims.aud.iter().any(|aud| gateway.audience.contains(aud)) {
            return Err(Rejected::proven_by(ForAnotherService { who: principal.subject, aud: claims.aud }).into());
        }
        if let Some(begins) = claims.not_before(gateway.leeway, now) {
            return Err(Unavailable::not_yet(begins, now, "the identity is not valid yet").into());
        }
        if now.past(claims.exp + gateway.leeway) != Past::No {
            let cause = "a gateway's identity that is over: it was kept, or the clocks of gateway and service disagree";
            return Err(Unavailable::because(Dependency::Clock, cause).unsettled().into());
        }
        Ok((principal, VerifiedClaims::new(Arc::new(claims))))
    }
}

/// The principal that good claims state, by keys as fresh as this. What the gateway leaves out it does not know either.
fn stated(claims: &Claims, freshness: Freshness) -> Option<Principal> {
    let text = |name| claims.text(name).map(Arc::from);
    let subject = Subject::new(text("idp")?, claims.sub.as_str());
    let user_name = match claims.text("user")? {
        user if *user == *subject.id => UserName::Subject,
        user => UserName::Claimed { claim: "user".into(), value: user.into() },
    };
    let list = |name: &str| match claims.all.get(name) {
        None => Some(None),
        Some(_) => claims.texts(name).map(Some),
    };
    let kind = serde_json::from_value::<Kind>(Value::from(claims.text("kind")?)).ok()?;
    Some(Principal {
        kind,
        tenant: text("tenant"),
        user_name,
        name: text("name"),
        preferred_username: text("preferred_username"),
        email: text("email"),
        roles: list("roles")?.map_or(Roles::NotStated(Silence::Absent), Roles::known),
        groups: list("groups")?.map_or(Groups::NotStated(Silence::NotAsked), Groups::known),
        session: None,
        device: None,
        begun: claims.iat,
        until: claims.exp,
        freshness,
        subject,
    })
}

impl Proof for ForAnotherService {
    fn reason(&self) -> Reason {
        Reason::WrongAudience
    }
    fn detail(&self) -> Detail {
        Detail::new(format!("the gateway signed it for {:?}, and `audience` names none of these", self.aud))
    }
    fn about(&self) -> Option<Subject> {
        Some(self.who.clone())
    }
}

impl Proof for UntrustedGateway {
    fn reason(&self) -> Reason {
        Reason::WrongIssuer
    }
    fn detail(&self) -> Detail {
        Detail::new(format!("it names the gateway {:?}, which is not trusted here", self.issuer))
    }
}
