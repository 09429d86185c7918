use std::{convert::Infallible, time::Duration};

use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use serde_json::{Value, json};
use tower::{ServiceExt, util::BoxCloneService};

use super::*;
use crate::{
    authenticator::tests::Gateway,
    credential::{AmbiguousCredentials, Credential},
    dependency::Dependency,
    policy::{Allow, MaxStale, Requirement, RequirementId},
    principal::{Kind, Principal},
    resource_server::NotAdmitted,
    testing::TestProvider,
    verdict::{Detail, Proof, Reason, Rejected},
};

struct Planned(Reason);

impl Proof for Planned {
    fn reason(&self) -> Reason {
        self.0
    }
    fn detail(&self) -> Detail {
        Detail::new("planned")
    }
}

fn answer(why: &NotAdmitted) -> Response<String> {
    HttpAnswers::default().answer(why, &[])
}

#[test]
fn only_a_proven_refusal_is_401_or_403() {
    for reason in Reason::ALL {
        let response = answer(&NotAdmitted::Stop(Rejected::proven_by(Planned(reason)).into()));
        let expected = if reason == Reason::NotPermitted { 403 } else { 401 };
        assert_eq!(response.status(), expected, "{reason}");
        assert!(response.headers().contains_key(WWW_AUTHENTICATE));
    }
    for dependency in Dependency::ALL {
        let down = Unavailable::because(dependency, "planned");
        let response = answer(&NotAdmitted::Stop(down.into()));
        assert_eq!(response.status(), 503, "{dependency}");
        assert_eq!(response.headers()[RETRY_AFTER], "5");
    }
}

#[test]
fn a_request_that_contradicts_itself_is_no_refusal() {
    for ambiguous in
        [AmbiguousCredentials::TwoAuthorizations, AmbiguousCredentials::TwoIdentities, AmbiguousCredentials::TwoTickets]
    {
        let response = answer(&ambiguous.into());
        assert_eq!(response.status(), 400, "{ambiguous}");
        let names: Vec<_> = response.headers().keys().collect();
        assert_eq!(names, [CACHE_CONTROL, CONTENT_TYPE], "{ambiguous}: no challenge, and no cookie is taken back");
    }
}

#[test]
fn over_grpc_every_answer_is_200_and_says_the_same() {
    let check = |why: &NotAdmitted, status: &str, message: &str, pushback: Option<&str>| {
        let response: Response<String> = GrpcAnswers.answer(why, &[]);
        let field = |name: &str| response.headers().get(name).map(|value| value.to_str().expect("text").to_owned());
        assert_eq!((response.status().as_u16(), &**response.body()), (200, ""));
        assert_eq!(field("content-type").as_deref(), Some("application/grpc"));
        assert_eq!(field("grpc-status").as_deref(), Some(status));
        assert_eq!(field("grpc-message").as_deref(), Some(message));
        assert_eq!(field("grpc-retry-pushback-ms").as_deref(), pushback);
    };
    for reason in Reason::ALL {
        let (status, message) = match reason {
            Reason::Missing => ("16", "credential-missing"),
            Reason::NotPermitted => ("7", "not-permitted"),
            _ => ("16", "credential-invalid"),
        };
        check(&NotAdmitted::Stop(Rejected::proven_by(Planned(reason)).into()), status, message, None);
    }
    for dependency in Dependency::ALL {
        let down = Unavailable::because(dependency, "planned");
        check(&NotAdmitted::Stop(down.into()), "14", "verdict-unavailable", Some("5000"));
    }
    check(&AmbiguousCredentials::TwoAuthorizations.into(), "3", "bad-request", None);
}

#[test]
fn a_body_of_ones_own_changes_nothing_else() {
    let down = NotAdmitted::Stop(Unavailable::because(Dependency::Keys, "planned").into());
    let standard = answer(&down);
    let body: Value = serde_json::from_str(standard.body()).expect("problem details");
    let expected = json!({
        "type": "urn:candor:problem:verdict-unavailable", "title": "Cannot be checked at the moment", "status": 503,
        "retry_after": 5,
    });
    assert_eq!(body, expected);
    assert_eq!(standard.headers()[CONTENT_TYPE], "application/problem+json");
    let write = |problem: &Problem| {
        let missing = problem.dependency.map_or("nothing", Dependency::as_str);
        ("text/plain".to_owned(), format!("{}: {missing}, {:?}", problem.word, problem.retry_after))
    };
    let own: Response<String> = HttpAnswers::default().writing(write).answer(&down, &[]);
    assert_eq!(own.body(), "verdict-unavailable: keys, Some(5s)");
    assert_eq!((own.status(), &own.headers()[RETRY_AFTER]), (standard.status(), &standard.headers()[RETRY_AFTER]));
}

