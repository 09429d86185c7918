//! One verdict: from what a request brought to whether it may pass.

use std::{hint::black_box, sync::Arc, time::Duration};

use auth_core::{
    Requirement,
    authenticator::{Admission, Authenticator},
    bearer::Bearers,
    credential::CredentialCandidates,
    jws::Algorithm,
    policy::{Allow, MaxStale, RequirementId},
    principal::{Groups, Kind, Person, Roles, Subject},
    refusal_guard::{Harm, RefusalGuard},
    session::NewSession,
    verdict::Stop,
};
use criterion::{BatchSize, Criterion};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue, header};
use secrecy::ExposeSecret;
use tokio::time::sleep;

use crate::{
    stand::{Stand, StandFault},
    tokens::TokenIssuer,
};

/// So many authenticators that remember nothing are made at a time.
const AT_ONCE: BatchSize = BatchSize::NumIterations(16);

/// How often a verdict is asked for before what is measured must be there, and how long is waited in between.
const TRIES: (usize, Duration) = (20, Duration::from_millis(100));

/// A request's credentials, and what has to come of them.
struct Case {
    name: String,
    head: HeaderMap,
    expected: &'static str,
}

pub(crate) fn measure(criterion: &mut Criterion, stand: &Stand) -> Result<(), StandFault> {
    let requirement = Requirement::new(
        RequirementId(0),
        vec![Allow::kind(Kind::User), Allow::kind(Kind::Service)],
        MaxStale::DEFAULT,
    );
    let (now, issuer) = (stand.clock.now(), &stand.issuer);
    let (good, over) = (issuer.access_claims(now, 3600), issuer.access_claims(now, -600));
    let ticket = Case::new("a ticket", header::COOKIE, &ticket(stand)?, "passes")?;
    let bearer = |name: &str, token: String, expected| {
        Case::new(name, header::AUTHORIZATION, &format!("Bearer {token}"), expected)
    };
    let rs256 = bearer("a bearer, remembered", issuer.sign(Algorithm::Rs256, "at+jwt", &good)?, "passes")?;
    let expired = |name| bearer(name, issuer.sign(Algorithm::Rs256, "at+jwt", &over)?, "expired");
    let forged = |name| bearer(name, TokenIssuer::forge(&good)?, "bad-signature");
    let nothing = Case { name: "a refusal: nothing shown".to_owned(), head: HeaderMap::new(), expected: "missing" };

    let mut group = criterion.benchmark_group("verdict");
    for case in
        [ticket, rs256, expired("a refusal: expired, remembered")?, forged("a refusal: forged, remembered")?, nothing]
    {
        let asked = Asked::new(stand, &case, &requirement)?;
        group.bench_function(&case.name, |bencher| bencher.iter(|| asked.now_or_never(&asked.authenticator)));
    }
    let fresh = Algorithm::ALL.into_iter().map(|algorithm| {
        let token = issuer.sign(algorithm, "at+jwt", &good)?;
        bearer(&format!("a bearer, fresh, {algorithm}"), token, "passes")
    });
    let refused = [expired("a refusal: expired, fresh"), forged("a refusal: forged, fresh")];
    for case in fresh.chain(refused).collect::<Result<Vec<_>, _>>()? {
        let asked = Asked::new(stand, &case, &requirement)?;
        group.bench_function(&case.name, |bencher| {
            bencher.iter_batched_ref(|| authenticator(stand), |unknowing| asked.now_or_never(unknowing), AT_ONCE);
        });
    }
    group.finish();
    Ok(())
}

impl Case {
    fn new(name: &str, field: header::HeaderName, value: &str, expected: &'static str) -> Result<Self, StandFault> {
        let value = HeaderValue::from_str(value).map_err(|error| StandFault::Wrong(error.to_string()))?;
        Ok(Self { name: name.to_owned(), head: HeaderMap::from_iter([(field, value)]), expected })
    }
}

/// What is asked of an authenticator, again and again.
struct Asked<'a> {
    stand: &'a Stand,
    authenticator: Authenticator,
    candidates: CredentialCandidates,
    requirement: &'a Requirement,
}

impl<'a> Asked<'a> {
    /// Sees to it that `case` ends as it has to: everything that this takes is there then, and remembered.
    fn new(stand: &'a Stand, case: &Case, requirement: &'a Requirement) -> Result<Self, StandFault> {
        let site = &stand.gateway.running().site;
        let candidates = CredentialCandidates::read(&case.head, site.ticket_cookie(), None)
            .map_err(|ambiguous| StandFault::Wrong(ambiguous.to_string()))?;
        let asked = Self { stand, authenticator: authenticator(stand), candidates, requirement };
        let mut found = String::new();
        for _ in 0..TRIES.0 {
            found = stand.runtime.block_on(asked.admit(&asked.authenticator)).map_or_else(String::new, word);
            if found == case.expected {
                let at_once = asked.now_or_never(&authenticator(stand)).is_some();
                return if at_once { Ok(asked) } else { Err(StandFault::Wrong(format!("{} waits", case.name))) };
            }
            stand.runtime.block_on(sleep(TRIES.1));
        }
        Err(StandFault::Wrong(format!("{}: {found} and not {}", case.name, case.expected)))
    }

    async fn admit(&self, authenticator: &Authenticator) -> Option<Admission> {
        let shown = authenticator.credential(&self.candidates, self.requirement).ok()?;
        Some(authenticator.admit(shown, self.requirement, Harm::None, self.stand.clock.now()).await)
    }

    /// What is known is said at once.
    fn now_or_never(&self, authenticator: &Authenticator) -> Option<Option<Admission>> {
        black_box(self.admit(authenticator).now_or_never())
    }
}

/// An authenticator that has seen no token and refused nobody.
fn authenticator(stand: &Stand) -> Authenticator {
    let bearers = Bearers::new(vec![stand.bearer_issuer()]);
    let sessions = stand.gateway.running().sessions.clone();
    Authenticator::new(sessions, bearers, None, stand.gateway.revocations.clone(), None, Arc::new(RefusalGuard::new()))
}

fn ticket(stand: &Stand) -> Result<String, StandFault> {
    let running = stand.gateway.running();
    let begun = stand.runtime.block_on(running.sessions.begin(ada(stand), None, stand.clock.now()));
    let ticket = begun.map_err(|unavailable| StandFault::Wrong(unavailable.to_string()))?;
    Ok(format!("theme=dark; {}={}", running.site.ticket_cookie(), ticket.text().expose_secret()))
}

fn ada(stand: &Stand) -> NewSession {
    NewSession {
        person: Person {
            name: Some("Ada Lovelace".into()),
            preferred_username: Some("ada".into()),
            email: Some("ada@example.com".into()),
            ..Person::known_as(Subject::new(stand.issuer.name(), "ada"))
        },
        roles: Roles::known(["editor".to_owned()]),
        groups: Groups::known(["staff".to_owned()]),
        refresh_token: None,
        access_token: None,
        id_token: None,
        claims: serde_json::json!({ "sub": "ada" }),
        provider: "provider".to_owned(),
        provider_sid: None,
        address: None,
        browser: None,
    }
}

fn word(admission: Admission) -> String {
    match admission.permit {
        Ok(_) => "passes".to_owned(),
        Err(Stop::Rejected(rejected)) => rejected.reason().as_str().to_owned(),
        Err(Stop::Unavailable(unavailable)) => unavailable.to_string(),
    }
}
