//! Where an issuer's keys come from: its server, asked within what strangers' tokens may cause.

use std::{
    collections::BTreeMap,
    error::Error,
    io,
    sync::{Arc, Mutex},
};

use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{KeySetLocation, KeysConfig, known::KnownKeys, policy::Budgets, set};
use crate::{
    alarm::{self, Alarm},
    clock::{Now, Steady, Timestamp},
    dependency::Dependency,
    last_known_good::{Change, FailedAttempt, Fetch, LastKnownGood, Schedule},
    lock::lock,
    outbound::Outbound,
    verdict::Unavailable,
};

/// The longest key set that is read, in bytes.
pub(super) const LONGEST: usize = 512 * 1024;

/// The server that publishes an issuer's keys.
pub(super) struct KeySource {
    pub(super) config: KeysConfig,
    pub(super) outbound: Outbound,
    /// Of tokens that the keys in use do not verify. No other token takes this lock.
    pub(super) budgets: Mutex<Budgets>,
}

/// What lies on disk.
#[derive(Serialize, Deserialize)]
struct StoredKeys {
    body: Arc<str>,
    born: Option<Timestamp>,
    schedule: Schedule,
    #[serde(rename = "doubts")]
    unconfirmed: BTreeMap<String, Steady>,
}

impl Fetch for KeySource {
    type Value = Option<Arc<KnownKeys>>;

    async fn fetch(cell: &LastKnownGood<Self>, now: Now) -> Result<Option<Change<Self::Value>>, FailedAttempt> {
        let (source, begun) = (cell.source(), now.steady());
        let (fetched, policy) = (source.get(now).await?, source.config.policy);
        lock(&source.budgets).settle(&policy, begun);
        Ok(Some(Box::new(move |known| {
            let fetched = fetched.clone();
            Some(Arc::new(match known {
                Some(old) => fetched.replacing(old, begun, policy.withdrawn),
                None => fetched,
            }))
        })))
    }

    fn write(&self, known: &Self::Value, schedule: Schedule) -> io::Result<Vec<u8>> {
        let stored = known.as_deref().cloned().map(|known| {
            let KnownKeys { body, born, unconfirmed, .. } = known;
            StoredKeys { body, born, schedule, unconfirmed }
        });
        Ok(serde_json::to_vec(&stored)?)
    }

    fn read(&self, copy: &[u8]) -> io::Result<(Self::Value, Schedule)> {
        let StoredKeys { body, born, schedule, unconfirmed } = serde_json::from_slice(copy)?;
        // What does not fit the configuration any more is fetched again.
        Ok(KnownKeys::read(body.as_bytes(), born, &self.config.algorithms)
            .map_or((None, Schedule::NEVER), |known| (Some(Arc::new(KnownKeys { unconfirmed, ..known })), schedule)))
    }
}

impl KeySource {
    async fn get(&self, now: Now) -> Result<KnownKeys, FailedAttempt> {
        let url = match &self.config.location {
            KeySetLocation::Uri(url) => url.clone(),
            KeySetLocation::Discovery(discovery) => match discovery.document().await {
                Ok(document) => document.jwks_uri.clone(),
                Err(down) => {
                    // Until the document is asked for again there is nothing to ask for here.
                    let wait = down.retry_after;
                    return Err(FailedAttempt::from(down).leaving_alone(Some(wait)));
                }
            },
        };
        let answer = self.outbound.get(&url, LONGEST).await.map_err(down)?;
        if answer.status != StatusCode::OK {
            let refused = FailedAttempt::from(down(format!("{url} answered {}", answer.status)));
            return Err(refused.leaving_alone(answer.retry_after()));
        }
        // With a clock that may be ahead, a set could look younger than it is: it then proves nothing.
        let born = set::born(now.earlier(), &answer.headers).filter(|_| !now.is_in_doubt());
        let keys = KnownKeys::read(&answer.body, born, &self.config.algorithms).map_err(down)?;
        if keys.set.private() > 0 {
            alarm::ring(Alarm::PrivateKeyPublished, "an issuer's key set holds a private or shared key; it is ignored");
        }
        Ok(keys)
    }
}

fn down(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Unavailable {
    Unavailable::because(Dependency::Keys, cause)
}
