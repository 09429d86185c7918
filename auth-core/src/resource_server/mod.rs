//! A service that takes access tokens (an OAuth 2.0 resource server, RFC 6749 §1.1): [`Bearer`], and its builder.
//!
//! [`Bearer::issuer`] names who is trusted, [`BearerBuilder`] what is asked, [`BearerBuilder::start`] begins. Nothing is
//! waited for there: while an issuer's keys have never been had, its tokens are Unavailable (503), and the first that comes
//! has them fetched. With the feature `tower`, `Bearer::http` and `Bearer::grpc` are layers; without it, [`Bearer::admit`]
//! reads a head.
//!
//! Behind a Candor gateway, [`Bearer::gateway_identity`] takes the identities that it signs (`X-Gateway-Identity`), so that
//! whoever reaches the service past the gateway is nobody. Tickets, the sessions of people and device tokens are the
//! gateway's business: they need its keyring and its store, and another process has neither.
//!
//! # What holds without being asked for
//! | | |
//! |---|---|
//! | an issuer's keys | fetched hourly; for tokens with an unknown key five times at once and then once a minute, and as often again for tokens with a bad signature; kept while it is down |
//! | a forged token | refused, if the keys are 15 minutes younger than it says it is; before, it might be one of a new key: 503 |
//! | `max_stale` | 12 hours for people and programs, 72 for devices: for so long old keys do while no others can be had |
//! | leeway between clocks | 30 seconds |
//! | algorithms | all asymmetric ones that the key itself allows; never `none`, never a shared secret |
//! | deadline of a fetch | 2 seconds to connect, 5 in all |
//! | a refusal in doubt | held back as 503 while many credentials that were good within a day would be refused at once |
//! | wall clock | not believed while it has stepped; see [`crate::clock`] |

mod builder;
mod gateway_identity;
mod rules;
#[cfg(test)]
mod tests;
mod verified_claims;

use std::{fmt, sync::Arc};

use http::HeaderMap;

pub use self::{
    builder::{BearerBuilder, StartError},
    verified_claims::VerifiedClaims,
};
use self::{gateway_identity::GatewayIdentities, rules::Rules};
pub use crate::{bearer::introspection::IntrospectionConfig, credential::AmbiguousCredentials, jws::Algorithm};
use crate::{
    bearer::{self, Bearers},
    clock::{Clock, Now},
    credential::{Credential, CredentialCandidates, CredentialText, TokenOrigin},
    data_folder::DataFolder,
    jws::{self, TokenKind},
    policy::{Allow, Holder, Permit, permit},
    principal::Principal,
    refusal_guard::Harm,
    verdict::{Detail, Proof, Reason, Rejected, Stop, Verdict},
    verdict_log::VerdictLog,
};

/// Who may ask this service, running. Cheap to clone; clones share what they know, and what runs in the background ends
/// when the last one is dropped.
///
/// The methods that take `self` ask for more on some routes than on others: they give a `Bearer` of their own that knows
/// the same issuers.
#[derive(Clone)]
pub struct Bearer {
    running: Arc<Running>,
    rules: Arc<Rules>,
}

/// What all rules share.
struct Running {
    tokens: Bearers,
    gateways: GatewayIdentities,
    log: VerdictLog,
    clock: Clock,
    /// Held for as long as anybody may write there.
    _cache: Option<DataFolder>,
}

/// Somebody who may pass.
#[derive(Debug)]
pub struct Admitted {
    /// The right to serve this one request, and whom it was given to.
    pub permit: Permit,
    /// All that their token states; `None` if nobody is known, which [`Bearer::optional`] alone allows.
    pub claims: Option<VerifiedClaims>,
}

/// Why a request goes no further.
#[derive(Debug)]
pub enum NotAdmitted {
    /// It is a bad request: nobody can tell which of its credentials counts.
    Ambiguous(AmbiguousCredentials),
    /// It was refused with a proof, or nobody can tell.
    Stop(Stop),
}

/// What was shown, by whom it was made.
enum Shown {
    Token(CredentialText),
    Identity(CredentialText),
    Nothing(Credential, Stop),
}

/// It names an issuer whose tokens are not taken here.
struct UntrustedIssuer {
    issuer: String,
}

impl Bearer {
    /// Takes the access tokens of `issuer`: its `iss`, to the letter. Its keys are where its discovery document says
    /// (OpenID Connect Discovery 1.0 §4), unless [`BearerBuilder::jwks`] names them.
    ///
    /// # Errors
    /// [`StartError::Address`], if it is no address of https, or of http on loopback; [`StartError::Issuer`], if no token
    /// can name it.
    pub fn issuer(issuer: &str) -> Result<BearerBuilder, StartError> {
        BearerBuilder::new().issuer(issuer)
    }

    /// Takes the identities that the Candor gateway with this `public_url` signs, and no tokens.
    ///
    /// # Errors
    /// As [`Bearer::issuer`].
    pub fn gateway_identity(public_url: &str) -> Result<BearerBuilder, StartError> {
        BearerBuilder::new().gateway_identity(public_url)
    }

    /// The same, for whoever has this scope too, or each of a list with spaces (RFC 6749 §3.3).
    pub fn scope(&self, scope: impl Into<Arc<str>>) -> Self {
        self.asking(|rules| rules.scope(scope.into()))
    }

    /// The same, for this client too: several name a choice.
    pub fn client(&self, client: impl Into<Arc<str>>) -> Self {
        self.asking(|rules| rules.clients.push(client.into()))
    }

    /// The same, for whom this is true: several name a choice, which takes the place of "whoever is known".
    pub fn allow(&self, allow: Allow) -> Self {
        self.asking(|rules| rules.allow(allow))
    }

