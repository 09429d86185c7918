//! The rules for a token whose signature held, or that its issuer calls active: for us, for now, and an access token at all.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value, json};

use super::{BearerIssuer, Profile, introspection::Active};
use crate::{
    clock::{Now, Past, Timestamp},
    dependency::Dependency,
    jws::{Claims, IncompleteClaims, Unverified},
    principal::{
        Freshness, Kind, Principal, Subject, UserClaim, UserName,
        stated::{Earlier, Stated},
    },
    verdict::{Detail, Proof, Reason, Rejected, Stop, Unavailable},
};

/// A JWT whose signature held.
#[derive(Clone)]
pub(super) struct Verified {
    pub(super) claims: Arc<Claims>,
    /// Whether its header says that it is an access token (RFC 9068 §2.1).
    typed: bool,
}

/// Its issuer says that it is not active.
pub(super) struct Inactive {
    pub(super) by: Arc<str>,
}

/// The issuer that knows it says that another one issued it.
struct IssuedElsewhere {
    iss: String,
}

/// Its issuer promises more of its access tokens.
struct NotOfProfile {
    who: Subject,
    lacks: &'static str,
}

/// Its form is one that no issuer can make valid.
pub(super) struct NotAToken(pub(super) &'static str);

/// It is over, by both clocks.
struct TokenExpired {
    who: Subject,
    at: Timestamp,
}

/// None of its audiences is us.
struct WrongAudience {
    who: Subject,
    aud: Vec<String>,
}

/// It says itself that it is another kind of token.
struct NotAnAccessToken {
    who: Subject,
    kind: &'static str,
}

/// Claims that only an ID token has (OpenID Connect Core §2, §3.3.2.11).
const OF_ID_TOKENS: [&str; 3] = ["at_hash", "c_hash", "nonce"];

/// Claims that only an access token has (RFC 9068 §2.2.3; Entra's `scp` and `idtyp`). Not `roles`: Entra states them in
/// ID tokens too.
const OF_ACCESS_TOKENS: [&str; 3] = ["idtyp", "scope", "scp"];

/// The claim by which Keycloak says in every token which kind it is, and the kinds that are no access tokens. It gives them
/// all the same `typ` in the header, and to its refresh tokens a `scope`.
const OF_KEYCLOAK: (&str, [&str; 5]) = ("typ", ["ID", "Logout", "Offline", "Refresh", "Serialized-ID"]);

/// What an access token's issuer stated before is not kept: where silence means none, one silent token suffices.
const NO_ROWS: Option<&[Earlier]> = Some(&[]);

impl Verified {
    pub(super) fn new(claims: Claims, token: &Unverified<'_>) -> Self {
        Self { claims: Arc::new(claims), typed: token.is_typed_access_token() }
    }
}

/// Judges a token that keys so fresh have verified, and gives the principal that it states.
pub(super) fn principal(token: &Verified, from: &BearerIssuer, keys: Freshness, now: Now) -> Result<Principal, Stop> {
    let claims = &*token.claims;
    let subject = Subject::new(Arc::clone(&from.issuer), claims.sub.as_str());
    for_us(claims, from, &subject)?;
    is_access_token(claims, &subject)?;
    of_profile(token, from.profile, &subject)?;
    for_now(claims, from.leeway, &subject, keys, now)?;
    stated(claims, subject, from, keys, now)
}

/// Judges what an issuer says of a token that it calls active, and gives the principal that it states. What it does not say
/// of issuer and audience it answers for: it must not call a token active that is not for who asks (RFC 7662 §4).
pub(super) fn introspected(
    active: &Active,
    from: &BearerIssuer,
    freshness: Freshness,
    now: Now,
) -> Result<(Principal, Arc<Claims>), Stop> {
    let said = &*active.said;
    let text = |name| said.get(name).and_then(Value::as_str).unwrap_or_default();
    if said.contains_key("iss") && text("iss") != &*from.issuer {
        return Err(Rejected::proven_by(IssuedElsewhere { iss: text("iss").to_owned() }).into());
    }
    let claims = claims_of(active, from).map_err(|lack| Unavailable::because(Dependency::Introspection, lack))?;
    let subject = Subject::new(Arc::clone(&from.issuer), claims.sub.as_str());
    for_us(&claims, from, &subject)?;
    is_access_token(&claims, &subject)?;
    let another = |kind| Err(Rejected::proven_by(NotAnAccessToken { who: subject.clone(), kind }).into());
    match (text("token_type").to_ascii_lowercase().as_str(), text("token_use")) {
        ("dpop", _) => return another("its issuer bound it to a key (RFC 9449), and it came as a bearer token"),
        ("refresh_token", _) | (_, "refresh_token") => return another("its issuer says that it is a refresh token"),
        _ => {}
    }
    if let Some(begins) = claims.not_before(from.leeway, now) {
        return Err(Unavailable::not_yet(begins, now, "the token is not valid yet").into());
    }
    // Its issuer calls it active, so that this is no proof: one of three clocks is wrong.
    if said.contains_key("exp") && now.past(claims.exp + from.leeway) == Past::Yes {
        let cause = "the issuer calls a token active that is over by its own `exp`";
        return Err(Unavailable::because(Dependency::Introspection, cause).into());
    }
    Ok((stated(&claims, subject, from, freshness, now)?, Arc::new(claims)))
}

/// What was said of an active token, as the claims of a JWT. A program's own token may name its client alone.
fn claims_of(active: &Active, from: &BearerIssuer) -> Result<Claims, IncompleteClaims> {
    let mut all: Map<String, Value> = (*active.said).clone();
    let mut unless_said = |name: &str, value: Value| {
        all.entry(name).or_insert(value);
    };
    unless_said("iss", json!(&*from.issuer));
    unless_said("aud", json!(from.audience));
    unless_said("exp", json!((active.asked.wall() + from.leeway).as_secs()));
    if let Some(client) = active.said.get("client_id").filter(|_| from.kind == Kind::Service) {
        unless_said("sub", client.clone());
    }
    Claims::from_object(&all)
}

/// The principal that good claims state.
fn stated(
    claims: &Claims,
    subject: Subject,
    from: &BearerIssuer,
    freshness: Freshness,
    now: Now,
) -> Result<Principal, Stop> {
    let text = |name| claims.text(name).map(Arc::from);
    Ok(Principal {
        kind: from.kind,
        tenant: text("tid"),
        user_name: user_name(claims, &from.user_claim)?,
        name: text("name"),
        preferred_username: text("preferred_username"),
        email: text("email"),
        roles: Stated::roles(&claims.all).settled(from.absence.roles, NO_ROWS, now).into(),
        groups: Stated::groups(&claims.all, "groups").settled(from.absence.groups, NO_ROWS, now).into(),
        session: None,
        device: None,
        begun: claims.iat,
        until: claims.exp,
        freshness,
        subject,
    })
}

/// As whom services are told of somebody. That a good token does not say so is no fault of the token's: the configuration
/// asks for something that its issuer does not state.
fn user_name(claims: &Claims, claim: &UserClaim) -> Result<UserName, Unavailable> {
    claim.of(&claims.all).map_err(|none| {
        let cause = format!("a token of {} does not say whom services know: {none}", claims.iss);
        Unavailable::because(Dependency::Configuration, cause)
    })
}

fn for_us(claims: &Claims, from: &BearerIssuer, who: &Subject) -> Result<(), Rejected> {
    #[cfg(candor_mutants)]
    if crate::mutants::is("audience-not-required") {
        return Ok(());
    }
    if claims.aud.iter().any(|aud| from.audience.contains(aud)) {
        return Ok(());
    }
    Err(Rejected::proven_by(WrongAudience { who: who.clone(), aud: claims.aud.clone() }))
}

/// Whether it is an access token at all. A logout token (OpenID Connect Back-Channel Logout 1.0 §2.4) and every other
/// security event token carries `events`, a JSON object (RFC 8417 §2.2), and need not say so in its header.
fn is_access_token(claims: &Claims, who: &Subject) -> Result<(), Rejected> {
    let another = |kind| Err(Rejected::proven_by(NotAnAccessToken { who: who.clone(), kind }));
    #[cfg(candor_mutants)]
    if crate::mutants::is("any-token-is-access") {
        return Ok(());
    }
    if claims.all.get("events").is_some_and(Value::is_object) {
        return another("a security event token, such as a logout token, is no access token");
    }
    let (claim, others) = OF_KEYCLOAK;
    if claims.text(claim).is_some_and(|kind| others.contains(&kind)) {
        return another("its issuer says in `typ` that it is another kind of token");
    }
    // Entra gives both kinds of token the same header, and to an application that is its own API the same audience. So
    // an ID token is known by what only it carries.
    let has = |names: [&str; 3]| names.iter().any(|name| claims.all.contains_key(*name));
    if has(OF_ID_TOKENS) && !has(OF_ACCESS_TOKENS) { another("an ID token is no access token") } else { Ok(()) }
}

/// Whether it has what its issuer promises of every access token (RFC 9068 §2.1, §2.2; §4 has us look).
fn of_profile(token: &Verified, profile: Profile, who: &Subject) -> Result<(), Rejected> {
    let lacks = |lacks| Err(Rejected::proven_by(NotOfProfile { who: who.clone(), lacks }));
    let has = |name| token.claims.text(name).is_some_and(|text| !text.is_empty());
    match profile {
        Profile::Jwt => Ok(()),
        Profile::Rfc9068 if !token.typed => lacks("the `typ` at+jwt"),
        Profile::Rfc9068 if !has("client_id") => lacks("`client_id`"),
        Profile::Rfc9068 if !has("jti") => lacks("`jti`"),
        Profile::Rfc9068 => Ok(()),
    }
}

/// Whether it has begun and is not over. What only one reading of the clock says is neither a proof nor good enough.
fn for_now(claims: &Claims, leeway: Duration, who: &Subject, _keys: Freshness, now: Now) -> Result<(), Stop> {
    if let Some(begins) = claims.not_before(leeway, now) {
        return Err(Unavailable::not_yet(begins, now, "the token is not valid yet").into());
    }
    let at = claims.exp + leeway;
    #[cfg(candor_mutants)]
    if crate::mutants::is("expired-admitted") && _keys != Freshness::Live {
        return Ok(());
    }
    match now.past(at) {
        Past::No => Ok(()),
        Past::Yes => Err(Rejected::proven_by(TokenExpired { who: who.clone(), at }).into()),
        Past::InDoubt => Err(Unavailable::because(Dependency::Clock, "whether the token is over is in doubt").into()),
    }
}

impl Proof for Inactive {
    fn reason(&self) -> Reason {
        Reason::Inactive
    }
    fn detail(&self) -> Detail {
        Detail::new(format!("{} says that the token is not active", self.by))
    }
}

impl Proof for IssuedElsewhere {
    fn reason(&self) -> Reason {
        Reason::WrongIssuer
    }
    fn detail(&self) -> Detail {
        Detail::new(format!("its issuer says that it is of {:?}", self.iss))
    }
}

impl Proof for NotOfProfile {
    fn reason(&self) -> Reason {
        Reason::Malformed
    }
    fn detail(&self) -> Detail {
        Detail::new(format!("an access token of this issuer has {}, and this one has not (RFC 9068)", self.lacks))
    }
    fn about(&self) -> Option<Subject> {
        Some(self.who.clone())
    }
}

impl Proof for NotAToken {
    fn reason(&self) -> Reason {
        Reason::Malformed
    }
    fn detail(&self) -> Detail {
        Detail::new(self.0)
    }
}

impl Proof for TokenExpired {
    fn reason(&self) -> Reason {
        Reason::Expired
    }
    fn detail(&self) -> Detail {
        Detail::new(format!("over since {}", self.at))
    }
    fn about(&self) -> Option<Subject> {
        Some(self.who.clone())
    }
}

impl Proof for WrongAudience {
    fn reason(&self) -> Reason {
        Reason::WrongAudience
    }
    fn detail(&self) -> Detail {
        Detail::new(format!("for {:?}, and `audience` names none of these", self.aud))
    }
    fn about(&self) -> Option<Subject> {
        Some(self.who.clone())
    }
}

impl Proof for NotAnAccessToken {
    fn reason(&self) -> Reason {
        Reason::Malformed
    }
    fn detail(&self) -> Detail {
        Detail::new(self.kind)
    }
    fn about(&self) -> Option<Subject> {
        Some(self.who.clone())
    }
}
