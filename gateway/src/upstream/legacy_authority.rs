//! Asking an upstream whose a token of before is, the first time that it is seen.
//!
//! It is sent what the configuration says, and the one field that holds the token; nothing else of anybody's request. What
//! counts as a yes is 200, JSON, and every member that the configuration names; as a denial, a 401 or 403 of a program's
//! making. A redirect, a page, a prompt for a password, half an answer: all of that is the service's trouble and says
//! nothing about the token. Each question has a connection of its own, since there is one a device.

use std::{sync::Arc, time::Duration};

use auth_core::{
    background::Background,
    credential::OpaqueCredential,
    dependency::Dependency,
    device::legacy::{LegacyAnswer, LegacyAsked, LegacyAuthority, LegacyDescription},
    verdict::{OrUnavailable, Unavailable},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use super::{
    endpoint::{Endpoint, Endpoints},
    health::Eligibility,
    http2::ask_once,
    stream::EndpointStream,
};
use crate::{
    body::AnswerBody,
    config::{LegacyConfig, LegacyFields, UpstreamConfig, UpstreamProtocol},
    headers::HostHeader,
};

/// The upstream that knows whose the tokens of before are.
pub struct UpstreamAuthority(Arc<Question>);

struct Question {
    endpoints: Vec<Arc<Endpoint>>,
    background: Background,
    /// The `Host` that it sees; `None`: the endpoint's own.
    host: Option<HeaderValue>,
    path: String,
    header: HeaderName,
    timeout: Duration,
    fields: LegacyFields,
}

/// A longer answer says nothing about one device.
const LONGEST: usize = 64 * 1024;

/// A longer name is none.
const LONGEST_NAME: usize = 256;

impl UpstreamAuthority {
    /// Asks `upstream` as `legacy` says. `public` is the host of the public address.
    pub fn new(
        legacy: &LegacyConfig,
        upstream: &UpstreamConfig,
        public: &str,
        endpoints: &Endpoints,
        background: Background,
    ) -> Self {
        let host = match &upstream.host {
            HostHeader::Public => HeaderValue::from_str(public).ok(),
            HostHeader::Endpoint => None,
            HostHeader::Literal(host) => Some(host.clone()),
        };
        Self(Arc::new(Question {
            endpoints: upstream.endpoints.iter().map(|url| endpoints.get(upstream, url)).collect(),
            background,
            host,
            path: legacy.path.clone(),
            header: legacy.header.clone(),
            timeout: legacy.timeout,
            fields: legacy.fields.clone(),
        }))
    }
}

impl LegacyAuthority for UpstreamAuthority {
    fn ask(&self, token: &OpaqueCredential) -> LegacyAsked {
        let (question, field) = (self.0.clone(), token.field().clone());
        Box::pin(async move { question.ask(field).await })
    }
}

impl Question {
    async fn ask(&self, token: HeaderValue) -> Result<LegacyAnswer, Unavailable> {
        let deadline = Instant::now() + self.timeout;
        let late = |_| unclear("no whole answer in time");
        timeout_at(deadline, async {
            let (endpoint, stream) = self.reach(deadline).await?;
            self.answer(endpoint, stream, token).await
        })
        .await
        .map_err(late)?
    }

    /// The first endpoint that can be reached, of those that are not ejected, else of the others.
    async fn reach(&self, deadline: Instant) -> Result<(&Endpoint, EndpointStream), Unavailable> {
        let mut last = unclear("the upstream has no endpoint");
        let now = Instant::now();
        let is_eligible = |endpoint: &&Arc<Endpoint>| endpoint.eligibility(now) != Eligibility::None;
        let (eligible, ejected): (Vec<_>, Vec<_>) = self.endpoints.iter().partition(is_eligible);
        for endpoint in eligible.into_iter().chain(ejected) {
            match endpoint.connect(deadline).await {
                Ok(stream) => return Ok((endpoint, stream)),
                Err(fault) => last = unclear(fault.to_string()),
            }
        }
        Err(last)
    }

    async fn answer(
        &self,
        endpoint: &Endpoint,
        stream: EndpointStream,
        token: HeaderValue,
    ) -> Result<LegacyAnswer, Unavailable> {
        let request = self.request(endpoint, token).or_unavailable(Dependency::Adoption)?;
        // What carries it ends with the question, whatever the service does.
        let (response, _carrying) = match endpoint.protocol() {
            UpstreamProtocol::Http1 => {
                let handshake = http1::Builder::new().max_buf_size(LONGEST).handshake(TokioIo::new(stream));
                let (mut sender, connection) = handshake.await.or_unavailable(Dependency::Adoption)?;
                let carrying = AbortOnDropHandle::new(self.background.spawn(async move {
                    let _ = connection.await;
                }));
                let response = sender.send_request(request).await.or_unavailable(Dependency::Adoption)?;
                (response.map(AnswerBody::Http1), carrying)
            }
            UpstreamProtocol::Http2 => {
                ask_once(stream, &endpoint.scheme(), request.map(drop)).await.or_unavailable(Dependency::Adoption)?
            }
        };
        self.read(response).await
    }

    fn request(&self, endpoint: &Endpoint, token: HeaderValue) -> Result<Request<Empty<Bytes>>, http::Error> {
        let host = self.host.as_ref().unwrap_or_else(|| endpoint.authority());
        Request::get(&self.path)
            .header(header::HOST, host)
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, concat!("candor/", env!("CARGO_PKG_VERSION")))
            .header(header::CACHE_CONTROL, "no-cache")
            .header(&self.header, token)
            .body(Empty::new())
    }

    async fn read(&self, response: Response<AnswerBody>) -> Result<LegacyAnswer, Unavailable> {
        let (head, body) = response.into_parts();
        #[cfg(candor_mutants)]
        if head.status == StatusCode::OK && !is_json(&head.headers) && auth_core::mutants::is("adoption-believes-html")
        {
            let text = || "planted".to_owned();
            let (known_as, tenant, room, name, hardware_id) = (text(), text(), text(), text(), text());
            return Ok(LegacyAnswer::Device(LegacyDescription { known_as, tenant, room, name, hardware_id }));
        }
        match head.status {
            StatusCode::OK if is_json(&head.headers) => {
                let body = Limited::new(body, LONGEST).collect().await.map_err(|broken| unclear(broken.to_string()))?;
                let answer: Value = serde_json::from_slice(&body.to_bytes()).or_unavailable(Dependency::Adoption)?;
                let device = described(&answer, &self.fields);
                device.map(LegacyAnswer::Device).ok_or_else(|| unclear("a 200 that does not say whose the token is"))
            }
            status if is_denial(status, &head.headers) => Ok(LegacyAnswer::Denied),
            status => Err(unclear(format!("{status}, which says nothing about the token"))),
        }
    }
}

