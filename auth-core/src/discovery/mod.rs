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
    alarm::{self, Alarm},
    background::Background,
    clock::{Clock, Now, Steady},
    dependency::Dependency,
    last_known_good::{Attempts, FailedAttempt, LastGood, Schedule},
    lock::lock,
    outbound::Outbound,
    verdict::Unavailable,
};

pub use document::{Document, NotADocument};

/// The longest document that is read, in bytes.
const LONGEST: usize = 256 * 1024;

/// How old the last good contact may be when a sign-in begins.
const RECENT: Duration = Duration::from_secs(10);

/// How often the document is fetched, give or take a tenth.
const EVERY: Duration = Duration::from_secs(3600);

/// A provider, as configured.
#[derive(Clone, Debug)]
pub struct DiscoveryConfig {
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
    provider: DiscoveryConfig,
    outbound: Outbound,
    clock: Clock,
    copy: LastGood,
    attempts: Attempts<Arc<Document>>,
    known: Mutex<Known>,
}

#[derive(Clone)]
struct Known {
    document: Option<Arc<Document>>,
    pinned: BTreeSet<String>,
    contact: Option<Steady>,
    schedule: Schedule,
}

/// What lies on disk.
#[derive(Serialize, Deserialize)]
struct StoredDocument {
    document: Value,
    pinned: BTreeSet<String>,
    schedule: Schedule,
}

impl Discovery {
    /// Reads what was last known good under `data`. Never fails and fetches nothing.
    pub fn new(provider: DiscoveryConfig, outbound: Outbound, keeper: Background, clock: Clock, data: &Path) -> Self {
        let copy = LastGood::new(data, "discovery", &provider.issuer);
        let known = Mutex::new(Known::load(&copy, &provider));
        let attempts = Attempts::new(format!("the document of {}", provider.issuer), keeper, clock.clone());
        Self(Arc::new(Inner { provider, outbound, clock, copy, attempts, known }))
    }

    /// Begins to keep it fresh, hourly ± 10 %, on the keeper. Ends when the last clone is dropped.
    pub fn start(&self) {
        let due_in = |inner: &Inner, now: Now| lock(&inner.known).schedule.wait(now);
        self.0.attempts.keep(Arc::downgrade(&self.0), due_in, Inner::fetch);
    }

    /// The issuer, as configured.
    pub fn issuer(&self) -> &Arc<str> {
        &self.0.provider.issuer
    }

    /// The clock that it goes by.
    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
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
    /// Fetches for somebody who needs it now, as the back-off allows: a dead provider must not be stormed.
    async fn asked(self: &Arc<Self>) -> Result<Arc<Document>, Unavailable> {
        self.attempts.ask(|_, _| Ok(()), || Arc::clone(self).fetch()).await
    }

    async fn fetch(self: Arc<Self>) -> Result<Arc<Document>, FailedAttempt> {
        let begun = self.clock.now().steady();
        let document = self.get().await?;
        let (known, stored) = lock(&self.known).adopt(document, begun, &self.provider);
        if let Some(stored) = stored {
            self.copy.write(stored).await;
        }
        Ok(known)
    }

    async fn get(&self) -> Result<Document, FailedAttempt> {
        let down = |cause: Box<dyn std::error::Error + Send + Sync>| Unavailable::because(Dependency::Discovery, cause);
        let url = self.provider.address().map_err(|bad| down(bad.into()))?;
        let answer = self.outbound.get(&url, LONGEST).await.map_err(|fault| down(fault.into()))?;
        if answer.status != StatusCode::OK {
            let refused = FailedAttempt::from(down(format!("{url} answered {}", answer.status).into()));
            return Err(refused.leaving_alone(answer.retry_after()));
        }
        Ok(Document::read(&answer.body, &self.provider.issuer).map_err(|nonsense| down(nonsense.into()))?)
    }
}

impl Known {
    fn load(copy: &LastGood, provider: &DiscoveryConfig) -> Self {
        let none = Self { document: None, pinned: BTreeSet::new(), contact: None, schedule: Schedule::NEVER };
        let Some(StoredDocument { document, pinned, schedule }) = copy.read() else { return none };
        match Document::from_json(document, &provider.issuer) {
            Ok(document) => Self { document: Some(Arc::new(document)), pinned, contact: None, schedule },
            Err(_) => none,
        }
    }

    /// Takes a good document, unless it names hosts that are neither pinned nor allowed: then the old one stays. Either
    /// way the provider has answered. Gives the document that counts, and what to write to disk.
    fn adopt(
        &mut self,
        new: Document,
        begun: Steady,
        provider: &DiscoveryConfig,
    ) -> (Arc<Document>, Option<StoredDocument>) {
        self.contact = Some(begun);
        self.schedule = Schedule::confirmed(begun, EVERY);
        let known = |host: &String| self.pinned.contains(host) || provider.endpoint_hosts.contains(host);
        let foreign: Vec<_> = new.hosts().into_iter().filter(|host| !known(host)).collect();
        if let (Some(old), false) = (&self.document, foreign.is_empty()) {
            let hosts = foreign.join(", ");
            let issuer = &provider.issuer;
            alarm::ring(
                Alarm::ProviderHostsChanged,
                &format!("{issuer} now names {hosts}; the old document stays until `endpoint_hosts` allows them"),
            );
            return (Arc::clone(old), None);
        }
        if self.document.is_none() {
            self.pinned = new.hosts();
        }
        let new = Arc::new(new);
        self.document = Some(Arc::clone(&new));
        let stored = StoredDocument { document: new.raw.clone(), pinned: self.pinned.clone(), schedule: self.schedule };
        (new, Some(stored))
    }
}

impl DiscoveryConfig {
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
