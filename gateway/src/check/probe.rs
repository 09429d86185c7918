//! `--probe`: whether what the gateway depends on answers.
//!
//! It asks by itself, not by the gateway's caches: those would answer for a provider that is long gone. It writes
//! nothing, so that it may run beside a gateway that serves.

use std::{collections::BTreeMap, error::Error, sync::Arc};

use auth_core::{
    Background,
    clock::Clock,
    database::Database,
    discovery::Document,
    keyring::{Found, Keyring},
    outbound::{Outbound, OutboundPolicy},
};
use bytes::Bytes;
use http::StatusCode;
use serde_json::Value;
use url::{Position, Url};

use super::{
    Conclusion,
    unread::{Question, answers_twice},
};
use crate::{
    config::{Config, HostHeader, IdentityConfig, UpstreamConfig, UpstreamProtocol},
    request::id::RequestId,
    upstream::{Endpoints, Resolver},
};

const DOCUMENT: usize = 256 * 1024;
const KEYS: usize = 512 * 1024;

/// What is wrong with something that was asked.
enum Trouble {
    Down(String),
    /// It answers, and must not be served with as it is configured.
    Refused(String),
}

/// What was asked, and what came of it.
type Answer = (String, Result<(), Trouble>);

/// Asks everything, writes a line each, and says what that comes to.
pub(super) fn report(config: &Config, text: &mut String) -> Conclusion {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(cause) => {
            text.push_str(&format!("down     nothing can be asked: {cause}\n"));
            return Conclusion::Down;
        }
    };
    let mut conclusion = Conclusion::Ready;
    for (what, answer) in runtime.block_on(ask(config)) {
        let worst = match answer {
            Ok(()) => {
                text.push_str(&format!("up       {what}\n"));
                Conclusion::Ready
            }
            Err(Trouble::Down(cause)) => {
                text.push_str(&format!("down     {what}: {cause}\n"));
                Conclusion::Down
            }
            Err(Trouble::Refused(cause)) => {
                text.push_str(&format!("refused  {what}: {cause}\n"));
                Conclusion::Refused
            }
        };
        conclusion = conclusion.max(worst);
    }
    conclusion
}

async fn ask(config: &Config) -> Vec<Answer> {
    let mut answers = Vec::new();
    for (issuer, asked) in issuers(config) {
        match outbound(config, issuer, asked.identity) {
            Ok(outbound) => asked.ask(&outbound, issuer, &mut answers).await,
            Err(cause) => answers.push((format!("issuer {issuer}"), Err(Trouble::Down(cause)))),
        }
    }
    answers.push(("store".to_owned(), store(config).await));
    for upstream in config.upstreams.values() {
        for endpoint in &upstream.endpoints {
            let answer = bodies(config, upstream, endpoint).await;
            answers.push((format!("upstream {} at {endpoint}", upstream.name), answer));
        }
    }
    answers
}

/// What is to be asked of one issuer.
#[derive(Default)]
struct ProbedIssuer<'c> {
    identity: Option<&'c IdentityConfig>,
    /// Whether something is to be found by its discovery document.
    by_discovery: bool,
    /// Where else its keys are.
    uris: Vec<&'c Url>,
}

/// Every issuer once, with all that is said about it: a provider of people may issue programs' tokens too.
fn issuers(config: &Config) -> BTreeMap<&str, ProbedIssuer<'_>> {
    let mut issuers: BTreeMap<&str, ProbedIssuer<'_>> = BTreeMap::new();
    for identity in &config.identity {
        let asked = issuers.entry(&*identity.issuer).or_default();
        asked.identity.get_or_insert(identity);
        asked.by_discovery = true;
    }
    for bearer in &config.bearer {
        let asked = issuers.entry(&*bearer.issuer).or_default();
        match &bearer.jwks_uri {
            Some(uri) => asked.uris.push(uri),
            None => asked.by_discovery = true,
        }
    }
    issuers
}

impl ProbedIssuer<'_> {
    async fn ask(&self, outbound: &Outbound, issuer: &str, answers: &mut Vec<Answer>) {
        if self.by_discovery {
            let document = document(outbound, issuer, self.identity).await;
            let keys = match &document {
                Ok(document) => keys(outbound, &document.jwks_uri).await,
                Err(_) => Err("nobody said where they are".to_owned()),
            };
            answers.push((format!("discovery of {issuer}"), document.map(drop).map_err(Trouble::Down)));
            answers.push((format!("keys of {issuer}"), keys.map_err(Trouble::Down)));
        }
        for uri in &self.uris {
            answers.push((format!("keys of {issuer} at {uri}"), keys(outbound, uri).await.map_err(Trouble::Down)));
        }
    }
}