/// A denial that a program made: no page, and no web server's prompt for a password.
fn is_denial(status: StatusCode, headers: &HeaderMap) -> bool {
    if !super::vetting::denies_by_status(status) {
        return false;
    }
    let kind = media_type(headers);
    let plain = matches!(kind.as_deref(), None | Some("text/plain")) || is_json(headers);
    let prompts = headers.get_all(header::WWW_AUTHENTICATE).iter().any(|challenge| {
        let scheme = challenge.as_bytes().split(|byte| *byte == b' ').next().unwrap_or_default();
        [&b"basic"[..], b"digest", b"negotiate", b"ntlm"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
    });
    plain && !prompts
}

fn is_json(headers: &HeaderMap) -> bool {
    media_type(headers).is_some_and(|kind| kind == "application/json" || kind.ends_with("+json"))
}

/// The one media type that it states, in lower case.
fn media_type(headers: &HeaderMap) -> Option<String> {
    let mut kinds = headers.get_all(header::CONTENT_TYPE).iter();
    let (kind, None) = (kinds.next()?, kinds.next()) else { return Some(String::new()) };
    let kind = kind.to_str().unwrap_or_default();
    Some(kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// The device that `answer` describes; none, if a member that the configuration names is not there.
fn described(answer: &Value, fields: &LegacyFields) -> Option<LegacyDescription> {
    let required = |path: &str| member(answer, path);
    let named = |path: &Option<String>| match path {
        Some(path) => member(answer, path),
        None => Some(String::new()),
    };
    let known_as = required(&fields.id)?;
    let hardware_id = named(&fields.hardware_id)?;
    Some(LegacyDescription {
        tenant: required(&fields.tenant)?,
        room: named(&fields.room)?,
        name: named(&fields.name)?,
        hardware_id: if hardware_id.is_empty() { known_as.clone() } else { hardware_id },
        known_as,
    })
}

/// The text or whole number at `path`; an empty text is none.
fn member(answer: &Value, path: &str) -> Option<String> {
    let found = path.split('.').try_fold(answer, |value, name| value.as_object()?.get(name))?;
    let text = match found {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_u64() || number.is_i64() => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    let fits = !text.trim().is_empty() && text.len() <= LONGEST_NAME && !text.chars().any(char::is_control);
    fits.then_some(text)
}

fn unclear(cause: impl Into<String>) -> Unavailable {
    Unavailable::because(Dependency::Adoption, cause.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_configuration_names_is_a_device() {
        let check = |answer: &str, fields: &LegacyFields, expected: Option<&str>| {
            let found = described(&serde_json::from_str(answer).expect("JSON"), fields);
            let said = found.map(|it| format!("{} {} {} {}", it.known_as, it.tenant, it.room, it.hardware_id));
            assert_eq!(said.as_deref(), expected, "{answer}");
        };
        let usual = LegacyFields::default();
        check(r#"{"id":"d-1","name":"x","tenant":"acme","room":"4.12"}"#, &usual, Some("d-1 acme 4.12 d-1"));
        check(r#"{"id":17,"name":"x","tenant":"acme","room":"4.12","more":{}}"#, &usual, Some("17 acme 4.12 17"));
        check(r#"{"id":"d-1","name":"x","tenant":"acme"}"#, &usual, None);
        check(r#"{"id":"","name":"x","tenant":"acme","room":"4.12"}"#, &usual, None);
        check(r#"{"id":"d-1","name":"x","tenant":null,"room":"4.12"}"#, &usual, None);
        check(r#"{"id":true,"name":"x","tenant":"acme","room":"4.12"}"#, &usual, None);
        check(r#"{"id":["d-1"],"name":"x","tenant":"acme","room":"4.12"}"#, &usual, None);
        check(r#"{"id":"d\n1","name":"x","tenant":"acme","room":"4.12"}"#, &usual, None);
        check("[]", &usual, None);
        check(r#"{"error":"token expired"}"#, &usual, None);
        let text = str::to_owned;
        let deep = LegacyFields {
            id: text("data.id"),
            tenant: text("data.org.id"),
            room: None,
            name: None,
            hardware_id: Some(text("data.serial")),
        };
        check(r#"{"data":{"id":1,"org":{"id":"o"},"serial":"sn"}}"#, &deep, Some("1 o  sn"));
        check(r#"{"data":{"id":1,"org":{"id":"o"}}}"#, &deep, None);
        check(r#"{"data":[{"id":1}]}"#, &deep, None);
    }

    #[test]
    fn a_denial_is_one_that_a_program_made() {
        let check = |status: u16, fields: &[(HeaderName, &'static str)], expected: bool| {
            let headers: HeaderMap =
                fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(is_denial(status, &headers), expected, "{status} {fields:?}");
        };
        let kind = |kind| (header::CONTENT_TYPE, kind);
        let prompt = |challenge| (header::WWW_AUTHENTICATE, challenge);
        check(401, &[kind("application/json"), prompt("Bearer")], true);
        check(403, &[kind("application/problem+json; charset=utf-8")], true);
        check(401, &[kind("text/plain")], true);
        check(401, &[], true);
        check(401, &[kind("text/html")], false);
        check(401, &[kind("application/json"), prompt("Basic realm=\"x\"")], false);
        check(401, &[kind("application/json"), kind("text/html")], false);
        check(404, &[kind("application/json")], false);
        check(407, &[kind("application/json")], false);
        check(200, &[kind("application/json")], false);
        check(302, &[], false);
        check(500, &[kind("application/json")], false);
    }
}
