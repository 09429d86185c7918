//! `--probe`: whether what the gateway depends on answers.
//!
//! It asks by itself, not by the gateway's caches: those would answer for a provider that is long gone. It writes
//! nothing, so that it may run beside a gateway that serves.

use std::{collections::BTreeMap, error::Error, fs, io::Read as _, path::Path, sync::Arc, time::Duration};

use auth_core::outbound::{Outbound, OutboundPolicy};
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
    for (issuer, (identity, uri)) in issuers(config) {
        let outbound = match outbound(issuer, identity) {
            Ok(outbound) => outbound,
            Err(cause) => {
                answers.push((format!("issuer {issuer}"), Err(cause)));
                continue;
            }
        };
        let uri = match uri {
            Some(uri) => Ok(uri.clone()),
            None => document(&outbound, issuer, identity).await,
        };
        let keys = match &uri {
            Ok(uri) => keys(&outbound, uri).await,
            Err(_) => Err("nobody said where they are".to_owned()),
        };
        answers.push((format!("discovery of {issuer}"), uri.map(drop)));
        answers.push((format!("keys of {issuer}"), keys));
    }
    answers.push(("store".to_owned(), store(&config.store.sqlite)));
    for upstream in config.upstreams.values() {
        for endpoint in &upstream.endpoints {
            answers.push((format!("upstream {} at {endpoint}", upstream.name), connect(upstream, endpoint).await));
        }
    }
    answers
}

/// Every issuer once, with what is said about it: a provider of people may issue programs' tokens too.
fn issuers(config: &Config) -> BTreeMap<&str, (Option<&Identity>, Option<&Url>)> {
    let mut issuers = BTreeMap::new();
    for identity in &config.identity {
        issuers.entry(&*identity.issuer).or_insert((Some(identity), None));
    }
    for bearer in &config.bearer {
        issuers.entry(&*bearer.issuer).or_insert((None, bearer.jwks_uri.as_ref()));
    }
    issuers
}

fn outbound(issuer: &str, identity: Option<&Identity>) -> Result<Outbound, String> {
    let url = Url::parse(issuer).map_err(|fault| fault.to_string())?;
    let ca = identity.and_then(|identity| identity.ca.as_ref()).map(|ca: &Arc<[u8]>| ca.to_vec());
    Outbound::new(&url, OutboundPolicy { ca, ..OutboundPolicy::default() }).map_err(|fault| fault.to_string())
}

/// Where the issuer's document says its keys are.
async fn document(outbound: &Outbound, issuer: &str, identity: Option<&Identity>) -> Result<Url, String> {
    let url = match identity.and_then(|identity| identity.discovery_url.clone()) {
        Some(url) => url,
        None => Url::parse(&format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/')))
            .map_err(|fault| fault.to_string())?,
    };
    let document = json(outbound, &url, DOCUMENT).await?;
    let says = document.get("issuer").and_then(Value::as_str);
    if says != Some(issuer) {
        return Err(format!("its document names the issuer {:?}, not {issuer:?}", says.unwrap_or_default()));
    }
    let keys = document.get("jwks_uri").and_then(Value::as_str).ok_or("its document names no jwks_uri")?;
    Url::parse(keys).map_err(|fault| format!("its jwks_uri: {fault}"))
}

async fn keys(outbound: &Outbound, uri: &Url) -> Result<(), String> {
    let set = json(outbound, uri, KEYS).await?;
    match set.get("keys").and_then(Value::as_array).map(Vec::len) {
        None => Err(format!("{uri} is no key set")),
        Some(0) => Err(format!("{uri} is an empty key set")),
        Some(_) => Ok(()),
    }
}

async fn json(outbound: &Outbound, url: &Url, cap: usize) -> Result<Value, String> {
    let answer = outbound.get(url, cap).await.map_err(|fault| format!("{url}: {}", whole(&fault)))?;
    if !answer.status.is_success() {
        return Err(format!("{url} answers {}", answer.status));
    }
    serde_json::from_slice(&answer.body).map_err(|fault| format!("{url} is no JSON: {fault}"))
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
