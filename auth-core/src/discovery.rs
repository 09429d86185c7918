//! Providers' documents (OpenID Connect Discovery 1.0): last known good, in memory and on disk, hosts pinned.
//!
//! A document is fetched in the background, hourly; nobody who is already known waits for one. Nonsense never replaces
//! a good document, and a good one that suddenly names other hosts is kept out until an operator allows them.

mod document;

use std::{collections::BTreeSet, path::Path, sync::Arc, sync::Mutex, time::Duration};

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::{
    alarm,
    clock::{Clock, Now, Steady},
    dependency::Dependency,
    flight::Flight,
    keeper::Keeper,
    last_good::LastGood,
    lock::lock,
    outbound::Outbound,
    schedule::{Schedule, keep_fresh},
    verdict::Unavailable,
};

pub use document::{Document, Nonsense};

/// The longest document that is read, in bytes.
const LONGEST: usize = 256 * 1024;

/// How old the last good contact may be when a sign-in begins.
const RECENT: Duration = Duration::from_secs(10);

/// How long after a failed attempt a request may cause the next.
const PAUSE: Duration = Duration::from_secs(1);

/// How often the document is fetched, give or take a tenth.
const EVERY: Duration = Duration::from_secs(3600);

/// A provider, as configured.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Its issuer, to the letter: a trailing slash matters (OpenID Connect Discovery 1.0 §4.3).
    pub issuer: Arc<str>,
    /// Where the document is, if not under the issuer.
    pub discovery_url: Option<Url>,
    /// Hosts that its endpoints may move to besides those of the first good document.
    pub endpoint_hosts: Vec<String>,
}

/// One provider's document. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct Discovery(Arc<Inner>);

struct Inner {
    provider: Provider,
    outbound: Outbound,
    keeper: Keeper,
    clock: Clock,
    copy: LastGood,
    flight: Flight<Result<Arc<Document>, Unavailable>>,
    known: Mutex<Known>,
}

#[derive(Clone)]
struct Known {
    document: Option<Arc<Document>>,
    pinned: BTreeSet<String>,
    contact: Option<Steady>,
    /// The last attempt since the last contact that failed.
    failed: Option<(Steady, Unavailable)>,
    schedule: Schedule,
}

/// What lies on disk.
#[derive(Serialize, Deserialize)]
struct Stored {
    document: Value,
    pinned: BTreeSet<String>,
    schedule: Schedule,
}

impl Discovery {
    /// Reads what was last known good under `data`. Never fails and fetches nothing.
    pub fn new(provider: Provider, outbound: Outbound, keeper: Keeper, clock: Clock, data: &Path) -> Self {
        let copy = LastGood::new(data, "discovery", &provider.issuer);
        let known = Mutex::new(Known::load(&copy, &provider));
        let flight = Flight::new(keeper.clone());
        Self(Arc::new(Inner { provider, outbound, keeper, clock, copy, flight, known }))
    }

    /// Begins to keep it fresh, hourly ± 10 %, on the keeper. Ends when the last clone is dropped.
    pub fn start(&self) {
        let schedule = |inner: &Inner| lock(&inner.known).schedule;
        let refresh = |inner: Arc<Inner>| async move {
            let fetched = inner.fetched().await;
            if let Err(unavailable) = &fetched {
                tracing::warn!(issuer = %inner.provider.issuer, "discovery failed: {unavailable}");
            }
            fetched.map(|_| ())
        };
        self.0.keeper.spawn(keep_fresh(Arc::downgrade(&self.0), self.0.clock.clone(), schedule, refresh));
    }

    /// The issuer, as configured.
    pub fn issuer(&self) -> &Arc<str> {
        &self.0.provider.issuer
    }

    /// The last good document; fetched only if there is none.
    ///
    /// # Errors
    /// Unavailable(Discovery), if there never was a good one and it cannot be had now.
    pub async fn document(&self) -> Result<Arc<Document>, Unavailable> {
        let known = lock(&self.0.known).document.clone();
        match known {
            Some(document) => Ok(document),
            None => self.0.asked().await,
        }
    }

