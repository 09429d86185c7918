//! An ID token at the callback of a sign-in: our check of its signature, and the library's of what it says.

use std::{hint::black_box, sync::Arc};

use auth_core::{
    Background,
    discovery::{Discovery, DiscoveryConfig},
    idp::{Provider, ProviderConfig, ResponseMode},
    jws::Algorithm,
    principal::{UserClaim, stated::Absence},
    sign_in::id_token_holds,
};
use criterion::Criterion;
use futures_util::FutureExt;
use serde_json::json;

use crate::stand::{Stand, StandFault};

const NONCE: &str = "n-0S6_WzA2Mj";

pub(crate) fn measure(criterion: &mut Criterion, stand: &Stand) -> Result<(), StandFault> {
    let (provider, now) = (provider(stand), stand.clock.now());
    let mut group = criterion.benchmark_group("sign-in");
    for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa] {
        let seconds = now.wall().as_secs();
        let claims = json!({
            "iss": stand.issuer.name(), "sub": "ada", "aud": "candor", "nonce": NONCE, "iat": seconds,
            "exp": seconds + 3600, "name": "Ada Lovelace", "email": "ada@example.com", "groups": ["staff"],
        });
        let token = stand.issuer.sign(algorithm, "JWT", &claims)?;
        let holds = || id_token_holds(&provider, &token, NONCE, "an access token", stand.clock.now());
        if !stand.runtime.block_on(holds()) {
            return Err(StandFault::Wrong(format!("an ID token by {algorithm} does not hold")));
        }
        group.bench_function(format!("an ID token, {algorithm}"), |bencher| {
            bencher.iter(|| black_box(holds().now_or_never()));
        });
    }
    group.finish();
    Ok(())
}

fn provider(stand: &Stand) -> Provider {
    let issuer: Arc<str> = stand.issuer.name().into();
    let document = DiscoveryConfig { issuer, discovery_url: None, endpoint_hosts: Vec::new() };
    let (background, data) = (Background::current(), &*stand.gateway.data);
    let document = Discovery::new(document, stand.outbound.clone(), background, stand.clock.clone(), data);
    let config = ProviderConfig {
        name: "provider".into(),
        client_id: "candor".to_owned(),
        client_secret: None,
        scopes: vec!["openid".to_owned()],
        user_claim: UserClaim::Subject,
        name_claim: "name".to_owned(),
        groups_claim: "groups".to_owned(),
        absence: Absence::default(),
        prompt: None,
        response_mode: ResponseMode::Query,
        userinfo: auth_core::idp::UserinfoUse::Never,
        logout_at_provider: true,
    };
    Provider::new(config, document, stand.keys.clone(), stand.outbound.clone())
}
