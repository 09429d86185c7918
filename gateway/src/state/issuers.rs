//! The providers and issuers of one configuration, each with its document and keys.

use std::sync::Arc;

use auth_core::{
    background::Background,
    bearer::{BearerIssuer, Bearers},
    clock::Clock,
    data_folder::DataFolder,
    discovery::{self, Discovery},
    idp::{Provider, ProviderConfig},
    jws::Algorithm,
    keys::{IssuerKeys, KeySetLocation, KeysConfig},
    outbound::{CaFault, Outbound, OutboundPolicy},
};
use url::Url;

use super::{StartFault, Tuning};
use crate::config::{BearerConfig, Config, IdentityConfig};

/// Everything that vouches for somebody.
pub(super) struct Issuers {
    pub(super) providers: Vec<Provider>,
    pub(super) bearers: Bearers,
}

/// What issuers are made from. What is known of an issuer is shared by all that name it.
pub(super) struct IssuerBuilder<'a> {
    pub(super) config: &'a Config,
    pub(super) tuning: &'a Tuning,
    pub(super) background: &'a Background,
    pub(super) clock: &'a Clock,
    pub(super) data: &'a DataFolder,
}

/// An issuer that has been met: the same one gets the same client, document and keys.
struct Issuer {
    issuer: Arc<str>,
    outbound: Outbound,
    discovery: Discovery,
    keys: Vec<(Option<Url>, Vec<Algorithm>, IssuerKeys)>,
}

impl IssuerBuilder<'_> {
    /// Makes them all, and lets each begin to keep itself fresh. Nobody is asked and nothing is waited for.
    pub(super) fn issuers(&self) -> Result<Issuers, StartFault> {
        let mut met = Vec::new();
        let providers = self.config.identity.iter().map(|identity| self.provider(identity, &mut met));
        let providers = providers.collect::<Result<Vec<_>, _>>()?;
        let bearers = self.config.bearer.iter().map(|bearer| self.bearer(bearer, &mut met));
        let bearers = Bearers::new(bearers.collect::<Result<Vec<_>, _>>()?);
        Ok(Issuers { providers, bearers })
    }

    fn provider(&self, identity: &IdentityConfig, met: &mut Vec<Issuer>) -> Result<Provider, StartFault> {
        let at = self.meet(&identity.issuer, Some(identity), met)?;
        let keys = self.keys(&mut met[at], None, &identity.algorithms);
        let config = ProviderConfig {
            name: identity.name.clone(),
            client_id: identity.client_id.clone(),
            client_secret: identity.client_secret.clone(),
            scopes: identity.scopes.clone(),
            user_claim: identity.user_claim.clone(),
            name_claim: identity.name_claim.clone(),
            groups_claim: identity.groups_claim.clone(),
            absence: identity.absence,
            prompt: identity.prompt,
            response_mode: identity.response_mode,
        };
        Ok(Provider::new(config, met[at].discovery.clone(), keys, met[at].outbound.clone()))
    }

    fn bearer(&self, bearer: &BearerConfig, met: &mut Vec<Issuer>) -> Result<BearerIssuer, StartFault> {
        let at = self.meet(&bearer.issuer, None, met)?;
        let keys = self.keys(&mut met[at], bearer.jwks_uri.as_ref(), &bearer.algorithms);
        Ok(BearerIssuer {
            issuer: bearer.issuer.clone(),
            audience: bearer.audience.clone(),
            leeway: bearer.leeway,
            kind: bearer.kind,
            user_claim: bearer.user_claim.clone(),
            absence: bearer.absence,
            keys,
        })
    }

    /// The place in `met` of this issuer, met now if it was not.
    fn meet(
        &self,
        issuer: &Arc<str>,
        identity: Option<&IdentityConfig>,
        met: &mut Vec<Issuer>,
    ) -> Result<usize, StartFault> {
        if let Some(at) = met.iter().position(|known| known.issuer == *issuer) {
            return Ok(at);
        }
        let url = Url::parse(issuer).map_err(|_| StartFault::Issuer(issuer.to_string()))?;
        let policy = OutboundPolicy {
            connect: self.tuning.connect,
            total: self.tuning.call,
            ca: identity.and_then(|identity| identity.ca.as_ref()).map(|pem| pem.to_vec()),
            named: self.config.named_for(issuer),
        };
        let outbound = Outbound::new(&url, policy, self.clock.clone())
            .map_err(|CaFault(fault)| StartFault::Ca(issuer.to_string(), fault))?;
        let provider = discovery::DiscoveryConfig {
            issuer: issuer.clone(),
            discovery_url: identity.and_then(|identity| identity.discovery_url.clone()),
            endpoint_hosts: identity.map(|identity| identity.endpoint_hosts.clone()).unwrap_or_default(),
        };
        let discovery =
            Discovery::new(provider, outbound.clone(), self.background.clone(), self.clock.clone(), self.data);
        met.push(Issuer { issuer: issuer.clone(), outbound, discovery, keys: Vec::new() });
        Ok(met.len() - 1)
    }

    fn keys(&self, met: &mut Issuer, uri: Option<&Url>, algorithms: &[Algorithm]) -> IssuerKeys {
        let mut algorithms = algorithms.to_vec();
        algorithms.sort();
        algorithms.dedup();
        let same =
            |known: &&(Option<Url>, Vec<Algorithm>, IssuerKeys)| known.0.as_ref() == uri && known.1 == algorithms;
        if let Some((.., keys)) = met.keys.iter().find(same) {
            return keys.clone();
        }
        let location = match uri {
            Some(uri) => KeySetLocation::Uri(uri.clone()),
            None => {
                met.discovery.start();
                KeySetLocation::Discovery(met.discovery.clone())
            }
        };
        let config = KeysConfig {
            issuer: met.issuer.clone(),
            location,
            algorithms: algorithms.clone(),
            policy: self.tuning.keys,
        };
        let (outbound, background, clock) = (met.outbound.clone(), self.background.clone(), self.clock.clone());
        let keys = IssuerKeys::new(config, outbound, background, clock, self.data);
        keys.start();
        met.keys.push((uri.cloned(), algorithms, keys.clone()));
        keys
    }
}