#[test]
fn who_lacks_a_scope_is_told_which_were_asked_for() {
    let lacks = NotAdmitted::Stop(Rejected::proven_by(Planned(Reason::NotPermitted)).into());
    let scopes = ["orders:read".into(), "orders:write".into()];
    let response: Response<String> = HttpAnswers::default().answer(&lacks, &scopes);
    assert_eq!(
        response.headers()[WWW_AUTHENTICATE],
        r#"Bearer error="insufficient_scope", scope="orders:read orders:write""#
    );
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn axum_extracts_who_is_asking() {
    use axum::{Router, routing::get};
    use http_body_util::BodyExt;

    use crate::{resource_server::Bearer, resource_server::VerifiedClaims};

    let mut idp = TestProvider::start().await;
    let auth = Bearer::issuer(&idp.issuer).expect("loopback").audience("api").start().expect("it starts");
    let other = TestProvider::start().await;
    let others = Bearer::issuer(&other.issuer).expect("loopback").audience("api").start().expect("it starts");
    let who = |who: Principal, claims: VerifiedClaims| async move {
        format!("{} {}", who.subject.id, claims.scopes().collect::<Vec<_>>().join(","))
    };
    let perhaps =
        |who: Option<Principal>| async move { who.map_or("nobody".to_owned(), |who| who.subject.id.to_string()) };
    let app: Router = Router::new()
        .route("/me", get(who))
        .layer(auth.http())
        .merge(Router::new().route("/perhaps", get(perhaps)).layer(auth.optional().http()))
        .route("/unlayered", get(who))
        // What an outer layer found out is not what an inner one of other issuers is asked.
        .merge(Router::new().route("/within", get(perhaps)).layer(others.optional().http()).layer(auth.http()))
        .merge(Router::new().route("/within-known", get(who)).layer(others.http()).layer(auth.http()));
    let check = async |path: &str, token: Option<&str>, status: u16, body: &str| {
        let mut request = Request::builder().uri(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(axum::body::Body::empty()).expect("a good request");
        let response = app.clone().oneshot(request).await.expect("infallible");
        assert_eq!(response.status(), status, "{path} {token:?}");
        let bytes = response.into_body().collect().await.expect("whole").to_bytes();
        assert!(String::from_utf8_lossy(&bytes).contains(body), "{path}: {bytes:?}");
    };
    let now = crate::Clock::system().now().wall().as_secs();
    let good = idp.sign(&json!({
        "iss": idp.issuer, "sub": "ada", "aud": "api", "iat": now, "exp": now + 600, "scope": "a b",
    }));
    check("/me", Some(&good), 200, "ada a,b").await;
    check("/me", None, 401, "credential-missing").await;
    check("/me", Some("nonsense"), 401, "credential-invalid").await;
    check("/perhaps", Some(&good), 200, "ada").await;
    check("/perhaps", None, 200, "nobody").await;
    check("/unlayered", Some(&good), 500, "").await;
    check("/within", Some(&good), 200, "nobody").await;
    check("/within-known", Some(&good), 401, "credential-invalid").await;
    idp.kill().await;
    let fresh = Bearer::issuer(&idp.issuer).expect("loopback").audience("api").start().expect("it starts");
    let app: Router = Router::new().route("/perhaps", get(perhaps)).layer(fresh.optional().http());
    let request = Request::builder().uri("/perhaps").header("authorization", format!("Bearer {good}"));
    let request = request.body(axum::body::Body::empty()).expect("a good request");
    let response = app.oneshot(request).await.expect("infallible");
    assert_eq!(response.status(), 503, "somebody whom nobody can tell is not nobody");
}

/// Answers with whom the layer let through, or why it could not tell.
async fn who(request: Request<()>) -> Result<Response<String>, Infallible> {
    let who = request.extensions().get::<Principal>().map(|known| known.subject.id.to_string());
    let undecided =
        request.extensions().get::<Unavailable>().map(|missing| format!("undecided: {}", missing.dependency));
    Ok(Response::new(who.or(undecided).unwrap_or_default()))
}

#[tokio::test]
async fn a_service_behind_it_meets_only_whom_it_asked_for() {
    let mut gateway = Gateway::start().await;
    let ticket = gateway.ticket().await;
    let bearer = match gateway.bearer("api") {
        Credential::Bearer(token) => token.expose().to_owned(),
        other => unreachable!("it is a bearer: {other:?}"),
    };
    let service = |allow| {
        let requirement = Requirement::new(RequirementId(1), vec![allow], MaxStale::all(Duration::MAX));
        let gate = AuthLayer::new(gateway.authenticator.clone(), requirement, gateway.clock.clone(), "candor");
        BoxCloneService::new(gate.layer(tower::service_fn(who)))
    };
    let (users, services) = (service(Allow::kind(Kind::User)), service(Allow::kind(Kind::Service)));
    let open = service(Allow::Anyone);
    let check = async |service: &BoxCloneService<Request<()>, Response<String>, Infallible>,
                       header: &'static str,
                       value: &str,
                       expected: (u16, &str)| {
        let request = Request::builder().header(header, value).body(()).expect("a good request");
        let response = service.clone().oneshot(request).await.expect("infallible");
        let said = if response.status() == 200 { &**response.body() } else { "" };
        assert_eq!((response.status().as_u16(), said), expected, "{header}");
    };
    check(&users, "cookie", &format!("a=b; candor={ticket}"), (200, "ada")).await;
    check(&users, "cookie", "candor=nonsense", (401, "")).await;
    check(&users, "x-nothing", "", (401, "")).await;
    check(&users, "authorization", "Basic YTpi", (401, "")).await;
    check(&users, "cookie", &format!("candor={ticket}; candor=another"), (400, "")).await;
    check(&open, "cookie", &format!("candor={ticket}; candor=another"), (200, "")).await;
    check(&services, "cookie", &format!("candor={ticket}"), (401, "")).await;
    check(&service(Allow::role("editor")), "cookie", &format!("candor={ticket}"), (403, "")).await;
    check(&open, "cookie", "candor=nonsense", (200, "")).await;
    gateway.provider.kill().await;
    check(&open, "authorization", &format!("Bearer {bearer}"), (200, "undecided: keys")).await;
    check(&services, "authorization", &format!("Bearer {bearer}"), (503, "")).await;
    check(&users, "cookie", &format!("candor={ticket}"), (200, "ada")).await;
}
