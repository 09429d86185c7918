//! What outlives every configuration, and making a configuration's live parts of it.
//!
//! Issuers and endpoints live in registries, by what they are: a configuration holds those that it names, so that the next one goes
//! on with what both name, and what none names any more ends with its last request.

use std::sync::Arc;

use auth_core::{
    authenticator::Authenticator,
    background::Background,
    clock::Clock,
    data_folder::DataFolder,
    database::Database,
    device::{
        DevicePolicy, Devices,
        activation::{ActivationPolicy, PinLength},
        legacy::{Adoption, AdoptionPolicy, LegacyTokens},
    },
    keyring::Keyring,
    refusal_guard::RefusalGuard,
    revocations::Revocations,
    session::{Renewals, SessionPolicy, Sessions},
    sign_in::{Callbacks, ReplayGuard, SignIn},
};
use url::Position;

use super::{
    Running, StartFault, Tuning,
    issuers::{IssuerBuilder, Issuers, KnownIssuers},
    routes,
};
use crate::{
    config::{Config, DevicesConfig, site::Site},
    request::{HeadPolicy, forwarded::ForwardedPolicy, head_rules::IngressRules},
    telemetry::RouteMetrics,
    upstream::{Endpoints, Upstreams, legacy_authority::UpstreamAuthority, signed_identity::IdentitySigner},
};

/// What configurations are brought to life with.
pub(super) struct ProcessParts {
    pub(super) data: Arc<DataFolder>,
    pub(super) clock: Clock,
    pub(super) background: Background,
    pub(super) tuning: Tuning,
    pub(super) store: Database,
    pub(super) keyring: Keyring,
    pub(super) revocations: Revocations,
    pub(super) guard: Arc<RefusalGuard>,
    pub(super) issuers: KnownIssuers,
    pub(super) replay: ReplayGuard,
    pub(super) renewals: Renewals,
    pub(super) endpoints: Endpoints,
    pub(super) legacy: LegacyTokens,
}

impl ProcessParts {
    /// The live parts of `config`. Nothing is changed for any other configuration until nothing can fail any more.
    pub(super) fn running(&self, config: Config) -> Result<Running, StartFault> {
        let builder = IssuerBuilder {
            config: &config,
            known: &self.issuers,
            tuning: &self.tuning,
            background: &self.background,
            clock: &self.clock,
            data: &self.data,
        };
        let Issuers { providers, bearers, held } = builder.issuers()?;
        let people = config.identity.iter();
        let policy = SessionPolicy {
            hard_without_refresh: config.sessions.hard_without_refresh,
            renewal: config.sessions.renewal,
            keeps_access_tokens: config.routes.iter().any(|route| route.forward_access_token),
            groups_asked: routes::groups_asked(&config),
            issuers: people.map(|identity| (identity.issuer.to_string(), identity.user_claim.clone())).collect(),
        };
        let (store, revocations) = (self.store.clone(), self.revocations.clone());
        let sessions =
            Sessions::new(&self.keyring, store, revocations, self.renewals.clone(), providers.clone(), policy);
        let callbacks =
            Callbacks { public_url: config.server.public_url.clone(), own_prefix: config.own_prefix.clone() };
        let sign_in = SignIn::new(
            providers,
            callbacks,
            &self.keyring,
            sessions.clone(),
            self.background.clone(),
            self.replay.clone(),
        );
        let site = Site::new(&config);
        let signer = IdentitySigner::new(self.keyring.clone(), site.origin());
        let devices = config.devices.as_ref().map(|it| {
            let policy = device_policy(it, &site);
            Devices::new(self.keyring.clone(), self.store.clone(), self.revocations.clone(), policy)
        });
        Ok(Running {
            devices: devices.clone(),
            head_policy: head_policy(&config, &site),
            routes: routes::table(&config),
            route_metrics: routes::metrics(&config),
            elsewhere: Arc::new(RouteMetrics::elsewhere()),
            upstreams: Upstreams::new(&config, &site, signer, &self.endpoints),
            sign_in,
            authenticator: Authenticator::new(
                sessions.clone(),
                bearers,
                devices,
                self.revocations.clone(),
                self.adoption(&config, &site),
                self.guard.clone(),
            ),
            sessions,
            since: self.clock.now().wall(),
            _issuers: held,
            site,
            config,
        })
    }
}

impl ProcessParts {
    /// Whom to ask whose a token of before is, if such are adopted. What the process knows of them goes on.
    fn adoption(&self, config: &Config, site: &Site) -> Option<Adoption> {
        let legacy = config.devices.as_ref()?.legacy.as_ref()?;
        let upstream = config.upstreams.get(&legacy.adopt_from)?;
        let public = &config.server.public_url[Position::BeforeHost..Position::AfterPort];
        let authority = UpstreamAuthority::new(legacy, upstream, public, &self.endpoints, self.background.clone());
        let policy = AdoptionPolicy { deadline: legacy.timeout, ..AdoptionPolicy::default() };
        let issuer = format!("{}{}", site.origin(), site.prefix());
        self.legacy.start();
        let header = legacy.header.clone();
        Some(Adoption::new(self.legacy.clone(), Arc::new(authority), issuer.into(), header, policy))
    }
}

/// What `config` says of device tokens.
pub(crate) fn device_policy(config: &DevicesConfig, site: &Site) -> DevicePolicy {
    DevicePolicy {
        renew_after: config.renew_after,
        soft: config.soft,
        hard: config.hard,
        issuer: format!("{}{}", site.origin(), site.prefix()).into(),
        audience: site.origin().into(),
        activation: ActivationPolicy {
            pin_length: if config.pin_digits == 8 { PinLength::Eight } else { PinLength::Six },
            pin_lifetime: config.pin_lifetime,
            ..ActivationPolicy::default()
        },
        wipe: config.statement_wipe.iter().map(|data| data.as_str().to_owned()).collect(),
    }
}

/// How heads are read under `config`.
fn head_policy(config: &Config, site: &Site) -> HeadPolicy {
    HeadPolicy {
        rules: IngressRules {
            max_target: config.server.max_target,
            max_head: config.server.max_head,
            reserved: config.reserved(),
        },
        forwarded: ForwardedPolicy { proxies: config.server.trusted_proxies.clone(), secure: site.is_secure() },
        cookies: site.cookies(),
        origin: site.origin().to_owned(),
        legacy_header: config.devices.as_ref().and_then(|it| it.legacy.as_ref()).map(|it| it.header.clone()),
    }
}
