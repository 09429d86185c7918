//! Providers' documents (OpenID Connect Discovery 1.0): last known good, in memory and on disk, hosts pinned.
//!
//! A document is fetched in the background, hourly; nobody who is already known waits for one. Nonsense never replaces
//! a good document, and a good one that suddenly names other hosts is kept out until an operator allows them.

mod document;

use std::{collections::BTreeSet, error::Error, io, sync::Arc, time::Duration};

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::{
    alarm::{self, Alarm},
    background::Background,
    clock::{Clock, Now},
    data_folder::DataFolder,
    dependency::Dependency,
    last_known_good::{Cadence, Change, DiskCopy, FailedAttempt, Fetch, LastKnownGood, Schedule},
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
pub struct Discovery(LastKnownGood<DocumentSource>);

struct DocumentSource {
    provider: DiscoveryConfig,
    outbound: Outbound,
}

/// A good document, and the hosts that its successors may name.
struct KnownDocument {
    document: Arc<Document>,
    pinned: BTreeSet<String>,
}

/// What lies on disk.
#[derive(Serialize, Deserialize)]
struct StoredDocument {
    document: Value,
    pinned: BTreeSet<String>,
    schedule: Schedule,
}

impl Discovery {
    /// Reads what was last known good under `data`; without one, nothing outlives the process. Never fails and fetches
    /// nothing.
    pub fn new<'d>(
        provider: DiscoveryConfig,
        outbound: Outbound,
        background: Background,
        clock: Clock,
        data: impl Into<Option<&'d DataFolder>>,
    ) -> Self {
        let copy = DiskCopy::of_an_issuer(data.into(), "discovery", &provider.issuer);
        let what = format!("the document of {}", provider.issuer);
        let source = DocumentSource { provider, outbound };
        Self(LastKnownGood::new(what, source, Cadence::Provider { every: EVERY }, copy, background, clock))
    }

    /// Begins to keep it fresh, hourly ± 10 %, in the background. Ends when the last clone is dropped.
    pub fn start(&self) {
        self.0.start();
    }

    /// The issuer, as configured.
    pub fn issuer(&self) -> &Arc<str> {
        &self.0.source().provider.issuer
    }

    /// The clock that it goes by.
    pub(crate) fn clock(&self) -> &Clock {
        self.0.clock()
    }

    /// The last good document; fetched only if there is none.
    ///
    /// # Errors
    /// Unavailable(Discovery), if there never was a good one and it cannot be had now.
    pub async fn document(&self) -> Result<Arc<Document>, Unavailable> {
        match self.known() {
            Some(document) => Ok(document),
            None => self.fetched().await,
        }
    }

    /// Makes sure that the provider answered within the last ten seconds, asking it now if need be, and gives its
    /// document. A sign-in begins with this, since a person who is sent to a dead provider is lost.
    ///
    /// # Errors
    /// Unavailable(Discovery), if it does not answer, or never answered anything good.
    pub async fn ask(&self, now: Now) -> Result<Arc<Document>, Unavailable> {
        let contact = self.0.load().contact;
        match (self.known(), contact) {
            (Some(document), Some(contact)) if now.steady().since(contact) <= RECENT => Ok(document),
            _ => self.fetched().await,
        }
    }

    /// Its document, last known good, without asking for it.
    pub(crate) fn known(&self) -> Option<Arc<Document>> {
        self.0.load().value.as_ref().map(|known| Arc::clone(&known.document))
    }

    /// Fetches it for somebody who needs it now, as the back-off allows: a dead provider must not be stormed.
    async fn fetched(&self) -> Result<Arc<Document>, Unavailable> {
        self.0.ask(|_, _| Ok(())).await?;
        self.known().ok_or_else(|| down("there is no document after all"))
    }
}

impl Fetch for DocumentSource {
    type Value = Option<Arc<KnownDocument>>;

    async fn fetch(cell: &LastKnownGood<Self>, _now: Now) -> Result<Option<Change<Self::Value>>, FailedAttempt> {
        let (source, document) = (cell.source(), Arc::new(cell.source().get().await?));
        let known = cell.load().value.clone();
        if known.is_some_and(|known| source.names_foreign_hosts(&document, &known.pinned)) {
            return Ok(None);
        }
        Ok(Some(Box::new(move |known| {
            let pinned = known.as_ref().map_or_else(|| document.hosts(), |known| known.pinned.clone());
            Some(Arc::new(KnownDocument { document: Arc::clone(&document), pinned }))
        })))
    }

    fn write(&self, known: &Self::Value, schedule: Schedule) -> io::Result<Vec<u8>> {
        let stored = known.as_ref().map(|known| {
            let (document, pinned) = (known.document.raw.clone(), known.pinned.clone());
            StoredDocument { document, pinned, schedule }
        });
        Ok(serde_json::to_vec(&stored)?)
    }

    fn read(&self, copy: &[u8]) -> io::Result<(Self::Value, Schedule)> {
        let StoredDocument { document, pinned, schedule } = serde_json::from_slice(copy)?;
        // What does not fit the configuration any more is fetched again.
        Ok(Document::from_json(document, &self.provider.issuer).map_or((None, Schedule::NEVER), |document| {
            (Some(Arc::new(KnownDocument { document: Arc::new(document), pinned })), schedule)
        }))
    }
}

impl DocumentSource {
    async fn get(&self) -> Result<Document, FailedAttempt> {
        let url = self.provider.address().map_err(down)?;
        let answer = self.outbound.get(&url, LONGEST).await.map_err(down)?;
        if answer.status != StatusCode::OK {
            let refused = FailedAttempt::from(down(format!("{url} answered {}", answer.status)));
            return Err(refused.leaving_alone(answer.retry_after()));
        }
        Ok(Document::read(&answer.body, &self.provider.issuer).map_err(down)?)
    }

    /// Whether a document names hosts that are neither pinned nor allowed: then the old one stays, and that rings.
    fn names_foreign_hosts(&self, document: &Document, pinned: &BTreeSet<String>) -> bool {
        let is_known = |host: &String| pinned.contains(host) || self.provider.endpoint_hosts.contains(host);
        let foreign: Vec<_> = document.hosts().into_iter().filter(|host| !is_known(host)).collect();
        if foreign.is_empty() {
            return false;
        }
        let (issuer, hosts) = (&self.provider.issuer, foreign.join(", "));
        alarm::ring(
            Alarm::ProviderHostsChanged,
            &format!("{issuer} now names {hosts}; the old document stays until `endpoint_hosts` allows them"),
        );
        true
    }
}

fn down(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Unavailable {
    Unavailable::because(Dependency::Discovery, cause)
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