    /// The same, where anybody may pass, and whoever shows a good token is known.
    pub fn optional(&self) -> Self {
        self.asking(|rules| rules.allow(Allow::Anyone))
    }

    /// The same, on knowledge that is at most so old; with zero, on none that is due to be confirmed.
    pub fn max_stale(&self, limit: std::time::Duration) -> Self {
        self.asking(|rules| rules.max_stale(limit))
    }

    /// The same, where a refusal costs whoever sees it nothing but a sign-in: it is then not held back when many are
    /// refused at once. By default a 401 is taken to destroy something, as at a display that forgets its token.
    pub fn harmless(&self) -> Self {
        self.asking(|rules| rules.harm = Harm::None)
    }

    /// Whether the request with this head may pass, and whose it is.
    ///
    /// # Errors
    /// [`NotAdmitted`]. Only a [`Stop::Rejected`] may become 401 or 403.
    pub async fn admit(&self, headers: &HeaderMap) -> Result<Admitted, NotAdmitted> {
        let (now, rules) = (self.running.clock.now(), &*self.rules);
        let shown = self.running.shown(headers, rules)?;
        let credential = shown.credential();
        let (verdict, claims) = match self.running.judge(shown, now).await {
            Ok((principal, claims)) => (Verdict::Authenticated(principal), Some(claims)),
            Err(stop) => (stop.into(), None),
        };
        self.running.log.note(&verdict, &credential, &rules.requirement, now);
        let known = matches!(verdict, Verdict::Authenticated(_));
        let verdict = self.running.log.guarded_where_open(verdict, &rules.requirement, now);
        let admitted = permit(verdict, &rules.requirement, now).and_then(|permit| {
            let claims = claims.filter(|_| matches!(permit.holder(), Holder::Known(_)));
            rules.check(&permit, claims.as_ref())?;
            Ok(Admitted { permit, claims })
        });
        admitted.map_err(|stop| {
            if known {
                self.running.log.stopped(&stop, now);
            }
            self.running.log.guard().hold(stop, rules.harm, now).into()
        })
    }

    fn asking(&self, ask: impl FnOnce(&mut Rules)) -> Self {
        let mut rules = Rules::clone(&self.rules);
        ask(&mut rules);
        Self { running: Arc::clone(&self.running), rules: Arc::new(rules) }
    }

    /// The scopes that are asked for, for whoever lacks one.
    #[cfg(feature = "tower")]
    pub(crate) fn scopes(&self) -> &[Arc<str>] {
        &self.rules.scopes
    }
}

impl Running {
    /// What counts of a head. An identity that a gateway signed comes first: nobody else can make one.
    fn shown(&self, headers: &HeaderMap, rules: &Rules) -> Result<Shown, AmbiguousCredentials> {
        if let Some(identity) = self.gateways.identity(headers)? {
            return Ok(Shown::Identity(CredentialText::new(identity)));
        }
        let candidates = CredentialCandidates::of_authorization(headers)?;
        let takes_tokens = !self.tokens.is_empty();
        let origin = |_: &CredentialText| if takes_tokens { TokenOrigin::Issuer } else { TokenOrigin::Elsewhere };
        Ok(match candidates.credential(&rules.requirement, origin, None)? {
            Credential::Bearer(token) => Shown::Token(token),
            nothing => {
                let stop = self.gateways.undecided(headers).unwrap_or_else(|| nothing.missing());
                Shown::Nothing(nothing, stop)
            }
        })
    }

    async fn judge(&self, shown: Shown, now: Now) -> Result<(Principal, VerifiedClaims), Stop> {
        match shown {
            Shown::Nothing(_, stop) => Err(stop),
            Shown::Identity(identity) => self.gateways.verify(&identity, now).await,
            Shown::Token(token) => {
                self.is_trusted(&token)?;
                let (principal, claims) = self.tokens.verify_with_claims(&token, now).await?;
                Ok((principal, VerifiedClaims::new(claims)))
            }
        }
    }

    /// Whoever sends a token here means this service: one of an issuer that it does not trust is refused as such.
    fn is_trusted(&self, token: &CredentialText) -> Result<(), Stop> {
        if self.tokens.recognises(token) || self.tokens.is_opaque(token) {
            return Ok(());
        }
        let unverified = jws::read(token.expose(), TokenKind::Bearer).map_err(bearer::malformed)?;
        Err(Rejected::proven_by(UntrustedIssuer { issuer: unverified.issuer().to_owned() }).into())
    }
}

impl Shown {
    /// As the log and the mass-refusal guard know it.
    fn credential(&self) -> Credential {
        match self {
            Self::Token(text) | Self::Identity(text) => Credential::Bearer(text.clone()),
            Self::Nothing(nothing, _) => nothing.clone(),
        }
    }
}

impl Admitted {
    /// Who it is; `None` where anybody may pass, and nobody is known.
    pub fn principal(&self) -> Option<&Principal> {
        match self.permit.holder() {
            Holder::Known(principal) => Some(principal),
            Holder::Anyone | Holder::Undecided(_) | Holder::Lapsed => None,
        }
    }
}

impl Proof for UntrustedIssuer {
    fn reason(&self) -> Reason {
        Reason::WrongIssuer
    }
    fn detail(&self) -> Detail {
        Detail::new(format!("it names the issuer {:?}, which is not trusted here", self.issuer))
    }
}

impl From<AmbiguousCredentials> for NotAdmitted {
    fn from(ambiguous: AmbiguousCredentials) -> Self {
        Self::Ambiguous(ambiguous)
    }
}

impl From<Stop> for NotAdmitted {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        tracing::debug!("nobody asks for these access tokens any more: their issuers' keys are not kept fresh");
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Bearer").field(&self.rules).finish()
    }
}