/// A client that reaches what the gateway's own would.
fn outbound(config: &Config, issuer: &str, identity: Option<&IdentityConfig>) -> Result<Outbound, String> {
    let url = Url::parse(issuer).map_err(|fault| fault.to_string())?;
    let ca = identity.and_then(|identity| identity.ca.as_ref()).map(|ca: &Arc<[u8]>| ca.to_vec());
    let policy = OutboundPolicy { ca, named: config.named_for(issuer), ..OutboundPolicy::default() };
    Outbound::new(&url, policy, Clock::system()).map_err(|fault| fault.to_string())
}

/// The issuer's document, read as the gateway reads it.
async fn document(outbound: &Outbound, issuer: &str, identity: Option<&IdentityConfig>) -> Result<Document, String> {
    let url = match identity.and_then(|identity| identity.discovery_url.clone()) {
        Some(url) => url,
        None => Url::parse(&format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/')))
            .map_err(|fault| fault.to_string())?,
    };
    let body = body(outbound, &url, DOCUMENT).await?;
    Document::read(&body, &issuer.into()).map_err(|nonsense| format!("{url}: {nonsense}"))
}

async fn keys(outbound: &Outbound, uri: &Url) -> Result<(), String> {
    let body = body(outbound, uri, KEYS).await?;
    let set: Value = serde_json::from_slice(&body).map_err(|fault| format!("{uri} is no JSON: {fault}"))?;
    match set.get("keys").and_then(Value::as_array).map(Vec::len) {
        None => Err(format!("{uri} is no key set")),
        Some(0) => Err(format!("{uri} is an empty key set")),
        Some(_) => Ok(()),
    }
}

async fn body(outbound: &Outbound, url: &Url, cap: usize) -> Result<Bytes, String> {
    let answer = outbound.get(url, cap).await.map_err(|fault| format!("{url}: {}", whole(&fault)))?;
    if answer.status == StatusCode::OK { Ok(answer.body) } else { Err(format!("{url} answers {}", answer.status)) }
}

/// A fault with its causes: "cannot connect" alone helps nobody.
fn whole(fault: &dyn Error) -> String {
    let mut text = fault.to_string();
    let mut cause = fault.source();
    while let Some(deeper) = cause {
        text.push_str(&format!(": {deeper}"));
        cause = deeper.source();
    }
    text
}

/// What a start would say of keyring and store. It writes nothing: neither is made.
async fn store(config: &Config) -> Result<(), Trouble> {
    let address = &config.store.address;
    let writable = address.is_writable();
    let store = Database::at(address.clone(), Background::current(), Database::DEADLINE);
    match Keyring::examine(&config.server.data, &store).await {
        Ok(Found::Both) => writable.map_err(|cause| Trouble::Down(format!("{address}: {cause}"))),
        Ok(Found::Neither) => Ok(()),
        Ok(Found::StoreDown(down)) => Err(Trouble::Down(format!("{address}: {down}"))),
        Err(fault) => Err(Trouble::Refused(fault.to_string())),
    }
}

/// Whether `endpoint` answers, and runs no request that only a body spells.
async fn bodies(config: &Config, upstream: &UpstreamConfig, endpoint: &Url) -> Result<(), Trouble> {
    let host = match &upstream.host {
        HostHeader::Public => authority(&config.server.public_url),
        HostHeader::Endpoint if endpoint.has_host() => authority(endpoint),
        HostHeader::Endpoint => "localhost".to_owned(),
        HostHeader::Literal(host) => String::from_utf8_lossy(host.as_bytes()).into_owned(),
    };
    let endpoints = Endpoints::new(Background::current(), Clock::system(), Resolver::system());
    if upstream.protocol == UpstreamProtocol::Http2 {
        // Each request has a stream of its own there: no body can be taken for the next request.
        let path = format!("/candor-check-{}", RequestId::new());
        let answered = endpoints.try_http2(upstream, endpoint, &path).await;
        return answered.map_err(|fault| Trouble::Down(fault.to_string()));
    }
    let post = if upstream.reuse_after_body { Question::Post } else { Question::LastPost };
    for question in [post, Question::LastGet] {
        let stream =
            endpoints.try_connect(upstream, endpoint).await.map_err(|fault| Trouble::Down(fault.to_string()))?;
        if !answers_twice(stream, &host, question).await.map_err(Trouble::Down)? {
            continue;
        }
        let cause = match question {
            Question::Post => format!(
                "it leaves the body of a request unread and takes it for the next request; \
                 write `reuse_after_body = false` under [upstreams.{}]",
                upstream.name
            ),
            Question::LastPost | Question::LastGet => {
                "it takes the body of a request for the next one, even after `Connection: close`; \
                 let it verify X-Gateway-IdentityConfig itself, or put a server before it that reads bodies"
                    .to_owned()
            }
        };
        return Err(Trouble::Refused(cause));
    }
    Ok(())
}

fn authority(url: &Url) -> String {
    url[Position::BeforeHost..Position::AfterPort].to_owned()
}
