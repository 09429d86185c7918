//! A header pass: reading a request's head, and what becomes of its fields on their way up and of the response's on their
//! way down.

use std::{hint::black_box, net::IpAddr, time::Duration};

use auth_core::{
    clock::Timestamp,
    principal::{Freshness, Groups, Kind, Principal, Roles, Subject, UserName},
};
use criterion::{BatchSize, Criterion};
use gateway::{
    headers::{IdentityHeaders, reserved::Reserved},
    request::{self, RequestHead, RequestId},
    state::Running,
    upstream::{
        identity_fields::IdentityFields,
        request_fields::{RequestFields, to_upstream},
        response_fields::{ResponseFields, from_upstream},
    },
};
use http::{HeaderMap, HeaderName, HeaderValue, Request};

use crate::stand::{Stand, StandFault};

pub(crate) const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 17));

/// How long a signed identity is.
const SIGNED: usize = 500;

/// What a browser sends with a request of a page's script.
const REQUEST: [(&str, &str); 13] = [
    ("host", "127.0.0.1:8080"),
    ("connection", "keep-alive"),
    ("accept", "application/json"),
    ("accept-encoding", "gzip, deflate, br"),
    ("accept-language", "en-GB,en;q=0.9"),
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    ),
    ("referer", "http://127.0.0.1:8080/orders"),
    ("sec-fetch-site", "same-origin"),
    ("sec-fetch-mode", "cors"),
    ("sec-fetch-dest", "empty"),
    ("cookie", "theme=dark; candor=a-ticket-that-nobody-reads-here; lang=en"),
    ("x-requested-with", "XMLHttpRequest"),
    ("if-none-match", "W/\"5f-18c2\""),
];

/// What an application answers.
const RESPONSE: [(&str, &str); 9] = [
    ("date", "Thu, 01 Jan 2026 12:00:00 GMT"),
    ("server", "nginx"),
    ("content-type", "application/json; charset=utf-8"),
    ("content-length", "95"),
    ("connection", "keep-alive"),
    ("cache-control", "no-cache"),
    ("etag", "W/\"5f-18c2\""),
    ("vary", "Accept-Encoding"),
    ("set-cookie", "lang=en; Path=/"),
];

pub(crate) fn measure(criterion: &mut Criterion, stand: &Stand) -> Result<(), StandFault> {
    let running = stand.gateway.running();
    let (head, _) = request::read(sample()?, RequestId::new(), CLIENT, &running.head_policy)
        .map_err(|fault| StandFault::Wrong(fault.to_string()))?;
    let mut group = criterion.benchmark_group("header fields");
    let request = sample()?;
    group.bench_function("a request's head, read", |bencher| {
        bencher.iter_batched(
            || request.clone(),
            |request| black_box(request::read(request, head.id, CLIENT, &running.head_policy)),
            BatchSize::SmallInput,
        );
    });
    let (ada, reserved) = (ada(), running.config.reserved());
    let signed = HeaderValue::from_str(&"x".repeat(SIGNED)).map_err(|error| StandFault::Wrong(error.to_string()))?;
    let known = || IdentityFields::Known { principal: &ada, signed: signed.clone() };
    group.bench_function("a request's, on their way to the service", |bencher| {
        bencher.iter_batched_ref(
            || request.headers().clone(),
            |headers| up(headers, &head, &running, (&reserved, IdentityFields::Nobody)),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("a request's, with who is asking", |bencher| {
        bencher.iter_batched_ref(
            || request.headers().clone(),
            |headers| up(headers, &head, &running, (&reserved, known())),
            BatchSize::SmallInput,
        );
    });
    let response = fields(&RESPONSE);
    group.bench_function("a response's, on their way to the client", |bencher| {
        bencher.iter_batched_ref(|| response.clone(), |headers| down(headers, &running), BatchSize::SmallInput);
    });
    group.finish();
    Ok(())
}

/// A request of a page's script.
pub(crate) fn sample() -> Result<Request<()>, StandFault> {
    let mut request =
        Request::get("/orders/17?full=true").body(()).map_err(|error| StandFault::Wrong(error.to_string()))?;
    *request.headers_mut() = fields(&REQUEST);
    Ok(request)
}

fn up(
    headers: &mut HeaderMap,
    head: &RequestHead,
    running: &Running,
    (reserved, identity): (&Reserved, IdentityFields<'_>),
) {
    let with = RequestFields {
        forwarded: &head.forwarded,
        request_id: head.id.header(),
        identity,
        naming: &IdentityHeaders::XAuthRequest,
        reserved,
        cookies: running.site.cookies(),
        underscore_headers: &[],
        authorization: false,
        own_challenges: &[],
        method_override: true,
    };
    to_upstream(headers, &with);
    black_box(headers);
}

fn down(headers: &mut HeaderMap, running: &Running) {
    let with = ResponseFields {
        endpoints: &[],
        public_url: &running.config.server.public_url,
        cookies: running.site.cookies(),
        private: true,
    };
    from_upstream(headers, &with);
    black_box(headers);
}

fn ada() -> Principal {
    Principal {
        kind: Kind::User,
        subject: Subject::new("https://idp.example", "ada"),
        tenant: None,
        user_name: UserName::Subject,
        name: Some("Ada Lovelace".into()),
        preferred_username: Some("ada".into()),
        email: Some("ada@example.com".into()),
        roles: Roles::known(["editor".to_owned()]),
        groups: Groups::known(["staff".to_owned()]),
        session: None,
        device: None,
        begun: Timestamp::default(),
        until: Timestamp::default() + Duration::from_secs(3600),
        freshness: Freshness::Live,
    }
}

fn fields(fields: &'static [(&str, &str)]) -> HeaderMap {
    fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
}
