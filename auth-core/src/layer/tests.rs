use std::{convert::Infallible, time::Duration};

use tower::{ServiceExt, util::BoxCloneService};

use super::*;
use crate::{
    authenticator::tests::Gateway,
    credential::Credential,
    dependency::Dependency,
    policy::{Allow, MaxStale, RequirementId},
    principal::{Kind, Principal},
    verdict::{Detail, Proof},
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

#[test]
fn only_a_proven_refusal_is_401_or_403() {
    for reason in Reason::ALL {
        let response: Response<String> = answer(&NotAdmitted::Stop(Rejected::proven_by(Planned(reason)).into()));
        let expected = if reason == Reason::NotPermitted { 403 } else { 401 };
        assert_eq!(response.status(), expected, "{reason}");
        assert!(response.headers().contains_key(WWW_AUTHENTICATE));
    }
    for dependency in Dependency::ALL {
        let down = Unavailable::because(dependency, "planned");
        let response: Response<String> = answer(&NotAdmitted::Stop(down.into()));
        assert_eq!(response.status(), 503, "{dependency}");
        assert_eq!(response.headers()[RETRY_AFTER], "5");
    }
}

#[test]
fn a_request_that_contradicts_itself_is_no_refusal() {
    for ambiguous in [AmbiguousCredentials::TwoAuthorizations, AmbiguousCredentials::TwoTickets] {
        let response: Response<String> = answer(&ambiguous.into());
        assert_eq!(response.status(), 400, "{ambiguous}");
        let names: Vec<_> = response.headers().keys().collect();
        assert_eq!(names, [CACHE_CONTROL], "{ambiguous}: no challenge, and no cookie is taken back");
    }
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
        assert_eq!((response.status().as_u16(), &**response.body()), expected, "{header}");
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
