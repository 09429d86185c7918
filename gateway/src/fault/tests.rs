use http::Method;

use super::*;

fn at() -> FaultContext {
    FaultContext::new("http://127.0.0.1:9000", "")
}

fn every_fault() -> Vec<Fault> {
    vec![
        Fault::BadRequest(BadRequest::Host),
        Fault::NoSuchRoute,
        Fault::WrongMethod(AllowedMethods::new([Method::GET, Method::HEAD])),
        Fault::TargetTooLong,
        Fault::HeadTooLarge,
        Fault::BodyTooLarge,
        Fault::WrongMediaType,
        Fault::ExpectationUnknown,
        Fault::UpgradeFailed(at()),
        Fault::PermitEnded,
        Fault::RateLimited { retry_after: Duration::from_secs(9) },
        Fault::NoEndpoint { upstream: "monolith".into() },
        Fault::ConnectFailed(ConnectFault::Refused, at()),
        Fault::UpstreamReset(at()),
        Fault::UpstreamGarbage(at()),
        Fault::DisputedIdentity(DisputedDenial {
            endpoint: "http://127.0.0.1:9000".into(),
            received: StatusCode::PROXY_AUTHENTICATION_REQUIRED,
            grpc_status: None,
            setting: "on_denial = \"pass\"",
        }),
        Fault::UndecidedIdentity(UndecidedDenial {
            endpoint: "http://127.0.0.1:9000".into(),
            received: StatusCode::UNAUTHORIZED,
            unavailable: Unavailable::because(auth_core::Dependency::Keys, "http://127.0.0.1:9001"),
        }),
        Fault::RenewalRequired(DisputedDenial {
            endpoint: "http://127.0.0.1:9000".into(),
            received: StatusCode::UNAUTHORIZED,
            grpc_status: None,
            setting: "on_denial = \"pass\"",
        }),
        Fault::TimedOut(Deadline::Connect, at()),
        Fault::Overloaded,
        Fault::Panicked,
        Fault::PermitMismatch,
        Fault::Internal("x".into()),
        Fault::OverShare { upstream: "monolith".into() },
    ]
}

#[test]
fn a_display_sees_503_where_others_see_500_502_or_504() {
    for fault in every_fault() {
        let (others, device) = (fault.status(ClientKind::Script), fault.status(ClientKind::Device));
        assert_eq!(others, fault.status(ClientKind::Browser), "{fault}");
        match others {
            FaultStatus::InternalServerError | FaultStatus::BadGateway | FaultStatus::GatewayTimeout => {
                assert_eq!(device, FaultStatus::ServiceUnavailable, "{fault}");
            }
            others => assert_eq!(device, others, "{fault}"),
        }
    }
}

#[test]
fn what_is_not_the_clients_fault_says_when_to_ask_again() {
    for fault in every_fault() {
        let rate = matches!(fault, Fault::RateLimited { .. });
        let status = fault.status(ClientKind::Script);
        // What is not built yet will not be in a minute.
        let clients = StatusCode::from(status).is_client_error() || status == FaultStatus::NotImplemented;
        assert_eq!(fault.retry_after().is_some(), rate || !clients, "{fault}");
    }
}

#[test]
fn proxy_status_names_the_error_and_nothing_inside() {
    let faults = every_fault();
    let said = |which: fn(&Fault) -> bool| faults.iter().find(|fault| which(fault)).map(Fault::proxy_status);
    let check = |which, expected: &str| assert_eq!(said(which).as_deref(), Some(expected));
    check(|it| matches!(it, Fault::ConnectFailed(ConnectFault::Refused, _)), "candor; error=connection_refused");
    let disputed = "candor; error=destination_unavailable; received-status=407";
    check(|it| matches!(it, Fault::DisputedIdentity(_)), disputed);
    let undecided = "candor; error=proxy_internal_error; details=\"verdict-unavailable\"; received-status=401";
    check(|it| matches!(it, Fault::UndecidedIdentity(_)), undecided);
    assert!(faults.iter().all(|fault| !fault.proxy_status().contains("127.0.0.1")));
    assert!(faults.iter().all(|fault| !fault.explain().contains("127.0.0.1")));
}

#[test]
fn a_wrong_method_says_which_are_right() {
    let fault = Fault::WrongMethod(AllowedMethods::new([Method::GET, Method::HEAD]));
    assert_eq!(fault.allow(), Some(HeaderValue::from_static("GET, HEAD")));
    assert_eq!(Fault::NoSuchRoute.allow(), None);
}

#[test]
fn nothing_follows_a_request_that_can_be_read_in_two_ways() {
    assert!(Fault::BadRequest(BadRequest::TransferEncoding).ends_connection());
    assert!(!Fault::NoSuchRoute.ends_connection());
    assert!(!Fault::Overloaded.ends_connection());
}
