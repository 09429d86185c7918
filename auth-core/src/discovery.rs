//! Providers' documents (OpenID Connect Discovery 1.0): last known good, in memory and on disk, hosts pinned.

use std::{path::Path, sync::Arc};

use url::Url;

use crate::{
    clock::{Clock, Now},
    keeper::Keeper,
    outbound::Outbound,
    verdict::Unavailable,
};

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

/// A provider's document that was found good.
#[derive(Clone, Debug)]
pub struct Document {
    /// As configured, to the letter.
    pub issuer: Arc<str>,
    /// RFC 6749 §3.1. Absent for an issuer that only signs access tokens.
    pub authorization_endpoint: Option<Url>,
    /// RFC 6749 §3.2.
    pub token_endpoint: Option<Url>,
    /// Where the key set is (RFC 7517).
    pub jwks_uri: Url,
    /// OpenID Connect RP-Initiated Logout 1.0 §2.1.
    pub end_session_endpoint: Option<Url>,
    /// OpenID Connect Core §5.3.
    pub userinfo_endpoint: Option<Url>,
    /// The whole document.
    pub raw: serde_json::Value,
}

/// One provider's document. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct Discovery(Arc<()>);

impl Discovery {
    /// Reads what was last known good under `data`. Never fails and fetches nothing.
    pub fn new(provider: Provider, outbound: Outbound, keeper: Keeper, clock: Clock, data: &Path) -> Self {
        let _ = (provider, outbound, keeper, clock, data);
        todo!()
    }

    /// Begins to keep it fresh, hourly ± 10 %, on the keeper. Ends when the last clone is dropped.
    pub fn start(&self) {
        todo!()
    }

    /// The issuer, as configured.
    pub fn issuer(&self) -> &Arc<str> {
        let _ = &self.0;
        todo!()
    }

    /// The last good document; fetched only if there is none.
    ///
    /// # Errors
    /// Unavailable(Discovery), if there never was a good one and it cannot be had now.
    pub async fn document(&self) -> Result<Arc<Document>, Unavailable> {
        todo!()
    }

    /// Makes sure that the provider answered within the last ten seconds, asking it now if need be. A sign-in begins
    /// with this, since a person sent to a dead provider is lost.
    ///
    /// # Errors
    /// Unavailable(Discovery), if it does not answer.
    pub async fn ask(&self, now: Now) -> Result<Arc<Document>, Unavailable> {
        let _ = now;
        todo!()
    }
}
