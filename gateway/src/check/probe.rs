//! `--probe`: whether what the gateway depends on answers.
//!
//! It asks by itself, not by the gateway's caches: those would answer for a provider that is long gone. It writes
//! nothing, so that it may run beside a gateway that serves.

use std::{collections::BTreeMap, error::Error, fs, io::Read as _, path::Path, sync::Arc, time::Duration};

use auth_core::{
    discovery::Document,
    outbound::{Outbound, OutboundPolicy},
};
use bytes::Bytes;
use http::StatusCode;
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};
use url::Url;

use crate::config::{Config, Identity, Upstream};

const DOCUMENT: usize = 256 * 1024;
const KEYS: usize = 512 * 1024;

/// Asks everything, writes a line each, and says whether something is down.
pub(super) fn report(config: &Config, text: &mut String) -> bool {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(cause) => {
            text.push_str(&format!("down     nothing can be asked: {cause}\n"));
            return true;
        }
    };
    let answers = runtime.block_on(ask(config));
    for (what, answer) in &answers {
        match answer {
            Ok(()) => text.push_str(&format!("up       {what}\n")),
            Err(cause) => text.push_str(&format!("down     {what}: {cause}\n")),
        }
    }
    answers.iter().any(|(_, answer)| answer.is_err())
}

async fn ask(config: &Config) -> Vec<(String, Result<(), String>)> {
    let mut answers = Vec::new();
    for (issuer, asked) in issuers(config) {
        match outbound(config, issuer, asked.identity) {
            Ok(outbound) => asked.ask(&outbound, issuer, &mut answers).await,
            Err(cause) => answers.push((format!("issuer {issuer}"), Err(cause))),
        }
    }
    answers.push(("store".to_owned(), store(&config.store.sqlite)));
    for upstream in config.upstreams.values() {
        for endpoint in &upstream.endpoints {
            answers.push((format!("upstream {} at {endpoint}", upstream.name), connect(upstream, endpoint).await));
        }
    }
    answers
}

/// What is to be asked of one issuer.
#[derive(Default)]
struct Asked<'c> {
    identity: Option<&'c Identity>,
    /// Whether something is to be found by its discovery document.
    by_discovery: bool,
    /// Where else its keys are.
    uris: Vec<&'c Url>,
}

/// Every issuer once, with all that is said about it: a provider of people may issue programs' tokens too.
fn issuers(config: &Config) -> BTreeMap<&str, Asked<'_>> {
    let mut issuers: BTreeMap<&str, Asked<'_>> = BTreeMap::new();
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

impl Asked<'_> {
    async fn ask(&self, outbound: &Outbound, issuer: &str, answers: &mut Vec<(String, Result<(), String>)>) {
        if self.by_discovery {
            let document = document(outbound, issuer, self.identity).await;
            let keys = match &document {
                Ok(document) => keys(outbound, &document.jwks_uri).await,
                Err(_) => Err("nobody said where they are".to_owned()),
            };
            answers.push((format!("discovery of {issuer}"), document.map(drop)));
            answers.push((format!("keys of {issuer}"), keys));
        }
        for uri in &self.uris {
            answers.push((format!("keys of {issuer} at {uri}"), keys(outbound, uri).await));
        }
    }
}

/// A client that reaches what the gateway's own would.
fn outbound(config: &Config, issuer: &str, identity: Option<&Identity>) -> Result<Outbound, String> {
    let url = Url::parse(issuer).map_err(|fault| fault.to_string())?;
    let ca = identity.and_then(|identity| identity.ca.as_ref()).map(|ca: &Arc<[u8]>| ca.to_vec());
    let policy = OutboundPolicy { ca, named: config.named_for(issuer), ..OutboundPolicy::default() };
    Outbound::new(&url, policy).map_err(|fault| fault.to_string())
}

/// The issuer's document, read as the gateway reads it.
async fn document(outbound: &Outbound, issuer: &str, identity: Option<&Identity>) -> Result<Document, String> {
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

/// A store that is not there yet is made at the first start, so it is not down.
fn store(path: &Path) -> Result<(), String> {
    let mut magic = [0; 16];
    let read =
        fs::OpenOptions::new().read(true).write(true).open(path).and_then(|mut file| file.read_exact(&mut magic));
    match read {
        Ok(()) if magic.starts_with(b"SQLite format 3\0") => Ok(()),
        Ok(()) => Err(format!("{} is no SQLite file", path.display())),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(cause) => Err(format!("{}: {cause}", path.display())),
    }
}

async fn connect(upstream: &Upstream, endpoint: &Url) -> Result<(), String> {
    let host = endpoint.host_str().unwrap_or_default();
    // A literal IPv6 address stands in brackets in an address, and without them for a resolver.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = endpoint.port_or_known_default().unwrap_or(80);
    match timeout(upstream.connect_timeout.max(Duration::from_millis(1)), TcpStream::connect((host, port))).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(cause)) => Err(cause.to_string()),
        Err(_) => Err(format!("no connection within {:?}", upstream.connect_timeout)),
    }
}
