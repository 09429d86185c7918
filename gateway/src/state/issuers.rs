//! The providers and issuers of one configuration, each with its document and keys.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    sync::{Arc, Once},
};

use auth_core::{
    background::Background,
    bearer::{
        BearerIssuer, BearerMemory, Bearers,
        introspection::{Introspection, IntrospectionConfig, IntrospectionMemory},
    },
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
use crate::{
    config::{BearerConfig, Config, IdentityConfig},
    registry::Registry,
};

/// The issuers of this process.
pub(super) type KnownIssuers = Registry<IssuerKey, Issuer>;

/// What makes an issuer the same one: where it is, and whither it may lead.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct IssuerKey {
    issuer: Arc<str>,
    /// Of each `[[identity]]` that names it; the first one's is where its document is.
    discovery_urls: Vec<Option<Url>>,
    endpoint_hosts: Vec<String>,
    ca: Option<Arc<[u8]>>,
    /// Where the configuration says that its keys are, or that it is asked about tokens: it may be reached there too.
    named_at: BTreeSet<Url>,
}

/// An issuer: its client, its document and its keys.
pub(super) struct Issuer {
    name: Arc<str>,
    outbound: Outbound,
    discovery: Discovery,
    /// Whether the document is kept fresh: once some keys are where it says.
    kept_fresh: Once,
    keys: Registry<KeysKey, KnownKeySet>,
    introspected: Registry<IntrospectionKey, IntrospectionMemory>,
}

/// The keys of an issuer, and what they have said of tokens.
struct KnownKeySet {
    keys: IssuerKeys,
    memory: BearerMemory,
}

/// What makes the keys of an issuer the same ones: where they are, and what they may sign with.
#[derive(PartialEq, Eq, Hash)]
struct KeysKey {
    uri: Option<Url>,
    algorithms: Vec<Algorithm>,
}

/// What makes an issuer's words about opaque tokens the same ones: who asks, and where.
#[derive(PartialEq, Eq, Hash)]
struct IntrospectionKey {
    client_id: String,
    endpoint: Option<Url>,
}

/// Everything that vouches for somebody.
pub(super) struct Issuers {
    pub(super) providers: Vec<Provider>,
    pub(super) bearers: Bearers,
    pub(super) held: HeldIssuers,
}

/// What a configuration names of the issuers of this process: it is there for the next one for as long as this is held.
#[derive(Default)]
pub(super) struct HeldIssuers {
    issuers: Vec<Arc<Issuer>>,
    keys: Vec<Arc<KnownKeySet>>,
    introspected: Vec<Arc<IntrospectionMemory>>,
}

/// What issuers are made from. What is known of an issuer is shared by all that name it.
pub(super) struct IssuerBuilder<'a> {
    pub(super) config: &'a Config,
    pub(super) known: &'a KnownIssuers,
    pub(super) tuning: &'a Tuning,
    pub(super) background: &'a Background,
    pub(super) clock: &'a Clock,
    pub(super) data: &'a DataFolder,
}