    /// Makes sure that the provider answered within the last ten seconds, asking it now if need be, and gives its
    /// document. A sign-in begins with this, since a person who is sent to a dead provider is lost.
    ///
    /// # Errors
    /// Unavailable(Discovery), if it does not answer, or never answered anything good.
    pub async fn ask(&self, now: Now) -> Result<Arc<Document>, Unavailable> {
        let Known { document, contact, .. } = lock(&self.0.known).clone();
        match (document, contact) {
            (Some(document), Some(contact)) if now.steady().since(contact) <= RECENT => Ok(document),
            _ => self.0.asked().await,
        }
    }
}

impl Inner {
    /// Fetches for a request, unless the last attempt failed just now: strangers can ask, and a dead provider must not
    /// be stormed.
    async fn asked(self: &Arc<Self>) -> Result<Arc<Document>, Unavailable> {
        let failed = lock(&self.known).failed.clone();
        match failed {
            Some((at, down)) if self.clock.now().steady().since(at) < PAUSE => Err(down.retry_after(PAUSE)),
            Some(_) | None => self.fetched().await,
        }
    }

    /// The answer of one fetch, shared with whoever else wants it.
    async fn fetched(self: &Arc<Self>) -> Result<Arc<Document>, Unavailable> {
        let inner = Arc::clone(self);
        self.flight.join(|| async move { inner.fetch().await }).await?
    }

    async fn fetch(self: Arc<Self>) -> Result<Arc<Document>, Unavailable> {
        let begun = self.clock.now().steady();
        match self.get().await {
            Ok(document) => {
                let (known, stored) = lock(&self.known).adopt(document, begun, &self.provider);
                if let Some(stored) = stored {
                    self.copy.write(stored).await;
                }
                Ok(known)
            }
            Err(unavailable) => {
                lock(&self.known).failed = Some((begun, unavailable.clone()));
                Err(unavailable)
            }
        }
    }

    async fn get(&self) -> Result<Document, Unavailable> {
        let down = |cause: Box<dyn std::error::Error + Send + Sync>| Unavailable::because(Dependency::Discovery, cause);
        let url = self.provider.address().map_err(|bad| down(bad.into()))?;
        let answer = self.outbound.get(&url, LONGEST).await.map_err(|fault| down(fault.into()))?;
        if answer.status != StatusCode::OK {
            return Err(down(format!("{url} answered {}", answer.status).into()));
        }
        Document::read(&answer.body, &self.provider.issuer).map_err(|nonsense| down(nonsense.into()))
    }
}

impl Known {
    fn load(copy: &LastGood, provider: &Provider) -> Self {
        let none =
            Self { document: None, pinned: BTreeSet::new(), contact: None, failed: None, schedule: Schedule::NEVER };
        let Some(Stored { document, pinned, schedule }) = copy.read() else { return none };
        match Document::from_json(document, &provider.issuer) {
            Ok(document) => Self { document: Some(Arc::new(document)), pinned, contact: None, failed: None, schedule },
            Err(_) => none,
        }
    }

    /// Takes a good document, unless it names hosts that are neither pinned nor allowed: then the old one stays. Either
    /// way the provider has answered. Gives the document that counts, and what to write to disk.
    fn adopt(&mut self, new: Document, begun: Steady, provider: &Provider) -> (Arc<Document>, Option<Stored>) {
        self.contact = Some(begun);
        self.failed = None;
        self.schedule = Schedule::confirmed(begun, EVERY);
        let known = |host: &String| self.pinned.contains(host) || provider.endpoint_hosts.contains(host);
        let foreign: Vec<_> = new.hosts().into_iter().filter(|host| !known(host)).collect();
        if let (Some(old), false) = (&self.document, foreign.is_empty()) {
            let hosts = foreign.join(", ");
            let issuer = &provider.issuer;
            alarm::ring(
                "provider-hosts-changed",
                &format!("{issuer} now names {hosts}; the old document stays until `endpoint_hosts` allows them"),
            );
            return (Arc::clone(old), None);
        }
        if self.document.is_none() {
            self.pinned = new.hosts();
        }
        let new = Arc::new(new);
        self.document = Some(Arc::clone(&new));
        let stored = Stored { document: new.raw.clone(), pinned: self.pinned.clone(), schedule: self.schedule };
        (new, Some(stored))
    }
}

impl Provider {
    /// Where its document is (OpenID Connect Discovery 1.0 §4).
    fn address(&self) -> Result<Url, url::ParseError> {
        match &self.discovery_url {
            Some(url) => Ok(url.clone()),
            None => Url::parse(&format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'))),
        }
    }
}

#[cfg(test)]
mod tests;