impl IssuerBuilder<'_> {
    /// Makes them all, and lets each begin to keep itself fresh. Nobody is asked and nothing is waited for.
    pub(super) fn issuers(&self) -> Result<Issuers, StartFault> {
        let mut held = HeldIssuers::default();
        let providers = self.config.identity.iter().map(|identity| self.provider(identity, &mut held));
        let providers = providers.collect::<Result<Vec<_>, _>>()?;
        let bearers = self.config.bearer.iter().map(|bearer| self.bearer(bearer, &mut held));
        let bearers = Bearers::new(bearers.collect::<Result<Vec<_>, _>>()?);
        Ok(Issuers { providers, bearers, held })
    }

    fn provider(&self, identity: &IdentityConfig, held: &mut HeldIssuers) -> Result<Provider, StartFault> {
        let issuer = self.issuer(&identity.issuer, held)?;
        let keys = self.keys(&issuer, None, &identity.algorithms, held);
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
            userinfo: identity.userinfo,
            logout_at_provider: identity.logout_at_provider,
        };
        Ok(Provider::new(config, issuer.discovery.clone(), keys.keys.clone(), issuer.outbound.clone()))
    }

    fn bearer(&self, bearer: &BearerConfig, held: &mut HeldIssuers) -> Result<BearerIssuer, StartFault> {
        let issuer = self.issuer(&bearer.issuer, held)?;
        let keys = self.keys(&issuer, bearer.jwks_uri.as_ref(), &bearer.algorithms, held);
        Ok(BearerIssuer {
            issuer: bearer.issuer.clone(),
            audience: bearer.audience.clone(),
            leeway: bearer.leeway,
            kind: bearer.kind,
            user_claim: bearer.user_claim.clone(),
            absence: bearer.absence,
            profile: bearer.profile,
            introspection: bearer.introspection.as_ref().map(|config| self.introspection(&issuer, config, held)),
            keys: keys.keys.clone(),
            memory: keys.memory.clone(),
        })
    }

    /// The issuer of this name: the one that is known already, if it is the same, else a new one.
    fn issuer(&self, name: &Arc<str>, held: &mut HeldIssuers) -> Result<Arc<Issuer>, StartFault> {
        // All that name it share it, so that the first `[[identity]]` speaks for each.
        let identity = self.config.identity.iter().find(|identity| identity.issuer == *name);
        let bearers = self.config.bearer.iter().filter(|bearer| bearer.issuer == *name);
        let identities = self.config.identity.iter().filter(|identity| identity.issuer == *name);
        let endpoint_hosts = identities.clone().flat_map(|identity| &identity.endpoint_hosts);
        let key = IssuerKey {
            issuer: name.clone(),
            discovery_urls: identities.clone().map(|identity| identity.discovery_url.clone()).collect(),
            endpoint_hosts: endpoint_hosts.cloned().collect(),
            ca: identity.and_then(|identity| identity.ca.clone()),
            named_at: bearers.flat_map(BearerConfig::named).cloned().collect(),
        };
        let issuer = self.known.get_or_make(key, || self.new_issuer(name, identity))?;
        held.issuers.push(issuer.clone());
        Ok(issuer)
    }

    fn new_issuer(&self, name: &Arc<str>, identity: Option<&IdentityConfig>) -> Result<Issuer, StartFault> {
        let url = Url::parse(name).map_err(|_| StartFault::Issuer(name.to_string()))?;
        let policy = OutboundPolicy {
            connect: self.tuning.connect,
            total: self.tuning.call,
            ca: identity.and_then(|identity| identity.ca.as_ref()).map(|pem| pem.to_vec()),
            named: self.config.named_for(name),
        };
        let outbound = Outbound::new(&url, policy, self.clock.clone())
            .map_err(|CaFault(fault)| StartFault::Ca(name.to_string(), fault))?;
        let provider = discovery::DiscoveryConfig {
            issuer: name.clone(),
            discovery_url: identity.and_then(|identity| identity.discovery_url.clone()),
            endpoint_hosts: identity.map(|identity| identity.endpoint_hosts.clone()).unwrap_or_default(),
        };
        let discovery =
            Discovery::new(provider, outbound.clone(), self.background.clone(), self.clock.clone(), self.data);
        let (name, kept_fresh) = (name.clone(), Once::new());
        Ok(Issuer {
            name,
            outbound,
            discovery,
            kept_fresh,
            keys: Registry::default(),
            introspected: Registry::default(),
        })
    }

    /// How the issuer is asked about opaque tokens, with what it has said of them to this client before.
    fn introspection(&self, issuer: &Issuer, config: &IntrospectionConfig, held: &mut HeldIssuers) -> Introspection {
        if config.endpoint.is_none() {
            issuer.kept_fresh.call_once(|| issuer.discovery.start());
        }
        let key = IntrospectionKey { client_id: config.client_id.clone(), endpoint: config.endpoint.clone() };
        let Ok(memory) = issuer.introspected.get_or_make(key, || Ok::<_, Infallible>(IntrospectionMemory::default()));
        held.introspected.push(memory.clone());
        let (discovery, outbound) = (issuer.discovery.clone(), issuer.outbound.clone());
        let (background, clock) = (self.background.clone(), self.clock.clone());
        Introspection::new(config.clone(), discovery, outbound, background, clock, (*memory).clone())
    }

    fn keys(
        &self,
        issuer: &Issuer,
        uri: Option<&Url>,
        algorithms: &[Algorithm],
        held: &mut HeldIssuers,
    ) -> Arc<KnownKeySet> {
        let mut algorithms = algorithms.to_vec();
        algorithms.sort();
        algorithms.dedup();
        let key = KeysKey { uri: uri.cloned(), algorithms: algorithms.clone() };
        let Ok(keys) = issuer.keys.get_or_make(key, || Ok::<_, Infallible>(self.new_keys(issuer, uri, algorithms)));
        held.keys.push(keys.clone());
        keys
    }

    fn new_keys(&self, issuer: &Issuer, uri: Option<&Url>, algorithms: Vec<Algorithm>) -> KnownKeySet {
        let location = match uri {
            Some(uri) => KeySetLocation::Uri(uri.clone()),
            None => {
                issuer.kept_fresh.call_once(|| issuer.discovery.start());
                KeySetLocation::Discovery(issuer.discovery.clone())
            }
        };
        let config = KeysConfig { issuer: issuer.name.clone(), location, algorithms, policy: self.tuning.keys };
        let (outbound, background, clock) = (issuer.outbound.clone(), self.background.clone(), self.clock.clone());
        let keys = IssuerKeys::new(config, outbound, background, clock, self.data);
        keys.start();
        KnownKeySet { keys, memory: BearerMemory::default() }
    }
}
